//! A compiled expression: flat tables that refer to each other by typed indexes.

use super::item::Item;
use super::pattern::Pattern;
use super::signature::Signature;
use crate::value::{Key, Value};

macro_rules! ids {
    ($($name:ident)*) => {
        $(
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub(super) struct $name(pub u32);

            impl $name {
                pub fn index(self) -> usize {
                    self.0 as usize
                }
            }
        )*
    };
}

ids! { NodeId NameId KeyId PathId PlainId FlowId CallId LambdaId GroupId SortId RegexId TransformId }

/// A run of entries in a table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub start: u32,
    pub len: u32,
}

impl Span {
    pub fn indexes(self) -> std::ops::Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    /// `"text"`, `true`, `null`
    Constant(Value),
    /// `1.5`
    Number(f64),
    /// `$`
    Context,
    /// `$$`
    Root,
    /// `$name`
    Variable(NameId),
    /// `name`, as a step
    Field(KeyId),
    /// `*`
    Wildcard,
    /// `**`
    Descendant,
    /// `%`
    Parent(NameId),
    /// `a`, as the whole of a path
    Name(KeyId, PathId),
    /// `a.b`, `$a.b`: names and nothing else
    Plain(PlainId),
    /// `a[b > 1].c`, `a.(b * c)`: names, filters and at the end a computation
    Flow(FlowId),
    /// `a.b`
    Path(PathId),
    /// `a + b`
    Arithmetic(Arithmetic, NodeId, NodeId),
    /// `a < b`
    Order(Order, NodeId, NodeId),
    /// `a = b`
    Equal(NodeId, NodeId),
    /// `a != b`
    Unequal(NodeId, NodeId),
    /// `a & b & c`
    Concat(Span),
    /// `a..b`
    Range(NodeId, NodeId),
    /// `a in b`
    In(NodeId, NodeId),
    /// `a and b`
    And(NodeId, NodeId),
    /// `a or b`
    Or(NodeId, NodeId),
    /// `-a`
    Negate(NodeId),
    /// `[a, b]`; with `is_cons` it is not flattened
    Array { items: Span, is_cons: bool },
    /// `{a: b}`
    Object(GroupId),
    /// `a ? b : c`
    Condition(NodeId, NodeId, Option<NodeId>),
    /// `a ?? b`
    Coalesce(NodeId, NodeId),
    /// `a ?: b`
    Default(NodeId, NodeId),
    /// `(a; b)`
    Block(Span),
    /// `$a := b`
    Bind(NameId, NodeId),
    /// `/a+/`
    Regex(RegexId),
    /// `f(a)`
    Call(CallId),
    /// `f(a)`, whose result is the function's
    TailCall(CallId),
    /// `f(a, ?)`
    Partial(CallId),
    /// `?`
    Placeholder,
    /// `function($a){b}`
    Lambda(LambdaId),
    /// `a ~> f`
    Apply(NodeId, NodeId),
    /// `a ~> f(b)`
    ApplyCall(NodeId, CallId),
    /// `|a|b,c|`
    Transform(TransformId),
    /// `a[b]`, where `a` is no path: filters
    Filter(NodeId, Span),
    /// `a{b: c}`, where `a` is no path
    GroupBy(NodeId, GroupId),
    /// `a[]`
    Keep(NodeId),
}

/// What is done with each result of a step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// `[1]`
    Item(f64),
    /// `[a > 1]`
    Filter(NodeId),
    /// `#$name`
    Index(NameId),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub node: NodeId,
    pub stages: Span,
    /// `^(...)`
    pub sort: Option<SortId>,
    /// `@$name`
    pub focus: Option<NameId>,
    /// `#$name`
    pub index: Option<NameId>,
    /// A `%` stands for this step's input.
    pub ancestor: Option<NameId>,
    pub is_tuple: bool,
    /// An array constructor.
    pub is_cons: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub steps: Span,
    pub group: Option<GroupId>,
    pub keep_singleton: bool,
    /// Its result stays a stream of tuples.
    pub is_tuple: bool,
    /// Begins with `$name`.
    pub is_absolute: bool,
}

/// A path of names, which through objects alone needs no sequences.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    pub start: Start,
    pub keys: Span,
    /// The same, through arrays too.
    pub flow: FlowId,
    /// The same, whatever it leads through.
    pub path: PathId,
}

/// A path whose items go through all steps one after the other: of what each step makes no sequence
/// need be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    pub start: Start,
    pub passes: Span,
    /// Nodes that an item may take.
    pub weight: u32,
    /// The same, whatever it leads through.
    pub path: PathId,
}

/// What an item of a flow goes through.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pass {
    /// `.a`
    Key(KeyId),
    /// `[a > 1]`: the key, the operator, the number, and the whole for all that is not as simple
    Compare(KeyId, Order, f64, NodeId),
    /// `[a]`
    Filter(NodeId),
    /// `.(a * b)`
    Calculate(Arithmetic, NodeId, NodeId, NodeId),
    /// `.(a & b)`
    Make(NodeId),
}

/// What a function makes of the items of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    /// `$sum`
    Sum,
    /// `$average`
    Average,
    /// `$max`
    Max,
    /// `$min`
    Min,
    /// `$count`
    Count,
}

/// What a function makes of how its argument comes out, whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// `$exists`
    Exists,
    /// `$boolean`
    Boolean,
    /// `$not`
    Not,
}

/// Where a path of names begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// `a`, `$.a`
    Context,
    /// `$$.a`
    Root,
    /// `$name.a`
    Variable(NameId),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub procedure: NodeId,
    pub args: Span,
    /// What the procedure is called, for messages.
    pub name: Option<NameId>,
    /// Is the procedure a path, perhaps a function that lacks its `$`?
    pub is_path: bool,
    /// `$sum(a.b)`, unless the name stands for another function.
    pub fold: Option<(Fold, FlowId)>,
    /// `$exists(a.b)`, likewise.
    pub test: Option<(Test, NodeId)>,
    pub at: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Lambda {
    /// Names.
    pub params: Span,
    pub signature: Option<u32>,
    pub body: NodeId,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// Keys and values in turn.
    pub pairs: Span,
    /// All keys are constants, and no two of them are the same.
    pub has_fixed_keys: bool,
    pub at: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    pub node: NodeId,
    pub is_descending: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sort {
    pub terms: Span,
    pub at: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Transform {
    pub pattern: NodeId,
    pub update: NodeId,
    pub delete: Option<NodeId>,
    pub at: u32,
}

/// The tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    pub nodes: Vec<Node>,
    /// Which nodes [`super::eval::Evaluation::direct`] may know.
    pub are_direct: Vec<bool>,
    /// Which of those may write text before they have a value.
    pub make_text: Vec<bool>,
    /// Where each node stands in the text; read only when something fails.
    pub positions: Vec<u32>,
    pub children: Vec<NodeId>,
    pub paths: Vec<Path>,
    pub steps: Vec<Step>,
    pub plains: Vec<Plain>,
    pub plain_keys: Vec<KeyId>,
    pub flows: Vec<Flow>,
    pub passes: Vec<Pass>,
    pub stages: Vec<Stage>,
    pub calls: Vec<Call>,
    pub lambdas: Vec<Lambda>,
    pub params: Vec<NameId>,
    pub groups: Vec<Group>,
    pub sorts: Vec<Sort>,
    pub terms: Vec<Term>,
    pub transforms: Vec<Transform>,
    pub keys: Vec<Key>,
    pub regexes: Vec<Pattern>,
    pub signatures: Vec<Signature>,
    /// Where the text reads the whole input.
    pub input_read: Option<u32>,
    /// Where it reads a member of that.
    pub member_read: Option<u32>,
    /// Names of variables.
    pub names: Vec<Box<str>>,
    /// The functions that these names stand for, unless a variable hides them.
    pub functions: Vec<Item>,
}
