//! What outlives a crash: the log, what is committed, and what has arrived where.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use expressway::intrinsics::Random;

/// Partitions there are.
pub const PARTITIONS: usize = 3;
/// The most different keys.
const KEYS_MAX: u64 = 6;

/// A record's place: its partition and its number there, from 0.
pub type Place = (usize, usize);

/// What a sink has taken.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    place: Place,
    is_letter: bool,
    /// It stands in its topic.
    is_there: bool,
}

/// See the module.
pub struct World {
    seed: u64,
    /// Records in each partition.
    pub records: usize,
    keys: u64,
    /// What the group has committed.
    pub committed: [i64; PARTITIONS],
    arrived: Vec<[u32; PARTITIONS]>,
    log: Vec<Written>,
    /// The first thing that must not be.
    pub problem: Option<String>,
}

/// One thread at a time uses it; the shard's ends want to be sent.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub fn new(seed: u64) -> Shared {
        let mut random = Random::new(seed ^ 0x5EED);
        let records = 6 + random.below(24) as usize;
        Shared(Arc::new(Mutex::new(World {
            seed,
            records,
            keys: 1 + random.below(KEYS_MAX),
            committed: [0; PARTITIONS],
            arrived: vec![[0; PARTITIONS]; records],
            log: Vec::new(),
            problem: None,
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("one thread")
    }
}

/// Offsets have gaps, as after compaction.
pub fn offset_of(number: usize) -> i64 {
    (number + number / 7) as i64
}

/// The number of the first record at this offset or behind it.
pub fn number_at(offset: i64) -> usize {
    let offset = offset as usize;
    let (round, rest) = (offset / 8, offset % 8);
    round * 7 + rest.min(7)
}

impl World {
    /// Behind the last record.
    pub fn end(&self) -> i64 {
        offset_of(self.records - 1) + 1
    }

    fn dice(&self, (partition, number): Place) -> u64 {
        Random::new(self.seed ^ ((partition as u64) << 32 | number as u64)).bits()
    }

    /// The record's key; some have none.
    pub fn key(&self, place: Place) -> Option<u64> {
        let dice = self.dice(place) >> 8;
        (!dice.is_multiple_of(8)).then_some((dice >> 8) % self.keys)
    }

    /// The record's value.
    pub fn value(&self, place: Place) -> String {
        let (kind, seconds, (partition, number)) = (self.kind(place), self.dice(place) % 3, place);
        format!(r#"{{"kind":"{kind}","seconds":{seconds},"at":[{partition},{number}]}}"#)
    }

    fn kind(&self, place: Place) -> &'static str {
        let dice = self.dice(place);
        match dice % 23 {
            0..=1 => "task",
            2..=3 => "wait",
            4 => "fail",
            5 if dice.is_multiple_of(5) => "loop",
            _ => "plain",
        }
    }

    /// An output of a record that stands behind one, in its partition, which can only fail.
    pub fn behind_a_failure(&self) -> Option<Place> {
        let fails = |place: Place| matches!(self.kind(place), "fail" | "loop");
        let places = self.log.iter().map(|it| it.place);
        places.into_iter().find(|it| (0..it.1).any(|number| fails((it.0, number))))
    }

    /// A sink has taken a record's output; what is known of it goes by the number returned.
    pub fn write(&mut self, place: Place, is_letter: bool) -> usize {
        self.log.push(Written { place, is_letter, is_there: false });
        self.log.len() - 1
    }

    /// It stands in its topic.
    pub fn arrive(&mut self, written: usize) {
        let entry = &mut self.log[written];
        entry.is_there = true;
        let (partition, number) = entry.place;
        self.arrived[number][partition] += 1;
    }

    /// The group commits; everything below must have arrived.
    pub fn commit(&mut self, partition: usize, point: i64) {
        let missing = (0..number_at(point)).find(|it| self.arrived[*it][partition] == 0);
        if let Some(number) = missing {
            let text = format!("partition {partition} committed {point} before {number} arrived");
            self.problem.get_or_insert(text);
        }
        self.committed[partition] = self.committed[partition].max(point);
    }

    /// Outputs and offsets count together: exactly the outputs below the offsets, and each once.
    pub fn commit_together(&mut self, outputs: &[(Place, bool)], points: &[(usize, i64)]) {
        for (place, is_letter) in outputs {
            let (partition, number) = *place;
            let point = points.iter().find(|it| it.0 == partition).map_or(-1, |it| it.1);
            if offset_of(number) >= point || offset_of(number) < self.committed[partition] {
                let text = format!("{place:?} does not belong to a commit of {point}");
                self.problem.get_or_insert(text);
            }
            let written = self.write(*place, *is_letter);
            self.arrive(written);
            if self.arrived[number][partition] > 1 {
                self.problem.get_or_insert(format!("{place:?} counts twice"));
            }
        }
        for (partition, point) in points {
            if *point <= self.committed[*partition] {
                let text = format!("partition {partition} goes back to {point}");
                self.problem.get_or_insert(text);
            }
            self.commit(*partition, *point);
        }
    }

    pub fn lost(&self) -> usize {
        self.arrived.iter().flatten().filter(|it| **it == 0).count()
    }

    /// How often outputs stand in another order than their records, with what they are to be in
    /// order with. What came twice counts where it came last: what is repeated is repeated together
    /// with all that came after it.
    pub fn inversions(&self, in_order: impl Fn(Place) -> Option<u64>) -> usize {
        let mut last = BTreeMap::new();
        for (at, entry) in self.log.iter().enumerate().filter(|(_, it)| it.is_there) {
            last.insert(entry.place, (at, entry.is_letter));
        }
        let mut latest: BTreeMap<(usize, u64), usize> = BTreeMap::new();
        let mut inversions = 0;
        // By partition and number, which is the order that they should have come in.
        for (place, (at, is_letter)) in last {
            let Some(line) = in_order(place).filter(|_| !is_letter) else { continue };
            let before = latest.entry((place.0, line)).or_insert(at);
            inversions += usize::from(*before > at);
            *before = at.max(*before);
        }
        inversions
    }
}

#[test]
fn offsets_and_numbers_correspond() {
    for number in 0..100 {
        assert_eq!(number_at(offset_of(number)), number);
        assert_eq!(number_at(offset_of(number) + 1), number + 1);
    }
}
