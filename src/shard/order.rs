//! Records that wait for their turn: while an execution of a key (or partition) waits, those of the
//! same key that come behind it are put by, copied, and start one after the other once it is over.
//!
//! Executions that run through without waiting never meet this; nothing is looked up while none waits.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::plan::Ordering;
use super::plans::PlanId;
use super::slots::{Kept, Passage};
use crate::record::{AssignmentId, Record};

/// What is in order: the hash of an assignment and, where keys are kept apart, a key. Two keys of one
/// hash take turns with each other; that costs time, and no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Turn(u64);

/// A record that waits for its turn.
#[derive(Debug)]
pub struct Deferred {
    /// Its way so far.
    pub passage: Passage,
    /// Its copy.
    pub kept: Kept,
}

/// Place in the pool.
type Place = u32;

/// Those behind an execution, oldest first.
#[derive(Clone, Copy, Debug)]
struct Line {
    first: Option<Place>,
    last: Place,
}

/// Who waits for whom, of one pipeline on one shard.
#[derive(Debug)]
pub struct Queues {
    ordering: Ordering,
    /// Turns that are taken.
    taken: HashMap<Turn, Line>,
    /// Records that wait, each with the one behind it.
    pool: Vec<(Option<Deferred>, Option<Place>)>,
    free: Vec<Place>,
    /// Copies' memory, for the next ones.
    spare: Vec<Kept>,
    /// Turns whose execution is over, with somebody waiting.
    passed_on: VecDeque<Turn>,
    len: usize,
    bytes: usize,
}

impl Queues {
    /// Nobody waits.
    pub fn new(ordering: Ordering) -> Queues {
        Queues {
            ordering,
            taken: HashMap::new(),
            pool: Vec::new(),
            free: Vec::new(),
            spare: Vec::new(),
            passed_on: VecDeque::new(),
            len: 0,
            bytes: 0,
        }
    }

    /// What a record is in order with; `None`: with nothing.
    fn turn(&self, record: &Record<'_>) -> Option<Turn> {
        let AssignmentId(assignment) = record.position.assignment;
        let key = match self.ordering {
            Ordering::None => return None,
            Ordering::Partition => None,
            Ordering::Key => Some(record.key?),
        };
        let mut hasher = DefaultHasher::new();
        (assignment, key).hash(&mut hasher);
        Some(Turn(hasher.finish()))
    }

    /// The record's turn, if another's execution has it.
    #[inline]
    pub fn taken(&self, record: &Record<'_>) -> Option<Turn> {
        if self.taken.is_empty() {
            return None;
        }
        self.turn(record).filter(|turn| self.taken.contains_key(turn))
    }

    /// The record's execution is about to wait: those behind it shall not start.
    pub fn take(&mut self, record: &Record<'_>) -> Option<Turn> {
        let turn = self.turn(record)?;
        self.taken.insert(turn, Line { first: None, last: 0 });
        Some(turn)
    }

    /// Puts a record by until its turn comes.
    pub fn defer(&mut self, turn: Turn, passage: Passage, record: &Record<'_>) {
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.keep(record);
        self.len += 1;
        self.bytes += kept.bytes() + size_of::<Deferred>();
        let deferred = (Some(Deferred { passage, kept }), None);
        let place = match self.free.pop() {
            Some(place) => {
                self.pool[place as usize] = deferred;
                place
            }
            None => {
                self.pool.push(deferred);
                self.pool.len() as Place - 1
            }
        };
        let Some(line) = self.taken.get_mut(&turn) else { return };
        match line.first {
            None => line.first = Some(place),
            Some(_) => self.pool[line.last as usize].1 = Some(place),
        }
        line.last = place;
    }

    /// The execution that had this turn is over.
    pub fn leave(&mut self, turn: Turn) {
        match self.taken.get(&turn) {
            Some(Line { first: None, .. }) => {
                self.taken.remove(&turn);
            }
            Some(_) => self.passed_on.push_back(turn),
            None => {}
        }
    }

    /// The next record whose turn has come. Its turn is taken until [`Queues::leave`].
    pub fn next(&mut self) -> Option<Deferred> {
        let turn = self.passed_on.pop_front()?;
        let line = self.taken.get_mut(&turn)?;
        let place = line.first?;
        let (deferred, next) = std::mem::take(&mut self.pool[place as usize]);
        line.first = next;
        self.free.push(place);
        let mut deferred = deferred?;
        deferred.passage.turn = Some(turn);
        self.len -= 1;
        self.bytes -= deferred.kept.bytes() + size_of::<Deferred>();
        Some(deferred)
    }

    /// Plans that records which wait are on.
    pub fn plans(&self) -> impl Iterator<Item = PlanId> {
        let waiting = self.pool.iter().filter_map(|it| it.0.as_ref());
        waiting.map(|it| it.passage.plan)
    }

    /// Gives a copy's memory back for the next one.
    pub fn recycle(&mut self, mut kept: Kept) {
        kept.clear();
        self.spare.push(kept);
    }

    /// Records that wait for their turn.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes they hold.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ack::Limits;
    use crate::record::{Assignment, Position};
    use crate::shard::window::Windows;

    const ID: AssignmentId = AssignmentId(1);

    fn record<'a>(key: Option<&'a [u8]>, offset: i64) -> Record<'a> {
        let position = Position { assignment: ID, offset };
        Record {
            position,
            timestamp_ms: 0,
            key,
            value: Some(b"v"),
            headers: &[],
            first: None,
            id: None,
        }
    }

    fn windows() -> Windows {
        let mut windows = Windows::new(Limits { records: 100, bytes: 100 }, 1);
        windows.open(Assignment { id: ID, topic: "t".into(), partition: 0 });
        windows
    }

    fn passage(windows: &mut Windows, offset: i64) -> Passage {
        let claim = windows.claim(ID, offset, 1).expect("its window is open");
        Passage::new(claim, 0, PlanId::default())
    }

    /// The offset of the record whose turn has come.
    fn next(queues: &mut Queues) -> Option<(Turn, i64)> {
        let Deferred { passage, kept } = queues.next()?;
        let offset = kept.lend(|record| record.position.offset);
        queues.recycle(kept);
        Some((passage.turn?, offset))
    }

    #[test]
    fn a_key_is_in_order_and_others_are_not() {
        let (mut queues, mut windows) = (Queues::new(Ordering::Key), windows());
        assert_eq!(queues.taken(&record(Some(b"a"), 0)), None, "nobody waits");
        let turn = queues.take(&record(Some(b"a"), 0)).expect("it has a key");
        for offset in 1..4 {
            let behind = record(Some(b"a"), offset);
            assert_eq!(queues.taken(&behind), Some(turn));
            queues.defer(turn, passage(&mut windows, offset), &behind);
        }
        assert_eq!(queues.taken(&record(Some(b"b"), 4)), None);
        assert_eq!(queues.taken(&record(None, 5)), None, "records without a key are in no order");
        assert_eq!((queues.len(), next(&mut queues)), (3, None));
        for offset in 1..4 {
            queues.leave(turn);
            assert_eq!(next(&mut queues), Some((turn, offset)));
            assert_eq!(next(&mut queues), None, "one at a time");
        }
        queues.leave(turn);
        assert_eq!((next(&mut queues), queues.taken.len()), (None, 0));
        assert_eq!((queues.len(), queues.bytes()), (0, 0));
    }

    #[test]
    fn a_partition_is_one_line_and_none_is_no_line() {
        let mut queues = Queues::new(Ordering::Partition);
        let turn = queues.take(&record(Some(b"a"), 0));
        assert!(turn.is_some() && queues.taken(&record(None, 1)) == turn);
        let mut queues = Queues::new(Ordering::None);
        assert_eq!(queues.take(&record(Some(b"a"), 0)), None);
    }

    #[test]
    fn places_are_used_again() {
        let (mut queues, mut windows) = (Queues::new(Ordering::Key), windows());
        for round in 0..50 {
            let turn = queues.take(&record(Some(b"a"), round)).expect("it has a key");
            queues.defer(turn, passage(&mut windows, round), &record(Some(b"a"), round));
            queues.leave(turn);
            assert_eq!(next(&mut queues), Some((turn, round)));
            queues.leave(turn);
        }
        assert_eq!((queues.pool.len(), queues.spare.len()), (1, 1));
    }
}
