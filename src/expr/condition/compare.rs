//! The 39 operators.

use std::cmp::Ordering;

use crate::expr::path::Path;
use crate::expr::timestamp::Timestamp;
use crate::value::{Kind, Scratch, Value};

/// How two values must stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expr) enum Relation {
    /// `...Equals`
    Equal,
    /// `...LessThan`
    Less,
    /// `...GreaterThan`
    Greater,
    /// `...LessThanEquals`
    LessOrEqual,
    /// `...GreaterThanEquals`
    GreaterOrEqual,
}

/// An operator with what it compares to.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// `StringEquals` and its kin
    Text(Relation, Box<str>),
    /// `NumericEquals` and its kin
    Number(Relation, f64),
    /// `TimestampEquals` and its kin
    Time(Relation, Timestamp),
    /// `BooleanEquals`
    Bool(bool),
    /// `StringEqualsPath` and its kin
    TextPath(Relation, Path),
    /// `NumericEqualsPath` and its kin
    NumberPath(Relation, Path),
    /// `TimestampEqualsPath` and its kin
    TimePath(Relation, Path),
    /// `BooleanEqualsPath`
    BoolPath(Path),
    /// `StringMatches`
    Matches(Pattern),
    /// `IsNull`, `IsString`, `IsNumeric`, `IsBoolean`
    Is(Kind, bool),
    /// `IsTimestamp`
    IsTimestamp(bool),
    /// `IsPresent`
    IsPresent(bool),
}

impl Relation {
    pub(in crate::expr) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Relation::Equal => ordering.is_eq(),
            Relation::Less => ordering.is_lt(),
            Relation::Greater => ordering.is_gt(),
            Relation::LessOrEqual => ordering.is_le(),
            Relation::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

impl Test {
    /// Where it finds what it compares to, unless that is constant.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Test::TextPath(_, path) | Test::NumberPath(_, path) => Some(path),
            Test::TimePath(_, path) | Test::BoolPath(path) => Some(path),
            _ => None,
        }
    }

    /// Can it compare to this, which its path leads to? A variable of another type makes it false, as
    /// recorded; here other engines agree that the state fails.
    pub(super) fn takes(&self, scratch: &Scratch, comparand: Value) -> bool {
        match self {
            Test::TextPath(..) => comparand.kind() == Kind::String,
            Test::NumberPath(..) => comparand.kind() == Kind::Number,
            Test::TimePath(..) => timestamp(scratch, comparand).is_some(),
            Test::BoolPath(_) => comparand.kind() == Kind::Bool,
            _ => true,
        }
    }

    /// Does it hold of `variable`? `comparand` is what its path leads to, of the test's type.
    #[inline]
    pub(super) fn holds(&self, scratch: &Scratch, variable: Value, comparand: Value) -> bool {
        match self {
            Test::Bool(bool) => variable.as_bool() == Some(*bool),
            Test::Text(Relation::Equal, text) => {
                variable.kind() == Kind::String && scratch.says(variable, text)
            }
            Test::Number(relation, number) => {
                let ordering = scratch.f64(variable).and_then(|v| v.partial_cmp(number));
                ordering.is_some_and(|ordering| relation.holds(ordering))
            }
            _ => self.holds_otherwise(scratch, variable, comparand),
        }
    }

    fn holds_otherwise(&self, scratch: &Scratch, variable: Value, comparand: Value) -> bool {
        let is = |relation: Relation, ordering: Option<Ordering>| {
            ordering.is_some_and(|ordering| relation.holds(ordering))
        };
        match self {
            Test::Number(..) | Test::Bool(_) => self.holds(scratch, variable, comparand),
            Test::NumberPath(relation, _) => {
                let pair = scratch.f64(variable).zip(scratch.f64(comparand));
                is(*relation, pair.and_then(|(a, b)| a.partial_cmp(&b)))
            }
            Test::Text(relation, text) => is(*relation, order(scratch, variable, text)),
            Test::TextPath(relation, _) => {
                is(*relation, order(scratch, variable, &scratch.str(comparand)))
            }
            Test::Time(relation, time) => {
                is(*relation, timestamp(scratch, variable).map(|v| v.cmp(time)))
            }
            Test::TimePath(relation, _) => {
                let pair = timestamp(scratch, variable).zip(timestamp(scratch, comparand));
                is(*relation, pair.map(|(a, b)| a.cmp(&b)))
            }
            Test::BoolPath(_) => variable.as_bool() == comparand.as_bool(),
            Test::Matches(pattern) => {
                variable.kind() == Kind::String && pattern.matches(&scratch.str(variable))
            }
            Test::Is(kind, wanted) => (variable.kind() == *kind) == *wanted,
            Test::IsTimestamp(wanted) => timestamp(scratch, variable).is_some() == *wanted,
            Test::IsPresent(wanted) => *wanted,
        }
    }
}

/// By UTF-16 unit, as Java compares strings.
fn order(scratch: &Scratch, variable: Value, text: &str) -> Option<Ordering> {
    let is_text = variable.kind() == Kind::String;
    is_text.then(|| scratch.str(variable).encode_utf16().cmp(text.encode_utf16()))
}

fn timestamp(scratch: &Scratch, value: Value) -> Option<Timestamp> {
    Timestamp::parse(&scratch.str(value))
}

/// A text in which `*` stands for any characters; `\*` is an asterisk, `\\` a backslash.
#[derive(Clone, Debug)]
pub(in crate::expr) struct Pattern {
    /// What lies between the asterisks.
    parts: Box<[Box<str>]>,
}

impl Pattern {
    /// Reads the pattern; a backslash before anything else stands for itself.
    pub(in crate::expr) fn new(text: &str) -> Pattern {
        let mut parts = vec![String::new()];
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let last = parts.len() - 1;
            match c {
                '*' => parts.push(String::new()),
                '\\' => {
                    let escaped = chars.next_if(|&next| next == '*' || next == '\\');
                    parts[last].push(escaped.unwrap_or('\\'));
                }
                c => parts[last].push(c),
            }
        }
        Pattern { parts: parts.into_iter().map(String::into_boxed_str).collect() }
    }

    /// Does the whole text match? The earliest place for each part leaves most room for the next.
    pub(in crate::expr) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = &*self.parts else { return text == &*self.parts[0] };
        let Some(mut rest) = text.strip_prefix(&**first).and_then(|t| t.strip_suffix(&**last))
        else {
            return false;
        };
        for part in middle {
            match rest.find(&**part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        true
    }
}
