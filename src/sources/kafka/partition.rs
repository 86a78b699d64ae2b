//! A partition while it is assigned: what its shard writes and the polling thread reads.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ack::ahead;
use crate::record::{Assignment, AssignmentId};

/// Not known, or nothing yet.
const NONE: i64 = -1;

/// One assignment of one partition. The shard writes `settled` and `position`, the polling thread
/// `sent` and `committed` (in transactions the shard those, too), so that no record waits for a lock;
/// the text of what is ahead has one, and comes and goes with a commit.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) assignment: Assignment,
    pub(super) shard: usize,
    settled: AtomicI64,
    position: AtomicI64,
    sent: AtomicI64,
    committed: AtomicI64,
    /// What had settled ahead of the commit that reading began at.
    done: Vec<Range<i64>>,
    /// The polling thread wants a text of what is ahead now.
    wants_ahead: AtomicBool,
    ahead: Mutex<Ahead>,
}

/// What has settled ahead of the commit point, as a text.
#[derive(Debug, Default)]
struct Ahead {
    /// The latest that the shard has told.
    text: String,
    /// It stands beside a commit that was sent off.
    is_sent: bool,
}

impl Partition {
    pub(super) fn new(
        topic: &str,
        partition: i32,
        shard: usize,
        committed: Option<i64>,
        ahead: &str,
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
            // What stands beside the commit stays true, whatever comes.
            ahead: Mutex::new(Ahead { text: ahead.to_owned(), is_sent: true }),
            done: ahead::read(ahead),
            wants_ahead: AtomicBool::new(false),
        }
    }

    /// Had the record at this offset settled before?
    pub(super) fn was_done(&self, offset: i64) -> bool {
        let after = self.done.partition_point(|run| run.end <= offset);
        self.done.get(after).is_some_and(|run| run.contains(&offset))
    }

    /// Was anything done ahead of the commit?
    pub(super) fn has_done(&self) -> bool {
        !self.done.is_empty()
    }

    /// Has the shard tell what is ahead, the next time it can.
    pub(super) fn ask_ahead(&self) {
        self.wants_ahead.store(true, Ordering::Relaxed);
    }

    pub(super) fn wants_ahead(&self) -> bool {
        self.wants_ahead.load(Ordering::Relaxed)
    }

    /// What is ahead now, says the shard.
    pub(super) fn note_ahead(&self, text: String) {
        self.wants_ahead.store(false, Ordering::Relaxed);
        let mut ahead = self.lock_ahead();
        if ahead.text != text {
            *ahead = Ahead { text, is_sent: false };
        }
    }

    /// The text for a commit; once a commit is sent off with it, nothing new is due for its sake.
    pub(super) fn send_ahead(&self) -> String {
        let mut ahead = self.lock_ahead();
        ahead.is_sent = true;
        ahead.text.clone()
    }

    fn lock_ahead(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// What there is to commit, if it is more than was sent off already, or something else is ahead of
    /// it.
    pub(super) fn due(&self) -> Option<i64> {
        self.due_beyond(&self.sent)
    }

    /// What is to be committed last, answered or not.
    pub(super) fn unconfirmed(&self) -> Option<i64> {
        self.due_beyond(&self.committed)
    }

    fn due_beyond(&self, done: &AtomicI64) -> Option<i64> {
        let (settled, done) = (self.settled.load(Ordering::Acquire), done.load(Ordering::Relaxed));
        let is_due = settled > done || (done >= 0 && !self.lock_ahead().is_sent);
        is_due.then_some(settled.max(done))
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
        let mut ahead = self.lock_ahead();
        ahead.is_sent &= ahead.text.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_due_once_and_again_after_it_failed() {
        let partition = Partition::new("t", 0, 0, Some(5), "");
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

    #[test]
    fn what_is_ahead_is_due_when_it_has_changed() {
        let before = ahead::write(5, [7..9, 12..13].into_iter());
        let partition = Partition::new("t", 0, 0, Some(5), &before);
        let done = [5, 7, 8, 9, 12, 13].map(|offset| partition.was_done(offset));
        assert_eq!(done, [false, true, true, false, true, false]);
        assert_eq!((partition.due(), partition.send_ahead()), (None, before));
        partition.ask_ahead();
        assert!(partition.wants_ahead());
        partition.note_ahead("text".to_owned());
        assert!(!partition.wants_ahead());
        assert_eq!(partition.unconfirmed(), Some(5), "a last commit has it, too");
        assert_eq!((partition.due(), partition.send_ahead()), (Some(5), "text".to_owned()));
        partition.note_ahead("text".to_owned());
        assert_eq!(partition.due(), None, "nothing has changed");
        partition.forget_sent();
        assert_eq!(partition.due(), Some(5), "the commit failed");
    }
}
