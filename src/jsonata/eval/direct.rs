//! Numbers, truth values, texts and objects of an object's members, straight from its text. Whatever
//! is not simple about them, errors foremost, is left to the general way, which begins anew: nothing
//! that is done here can be told from outside.

use super::Evaluation;
use super::operators::in_order;
use crate::jsonata::functions;
use crate::jsonata::item::{Frame, Function, Item};
use crate::jsonata::number::Text;
use crate::jsonata::program::{
    Arithmetic, Call, Flow, FlowId, GroupId, KeyId, Node, NodeId, Order, Pass, Span, Start, Test,
};
use crate::value::{Kind, Value};

/// Operands of a `&` that are put together at once.
const PARTS_MAX: usize = 8;

/// Bytes that a string may have without a look at the memory in use.
const SHORT_STRING: usize = 1024;

/// How a test comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    True,
    False,
    /// With nothing, as where an operand is nothing.
    Nothing,
}

impl Verdict {
    #[inline]
    fn of(is_true: bool) -> Verdict {
        if is_true { Verdict::True } else { Verdict::False }
    }

    #[inline]
    fn item(self) -> Item {
        match self {
            Verdict::Nothing => Item::Nothing,
            _ => Item::bool(self == Verdict::True),
        }
    }
}

impl Evaluation<'_> {
    /// The value of a node of which [`crate::jsonata::flow::is_direct`] holds, for an input that is
    /// no array; `None`: the general way must find out.
    #[inline(never)]
    pub(super) fn direct(&mut self, id: NodeId, input: Value, frame: Frame) -> Option<Item> {
        match self.program.nodes[id.index()] {
            Node::Field(key) | Node::Name(key, _) => self.member_of(input, key).map(Item::of),
            Node::Constant(value) => Some(Item::Json(value)),
            Node::Number(number) => Some(Item::Number(number)),
            Node::Variable(name) => is_plain(self.memory.lookup(frame, name)),
            Node::Plain(plain) => is_plain(self.plain_path(plain, Item::Json(input), frame)?),
            Node::Order(..)
            | Node::Equal(..)
            | Node::Unequal(..)
            | Node::And(..)
            | Node::Or(..) => self.verdict(id, input, frame).map(Verdict::item),
            Node::Concat(operands) => self.direct_concat(operands, input, frame),
            Node::Object(group) => self.direct_object(group, input, frame),
            _ => self.direct_other(id, input, frame),
        }
    }

    #[inline(never)]
    fn direct_other(&mut self, id: NodeId, input: Value, frame: Frame) -> Option<Item> {
        self.tick(1).then_some(())?;
        let program = self.program;
        match program.nodes[id.index()] {
            Node::Arithmetic(operator, a, b) => {
                match self.calculated((operator, a, b), input, frame) {
                    Some(number) => Some(Item::Number(number)),
                    None => self.uncalculated([a, b], input, frame),
                }
            }
            Node::Condition(condition, then, otherwise) => {
                let condition = self.direct(condition, input, frame)?;
                match (self.truth(condition).ok()?, otherwise) {
                    (true, _) => self.direct(then, input, frame),
                    (false, Some(otherwise)) => self.direct(otherwise, input, frame),
                    (false, None) => Some(Item::Nothing),
                }
            }
            Node::Call(call) => {
                let Call { name, fold, test, .. } = program.calls[call.index()];
                let function = self.memory.lookup(frame, name?);
                if let Some(test) = test {
                    return self.tested(test, function, input, frame);
                }
                let input = self.flow_input(fold?.1, input)?;
                self.folded(fold?, function, input, frame)
            }
            // `null` stands in for no input at all, of which `$` is nothing.
            Node::Context if !input.is_null() => Some(Item::Json(input)),
            _ => None,
        }
    }

    /// What a function tells of a node.
    fn tested(
        &mut self,
        (test, node): (Test, NodeId),
        function: Item,
        input: Value,
        frame: Frame,
    ) -> Option<Item> {
        let Item::Function(Function::Native(native)) = function else { return None };
        if !functions::is_test(native, test) {
            return None;
        }
        let item = self.direct(node, input, frame)?;
        if test == Test::Exists {
            return Some(Item::bool(!item.is_nothing()));
        }
        if item.is_nothing() {
            return Some(item);
        }
        let is_true = self.truth(item).ok()?;
        Some(Item::bool(is_true == (test == Test::Boolean)))
    }

    /// The input of a flow; `None`: it may stand for no input at all, and the flow could tell.
    fn flow_input(&self, id: FlowId, input: Value) -> Option<Item> {
        let Flow { start, passes, .. } = self.program.flows[id.index()];
        let first = self.program.passes[passes.indexes()].first();
        let tells = matches!(start, Start::Context) && !matches!(first, Some(Pass::Key(_)));
        (!tells || !input.is_null()).then_some(Item::Json(input))
    }

    /// A constant, or a member that one look finds.
    #[inline(always)]
    fn glanced(&self, id: NodeId, input: Value) -> Option<Value> {
        match &self.program.nodes[id.index()] {
            Node::Field(key) | Node::Name(key, _) => {
                self.scratch.glance(input, &self.program.keys[key.index()])
            }
            Node::Constant(value) => Some(*value),
            _ => None,
        }
    }

    /// A member of what is no array; nothing of what is no object.
    #[inline(always)]
    pub(super) fn member_of(&self, object: Value, key: KeyId) -> Option<Option<Value>> {
        match self.scratch.glance(object, &self.program.keys[key.index()]) {
            None => self.look_up_member(object, key),
            found => Some(found),
        }
    }

    #[inline(never)]
    fn look_up_member(&self, object: Value, key: KeyId) -> Option<Option<Value>> {
        if object.kind() == Kind::Array {
            return None;
        }
        self.tick_passed(Item::Json(object));
        Some(self.scratch.get(object, &self.program.keys[key.index()]))
    }

    /// The number that a node is; `None`: it is none, or not simply.
    #[inline(always)]
    pub(super) fn number_of(&mut self, id: NodeId, input: Value, frame: Frame) -> Option<f64> {
        match self.program.nodes[id.index()] {
            Node::Field(key) | Node::Name(key, _) => {
                let found = self.scratch.glance(input, &self.program.keys[key.index()])?;
                self.scratch.f64(found)
            }
            Node::Number(number) => Some(number),
            _ => self.number_of_other(id, input, frame),
        }
    }

    #[inline(never)]
    fn number_of_other(&mut self, id: NodeId, input: Value, frame: Frame) -> Option<f64> {
        match self.program.nodes[id.index()] {
            Node::Variable(name) => self.number(self.memory.lookup(frame, name)),
            Node::Plain(plain) => match self.plain_value(plain, Item::Json(input), frame) {
                Some(value) => self.scratch.f64(value),
                None => self.number(self.plain_path_of_others(plain, Item::Json(input), frame)?),
            },
            Node::Arithmetic(operator, a, b) => self.calculated((operator, a, b), input, frame),
            _ => {
                let item = self.direct(id, input, frame)?;
                self.number(item)
            }
        }
    }

    /// `a + b` of finite numbers.
    #[inline(always)]
    pub(super) fn calculated(
        &mut self,
        (operator, a, b): (Arithmetic, NodeId, NodeId),
        input: Value,
        frame: Frame,
    ) -> Option<f64> {
        let a = self.number_of(a, input, frame)?;
        let b = self.number_of(b, input, frame)?;
        (a.is_finite() && b.is_finite()).then(|| operator.of(a, b))
    }

    /// `a + b`, where something is no finite number: nothing, if it is nothing.
    fn uncalculated(&mut self, operands: [NodeId; 2], input: Value, frame: Frame) -> Option<Item> {
        let mut has_nothing = false;
        for operand in operands {
            let item = self.direct(operand, input, frame)?;
            has_nothing |= item.is_nothing();
            let is_right = item.is_nothing() || self.number(item).is_some_and(f64::is_finite);
            is_right.then_some(())?;
        }
        has_nothing.then_some(Item::Nothing)
    }

    /// How a test comes out; `None`: it is none, or not simply.
    #[inline]
    pub(super) fn verdict(&mut self, id: NodeId, input: Value, frame: Frame) -> Option<Verdict> {
        if let Node::Order(order, a, b) = self.program.nodes[id.index()]
            && let Some(a) = self.number_of(a, input, frame)
            && let Some(b) = self.number_of(b, input, frame)
        {
            return Some(Verdict::of(order.holds(in_order(a, b))));
        }
        self.verdict_of_others(id, input, frame)
    }

    #[inline(never)]
    pub(super) fn verdict_of_others(
        &mut self,
        id: NodeId,
        input: Value,
        frame: Frame,
    ) -> Option<Verdict> {
        self.tick(1).then_some(())?;
        match self.program.nodes[id.index()] {
            Node::Order(order, a, b) => self.verdict_of_order(order, [a, b], input, frame),
            Node::Equal(a, b) => self.verdict_of_equality([a, b], true, input, frame),
            Node::Unequal(a, b) => self.verdict_of_equality([a, b], false, input, frame),
            Node::And(a, b) => self.verdict_of_logic([a, b], false, input, frame),
            Node::Or(a, b) => self.verdict_of_logic([a, b], true, input, frame),
            _ => match self.direct(id, input, frame)? {
                Item::Nothing => Some(Verdict::Nothing),
                Item::Json(value) => value.as_bool().map(Verdict::of),
                _ => None,
            },
        }
    }

    fn verdict_of_order(
        &mut self,
        order: Order,
        [a, b]: [NodeId; 2],
        input: Value,
        frame: Frame,
    ) -> Option<Verdict> {
        let a = self.direct(a, input, frame)?;
        let b = self.direct(b, input, frame)?;
        let is_comparable = |item: Item| item.is_nothing() || item.is_number() || item.is_string();
        if !is_comparable(a) || !is_comparable(b) {
            return None;
        }
        if a.is_nothing() || b.is_nothing() {
            return Some(Verdict::Nothing);
        }
        self.compare(a, b).map(|found| Verdict::of(order.holds(found)))
    }

    fn verdict_of_equality(
        &mut self,
        [a, b]: [NodeId; 2],
        wanted: bool,
        input: Value,
        frame: Frame,
    ) -> Option<Verdict> {
        let a = self.direct(a, input, frame)?;
        let b = self.direct(b, input, frame)?;
        let is_something = !a.is_nothing() && !b.is_nothing();
        Some(Verdict::of(is_something && self.equal(a, b) == wanted))
    }

    fn verdict_of_logic(
        &mut self,
        [a, b]: [NodeId; 2],
        decides: bool,
        input: Value,
        frame: Frame,
    ) -> Option<Verdict> {
        if self.truth_of(a, input, frame)? == decides {
            return Some(Verdict::of(decides));
        }
        self.truth_of(b, input, frame).map(Verdict::of)
    }

    /// Is a node true, as `and` and `?` ask?
    pub(super) fn truth_of(&mut self, id: NodeId, input: Value, frame: Frame) -> Option<bool> {
        match self.program.nodes[id.index()] {
            Node::Order(..)
            | Node::Equal(..)
            | Node::Unequal(..)
            | Node::And(..)
            | Node::Or(..) => {
                self.verdict(id, input, frame).map(|verdict| verdict == Verdict::True)
            }
            _ => {
                let item = self.direct(id, input, frame)?;
                self.truth(item).ok()
            }
        }
    }

    /// `a & b`, of scalars. What makes no text itself is written where it belongs at once.
    #[inline(never)]
    fn direct_concat(&mut self, operands: Span, input: Value, frame: Frame) -> Option<Item> {
        let program = self.program;
        let operands = &program.children[operands.indexes()];
        if let Some(joined) = self.joined(operands, input, frame) {
            return Some(Item::Json(joined));
        }
        if operands.iter().any(|id| program.make_text[id.index()]) {
            return None;
        }
        let (open, before) = (self.scratch.open_string(), self.scratch.used());
        for operand in operands {
            match self.direct(*operand, input, frame)? {
                Item::Nothing => {}
                Item::Json(value) if !is_container(value) => self.push_scalar(value)?,
                Item::Number(number) if number.is_finite() => {
                    self.scratch.push_plain(Text::rounded(number).as_str());
                }
                _ => return None,
            }
            self.allow_string(self.scratch.used() - before).ok()?;
        }
        self.tick_bytes(self.scratch.used() - before).then_some(())?;
        Some(Item::Json(self.scratch.close_string(open)))
    }

    /// `a & b`, of strings that lie ready.
    #[inline]
    fn joined(&mut self, operands: &[NodeId], input: Value, frame: Frame) -> Option<Value> {
        let mut parts = [Value::NULL; PARTS_MAX];
        let parts = parts.get_mut(..operands.len())?;
        let mut size = 0;
        for (part, operand) in parts.iter_mut().zip(operands) {
            match self.glanced(*operand, input) {
                Some(found) => *part = found,
                None => self.follow(*operand, input, frame, part)?,
            }
            (part.kind() == Kind::String).then_some(())?;
            size += part.size_max();
        }
        if size > SHORT_STRING || size > self.budget.limits.string_bytes_max {
            self.allow_string(size).ok()?;
        }
        self.tick_bytes(size).then_some(())?;
        self.scratch.join(parts)
    }

    /// Puts into `to` what a path of names leads to, or a variable stands for.
    #[inline(never)]
    fn follow(&self, id: NodeId, input: Value, frame: Frame, to: &mut Value) -> Option<()> {
        *to = match self.program.nodes[id.index()] {
            Node::Variable(name) => {
                self.start_value(Start::Variable(name), Item::Nothing, frame)?
            }
            Node::Plain(plain) => match self.plain_value(plain, Item::Json(input), frame) {
                Some(found) => found,
                None => match self.plain_path_of_others(plain, Item::Json(input), frame)? {
                    Item::Json(found) => found,
                    _ => return None,
                },
            },
            _ => return None,
        };
        Some(())
    }

    /// `{"a": b}`
    #[inline(never)]
    fn direct_object(&mut self, group: GroupId, input: Value, frame: Frame) -> Option<Item> {
        let (program, mark) = (self.program, self.scratch.mark());
        let pairs = program.groups[group.index()].pairs;
        if !self.tick(pairs.len.into()) {
            return None;
        }
        for pair in program.children[pairs.indexes()].chunks_exact(2) {
            let Node::Constant(key) = program.nodes[pair[0].index()] else { return None };
            if let Some(value) = self.glanced(pair[1], input) {
                self.scratch.push_pair(key, value);
                continue;
            }
            let value = match self.direct_member(pair[1], input, frame) {
                Some(Item::Json(value)) => value,
                Some(Item::Number(number)) if number.is_finite() => self.scratch.float(number),
                Some(Item::Nothing) => continue,
                _ => {
                    self.scratch.abandon(mark);
                    return None;
                }
            };
            self.scratch.push_pair(key, value);
        }
        let object = self.scratch.object(mark).ok()?;
        self.allow_value(object.size_max()).ok()?;
        Some(Item::Json(object))
    }

    /// The value of a member that is written as a node: several results as an array.
    #[inline(always)]
    fn direct_member(&mut self, id: NodeId, input: Value, frame: Frame) -> Option<Item> {
        match self.program.nodes[id.index()] {
            Node::Flow(flow) => {
                let input = self.flow_input(flow, input)?;
                self.flow_value(flow, input, frame)
            }
            _ => self.direct(id, input, frame),
        }
    }
}

fn is_container(value: Value) -> bool {
    matches!(value.kind(), Kind::Array | Kind::Object)
}

/// The item, if it is one that [`Evaluation::direct`] gives.
fn is_plain(item: Item) -> Option<Item> {
    matches!(item, Item::Json(_) | Item::Number(_) | Item::Nothing).then_some(item)
}
