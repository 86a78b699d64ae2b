//! What is in flight of each partition that this shard holds: one tracker an assignment.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::groups::Groups;
use crate::ack::{Limits, Settlement, Ticket, ahead, ordered, unordered};
use crate::record::{Assignment, AssignmentId};
use crate::sources::Source;
use crate::tasks::callbacks::{RecordId, stream_of};

/// A record that is being worked on: whose window, which ticket there, and of which run through it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    assignment: AssignmentId,
    epoch: u32,
    ticket: Ticket,
}

impl Claim {
    /// One that settles nothing.
    pub(super) fn void(assignment: AssignmentId) -> Claim {
        Claim { assignment, epoch: u32::MAX, ticket: Ticket::VOID }
    }

    /// The assignment the record came through.
    pub fn assignment(&self) -> AssignmentId {
        self.assignment
    }
}

/// One assignment's window.
#[derive(Debug)]
pub struct Window {
    /// What it is of.
    pub assignment: Assignment,
    /// The topic's name; not shared with other shards, so that holding it is free.
    pub topic: Rc<str>,
    tracker: Tracker,
    /// Counts rewinds: claims from before one are void.
    epoch: u32,
    is_paused: bool,
    is_draining: bool,
    noted: Option<i64>,
    /// The source was told of what is ahead of the commit point.
    is_ahead_told: bool,
    /// Offsets that something befell, above the commit point.
    marks: BTreeMap<i64, Mark>,
}

/// What befell a record on an earlier run over it, and what follows for the next.
#[derive(Clone, Debug, Default)]
pub struct Mark {
    /// Its output was refused, perhaps for that of another: it is written alone.
    pub is_output_alone: bool,
    /// Its batch's output was refused for its own sake: it runs in a batch of its own.
    pub is_single: bool,
    /// Its output was refused for its own sake, and why: it fails at once.
    pub condemned: Option<String>,
    /// Its dead letter was refused, perhaps for that of another: it is written alone.
    pub is_letter_alone: bool,
    /// Its dead letter was refused for its own sake: it goes to the file.
    pub is_letter_for_file: bool,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// Its partition is not this shard's.
    Elsewhere,
    /// It is done with.
    Settled,
    /// It is being worked on, or is still to come.
    Here,
}

/// How a window's records are acknowledged.
#[derive(Debug)]
enum Tracker {
    /// A partition's: up to an offset.
    Offsets(ordered::Tracker),
    /// A queue's: one by one; what has settled since the last tick is kept with how.
    Receipts(unordered::Tracker<i64>, Vec<(i64, Settlement)>),
}

/// The caps are kept by pausing before they are reached; a tracker itself refuses nothing, because a
/// record that was handed over can't be given back.
const UNBOUNDED: Limits = Limits { records: usize::MAX, bytes: u64::MAX };

impl Tracker {
    fn of_partition() -> Tracker {
        Tracker::Offsets(ordered::Tracker::new(UNBOUNDED))
    }

    fn of_queue() -> Tracker {
        Tracker::Receipts(unordered::Tracker::new(UNBOUNDED), Vec::new())
    }

    #[inline]
    fn track(&mut self, offset: i64, bytes: usize) -> Option<Ticket> {
        match self {
            Tracker::Offsets(tracker) => tracker.track(offset, bytes),
            Tracker::Receipts(tracker, _) => tracker.track(offset, bytes).ok(),
        }
    }

    #[inline]
    fn settle(&mut self, ticket: Ticket, how: Settlement) -> bool {
        match self {
            Tracker::Offsets(tracker) => tracker.settle(ticket, how),
            Tracker::Receipts(tracker, settled) => {
                let done = tracker.settle(ticket, how);
                settled.extend(done);
                done.is_some()
            }
        }
    }

    /// The number of a queue's message that has settled just now.
    fn settled_last(&self) -> Option<i64> {
        match self {
            Tracker::Offsets(_) => None,
            Tracker::Receipts(_, settled) => settled.last().map(|(number, _)| *number),
        }
    }

    /// Is it known to be settled? Of a queue's messages only those in hand are known.
    fn is_settled(&self, offset: i64) -> bool {
        match self {
            Tracker::Offsets(tracker) => tracker.is_settled(offset),
            Tracker::Receipts(..) => false,
        }
    }

    fn open(&self) -> usize {
        match self {
            Tracker::Offsets(tracker) => tracker.open(),
            Tracker::Receipts(tracker, _) => tracker.records(),
        }
    }

    /// Records and bytes that count against the window's limits.
    fn size(&self) -> (usize, u64) {
        match self {
            Tracker::Offsets(tracker) => (tracker.records(), tracker.bytes()),
            Tracker::Receipts(tracker, _) => (tracker.records(), tracker.bytes()),
        }
    }
}

/// All of a pipeline's windows on this shard.
#[derive(Debug)]
pub struct Windows {
    limits: Limits,
    /// Records that may still arrive once a pause was asked for: one batch.
    margin: usize,
    list: Vec<Window>,
    last: usize,
    /// Groups of a FIFO queue, where batches are made of its messages.
    pub groups: Option<Groups>,
}

impl Window {
    /// Tells the source what has settled, and learns what it has committed.
    fn acknowledge(&mut self, source: &mut dyn Source) {
        let id = self.assignment.id;
        let tracker = match &mut self.tracker {
            Tracker::Offsets(tracker) => tracker,
            Tracker::Receipts(_, settled) => {
                for (number, how) in settled.drain(..) {
                    if how.is_final() {
                        self.marks.remove(&number);
                    }
                    source.settled(id, number, how);
                }
                return;
            }
        };
        if let Some(point) = tracker.commit_point()
            && self.noted != Some(point)
        {
            self.noted = Some(point);
            source.commit(id, point);
        }
        let is_ahead = tracker.is_ahead();
        if (is_ahead || self.is_ahead_told) && source.wants_ahead(id) {
            self.is_ahead_told = is_ahead;
            let base = tracker.oldest_unsettled().unwrap_or(0);
            source.note_ahead(id, ahead::write(base, tracker.ahead()));
        }
        if let Some(committed) = source.committed(id) {
            tracker.confirm(committed);
            // Not before: what is settled may come again until it is committed.
            if !self.marks.is_empty() {
                self.marks = self.marks.split_off(&committed);
            }
        }
    }
}

impl Windows {
    /// No windows; each that comes gets these limits. `margin`: records in one batch.
    pub fn new(limits: Limits, margin: usize) -> Windows {
        Windows { limits, margin, list: Vec::new(), last: 0, groups: None }
    }

    /// A partition has come.
    pub fn open(&mut self, assignment: Assignment) {
        self.add(assignment, Tracker::of_partition());
    }

    /// A queue has come.
    pub fn open_queue(&mut self, assignment: Assignment) {
        self.add(assignment, Tracker::of_queue());
    }

    fn add(&mut self, assignment: Assignment, tracker: Tracker) {
        self.list.push(Window {
            topic: Rc::from(&*assignment.topic),
            assignment,
            tracker,
            epoch: 0,
            is_paused: false,
            is_draining: false,
            noted: None,
            is_ahead_told: false,
            marks: BTreeMap::new(),
        });
    }

    /// The window of an assignment that is still held.
    pub fn get(&mut self, id: AssignmentId) -> Option<&mut Window> {
        if self.list.get(self.last).is_none_or(|window| window.assignment.id != id) {
            self.last = self.list.iter().position(|window| window.assignment.id == id)?;
        }
        self.list.get_mut(self.last)
    }

    /// A partition is gone: nothing that was in flight of it counts any more.
    pub fn forget(&mut self, id: AssignmentId) {
        self.list.retain(|window| window.assignment.id != id);
    }

    /// A partition is to be given up once what is in flight has settled.
    pub fn drain(&mut self, id: AssignmentId) {
        if let Some(window) = self.get(id) {
            window.is_draining = true;
        }
    }

    /// Tracks a record.
    pub fn claim(&mut self, id: AssignmentId, offset: i64, bytes: usize) -> Option<Claim> {
        let window = self.get(id)?;
        let ticket = window.tracker.track(offset, bytes)?;
        Some(Claim { assignment: id, epoch: window.epoch, ticket })
    }

    /// Settles a record; `false` where the claim is void.
    pub fn settle(&mut self, claim: Claim, settlement: Settlement) -> bool {
        if !self.is_valid(claim) {
            return false;
        }
        let Some(window) = self.get(claim.assignment) else { return false };
        let is_done = window.tracker.settle(claim.ticket, settlement);
        let number = window.tracker.settled_last();
        if let Some(groups) = &mut self.groups
            && let Some(number) = number.filter(|_| is_done)
        {
            groups.leave(number, settlement.is_final());
        }
        is_done
    }

    /// Is the claim's partition still held, and was it not rewound since?
    pub fn is_valid(&mut self, claim: Claim) -> bool {
        self.get(claim.assignment).is_some_and(|window| window.epoch == claim.epoch)
    }

    /// Is it a queue's, whose messages come again one by one?
    pub fn is_queue(&mut self, id: AssignmentId) -> bool {
        self.get(id).is_some_and(|window| matches!(window.tracker, Tracker::Receipts(..)))
    }

    /// As [`Windows::is_valid`], for many claims in a row.
    pub fn holds(&self, claim: Claim) -> bool {
        let is_it = |window: &Window| window.assignment.id == claim.assignment;
        self.list.iter().find(|window| is_it(window)).is_some_and(|it| it.epoch == claim.epoch)
    }

    /// Partitions that are to be given up.
    pub fn draining(&self) -> Vec<AssignmentId> {
        let draining = self.list.iter().filter(|window| window.is_draining);
        draining.map(|window| window.assignment.id).collect()
    }

    /// Unsettled records.
    pub fn open_records(&self) -> usize {
        self.list.iter().map(|window| window.tracker.open()).sum()
    }

    /// What befell the record at this offset on an earlier run, if anything did.
    #[inline]
    pub fn mark(&mut self, id: AssignmentId, offset: i64) -> Option<&Mark> {
        self.get(id)?.marks.get(&offset)
    }

    /// Where a record of a pipeline stands, by the stream's name in tokens.
    pub fn whereabouts(&self, pipeline: &str, record: &RecordId) -> Whereabouts {
        let is_of = |window: &&Window| {
            window.assignment.partition == record.partition
                && stream_of(pipeline, &window.topic) == record.stream
        };
        match self.list.iter().find(is_of) {
            None => Whereabouts::Elsewhere,
            Some(window) if window.tracker.is_settled(record.offset) => Whereabouts::Settled,
            Some(_) => Whereabouts::Here,
        }
    }

    /// Notes what befell a record. `false` where its partition is gone.
    pub fn note(&mut self, id: AssignmentId, offset: i64, note: impl FnOnce(&mut Mark)) -> bool {
        let Some(window) = self.get(id) else { return false };
        note(window.marks.entry(offset).or_default());
        true
    }

    /// Reads what is unsettled of a partition once more; `false` where the source can't.
    pub fn rewind(&mut self, id: AssignmentId, source: &mut dyn Source) -> bool {
        // A partition that is gone is read by its next owner.
        let Some(window) = self.get(id) else { return true };
        let Tracker::Offsets(tracker) = &window.tracker else { return false };
        let Some(offset) = tracker.oldest_unsettled() else { return true };
        window.epoch += 1;
        let (topic, partition) = (&window.topic, window.assignment.partition);
        tracing::info!(%topic, partition, offset, "an output was refused: its partition is read again");
        window.tracker = Tracker::of_partition();
        source.rewind(id, offset)
    }

    /// Calls `take` with topic and partition, and below which offset all is committed.
    pub fn each_committed(&self, source: &dyn Source, mut take: impl FnMut(&str, i32, i64)) {
        for window in &self.list {
            if let Some(below) = source.committed(window.assignment.id) {
                take(&window.topic, window.assignment.partition, below);
            }
        }
    }

    /// What was settled counts no more, and what is in flight is void: all of it comes again.
    pub fn undo(&mut self, id: AssignmentId) {
        let Some(window) = self.get(id) else { return };
        window.epoch += 1;
        window.tracker = Tracker::of_partition();
        window.noted = None;
        // A rewound partition flows again.
        window.is_paused = false;
    }

    /// Notes what has settled, learns what was committed, and pauses or resumes partitions. Returns
    /// how many partitions were paused just now.
    pub fn keep(&mut self, source: &mut dyn Source) -> u64 {
        let (limits, margin) = (self.limits, self.margin);
        let mut stops = 0;
        for window in &mut self.list {
            window.acknowledge(source);
            let (records, bytes) = window.tracker.size();
            let is_full =
                records + margin >= limits.records.max(margin + 1) || bytes >= limits.bytes;
            let has_room = records * 2 <= limits.records && bytes * 2 <= limits.bytes;
            if (!window.is_paused && is_full) || (window.is_paused && has_room) {
                window.is_paused = !window.is_paused;
                stops += u64::from(window.is_paused);
                source.pause(window.assignment.id, window.is_paused);
            }
        }
        self.list.retain(|window| {
            let is_done = window.is_draining && window.tracker.open() == 0;
            if is_done {
                source.release(window.assignment.id);
            }
            !is_done
        });
        stops
    }
}
