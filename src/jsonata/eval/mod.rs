//! Evaluation: a walk over the program's nodes, within a budget.

mod budget;
mod call;
mod construct;
mod convert;
mod direct;
mod flow;
mod group;
mod look;
mod operators;
mod path;
mod sort;
mod transform;
mod tuple;

use std::cell::OnceCell;

use super::Options;
use super::error::{Code, QueryError};
use super::item::{
    Closure, Fields, Frame, Function, Item, KEEP, List, OUTER, RANGE, SEQUENCE, TUPLES, Walk,
};
use super::memory::Memory;
use super::program::{NameId, Node, NodeId, Program};
use crate::value::{Kind, Scratch, Value};

pub(super) use budget::Budget;
pub(super) use call::Target;

pub(super) type Result<T> = std::result::Result<T, QueryError>;

/// Levels of lists and records within each other.
const HEIGHT_MAX: u16 = 256;
/// The longest text of a number.
const NUMBER_TEXT_MAX: usize = 32;
/// Bytes around the items of a list or record.
const BRACKETS: usize = 2;
/// Items that a list may have without a look at the budget.
const SHORT_LIST: usize = 64;

/// The program that `$eval` made of the one before by adding to it, and what it made of that.
#[derive(Default)]
pub(super) struct Grown(OnceCell<Box<(Program, Grown)>>);

/// One evaluation.
pub(super) struct Evaluation<'a> {
    pub program: &'a Program,
    pub grown: &'a Grown,
    pub scratch: &'a mut Scratch,
    pub memory: &'a mut Memory,
    /// The next 64 random bits.
    pub random: &'a mut dyn FnMut() -> u64,
    /// Milliseconds since 1970.
    pub now: i64,
    pub budget: Budget,
    pub options: Options,
    /// `$$`
    pub root: Item,
}

/// About where the native stack stands.
#[inline(always)]
pub(super) fn stack_now() -> usize {
    let here = 0u8;
    std::hint::black_box(&raw const here) as usize
}

impl Evaluation<'_> {
    /// The value of a node; a sequence of one item is that item.
    pub fn eval(&mut self, id: NodeId, input: Item, frame: Frame) -> Result<Item> {
        self.eval_here(id, input, frame)
    }

    /// As [`Evaluation::eval`], with the short ways in place: where it matters.
    #[inline(always)]
    pub fn eval_here(&mut self, id: NodeId, input: Item, frame: Frame) -> Result<Item> {
        match self.short(id, input, frame) {
            Some(item) => Ok(item),
            None => self.eval_node(id, input, frame),
        }
    }

    /// The value of a node that takes no evaluation.
    #[inline(always)]
    fn short(&self, id: NodeId, input: Item, frame: Frame) -> Option<Item> {
        match &self.program.nodes[id.index()] {
            Node::Field(key) | Node::Name(key, _) => self.get(input, *key),
            Node::Number(number) => Some(Item::Number(*number)),
            Node::Constant(value) => Some(Item::Json(*value)),
            Node::Variable(name) => Some(self.variable(*name, frame)),
            _ => None,
        }
    }

    /// As [`Evaluation::eval`], for what is about to become a JSON value: a sequence is one at once.
    pub fn eval_json(&mut self, id: NodeId, input: Item, frame: Frame) -> Result<Item> {
        match self.short_json(id, input, frame) {
            Some(item) => Ok(item),
            None => self.eval(id, input, frame),
        }
    }

    /// The same, where that takes no more than a direct look or a flow.
    #[inline]
    pub fn short_json(&mut self, id: NodeId, input: Item, frame: Frame) -> Option<Item> {
        match input {
            Item::Json(value) if value.kind() != Kind::Array => {
                self.short_json_of(id, Some(value), frame)
            }
            Item::Nothing => self.short_json_of(id, None, frame),
            _ => self.flow_json(id, input, frame),
        }
    }

    /// The same of an input that is no array, or nothing. (As an [`Item`] it would be copied in pieces.)
    #[inline]
    pub fn short_json_of(
        &mut self,
        id: NodeId,
        input: Option<Value>,
        frame: Frame,
    ) -> Option<Item> {
        if self.program.are_direct[id.index()]
            && let Some(item) = self.direct(id, input.unwrap_or(Value::NULL), frame)
        {
            return Some(item);
        }
        self.flow_json(id, input.map_or(Item::Nothing, Item::Json), frame)
    }

    #[inline(always)]
    fn flow_json(&mut self, id: NodeId, input: Item, frame: Frame) -> Option<Item> {
        match self.program.nodes[id.index()] {
            Node::Flow(flow) => self.flow_value(flow, input, frame),
            Node::Plain(plain) => {
                self.flow_value(self.program.plains[plain.index()].flow, input, frame)
            }
            _ => None,
        }
    }

    /// Is a node true?
    pub fn eval_truth(&mut self, id: NodeId, input: Item, frame: Frame) -> Result<bool> {
        if let Some(context) = self.direct_input(id, input)
            && let Some(is_true) = self.truth_of(id, context, frame)
        {
            return Ok(is_true);
        }
        let item = self.eval(id, input, frame)?;
        self.truth(item)
    }

    /// The input for [`Evaluation::direct`], where that may do.
    #[inline]
    fn direct_input(&self, id: NodeId, input: Item) -> Option<Value> {
        if !self.program.are_direct[id.index()] {
            return None;
        }
        match input {
            Item::Json(value) if value.kind() != Kind::Array => Some(value),
            Item::Nothing => Some(Value::NULL),
            _ => None,
        }
    }

    #[inline(never)]
    fn variable(&self, name: NameId, frame: Frame) -> Item {
        self.settle(self.memory.lookup(frame, name))
    }

    /// The value of an operand, one level down.
    #[inline(always)]
    pub fn operand(&mut self, id: NodeId, input: Item, frame: Frame) -> Result<Item> {
        match self.short(id, input, frame) {
            Some(item) => Ok(item),
            None => self.eval_below(id, input, frame),
        }
    }

    #[inline(never)]
    fn eval_below(&mut self, id: NodeId, input: Item, frame: Frame) -> Result<Item> {
        self.enter()?;
        let item = self.eval_node(id, input, frame)?;
        self.leave();
        Ok(item)
    }

    fn eval_node(&mut self, id: NodeId, input: Item, frame: Frame) -> Result<Item> {
        match self.program.nodes[id.index()] {
            Node::Plain(plain) => {
                if let Some(found) = self.plain_path(plain, input, frame) {
                    return Ok(self.settle(found));
                }
                let flow = self.program.plains[plain.index()].flow;
                if let Some(found) = self.flow_sequence(flow, input, frame)? {
                    return Ok(self.settle(found));
                }
            }
            Node::Flow(flow) => {
                if let Some(found) = self.flow_sequence(flow, input, frame)? {
                    return Ok(self.settle(found));
                }
            }
            // Their operands are a level down; they themselves need none.
            Node::Arithmetic(operator, a, b) => {
                return self.arithmetic(id, operator, [a, b], input, frame);
            }
            Node::Order(order, a, b) => return self.order(id, order, [a, b], input, frame),
            Node::Equal(a, b) => return self.equality([a, b], true, input, frame),
            Node::Unequal(a, b) => return self.equality([a, b], false, input, frame),
            _ => {}
        }
        self.enter()?;
        let item = self.raw(id, input, frame)?;
        self.leave();
        Ok(self.settle(item))
    }

    /// Goes on with a program that has more at its end.
    pub fn grow(&mut self, program: Program) {
        let (program, grown) =
            &**self.grown.0.get_or_init(|| Box::new((program, Grown::default())));
        (self.program, self.grown) = (program, grown);
    }

    /// The value of a node as it is before [`Evaluation::settle`].
    pub fn raw(&mut self, id: NodeId, input: Item, frame: Frame) -> Result<Item> {
        let node = self.program.nodes[id.index()];
        match node {
            Node::Constant(value) => Ok(Item::Json(value)),
            Node::Number(number) => Ok(Item::Number(number)),
            Node::Context => Ok(self.context(input)),
            Node::Root => Ok(self.root),
            Node::Variable(name) | Node::Parent(name) => Ok(self.memory.lookup(frame, name)),
            Node::Field(key) => self.field(input, key),
            Node::Name(_, path) | Node::Path(path) => self.path(path, input, frame),
            Node::Plain(plain) => {
                let path = self.program.plains[plain.index()].path;
                self.path(path, input, frame)
            }
            Node::Flow(flow) => {
                let path = self.program.flows[flow.index()].path;
                self.path(path, input, frame)
            }
            Node::Arithmetic(..) | Node::Order(..) | Node::Equal(..) | Node::Unequal(..) => {
                self.eval_node(id, input, frame)
            }
            Node::Concat(operands) => self.concat(operands, input, frame),
            Node::And(a, b) => self.logic([a, b], false, input, frame),
            Node::Or(a, b) => self.logic([a, b], true, input, frame),
            Node::Condition(condition, then, otherwise) => {
                match (self.eval_truth(condition, input, frame)?, otherwise) {
                    (true, _) => self.eval(then, input, frame),
                    (false, Some(otherwise)) => self.eval(otherwise, input, frame),
                    (false, None) => Ok(Item::Nothing),
                }
            }
            Node::Object(group) => self.object(group, input, frame),
            Node::Call(call) | Node::TailCall(call) => self.call(call, None, input, frame),
            _ => self.rare(id, node, input, frame),
        }
    }

    /// The nodes that are not on the way of most expressions.
    #[inline(never)]
    fn rare(&mut self, id: NodeId, node: Node, input: Item, frame: Frame) -> Result<Item> {
        match node {
            Node::Wildcard => self.wildcard(input),
            Node::Descendant => self.descendants(input),
            Node::Range(a, b) => self.range(id, [a, b], input, frame),
            Node::In(a, b) => self.includes([a, b], input, frame),
            Node::Negate(inner) => self.negate(id, inner, input, frame),
            Node::Array { items, is_cons } => self.array(items, is_cons, input, frame),
            Node::Coalesce(a, b) => match self.eval(a, input, frame)? {
                Item::Nothing => self.eval(b, input, frame),
                item => Ok(item),
            },
            Node::Default(a, b) => {
                let item = self.eval(a, input, frame)?;
                // It asks `$boolean`, for which no function is true.
                let is_used = !matches!(item, Item::Function(_)) && self.truth(item)?;
                if is_used { Ok(item) } else { self.eval(b, input, frame) }
            }
            Node::Block(parts) => self.block(parts, input, frame),
            Node::Bind(name, value) => {
                let item = self.eval(value, input, frame)?;
                self.memory.bind(frame, name, item);
                Ok(item)
            }
            Node::Regex(regex) => Ok(self.closure(Closure::Regex(regex))),
            Node::Partial(call) => self.partial(call, input, frame),
            Node::Lambda(lambda) => Ok(self.closure(Closure::Lambda { lambda, input, frame })),
            Node::Apply(argument, function) => {
                self.apply_to(id, [argument, function], input, frame)
            }
            Node::ApplyCall(argument, call) => {
                let argument = self.eval(argument, input, frame)?;
                self.call(call, Some(argument), input, frame)
            }
            Node::Transform(transform) => Ok(self.closure(Closure::Transform { transform, frame })),
            Node::Filter(inner, stages) => {
                let mut item = self.raw(inner, input, frame)?;
                for at in stages.indexes() {
                    item = self.stage(self.program.stages[at], item, frame)?;
                }
                Ok(item)
            }
            Node::GroupBy(inner, group) => {
                let item = self.raw(inner, input, frame)?;
                self.group_by(group, item, frame)
            }
            Node::Keep(inner) => match self.raw(inner, input, frame)? {
                Item::List(list) if list.is(SEQUENCE) => {
                    Ok(Item::List(list.with(list.flags | KEEP)))
                }
                item => Ok(item),
            },
            _ => Ok(Item::Nothing),
        }
    }

    pub fn closure(&mut self, closure: Closure) -> Item {
        self.memory.closures.push(closure);
        Item::Function(Function::Closure(self.memory.closures.len() as u32 - 1))
    }

    /// `$`
    pub fn context(&self, input: Item) -> Item {
        match input {
            Item::List(list) if list.is(OUTER) => self.memory.item(list, 0),
            _ => input,
        }
    }

    /// A sequence of one item is that item, of none nothing.
    #[inline]
    pub fn settle(&self, item: Item) -> Item {
        match item {
            Item::List(list) if list.flags & (SEQUENCE | TUPLES) == SEQUENCE => match list.len {
                0 => Item::Nothing,
                1 if !list.is(KEEP) => self.memory.item(list, 0),
                _ => item,
            },
            _ => item,
        }
    }

    fn block(&mut self, parts: super::program::Span, input: Item, frame: Frame) -> Result<Item> {
        let inner = self.memory.frame(frame);
        let mut result = Item::Nothing;
        for at in parts.indexes() {
            let part = self.program.children[at];
            result = self.eval(part, input, inner)?;
        }
        Ok(result)
    }

    /// A list of what was pushed on the stack since `mark`.
    pub fn list(&mut self, mark: usize, flags: u8) -> Result<Item> {
        let len = self.memory.stack.len() - mark;
        if len > SHORT_LIST {
            self.allow_list(len)?;
        }
        let (mut height, mut size) = (0, BRACKETS);
        for item in &self.memory.stack[mark..] {
            height = height.max(height_of(*item));
            size = size.saturating_add(size_of_text(*item) + 1);
        }
        if height >= HEIGHT_MAX {
            return Err(QueryError::limit(format_args!("{HEIGHT_MAX} levels in a value")));
        }
        self.allow_value(size)?;
        let memory = &mut *self.memory;
        let start = memory.items.len() as u32;
        memory.items.extend_from_slice(&memory.stack[mark..]);
        memory.stack.truncate(mark);
        let (len, size) = (len as u32, size as u32);
        Ok(Item::List(List { start, len, size, height: height + 1, flags }))
    }

    pub fn push(&mut self, item: Item) {
        self.memory.stack.push(item);
    }

    pub fn mark(&self) -> usize {
        self.memory.stack.len()
    }

    /// A list of one item.
    pub fn singleton(&mut self, item: Item, flags: u8) -> Result<Item> {
        let mark = self.mark();
        self.push(item);
        self.list(mark, flags)
    }

    pub fn walk(&self, item: Item) -> Walk {
        self.memory.walk(self.scratch, item)
    }

    /// The next item; none as well when the budget is used up.
    #[inline]
    pub fn next(&self, walk: &mut Walk) -> Option<Item> {
        if self.tick(1) { self.memory.next(self.scratch, walk) } else { None }
    }

    /// The next member of an object; none as well when the budget is used up.
    pub fn next_field(&self, fields: &mut Fields) -> Option<(Item, Item)> {
        if self.tick(1) { self.memory.next_field(self.scratch, fields) } else { None }
    }

    /// How many items an array has; 1 for a single item, 0 for nothing.
    pub fn len(&self, item: Item) -> usize {
        match item {
            Item::Nothing => 0,
            Item::List(list) => list.len as usize,
            Item::Json(value) if item.is_array() => {
                self.tick_passed(item);
                self.scratch.count(value)
            }
            _ => 1,
        }
    }

    /// The item of an array at `index`, where it has one.
    pub fn at(&self, array: Item, index: usize) -> Item {
        match array {
            Item::List(list) if index < list.len as usize => self.memory.item(list, index as u32),
            Item::List(_) => Item::Nothing,
            Item::Json(value) if array.is_array() => {
                self.tick_passed(array);
                self.scratch.item(value, index).map_or(Item::Nothing, Item::Json)
            }
            _ if index == 0 => array,
            _ => Item::Nothing,
        }
    }

    /// Pushes the items of an array, or the item itself.
    pub fn push_all(&mut self, item: Item) -> Result<()> {
        if !item.is_array() {
            if !item.is_nothing() {
                self.push(item);
            }
            return self.spend(1);
        }
        if let Item::List(list) = item
            && list.len as usize > SHORT_LIST
        {
            self.allow_list(list.len as usize)?;
        }
        let mut walk = self.walk(item);
        while let Some(item) = self.next(&mut walk) {
            self.push(item);
        }
        self.check()
    }

    /// The two arrays, or items, one behind the other.
    pub fn append(&mut self, a: Item, b: Item) -> Result<Item> {
        match (a, b) {
            (Item::Nothing, _) => Ok(b),
            (_, Item::Nothing) => Ok(a),
            _ => {
                let mark = self.mark();
                self.push_all(a)?;
                self.push_all(b)?;
                self.list(mark, 0)
            }
        }
    }

    pub fn string(&mut self, text: &str) -> Result<Item> {
        self.allow_string(text.len())?;
        self.tick_bytes(text.len());
        Ok(Item::Json(self.scratch.string(text)))
    }

    /// With the place of a node.
    #[cold]
    pub fn located(&self, error: QueryError, id: NodeId) -> QueryError {
        error.at(self.program.positions[id.index()])
    }

    /// An error that shows `value`.
    #[cold]
    pub fn error(&self, code: Code, value: Item) -> QueryError {
        QueryError::new(code).json("value", self.excerpt(value))
    }

    /// A value's member.
    pub fn member(&self, object: Item, name: &str) -> Item {
        self.tick_passed(object);
        match object {
            Item::Json(value) => self.scratch.member(value, name).map_or(Item::Nothing, Item::Json),
            Item::Record(record) => {
                self.tick(u64::from(record.len));
                let pairs = record.start..record.start + 2 * record.len;
                let pairs = &self.memory.items[pairs.start as usize..pairs.end as usize];
                let is_it =
                    |key: Item| matches!(key, Item::Json(key) if self.scratch.says(key, name));
                let found = pairs.chunks_exact(2).find(|pair| is_it(pair[0]));
                found.map_or(Item::Nothing, |pair| pair[1])
            }
            _ => Item::Nothing,
        }
    }

    /// The list as the range it is.
    pub fn is_range(item: Item) -> bool {
        item.has(RANGE)
    }
}

/// An upper bound of the bytes of an item's text, about.
fn size_of_text(item: Item) -> usize {
    match item {
        Item::Json(value) => value.size_max(),
        Item::Number(_) => NUMBER_TEXT_MAX,
        Item::List(list) => list.size as usize,
        Item::Record(record) => record.size as usize,
        _ => 0,
    }
}

fn height_of(item: Item) -> u16 {
    match item {
        Item::List(list) => list.height,
        Item::Record(record) => record.height,
        _ => 0,
    }
}
