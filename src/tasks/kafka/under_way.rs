//! The records with the client, by the tags that their delivery reports carry.

use crate::tasks::CallId;

/// A record with the client; without an id its call was cancelled.
#[derive(Clone, Copy)]
pub(super) struct Record {
    pub(super) id: Option<CallId>,
    pub(super) topic: usize,
}

/// The records with the client, by tag.
#[derive(Default)]
pub(super) struct UnderWay {
    records: Vec<Option<Record>>,
    free: Vec<usize>,
    calls: usize,
}

impl UnderWay {
    pub(super) fn next_tag(&self) -> u64 {
        self.free.last().copied().unwrap_or(self.records.len()) as u64
    }

    pub(super) fn insert(&mut self, tag: u64, record: Record) {
        self.calls += 1;
        match self.free.pop() {
            Some(index) => self.records[index] = Some(record),
            None => self.records.push(Some(record)),
        }
        debug_assert!(self.records[tag as usize].is_some());
    }

    pub(super) fn remove(&mut self, tag: u64) -> Option<Record> {
        let record = self.records.get_mut(tag as usize)?.take()?;
        self.free.push(tag as usize);
        self.calls -= usize::from(record.id.is_some());
        Some(record)
    }

    pub(super) fn forget(&mut self, id: CallId) {
        let mut records = self.records.iter_mut().flatten();
        if let Some(record) = records.find(|record| record.id == Some(id)) {
            record.id = None;
            self.calls -= 1;
        }
    }

    pub(super) fn calls(&self) -> usize {
        self.calls
    }
}
