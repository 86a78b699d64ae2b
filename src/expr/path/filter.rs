//! Filters: `[?(@.price < 10 && @.name =~ /a.*/i)]`.

use std::cmp::Ordering;

use regex::Regex;

use super::parse::{Cursor, is_name};
use super::select::{self, Walk};
use super::{Path, PathError, Root, Step};
use crate::fault::StateError;
use crate::value::{Kind, Value};

/// Parentheses and filters within filters.
const DEPTH_MAX: usize = 32;

/// A condition on `@`.
#[derive(Clone, Debug)]
pub(in crate::expr) enum Filter {
    /// `a || b`
    Or(Box<[Filter]>),
    /// `a && b`
    And(Box<[Filter]>),
    /// `!a`
    Not(Box<Filter>),
    /// `@.a`: it leads somewhere
    Exists(Operand),
    /// `@.a =~ /b.*/i`: the whole text matches
    Matches(Operand, Regex),
    /// `@.a == 1`
    Compare(Operand, Operator, Operand),
}

/// A side of a comparison.
#[derive(Clone, Debug)]
pub(in crate::expr) enum Operand {
    /// `@.a`
    Here(Path),
    /// `$.a`
    Root(Path),
    /// `1`
    Number(f64),
    /// `'a'`
    Text(Box<str>),
    /// `true`
    Bool(bool),
    /// `null`
    Null,
    /// `[1, 'a']`
    List(Box<[Operand]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expr) enum Operator {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `in`
    In,
    /// `nin`
    NotIn,
    /// `contains`: the left side, an array or text, has the right one
    Contains,
}

/// Longer ones before their prefixes.
const OPERATORS: [(&str, Operator); 9] = [
    ("==", Operator::Equal),
    ("!=", Operator::Unequal),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("in ", Operator::In),
    ("nin ", Operator::NotIn),
    ("contains ", Operator::Contains),
];

/// `?(...)`, within brackets.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Step, PathError> {
    cursor.expect("?")?;
    cursor.expect("(")?;
    let filter = nested(cursor)?;
    cursor.expect(")")?;
    Ok(Step::Filter(Box::new(filter)))
}

fn nested(cursor: &mut Cursor<'_>) -> Result<Filter, PathError> {
    cursor.depth += 1;
    if cursor.depth > DEPTH_MAX {
        return Err(cursor.error(&format!("nests filters deeper than {DEPTH_MAX}")));
    }
    let filter = or(cursor);
    cursor.depth -= 1;
    filter
}

fn or(cursor: &mut Cursor<'_>) -> Result<Filter, PathError> {
    let mut parts = vec![and(cursor)?];
    cursor.spaces();
    while cursor.eat("||") {
        parts.push(and(cursor)?);
        cursor.spaces();
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts.into()) })
}

fn and(cursor: &mut Cursor<'_>) -> Result<Filter, PathError> {
    let mut parts = vec![not(cursor)?];
    cursor.spaces();
    while cursor.eat("&&") {
        parts.push(not(cursor)?);
        cursor.spaces();
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts.into()) })
}

fn not(cursor: &mut Cursor<'_>) -> Result<Filter, PathError> {
    cursor.spaces();
    let mut is_negated = false;
    while cursor.eat("!") {
        is_negated = !is_negated;
        cursor.spaces();
    }
    let filter = match cursor.eat("(") {
        true => {
            let filter = nested(cursor)?;
            cursor.expect(")")?;
            filter
        }
        false => comparison(cursor)?,
    };
    Ok(if is_negated { Filter::Not(Box::new(filter)) } else { filter })
}

fn comparison(cursor: &mut Cursor<'_>) -> Result<Filter, PathError> {
    let left = operand(cursor)?;
    cursor.spaces();
    if cursor.eat("=~") {
        return Ok(Filter::Matches(left, pattern(cursor)?));
    }
    for (text, operator) in OPERATORS {
        if cursor.eat(text) {
            return Ok(Filter::Compare(left, operator, operand(cursor)?));
        }
    }
    match left {
        Operand::Here(_) | Operand::Root(_) => Ok(Filter::Exists(left)),
        _ => Err(cursor.error("needs a comparison in its filter")),
    }
}

/// `/text/flags`
fn pattern(cursor: &mut Cursor<'_>) -> Result<Regex, PathError> {
    cursor.expect("/")?;
    let mut is_escaped = false;
    let text = cursor.run(|c| c != '/');
    let mut text = text.to_owned();
    while text.ends_with('\\') && !is_escaped && cursor.eat("/") {
        text.pop();
        text.push('/');
        text.push_str(cursor.run(|c| c != '/'));
        is_escaped = text.ends_with("\\\\");
    }
    cursor.expect("/")?;
    let flags = cursor.run(|c| c.is_ascii_alphabetic());
    let flags = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
    Regex::new(&format!("{flags}^(?:{text})$"))
        .map_err(|e| cursor.error(&format!("has a pattern that can't be used ({e})")))
}

fn operand(cursor: &mut Cursor<'_>) -> Result<Operand, PathError> {
    cursor.spaces();
    match cursor.peek() {
        Some(b'@' | b'$') => path(cursor),
        Some(b'\'' | b'"') => Ok(Operand::Text(cursor.quoted()?.into())),
        Some(b'[') => list(cursor),
        Some(_) => word(cursor),
        None => Err(cursor.error("ends within a filter")),
    }
}

fn path(cursor: &mut Cursor<'_>) -> Result<Operand, PathError> {
    let start = cursor.at;
    let is_here = cursor.peek() == Some(b'@');
    cursor.at += 1;
    cursor.depth += 1;
    if cursor.depth > DEPTH_MAX {
        return Err(cursor.error(&format!("nests filters deeper than {DEPTH_MAX}")));
    }
    let steps = cursor.steps()?;
    cursor.depth -= 1;
    let path = Path::new(&cursor.text[start..cursor.at], Root::Input, steps);
    Ok(if is_here { Operand::Here(path) } else { Operand::Root(path) })
}

fn list(cursor: &mut Cursor<'_>) -> Result<Operand, PathError> {
    cursor.expect("[")?;
    let mut items = Vec::new();
    cursor.spaces();
    while cursor.peek() != Some(b']') {
        if !items.is_empty() {
            cursor.expect(",")?;
        }
        cursor.spaces();
        if cursor.peek() == Some(b'[') {
            return Err(cursor.error("has a list within a list"));
        }
        items.push(operand(cursor)?);
        cursor.spaces();
    }
    cursor.expect("]")?;
    Ok(Operand::List(items.into()))
}

/// A number, `true`, `false`, `null`; any other word is a text without its quotes.
fn word(cursor: &mut Cursor<'_>) -> Result<Operand, PathError> {
    match cursor.run(|c| is_name(c) || c == '.' || c == '+') {
        "" => Err(cursor.error("needs a value in its filter")),
        "true" => Ok(Operand::Bool(true)),
        "false" => Ok(Operand::Bool(false)),
        "null" => Ok(Operand::Null),
        word => Ok(match word.parse::<f64>() {
            Ok(number) if number.is_finite() => Operand::Number(number),
            _ => Operand::Text(word.into()),
        }),
    }
}

/// What an operand stands for at one place.
enum Side<'a> {
    Value(Value),
    Operand(&'a Operand),
}

impl Filter {
    /// Is it true of `here`?
    pub(super) fn accepts(&self, walk: &mut Walk<'_>, here: Value) -> Result<bool, StateError> {
        Ok(match self {
            Filter::Or(parts) => {
                for part in parts {
                    if part.accepts(walk, here)? {
                        return Ok(true);
                    }
                }
                false
            }
            Filter::And(parts) => {
                for part in parts {
                    if !part.accepts(walk, here)? {
                        return Ok(false);
                    }
                }
                true
            }
            Filter::Not(part) => !part.accepts(walk, here)?,
            Filter::Exists(operand) => operand.resolve(walk, here)?.is_some(),
            Filter::Matches(operand, regex) => match operand.resolve(walk, here)? {
                Some(side) => walk.text(&side).is_some_and(|text| regex.is_match(&text)),
                None => false,
            },
            Filter::Compare(left, operator, right) => {
                let (left, right) = (left.resolve(walk, here)?, right.resolve(walk, here)?);
                match (left, right) {
                    (Some(left), Some(right)) => {
                        walk.spend(left.count(walk) + right.count(walk))?;
                        walk.compare(&left, *operator, &right)
                    }
                    _ => matches!(operator, Operator::Unequal | Operator::NotIn),
                }
            }
        })
    }
}

impl Side<'_> {
    /// Items that a comparison may look at.
    fn count(&self, walk: &Walk<'_>) -> usize {
        match self {
            Side::Value(value) => walk.scratch.count(*value),
            Side::Operand(Operand::List(list)) => list.len(),
            Side::Operand(_) => 0,
        }
    }
}

impl Operand {
    fn resolve(&self, walk: &mut Walk<'_>, here: Value) -> Result<Option<Side<'_>>, StateError> {
        let (path, start) = match self {
            Operand::Here(path) => (path, here),
            Operand::Root(path) => (path, walk.root),
            constant => return Ok(Some(Side::Operand(constant))),
        };
        let found =
            select::select(walk.scratch, walk.root, start, path, path.steps(), &mut walk.visits)?;
        Ok(found.map(Side::Value))
    }
}

impl Walk<'_> {
    fn text<'a>(&'a self, side: &Side<'a>) -> Option<std::borrow::Cow<'a, str>> {
        match side {
            Side::Value(value) if value.kind() == Kind::String => Some(self.scratch.str(*value)),
            Side::Operand(Operand::Text(text)) => Some((&**text).into()),
            _ => None,
        }
    }

    fn number(&self, side: &Side<'_>) -> Option<f64> {
        match side {
            Side::Value(value) => self.scratch.f64(*value),
            Side::Operand(Operand::Number(number)) => Some(*number),
            Side::Operand(_) => None,
        }
    }

    fn compare(&self, left: &Side<'_>, operator: Operator, right: &Side<'_>) -> bool {
        let order = || self.order(left, right);
        match operator {
            Operator::Equal => self.equal(left, right),
            Operator::Unequal => !self.equal(left, right),
            Operator::Less => order() == Some(Ordering::Less),
            Operator::LessOrEqual => order().is_some_and(Ordering::is_le),
            Operator::Greater => order() == Some(Ordering::Greater),
            Operator::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
            Operator::In => self.has(right, left),
            Operator::NotIn => !self.has(right, left),
            Operator::Contains => match (self.text(left), self.text(right)) {
                (Some(left), Some(right)) => left.contains(&*right),
                _ => self.has(left, right),
            },
        }
    }

    /// Numbers by value, texts by their UTF-16 units; others have no order.
    fn order(&self, left: &Side<'_>, right: &Side<'_>) -> Option<Ordering> {
        if let (Some(left), Some(right)) = (self.number(left), self.number(right)) {
            return left.partial_cmp(&right);
        }
        let (left, right) = (self.text(left)?, self.text(right)?);
        Some(left.encode_utf16().cmp(right.encode_utf16()))
    }

    fn equal(&self, left: &Side<'_>, right: &Side<'_>) -> bool {
        match (left, right) {
            (Side::Value(left), Side::Value(right)) => self.scratch.equals(*left, *right),
            (Side::Value(value), Side::Operand(operand))
            | (Side::Operand(operand), Side::Value(value)) => self.is(*value, operand),
            (Side::Operand(_), Side::Operand(_)) => {
                self.order(left, right) == Some(Ordering::Equal)
            }
        }
    }

    /// Is `value` what `operand` says? A number and the text that spells one are equal, as in the
    /// service's library.
    fn is(&self, value: Value, operand: &Operand) -> bool {
        let scratch = &self.scratch;
        match (operand, value.kind()) {
            (Operand::Text(text), Kind::String) => scratch.says(value, text),
            (Operand::Text(text), Kind::Number) => text.parse().ok() == scratch.f64(value),
            (Operand::Number(number), Kind::Number) => scratch.f64(value) == Some(*number),
            (Operand::Number(number), Kind::String) => {
                scratch.str(value).parse().ok() == Some(*number)
            }
            (Operand::Bool(bool), _) => value.as_bool() == Some(*bool),
            (Operand::Null, _) => value.is_null(),
            (Operand::List(list), Kind::Array) => {
                let mut items = scratch.items(value);
                scratch.count(value) == list.len()
                    && list.iter().all(|operand| {
                        scratch.next_item(&mut items).is_some_and(|item| self.is(item, operand))
                    })
            }
            _ => false,
        }
    }

    /// Is `wanted` an item of `list`?
    fn has(&self, list: &Side<'_>, wanted: &Side<'_>) -> bool {
        match list {
            Side::Operand(Operand::List(list)) => {
                list.iter().any(|item| self.equal(wanted, &Side::Operand(item)))
            }
            Side::Value(list) => {
                let mut items = self.scratch.items(*list);
                std::iter::from_fn(|| self.scratch.next_item(&mut items))
                    .any(|item| self.equal(wanted, &Side::Value(item)))
            }
            Side::Operand(_) => false,
        }
    }
}
