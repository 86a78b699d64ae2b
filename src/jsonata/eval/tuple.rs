//! Streams of tuples: what `@`, `#` and `%` make of a path. A tuple is a context and a chain of
//! variables, which becomes a frame without copying.

use super::path::as_list;
use super::{Evaluation, Result};
use crate::jsonata::item::{Frame, Item, List, NONE, SEQUENCE, TUPLES, Tuple};
use crate::jsonata::program::{NameId, Step};

impl Evaluation<'_> {
    pub(super) fn tuple(&mut self, context: Item, first: u32) -> Item {
        self.memory.tuples.push(Tuple { context, first });
        Item::Tuple(self.memory.tuples.len() as u32 - 1)
    }

    /// A tuple's context, and a frame of its variables.
    pub(super) fn tuple_frame(&mut self, tuple: u32, outer: Frame) -> (Item, Frame) {
        let Tuple { context, first } = self.memory.tuples[tuple as usize];
        (context, self.memory.frame_of(outer, first))
    }

    /// One step from every tuple of the stream; the first makes tuples of the input's items.
    pub(super) fn tuple_step(
        &mut self,
        step: Step,
        input: Item,
        is_single: bool,
        stream: Option<List>,
        frame: Frame,
    ) -> Result<List> {
        let result = match step.sort {
            Some(sort) => {
                let sorted = self.sort(sort, stream.map_or(input, Item::List), frame)?;
                match stream {
                    Some(_) => self.as_stream(sorted)?,
                    None => self.numbered_stream(sorted, step.index)?,
                }
            }
            None => {
                let stream = match stream {
                    Some(stream) => stream,
                    None => self.new_stream(input, is_single)?,
                };
                self.advance(step, stream, frame)?
            }
        };
        let staged = self.stages(step.stages, Item::List(result), frame)?;
        self.as_stream(staged)
    }

    /// What is left of a stream after a filter, as a stream.
    fn as_stream(&mut self, item: Item) -> Result<List> {
        let mark = self.mark();
        match item {
            Item::List(list) => Ok(list.with(SEQUENCE | TUPLES)),
            _ => {
                self.push_all(item)?;
                Ok(as_list(self.list(mark, SEQUENCE | TUPLES)?).expect("a list was made"))
            }
        }
    }

    fn new_stream(&mut self, input: Item, is_single: bool) -> Result<List> {
        let mark = self.mark();
        if is_single {
            let tuple = self.tuple(input, NONE);
            self.push(tuple);
        } else {
            let mut walk = self.walk(input);
            while let Some(item) = self.next(&mut walk) {
                let tuple = self.tuple(item, NONE);
                self.push(tuple);
            }
        }
        self.stream(mark)
    }

    fn stream(&mut self, mark: usize) -> Result<List> {
        let list = self.list(mark, SEQUENCE | TUPLES)?;
        Ok(as_list(list).expect("a list was made"))
    }

    /// Tuples of sorted items, with their position as a variable.
    fn numbered_stream(&mut self, sorted: Item, index: Option<NameId>) -> Result<List> {
        let mark = self.mark();
        let mut walk = self.walk(sorted);
        let mut at = 0.0;
        while let Some(item) = self.next(&mut walk) {
            let first = match index {
                Some(name) => self.memory.link(NONE, name, Item::Number(at)),
                None => NONE,
            };
            let tuple = self.tuple(item, first);
            self.push(tuple);
            at += 1.0;
        }
        self.stream(mark)
    }

    fn advance(&mut self, step: Step, stream: List, frame: Frame) -> Result<List> {
        let mark = self.mark();
        for at in 0..stream.len {
            let Item::Tuple(id) = self.memory.item(stream, at) else { continue };
            let (context, inner) = self.tuple_frame(id, frame);
            let result = self.eval(step.node, context, inner)?;
            self.push_tuples(step, id, result)?;
        }
        self.stream(mark)
    }

    /// Pushes a tuple for every item that a step found from the tuple `id`.
    fn push_tuples(&mut self, step: Step, id: u32, result: Item) -> Result<()> {
        let Tuple { context, first } = self.memory.tuples[id as usize];
        let mut walk = self.walk(result);
        let mut at = 0.0;
        while let Some(item) = self.next(&mut walk) {
            let mut first = first;
            let mut inner = item;
            if let Item::Tuple(found) = item {
                let found = self.memory.tuples[found as usize];
                first = self.relink(first, found.first);
                inner = found.context;
            } else {
                if let Some(name) = step.focus {
                    first = self.memory.link(first, name, item);
                    inner = context;
                }
                if let Some(name) = step.index {
                    first = self.memory.link(first, name, Item::Number(at));
                }
                if let Some(name) = step.ancestor {
                    first = self.memory.link(first, name, context);
                }
            }
            let tuple = self.tuple(inner, first);
            self.push(tuple);
            at += 1.0;
        }
        Ok(())
    }

    /// The bindings of the chain `added` before those of the chain `first`.
    fn relink(&mut self, first: u32, added: u32) -> u32 {
        let mut chain = Vec::new();
        let mut at = added;
        while at != NONE {
            chain.push(at);
            at = self.memory.bindings[at as usize].next;
        }
        chain.iter().rev().fold(first, |first, at| {
            let binding = self.memory.bindings[*at as usize];
            self.memory.link(first, binding.name, binding.item)
        })
    }

    /// `#$name` behind a filter: every tuple learns its position.
    pub(super) fn number_tuples(&mut self, name: NameId, stream: Item) -> Result<Item> {
        let mark = self.mark();
        let mut walk = self.walk(stream);
        let mut at = 0.0;
        while let Some(item) = self.next(&mut walk) {
            if let Item::Tuple(id) = item {
                let Tuple { context, first } = self.memory.tuples[id as usize];
                let first = self.memory.link(first, name, Item::Number(at));
                let tuple = self.tuple(context, first);
                self.push(tuple);
            }
            at += 1.0;
        }
        self.list(mark, SEQUENCE | TUPLES)
    }

    /// The contexts of a stream.
    pub(super) fn contexts(&mut self, stream: List) -> Result<Item> {
        let mark = self.mark();
        for at in 0..stream.len {
            if let Item::Tuple(id) = self.memory.item(stream, at) {
                self.push(self.memory.tuples[id as usize].context);
            }
        }
        self.list(mark, SEQUENCE)
    }

    /// One tuple of many: every variable holds what it holds in all of them.
    pub(super) fn merge_tuples(&mut self, tuples: &[u32]) -> Result<Tuple> {
        let mut merged = self.memory.tuples[tuples[0] as usize];
        let mut names = Vec::new();
        let mut at = merged.first;
        while at != NONE {
            let binding = self.memory.bindings[at as usize];
            if !names.contains(&binding.name) {
                names.push(binding.name);
            }
            at = binding.next;
        }
        if tuples.len() == 1 {
            return Ok(merged);
        }
        let mark = self.mark();
        for id in tuples {
            self.push_all(self.memory.tuples[*id as usize].context)?;
        }
        merged.context = self.list(mark, 0)?;
        let mut first = NONE;
        for name in names {
            let mark = self.mark();
            for id in tuples {
                let tuple = self.memory.tuples[*id as usize];
                let item = self.memory.bound(tuple.first, name).unwrap_or(Item::Nothing);
                self.push_all(item)?;
            }
            let all = self.list(mark, 0)?;
            first = self.memory.link(first, name, all);
        }
        merged.first = first;
        Ok(merged)
    }
}
