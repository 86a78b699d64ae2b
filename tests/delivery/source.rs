//! A log of three partitions, and a group coordinator that gives and takes them as it likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use expressway::intrinsics::Random;
use expressway::record::{Assignment, AssignmentId, Position, Record};
use expressway::sources::{Arrival, Source, SourceError};

use crate::world::{PARTITIONS, Shared, number_at, offset_of};

/// One partition as the group coordinator sees it.
#[derive(Clone, Copy, PartialEq)]
enum Holding {
    No,
    Yes(AssignmentId),
    Going(AssignmentId),
}

#[derive(Clone, Copy)]
struct Partition {
    holding: Holding,
    /// The number of the next record to hand over.
    next: usize,
    is_paused: bool,
    noted: i64,
}

pub struct FakeSource {
    world: Shared,
    random: Random,
    topic: Arc<str>,
    next_id: u32,
    partitions: [Partition; PARTITIONS],
    /// Nothing is taken away any more.
    calm: Arc<AtomicBool>,
}

impl FakeSource {
    pub fn new(world: Shared, random: Random, life: u64, calm: Arc<AtomicBool>) -> FakeSource {
        let partition = Partition { holding: Holding::No, next: 0, is_paused: false, noted: 0 };
        let (next_id, partitions) = ((life as u32).wrapping_mul(1_000), [partition; PARTITIONS]);
        FakeSource { world, random, topic: "t".into(), next_id, partitions, calm }
    }

    fn of(&mut self, id: AssignmentId) -> Option<(usize, &mut Partition)> {
        let is_it = |it: &Partition| matches!(it.holding, Holding::Yes(held) | Holding::Going(held) if held == id);
        let number = self.partitions.iter().position(is_it)?;
        Some((number, &mut self.partitions[number]))
    }

    fn flush(&mut self, number: usize) {
        let mut world = self.world.lock();
        let point = self.partitions[number].noted;
        if point > world.committed[number] {
            world.commit(number, point);
        }
    }

    /// What the coordinator has to say about a partition.
    fn coordinate(&mut self, number: usize, take: &mut dyn FnMut(Arrival<'_>)) {
        let is_calm = self.calm.load(Ordering::Relaxed);
        let mut chance = |one_in| self.random.below(one_in) == 0;
        let lost = |it: &mut Partition, id, take: &mut dyn FnMut(Arrival<'_>)| {
            it.holding = Holding::No;
            take(Arrival::Lost(id));
        };
        match self.partitions[number].holding {
            Holding::No if is_calm || chance(4) => self.assign(number, take),
            Holding::Yes(id) if !is_calm && chance(40) => {
                if chance(2) {
                    self.partitions[number].holding = Holding::Going(id);
                    take(Arrival::Revoking(id));
                } else {
                    lost(&mut self.partitions[number], id, take);
                }
            }
            // The bound on draining is over: it goes without having settled.
            Holding::Going(id) if chance(60) => lost(&mut self.partitions[number], id, take),
            Holding::Yes(_) if chance(3) => self.flush(number),
            _ => {}
        }
    }

    fn assign(&mut self, number: usize, take: &mut dyn FnMut(Arrival<'_>)) {
        self.next_id += 1;
        let id = AssignmentId(self.next_id);
        let noted = self.world.lock().committed[number];
        let (holding, next) = (Holding::Yes(id), number_at(noted));
        self.partitions[number] = Partition { holding, next, is_paused: false, noted };
        let (topic, partition) = (self.topic.clone(), number as i32);
        take(Arrival::Assigned(Assignment { id, topic, partition }));
    }

    /// Hands over some of a partition, `limit` at most. Returns how many.
    fn hand_over(
        &mut self,
        number: usize,
        limit: usize,
        take: &mut dyn FnMut(Arrival<'_>),
    ) -> usize {
        let it = &mut self.partitions[number];
        let Holding::Yes(id) = it.holding else { return 0 };
        if it.is_paused {
            return 0;
        }
        let mut count = 0;
        let most = limit.min(self.random.below(9) as usize);
        while count < most {
            let world = self.world.lock();
            if it.next >= world.records {
                break;
            }
            let place = (number, it.next);
            let (value, key) = (world.value(place), world.key(place).map(u64::to_be_bytes));
            drop(world);
            take(Arrival::Record(Record {
                position: Position { assignment: id, offset: offset_of(it.next) },
                timestamp_ms: 0,
                key: key.as_ref().map(|it| &it[..]),
                value: Some(value.as_bytes()),
                headers: &[],
                first: None,
                id: None,
            }));
            it.next += 1;
            count += 1;
        }
        count
    }
}

impl Source for FakeSource {
    fn poll(
        &mut self,
        limit: usize,
        take: &mut dyn FnMut(Arrival<'_>),
    ) -> Result<usize, SourceError> {
        let mut count = 0;
        for number in 0..PARTITIONS {
            self.coordinate(number, take);
            count += self.hand_over(number, limit - count, take);
        }
        Ok(count)
    }

    fn pause(&mut self, id: AssignmentId, paused: bool) {
        if let Some((_, it)) = self.of(id) {
            it.is_paused = paused;
        }
    }

    fn commit(&mut self, id: AssignmentId, offset: i64) {
        if let Some((_, it)) = self.of(id) {
            it.noted = it.noted.max(offset);
        }
    }

    fn committed(&self, id: AssignmentId) -> Option<i64> {
        let is_it = |it: &Partition| matches!(it.holding, Holding::Yes(held) | Holding::Going(held) if held == id);
        let number = self.partitions.iter().position(is_it)?;
        Some(self.world.lock().committed[number])
    }

    fn rewind(&mut self, id: AssignmentId, offset: i64) -> bool {
        if let Some((_, it)) = self.of(id) {
            it.next = number_at(offset);
            it.is_paused = false;
        }
        true
    }

    fn release(&mut self, id: AssignmentId) {
        if let Some((number, _)) = self.of(id) {
            self.flush(number);
            self.partitions[number].holding = Holding::No;
        }
    }
}
