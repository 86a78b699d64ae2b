//! A place in the file: which record an execution runs for, or ran for when the process came down.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// Bytes of a slot.
pub(super) const SLOT_BYTES: usize = 512;
/// Bytes of a pipeline's name and a topic's, with a zero between them; more are cut off.
const PLACE_BYTES: usize = SLOT_BYTES - 48;

/// What a slot says of its record.
pub(super) mod standing {
    /// Nothing runs; the slot is free.
    pub(crate) const NONE: u32 = 0;
    /// It runs; in the docket: it ran on some shard when the process came down.
    pub(crate) const RUNNING: u32 = 1;
    /// It runs alone; in the docket: it brought the process down when it did.
    pub(crate) const ALONE: u32 = 2;
}

/// Where a record stands, as the file knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: Vec<u8>,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

impl Place {
    pub(super) fn is_of(&self, pipeline: &str, topic: &str, partition: i32) -> bool {
        self.partition == partition && self.name.iter().copied().eq(name_of(pipeline, topic))
    }

    /// For the log: `orders: topic orders.in/3, offset 41`.
    pub(super) fn shown(&self) -> String {
        let name = String::from_utf8_lossy(&self.name).into_owned();
        let (pipeline, topic) = name.split_once('\0').unwrap_or((&name, ""));
        format!("pipeline {pipeline:?}, {topic}/{} offset {}", self.partition, self.offset)
    }
}

fn name_of<'a>(pipeline: &'a str, topic: &'a str) -> impl Iterator<Item = u8> + 'a {
    pipeline.bytes().chain([0]).chain(topic.bytes()).take(PLACE_BYTES)
}

/// A slot of the file. One thread writes it; what reads it meanwhile (the watchdog) may see half of a
/// change, and only tells of it.
#[repr(C)]
pub(super) struct Slot {
    standing: AtomicU32,
    partition: AtomicI32,
    offset: AtomicI64,
    /// Of the program that ran.
    version: AtomicU64,
    /// Counts what its shard does, while it does anything.
    beats: AtomicU64,
    has_ended: AtomicU32,
    name_len: AtomicU32,
    _reserved: AtomicU64,
    name: [AtomicU8; PLACE_BYTES],
}

const _: () = assert!(size_of::<Slot>() == SLOT_BYTES);

impl Slot {
    /// Names the place whose records follow.
    pub(super) fn name(&self, pipeline: &str, topic: &str, partition: i32, version: u64) {
        let mut len = 0;
        for (to, from) in self.name.iter().zip(name_of(pipeline, topic)) {
            to.store(from, Ordering::Relaxed);
            len += 1;
        }
        self.name_len.store(len, Ordering::Relaxed);
        self.partition.store(partition, Ordering::Relaxed);
        self.version.store(version, Ordering::Relaxed);
    }

    /// An execution over this record runs from now on.
    #[inline]
    pub(super) fn mark(&self, offset: i64, standing: u32) {
        self.offset.store(offset, Ordering::Relaxed);
        // Behind what it speaks of, for whoever reads it after a crash on this very line.
        self.standing.store(standing, Ordering::Release);
    }

    /// It does not any more.
    #[inline]
    pub(super) fn clear(&self) {
        self.standing.store(standing::NONE, Ordering::Release);
    }

    #[inline]
    pub(super) fn beat(&self) {
        // Only its own thread writes it.
        self.beats.store(self.beats.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.has_ended.store(1, Ordering::Relaxed);
    }

    /// What the shard has done so far; `None` before it has begun and once it has ended.
    pub(super) fn beats(&self) -> Option<u64> {
        let has_ended = self.has_ended.load(Ordering::Relaxed) != 0;
        Some(self.beats.load(Ordering::Relaxed)).filter(|beats| *beats > 0 && !has_ended)
    }

    pub(super) fn standing(&self) -> u32 {
        self.standing.load(Ordering::Acquire)
    }

    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    pub(super) fn place(&self) -> Place {
        let len = self.name_len.load(Ordering::Relaxed) as usize;
        let name = self.name.iter().take(len).map(|byte| byte.load(Ordering::Relaxed)).collect();
        let partition = self.partition.load(Ordering::Relaxed);
        Place { name, partition, offset: self.offset.load(Ordering::Relaxed) }
    }

    /// Writes down a place of the docket.
    pub(super) fn set(&self, place: &Place, version: u64, standing: u32) {
        for (to, from) in self.name.iter().zip(&place.name) {
            to.store(*from, Ordering::Relaxed);
        }
        self.name_len.store(place.name.len().min(PLACE_BYTES) as u32, Ordering::Relaxed);
        self.partition.store(place.partition, Ordering::Relaxed);
        self.version.store(version, Ordering::Relaxed);
        self.mark(place.offset, standing);
    }
}
