//! Arrays: counting, order, distinct items.

use std::collections::HashSet;

use super::super::eval::{Evaluation, Result};
use super::super::item::{Item, SEQUENCE};
use super::Args;

pub(super) fn count(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let array = e.arg(args, 0);
    Ok(Item::Number(e.len(array) as f64))
}

pub(super) fn append(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    e.append(e.arg(args, 0), e.arg(args, 1))
}

pub(super) fn reverse(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let array = e.arg(args, 0);
    if e.len(array) <= 1 {
        return Ok(array);
    }
    let mark = e.mark();
    e.push_all(array)?;
    e.memory.stack[mark..].reverse();
    e.list(mark, 0)
}

/// `$zip`: the items of all arrays at the same place, as far as the shortest goes.
pub(super) fn zip(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let columns: Vec<Item> = (0..args.len).map(|at| e.arg(args, at)).collect();
    let count = columns.iter().map(|column| e.len(*column)).min().unwrap_or(0);
    e.allow_list(count.saturating_mul(columns.len()))?;
    let mut walks: Vec<_> = columns.iter().map(|column| e.walk(*column)).collect();
    let mark = e.mark();
    for _ in 0..count {
        let inner = e.mark();
        for walk in &mut walks {
            if let Some(item) = e.next(walk) {
                e.push(item);
            }
        }
        let row = e.list(inner, 0)?;
        e.push(row);
    }
    e.list(mark, 0)
}

/// `$shuffle`: every order is as likely.
pub(super) fn shuffle(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let array = e.arg(args, 0);
    let count = e.len(array);
    if count <= 1 {
        return Ok(array);
    }
    let mark = e.mark();
    e.push_all(array)?;
    for last in (1..count).rev() {
        let bits = u128::from((e.random)());
        let other = (bits * (last as u128 + 1)) >> 64;
        e.memory.stack[mark..].swap(last, other as usize);
    }
    e.list(mark, 0)
}

pub(super) fn distinct(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let array = e.arg(args, 0);
    if !array.is_array() || e.len(array) <= 1 {
        return Ok(array);
    }
    let flags = if array.has(SEQUENCE) { SEQUENCE } else { 0 };
    let mark = e.mark();
    let held = e.held();
    let mut scalars = HashSet::new();
    let mut walk = e.walk(array);
    while let Some(item) = e.next(&mut walk) {
        let is_new = match scalar_text(e, item) {
            Some(text) => {
                e.remember(text.len())?;
                scalars.insert(text)
            }
            None => {
                e.spend(e.mark() - mark)?;
                !(mark..e.mark()).any(|at| e.equal(e.memory.stack[at], item))
            }
        };
        if is_new {
            e.push(item);
        }
    }
    e.hold_only(held);
    e.list(mark, flags)
}

/// What tells scalars apart.
fn scalar_text(e: &Evaluation<'_>, item: Item) -> Option<String> {
    match item {
        Item::Json(value) if item.is_string() => Some(format!("\"{}", e.scratch.str(value))),
        _ if item.is_number() => e.number(item).map(|number| format!("{}", number + 0.0)),
        Item::Json(value) if !item.is_array() && !item.is_object() => {
            Some(e.scratch.raw(value).to_string())
        }
        _ => None,
    }
}
