//! What an evaluation works with: JSON values, numbers that were computed, and what JSON has no
//! word for: nothing, sequences, functions, tuples.

use super::program::{LambdaId, NameId, RegexId, TransformId};
use crate::value::{Items, Kind, Members, Value};

/// Anything that an expression may evaluate to; `Copy`, meaningless without its evaluation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    /// Undefined: a path that leads nowhere.
    Nothing,
    /// A number that was computed; it may be infinite.
    Number(f64),
    Json(Value),
    List(List),
    Record(Record),
    Function(Function),
    /// A row of a tuple stream.
    Tuple(u32),
}

/// The list is a sequence: one item stands for itself, none for nothing.
pub(super) const SEQUENCE: u8 = 1;
/// The list was written as an array constructor within a path, and is not flattened.
pub(super) const CONS: u8 = 2;
/// A sequence of one item stays an array.
pub(super) const KEEP: u8 = 4;
/// The list wraps the input, which is an array.
pub(super) const OUTER: u8 = 8;
/// The items are tuples.
pub(super) const TUPLES: u8 = 16;
/// `[1..n]`: the only item that is stored is the first number.
pub(super) const RANGE: u8 = 32;

/// An array that was computed.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub start: u32,
    pub len: u32,
    /// Bytes of its text, at most about.
    pub size: u32,
    /// Levels of lists and records in it.
    pub height: u16,
    pub flags: u8,
}

impl List {
    pub fn is(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub fn with(self, flags: u8) -> List {
        List { flags, ..self }
    }
}

/// An object that JSON can't hold, with functions in it say: keys and values in turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub start: u32,
    pub len: u32,
    /// Bytes of its text, at most about.
    pub size: u32,
    pub height: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// A row of the table of functions.
    Native(u16),
    Closure(u32),
}

/// A function made by the evaluation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Closure {
    /// `function($a){...}`
    Lambda { lambda: LambdaId, input: Item, frame: Frame },
    /// `f(a, ?)`: the arguments are a list in which some are [`Item::Tuple`], the gaps.
    Partial { target: Function, args: List },
    /// `f ~> g`
    Chain(Function, Function),
    /// `|a|b,c|`
    Transform { transform: TransformId, frame: Frame },
    /// `/a+/`
    Regex(RegexId),
    /// What finds the match behind one that was found.
    NextMatch { regex: RegexId, text: Value, from: u32 },
}

/// Marks a gap in the arguments of a partial application.
pub(super) const GAP: Item = Item::Tuple(u32::MAX);

/// Variables, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame(pub u32);

/// No variables but the global ones.
pub(super) const GLOBAL: Frame = Frame(u32::MAX);

/// The variables of a block or call; the newest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variables {
    pub outer: Frame,
    pub first: u32,
}

/// No binding.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    pub name: NameId,
    pub next: u32,
    pub item: Item,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Tuple {
    /// `@`
    pub context: Item,
    pub first: u32,
}

impl Item {
    #[inline]
    pub fn of(value: Option<Value>) -> Item {
        value.map_or(Item::Nothing, Item::Json)
    }

    pub fn bool(value: bool) -> Item {
        Item::Json(Value::bool(value))
    }

    pub fn is_nothing(self) -> bool {
        matches!(self, Item::Nothing)
    }

    pub fn is_array(self) -> bool {
        match self {
            Item::Json(value) => value.kind() == Kind::Array,
            Item::List(_) => true,
            _ => false,
        }
    }

    pub fn is_object(self) -> bool {
        match self {
            Item::Json(value) => value.kind() == Kind::Object,
            Item::Record(_) => true,
            _ => false,
        }
    }

    pub fn is_string(self) -> bool {
        matches!(self, Item::Json(value) if value.kind() == Kind::String)
    }

    pub fn is_number(self) -> bool {
        match self {
            Item::Json(value) => value.kind() == Kind::Number,
            Item::Number(_) => true,
            _ => false,
        }
    }

    /// Has the list this flag?
    pub fn has(self, flag: u8) -> bool {
        matches!(self, Item::List(list) if list.is(flag))
    }
}

/// A cursor over the items of an array; over a single item otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) enum Walk {
    One(Item),
    List { at: u32, end: u32 },
    Range { next: f64, left: u32 },
    Json(Items),
}

/// A cursor over the members of an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fields {
    Json(Members),
    Record { at: u32, end: u32 },
}
