//! When parked executions are to go on: a hierarchical timer wheel of one millisecond. Setting and
//! cancelling are O(1), nothing is allocated once the slab has grown to its peak, and the time is
//! always given: a shard's timers fire the same way whenever the same calls are made.
//!
//! ```text
//! level 0:  64 slots of 1 ms   the 64 ms block that holds now
//! level 1:  64 slots of 64 ms  the rest of its block of 4,096 ms
//! ...
//! level 10: 16 slots, to the end of 64 bits: there is no horizon
//! ```

/// Each level divides a slot of the one above by 64, so that a `u64` says which are occupied.
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Enough for every 64-bit time.
const LEVELS: usize = u64::BITS.div_ceil(SLOT_BITS) as usize;
/// The end of the free list; an empty slot.
const NONE: u32 = u32::MAX;
/// The serial of a node that holds no timer.
const FREE: u64 = 0;

/// A timer that was set. It may outlive the timer: each one has a serial of its own, so a stale id
/// cancels nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId {
    node: u32,
    serial: u64,
}

/// The timers of one shard.
///
/// A timer lies on the level of the highest digit (base 64) in which its due time differs from
/// `now`, in the slot of its due time's digit there. So timers of one millisecond always share a
/// list, in the order in which they were set, and all of a level are due before any of the next.
#[derive(Debug)]
pub struct Timers {
    now: u64,
    levels: [Level; LEVELS],
    nodes: Vec<Node>,
    free: u32,
    len: usize,
    /// The serial of the timer set last.
    serial: u64,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    /// One bit a slot: it has timers.
    occupied: u64,
    /// The first of each slot's timers; a ring, so its last is the one before.
    heads: [u32; SLOTS],
}

#[derive(Debug)]
struct Node {
    due: u64,
    key: u64,
    serial: u64,
    /// In a slot's ring; of a free node, the next free one.
    next: u32,
    previous: u32,
}

/// Where a timer lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    level: usize,
    slot: usize,
}

impl Timers {
    /// No timers, at `now_ms` (milliseconds since 1970).
    pub fn new(now_ms: i64) -> Timers {
        let level = Level { occupied: 0, heads: [NONE; SLOTS] };
        let levels = [level; LEVELS];
        Timers { now: wheel_time(now_ms), levels, nodes: Vec::new(), free: NONE, len: 0, serial: 0 }
    }

    /// Sets a timer that gives `key` back at `due_ms`. A due time in the past counts as now, and
    /// fires on the next [`Timers::advance`].
    pub fn set(&mut self, due_ms: i64, key: u64) -> TimerId {
        let due = wheel_time(due_ms).max(self.now);
        self.serial += 1;
        let node =
            self.take_node(Node { due, key, serial: self.serial, next: NONE, previous: NONE });
        self.link(node);
        self.len += 1;
        TimerId { node, serial: self.serial }
    }

    /// Cancels a timer; `false` if it has fired or was cancelled before.
    pub fn cancel(&mut self, id: TimerId) -> bool {
        let pending = self.nodes.get(id.node as usize).is_some_and(|node| node.serial == id.serial);
        if pending {
            self.remove(id.node);
        }
        pending
    }

    /// Moves to `now_ms` and fires what is due by then, in the order of due times and, within a
    /// millisecond, in the order of setting. A clock that went backwards counts as standing still.
    pub fn advance(&mut self, now_ms: i64, fire: &mut dyn FnMut(u64)) {
        let target = wheel_time(now_ms).max(self.now);
        while let Some(place) = self.first() {
            let start = self.start(place);
            if start > target {
                break;
            }
            self.now = start;
            if place.level == 0 {
                let node = self.levels[0].heads[place.slot];
                let key = self.nodes[node as usize].key;
                self.remove(node);
                fire(key);
            } else {
                self.cascade(place);
            }
        }
        // No occupied slot starts at or before it, so every timer stays where it belongs.
        self.now = target;
    }

    /// When to call [`Timers::advance`] next: never after the next due time, and exact if that is
    /// within the current 64 ms block. Else it is where the due time's slot starts, so a sleeper
    /// wakes early at most once a level.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.first().map(|place| clock_time(self.start(place)))
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Is no timer set?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The occupied slot that starts first.
    fn first(&self) -> Option<Place> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        Some(Place { level, slot: self.levels[level].occupied.trailing_zeros() as usize })
    }

    /// The first millisecond of a slot.
    fn start(&self, place: Place) -> u64 {
        let shift = SLOT_BITS * place.level as u32;
        let block = (self.now >> shift) & !(SLOTS as u64 - 1);
        (block | place.slot as u64) << shift
    }

    fn place(&self, due: u64) -> Place {
        // A difference within the lowest digit is level 0, none at all too.
        let highest = ((due ^ self.now) | (SLOTS as u64 - 1)).ilog2();
        let level = highest / SLOT_BITS;
        let slot = (due >> (SLOT_BITS * level)) as usize % SLOTS;
        Place { level: level as usize, slot }
    }

    /// Spreads the slot that `now` has entered over the levels below, in order.
    fn cascade(&mut self, place: Place) {
        let level = &mut self.levels[place.level];
        level.occupied &= !(1 << place.slot);
        let head = std::mem::replace(&mut level.heads[place.slot], NONE);
        let last = self.nodes[head as usize].previous;
        let mut node = head;
        loop {
            let next = self.nodes[node as usize].next;
            self.link(node);
            if node == last {
                break;
            }
            node = next;
        }
    }

    /// Appends a node to the slot of its due time.
    fn link(&mut self, node: u32) {
        let place = self.place(self.nodes[node as usize].due);
        let level = &mut self.levels[place.level];
        let head = level.heads[place.slot];
        if head == NONE {
            level.heads[place.slot] = node;
            level.occupied |= 1 << place.slot;
            self.join(node, node);
        } else {
            let last = self.nodes[head as usize].previous;
            self.join(last, node);
            self.join(node, head);
        }
    }

    /// Takes a timer out of its slot and frees its node.
    fn remove(&mut self, node: u32) {
        let Node { due, next, previous, .. } = self.nodes[node as usize];
        let place = self.place(due);
        let level = &mut self.levels[place.level];
        if next == node {
            level.heads[place.slot] = NONE;
            level.occupied &= !(1 << place.slot);
        } else if level.heads[place.slot] == node {
            level.heads[place.slot] = next;
        }
        self.join(previous, next);
        let freed = &mut self.nodes[node as usize];
        freed.serial = FREE;
        freed.next = std::mem::replace(&mut self.free, node);
        self.len -= 1;
    }

    fn join(&mut self, left: u32, right: u32) {
        self.nodes[left as usize].next = right;
        self.nodes[right as usize].previous = left;
    }

    fn take_node(&mut self, node: Node) -> u32 {
        if let Some(free) = self.nodes.get_mut(self.free as usize) {
            let index = self.free;
            self.free = std::mem::replace(free, node).next;
            return index;
        }
        let index = u32::try_from(self.nodes.len()).ok().filter(|index| *index != NONE);
        self.nodes.push(node);
        index.expect("memory ends before four thousand million timers")
    }
}

/// Milliseconds since 1970 in an order that `u64` keeps: the earliest is 0.
fn wheel_time(clock_ms: i64) -> u64 {
    clock_ms.cast_unsigned() ^ (1 << 63)
}

fn clock_time(wheel: u64) -> i64 {
    (wheel ^ (1 << 63)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_790_000_000_000;
    const DAY: i64 = 86_400_000;

    fn fired(timers: &mut Timers, now: i64) -> Vec<u64> {
        let mut keys = Vec::new();
        timers.advance(now, &mut |key| keys.push(key));
        keys
    }

    /// SplitMix64: enough to choose test cases.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }

        /// Up to 2^bits, small and large spans alike.
        fn span(&mut self, bits: u64) -> i64 {
            let bits = self.roll() % (bits + 1);
            (self.roll() & ((1 << bits) - 1)).cast_signed()
        }

        fn index(&mut self, len: usize) -> usize {
            self.roll() as usize % len
        }
    }

    /// All timers in one list: (due, key, id); keys count up, so they tell the order of setting.
    #[derive(Default)]
    struct Model(Vec<(i64, u64, TimerId)>);

    impl Model {
        fn fired(&mut self, now: i64) -> Vec<u64> {
            self.0.sort_by_key(|(due, key, _)| (*due, *key));
            let due = self.0.partition_point(|(due, ..)| *due <= now);
            self.0.drain(..due).map(|(_, key, _)| key).collect()
        }
    }

    fn agrees_with_the_model(seed: u64, time_bits: u64) {
        let mut dice = Dice(seed);
        let (mut now, mut timers, mut model) = (START, Timers::new(START), Model::default());
        let mut stale = Vec::new();
        for key in 0..3_000 {
            match dice.roll() % 8 {
                0..4 => {
                    let due = now + dice.span(time_bits) - dice.span(4);
                    model.0.push((due.max(now), key, timers.set(due, key)));
                }
                4 if !model.0.is_empty() => {
                    let (_, _, id) = model.0.swap_remove(dice.index(model.0.len()));
                    assert!(timers.cancel(id), "seed {seed}: a set timer is cancelled");
                    stale.push(id);
                }
                5 if !stale.is_empty() => {
                    assert!(!timers.cancel(stale[dice.index(stale.len())]), "seed {seed}: stale");
                }
                6 => assert_eq!(fired(&mut timers, now - dice.span(40)), model.fired(now)),
                _ => {
                    now += dice.span(time_bits);
                    stale.extend(model.0.iter().filter(|set| set.0 <= now).map(|set| set.2));
                    assert_eq!(fired(&mut timers, now), model.fired(now), "seed {seed}");
                }
            }
            assert_eq!((timers.len(), timers.is_empty()), (model.0.len(), model.0.is_empty()));
            let due = model.0.iter().map(|(due, ..)| *due).min();
            assert_eq!(timers.next_due_ms().is_some(), due.is_some(), "seed {seed}");
            assert!(timers.next_due_ms().is_none_or(|next| now <= next), "seed {seed}");
            assert!(timers.next_due_ms() <= due, "seed {seed}: wakes in time");
        }
    }

    #[test]
    fn they_fire_as_a_sorted_list_would() {
        for seed in 0..40 {
            for time_bits in [3, 7, 13, 25, 43] {
                agrees_with_the_model(seed, time_bits);
            }
        }
    }

    #[test]
    fn a_sleeper_wakes_early_at_most_once_a_level() {
        for after in [1, 63, 64, 4_095, 4_097, 3_600_000, DAY, 100_000 * DAY] {
            let mut timers = Timers::new(START);
            timers.set(START + after, 7);
            let mut wakes = Vec::new();
            while let Some(next) = timers.next_due_ms() {
                assert!(wakes.last() < Some(&next), "each wake-up is later than the one before");
                wakes.push(next);
                let keys = fired(&mut timers, next);
                assert_eq!(keys.len(), usize::from(next == START + after));
            }
            assert!(wakes.len() <= LEVELS, "{after} ms: woken at {wakes:?}");
        }
    }

    #[test]
    fn any_time_of_64_bits_is_kept() {
        let mut timers = Timers::new(i64::MIN);
        for (key, due) in [(3, i64::MAX), (2, 100_000 * DAY), (0, i64::MIN), (1, -1)] {
            timers.set(due, key);
        }
        assert_eq!(fired(&mut timers, i64::MIN), [0]);
        assert_eq!(fired(&mut timers, 100_000 * DAY), [1, 2]);
        assert_eq!(fired(&mut timers, i64::MAX - 1), [0; 0]);
        assert_eq!(fired(&mut timers, i64::MAX), [3]);
    }

    #[test]
    fn the_id_of_a_fired_timer_does_not_cancel_its_successor() {
        let mut timers = Timers::new(START);
        let first = timers.set(START - 5, 1);
        assert_eq!(fired(&mut timers, START), [1]);
        let second = timers.set(START, 2);
        assert_eq!(first.node, second.node, "the node is used again");
        assert!(!timers.cancel(first));
        assert!(timers.cancel(second));
        assert!(!timers.cancel(second));
    }
}
