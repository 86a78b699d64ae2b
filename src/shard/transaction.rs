//! Exactly once: outputs and the offsets of their records are committed together, in one transaction
//! after the other. A transaction holds exactly the outputs of the records below the offsets that it
//! commits. What is done ahead of an older record of its partition is staged until that is done too.
//!
//! ```text
//! Flow -> Outlet -> staged --(all below is done)--> transaction --(commit)--> Source::confirm
//!                                                       |-------(abort)-----> Arrival::Undone
//! ```
//!
//! The shard's source and sinks are wrapped, and share this; all calls come from the shard's thread.

mod handles;
mod line;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::outputs::Way;
use crate::record::{AssignmentId, Position};
use crate::sinks::{Ended, Hitch, Output, Sink, SinkError, SinkErrorKind, Transactional};
use crate::sources::{Refused, Source, Undone};
use line::{Line, Staged};

/// Records of a partition in one transaction while outputs are written alone: each takes a round trip,
/// and a transaction must end before its timeout.
const SINGLY_MAX: usize = 32;

/// The transactions of one pipeline on one shard.
#[derive(Clone)]
pub struct Transactions(Arc<Mutex<State>>);

impl Transactions {
    /// Transactions of this backend, each committed after so long.
    pub fn new(backend: Box<dyn Transactional>, interval: Duration) -> Transactions {
        Transactions(Arc::new(Mutex::new(State {
            backend,
            interval,
            phase: Phase::Idle,
            lines: Vec::new(),
            outgoing: VecDeque::new(),
            written: Vec::new(),
            first_tag: 0,
            failures: Vec::new(),
            current: None,
            receipts: [Vec::new(), Vec::new()],
            undone: Vec::new(),
            confirmed: Vec::new(),
            drained: Vec::new(),
            suspects: HashSet::new(),
            over: None,
            ended: Ended::default(),
        })))
    }

    /// The sink that the outputs of one way go to.
    pub fn sink(&self, way: Way) -> Box<dyn Sink> {
        Box::new(handles::StagingSink { shared: self.clone(), way })
    }

    /// The shard's source, whose offsets go into the transactions.
    pub fn source(&self, inner: Box<dyn Source>) -> Box<dyn Source> {
        Box::new(handles::TransactionalSource { shared: self.clone(), inner })
    }

    // One thread takes it, and never twice: it is never waited for.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No transaction.
    Idle,
    /// Outputs go into it, since then.
    Open(Instant),
    /// It is being committed: nothing more goes into it.
    Closing,
    /// It is being aborted.
    Aborting,
}

/// An output of the transaction, by its tag there.
#[derive(Clone, Copy, Debug)]
struct Written {
    position: Position,
    way: Way,
}

struct State {
    backend: Box<dyn Transactional>,
    interval: Duration,
    phase: Phase,
    lines: Vec<Line>,
    /// Outputs of the transaction that the backend has not taken yet.
    outgoing: VecDeque<(Position, Staged)>,
    written: Vec<Written>,
    /// The tag of the first of them: tags are used once, as reports may come late.
    first_tag: u64,
    failures: Vec<(Written, SinkError)>,
    /// Whose outputs are being staged.
    current: Option<Position>,
    /// Tags of staged outputs that have no receipt yet, by way.
    receipts: [Vec<u64>; 2],
    undone: Vec<Undone>,
    confirmed: Vec<(AssignmentId, i64)>,
    /// Partitions to be released, with nothing left to commit.
    drained: Vec<AssignmentId>,
    /// Records of which one was refused, and it is not known which: their outputs are written alone.
    suspects: HashSet<Position>,
    /// Why there will be no further transaction.
    over: Option<String>,
    /// Those that ended since that was told.
    ended: Ended,
}

impl State {
    fn line(&mut self, id: AssignmentId) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.assignment.id == id)
    }

    /// Goes on with the transaction as far as that is possible now.
    fn drive(&mut self, now: Instant) {
        let State { backend, written, failures, first_tag, .. } = self;
        backend.poll(&mut |receipt| {
            let place = receipt.tag.checked_sub(*first_tag);
            let of = place.and_then(|place| written.get(place as usize)).copied();
            if let (Err(e), Some(of)) = (receipt.result, of) {
                failures.push((of, e));
            }
        });
        let is_under_way = matches!(self.phase, Phase::Open(_) | Phase::Closing);
        if is_under_way && !self.failures.is_empty() {
            self.phase = Phase::Aborting;
        }
        if self.phase == Phase::Idle && self.over.is_none() && self.has_work() {
            self.begin(now);
        }
        if let Phase::Open(since) = self.phase {
            self.fill();
            let is_asked = self.lines.iter().any(|line| line.asks_release);
            let is_due = is_asked || now.saturating_duration_since(since) >= self.interval;
            if is_due && self.outgoing.is_empty() && self.failures.is_empty() {
                self.phase = Phase::Closing;
            }
        }
        if self.phase == Phase::Closing && self.backend.in_flight() == 0 {
            self.commit();
        }
        if self.phase == Phase::Aborting {
            self.abort();
        }
    }

    fn has_work(&self) -> bool {
        self.lines.iter().any(|line| line.settled > line.committed)
    }

    fn begin(&mut self, now: Instant) {
        match self.backend.begin() {
            Ok(()) => self.phase = Phase::Open(now),
            Err(Hitch::Wait) => {}
            // The backend is asked for another producer, as after any transaction that failed.
            Err(Hitch::Abort(_)) => self.phase = Phase::Aborting,
            Err(Hitch::Over(e)) => self.over = Some(e.message),
        }
    }

    /// Puts into the transaction what all that came before it is done with.
    fn fill(&mut self) {
        let records_max = if self.suspects.is_empty() { usize::MAX } else { SINGLY_MAX };
        for line in &mut self.lines {
            let id = line.assignment.id;
            for ((offset, _), staged) in line.release(records_max) {
                self.outgoing.push_back((Position { assignment: id, offset }, staged));
            }
        }
        while let Some((position, staged)) = self.outgoing.front() {
            // Nothing shares a batch with a suspect: neither what comes before it nor what comes after.
            let last = self.written.last().map(|of| of.position);
            let is_suspect = |it: &Position| self.suspects.contains(it);
            let is_alone = is_suspect(position) || last.as_ref().is_some_and(is_suspect);
            if is_alone && self.backend.in_flight() > 0 {
                break;
            }
            let of = Written { position: *position, way: staged.way };
            let tag = self.first_tag + self.written.len() as u64;
            let backend = &mut self.backend;
            match staged.lend(tag, |output| backend.write(output)) {
                Ok(()) => self.written.push(of),
                Err(e) if e.kind == SinkErrorKind::Full => break,
                Err(e) => {
                    self.failures.push((of, e));
                    self.phase = Phase::Aborting;
                    break;
                }
            }
            self.outgoing.pop_front();
        }
        self.backend.submit();
    }

    fn commit(&mut self) {
        let moved = |line: &&Line| line.released > line.committed;
        let place = |line| {
            let Line { assignment, released, .. }: &Line = line;
            (&*assignment.topic, assignment.partition, *released)
        };
        let offsets: Vec<(&str, i32, i64)> = self.lines.iter().filter(moved).map(place).collect();
        match self.backend.commit(&offsets) {
            Ok(()) => self.committed(),
            Err(Hitch::Wait) => {}
            Err(Hitch::Abort(why)) => {
                tracing::warn!(why, "a transaction could not be committed: it is aborted");
                self.phase = Phase::Aborting;
            }
            Err(Hitch::Over(e)) => self.over = Some(e.message),
        }
    }

    fn committed(&mut self) {
        for line in &mut self.lines {
            if line.released > line.committed {
                line.committed = line.released;
                self.confirmed.push((line.assignment.id, line.committed));
            }
        }
        self.forget_written();
        self.phase = Phase::Idle;
        self.ended.committed += 1;
        let lines = &self.lines;
        self.suspects.retain(|it| {
            let is_left =
                |line: &Line| line.assignment.id == it.assignment && line.committed <= it.offset;
            lines.iter().any(is_left)
        });
        self.give_back();
    }

    /// Partitions that are asked for back, and have nothing left to commit, go.
    fn give_back(&mut self) {
        let drained = &mut self.drained;
        self.lines.retain(|line| {
            let is_drained = line.asks_release && line.settled <= line.committed;
            if is_drained {
                drained.push(line.assignment.id);
            }
            !is_drained
        });
    }

    fn abort(&mut self) {
        match self.backend.abort() {
            Ok(()) => self.undo(),
            Err(Hitch::Wait | Hitch::Abort(_)) => {}
            Err(Hitch::Over(e)) => {
                self.over = Some(e.message);
                self.undo();
            }
        }
    }

    /// All that was in the transaction comes again.
    fn undo(&mut self) {
        self.phase = Phase::Idle;
        self.ended.aborted += 1;
        if let Some((_, e)) = self.failures.first() {
            tracing::warn!(why = e.message, "a transaction was aborted");
        }
        let blamed = self.blame();
        for line in self.lines.iter_mut().filter(|line| line.released > line.committed) {
            let id = line.assignment.id;
            line.undo();
            if line.asks_release {
                // Its next owner reads it.
                continue;
            }
            let refused = blamed.as_ref().filter(|(at, _)| at.position.assignment == id);
            let refused = refused.map(|(at, why)| Refused {
                offset: at.position.offset,
                is_letter: at.way == Way::Letter,
                why: why.clone(),
            });
            let (topic, partition, offset) =
                (&line.assignment.topic, line.assignment.partition, line.committed);
            tracing::info!(%topic, partition, offset, "read again after an aborted transaction");
            self.undone.push(Undone { assignment: id, offset, refused });
        }
        self.outgoing.clear();
        self.forget_written();
        self.failures.clear();
        self.give_back();
    }

    fn forget_written(&mut self) {
        self.first_tag += self.written.len() as u64;
        self.written.clear();
    }

    /// Whose output was refused for its own sake. Where that is not known of several, each is written
    /// alone the next time.
    fn blame(&mut self) -> Option<(Written, String)> {
        if let Some((_, e)) = self.failures.iter().find(|(_, e)| e.kind == SinkErrorKind::Fatal) {
            self.over = Some(e.message.clone());
        }
        let mut own = self.failures.iter().filter(|(_, e)| e.kind == SinkErrorKind::Record);
        let (of, e) = own.next()?;
        let at = of.position;
        if own.clone().all(|(other, _)| other.position == at) {
            let blamed = (*of, e.message.clone());
            self.suspects.remove(&at);
            return Some(blamed);
        }
        self.suspects.extend(own.map(|(other, _)| other.position).chain([at]));
        None
    }

    /// A partition is gone. What the transaction holds of it must not be committed.
    fn lose(&mut self, id: AssignmentId) {
        let Some(at) = self.lines.iter().position(|line| line.assignment.id == id) else { return };
        let line = self.lines.remove(at);
        if line.released > line.committed && matches!(self.phase, Phase::Open(_) | Phase::Closing) {
            self.phase = Phase::Aborting;
        }
    }

    fn stage(&mut self, way: Way, output: Output<'_>) {
        let Some(position) = self.current else { return };
        let tag = output.tag;
        if let Some(line) = self.line(position.assignment)
            // Of an execution that the shard has not heard yet is void.
            && !line.is_undone
        {
            line.stage(position.offset, Staged::new(way, &output));
        }
        self.receipts[way as usize].push(tag);
    }

    /// Outputs and offsets that are done with here, and not committed.
    fn uncommitted(&self) -> usize {
        let is_moved = |line: &&Line| line.settled > line.committed;
        let lines = self.lines.iter().filter(is_moved).count();
        lines + self.outgoing.len() + usize::from(self.phase != Phase::Idle)
    }

    fn held_bytes(&self) -> usize {
        self.lines.iter().map(|line| line.bytes).sum()
    }
}
