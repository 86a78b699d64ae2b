//! Records that one execution runs over: gathered of one partition, copied, and each settled by its own
//! outcome. Memory is used again.

use std::collections::VecDeque;
use std::fmt;

use super::names::Origin;
use super::plan::Plan;
use super::slots::{Kept, Passage};
use super::window::Claim;
use crate::record::{AssignmentId, Record};
use crate::value::Scratch;

/// A batch's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchId(u32);

/// A record of a batch.
#[derive(Debug)]
pub struct Member {
    /// Its claim.
    pub claim: Claim,
    /// When it was handed over, on the shard's clock in nanoseconds.
    pub received_ns: u64,
    /// Its copy.
    pub kept: Kept,
}

/// Records that share an execution.
#[derive(Debug, Default)]
pub struct Batch {
    /// In the order of their partition.
    pub members: Vec<Member>,
    /// The way of the first.
    passage: Option<Passage>,
    /// About what its envelope takes.
    bytes: usize,
    /// When the first came.
    since_ns: u64,
}

/// What bounds a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Records.
    pub records_max: usize,
    /// Bytes of its envelope.
    pub bytes_max: usize,
    /// How long its first record waits for others, in nanoseconds.
    pub window_ns: u64,
}

/// The batches of a pipeline on a shard.
#[derive(Default)]
pub struct Batches {
    list: Vec<Batch>,
    free: Vec<BatchId>,
    /// Those that still take records.
    gathering: Vec<BatchId>,
    /// Those that are complete, and start next.
    ready: VecDeque<BatchId>,
    spare: Vec<Kept>,
    bytes: usize,
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").field("gathering", &self.gathering).finish_non_exhaustive()
    }
}

impl Batch {
    /// The record that stands for all: where the first stood, with nothing in it but what names it.
    pub fn lead<'a>(&self, id: Option<&'a str>) -> Record<'a> {
        let (position, timestamp_ms) = self.members[0].kept.position();
        Record { position, timestamp_ms, key: None, value: None, headers: &[], first: None, id }
    }

    /// What names the first, if anything does.
    pub fn lead_id(&self) -> Option<String> {
        self.members[0].kept.id().map(str::to_owned)
    }
}

impl Batches {
    /// The batch there.
    pub fn get(&self, id: BatchId) -> &Batch {
        &self.list[id.0 as usize]
    }

    /// The way of a batch, by its first record.
    pub fn passage(&self, id: BatchId) -> Passage {
        let batch = self.get(id);
        let passage = batch.passage.expect("a batch in use has one");
        let (claim, received_ns) = (batch.members[0].claim, batch.members[0].received_ns);
        Passage { claim, received_ns, batch: Some(id), ..passage }
    }

    /// The batch that would take a record of this way, if one is being gathered.
    pub fn open(&self, passage: &Passage) -> Option<BatchId> {
        let is_alike = |id: &&BatchId| {
            self.get(**id).passage.is_some_and(|it| {
                it.claim.assignment() == passage.claim.assignment()
                    && (it.plan, it.version, it.route)
                        == (passage.plan, passage.version, passage.route)
            })
        };
        self.gathering.iter().find(is_alike).copied()
    }

    /// Would so many bytes more be too many?
    pub fn is_full_with(&self, id: BatchId, bytes: usize, bounds: Bounds) -> bool {
        self.get(id).bytes + bytes > bounds.bytes_max
    }

    /// Adds a record to a batch, or to a new one. Returns which, and how many it has.
    pub fn add(
        &mut self,
        to: Option<BatchId>,
        passage: Passage,
        record: &Record<'_>,
        bytes: usize,
        now_ns: u64,
    ) -> (BatchId, usize) {
        let id = to.unwrap_or_else(|| {
            let id = self.reserve(Passage { runs: 0, ..passage });
            self.list[id.0 as usize].since_ns = now_ns;
            self.gathering.push(id);
            id
        });
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.keep(record);
        self.bytes += kept.bytes();
        let batch = &mut self.list[id.0 as usize];
        batch.bytes += bytes;
        let Passage { claim, received_ns, .. } = passage;
        batch.members.push(Member { claim, received_ns, kept });
        (id, batch.members.len())
    }

    fn reserve(&mut self, passage: Passage) -> BatchId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.list.push(Batch::default());
            BatchId(self.list.len() as u32 - 1)
        });
        self.list[id.0 as usize].passage = Some(passage);
        id
    }

    /// It takes no more records.
    pub fn close(&mut self, id: BatchId) {
        self.gathering.retain(|it| *it != id);
    }

    /// It is complete.
    pub fn ready(&mut self, id: BatchId) {
        self.close(id);
        self.ready.push_back(id);
    }

    /// The next that is complete.
    #[inline]
    pub fn next_ready(&mut self) -> Option<BatchId> {
        self.ready.pop_front()
    }

    /// The oldest that is being gathered and that `is_due` says so of.
    pub fn find(&self, is_due: impl Fn(AssignmentId, u64) -> bool) -> Option<BatchId> {
        let of = |id: &BatchId| {
            let batch = self.get(*id);
            is_due(batch.members[0].claim.assignment(), batch.since_ns)
        };
        self.gathering.iter().copied().find(of)
    }

    /// One that is being gathered, whose first record's claim `is_it`.
    pub fn find_claim(&self, is_it: impl Fn(Claim) -> bool) -> Option<BatchId> {
        self.gathering.iter().copied().find(|id| is_it(self.get(*id).members[0].claim))
    }

    /// Since when the oldest one waits for more records.
    pub fn oldest_ns(&self) -> Option<u64> {
        self.gathering.iter().map(|id| self.get(*id).since_ns).min()
    }

    /// Takes these members (by their place, in order) out into a batch of their own.
    pub fn split(&mut self, id: BatchId, places: &[usize]) -> BatchId {
        let passage = self.passage(id);
        let other = self.reserve(Passage { batch: None, ..passage });
        let members = std::mem::take(&mut self.list[id.0 as usize].members);
        let mut rest = std::mem::take(&mut self.list[other.0 as usize].members);
        let mut stay = Vec::with_capacity(members.len());
        for (place, member) in members.into_iter().enumerate() {
            let to = if places.binary_search(&place).is_ok() { &mut rest } else { &mut stay };
            to.push(member);
        }
        self.list[id.0 as usize].members = stay;
        self.list[other.0 as usize].members = rest;
        other
    }

    /// Takes its members out, to be given back with [`Batches::free`].
    pub fn take(&mut self, id: BatchId) -> Vec<Member> {
        std::mem::take(&mut self.list[id.0 as usize].members)
    }

    /// It is over: its place and memory are for the next.
    pub fn free(&mut self, id: BatchId, mut members: Vec<Member>) {
        self.close(id);
        for Member { mut kept, .. } in members.drain(..) {
            self.bytes -= kept.bytes();
            kept.clear();
            self.spare.push(kept);
        }
        self.list[id.0 as usize] = Batch { members, ..Batch::default() };
        self.free.push(id);
    }

    /// Are any being gathered?
    pub fn is_gathering(&self) -> bool {
        !self.gathering.is_empty()
    }

    /// Bytes of all members' copies.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Member {
    /// A record that is in no window.
    pub fn alone(record: &Record<'_>) -> Member {
        let mut kept = Kept::default();
        kept.keep(record);
        Member { claim: Claim::void(record.position.assignment), received_ns: 0, kept }
    }
}

/// A batch as its envelope is made of it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The pipeline's plan.
    pub plan: &'a Plan,
    /// The topic that its partition is of.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// Its records.
    pub members: &'a [Member],
}

impl View<'_> {
    /// Lends each record in turn; ends where nothing comes back.
    pub fn each(
        &self,
        scratch: &mut Scratch,
        mut use_it: impl FnMut(&Origin<'_>, &mut Scratch) -> Option<()>,
    ) -> Option<()> {
        for place in 0..self.members.len() {
            self.lend(place, |origin| use_it(origin, scratch))?;
        }
        Some(())
    }

    /// Lends one.
    pub fn lend<T>(&self, place: usize, use_it: impl FnOnce(&Origin<'_>) -> T) -> T {
        self.members[place]
            .kept
            .lend(|record| use_it(&Origin::new(self.plan, self.topic, self.partition, record)))
    }
}
