//! The memory of an evaluation: lists, variables and functions lie in arenas that are reused.

use super::item::{
    Binding, Closure, Fields, Frame, GLOBAL, Item, List, NONE, RANGE, Record, Tuple, Variables,
    Walk,
};
use super::program::NameId;
use crate::value::Scratch;

/// Working memory of evaluations, reset by each, given back to nobody.
#[derive(Debug, Default)]
pub struct Memory {
    /// Items on their way into a list or a call.
    pub(super) stack: Vec<Item>,
    pub(super) items: Vec<Item>,
    pub(super) frames: Vec<Variables>,
    pub(super) bindings: Vec<Binding>,
    pub(super) closures: Vec<Closure>,
    pub(super) tuples: Vec<Tuple>,
    /// The functions and the caller's variables, by name.
    pub(super) globals: Vec<Item>,
    /// Text on its way into a string.
    pub(super) text: Vec<u8>,
}

/// A state of the arenas to go back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level([u32; 5]);

impl Memory {
    pub(super) fn reset(&mut self) {
        self.stack.clear();
        self.items.clear();
        self.frames.clear();
        self.bindings.clear();
        self.closures.clear();
        self.tuples.clear();
        self.globals.clear();
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> usize {
        size_of::<Item>() * (self.stack.len() + self.items.len())
            + size_of::<Variables>() * self.frames.len()
            + size_of::<Binding>() * self.bindings.len()
            + size_of::<Closure>() * self.closures.len()
            + size_of::<Tuple>() * self.tuples.len()
    }

    /// Forgets the last evaluation, and gives memory back that it made it take.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.reset();
        let count = bytes / size_of::<Item>();
        self.stack.shrink_to(count);
        self.items.shrink_to(count);
        self.frames.shrink_to(count);
        self.bindings.shrink_to(count);
        self.closures.shrink_to(count);
        self.tuples.shrink_to(count);
        self.text.clear();
        self.text.shrink_to(bytes);
    }

    pub(super) fn level(&self) -> Level {
        let lengths = [
            self.items.len(),
            self.frames.len(),
            self.bindings.len(),
            self.closures.len(),
            self.tuples.len(),
        ];
        Level(lengths.map(|length| length as u32))
    }

    /// Forgets what was made since `level`, if none of `kept` can refer to it.
    pub(super) fn release(&mut self, level: Level, kept: &[Item]) -> bool {
        let is_flat = |item: &Item| match item {
            Item::Nothing | Item::Number(_) | Item::Json(_) => true,
            Item::Function(super::item::Function::Native(_)) => true,
            Item::Function(super::item::Function::Closure(id)) => *id < level.0[3],
            Item::List(list) => list.start + list.len <= level.0[0] && !list.is(RANGE),
            Item::Record(_) | Item::Tuple(_) => false,
        };
        let is_free = kept.iter().all(is_flat);
        if is_free {
            let [items, frames, bindings, closures, tuples] = level.0.map(|length| length as usize);
            self.items.truncate(items);
            self.frames.truncate(frames);
            self.bindings.truncate(bindings);
            self.closures.truncate(closures);
            self.tuples.truncate(tuples);
        }
        is_free
    }

    pub(super) fn frame(&mut self, outer: Frame) -> Frame {
        self.frame_of(outer, NONE)
    }

    /// A frame that begins with the bindings of a tuple.
    pub(super) fn frame_of(&mut self, outer: Frame, first: u32) -> Frame {
        self.frames.push(Variables { outer, first });
        Frame(self.frames.len() as u32 - 1)
    }

    pub(super) fn bind(&mut self, frame: Frame, name: NameId, item: Item) {
        match self.frames.get(frame.0 as usize) {
            Some(variables) => {
                let first = self.link(variables.first, name, item);
                self.frames[frame.0 as usize].first = first;
            }
            None => {
                let global = self.globals.get_mut(name.index());
                global.map(|global| *global = item).unwrap_or_default();
            }
        }
    }

    /// One more binding before those at `next`.
    pub(super) fn link(&mut self, next: u32, name: NameId, item: Item) -> u32 {
        self.bindings.push(Binding { name, next, item });
        self.bindings.len() as u32 - 1
    }

    #[inline(always)]
    pub(super) fn lookup(&self, frame: Frame, name: NameId) -> Item {
        match frame {
            GLOBAL => self.globals.get(name.index()).copied().unwrap_or(Item::Nothing),
            _ => self.lookup_within(frame, name),
        }
    }

    #[inline(never)]
    fn lookup_within(&self, frame: Frame, name: NameId) -> Item {
        let mut frame = frame;
        while frame != GLOBAL {
            let variables = self.frames[frame.0 as usize];
            if let Some(item) = self.bound(variables.first, name) {
                return item;
            }
            frame = variables.outer;
        }
        self.lookup(GLOBAL, name)
    }

    /// What the chain of bindings that begins at `first` binds `name` to.
    pub(super) fn bound(&self, first: u32, name: NameId) -> Option<Item> {
        let mut at = first;
        while at != NONE {
            let binding = self.bindings[at as usize];
            if binding.name == name {
                return Some(binding.item);
            }
            at = binding.next;
        }
        None
    }

    /// The item at `index`, which the list has.
    pub(super) fn item(&self, list: List, index: u32) -> Item {
        match self.items.get(list.start as usize) {
            Some(Item::Number(first)) if list.is(RANGE) => Item::Number(first + f64::from(index)),
            _ => self.items[(list.start + index) as usize],
        }
    }

    pub(super) fn walk(&self, scratch: &Scratch, item: Item) -> Walk {
        match item {
            Item::List(list) if list.is(RANGE) => match self.items[list.start as usize] {
                Item::Number(next) => Walk::Range { next, left: list.len },
                _ => Walk::List { at: 0, end: 0 },
            },
            Item::List(list) => Walk::List { at: list.start, end: list.start + list.len },
            Item::Json(value) if item.is_array() => Walk::Json(scratch.items(value)),
            Item::Nothing => Walk::List { at: 0, end: 0 },
            _ => Walk::One(item),
        }
    }

    pub(super) fn next(&self, scratch: &Scratch, walk: &mut Walk) -> Option<Item> {
        match walk {
            Walk::One(item) => {
                let item = *item;
                *walk = Walk::List { at: 0, end: 0 };
                Some(item)
            }
            Walk::List { at, end } if *at < *end => {
                *at += 1;
                Some(self.items[*at as usize - 1])
            }
            Walk::Range { next, left } if *left > 0 => {
                *left -= 1;
                *next += 1.0;
                Some(Item::Number(*next - 1.0))
            }
            Walk::Json(items) => scratch.next_item(items).map(Item::Json),
            Walk::List { .. } | Walk::Range { .. } => None,
        }
    }

    /// A cursor over an object's members; empty for anything else.
    pub(super) fn fields(&self, scratch: &Scratch, object: Item) -> Fields {
        match object {
            Item::Json(value) => Fields::Json(scratch.members(value)),
            Item::Record(Record { start, len, .. }) => {
                Fields::Record { at: start, end: start + 2 * len }
            }
            _ => Fields::Record { at: 0, end: 0 },
        }
    }

    pub(super) fn next_field(
        &self,
        scratch: &Scratch,
        fields: &mut Fields,
    ) -> Option<(Item, Item)> {
        match fields {
            Fields::Json(members) => {
                let (key, value) = scratch.next_member(members)?;
                Some((Item::Json(key), Item::Json(value)))
            }
            Fields::Record { at, end } if *at < *end => {
                *at += 2;
                Some((self.items[*at as usize - 2], self.items[*at as usize - 1]))
            }
            Fields::Record { .. } => None,
        }
    }
}
