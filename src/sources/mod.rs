//! Where records come from. A [`Source`] is one shard's end: it hands over batches and never blocks.

pub mod file;
pub mod kafka;
pub mod letters;
pub mod sqs;

use std::fmt;

use crate::ack::Settlement;
use crate::record::{Assignment, AssignmentId, Position, Record};

/// What a source hands to its shard.
#[derive(Debug)]
pub enum Arrival<'a> {
    /// A partition is this shard's from now on; its records follow.
    Assigned(Assignment),
    /// A queue is this shard's from now on; its messages follow, each of which is acknowledged by
    /// itself, through [`Source::settled`].
    Queue(Assignment),
    /// The partition is being taken away: drain what is in flight within the bound, then answer with
    /// [`Source::release`]. No record of it follows.
    Revoking(AssignmentId),
    /// The partition is gone already: drop what is in flight, commit nothing.
    Lost(AssignmentId),
    /// What was settled from this offset on counts no more, as its outputs do not: forget what is in
    /// flight, then ask for it by [`Source::rewind`].
    Undone(Undone),
    /// A record.
    Record(Record<'a>),
    /// A record that had settled before a restart, ahead of what was committed: it counts, and is not
    /// done again.
    Done(Position),
    /// The source has ended for good (a file; never Kafka).
    End,
}

/// See [`Arrival::Undone`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// Whose it is.
    pub assignment: AssignmentId,
    /// Where it is read again from.
    pub offset: i64,
    /// The record whose output is to blame, if one is.
    pub refused: Option<Refused>,
}

/// An output that was refused for its own sake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its record's offset.
    pub offset: i64,
    /// It was the record's dead letter.
    pub is_letter: bool,
    /// Why.
    pub why: String,
}

/// One shard's end of a source.
pub trait Source: Send {
    /// Hands over at most `limit` records (and whatever else has arrived) and returns how many
    /// records there were. Never waits; the shard's `Wake` is called when there is more.
    /// What an `Arrival` borrows lives until `take` returns.
    fn poll(
        &mut self,
        limit: usize,
        take: &mut dyn FnMut(Arrival<'_>),
    ) -> Result<usize, SourceError>;

    /// Stops (`true`) or resumes the flow of one partition, whose window is full; the next record
    /// handed over after resuming is the first one not handed over before.
    fn pause(&mut self, assignment: AssignmentId, paused: bool);

    /// Notes that everything below `offset` is settled; committed on the source's interval.
    fn commit(&mut self, assignment: AssignmentId, offset: i64);

    /// A queue's message has settled, or is to come again (a nack). Not called for partitions.
    fn settled(&mut self, assignment: AssignmentId, number: i64, how: Settlement) {
        let _ = (assignment, number, how);
    }

    /// The highest offset known to be committed for the assignment, where the source can tell.
    fn committed(&self, assignment: AssignmentId) -> Option<i64>;

    /// Is a text wanted that tells what has settled ahead of the commit point?
    fn wants_ahead(&self, assignment: AssignmentId) -> bool {
        let _ = assignment;
        false
    }

    /// That text, to be kept beside the next commit; empty where nothing has.
    fn note_ahead(&mut self, assignment: AssignmentId, text: String) {
        let _ = (assignment, text);
    }

    /// Hands over again what stands at `offset` and behind it. `false` where the source can't.
    fn rewind(&mut self, assignment: AssignmentId, offset: i64) -> bool {
        let _ = (assignment, offset);
        false
    }

    /// The offset was committed by others than this source, for good.
    fn confirm(&mut self, assignment: AssignmentId, offset: i64) {
        let _ = (assignment, offset);
    }

    /// Answers [`Arrival::Revoking`]: all that will ever be settled is settled and noted.
    fn release(&mut self, assignment: AssignmentId);
}

/// Why a source could not go on, for the operator.
#[derive(Debug)]
pub struct SourceError {
    /// What was attempted, on what, and what to do.
    pub message: String,
    /// Will trying again help?
    pub retriable: bool,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SourceError {}
