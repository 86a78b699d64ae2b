//! Objects, truth, types, errors.

use std::collections::HashSet;

use super::super::compile;
use super::super::error::{Code, QueryError};
use super::super::eval::{Evaluation, Result};
use super::super::item::{Item, SEQUENCE};
use super::Args;

pub(super) fn boolean(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    match e.arg(args, 0) {
        Item::Nothing => Ok(Item::Nothing),
        Item::Function(_) => Ok(Item::bool(false)),
        item => e.truth(item).map(Item::bool),
    }
}

pub(super) fn not(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    match e.arg(args, 0) {
        Item::Nothing => Ok(Item::Nothing),
        Item::Function(_) => Ok(Item::bool(true)),
        item => Ok(Item::bool(!e.truth(item)?)),
    }
}

pub(super) fn exists(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    Ok(Item::bool(!e.arg(args, 0).is_nothing()))
}

/// `$keys`: of an array of objects, those of all.
pub(super) fn keys(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let (mark, held) = (e.mark(), e.held());
    let item = e.arg(args, 0);
    let mut known = item.is_array().then(HashSet::new);
    push_keys(e, item, &mut known)?;
    e.hold_only(held);
    e.list(mark, SEQUENCE)
}

/// Pushes the keys that are not among those `known`; the keys of one object are all different.
fn push_keys(
    e: &mut Evaluation<'_>,
    item: Item,
    known: &mut Option<HashSet<String>>,
) -> Result<()> {
    if item.is_array() {
        let mut walk = e.walk(item);
        while let Some(inner) = e.next(&mut walk) {
            push_keys(e, inner, known)?;
        }
        return Ok(());
    }
    let mut fields = e.memory.fields(e.scratch, item);
    while let Some((key, _)) = e.next_field(&mut fields) {
        let is_new = match (known.as_mut(), key) {
            (Some(known), Item::Json(name)) => {
                e.remember(name.size_max())?;
                known.insert(e.scratch.str(name).into_owned())
            }
            _ => true,
        };
        if is_new {
            e.push(key);
        }
    }
    Ok(())
}

pub(super) fn lookup(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(name) = e.text_arg(args, 1) else { return Ok(Item::Nothing) };
    let item = e.arg(args, 0);
    if !item.is_array() {
        return Ok(e.member(item, &name));
    }
    let mark = e.mark();
    push_members(e, item, &name)?;
    e.list(mark, SEQUENCE)
}

fn push_members(e: &mut Evaluation<'_>, array: Item, name: &str) -> Result<()> {
    let mut walk = e.walk(array);
    while let Some(item) = e.next(&mut walk) {
        if item.is_array() {
            push_members(e, item, name)?;
        } else {
            e.push_all(e.member(item, name))?;
        }
    }
    Ok(())
}

/// `$spread`: an object of each member.
pub(super) fn spread(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let item = e.arg(args, 0);
    if !item.is_array() && !item.is_object() {
        return Ok(item);
    }
    let mark = e.mark();
    push_spread(e, item)?;
    let flags = if item.is_array() && e.len(item) > 0 { 0 } else { SEQUENCE };
    e.list(mark, flags)
}

fn push_spread(e: &mut Evaluation<'_>, item: Item) -> Result<()> {
    if item.is_array() {
        let mut walk = e.walk(item);
        while let Some(inner) = e.next(&mut walk) {
            push_spread(e, inner)?;
        }
    } else if item.is_object() {
        let mut fields = e.memory.fields(e.scratch, item);
        while let Some((key, value)) = e.next_field(&mut fields) {
            let inner = e.mark();
            e.push(key);
            e.push(value);
            let object = e.members(inner)?;
            e.push(object);
        }
    } else {
        e.push(item);
    }
    Ok(())
}

/// `$merge`: of members with the same name the last wins.
pub(super) fn merge(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let array = e.arg(args, 0);
    if array.is_nothing() {
        return Ok(array);
    }
    let (mark, held) = (e.mark(), e.held());
    let mut places = std::collections::HashMap::new();
    let mut walk = e.walk(array);
    while let Some(object) = e.next(&mut walk) {
        let mut fields = e.memory.fields(e.scratch, object);
        while let Some((key, value)) = e.next_field(&mut fields) {
            let Item::Json(name) = key else { continue };
            e.remember(name.size_max())?;
            let place = *places.entry(e.scratch.str(name).into_owned()).or_insert(e.mark());
            if place == e.mark() {
                e.push(key);
                e.push(value);
            } else {
                e.memory.stack[place + 1] = value;
            }
        }
    }
    e.hold_only(held);
    e.members(mark)
}

pub(super) fn error(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let message = e.text_arg(args, 0).filter(|message| !message.is_empty());
    let message = message.unwrap_or_else(|| "$error() function evaluated".into());
    Err(QueryError::new(Code::D3137).whole("message", message))
}

pub(super) fn assert(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    if e.truth(e.arg(args, 0))? {
        return Ok(Item::Nothing);
    }
    let message = e.text_arg(args, 1).filter(|message| !message.is_empty());
    let message = message.unwrap_or_else(|| "$assert() statement failed".into());
    Err(QueryError::new(Code::D3141).whole("message", message))
}

pub(super) fn type_name(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let item = e.arg(args, 0);
    let name = match item {
        Item::Nothing => return Ok(item),
        Item::Number(_) => "number",
        Item::List(_) => "array",
        Item::Record(_) | Item::Tuple(_) => "object",
        Item::Function(_) => "function",
        Item::Json(value) => value.kind().name(),
    };
    e.string(name)
}

pub(super) fn clone(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    match e.arg(args, 0) {
        Item::Nothing => Ok(Item::Nothing),
        item => e.copy(item),
    }
}

/// Steps that compiling costs, whatever the text.
const EVAL_STEPS: usize = 100;
/// Bytes of a program for each of its nodes, about.
const EVAL_NODE_BYTES: usize = 64;

/// `$eval`: compiles the text into the running program.
pub(super) fn eval(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(text) = e.text_arg(args, 0) else { return Ok(Item::Nothing) };
    e.spend(EVAL_STEPS + e.program.nodes.len() + text.len())?;
    e.hold(e.program.nodes.len() * EVAL_NODE_BYTES)?;
    let mut program = e.program.clone();
    let compiled = compile::compile(&text, e.options, &mut program, e.scratch);
    let root =
        compiled.map_err(|inner| QueryError::new(Code::D3120).text("value", inner.message()))?;
    e.memory.globals.extend_from_slice(&program.functions[e.program.names.len()..]);
    e.grow(program);
    let focus = e.arg(args, 1);
    let input = if focus.is_nothing() { args.input } else { focus };
    let input = if focus.is_array() { e.wrapped(input) } else { input };
    e.enter()?;
    let result = e
        .eval(root, input, args.frame)
        .map_err(|inner| QueryError::new(Code::D3121).text("value", inner.message()))?;
    e.leave();
    Ok(result)
}
