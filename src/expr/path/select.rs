//! Following a path through a value.

use std::ops::Range;

use super::{Path, Step};
use crate::fault::StateError;
use crate::value::{Key, Kind, Scratch, Value};

/// Visits and comparisons of one evaluation: bounds `..` upon `..` and filters within filters.
const VISITS_MAX: usize = 10_000_000;

/// Follows `steps`, the path's last ones, from `start`. `root` is what `$` means in filters.
#[inline]
pub(super) fn select(
    scratch: &mut Scratch,
    root: Value,
    start: Value,
    path: &Path,
    steps: &[Step],
    visits: &mut usize,
) -> Result<Option<Value>, StateError> {
    let mut at = start;
    for (taken, step) in steps.iter().enumerate() {
        let next = match step {
            Step::Key(key) => scratch.get(at, key),
            Step::Index(index) => item(scratch, at, *index),
            _ => return many(scratch, root, at, path, &steps[taken..], visits),
        };
        match next {
            Some(value) => at = value,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// The item at `index`, counted from the end where negative.
fn item(scratch: &Scratch, array: Value, index: i64) -> Option<Value> {
    if array.kind() != Kind::Array {
        return None;
    }
    let from_start = match index {
        0.. => index,
        _ => index + scratch.count(array) as i64,
    };
    scratch.item(array, usize::try_from(from_start).ok()?)
}

/// From the first step on that may find several.
fn many(
    scratch: &mut Scratch,
    root: Value,
    at: Value,
    path: &Path,
    steps: &[Step],
    visits: &mut usize,
) -> Result<Option<Value>, StateError> {
    match steps {
        [Step::Keys(keys)] if path.is_definite() => return merged(scratch, at, keys),
        [Step::Length] => return Ok(length(scratch, at)),
        _ => {}
    }
    let is_counted = matches!(steps.last(), Some(Step::Length));
    let steps = if is_counted { &steps[..steps.len() - 1] } else { steps };
    let applies = match steps[0] {
        Step::Descend => true,
        Step::All | Step::Filter(_) => matches!(at.kind(), Kind::Array | Kind::Object),
        Step::Keys(_) => at.kind() == Kind::Object,
        _ => at.kind() == Kind::Array,
    };
    if !applies {
        return Ok(None);
    }
    let mark = scratch.mark();
    let mut walk = Walk { scratch, root, visits: *visits };
    let followed = walk.follow(at, steps);
    *visits = walk.visits;
    if let Err(e) = followed {
        scratch.abandon(mark);
        return Err(e);
    }
    let found = scratch.array(mark).map_err(|_| too_deep(path))?;
    Ok(if is_counted { length(scratch, found) } else { Some(found) })
}

fn too_deep(path: &Path) -> StateError {
    StateError::runtime(format!("The result of the path '{}' is nested too deeply", path.text))
}

/// `['a','b']` at the end of a definite path: an object of those there are.
fn merged(scratch: &mut Scratch, at: Value, keys: &[Key]) -> Result<Option<Value>, StateError> {
    if at.kind() != Kind::Object {
        return Ok(None);
    }
    let mark = scratch.mark();
    for (index, key) in keys.iter().enumerate() {
        if let Some(value) = scratch.get(at, key).filter(|_| !keys[..index].contains(key)) {
            scratch.push_member(key.name(), value);
        }
    }
    let object = scratch.object(mark);
    object.map(Some).map_err(|_| StateError::runtime("A path's result is nested too deeply"))
}

/// `length()`: items or members; of anything else there is none.
fn length(scratch: &mut Scratch, at: Value) -> Option<Value> {
    let is_container = matches!(at.kind(), Kind::Array | Kind::Object);
    is_container.then(|| scratch.integer(scratch.count(at) as i64))
}

/// A walk that pushes what it finds.
pub(super) struct Walk<'a> {
    pub(super) scratch: &'a mut Scratch,
    pub(super) root: Value,
    pub(super) visits: usize,
}

impl Walk<'_> {
    /// Counts work, and fails where it becomes too much.
    pub(super) fn spend(&mut self, visits: usize) -> Result<(), StateError> {
        self.visits = self.visits.saturating_add(visits);
        match self.visits {
            0..=VISITS_MAX => Ok(()),
            _ => Err(StateError::runtime(format!("A path visits more than {VISITS_MAX} values"))),
        }
    }

    fn follow(&mut self, at: Value, steps: &[Step]) -> Result<(), StateError> {
        self.spend(1)?;
        let Some((step, rest)) = steps.split_first() else {
            self.scratch.push(at);
            return Ok(());
        };
        match step {
            Step::Key(key) => self.onward(self.scratch.get(at, key), rest),
            Step::Index(index) => self.onward(item(self.scratch, at, *index), rest),
            Step::Keys(keys) => {
                keys.iter().try_for_each(|key| self.onward(self.scratch.get(at, key), rest))
            }
            Step::Indexes(list) => {
                list.iter().try_for_each(|&index| self.onward(item(self.scratch, at, index), rest))
            }
            Step::Slice(from, to) => self.slice(at, (*from, *to), rest),
            Step::All => self.each(at, &mut |walk, child| walk.follow(child, rest)),
            Step::Descend => self.descend(at, rest),
            Step::Filter(filter) => {
                if at.kind() == Kind::Object {
                    return if filter.accepts(self, at)? { self.follow(at, rest) } else { Ok(()) };
                }
                if at.kind() != Kind::Array {
                    return Ok(());
                }
                self.each(at, &mut |walk, child| match filter.accepts(walk, child)? {
                    true => walk.follow(child, rest),
                    false => Ok(()),
                })
            }
            Step::Length => {
                let length = length(self.scratch, at);
                self.onward(length, rest)
            }
        }
    }

    fn onward(&mut self, next: Option<Value>, rest: &[Step]) -> Result<(), StateError> {
        match next {
            Some(next) => self.follow(next, rest),
            None => Ok(()),
        }
    }

    /// Calls `visit` for every item or member.
    fn each(
        &mut self,
        at: Value,
        visit: &mut dyn FnMut(&mut Self, Value) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let mut items = self.scratch.items(at);
        while let Some(item) = self.scratch.next_item(&mut items) {
            visit(self, item)?;
        }
        let mut members = self.scratch.members(at);
        while let Some((_, value)) = self.scratch.next_member(&mut members) {
            visit(self, value)?;
        }
        Ok(())
    }

    /// The rest of the path here and at every depth below, parents first.
    fn descend(&mut self, at: Value, rest: &[Step]) -> Result<(), StateError> {
        if matches!(at.kind(), Kind::Array | Kind::Object) {
            self.follow(at, rest)?;
            self.each(at, &mut |walk, child| walk.descend(child, rest))?;
        }
        Ok(())
    }

    /// A negative bound counts from the end; between two bounds nothing lies unless the first is
    /// the smaller number, as in the service's library.
    fn slice(
        &mut self,
        at: Value,
        (from, to): (Option<i64>, Option<i64>),
        rest: &[Step],
    ) -> Result<(), StateError> {
        let len = self.scratch.count(at) as i64;
        let absolute = |bound: i64| if bound < 0 { (bound + len).max(0) } else { bound };
        let (from, to) = match (from, to) {
            (Some(from), Some(to)) => (from.max(-len), to.min(len)),
            (from, to) => (from.map_or(0, absolute), to.map_or(len, absolute).min(len)),
        };
        self.stretch(at, from + len..to.min(0) + len, rest)?;
        self.stretch(at, from.max(0)..to, rest)
    }

    /// The items at `range`, if it is not empty.
    fn stretch(&mut self, at: Value, range: Range<i64>, rest: &[Step]) -> Result<(), StateError> {
        let mut items = self.scratch.items(at);
        for index in 0..if range.is_empty() { 0 } else { range.end } {
            let item = self.scratch.next_item(&mut items);
            if range.contains(&index) {
                self.onward(item, rest)?;
            }
        }
        Ok(())
    }
}

/// Why a definite part of `steps` leads nowhere, in the words of the service's library.
pub(super) fn why_not(scratch: &Scratch, start: Value, steps: &[Step]) -> String {
    let (mut at, mut walked) = (start, "$".to_owned());
    for (index, step) in steps.iter().enumerate() {
        let next = match step {
            Step::Key(key) => {
                walked.push_str(&format!("['{}']", key.name()));
                scratch.get(at, key)
            }
            Step::Index(index) => {
                walked.push_str(&format!("[{index}]"));
                item(scratch, at, *index)
            }
            _ => break,
        };
        match next {
            Some(next) => at = next,
            None if index + 1 == steps.len() => break,
            None => return format!("Missing property in path {walked}"),
        }
    }
    format!("No results for path: {walked}")
}
