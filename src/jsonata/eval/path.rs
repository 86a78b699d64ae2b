//! Paths: steps over sequences, filters, wildcards.

use super::{Evaluation, Result};
use crate::jsonata::item::{CONS, Frame, Item, KEEP, List, SEQUENCE, TUPLES};
use crate::jsonata::program::{KeyId, PathId, PlainId, Span, Stage, Start, Step};
use crate::value::{Kind, Value};

impl Evaluation<'_> {
    pub(super) fn path(&mut self, id: PathId, input: Item, frame: Frame) -> Result<Item> {
        let path = self.program.paths[id.index()];
        let last = path.steps.len - 1;
        let (mut current, mut tuples) = (input, None);
        for (at, index) in path.steps.indexes().enumerate() {
            let step = self.program.steps[index];
            let is_single = at == 0 && path.is_absolute;
            if step.is_tuple || tuples.is_some() {
                let stream = self.tuple_step(step, current, is_single, tuples, frame)?;
                tuples = Some(stream);
                continue;
            }
            current = if at == 0 && step.is_cons {
                self.eval(step.node, current, frame)?
            } else {
                self.step(step, current, is_single, frame, at as u32 == last)?
            };
            if self.is_empty(current) {
                if at as u32 != last && !step.is_cons {
                    current = Item::Nothing;
                }
                break;
            }
        }
        let mut result = match tuples {
            Some(stream) if path.is_tuple => Item::List(stream),
            Some(stream) => self.contexts(stream)?,
            None => current,
        };
        if path.keep_singleton {
            result = self.keep(result)?;
        }
        if let Some(group) = path.group {
            let grouped = tuples.map_or(result, Item::List);
            result = self.group_by(group, grouped, frame)?;
        }
        Ok(result)
    }

    /// Where a path starts.
    #[inline(always)]
    pub(super) fn start(&self, start: Start, input: Item, frame: Frame) -> Item {
        match start {
            Start::Context => self.context(input),
            Start::Root => self.root,
            Start::Variable(name) => self.memory.lookup(frame, name),
        }
    }

    /// The same, if that is JSON.
    #[inline(always)]
    pub(super) fn start_value(&self, start: Start, input: Item, frame: Frame) -> Option<Value> {
        let value = |item| match item {
            Item::Json(value) => Some(value),
            _ => None,
        };
        // Each item is looked at where it is: one that all ways led to would be copied first.
        match start {
            Start::Context => value(input).or_else(|| value(self.context(input))),
            Start::Root => value(self.root),
            Start::Variable(name) => value(self.memory.lookup(frame, name)),
        }
    }

    /// What a path of names leads to, if one look at each object on the way finds it. Who wants a value
    /// asks this first, and not [`Evaluation::plain_path`]: an item on the way there took a machine of
    /// five states 5 % more.
    #[inline(always)]
    pub(super) fn plain_value(&self, id: PlainId, input: Item, frame: Frame) -> Option<Value> {
        let plain = &self.program.plains[id.index()];
        let mut value = self.start_value(plain.start, input, frame)?;
        for key in &self.program.plain_keys[plain.keys.indexes()] {
            value = self.scratch.glance(value, &self.program.keys[key.index()])?;
        }
        Some(value)
    }

    /// A path of names, through objects alone; `None`: there is something else on the way.
    #[inline]
    pub(super) fn plain_path(&self, id: PlainId, input: Item, frame: Frame) -> Option<Item> {
        match self.plain_value(id, input, frame) {
            Some(value) => Some(Item::Json(value)),
            None => self.plain_path_of_others(id, input, frame),
        }
    }

    /// The same, where one look each is not enough.
    #[inline(never)]
    pub(super) fn plain_path_of_others(
        &self,
        id: PlainId,
        input: Item,
        frame: Frame,
    ) -> Option<Item> {
        let plain = &self.program.plains[id.index()];
        let mut item = self.start(plain.start, input, frame);
        for key in &self.program.plain_keys[plain.keys.indexes()] {
            item = self.get(item, *key)?;
            if item.is_nothing() {
                break;
            }
        }
        Some(item)
    }

    /// The member of an object; `None`: it is none, but may be an array.
    #[inline(always)]
    pub(super) fn get(&self, object: Item, key: KeyId) -> Option<Item> {
        let Item::Json(value) = object else { return None };
        match self.scratch.glance(value, &self.program.keys[key.index()]) {
            Some(found) => Some(Item::Json(found)),
            None => self.look_up(value, key),
        }
    }

    #[inline(never)]
    fn look_up(&self, value: Value, key: KeyId) -> Option<Item> {
        if value.kind() == Kind::Array {
            return None;
        }
        self.tick_passed(Item::Json(value));
        let found = self.scratch.get(value, &self.program.keys[key.index()]);
        Some(found.map_or(Item::Nothing, Item::Json))
    }

    fn is_empty(&self, item: Item) -> bool {
        match item {
            Item::Nothing => true,
            Item::List(list) => list.len == 0,
            Item::Json(_) if item.is_array() => self.next(&mut self.walk(item)).is_none(),
            _ => false,
        }
    }

    /// `[]` somewhere in the path: a single result becomes an array.
    fn keep(&mut self, item: Item) -> Result<Item> {
        match item {
            Item::Nothing => Ok(item),
            Item::List(list) if list.is(CONS) && !list.is(SEQUENCE) => {
                self.singleton(item, SEQUENCE | KEEP)
            }
            Item::List(list) => Ok(Item::List(list.with(list.flags | KEEP))),
            Item::Json(_) if item.is_array() => Ok(item),
            _ => self.singleton(item, SEQUENCE | KEEP),
        }
    }

    /// One step from every item of `input`; if `is_single`, from `input` as it is.
    fn step(
        &mut self,
        step: Step,
        input: Item,
        is_single: bool,
        frame: Frame,
        is_last: bool,
    ) -> Result<Item> {
        if let Some(sort) = step.sort {
            let sorted = self.sort(sort, input, frame)?;
            return self.stages(step.stages, sorted, frame);
        }
        if is_single || !input.is_array() {
            let result = self.one(step, input, frame)?;
            return self.flat(result, is_last);
        }
        let mark = self.mark();
        let (mut count, mut first) = (0, Item::Nothing);
        let mut walk = self.walk(input);
        while let Some(item) = self.next(&mut walk) {
            let result = self.one(step, item, frame)?;
            if result.is_nothing() {
                continue;
            }
            if count == 0 {
                first = result;
            }
            count += 1;
            match result {
                Item::List(list) if list.is(CONS) => self.push(result),
                _ if !result.is_array() => self.push(result),
                _ => self.push_all(result)?,
            }
        }
        if is_last && count == 1 && first.is_array() && !first.has(SEQUENCE) {
            self.memory.stack.truncate(mark);
            return Ok(first);
        }
        self.sequence(mark)
    }

    /// A sequence of what was pushed since `mark`.
    pub(super) fn sequence(&mut self, mark: usize) -> Result<Item> {
        match self.memory.stack[mark..] {
            [] => Ok(Item::Nothing),
            [item] if !item.is_array() => {
                self.memory.stack.truncate(mark);
                Ok(item)
            }
            _ => self.list(mark, SEQUENCE),
        }
    }

    /// The step from a single item, and what its stages make of it.
    #[inline]
    fn one(&mut self, step: Step, item: Item, frame: Frame) -> Result<Item> {
        let result = self.eval_here(step.node, item, frame)?;
        match step.stages.len {
            0 => Ok(result),
            _ => self.stages(step.stages, result, frame),
        }
    }

    /// The only result of a step, as the sequence that the next step takes.
    fn flat(&mut self, result: Item, is_last: bool) -> Result<Item> {
        match result {
            Item::List(list) if is_last && !list.is(SEQUENCE) => Ok(result),
            Item::List(list) if list.is(CONS) => self.singleton(result, SEQUENCE),
            Item::List(list) if list.len == 0 => Ok(Item::Nothing),
            Item::List(list) => Ok(Item::List(list.with(list.flags & !(CONS | KEEP) | SEQUENCE))),
            _ => Ok(result),
        }
    }

    /// What the filters of a step make of a result.
    pub(super) fn stages(&mut self, stages: Span, item: Item, frame: Frame) -> Result<Item> {
        let mut item = item;
        for at in stages.indexes() {
            item = self.stage(self.program.stages[at], item, frame)?;
        }
        Ok(item)
    }

    pub(super) fn stage(&mut self, stage: Stage, item: Item, frame: Frame) -> Result<Item> {
        match stage {
            Stage::Item(index) => self.subscript(index, item),
            Stage::Filter(node) => self.filter(node, item, frame),
            Stage::Index(name) => self.number_tuples(name, item),
        }
    }

    /// `[1]`
    fn subscript(&mut self, index: f64, item: Item) -> Result<Item> {
        let mut index = index.floor();
        if index < 0.0 {
            index += self.len(item) as f64;
        }
        let found = if index < 0.0 { Item::Nothing } else { self.at(item, index as usize) };
        match found {
            Item::Nothing => Ok(Item::Nothing),
            Item::Tuple(_) => self.singleton(found, SEQUENCE | TUPLES),
            _ if found.is_array() => Ok(found),
            _ => self.singleton(found, SEQUENCE),
        }
    }

    /// `[a > 1]`
    fn filter(
        &mut self,
        filter: crate::jsonata::program::NodeId,
        item: Item,
        frame: Frame,
    ) -> Result<Item> {
        if item.is_nothing() {
            self.eval(filter, item, frame)?;
            return Ok(item);
        }
        let flags = if item.has(TUPLES) { SEQUENCE | TUPLES } else { SEQUENCE };
        let mark = self.mark();
        let mut walk = self.walk(item);
        let (mut index, mut len) = (0, None);
        while let Some(each) = self.next(&mut walk) {
            let (context, inner) = match each {
                Item::Tuple(tuple) => self.tuple_frame(tuple, frame),
                _ => (each, frame),
            };
            let result = self.eval_here(filter, context, inner)?;
            let truth = if let Item::Json(value) = result { value.as_bool() } else { None };
            match truth {
                Some(true) => self.push(each),
                Some(false) => {}
                None => {
                    let times = self.selects(result, index, &mut len, item)?;
                    (0..times).for_each(|_| self.push(each));
                }
            }
            index += 1;
        }
        self.list(mark, flags)
    }

    /// How often the result of a filter selects the item at `index`: numbers are indexes, anything
    /// else is true or false.
    fn selects(
        &mut self,
        result: Item,
        index: usize,
        len: &mut Option<usize>,
        array: Item,
    ) -> Result<usize> {
        let is_numbers = match result {
            Item::Json(value) if value.as_bool().is_some() => false,
            Item::Nothing => false,
            _ => self.is_number(result)? || result.is_array() && self.are_numbers(result)?,
        };
        if !is_numbers {
            return Ok(usize::from(self.truth(result)?));
        }
        let len = *len.get_or_insert_with(|| self.len(array)) as f64;
        let mut walk = self.walk(result);
        let mut times = 0;
        while let Some(item) = self.next(&mut walk) {
            let wanted = self.number(item).unwrap_or(f64::NAN).floor();
            let wanted = if wanted < 0.0 { len + wanted } else { wanted };
            times += usize::from(wanted == index as f64);
        }
        Ok(times)
    }

    /// `name`
    pub(super) fn field(&mut self, input: Item, key: KeyId) -> Result<Item> {
        match input {
            Item::Json(value) if !input.is_array() => {
                self.tick_passed(input);
                let found = self.scratch.get(value, &self.program.keys[key.index()]);
                Ok(found.map_or(Item::Nothing, Item::Json))
            }
            Item::Record(_) => Ok(self.member(input, self.program.keys[key.index()].name())),
            _ if input.is_array() => {
                let mark = self.mark();
                self.push_fields(input, key)?;
                self.list(mark, SEQUENCE)
            }
            _ => Ok(Item::Nothing),
        }
    }

    /// Pushes the member of every object in the array, arrays flattened.
    fn push_fields(&mut self, array: Item, key: KeyId) -> Result<()> {
        let mut walk = self.walk(array);
        while let Some(item) = self.next(&mut walk) {
            self.spend(1)?;
            if item.is_array() {
                self.push_fields(item, key)?;
            } else {
                let found = self.field(item, key)?;
                self.push_all(found)?;
            }
        }
        Ok(())
    }

    /// `*`
    pub(super) fn wildcard(&mut self, input: Item) -> Result<Item> {
        let input = self.context(input);
        let mark = self.mark();
        if input.is_array() {
            let mut walk = self.walk(input);
            while let Some(item) = self.next(&mut walk) {
                self.push_flattened(item)?;
            }
        } else {
            let mut fields = self.memory.fields(self.scratch, input);
            while let Some((_, value)) = self.next_field(&mut fields) {
                self.push_flattened(value)?;
            }
        }
        self.list(mark, SEQUENCE)
    }

    /// Pushes what the arrays in `item` hold, however deep.
    fn push_flattened(&mut self, item: Item) -> Result<()> {
        if !item.is_array() {
            self.push(item);
            return Ok(());
        }
        let mut walk = self.walk(item);
        while let Some(inner) = self.next(&mut walk) {
            self.push_flattened(inner)?;
        }
        Ok(())
    }

    /// `**`
    pub(super) fn descendants(&mut self, input: Item) -> Result<Item> {
        if input.is_nothing() {
            return Ok(input);
        }
        let mark = self.mark();
        self.push_descendants(input)?;
        match self.memory.stack[mark..] {
            [item] => {
                self.memory.stack.truncate(mark);
                Ok(item)
            }
            _ => self.list(mark, SEQUENCE),
        }
    }

    fn push_descendants(&mut self, item: Item) -> Result<()> {
        self.enter()?;
        if item.is_array() {
            let mut walk = self.walk(item);
            while let Some(inner) = self.next(&mut walk) {
                self.push_descendants(inner)?;
            }
        } else {
            self.push(item);
            let mut fields = self.memory.fields(self.scratch, item);
            while let Some((_, value)) = self.next_field(&mut fields) {
                self.push_descendants(value)?;
            }
        }
        self.leave();
        Ok(())
    }
}

/// A list that is known to be one.
pub(super) fn as_list(item: Item) -> Option<List> {
    match item {
        Item::List(list) => Some(list),
        _ => None,
    }
}
