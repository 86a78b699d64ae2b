//! Executions that wait: each in a slot with its memory, its timer, and a copy of its record, which
//! the source took back when the batch was over. Slots are reused with all they hold.

use super::batch::BatchId;
use super::order::Turn;
use super::plans::PlanId;
use super::timers::TimerId;
use super::window::Claim;
use crate::machine::Execution;
use crate::record::{First, Header, Position, Record};
use crate::value::{Block, Scratch};

/// Bytes that a free slot keeps of each of its buffers.
const KEPT_BYTES: usize = 16 << 10;

/// Headers of a record that are lent out again without allocating.
const HEADERS_INLINE: usize = 8;

/// A slot and which use of it: answers and timers name both, so that late ones find nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotId {
    index: u32,
    generation: u32,
}

impl SlotId {
    /// As one number, for a timer.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// From [`SlotId::to_bits`].
    pub fn from_bits(bits: u64) -> SlotId {
        SlotId { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// Where a part of a record's copy stands.
type Part = (u32, u32);

/// A record's copy.
#[derive(Debug, Default)]
pub struct Kept {
    position: Option<Position>,
    timestamp_ms: i64,
    bytes: Vec<u8>,
    key: Option<Part>,
    value: Option<Part>,
    headers: Vec<(Part, Option<Part>)>,
    first: Option<(Part, i32, i64)>,
    id: Option<Part>,
}

impl Kept {
    /// Copies a record.
    pub fn keep(&mut self, record: &Record<'_>) {
        self.bytes.clear();
        self.headers.clear();
        self.position = Some(record.position);
        self.timestamp_ms = record.timestamp_ms;
        self.key = record.key.map(|key| self.put(key));
        self.value = record.value.map(|value| self.put(value));
        self.first = record
            .first
            .map(|first| (self.put(first.topic.as_bytes()), first.partition, first.offset));
        self.id = record.id.map(|id| self.put(id.as_bytes()));
        for header in record.headers {
            let name = self.put(header.name.as_bytes());
            let value = header.value.map(|value| self.put(value));
            self.headers.push((name, value));
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Part {
        let from = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        (from, self.bytes.len() as u32)
    }

    /// Forgets the record; its memory is kept, but for what a large one has taken.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
    }

    /// Where the record stood, and its time.
    pub fn position(&self) -> (Position, i64) {
        (self.position.expect("a slot in use holds a record"), self.timestamp_ms)
    }

    /// What names the record wherever it stands.
    pub fn id(&self) -> Option<&str> {
        let (from, to) = self.id?;
        std::str::from_utf8(&self.bytes[from as usize..to as usize]).ok()
    }

    /// Bytes of the copy.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Lends the copy out as the record it was.
    pub fn lend<T>(&self, use_it: impl FnOnce(&Record<'_>) -> T) -> T {
        let at = |(from, to): Part| &self.bytes[from as usize..to as usize];
        let text = |part| std::str::from_utf8(at(part)).unwrap_or_default();
        let mut few = [Header { name: "", value: None }; HEADERS_INLINE];
        let mut many = Vec::new();
        let headers = match self.headers.len() {
            len @ 0..=HEADERS_INLINE => &mut few[..len],
            len => {
                many.resize(len, few[0]);
                &mut many[..]
            }
        };
        for (header, (name, value)) in headers.iter_mut().zip(&self.headers) {
            *header = Header { name: text(*name), value: value.map(at) };
        }
        use_it(&Record {
            position: self.position.expect("a slot in use holds a record"),
            timestamp_ms: self.timestamp_ms,
            key: self.key.map(at),
            value: self.value.map(at),
            headers,
            first: self.first.map(|(topic, partition, offset)| First {
                topic: text(topic),
                partition,
                offset,
            }),
            id: self.id.map(text),
        })
    }
}

/// A record on its way through the shard.
#[derive(Clone, Copy, Debug)]
pub struct Passage {
    /// Its claim.
    pub claim: Claim,
    /// When it was handed over, on the shard's clock in nanoseconds.
    pub received_ns: u64,
    /// The turn that it has, for which others wait.
    pub turn: Option<Turn>,
    /// Executions of it that have begun.
    pub runs: u32,
    /// How often one ran out of time at a target that is down, and does not count.
    pub held_up: u32,
    /// The plan that it came under, and stays with.
    pub plan: PlanId,
    /// Which of the plan's versions it runs.
    pub version: u16,
    /// The route that it took, once that is known.
    pub route: Option<u16>,
    /// The batch that it stands for.
    pub batch: Option<BatchId>,
}

impl Passage {
    /// The way of a record that was claimed just now.
    pub fn new(claim: Claim, received_ns: u64, plan: PlanId) -> Passage {
        Passage {
            claim,
            received_ns,
            turn: None,
            runs: 0,
            held_up: 0,
            plan,
            version: 0,
            route: None,
            batch: None,
        }
    }
}

/// What a waiting execution needs most of. It is used again, and stays where it is: it is large.
#[derive(Default)]
pub struct Memory {
    /// The record.
    pub kept: Kept,
    /// Where the execution stands.
    pub execution: Execution,
    /// Its values.
    pub block: Block,
}

/// What a waiting execution needs.
pub struct Slot {
    /// Whose it is: the pipeline's index on this shard.
    pub lane: usize,
    /// Its record's way so far.
    pub passage: Passage,
    /// Its record, and where it stands.
    pub memory: Box<Memory>,
    /// Its timer.
    pub timer: Option<TimerId>,
    /// Its memory as a whole, where it holds too much to be moved each time.
    pub scratch: Option<Box<Scratch>>,
    /// It has failed, and its record is run again from the start.
    pub begins_anew: bool,
    /// That was because of a target that is down.
    pub is_held_up: bool,
    bytes: usize,
}

/// The slots. One is reserved when its execution first calls a task or waits, lent while that runs,
/// and freed when it is over, so that answers find it all the while.
#[derive(Default)]
pub struct Slots {
    list: Vec<(u32, Option<Slot>)>,
    free: Vec<u32>,
    #[allow(clippy::vec_box, reason = "slots take them over as they are")]
    spare: Vec<Box<Memory>>,
    bytes: usize,
    used: usize,
}

impl Slots {
    /// Memory for an execution that parks.
    pub fn spare(&mut self) -> Box<Memory> {
        self.spare.pop().unwrap_or_default()
    }

    /// A slot for an execution.
    pub fn reserve(&mut self) -> SlotId {
        self.used += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            self.list.push((0, None));
            self.list.len() as u32 - 1
        });
        SlotId { index, generation: self.list[index as usize].0 }
    }

    /// Parks an execution in its slot.
    pub fn park(&mut self, id: SlotId, mut slot: Slot) {
        let Memory { kept, block, .. } = &*slot.memory;
        let values = slot.scratch.as_ref().map_or(block.len(), |scratch| scratch.capacity());
        slot.bytes = kept.bytes.len() + values + size_of::<Slot>() + size_of::<Memory>();
        self.bytes += slot.bytes;
        let entry = &mut self.list[id.index as usize];
        debug_assert!(entry.0 == id.generation && entry.1.is_none(), "the slot is another's");
        entry.1 = Some(slot);
    }

    /// The execution parked there, unless it is gone or lent.
    pub fn get(&mut self, id: SlotId) -> Option<&mut Slot> {
        let entry = self.list.get_mut(id.index as usize)?;
        entry.1.as_mut().filter(|_| entry.0 == id.generation)
    }

    /// The executions of a lane that are parked just now.
    pub fn of_lane(&self, lane: usize) -> Vec<SlotId> {
        let place = |(index, entry): (usize, &(u32, Option<Slot>))| {
            let is_of_lane = entry.1.as_ref().is_some_and(|slot| slot.lane == lane);
            is_of_lane.then_some(SlotId { index: index as u32, generation: entry.0 })
        };
        self.list.iter().enumerate().filter_map(place).collect()
    }

    /// Plans that the parked executions of a lane are on.
    pub fn plans_of_lane(&self, lane: usize) -> impl Iterator<Item = PlanId> {
        let slots = self.list.iter().filter_map(|entry| entry.1.as_ref());
        slots.filter(move |slot| slot.lane == lane).map(|slot| slot.passage.plan)
    }

    /// Takes the execution out for a while; its slot stays its own.
    pub fn lend(&mut self, id: SlotId) -> Option<Slot> {
        self.get(id)?;
        let slot = self.list[id.index as usize].1.take()?;
        self.bytes -= slot.bytes;
        Some(slot)
    }

    /// An execution whose slot this was is over: nobody finds it by this id any more.
    pub fn free(&mut self, id: SlotId) {
        let entry = &mut self.list[id.index as usize];
        debug_assert!(entry.0 == id.generation && entry.1.is_none(), "the slot is in use");
        entry.0 = entry.0.wrapping_add(1);
        self.free.push(id.index);
        self.used -= 1;
    }

    /// Gives a slot's memory back for the next one.
    pub fn recycle(&mut self, mut memory: Box<Memory>) {
        memory.kept.clear();
        memory.block.clear(KEPT_BYTES);
        self.spare.push(memory);
    }

    /// Executions waiting.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Bytes they hold.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Slot {
    /// A slot of what is given.
    pub fn new(lane: usize, passage: Passage, memory: Box<Memory>) -> Slot {
        Slot {
            lane,
            passage,
            memory,
            timer: None,
            scratch: None,
            begins_anew: false,
            is_held_up: false,
            bytes: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ack::Limits;
    use crate::record::{Assignment, AssignmentId};
    use crate::shard::window::Windows;

    /// It is copied for each record, waiting or not.
    #[test]
    fn a_passage_is_no_larger_than_a_cache_line() {
        assert!(size_of::<Passage>() <= 64, "{}", size_of::<Passage>());
    }

    #[test]
    fn an_id_finds_its_own_use_of_a_slot_only() {
        let mut windows = Windows::new(Limits { records: 10, bytes: 10 }, 1);
        let id = AssignmentId(1);
        windows.open(Assignment { id, topic: "t".into(), partition: 0 });
        let claim = windows.claim(id, 0, 0).expect("a window is open");
        let passage = Passage { runs: 1, ..Passage::new(claim, 0, PlanId::default()) };
        let mut slots = Slots::default();
        let spare = slots.spare();
        let first = slots.reserve();
        slots.park(first, Slot::new(0, passage, spare));
        assert_eq!(SlotId::from_bits(first.to_bits()), first);
        let lent = slots.lend(first).expect("it is parked there");
        assert!(slots.get(first).is_none(), "it is lent");
        slots.park(first, lent);
        assert!(slots.lend(first).is_some());
        slots.free(first);
        let spare = slots.spare();
        let second = slots.reserve();
        slots.park(second, Slot::new(0, passage, spare));
        // The slot is the same, its use is not: attempt 1's answer does not reach attempt 2.
        assert_eq!(first.index, second.index);
        assert!(slots.get(first).is_none() && slots.lend(first).is_none());
        assert!(slots.get(second).is_some());
        assert_eq!(slots.len(), 1);
    }

    #[test]
    fn a_kept_record_is_the_record() {
        let headers = [Header { name: "h", value: Some(b"v") }, Header { name: "n", value: None }];
        let position = Position { assignment: AssignmentId(3), offset: 9 };
        let (key, value) = (Some(&b"key"[..]), None);
        let first = Some(First { topic: "t", partition: 4, offset: 7 });
        let record = Record {
            position,
            timestamp_ms: 5,
            key,
            value,
            headers: &headers,
            first,
            id: Some("m-1"),
        };
        let mut kept = Kept::default();
        kept.keep(&record);
        kept.lend(|lent| {
            assert_eq!((lent.position, lent.timestamp_ms), (position, 5));
            assert_eq!((lent.key, lent.value), (key, value));
            assert_eq!((lent.headers, lent.first), (&headers[..], first));
            assert_eq!(lent.id, Some("m-1"));
        });
    }
}
