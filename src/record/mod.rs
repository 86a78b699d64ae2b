//! A message from a source and where it stood; what every storey above sees of Kafka, SQS or a file.

use std::fmt;
use std::sync::Arc;

/// One assignment of one partition (or queue, or file) to this process. Every assignment gets a new
/// id, never used again: a late completion of an old one can't be taken for the new one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssignmentId(pub u32);

/// What an assignment stands for.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// Its id.
    pub id: AssignmentId,
    /// Topic, queue or file.
    pub topic: Arc<str>,
    /// The partition's number; 0 where there are none.
    pub partition: i32,
}

/// Where a record stood: the assignment, and its offset there (a line's number in a file).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The assignment it came through.
    pub assignment: AssignmentId,
    /// The offset; gaps between offsets are usual.
    pub offset: i64,
}

/// A record's header. Values may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name.
    pub name: &'a str,
    /// The value.
    pub value: Option<&'a [u8]>,
}

/// A message, borrowed from its source for as long as it is being handed over; what must outlive
/// that is copied.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where it stood.
    pub position: Position,
    /// Milliseconds since 1970 as the source has it; -1 where unknown.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: &'a [Header<'a>],
    /// Where it stood first, if it comes out of a dead letter.
    pub first: Option<First<'a>>,
    /// What names it wherever it stands, where its source has such a thing: SQS's message id.
    pub id: Option<&'a str>,
}

/// Where a record stood before it became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// Prefix of the headers that a dead letter carries beside the record's own.
pub const LETTER_PREFIX: &str = "expressway.";

/// Wakes one shard from its sleep; cheap to clone, callable from any thread, never blocks.
#[derive(Clone)]
pub struct Wake(Arc<dyn Fn() + Send + Sync>);

impl Wake {
    /// A wake-up that calls `wake`.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Wake {
        Wake(Arc::new(wake))
    }

    /// Wakes the shard.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wake")
    }
}
