//! Array and object constructors.

use super::{BRACKETS, Evaluation, HEIGHT_MAX, Result, height_of, size_of_text};
use crate::jsonata::error::{Code, QueryError};
use crate::jsonata::item::{CONS, Frame, Item, KEEP, OUTER, Record, SEQUENCE};
use crate::jsonata::program::{Group, GroupId, Node, NodeId, Span};
use crate::value::Value;

impl Evaluation<'_> {
    /// `[a, b]`: arrays are flattened, but for those that are written as such.
    pub(super) fn array(
        &mut self,
        items: Span,
        is_cons: bool,
        input: Item,
        frame: Frame,
    ) -> Result<Item> {
        let flags = if is_cons { CONS } else { 0 };
        let mark = self.mark();
        for at in items.indexes() {
            let node = self.program.children[at];
            let item = self.eval(node, input, frame)?;
            match item {
                // A range stays one: `[1..1000000]` takes no memory.
                Item::List(list) if items.len == 1 && Self::is_range(item) => {
                    return Ok(Item::List(list.with(list.flags & !(SEQUENCE | KEEP) | flags)));
                }
                Item::Nothing => {}
                _ if self.is_constructor(node) => self.push(item),
                _ => self.push_all(item)?,
            }
        }
        self.list(mark, flags)
    }

    fn is_constructor(&self, node: NodeId) -> bool {
        match self.program.nodes[node.index()] {
            Node::Array { .. } => true,
            Node::Filter(inner, _) | Node::GroupBy(inner, _) | Node::Keep(inner) => {
                self.is_constructor(inner)
            }
            _ => false,
        }
    }

    /// `{a: b}`
    pub(super) fn object(&mut self, group: GroupId, input: Item, frame: Frame) -> Result<Item> {
        if input.is_array() && !input.has(OUTER) {
            return self.group_by(group, input, frame);
        }
        let context = self.context(input);
        let group = self.program.groups[group.index()];
        let mark = self.mark();
        if group.has_fixed_keys {
            return self.fixed_object(group, context, frame);
        }
        for at in group.pairs.indexes().step_by(2) {
            let (key, value) = (self.program.children[at], self.program.children[at + 1]);
            let key = self.eval(key, context, frame)?;
            if key.is_nothing() {
                continue;
            }
            let name = self.object_key(key, group.at)?;
            self.spend((self.mark() - mark) / 2)?;
            let is_known = (mark..self.mark()).step_by(2).any(|at| self.is_key(at, name));
            if is_known {
                return Err(self.error(Code::D1009, key).at(group.at));
            }
            self.push(key);
            let value = self.eval(value, context, frame)?;
            self.push(value);
        }
        self.members(mark)
    }

    /// `{"a": b}`: the keys need no look.
    #[inline(never)]
    fn fixed_object(&mut self, group: Group, context: Item, frame: Frame) -> Result<Item> {
        let (program, mark) = (self.program, self.scratch.mark());
        self.tick(group.pairs.len.into());
        for pair in program.children[group.pairs.indexes()].chunks_exact(2) {
            let Node::Constant(key) = program.nodes[pair[0].index()] else { continue };
            let value = match self.eval_json(pair[1], context, frame)? {
                Item::Nothing => continue,
                Item::Json(value) => value,
                Item::Number(number) if number.is_finite() => self.scratch.float(number),
                item if self.is_json(item) => match self.value(item)? {
                    Some(value) => value,
                    None => continue,
                },
                item => return self.mixed_object(group, context, frame, mark, (pair[0], item)),
            };
            self.scratch.push(key);
            self.scratch.push(value);
        }
        let object = self.scratch.object(mark).map_err(|_| super::convert::too_deep())?;
        self.allow_value(object.size_max())?;
        Ok(Item::Json(object))
    }

    /// Goes on with a value that JSON can't hold: that of the key `found`.
    fn mixed_object(
        &mut self,
        group: Group,
        context: Item,
        frame: Frame,
        from: crate::value::Mark,
        found: (NodeId, Item),
    ) -> Result<Item> {
        let (program, mark) = (self.program, self.mark());
        let pushed = self.scratch.pushed(from);
        self.memory.stack.extend(pushed.iter().map(|value| Item::Json(*value)));
        self.scratch.abandon(from);
        let pairs = program.children[group.pairs.indexes()].chunks_exact(2);
        for pair in pairs.skip_while(|pair| pair[0] != found.0) {
            let Node::Constant(key) = program.nodes[pair[0].index()] else { continue };
            let value = match pair[0] == found.0 {
                true => found.1,
                false => self.eval(pair[1], context, frame)?,
            };
            self.push(Item::Json(key));
            self.push(value);
        }
        self.members(mark)
    }

    fn is_key(&self, at: usize, name: Value) -> bool {
        matches!(self.memory.stack[at], Item::Json(key) if self.scratch.equals(key, name))
    }

    /// A key as the string it must be.
    pub(super) fn object_key(&self, key: Item, at: u32) -> Result<Value> {
        match key {
            Item::Json(name) if key.is_string() => Ok(name),
            _ => Err(self.error(Code::T1003, key).at(at)),
        }
    }

    /// An object of the keys and values that were pushed since `mark`; those of nothing are left out.
    pub fn members(&mut self, mark: usize) -> Result<Item> {
        let pairs = (mark..self.mark()).step_by(2);
        if !pairs.clone().all(|at| {
            let value = self.memory.stack[at + 1];
            value.is_nothing() || self.is_json(value)
        }) {
            return self.record(mark);
        }
        let inner = self.scratch.mark();
        for at in pairs {
            let value = self.memory.stack[at + 1];
            if let (Item::Json(key), Some(value)) = (self.memory.stack[at], self.value(value)?) {
                self.scratch.push(key);
                self.scratch.push(value);
            }
        }
        self.memory.stack.truncate(mark);
        let object = self.scratch.object(inner).map_err(|_| super::convert::too_deep())?;
        self.allow_value(object.size_max())?;
        Ok(Item::Json(object))
    }

    /// As [`Evaluation::members`], for what JSON can't hold.
    fn record(&mut self, mark: usize) -> Result<Item> {
        let start = self.memory.items.len() as u32;
        let (mut height, mut size) = (0, BRACKETS);
        for at in (mark..self.mark()).step_by(2) {
            let (key, value) = (self.memory.stack[at], self.memory.stack[at + 1]);
            if !value.is_nothing() {
                height = height.max(height_of(value));
                size = size.saturating_add(size_of_text(key) + size_of_text(value) + 2);
                self.memory.items.extend([key, value]);
            }
        }
        if height >= HEIGHT_MAX {
            return Err(QueryError::limit(format_args!("{HEIGHT_MAX} levels in a value")));
        }
        self.allow_value(size)?;
        self.memory.stack.truncate(mark);
        let len = (self.memory.items.len() as u32 - start) / 2;
        Ok(Item::Record(Record { start, len, size: size as u32, height: height + 1 }))
    }
}
