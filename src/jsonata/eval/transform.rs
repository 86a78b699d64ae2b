//! Transforms: `|pattern|update,delete|`. The object is copied as text and indexed afresh, so that
//! the place of an object tells it apart; changes are collected by place and laid on at the end.

use std::collections::BTreeMap;
use std::ops::Range;

use super::call::Target;
use super::{Evaluation, Result};
use crate::jsonata::error::{Code, QueryError};
use crate::jsonata::functions;
use crate::jsonata::item::{Frame, Function, Item};
use crate::jsonata::program::{NameId, Transform, TransformId};
use crate::value::{Limits, Value};

/// A member set, or taken away.
type Change = (Value, Option<Item>);

/// Bytes that a change takes while it is kept, and its place.
const CHANGE_BYTES: usize = 2 * size_of::<Change>();

/// What happens to the objects of a document, by where their text starts.
struct Changes {
    document: Range<u32>,
    by_place: BTreeMap<u32, Vec<Change>>,
}

impl Changes {
    /// The text of a container of the document.
    fn range(&self, item: Item) -> Option<Range<u32>> {
        let Item::Json(value) = item else { return None };
        value.text_range().filter(|range| self.document.contains(&range.start))
    }

    /// Is anything in there changed?
    fn touch(&self, range: &Range<u32>) -> bool {
        self.by_place.range(range.clone()).next().is_some()
    }
}

impl Evaluation<'_> {
    pub(super) fn transform(
        &mut self,
        id: TransformId,
        frame: Frame,
        object: Item,
    ) -> Result<Item> {
        if object.is_nothing() {
            return Ok(object);
        }
        let transform = self.program.transforms[id.index()];
        // Variables that the clauses bind are theirs alone.
        let frame = self.memory.frame(frame);
        let copy = self.cloned(object, transform, frame)?;
        let document = match copy {
            Item::Json(value) => value.text_range().unwrap_or(0..0),
            _ => 0..0,
        };
        let mut changes = Changes { document, by_place: BTreeMap::new() };
        let held = self.held();
        let matches = self.eval(transform.pattern, copy, frame)?;
        let mut walk = self.walk(matches);
        while let Some(found) = self.next(&mut walk) {
            self.change(transform, found, frame, &mut changes)?;
        }
        let changed = self.changed(copy, &changes);
        self.hold_only(held);
        changed
    }

    /// The object as `$clone` gives it.
    fn cloned(&mut self, object: Item, transform: Transform, frame: Frame) -> Result<Item> {
        let name = self.program.names.iter().position(|name| &**name == "clone");
        let bound = name.map(|at| self.memory.lookup(frame, NameId(at as u32)));
        match bound {
            None => self.copy(object),
            Some(Item::Function(Function::Native(index))) if functions::is_clone(index) => {
                self.copy(object)
            }
            Some(function @ Item::Function(_)) => {
                self.invoke(Target { function, frame }, &[object])
            }
            Some(_) => Err(QueryError::new(Code::T2013).at(transform.at)),
        }
    }

    /// A deep copy, by way of its text.
    pub fn copy(&mut self, item: Item) -> Result<Item> {
        let mut text = Vec::new();
        self.write(self.context(item), None, &mut text)?;
        self.allow(4 * text.len())?;
        self.parse(&text).map_err(|_| super::convert::too_deep())
    }

    /// A document that the evaluation itself came by.
    pub fn parse(&mut self, text: &[u8]) -> std::result::Result<Item, crate::value::ParseError> {
        let before = self.scratch.limits();
        let bytes_max = self.budget.limits.string_bytes_max;
        self.scratch.set_limits(Limits { bytes_max, height_max: Limits::HEIGHT_CEILING });
        let parsed = self.scratch.parse(text);
        self.scratch.set_limits(before);
        parsed.map(Item::Json)
    }

    /// Evaluates the clauses for one match.
    fn change(
        &mut self,
        transform: Transform,
        found: Item,
        frame: Frame,
        changes: &mut Changes,
    ) -> Result<()> {
        let range = changes.range(found);
        let place = range.as_ref().filter(|_| found.is_object()).map(|range| range.start);
        let context = self.changed(found, changes)?;
        let update = self.eval(transform.update, context, frame)?;
        if !update.is_nothing() {
            if !update.is_object() {
                let at = self.program.positions[transform.update.index()];
                return Err(self.error(Code::T2011, update).at(at));
            }
            let mut fields = self.memory.fields(self.scratch, update);
            while let (Some((Item::Json(key), value)), Some(place)) =
                (self.next_field(&mut fields), place)
            {
                self.hold(CHANGE_BYTES)?;
                changes.by_place.entry(place).or_default().push((key, Some(value)));
            }
        }
        let Some(delete) = transform.delete else { return Ok(()) };
        let context = self.changed(found, changes)?;
        let names = self.eval(delete, context, frame)?;
        let mut walk = self.walk(names);
        while let Some(name) = self.next(&mut walk) {
            let Item::Json(key) = name else { return Err(self.not_names(transform, names)) };
            if !name.is_string() {
                return Err(self.not_names(transform, names));
            }
            if let Some(place) = place {
                self.hold(CHANGE_BYTES)?;
                changes.by_place.entry(place).or_default().push((key, None));
            }
        }
        Ok(())
    }

    #[cold]
    fn not_names(&self, transform: Transform, names: Item) -> QueryError {
        let at = transform.delete.map_or(transform.at, |id| self.program.positions[id.index()]);
        self.error(Code::T2012, names).at(at)
    }

    /// The item with all that was changed in it.
    fn changed(&mut self, item: Item, changes: &Changes) -> Result<Item> {
        let Some(range) = changes.range(item) else { return Ok(item) };
        if !changes.touch(&range) {
            return Ok(item);
        }
        self.enter()?;
        let mark = self.mark();
        let result = if item.is_array() {
            let mut walk = self.walk(item);
            while let Some(inner) = self.next(&mut walk) {
                let inner = self.changed(inner, changes)?;
                self.push(inner);
            }
            self.list(mark, 0)?
        } else {
            let own = changes.by_place.get(&range.start).map_or(&[][..], |own| own);
            self.push_members(item, own, changes)?;
            self.members(mark)?
        };
        self.leave();
        Ok(result)
    }

    fn push_members(&mut self, object: Item, own: &[Change], changes: &Changes) -> Result<()> {
        let mark = self.mark();
        let mut fields = self.memory.fields(self.scratch, object);
        while let Some((key, value)) = self.next_field(&mut fields) {
            self.push(key);
            self.push(value);
        }
        for (key, value) in own {
            self.spend((self.mark() - mark) / 2)?;
            let value = value.unwrap_or(Item::Nothing);
            let known = (mark..self.mark()).step_by(2).find(|at| {
                matches!(self.memory.stack[*at], Item::Json(it) if self.scratch.equals(it, *key))
            });
            match known {
                Some(at) => self.memory.stack[at + 1] = value,
                None => {
                    self.push(Item::Json(*key));
                    self.push(value);
                }
            }
        }
        for at in (mark..self.mark()).step_by(2) {
            let value = self.memory.stack[at + 1];
            self.memory.stack[at + 1] = self.changed(value, changes)?;
        }
        Ok(())
    }
}
