//! Functions that take functions.

use std::cmp::Ordering;

use super::super::error::{Code, QueryError};
use super::super::eval::{Evaluation, Result, Target};
use super::super::item::{Item, SEQUENCE};
use super::Args;

impl Evaluation<'_> {
    /// Is it true as JavaScript has it, to which the reference implementation leaves the results of
    /// comparators? All arrays and objects are, empty ones too.
    fn is_truthy(&self, item: Item) -> bool {
        match item {
            Item::Nothing => false,
            _ if item.is_array() || item.is_object() || matches!(item, Item::Function(_)) => true,
            _ if item.is_number() => self.number(item).is_some_and(|it| it != 0.0 && !it.is_nan()),
            _ => self.truth(item).unwrap_or(true),
        }
    }

    /// Calls a function with as many of the arguments as it takes; one at least.
    fn give(&mut self, args: Args, function: Item, given: [Item; 3]) -> Result<Item> {
        let count = self.arity(function).clamp(1, 3);
        self.invoke(Target { function, frame: args.frame }, &given[..count])
    }
}

pub(super) fn map(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let (array, function) = (e.arg(args, 0), e.arg(args, 1));
    if array.is_nothing() {
        return Ok(array);
    }
    let mark = e.mark();
    let mut walk = e.walk(array);
    let mut index = 0.0;
    while let Some(item) = e.next(&mut walk) {
        let result = e.give(args, function, [item, Item::Number(index), array])?;
        if !result.is_nothing() {
            e.push(result);
        }
        index += 1.0;
    }
    e.list(mark, SEQUENCE)
}

pub(super) fn filter(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let (array, function) = (e.arg(args, 0), e.arg(args, 1));
    if array.is_nothing() {
        return Ok(array);
    }
    let mark = e.mark();
    let mut walk = e.walk(array);
    let mut index = 0.0;
    while let Some(item) = e.next(&mut walk) {
        let result = e.give(args, function, [item, Item::Number(index), array])?;
        if e.truth(result)? {
            e.push(item);
        }
        index += 1.0;
    }
    e.list(mark, SEQUENCE)
}

pub(super) fn single(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let (array, function) = (e.arg(args, 0), e.arg(args, 1));
    if array.is_nothing() {
        return Ok(array);
    }
    let mut found = None;
    let mut walk = e.walk(array);
    let mut index = 0.0;
    while let Some(item) = e.next(&mut walk) {
        let is_it = match function {
            Item::Nothing => true,
            _ => {
                let result = e.give(args, function, [item, Item::Number(index), array])?;
                e.truth(result)?
            }
        };
        if is_it && found.replace(item).is_some() {
            return Err(QueryError::new(Code::D3138).json("index", index));
        }
        index += 1.0;
    }
    found.ok_or_else(|| QueryError::new(Code::D3139))
}

pub(super) fn reduce(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let (array, function) = (e.arg(args, 0), e.arg(args, 1));
    if array.is_nothing() {
        return Ok(array);
    }
    let arity = e.arity(function);
    if arity < 2 {
        return Err(QueryError::new(Code::D3050).json("index", 1));
    }
    let target = Target { function, frame: args.frame };
    let mut walk = e.walk(array);
    let (mut result, mut index) = (e.arg(args, 2), 0.0);
    if result.is_nothing()
        && let Some(first) = e.next(&mut walk)
    {
        (result, index) = (first, 1.0);
    }
    while let Some(item) = e.next(&mut walk) {
        let given = [result, item, Item::Number(index), array];
        result = e.invoke(target, &given[..arity.min(4)])?;
        index += 1.0;
    }
    Ok(result)
}

pub(super) fn sift(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let (object, function) = (e.arg(args, 0), e.arg(args, 1));
    let mark = e.mark();
    let mut fields = e.memory.fields(e.scratch, object);
    while let Some((key, value)) = e.next_field(&mut fields) {
        let result = e.give(args, function, [value, key, object])?;
        if e.truth(result)? {
            e.push(key);
            e.push(value);
        }
    }
    match e.mark() == mark {
        true => Ok(Item::Nothing),
        false => e.members(mark),
    }
}

pub(super) fn each(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let (object, function) = (e.arg(args, 0), e.arg(args, 1));
    let mark = e.mark();
    let mut fields = e.memory.fields(e.scratch, object);
    while let Some((key, value)) = e.next_field(&mut fields) {
        let result = e.give(args, function, [value, key, object])?;
        if !result.is_nothing() {
            e.push(result);
        }
    }
    e.list(mark, SEQUENCE)
}

pub(super) fn sort(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let (array, function) = (e.arg(args, 0), e.arg(args, 1));
    let count = e.len(array);
    if count <= 1 {
        return Ok(array);
    }
    let held = e.held();
    e.hold(count.saturating_mul(size_of::<Item>()))?;
    let mut items = Vec::new();
    let mut walk = e.walk(array);
    while let Some(item) = e.next(&mut walk) {
        items.push(item);
    }
    e.check()?;
    let order = if function.is_nothing() {
        if !items.iter().all(|item| item.is_string()) && !e.are_numbers(array)? {
            return Err(QueryError::new(Code::D3070).json("index", 1));
        }
        e.merge_sort(count, &mut |e, a, b| {
            Ok(e.compare(items[a], items[b]) == Some(Ordering::Greater))
        })?
    } else {
        let target = Target { function, frame: args.frame };
        e.merge_sort(count, &mut |e, a, b| {
            let result = e.invoke(target, &[items[a], items[b]])?;
            Ok(e.is_truthy(result))
        })?
    };
    e.hold_only(held);
    e.arrange(array, &order, 0)
}
