//! Paths whose items go through all steps one after the other, into a sum, an array, or the stack.
//! As in [`super::direct`], whatever is not simple is left to the general way, which begins anew.

use super::direct::Verdict;
use super::look::{Look, Operand, calculate, member_of, number_of};
use super::operators::in_order;
use super::{Evaluation, Result};
use crate::jsonata::functions;
use crate::jsonata::item::{Frame, Function, Item};
use crate::jsonata::program::{FlowId, Fold, KeyId, NodeId, Order, Pass, Start};
use crate::value::{Kind, Place, Places, Scratch, Value};

/// Takes what comes out of a flow.
trait Sink {
    fn value(&mut self, evaluation: &mut Evaluation<'_>, value: Value) -> Option<()>;

    fn number(&mut self, evaluation: &mut Evaluation<'_>, number: f64) -> Option<()>;
}

/// A flow on its way.
struct Course<S> {
    frame: Frame,
    weight: u32,
    /// Results of the last step, and whether there were arrays among them: a single one is not
    /// taken apart.
    results: u32,
    has_arrays: bool,
    sink: S,
}

impl<S> Course<S> {
    fn is_sequence(&self) -> bool {
        !self.has_arrays || self.results > 1
    }
}

impl Evaluation<'_> {
    /// Pushes what a flow gives on the stack.
    pub(super) fn flow_items(&mut self, id: FlowId, input: Item, frame: Frame) -> Option<()> {
        let mark = self.mark();
        let course = self.flow(id, input, frame, ToStack);
        let is_done = course.is_some_and(|course| course.is_sequence());
        if !is_done {
            self.memory.stack.truncate(mark);
        }
        is_done.then_some(())
    }

    /// What a flow gives, several results as a JSON array.
    pub(super) fn flow_value(&mut self, id: FlowId, input: Item, frame: Frame) -> Option<Item> {
        let mark = self.scratch.mark();
        let course = self.flow(id, input, frame, ToArray);
        if !course.is_some_and(|course| course.is_sequence()) {
            self.scratch.abandon(mark);
            return None;
        }
        let item = match *self.scratch.pushed(mark) {
            [] => Item::Nothing,
            [value] => Item::Json(value),
            _ => {
                let array = self.scratch.array(mark).ok()?;
                self.allow_value(array.size_max()).ok()?;
                return Some(Item::Json(array));
            }
        };
        self.scratch.abandon(mark);
        Some(item)
    }

    /// What a function makes of a flow; `None`: the general way must find out.
    pub(super) fn folded(
        &mut self,
        (fold, flow): (Fold, FlowId),
        function: Item,
        input: Item,
        frame: Frame,
    ) -> Option<Item> {
        let Item::Function(Function::Native(native)) = function else { return None };
        if !functions::is_fold(native, fold) {
            return None;
        }
        let start = match fold {
            Fold::Max => f64::NEG_INFINITY,
            Fold::Min => f64::INFINITY,
            Fold::Sum | Fold::Average | Fold::Count => 0.0,
        };
        let into = ToNumber { fold, count: 0, number: start };
        let ToNumber { count, number, .. } = self.flow(flow, input, frame, into)?.sink;
        Some(match fold {
            Fold::Count => Item::Number(count as f64),
            _ if count == 0 => Item::Nothing,
            Fold::Average => Item::Number(number / count as f64),
            _ => Item::Number(number),
        })
    }

    #[inline]
    fn flow<S: Sink>(
        &mut self,
        id: FlowId,
        input: Item,
        frame: Frame,
        sink: S,
    ) -> Option<Course<S>> {
        let program = self.program;
        let flow = &program.flows[id.index()];
        let passes = &program.passes[flow.passes.indexes()];
        let mut course = Course { frame, weight: flow.weight, results: 0, has_arrays: false, sink };
        match self.start_value(flow.start, input, frame) {
            Some(start) if start.kind() == Kind::Array => {
                self.pass_items(passes, start, &mut course)?;
            }
            Some(start) => self.pass(passes, start, &mut course)?,
            None => self.pass_nothing(flow.start, passes, input, frame)?,
        }
        Some(course)
    }

    /// Nothing goes through the passes, where it starts with nothing.
    #[inline(never)]
    fn pass_nothing(&self, start: Start, passes: &[Pass], input: Item, frame: Frame) -> Option<()> {
        let start = self.start(start, input, frame);
        (start.is_nothing() && !is_filter(passes.get(1))).then_some(())
    }

    /// Sends a value, which is no array, through the passes.
    #[inline(always)]
    fn pass<S: Sink>(
        &mut self,
        passes: &[Pass],
        value: Value,
        course: &mut Course<S>,
    ) -> Option<()> {
        let (mut value, mut passes) = (value, passes);
        while let [pass, rest @ ..] = passes {
            match *pass {
                Pass::Key(key) => match self.member_of(value, key)? {
                    // Filters of nothing are evaluated all the same: they may fail.
                    None => return (!is_filter(rest.first())).then_some(()),
                    Some(found) if found.kind() == Kind::Array => {
                        return self.pass_items(rest, found, course);
                    }
                    Some(found) => value = found,
                },
                Pass::Compare(key, order, number, node) => {
                    if !self.compares(key, order, number, node, value, course.frame)? {
                        return Some(());
                    }
                }
                Pass::Filter(node) => {
                    if self.verdict(node, value, course.frame)? != Verdict::True {
                        return Some(());
                    }
                }
                Pass::Calculate(operator, a, b, node) => {
                    let Some(number) = self.calculated((operator, a, b), value, course.frame)
                    else {
                        return self.pass_made(node, value, course);
                    };
                    course.results += 1;
                    return course.sink.number(self, number);
                }
                Pass::Make(node) => return self.pass_made(node, value, course),
            }
            passes = rest;
        }
        course.results += 1;
        course.sink.value(self, value)
    }

    /// `[a > 1]`
    #[inline(always)]
    fn compares(
        &mut self,
        key: KeyId,
        order: Order,
        number: f64,
        node: NodeId,
        value: Value,
        frame: Frame,
    ) -> Option<bool> {
        let found = self.scratch.glance(value, &self.program.keys[key.index()]);
        match found.and_then(|found| self.scratch.f64(found)) {
            Some(found) => Some(order.holds(in_order(found, number))),
            None => self.verdict_of_others(node, value, frame).map(|it| it == Verdict::True),
        }
    }

    /// Sends the items of an array through the passes.
    #[inline(never)]
    fn pass_items<S: Sink>(
        &mut self,
        passes: &[Pass],
        array: Value,
        course: &mut Course<S>,
    ) -> Option<()> {
        let mut items = self.scratch.items(array);
        let mut count = 0;
        if passes.is_empty() {
            course.results += 1;
            course.has_arrays = true;
            while let Some(item) = self.scratch.next_item(&mut items) {
                course.sink.value(self, item)?;
                count += 1;
            }
        } else if let Some(places) = self.scratch.places(array) {
            count = self.pass_places(passes, places, course)?;
        } else {
            while let Some(item) = self.scratch.next_item(&mut items) {
                if item.kind() == Kind::Array {
                    return None;
                }
                self.pass(passes, item, course)?;
                count += 1;
            }
        }
        self.tick(count * u64::from(course.weight)).then_some(())
    }

    /// Sends what stands at the places through the passes, with no handle made of each where a look
    /// at its members is enough. Says how many there were.
    #[inline(always)]
    fn pass_places<S: Sink>(
        &mut self,
        passes: &[Pass],
        places: Places,
        course: &mut Course<S>,
    ) -> Option<u64> {
        let program = self.program;
        let key = |key: KeyId| &program.keys[key.index()];
        match *passes {
            [Pass::Calculate(operator, a, b, _)] => {
                let (Some(a), Some(b)) = (Operand::new(program, a), Operand::new(program, b))
                else {
                    return self.each_place(passes, places, course, |_, _| Look::Unclear);
                };
                self.each_place(passes, places, course, |scratch, at| {
                    calculate(operator, a.of(scratch, at), b.of(scratch, at))
                })
            }
            [Pass::Compare(tested, order, number, _)] => {
                let tested = key(tested);
                self.each_place(passes, places, course, |scratch, at| {
                    match number_of(scratch, at, tested) {
                        None => Look::Unclear,
                        Some(found) if order.holds(in_order(found, number)) => Look::Place(at),
                        Some(_) => Look::Nothing,
                    }
                })
            }
            [Pass::Compare(tested, order, number, _), Pass::Key(wanted)] => {
                let (tested, wanted) = (key(tested), key(wanted));
                self.each_place(passes, places, course, |scratch, at| {
                    match number_of(scratch, at, tested) {
                        None => Look::Unclear,
                        Some(found) if order.holds(in_order(found, number)) => {
                            member_of(scratch, at, wanted)
                        }
                        Some(_) => Look::Nothing,
                    }
                })
            }
            [Pass::Key(wanted)] => {
                let wanted = key(wanted);
                self.each_place(passes, places, course, |scratch, at| {
                    member_of(scratch, at, wanted)
                })
            }
            _ => self.each_place(passes, places, course, |_, _| Look::Unclear),
        }
    }

    #[inline(always)]
    fn each_place<S: Sink>(
        &mut self,
        passes: &[Pass],
        mut places: Places,
        course: &mut Course<S>,
        look: impl Fn(&Scratch, Place) -> Look,
    ) -> Option<u64> {
        let mut count = 0;
        while let Some(place) = self.scratch.next_place(&mut places) {
            count += 1;
            match look(self.scratch, place) {
                Look::Number(number) => {
                    course.results += 1;
                    course.sink.number(self, number)?;
                }
                Look::Place(found) => {
                    course.results += 1;
                    course.sink.value(self, self.scratch.value_at(found))?;
                }
                Look::Nothing => {}
                Look::Unclear => self.pass_handle(passes, place, course)?,
            }
        }
        Some(count)
    }

    /// Goes on as [`Evaluation::pass`] does.
    #[inline(never)]
    fn pass_handle<S: Sink>(
        &mut self,
        passes: &[Pass],
        place: Place,
        course: &mut Course<S>,
    ) -> Option<()> {
        match self.scratch.kind_at(place) {
            Kind::Array => None,
            _ => self.pass(passes, self.scratch.value_at(place), course),
        }
    }

    /// `.(a & b)`
    #[inline(never)]
    fn pass_made<S: Sink>(
        &mut self,
        node: NodeId,
        value: Value,
        course: &mut Course<S>,
    ) -> Option<()> {
        match self.direct(node, value, course.frame)? {
            Item::Nothing => Some(()),
            Item::Json(made) if made.kind() != Kind::Array => {
                course.results += 1;
                course.sink.value(self, made)
            }
            Item::Number(number) => {
                course.results += 1;
                course.sink.number(self, number)
            }
            _ => None,
        }
    }

    /// The items that a flow gives, as the path would.
    pub(super) fn flow_sequence(
        &mut self,
        id: FlowId,
        input: Item,
        frame: Frame,
    ) -> Result<Option<Item>> {
        let mark = self.mark();
        match self.flow_items(id, input, frame) {
            Some(()) => self.sequence(mark).map(Some),
            None => Ok(None),
        }
    }
}

fn is_filter(pass: Option<&Pass>) -> bool {
    matches!(pass, Some(Pass::Filter(_) | Pass::Compare(..)))
}

/// Adds, counts, compares.
struct ToNumber {
    fold: Fold,
    count: u64,
    number: f64,
}

impl Sink for ToNumber {
    #[inline]
    fn value(&mut self, evaluation: &mut Evaluation<'_>, value: Value) -> Option<()> {
        if self.fold == Fold::Count {
            self.count += 1;
            return Some(());
        }
        let number = evaluation.scratch.f64(value)?;
        self.number(evaluation, number)
    }

    #[inline]
    fn number(&mut self, _: &mut Evaluation<'_>, number: f64) -> Option<()> {
        self.count += 1;
        match self.fold {
            Fold::Sum | Fold::Average => self.number += number,
            Fold::Max => self.number = self.number.max(number),
            Fold::Min => self.number = self.number.min(number),
            Fold::Count => {}
        }
        Some(())
    }
}

/// Pushes on the evaluation's stack.
struct ToStack;

impl Sink for ToStack {
    #[inline]
    fn value(&mut self, evaluation: &mut Evaluation<'_>, value: Value) -> Option<()> {
        evaluation.push(Item::Json(value));
        Some(())
    }

    #[inline]
    fn number(&mut self, evaluation: &mut Evaluation<'_>, number: f64) -> Option<()> {
        evaluation.push(Item::Number(number));
        Some(())
    }
}

/// Pushes on the stack of an array to come.
struct ToArray;

impl Sink for ToArray {
    #[inline]
    fn value(&mut self, evaluation: &mut Evaluation<'_>, value: Value) -> Option<()> {
        evaluation.scratch.push(value);
        Some(())
    }

    #[inline]
    fn number(&mut self, evaluation: &mut Evaluation<'_>, number: f64) -> Option<()> {
        let is_finite = number.is_finite();
        is_finite.then(|| {
            let value = evaluation.scratch.float(number);
            evaluation.scratch.push(value);
        })
    }
}
