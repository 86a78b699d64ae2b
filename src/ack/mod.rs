//! Tickets and commit points: what has been taken from a source, what has been settled, and so what
//! may be acknowledged there. [`ordered`] is for offsets, [`unordered`] for receipts; both are
//! plain data owned by one shard, with no lock and no allocation in steady state.
//!
//! On the event's path: after `Source::poll`, before the shard's inbox; and again at the end,
//! between the sink's receipt and `Source::commit`.

pub mod ahead;
pub mod ordered;
pub mod unordered;

/// A tracked record: a plain number, valid for the tracker that gave it. Losing one is safe: a
/// ticket that is never settled is never a success, it simply holds the commit point (or keeps its
/// receipt), and the record comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

impl Ticket {
    /// One that no tracker has given.
    pub const VOID: Ticket = Ticket(u64::MAX);
}

/// How a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settlement {
    /// All its outputs were acknowledged.
    Ack,
    /// It failed, and its dead letter was acknowledged.
    DeadLettered,
    /// It failed, and the user's failure policy is to drop it.
    Dropped,
    /// It failed and nothing took care of it: the record must come again.
    Nack,
}

impl Settlement {
    /// May the source forget the record?
    pub const fn is_final(self) -> bool {
        !matches!(self, Settlement::Nack)
    }
}

/// How much may be in a tracker's window at once. The caps are the bound on duplicates after a
/// crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Records.
    pub records: usize,
    /// Bytes of keys, values and headers; a single record larger than this has the window to
    /// itself.
    pub bytes: u64,
}

impl Limits {
    /// Is there room for `bytes` more beside `records` records of `held` bytes?
    fn admit(&self, records: usize, held: u64, bytes: usize) -> bool {
        let after = held.saturating_add(bytes as u64);
        records < self.records && (records == 0 || after <= self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers for property tests: xorshift64*.
    pub(super) struct Numbers(pub u64);

    impl Numbers {
        pub fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
        }
    }

    #[test]
    fn only_a_nack_is_not_final() {
        use Settlement::{Ack, DeadLettered, Dropped, Nack};
        assert_eq!(
            [Ack, DeadLettered, Dropped, Nack].map(Settlement::is_final),
            [true, true, true, false]
        );
    }

    #[test]
    fn an_oversized_record_has_the_window_to_itself() {
        let limits = Limits { records: 2, bytes: 10 };
        assert!(limits.admit(0, 0, 1000));
        assert!(!limits.admit(1, 4, 7));
        assert!(limits.admit(1, 4, 6));
        assert!(!limits.admit(2, 0, 0));
    }
}
