//! Where outcomes go. A [`Sink`] is one shard's end: it takes outputs, and reports each one's fate.

pub mod discard;
pub mod file;
pub mod kafka;
pub mod sqs;

use std::fmt;

use crate::record::{Header, Position};

/// A topic as a sink knows it; see [`Sink::topic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TopicId(pub u32);

/// Something to write. Copied before `write` returns.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// Where to.
    pub topic: TopicId,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` writes a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: &'a [Header<'a>],
    /// Comes back in the [`Receipt`].
    pub tag: u64,
}

/// What became of an output.
#[derive(Debug)]
pub struct Receipt {
    /// The output's tag.
    pub tag: u64,
    /// Where it was written (partition and offset; -1 where the sink can't tell), or why not.
    pub result: Result<(i32, i64), SinkError>,
}

/// One shard's end of a sink.
pub trait Sink: Send {
    /// The topic's id, made known on first use.
    fn topic(&mut self, name: &str) -> Result<TopicId, SinkError>;

    /// Takes an output, or says why it can't: [`SinkErrorKind::Full`] means later, once
    /// [`Sink::poll`] has brought receipts.
    fn write(&mut self, output: Output<'_>) -> Result<(), SinkError>;

    /// As [`Sink::write`], for an output that was refused together with others: from here on it
    /// shares its fate with none, so that a second refusal is its own.
    fn write_alone(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        self.write(output)
    }

    /// Hands what was taken to the library below; called at the end of each tick.
    fn submit(&mut self);

    /// Hands over receipts that have come back. Never waits; the shard's `Wake` is called.
    fn poll(&mut self, take: &mut dyn FnMut(Receipt));

    /// Outputs taken and not yet answered by a receipt.
    fn in_flight(&self) -> usize;

    /// The outputs that are written next are those of the record there.
    fn of(&mut self, position: Position) {
        let _ = position;
    }

    /// Does an output count once only, with its record's offset? Then nothing may be written of a
    /// record that is to be handed over again.
    fn counts_once(&self) -> bool {
        false
    }

    /// Outputs that have their receipt, and wait to be committed together with offsets.
    fn uncommitted(&self) -> usize {
        0
    }

    /// Transactions that have ended since this was asked last.
    fn ended(&mut self) -> Ended {
        Ended::default()
    }

    /// Bytes of those that are held back.
    fn held_bytes(&self) -> usize {
        0
    }
}

/// How transactions have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Those that were committed.
    pub committed: u64,
    /// Those that were aborted.
    pub aborted: u64,
}

/// What keeps a transaction from going on.
#[derive(Debug)]
pub enum Hitch {
    /// The same again, later.
    Wait,
    /// It must be aborted.
    Abort(String),
    /// There will be no further one.
    Over(SinkError),
}

/// What writes outputs and commits offsets together, or not at all. All calls are bounded in time.
pub trait Transactional: Send {
    /// The topic's id, made known on first use.
    fn topic(&mut self, name: &str) -> Result<TopicId, SinkError>;

    /// Begins a transaction.
    fn begin(&mut self) -> Result<(), Hitch>;

    /// Takes an output into it.
    fn write(&mut self, output: Output<'_>) -> Result<(), SinkError>;

    /// Hands what was taken to the library below.
    fn submit(&mut self);

    /// Hands over receipts that have come back.
    fn poll(&mut self, take: &mut dyn FnMut(Receipt));

    /// Outputs taken and not yet answered by a receipt.
    fn in_flight(&self) -> usize;

    /// Commits it, with the offsets at which reading goes on by topic and partition. All outputs have
    /// their receipts.
    fn commit(&mut self, offsets: &[(&str, i32, i64)]) -> Result<(), Hitch>;

    /// Gives it up, with all that was written.
    fn abort(&mut self) -> Result<(), Hitch>;
}

/// What kind of failure, which decides what the shard does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkErrorKind {
    /// No room now: try the same output again later.
    Full,
    /// Passing trouble (broker away): the same output again later.
    Retriable,
    /// The record's own fault (too large): a dead letter.
    Record,
    /// Configuration or rights: stop, and tell the operator what to do.
    Fatal,
}

/// Why an output was not written.
#[derive(Clone, Debug)]
pub struct SinkError {
    /// What follows from it.
    pub kind: SinkErrorKind,
    /// The library's code, `MSG_SIZE_TOO_LARGE` say; empty where there is none.
    pub code: &'static str,
    /// What was attempted, on what, and what to do.
    pub message: String,
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SinkError {}
