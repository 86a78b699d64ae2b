//! One partition on its way into transactions.

use std::collections::BTreeMap;

use super::super::outputs::Way;
use crate::record::{Assignment, Header};
use crate::sinks::{Output, SinkError, TopicId};

/// An output that waits for its transaction.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) way: Way,
    topic: TopicId,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Staged {
    pub(super) fn new(way: Way, output: &Output<'_>) -> Staged {
        let header = |it: &Header<'_>| (it.name.to_owned(), it.value.map(<[u8]>::to_vec));
        Staged {
            way,
            topic: output.topic,
            key: output.key.map(<[u8]>::to_vec),
            value: output.value.map(<[u8]>::to_vec),
            headers: output.headers.iter().map(header).collect(),
        }
    }

    /// Lends it out as the output it is.
    pub(super) fn lend(
        &self,
        tag: u64,
        use_it: impl FnOnce(Output<'_>) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        let headers: Vec<Header<'_>> = self
            .headers
            .iter()
            .map(|(name, value)| Header { name, value: value.as_deref() })
            .collect();
        let (key, value) = (self.key.as_deref(), self.value.as_deref());
        use_it(Output { topic: self.topic, key, value, headers: &headers, tag })
    }

    fn bytes(&self) -> usize {
        let parts = self.headers.iter().map(|(n, v)| n.len() + v.as_ref().map_or(0, Vec::len));
        let key = self.key.as_ref().map_or(0, Vec::len);
        key + self.value.as_ref().map_or(0, Vec::len) + parts.sum::<usize>()
    }
}

/// Outputs by the offset of their record, several of one in their order.
type ByOffset = BTreeMap<(i64, u32), Staged>;

/// A partition: `committed <= released <= settled`, each the offset where reading would go on.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) assignment: Assignment,
    /// Committed; where reading began, before the first commit.
    pub(super) committed: i64,
    /// Its outputs are in the transaction.
    pub(super) released: i64,
    /// All below is done.
    pub(super) settled: i64,
    staged: ByOffset,
    /// Bytes staged.
    pub(super) bytes: usize,
    /// Where reading begins is known.
    has_begun: bool,
    /// It is to be given up once all that is done is committed.
    pub(super) asks_release: bool,
    /// Nothing of it is handed on until it is rewound.
    pub(super) is_undone: bool,
}

impl Line {
    pub(super) fn new(assignment: Assignment) -> Line {
        Line {
            assignment,
            committed: 0,
            released: 0,
            settled: 0,
            staged: ByOffset::new(),
            bytes: 0,
            has_begun: false,
            asks_release: false,
            is_undone: false,
        }
    }

    /// Its first record stands at this offset: what is below is no business of ours.
    pub(super) fn begin_at(&mut self, offset: i64) {
        self.has_begun = true;
        (self.committed, self.released, self.settled) = (offset, offset, offset);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    pub(super) fn stage(&mut self, offset: i64, staged: Staged) {
        let last = self.staged.range((offset, 0)..=(offset, u32::MAX)).next_back();
        let number = last.map_or(0, |((_, number), _)| number + 1);
        self.bytes += staged.bytes();
        self.staged.insert((offset, number), staged);
    }

    /// All below this offset is done.
    pub(super) fn settle(&mut self, offset: i64) {
        if !self.is_undone {
            self.settled = self.settled.max(offset);
        }
    }

    /// The outputs of what is done and not in the transaction yet, of so many records at most that are
    /// not committed.
    pub(super) fn release(&mut self, records_max: usize) -> ByOffset {
        let is_full = records_max != usize::MAX && self.released > self.committed;
        if self.settled == self.released || is_full {
            return ByOffset::new();
        }
        let firsts =
            self.staged.keys().filter(|(_, number)| *number == 0).map(|(offset, _)| *offset);
        let bound = firsts.take_while(|offset| *offset < self.settled).nth(records_max);
        self.released = bound.unwrap_or(self.settled);
        let ahead = self.staged.split_off(&(self.released, 0));
        let ready = std::mem::replace(&mut self.staged, ahead);
        self.bytes -= ready.values().map(Staged::bytes).sum::<usize>();
        ready
    }

    /// Nothing counts that was not committed.
    pub(super) fn undo(&mut self) {
        (self.released, self.settled) = (self.committed, self.committed);
        self.staged.clear();
        self.bytes = 0;
        self.is_undone = true;
    }
}
