//! Receipts: a queue's messages are acknowledged one by one, in any order, each by its own receipt.
//! The window is what is unsettled; a slot is reused as soon as its record has settled.

use crate::ack::{Limits, Settlement, Ticket};

#[derive(Debug)]
struct Slot<R> {
    /// Counts up with every use, so that an old ticket can't settle a new record.
    generation: u32,
    bytes: u32,
    /// `None`: the slot is free.
    receipt: Option<R>,
}

/// The unsettled messages of one queue, each with its receipt `R`.
#[derive(Debug)]
pub struct Tracker<R> {
    limits: Limits,
    /// Grows to the window's size once, then is reused.
    slots: Vec<Slot<R>>,
    free: Vec<u32>,
    bytes: u64,
}

impl<R> Tracker<R> {
    /// An empty window.
    pub fn new(limits: Limits) -> Tracker<R> {
        Tracker { limits, slots: Vec::new(), free: Vec::new(), bytes: 0 }
    }

    /// Takes a message into the window; its receipt comes back if the window is full, and then
    /// nothing more may be received until something has settled.
    pub fn track(&mut self, receipt: R, bytes: usize) -> Result<Ticket, R> {
        if !self.has_room(bytes) {
            return Err(receipt);
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let index = self.free.pop().unwrap_or(self.slots.len() as u32);
        if index as usize == self.slots.len() {
            self.slots.push(Slot { generation: 0, bytes: 0, receipt: None });
        }
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.bytes = bytes;
        slot.receipt = Some(receipt);
        self.bytes += u64::from(bytes);
        Ok(Ticket(u64::from(slot.generation) << 32 | u64::from(index)))
    }

    /// Would [`Tracker::track`] take a message of so many bytes?
    pub fn has_room(&self, bytes: usize) -> bool {
        let limits = Limits { records: self.limits.records.min(u32::MAX as usize), ..self.limits };
        limits.admit(self.records(), self.bytes, bytes)
    }

    /// Settles a message and gives its receipt back, for the source to delete the message
    /// ([`Settlement::is_final`]) or to hand it back to the queue (a nack). `None`: the ticket was
    /// settled before; nothing has changed.
    pub fn settle(&mut self, ticket: Ticket, settlement: Settlement) -> Option<(R, Settlement)> {
        let (index, generation) = (ticket.0 as u32, (ticket.0 >> 32) as u32);
        let slot = self.slots.get_mut(index as usize)?;
        if slot.generation != generation {
            return None;
        }
        let receipt = slot.receipt.take()?;
        self.bytes -= u64::from(slot.bytes);
        self.free.push(index);
        Some((receipt, settlement))
    }

    /// Empties the window at the end: the receipts of whatever was never settled, which is failed
    /// and has to be handed back to the queue.
    pub fn release(&mut self) -> impl Iterator<Item = R> + '_ {
        self.bytes = 0;
        self.free.clear();
        self.free.extend(0..self.slots.len() as u32);
        self.slots.iter_mut().filter_map(|slot| slot.receipt.take())
    }

    /// Messages in the window: tracked and not settled.
    pub fn records(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Bytes in the window.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::ack::tests::Numbers;

    #[test]
    fn settles_in_any_order_and_once() {
        let mut tracker = Tracker::new(Limits { records: 2, bytes: 100 });
        let first = tracker.track("a", 10).expect("empty");
        let second = tracker.track("b", 10).expect("room");
        assert_eq!(tracker.track("c", 10), Err("c"));
        assert_eq!(tracker.settle(second, Settlement::Ack), Some(("b", Settlement::Ack)));
        assert_eq!(tracker.settle(second, Settlement::Ack), None);
        let third = tracker.track("c", 90).expect("a slot is free");
        assert_eq!(tracker.settle(second, Settlement::Ack), None);
        assert_eq!(tracker.settle(first, Settlement::Nack), Some(("a", Settlement::Nack)));
        assert_eq!(tracker.settle(third, Settlement::Dropped), Some(("c", Settlement::Dropped)));
        assert_eq!((tracker.records(), tracker.bytes()), (0, 0));
    }

    #[test]
    fn releases_what_was_never_settled() {
        let mut tracker = Tracker::new(Limits { records: 9, bytes: 100 });
        let lost = tracker.track("a", 10).expect("room");
        tracker.track("b", 10).expect("room");
        assert_eq!(tracker.release().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(tracker.settle(lost, Settlement::Ack), None);
        assert_eq!((tracker.records(), tracker.bytes()), (0, 0));
    }

    #[test]
    fn agrees_with_a_hash_map() {
        let mut numbers = Numbers(7);
        let mut tracker = Tracker::new(Limits { records: 30, bytes: 1 << 20 });
        let (mut held, mut given) = (HashMap::new(), Vec::new());
        for receipt in 0..20_000_u32 {
            match tracker.track(receipt, 8) {
                Ok(ticket) => {
                    assert!(held.len() < 30);
                    held.insert(ticket, receipt);
                    given.push(ticket);
                }
                Err(back) => assert_eq!((held.len(), back), (30, receipt)),
            }
            let ticket =
                given[given.len() - 1 - numbers.below(given.len().min(90) as u64) as usize];
            let settled = tracker.settle(ticket, Settlement::Ack).map(|(receipt, _)| receipt);
            assert_eq!(settled, held.remove(&ticket));
            assert_eq!((tracker.records(), tracker.bytes()), (held.len(), held.len() as u64 * 8));
        }
        assert!(tracker.slots.len() <= 30);
    }
}
