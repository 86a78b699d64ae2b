//! A partition while it is assigned: what its shard writes and the polling thread reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use crate::record::{Assignment, AssignmentId};

/// Not known, or nothing yet.
const NONE: i64 = -1;

/// One assignment of one partition. No field is written by two threads, so nothing is ever waited
/// for: the shard writes `settled` and `position`, the polling thread the other two.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) assignment: Assignment,
    pub(super) shard: usize,
    settled: AtomicI64,
    position: AtomicI64,
    sent: AtomicI64,
    committed: AtomicI64,
}

impl Partition {
    pub(super) fn new(
        topic: &str,
        partition: i32,
        shard: usize,
        committed: Option<i64>,
    ) -> Partition {
        // Process-wide: ids of several sources meet in one shard.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = AssignmentId(NEXT.fetch_add(1, Ordering::Relaxed));
        let committed = committed.unwrap_or(NONE);
        Partition {
            assignment: Assignment { id, topic: Arc::from(topic), partition },
            shard,
            settled: AtomicI64::new(NONE),
            position: AtomicI64::new(committed),
            sent: AtomicI64::new(committed),
            committed: AtomicI64::new(committed),
        }
    }

    pub(super) fn is(&self, topic: &str, partition: i32) -> bool {
        self.assignment.partition == partition && &*self.assignment.topic == topic
    }

    /// Everything below `offset` is settled.
    pub(super) fn settle(&self, offset: i64) {
        self.settled.store(offset, Ordering::Release);
    }

    /// Everything below `offset` is settled, and was committed with its outputs: the polling thread
    /// has nothing to send. (Whoever calls this calls [`Partition::settle`] never.)
    pub(super) fn settle_for_good(&self, offset: i64) {
        self.sent.store(offset, Ordering::Relaxed);
        self.committed.store(offset, Ordering::Release);
        self.settled.store(offset, Ordering::Release);
    }

    /// Everything below is settled; -1 where nothing is known to be.
    pub(super) fn settled(&self) -> i64 {
        self.settled.load(Ordering::Acquire).max(self.committed.load(Ordering::Relaxed))
    }

    /// The next record to hand over is this one.
    pub(super) fn advance(&self, next: i64) {
        self.position.store(next, Ordering::Relaxed);
    }

    pub(super) fn position(&self) -> i64 {
        self.position.load(Ordering::Relaxed)
    }

    pub(super) fn committed(&self) -> Option<i64> {
        Some(self.committed.load(Ordering::Acquire)).filter(|&it| it >= 0)
    }

    /// What there is to commit, if it is more than was sent off already.
    pub(super) fn due(&self) -> Option<i64> {
        let settled = self.settled.load(Ordering::Acquire);
        (settled > self.sent.load(Ordering::Relaxed)).then_some(settled)
    }

    /// What is to be committed last, answered or not.
    pub(super) fn unconfirmed(&self) -> Option<i64> {
        let settled = self.settled.load(Ordering::Acquire);
        (settled > self.committed.load(Ordering::Relaxed)).then_some(settled)
    }

    pub(super) fn mark_sent(&self, offset: i64) {
        self.sent.store(offset, Ordering::Relaxed);
    }

    pub(super) fn confirm(&self, offset: i64) {
        self.committed.fetch_max(offset, Ordering::Release);
    }

    /// A commit failed: send it off again with the next.
    pub(super) fn forget_sent(&self) {
        self.sent.store(self.committed.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_due_once_and_again_after_it_failed() {
        let partition = Partition::new("t", 0, 0, Some(5));
        assert_eq!((partition.due(), partition.committed()), (None, Some(5)));
        partition.settle(9);
        assert_eq!(partition.due(), Some(9));
        partition.mark_sent(9);
        assert_eq!((partition.due(), partition.unconfirmed()), (None, Some(9)));
        partition.forget_sent();
        assert_eq!(partition.due(), Some(9));
        partition.confirm(9);
        assert_eq!((partition.committed(), partition.unconfirmed()), (Some(9), None));
    }
}
