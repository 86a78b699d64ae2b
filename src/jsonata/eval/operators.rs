//! Operators on numbers, strings and truth values.

use std::cmp::Ordering;

use super::{Evaluation, Result};
use crate::jsonata::error::{Code, QueryError};
use crate::jsonata::item::{Frame, Item, List, RANGE, SEQUENCE};
use crate::jsonata::number::Text;
use crate::jsonata::program::{Arithmetic, NodeId, Order, Span};
use crate::value::Kind;

/// Items of a range at most, as in the reference implementation.
const RANGE_MAX: f64 = 1e7;

impl Evaluation<'_> {
    /// Is it a number? An infinite one is an error.
    pub fn is_number(&self, item: Item) -> Result<bool> {
        match self.number(item) {
            Some(number) if number.is_infinite() => Err(self.error(Code::D1001, item)),
            Some(number) => Ok(!number.is_nan()),
            None => Ok(false),
        }
    }

    pub fn are_numbers(&self, array: Item) -> Result<bool> {
        let mut walk = self.walk(array);
        while let Some(item) = self.next(&mut walk) {
            if !self.is_number(item)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A number's value.
    #[inline(always)]
    pub fn number(&self, item: Item) -> Option<f64> {
        match item {
            Item::Number(number) => Some(number),
            Item::Json(value) => self.scratch.f64(value),
            _ => None,
        }
    }

    /// The operand as a number; `None`: it is undefined.
    fn numeric(&self, item: Item, code: Code) -> Result<Option<f64>> {
        match self.number(item) {
            Some(number) if number.is_finite() => Ok(Some(number)),
            Some(number) if number.is_infinite() => Err(self.error(Code::D1001, item)),
            _ if item.is_nothing() => Ok(None),
            _ => Err(self.error(code, item)),
        }
    }

    #[inline(never)]
    pub(super) fn arithmetic(
        &mut self,
        id: NodeId,
        operator: Arithmetic,
        [a, b]: [NodeId; 2],
        input: Item,
        frame: Frame,
    ) -> Result<Item> {
        self.spend(1)?;
        let a = self.operand(a, input, frame)?;
        let b = self.operand(b, input, frame)?;
        if let (Some(x), Some(y)) = (self.number(a), self.number(b))
            && x.is_finite()
            && y.is_finite()
        {
            return Ok(Item::Number(operator.of(x, y)));
        }
        let check = self.numeric(a, Code::T2001).and_then(|_| self.numeric(b, Code::T2002));
        check.map_err(|e| self.located(e.token(symbol(operator)), id))?;
        Ok(Item::Nothing)
    }

    pub(super) fn negate(
        &mut self,
        id: NodeId,
        inner: NodeId,
        input: Item,
        frame: Frame,
    ) -> Result<Item> {
        let item = self.eval(inner, input, frame)?;
        let number = self.numeric(item, Code::D1002);
        let number = number.map_err(|e| self.located(e.token("-"), id))?;
        Ok(number.map_or(Item::Nothing, |number| Item::Number(-number)))
    }

    pub(super) fn equality(
        &mut self,
        [a, b]: [NodeId; 2],
        wanted: bool,
        input: Item,
        frame: Frame,
    ) -> Result<Item> {
        self.spend(1)?;
        let a = self.operand(a, input, frame)?;
        let b = self.operand(b, input, frame)?;
        if a.is_nothing() || b.is_nothing() {
            return Ok(Item::bool(false));
        }
        Ok(Item::bool(self.equal(a, b) == wanted))
    }

    #[inline(never)]
    pub(super) fn order(
        &mut self,
        id: NodeId,
        order: Order,
        [a, b]: [NodeId; 2],
        input: Item,
        frame: Frame,
    ) -> Result<Item> {
        self.spend(1)?;
        let a = self.operand(a, input, frame)?;
        let b = self.operand(b, input, frame)?;
        if let (Some(x), Some(y)) = (self.number(a), self.number(b)) {
            return Ok(Item::bool(order.holds(in_order(x, y))));
        }
        self.order_others(id, order, [a, b])
    }

    /// The order of what are not two numbers.
    fn order_others(&mut self, id: NodeId, order: Order, [a, b]: [Item; 2]) -> Result<Item> {
        let is_comparable = |item: Item| item.is_nothing() || item.is_number() || item.is_string();
        if !is_comparable(a) || !is_comparable(b) {
            let culprit = if is_comparable(a) && !a.is_nothing() { b } else { a };
            let error = self.error(Code::T2010, culprit).token(sign(order));
            return Err(self.located(error, id));
        }
        if a.is_nothing() || b.is_nothing() {
            return Ok(Item::Nothing);
        }
        let Some(found) = self.compare(a, b) else {
            let error = self.error(Code::T2009, a).json("value2", self.excerpt(b));
            return Err(self.located(error.token(sign(order)), id));
        };
        Ok(Item::bool(order.holds(found)))
    }

    /// The order of two numbers or two strings.
    pub fn compare(&self, a: Item, b: Item) -> Option<Ordering> {
        match (self.number(a), self.number(b)) {
            (Some(x), Some(y)) => return Some(in_order(x, y)),
            (None, None) => {}
            _ => return None,
        }
        let (Item::Json(x), Item::Json(y)) = (a, b) else { return None };
        if x.kind() != Kind::String || y.kind() != Kind::String {
            return None;
        }
        self.tick_bytes(x.size_max().min(y.size_max()));
        let (x, y) = (self.scratch.str(x), self.scratch.str(y));
        match x.is_ascii() && y.is_ascii() {
            true => Some(x.cmp(&y)),
            false => Some(x.encode_utf16().cmp(y.encode_utf16())),
        }
    }

    pub(super) fn logic(
        &mut self,
        [a, b]: [NodeId; 2],
        decides: bool,
        input: Item,
        frame: Frame,
    ) -> Result<Item> {
        let a = self.eval(a, input, frame)?;
        if self.truth(a)? == decides {
            return Ok(Item::bool(decides));
        }
        let b = self.eval(b, input, frame)?;
        self.truth(b).map(Item::bool)
    }

    pub(super) fn includes(
        &mut self,
        [a, b]: [NodeId; 2],
        input: Item,
        frame: Frame,
    ) -> Result<Item> {
        let a = self.eval(a, input, frame)?;
        let b = self.eval(b, input, frame)?;
        if a.is_nothing() || b.is_nothing() {
            return Ok(Item::bool(false));
        }
        let is_scalar = !a.is_array() && !a.is_object();
        let mut walk = self.walk(b);
        while let Some(item) = self.next(&mut walk) {
            if is_scalar && self.equal(a, item) {
                return Ok(Item::bool(true));
            }
        }
        Ok(Item::bool(false))
    }

    /// `a & b & c`: all operands first, then one string of them.
    #[inline(never)]
    pub(super) fn concat(&mut self, operands: Span, input: Item, frame: Frame) -> Result<Item> {
        let (program, mark) = (self.program, self.mark());
        let mut size = 0;
        for operand in &program.children[operands.indexes()] {
            let mut item = self.eval_here(*operand, input, frame)?;
            let is_scalar = match item {
                Item::Json(value) => !matches!(value.kind(), Kind::Array | Kind::Object),
                Item::Number(number) => number.is_finite(),
                _ => false,
            };
            if !is_scalar {
                item = self.stringify(item)?;
            }
            size += self.text_size(item);
            self.push(item);
        }
        self.allow_string(size)?;
        self.tick_bytes(size);
        let open = self.scratch.open_string();
        for at in mark..self.mark() {
            match self.memory.stack[at] {
                Item::Json(value) => {
                    let pushed = self.push_scalar(value);
                    pushed.ok_or_else(|| self.error(Code::D1001, Item::Json(value)))?;
                }
                Item::Number(number) => self.scratch.push_plain(Text::rounded(number).as_str()),
                _ => {}
            }
        }
        self.memory.stack.truncate(mark);
        Ok(Item::Json(self.scratch.close_string(open)))
    }

    /// `a..b`
    pub(super) fn range(
        &mut self,
        id: NodeId,
        [a, b]: [NodeId; 2],
        input: Item,
        frame: Frame,
    ) -> Result<Item> {
        let a = self.eval(a, input, frame)?;
        let b = self.eval(b, input, frame)?;
        let whole = |item: Item, code| match self.number(item) {
            Some(number) if number.fract() == 0.0 => Ok(Some(number)),
            None if item.is_nothing() => Ok(None),
            _ => Err(self.located(self.error(code, item).token(".."), id)),
        };
        let (Some(first), Some(last)) = (whole(a, Code::T2003)?, whole(b, Code::T2004)?) else {
            return Ok(Item::Nothing);
        };
        if first > last {
            return Ok(Item::Nothing);
        }
        let len = last - first + 1.0;
        let limit = RANGE_MAX.min(f64::from(self.budget.limits.sequence_max));
        if len > limit {
            let error = QueryError::new(Code::D2014).json("value", len);
            return Err(self.located(error.text("limit", limit.to_string()).token(".."), id));
        }
        self.memory.items.push(Item::Number(first));
        let start = self.memory.items.len() as u32 - 1;
        let widest = Text::of(first).as_str().len().max(Text::of(last).as_str().len()) + 1;
        let size = (len as u32).saturating_mul(widest as u32);
        let flags = RANGE | SEQUENCE;
        Ok(Item::List(List { start, len: len as u32, size, height: 1, flags }))
    }
}

/// The order of two numbers; what is none is before and behind nothing.
#[inline]
pub(super) fn in_order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

impl Order {
    #[inline]
    pub(super) fn holds(self, found: Ordering) -> bool {
        match self {
            Order::Less => found == Ordering::Less,
            Order::LessOrEqual => found != Ordering::Greater,
            Order::Greater => found == Ordering::Greater,
            Order::GreaterOrEqual => found != Ordering::Less,
        }
    }
}

fn symbol(operator: Arithmetic) -> &'static str {
    match operator {
        Arithmetic::Add => "+",
        Arithmetic::Subtract => "-",
        Arithmetic::Multiply => "*",
        Arithmetic::Divide => "/",
        Arithmetic::Remainder => "%",
    }
}

fn sign(order: Order) -> &'static str {
    match order {
        Order::Less => "<",
        Order::LessOrEqual => "<=",
        Order::Greater => ">",
        Order::GreaterOrEqual => ">=",
    }
}
