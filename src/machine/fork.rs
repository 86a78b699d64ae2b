//! A fork: the branches or iterations that a thread waits for, and their results so far. An
//! iteration that has ended keeps nothing but its result.

use super::thread::{Item, NONE};
use crate::fault::StateError;
use crate::states::Sources;
use crate::step::{Batches, Terms, Tolerance};
use crate::value::{Items, Members, Scratch, TooDeep, Value};

/// Results for which a fork that is over keeps room.
const KEPT_RESULTS: usize = 1024;

/// What runs for a thread.
#[derive(Debug)]
pub(super) struct Fork {
    /// The thread that waits; [`NONE`]: nobody uses this fork.
    pub(super) parent: u32,
    /// What becomes of the iterations' items; branches have none.
    pub(super) map: Option<Iterating>,
    /// By place; `null` until it is known.
    pub(super) results: Vec<Value>,
    /// The places of iterations that failed and were tolerated, in the order of failing.
    pub(super) failures: Vec<(u32, StateError)>,
    /// Threads that run.
    pub(super) running: u32,
    /// The results as one value, while memory moves.
    packed: Value,
}

/// A Map on its way through its items.
#[derive(Debug)]
pub(super) struct Iterating {
    pub(super) items: Value,
    /// `$` of `ItemSelector`.
    pub(super) input: Value,
    /// Where the items come from.
    pub(super) sources: Sources,
    pub(super) tolerance: Tolerance,
    pub(super) batches: Option<Batches>,
    pub(super) is_distributed: bool,
    /// How many items there are.
    pub(super) total: u32,
    /// Items that were in failed iterations.
    pub(super) failed: u32,
    /// Items taken so far.
    taken: u32,
    cursor: Cursor,
}

/// Where a Map stands in its items.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cursor {
    Items(Items),
    Members(Members),
}

impl Cursor {
    fn at(scratch: &Scratch, items: Value) -> Cursor {
        match items.kind() {
            crate::value::Kind::Object => Cursor::Members(scratch.members(items)),
            _ => Cursor::Items(scratch.items(items)),
        }
    }

    /// The next item and its key.
    fn next(&mut self, scratch: &Scratch) -> Option<(Value, Value)> {
        match self {
            Cursor::Items(items) => Some((scratch.next_item(items)?, Value::NULL)),
            Cursor::Members(members) => {
                let (key, value) = scratch.next_member(members)?;
                Some((value, key))
            }
        }
    }
}

impl Iterating {
    pub(super) fn new(
        scratch: &Scratch,
        (items, input): (Value, Value),
        sources: Sources,
        terms: &Terms,
        is_distributed: bool,
    ) -> Iterating {
        Iterating {
            items,
            input,
            sources,
            tolerance: terms.tolerance,
            batches: terms.batches,
            is_distributed,
            total: scratch.count(items) as u32,
            failed: 0,
            taken: 0,
            cursor: Cursor::at(scratch, items),
        }
    }

    /// Takes the next item.
    pub(super) fn next(&mut self, scratch: &Scratch) -> Option<Item> {
        let (value, key) = self.cursor.next(scratch)?;
        let index = self.taken;
        self.taken += 1;
        Some(Item { index, value, key })
    }

    /// Where it stands, for [`Iterating::rewind`].
    pub(super) fn mark(&self) -> (u32, Cursor) {
        (self.taken, self.cursor)
    }

    /// Gives items back that were taken.
    pub(super) fn rewind(&mut self, (taken, cursor): (u32, Cursor)) {
        (self.taken, self.cursor) = (taken, cursor);
    }

    /// Finds its place again after the items have moved.
    fn find_place(&mut self, scratch: &Scratch) {
        self.cursor = Cursor::at(scratch, self.items);
        for _ in 0..self.taken {
            self.cursor.next(scratch);
        }
    }
}

impl Default for Fork {
    fn default() -> Fork {
        let (results, failures) = (Vec::new(), Vec::new());
        Fork { parent: NONE, map: None, results, failures, running: 0, packed: Value::NULL }
    }
}

impl Fork {
    pub(super) fn is_open(&self) -> bool {
        self.parent != NONE
    }

    /// Is it a Map whose iterations are executions of their own?
    pub(super) fn is_distributed(&self) -> bool {
        self.map.as_ref().is_some_and(|map| map.is_distributed)
    }

    /// Makes room for one more result, and names it.
    pub(super) fn add_place(&mut self) -> u32 {
        self.results.push(Value::NULL);
        self.results.len() as u32 - 1
    }

    /// The results in their order, without those that failed.
    pub(super) fn joined(&self, scratch: &mut Scratch) -> Result<Value, TooDeep> {
        let mut failed: Vec<u32> = self.failures.iter().map(|(place, _)| *place).collect();
        failed.sort_unstable();
        let mark = scratch.mark();
        let mut failed = failed.into_iter().peekable();
        for (place, result) in (0..).zip(&self.results) {
            if failed.next_if_eq(&place).is_none() {
                scratch.push(*result);
            }
        }
        scratch.array(mark)
    }

    pub(super) fn close(&mut self) {
        self.parent = NONE;
        self.map = None;
        self.results.clear();
        self.results.shrink_to(KEPT_RESULTS);
        self.failures.clear();
        self.running = 0;
        self.packed = Value::NULL;
    }

    /// Before memory moves: one root for all results.
    pub(super) fn pack(&mut self, scratch: &mut Scratch) {
        let mark = scratch.mark();
        self.results.iter().for_each(|result| scratch.push(*result));
        // A result that is too deep to be an item was refused when it came.
        self.packed = scratch.array(mark).unwrap_or(Value::NULL);
        self.results.clear();
    }

    /// After it has moved.
    pub(super) fn unpack(&mut self, scratch: &Scratch) {
        let mut items = scratch.items(self.packed);
        while let Some(result) = scratch.next_item(&mut items) {
            self.results.push(result);
        }
        self.packed = Value::NULL;
        if let Some(map) = &mut self.map {
            map.find_place(scratch);
        }
    }

    /// The values it keeps.
    pub(super) fn each_root(&mut self, visit: &mut dyn FnMut(&mut Value)) {
        visit(&mut self.packed);
        if let Some(map) = &mut self.map {
            visit(&mut map.items);
            visit(&mut map.input);
            map.sources.iter_mut().for_each(|(_, place)| visit(place));
            if let Some(input) = map.batches.as_mut().and_then(|batches| batches.input.as_mut()) {
                visit(input);
            }
        }
    }
}
