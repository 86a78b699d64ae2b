//! Offsets: records finish in any order, and the commit point moves over the contiguous settled
//! ones. One tracker belongs to one assignment of one partition, in a dense ring indexed by arrival
//! (offsets have gaps: compaction, control records).

use std::collections::VecDeque;
use std::ops::Range;

use crate::ack::{Limits, Settlement, Ticket};

/// What is known of a tracked record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Open,
    Nacked,
    Settled,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: i64,
    bytes: u32,
    standing: Standing,
}

/// The window of one assignment: everything above the last commit that the broker confirmed.
///
/// ```text
///  confirmed | settled, contiguous (ready) | open, nacked and settled, mixed | not yet tracked
///            ^ first                       ^ the commit point                ^ first + ring.len()
/// ```
#[derive(Debug)]
pub struct Tracker {
    limits: Limits,
    /// Oldest first. Grows to the window's size once, then is reused.
    ring: VecDeque<Entry>,
    /// The arrival number of the ring's front.
    first: u64,
    /// How many entries at the front are settled without a gap.
    ready: usize,
    /// Bytes of everything in the ring.
    bytes: u64,
    open: usize,
    nacked: usize,
    commit_point: Option<i64>,
    confirmed: Option<i64>,
}

impl Tracker {
    /// An empty window.
    pub fn new(limits: Limits) -> Tracker {
        Tracker {
            limits,
            ring: VecDeque::new(),
            first: 0,
            ready: 0,
            bytes: 0,
            open: 0,
            nacked: 0,
            commit_point: None,
            confirmed: None,
        }
    }

    /// Takes a record into the window; `None` if the window is full in records or bytes, and then
    /// the partition must stop until something has been confirmed. Records come in the order of the
    /// partition; where a truncated log makes offsets start again lower, arrival order still rules.
    pub fn track(&mut self, offset: i64, bytes: usize) -> Option<Ticket> {
        if !self.has_room(bytes) {
            return None;
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let ticket = Ticket(self.first + self.ring.len() as u64);
        self.ring.push_back(Entry { offset, bytes, standing: Standing::Open });
        self.bytes += u64::from(bytes);
        self.open += 1;
        Some(ticket)
    }

    /// Would [`Tracker::track`] take a record of so many bytes?
    pub fn has_room(&self, bytes: usize) -> bool {
        self.limits.admit(self.ring.len(), self.bytes, bytes)
    }

    /// Settles a record. A nack holds the commit point as if the ticket had been lost, until it is
    /// settled otherwise (a dead letter written at the second try). `false`: the ticket was settled
    /// before, or isn't of this tracker; nothing has changed.
    pub fn settle(&mut self, ticket: Ticket, settlement: Settlement) -> bool {
        let Some(entry) =
            ticket.0.checked_sub(self.first).and_then(|at| self.ring.get_mut(at as usize))
        else {
            return false;
        };
        match (entry.standing, settlement.is_final()) {
            (Standing::Settled, _) | (Standing::Nacked, false) => return false,
            (Standing::Open, _) => self.open -= 1,
            (Standing::Nacked, true) => self.nacked -= 1,
        }
        if settlement.is_final() {
            entry.standing = Standing::Settled;
            self.advance();
        } else {
            entry.standing = Standing::Nacked;
            self.nacked += 1;
        }
        true
    }

    /// Moves the commit point over what is settled without a gap.
    fn advance(&mut self) {
        while let Some(entry) = self.ring.get(self.ready)
            && entry.standing == Standing::Settled
        {
            self.ready += 1;
            self.commit_point = Some(entry.offset.saturating_add(1));
        }
    }

    /// The offset to commit, which is where reading would go on: the last contiguous settled one
    /// plus one. `None` until the first record has settled.
    pub fn commit_point(&self) -> Option<i64> {
        self.commit_point
    }

    /// The commit point, if the broker has not confirmed it yet.
    pub fn unconfirmed(&self) -> Option<i64> {
        self.commit_point.filter(|point| self.confirmed != Some(*point))
    }

    /// The broker has confirmed a commit of `offset`: settled records below it leave the window.
    /// Unsettled ones never do, whatever a broker says.
    pub fn confirm(&mut self, offset: i64) {
        self.confirmed = Some(offset);
        while self.ready > 0
            && let Some(entry) = self.ring.pop_front_if(|entry| entry.offset < offset)
        {
            self.first += 1;
            self.ready -= 1;
            self.bytes -= u64::from(entry.bytes);
        }
    }

    /// Is the record at this offset settled? One that was not tracked yet is not.
    pub fn is_settled(&self, offset: i64) -> bool {
        let Some(first) = self.ring.front() else {
            return self.commit_point.is_some_and(|point| offset < point);
        };
        let found = self.ring.binary_search_by_key(&offset, |entry| entry.offset);
        let standing = found.ok().and_then(|at| self.ring.get(at)).map(|entry| entry.standing);
        offset < first.offset || standing == Some(Standing::Settled)
    }

    /// Has anything settled ahead of the commit point?
    pub fn is_ahead(&self) -> bool {
        self.ring.len() > self.ready + self.open + self.nacked
    }

    /// What has settled ahead of the commit point: runs of offsets, in order of arrival. Offsets within a
    /// run that no record has are none's.
    pub fn ahead(&self) -> impl Iterator<Item = Range<i64>> {
        let mut rest = self.ring.range(self.ready..).peekable();
        std::iter::from_fn(move || {
            let first = rest.find(|entry| entry.standing == Standing::Settled)?.offset;
            let mut last = first;
            while let Some(entry) = rest.next_if(|entry| entry.standing == Standing::Settled) {
                last = entry.offset;
            }
            Some(first..last.saturating_add(1))
        })
    }

    /// Records in the window: tracked and not confirmed.
    pub fn records(&self) -> usize {
        self.ring.len()
    }

    /// Bytes in the window.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records that are still being worked on: neither settled nor nacked. A drain waits for 0.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Records whose nack holds the commit point.
    pub fn nacked(&self) -> usize {
        self.nacked
    }

    /// The offset of the oldest record that isn't settled: what the commit point waits for.
    pub fn oldest_unsettled(&self) -> Option<i64> {
        self.ring.get(self.ready).map(|entry| entry.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ack::tests::Numbers;

    const WIDE: Limits = Limits { records: 1000, bytes: 1 << 20 };

    fn tracked(offsets: &[i64]) -> (Tracker, Vec<Ticket>) {
        let mut tracker = Tracker::new(WIDE);
        let tickets = offsets.iter().map(|at| tracker.track(*at, 10).expect("wide enough"));
        let tickets = tickets.collect();
        (tracker, tickets)
    }

    #[test]
    fn the_commit_point_waits_for_the_oldest() {
        let (mut tracker, tickets) = tracked(&[5, 9, 10]);
        assert_eq!(tracker.commit_point(), None);
        tracker.settle(tickets[2], Settlement::Ack);
        tracker.settle(tickets[1], Settlement::Dropped);
        assert_eq!((tracker.commit_point(), tracker.oldest_unsettled()), (None, Some(5)));
        tracker.settle(tickets[0], Settlement::DeadLettered);
        assert_eq!((tracker.commit_point(), tracker.oldest_unsettled()), (Some(11), None));
    }

    #[test]
    fn what_is_settled_is_known_by_its_offset() {
        let (mut tracker, tickets) = tracked(&[5, 9, 10]);
        tracker.settle(tickets[1], Settlement::Ack);
        let settled = |tracker: &Tracker| [4, 5, 9, 10, 11].map(|at| tracker.is_settled(at));
        assert_eq!(settled(&tracker), [true, false, true, false, false]);
        tracker.settle(tickets[0], Settlement::Ack);
        tracker.settle(tickets[2], Settlement::Ack);
        tracker.confirm(11);
        assert_eq!(settled(&tracker), [true, true, true, true, false]);
        assert!(!Tracker::new(WIDE).is_settled(4), "nothing is known yet");
    }

    #[test]
    fn what_is_ahead_comes_in_runs() {
        let (mut tracker, tickets) = tracked(&[5, 6, 8, 9, 10, 12]);
        assert!(!tracker.is_ahead());
        for at in [0, 2, 3, 5] {
            tracker.settle(tickets[at], Settlement::Ack);
        }
        assert!(tracker.is_ahead());
        assert_eq!(tracker.ahead().collect::<Vec<_>>(), [8..10, 12..13]);
        tracker.settle(tickets[4], Settlement::Nack);
        assert_eq!(tracker.ahead().count(), 2);
        tracker.settle(tickets[4], Settlement::Ack);
        assert_eq!((tracker.ahead().next(), tracker.ahead().count()), (Some(8..13), 1));
        tracker.settle(tickets[1], Settlement::Ack);
        assert!(!tracker.is_ahead() && tracker.ahead().next().is_none());
    }

    #[test]
    fn a_gap_in_the_offsets_commits_last_plus_one() {
        let (mut tracker, tickets) = tracked(&[5, 9]);
        tracker.settle(tickets[0], Settlement::Ack);
        assert_eq!(tracker.commit_point(), Some(6));
    }

    #[test]
    fn a_lost_ticket_holds_the_commit_point() {
        let (mut tracker, tickets) = tracked(&[0, 1, 2]);
        tracker.settle(tickets[0], Settlement::Ack);
        tracker.settle(tickets[2], Settlement::Ack);
        assert_eq!(tracker.commit_point(), Some(1));
        tracker.confirm(3);
        assert_eq!((tracker.records(), tracker.oldest_unsettled()), (2, Some(1)));
    }

    #[test]
    fn a_nack_holds_it_until_settled_otherwise() {
        let (mut tracker, tickets) = tracked(&[0, 1]);
        assert!(tracker.settle(tickets[0], Settlement::Nack));
        assert!(!tracker.settle(tickets[0], Settlement::Nack));
        tracker.settle(tickets[1], Settlement::Ack);
        assert_eq!((tracker.commit_point(), tracker.open(), tracker.nacked()), (None, 0, 1));
        assert!(tracker.settle(tickets[0], Settlement::DeadLettered));
        assert_eq!((tracker.commit_point(), tracker.nacked()), (Some(2), 0));
    }

    #[test]
    fn settling_twice_changes_nothing() {
        let (mut tracker, tickets) = tracked(&[0, 1]);
        assert!(tracker.settle(tickets[0], Settlement::Ack));
        assert!(!tracker.settle(tickets[0], Settlement::Nack));
        tracker.confirm(1);
        assert!(!tracker.settle(tickets[0], Settlement::Ack));
        assert!(!tracker.settle(Ticket(99), Settlement::Ack));
        assert_eq!((tracker.commit_point(), tracker.open()), (Some(1), 1));
    }

    #[test]
    fn the_window_is_capped_until_confirmed() {
        let mut tracker = Tracker::new(Limits { records: 2, bytes: 100 });
        let first = tracker.track(0, 60).expect("empty");
        assert_eq!(tracker.track(1, 41), None);
        assert!(tracker.track(1, 40).is_some());
        assert_eq!(tracker.track(2, 0), None);
        tracker.settle(first, Settlement::Ack);
        assert_eq!((tracker.track(2, 0), tracker.unconfirmed()), (None, Some(1)));
        tracker.confirm(1);
        assert_eq!((tracker.unconfirmed(), tracker.bytes()), (None, 40));
        assert!(tracker.track(2, 60).is_some());
    }

    #[test]
    fn the_ring_stops_growing() {
        let mut tracker = Tracker::new(Limits { records: 64, bytes: 1 << 20 });
        let mut sizes = Vec::new();
        for offset in 0..10_000 {
            let ticket = tracker.track(offset, 1).expect("confirmed as we go");
            tracker.settle(ticket, Settlement::Ack);
            if offset % 50 == 49 {
                tracker.confirm(offset + 1);
                sizes.push(tracker.ring.capacity());
            }
        }
        assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
    }

    /// The same promise, slow and obvious.
    #[derive(Default)]
    struct Model {
        /// Offset, bytes, settled, nacked; every record ever tracked.
        records: Vec<(i64, usize, bool, bool)>,
        confirmed: usize,
    }

    impl Model {
        fn prefix(&self) -> usize {
            self.records.iter().take_while(|record| record.2).count()
        }

        fn window(&self) -> &[(i64, usize, bool, bool)] {
            &self.records[self.confirmed..]
        }

        fn agrees(&self, tracker: &Tracker) {
            let point = self.prefix().checked_sub(1).map(|last| self.records[last].0 + 1);
            assert_eq!(tracker.commit_point(), point);
            assert_eq!(tracker.records(), self.window().len());
            assert_eq!(tracker.bytes(), self.window().iter().map(|r| r.1 as u64).sum::<u64>());
            assert_eq!(tracker.open(), self.window().iter().filter(|r| !r.2 && !r.3).count());
            assert_eq!(tracker.nacked(), self.window().iter().filter(|r| r.3).count());
            assert_eq!(tracker.oldest_unsettled(), self.records.get(self.prefix()).map(|r| r.0));
        }
    }

    fn play(seed: u64) {
        let mut numbers = Numbers(seed);
        let limits = Limits { records: 1 + numbers.below(40) as usize, bytes: numbers.below(900) };
        let (mut tracker, mut model) = (Tracker::new(limits), Model::default());
        let (mut tickets, mut offset) = (Vec::new(), 0);
        for _ in 0..600 {
            match numbers.below(10) {
                0..=3 => {
                    let bytes = numbers.below(60) as usize;
                    let held: usize = model.window().iter().map(|r| r.1).sum();
                    let room = model.window().len() < limits.records
                        && (model.window().is_empty() || (held + bytes) as u64 <= limits.bytes);
                    let ticket = tracker.track(offset, bytes);
                    assert_eq!(ticket.is_some(), room);
                    if let Some(ticket) = ticket {
                        model.records.push((offset, bytes, false, false));
                        tickets.push(ticket);
                        offset += 1 + numbers.below(5) as i64;
                    }
                }
                4..=8 if !tickets.is_empty() => {
                    // Any ticket ever given out, so that stale ones are tried as well.
                    let back = numbers.below(tickets.len().min(50) as u64) as usize + 1;
                    let at = tickets.len() - back;
                    let nack = numbers.below(5) == 0;
                    let how = if nack { Settlement::Nack } else { Settlement::Ack };
                    let record = &mut model.records[at];
                    let takes = !(record.2 || nack && record.3);
                    assert_eq!(tracker.settle(tickets[at], how), takes);
                    if takes {
                        (record.2, record.3) = (!nack, nack);
                    }
                }
                _ => {
                    // Sometimes an older commit, sometimes one beyond what is settled.
                    let point = offset - numbers.below(40) as i64;
                    tracker.confirm(point);
                    let below = |r: &&(i64, usize, bool, bool)| r.2 && r.0 < point;
                    model.confirmed += model.window().iter().take_while(below).count();
                }
            }
            model.agrees(&tracker);
        }
    }

    #[test]
    fn agrees_with_a_naive_model() {
        (1..400).for_each(play);
    }
}
