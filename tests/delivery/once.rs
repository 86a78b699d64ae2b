//! Transactions of a broker that takes its time, refuses outputs, and aborts as it likes. What it has
//! committed must be outputs and offsets that belong together, each output once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use expressway::intrinsics::Random;
use expressway::sinks::{Hitch, Output, Receipt, SinkError, SinkErrorKind, TopicId, Transactional};

use crate::sink::place_of;
use crate::world::{Place, Shared};

pub struct FakeTransactions {
    world: Shared,
    random: Random,
    /// Nothing goes wrong any more.
    calm: Arc<AtomicBool>,
    is_open: bool,
    /// What the open transaction holds, and whether it is a dead letter.
    held: Vec<(Place, bool)>,
    /// Tags without a receipt.
    waiting: Vec<u64>,
    first_tag: Option<u64>,
    room: usize,
}

impl FakeTransactions {
    pub fn new(world: Shared, random: Random, calm: Arc<AtomicBool>) -> FakeTransactions {
        let (is_open, held, waiting, first_tag, room) = (false, Vec::new(), Vec::new(), None, 10);
        FakeTransactions { world, random, calm, is_open, held, waiting, first_tag, room }
    }

    fn chance(&mut self, one_in: u64) -> bool {
        !self.calm.load(Ordering::Relaxed) && self.random.below(one_in) == 0
    }

    fn problem(&self, text: &str) {
        self.world.lock().problem.get_or_insert(text.to_owned());
    }
}

impl Transactional for FakeTransactions {
    fn topic(&mut self, _: &str) -> Result<TopicId, SinkError> {
        Ok(TopicId(0))
    }

    fn begin(&mut self) -> Result<(), Hitch> {
        if self.is_open {
            self.problem("a transaction was begun within another");
        }
        if self.chance(50) {
            return Err(Hitch::Wait);
        }
        self.is_open = true;
        Ok(())
    }

    fn write(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        if !self.is_open {
            self.problem("an output was written outside of a transaction");
        }
        if self.waiting.len() >= self.room {
            let (kind, message) = (SinkErrorKind::Full, "full".to_owned());
            return Err(SinkError { kind, code: "", message });
        }
        let place = place_of(output.value.unwrap_or_default()).expect("outputs say where from");
        self.held.push((place, !output.headers.is_empty()));
        self.waiting.push(output.tag);
        self.first_tag.get_or_insert(output.tag);
        Ok(())
    }

    fn submit(&mut self) {}

    fn poll(&mut self, take: &mut dyn FnMut(Receipt)) {
        for _ in 0..self.random.below(12) {
            if self.waiting.is_empty() {
                return;
            }
            let at = self.random.below(self.waiting.len() as u64) as usize;
            let tag = self.waiting.swap_remove(at);
            let first = self.first_tag.unwrap_or_default();
            let is_letter = self.held[(tag - first) as usize].1;
            let kind = match self.random.below(80) {
                _ if self.calm.load(Ordering::Relaxed) => None,
                0 => Some(SinkErrorKind::Retriable),
                1 if !is_letter => Some(SinkErrorKind::Record),
                _ => None,
            };
            let refused = |kind| SinkError { kind, code: "", message: "refused".to_owned() };
            take(Receipt { tag, result: kind.map_or(Ok((0, 0)), |kind| Err(refused(kind))) });
        }
    }

    fn in_flight(&self) -> usize {
        self.waiting.len()
    }

    fn commit(&mut self, offsets: &[(&str, i32, i64)]) -> Result<(), Hitch> {
        if !self.waiting.is_empty() {
            self.problem("a commit did not wait for its outputs");
        }
        if self.chance(20) {
            return Err(Hitch::Wait);
        }
        if self.chance(15) {
            return Err(Hitch::Abort("as it likes".to_owned()));
        }
        let held = std::mem::take(&mut self.held);
        let points: Vec<(usize, i64)> =
            offsets.iter().map(|(_, number, point)| (*number as usize, *point)).collect();
        self.world.lock().commit_together(&held, &points);
        (self.is_open, self.first_tag) = (false, None);
        Ok(())
    }

    fn abort(&mut self) -> Result<(), Hitch> {
        if self.chance(4) {
            return Err(Hitch::Wait);
        }
        self.held.clear();
        self.waiting.clear();
        (self.is_open, self.first_tag) = (false, None);
        Ok(())
    }
}
