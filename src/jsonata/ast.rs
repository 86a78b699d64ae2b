//! The syntax tree: first as parsed, then as `resolve` rewrites it.

use super::error::QueryError;
use super::signature::Signature;

/// A `%`'s search for the step it stands for; several places hold the same one.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// Names the variable that carries the parent.
    pub label: usize,
    /// Steps still to go up.
    pub level: i32,
}

pub(super) type SlotId = usize;

#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub kind: StageKind,
}

#[derive(Clone, Debug)]
pub(super) enum StageKind {
    /// `[expr]`
    Filter(Ast),
    /// `#$name` behind a predicate
    Index(String),
}

/// `{key: value, ...}`
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub pairs: Vec<(Ast, Ast)>,
    pub at: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Term {
    pub is_descending: bool,
    pub expression: Ast,
}

/// A node and what is attached to it.
#[derive(Clone, Debug)]
pub(super) struct Ast {
    pub kind: Kind,
    pub at: u32,
    /// `[]` follows: one result stays an array.
    pub keep_array: bool,
    /// Filters on the node's own result.
    pub predicates: Vec<Stage>,
    /// Filters and indexes on each result of a step.
    pub stages: Vec<Stage>,
    pub group: Option<Box<Group>>,
    /// `@$name`
    pub focus: Option<String>,
    /// `#$name`
    pub index: Option<String>,
    /// The `%` that stands for this step's input.
    pub ancestor: Option<SlotId>,
    /// Does it take part in a stream of tuples?
    pub is_tuple: bool,
    /// An array constructor whose arrays are not flattened.
    pub is_cons: bool,
    /// Of a path: one result stays an array.
    pub keep_singleton: bool,
    /// The `%` in here that look for their step further out.
    pub seeking: Vec<SlotId>,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// `true`, `"text"`, `null`
    Null,
    Bool(bool),
    String(String),
    Number(f64),
    /// `/a+/i`
    Regex {
        pattern: String,
        flags: String,
    },
    /// `name`
    Name(String),
    /// `$name`; `$` has no name
    Variable(String),
    /// `*`
    Wildcard,
    /// `**`
    Descendant,
    /// `%`
    Parent(SlotId),
    /// `and`, where an operand is expected: a name after all
    Operator(&'static str),
    /// `?` among arguments
    Placeholder,
    /// `a.b`, as parsed
    Dot(Box<Ast>, Box<Ast>),
    /// `a[b]`, as parsed
    Predicate(Box<Ast>, Box<Ast>),
    /// `a{b: c}`, as parsed
    GroupBy(Box<Ast>, Vec<(Ast, Ast)>),
    /// `a^(b)`, as parsed
    OrderBy(Box<Ast>, Vec<Term>),
    /// `a@$b`, as parsed
    Focus(Box<Ast>, String),
    /// `a#$b`, as parsed
    Index(Box<Ast>, String),
    /// `a.b`
    Path(Vec<Ast>),
    /// `^(a)`, a step
    Sort(Vec<Term>),
    /// `a + b`
    Binary(&'static str, Box<Ast>, Box<Ast>),
    /// `-a`
    Negate(Box<Ast>),
    /// `[a, b]`
    Array(Vec<Ast>),
    /// `{a: b}`
    Object(Vec<(Ast, Ast)>),
    /// `a ? b : c`
    Condition(Box<Ast>, Box<Ast>, Option<Box<Ast>>),
    /// `a ?? b`
    Coalesce(Box<Ast>, Box<Ast>),
    /// `a ?: b`
    Default(Box<Ast>, Box<Ast>),
    /// `(a; b)`
    Block(Vec<Ast>),
    /// `$a := b`
    Bind(String, Box<Ast>),
    /// `f(a)`
    Call {
        procedure: Box<Ast>,
        args: Vec<Ast>,
        is_tail: bool,
    },
    /// `f(a, ?)`
    Partial {
        procedure: Box<Ast>,
        args: Vec<Ast>,
    },
    /// `function($a)<s:s>{b}`
    Lambda {
        params: Vec<String>,
        signature: Option<Box<Signature>>,
        body: Box<Ast>,
    },
    /// `a ~> f`
    Apply(Box<Ast>, Box<Ast>),
    /// `|a|b,c|`
    Transform(Box<Ast>, Box<Ast>, Option<Box<Ast>>),
}

impl Ast {
    pub fn new(kind: Kind, at: u32) -> Ast {
        Ast {
            kind,
            at,
            keep_array: false,
            predicates: Vec::new(),
            stages: Vec::new(),
            group: None,
            focus: None,
            index: None,
            ancestor: None,
            is_tuple: false,
            is_cons: false,
            keep_singleton: false,
            seeking: Vec::new(),
        }
    }

    /// The last step, where it is a path; the node itself otherwise.
    pub fn last_step(&mut self) -> &mut Ast {
        if !self.is_path() {
            return self;
        }
        let Kind::Path(steps) = &mut self.kind else { unreachable!("it is a path") };
        steps.last_mut().expect("a path has a step")
    }

    pub fn is_path(&self) -> bool {
        matches!(self.kind, Kind::Path(_))
    }
}

/// What parsing yields.
pub(super) type Parsed = Result<Ast, QueryError>;
