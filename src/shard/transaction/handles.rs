//! What the shard sees of it: a source and sinks, as any.

use std::time::Instant;

use super::super::outputs::Way;
use super::Transactions;
use super::line::Line;
use crate::record::{AssignmentId, Position};
use crate::sinks::{Ended, Output, Receipt, Sink, SinkError, TopicId};
use crate::sources::{Arrival, Source, SourceError};

/// Stages outputs. A receipt says that one is staged; it counts once its transaction does.
pub(super) struct StagingSink {
    pub(super) shared: Transactions,
    pub(super) way: Way,
}

impl Sink for StagingSink {
    fn topic(&mut self, name: &str) -> Result<TopicId, SinkError> {
        self.shared.state().backend.topic(name)
    }

    fn write(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        self.shared.state().stage(self.way, output);
        Ok(())
    }

    fn submit(&mut self) {}

    fn poll(&mut self, take: &mut dyn FnMut(Receipt)) {
        let mut state = self.shared.state();
        if self.way == Way::Output {
            state.drive(Instant::now());
        }
        for tag in state.receipts[self.way as usize].drain(..) {
            take(Receipt { tag, result: Ok((-1, -1)) });
        }
    }

    fn in_flight(&self) -> usize {
        self.shared.state().receipts[self.way as usize].len()
    }

    fn of(&mut self, position: Position) {
        self.shared.state().current = Some(position);
    }

    fn counts_once(&self) -> bool {
        true
    }

    fn uncommitted(&self) -> usize {
        match self.way {
            Way::Output => self.shared.state().uncommitted(),
            Way::Letter => 0,
        }
    }

    fn ended(&mut self) -> Ended {
        match self.way {
            Way::Output => std::mem::take(&mut self.shared.state().ended),
            Way::Letter => Ended::default(),
        }
    }

    fn held_bytes(&self) -> usize {
        match self.way {
            Way::Output => self.shared.state().held_bytes(),
            Way::Letter => 0,
        }
    }
}

/// Hands records on, keeps their offsets for transactions, and tells of those that were aborted.
pub(super) struct TransactionalSource {
    pub(super) shared: Transactions,
    pub(super) inner: Box<dyn Source>,
}

impl TransactionalSource {
    /// Tells the source what was committed, and gives back what is drained.
    fn pass_on(&mut self) {
        let mut state = self.shared.state();
        let confirmed = std::mem::take(&mut state.confirmed);
        let drained = std::mem::take(&mut state.drained);
        drop(state);
        for (id, offset) in confirmed {
            self.inner.confirm(id, offset);
        }
        for id in drained {
            self.inner.release(id);
        }
    }

    /// May the record be handed on? Not while its partition is to be rewound.
    fn admits(shared: &Transactions, position: Position) -> bool {
        let mut state = shared.state();
        let Some(line) = state.line(position.assignment) else { return true };
        if !line.has_begun() {
            line.begin_at(position.offset);
        }
        !line.is_undone
    }
}

impl Source for TransactionalSource {
    fn poll(
        &mut self,
        limit: usize,
        take: &mut dyn FnMut(Arrival<'_>),
    ) -> Result<usize, SourceError> {
        self.pass_on();
        let (undone, over) = {
            let mut state = self.shared.state();
            (std::mem::take(&mut state.undone), state.over.clone())
        };
        undone.into_iter().for_each(|undone| take(Arrival::Undone(undone)));
        if let Some(message) = over {
            return Err(SourceError { message, retriable: false });
        }
        let shared = &self.shared;
        self.inner.poll(limit, &mut |arrival| match arrival {
            Arrival::Record(record) => {
                if Self::admits(shared, record.position) {
                    take(Arrival::Record(record));
                }
            }
            Arrival::Assigned(assignment) => {
                shared.state().lines.push(Line::new(assignment.clone()));
                take(Arrival::Assigned(assignment));
            }
            Arrival::Lost(id) => {
                shared.state().lose(id);
                take(Arrival::Lost(id));
            }
            other => take(other),
        })
    }

    fn pause(&mut self, assignment: AssignmentId, paused: bool) {
        self.inner.pause(assignment, paused);
    }

    fn commit(&mut self, assignment: AssignmentId, offset: i64) {
        if let Some(line) = self.shared.state().line(assignment) {
            line.settle(offset);
        }
    }

    fn committed(&self, assignment: AssignmentId) -> Option<i64> {
        let mut state = self.shared.state();
        let own = state.line(assignment).filter(|line| line.has_begun()).map(|it| it.committed);
        own.or_else(|| self.inner.committed(assignment))
    }

    fn rewind(&mut self, assignment: AssignmentId, offset: i64) -> bool {
        if let Some(line) = self.shared.state().line(assignment) {
            line.is_undone = false;
        }
        self.inner.rewind(assignment, offset)
    }

    fn release(&mut self, assignment: AssignmentId) {
        let mut state = self.shared.state();
        match state.line(assignment) {
            Some(line) => line.asks_release = true,
            None => state.drained.push(assignment),
        }
        // What has nothing to commit goes at once, the rest with its transaction.
        state.give_back();
        drop(state);
        self.pass_on();
    }
}
