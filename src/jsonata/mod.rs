//! JSONata: an expression is compiled once to a flat program and evaluated over values in place.
//!
//! ```text
//! text -> lexer -> parser -> resolve -> compile -> Program -> eval -> Outcome
//! ```
//!
//! The language is that of the reference implementation's release 2.0.6; what it means by a
//! sequence, and which errors it gives, is kept. Differences: matching a regular expression takes
//! linear time, so back references and look-around are refused ([`Code::S0303`]); numbers that only
//! pass through keep their spelling; a string can't hold half a surrogate pair; every evaluation
//! has a budget ([`Limits`]). Unless [`Options::is_strict`] is off, `$eval` is unknown, and the
//! functions that Step Functions adds are there either way.

mod ast;
mod compile;
mod error;
mod eval;
mod flow;
mod functions;
mod item;
mod lexer;
mod memory;
mod number;
mod parser;
mod pattern;
mod program;
mod resolve;
mod scope;
mod signature;

#[cfg(test)]
mod tests;

pub use error::{Code, QueryError};
pub use memory::Memory;

use crate::value::{Key, Kind, Scratch, Value};
use eval::{Budget, Evaluation, Grown};
use item::{GLOBAL, Item, List, OUTER, SEQUENCE};
use program::{NameId, Node, NodeId, Program};

/// Which language an expression is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// As Step Functions has it: without `$eval`.
    pub is_strict: bool,
    /// With `??` and `?:`, which JSONata 2.1 added.
    pub has_2_1: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { is_strict: true, has_2_1: false }
    }
}

/// What an evaluation may take; a breach is an error that names the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nodes evaluated, and items that functions look at.
    pub steps_max: u64,
    /// Evaluations within evaluations.
    pub depth_max: u32,
    /// Bytes of native stack, whatever the depth.
    pub stack_bytes_max: usize,
    /// Items of one sequence.
    pub sequence_max: u32,
    /// Bytes of one string.
    pub string_bytes_max: usize,
    /// Bytes of all that an evaluation makes.
    pub memory_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            steps_max: 10_000_000,
            depth_max: 2_000,
            stack_bytes_max: 1 << 20,
            sequence_max: 10_000_000,
            string_bytes_max: 8 << 20,
            memory_max: 64 << 20,
        }
    }
}

/// What an evaluation is given beside its input.
pub struct Environment<'a> {
    /// Milliseconds since 1970, for `$now` and `$millis`.
    pub now: i64,
    /// The next 64 random bits, for `$random`, `$shuffle` and `$uuid`.
    pub random: &'a mut dyn FnMut() -> u64,
    /// The budget.
    pub limits: Limits,
    /// Working memory.
    pub memory: &'a mut Memory,
}

/// How an evaluation ends.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// With a value.
    Value(Value),
    /// With nothing: a path that leads nowhere, say.
    Undefined,
    /// With a function, for which JSON has no value.
    Function,
}

/// A compiled expression; immutable, and shared by all who evaluate it.
#[derive(Clone, Debug)]
pub struct Expression {
    text: Box<str>,
    program: Box<Program>,
    root: NodeId,
    options: Options,
    path: Option<(NameId, Box<[Key]>)>,
}

/// Gives a variable by its index; `None`, where there is none.
type Ask<'a> = &'a mut dyn FnMut(&mut Scratch, usize) -> Option<Value>;

impl Expression {
    /// Compiles `text`; its constants go to `constants`, a copy of which it is evaluated in.
    pub fn parse(
        text: &str,
        options: Options,
        constants: &mut Scratch,
    ) -> Result<Expression, QueryError> {
        let mut program = Box::<Program>::default();
        let root = compile::compile(text, options, &mut program, constants)?;
        let path = flow::names(&program, root);
        Ok(Expression { text: text.into(), program, root, options, path })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where in its text it reads its whole input, in bytes: at a `$$`, or at a `$` that stands for it.
    pub fn input_read(&self) -> Option<usize> {
        self.program.input_read.map(|at| at as usize)
    }

    /// Where in its text it reads a member of its input, in bytes: at a name with nothing before it.
    pub fn member_read(&self) -> Option<usize> {
        self.program.member_read.map(|at| at as usize)
    }

    /// The names that it may ask variables of, in the order of their indexes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.program.names.iter().map(|name| &**name)
    }

    /// The name of the index `at`.
    pub fn name(&self, at: usize) -> &str {
        &self.program.names[at]
    }

    /// Makes the members of the variable `name` variables of their own, `name.member`, where it reads
    /// nothing of it but members.
    pub fn split(&mut self, name: &str) {
        if flow::split(&mut self.program, name) {
            self.path = flow::names(&self.program, self.root);
        }
    }

    /// The index of a variable, and the names of a path in it, where it is nothing else. Where these
    /// lead through objects alone to something, that is its value.
    #[inline]
    pub fn path(&self) -> Option<(usize, &[Key])> {
        self.path.as_ref().map(|(name, keys)| (name.index(), &keys[..]))
    }

    /// May [`Expression::glance`] find its value?
    pub fn is_glanceable(&self) -> bool {
        let is_flow = matches!(self.program.nodes[self.root.index()], Node::Flow(_));
        is_flow || self.program.are_direct[self.root.index()]
    }

    /// As [`Expression::evaluate`] without an input, where that takes paths, operators and sums over
    /// what is as it should be, and gives a value; `None`, and no trace is left, where it may take
    /// more.
    pub fn glance(
        &self,
        scratch: &mut Scratch,
        mut variable: impl FnMut(&Scratch, usize) -> Option<Value>,
        limits: &Limits,
        memory: &mut Memory,
    ) -> Option<Value> {
        memory.reset();
        for (at, function) in self.program.functions.iter().enumerate() {
            memory.globals.push(variable(scratch, at).map_or(*function, Item::Json));
        }
        let (mark, budget) = (scratch.mark(), Budget::new(*limits, scratch));
        let mut evaluation = Evaluation {
            program: &self.program,
            grown: &Grown::default(),
            scratch,
            memory,
            // Nothing that asks for randomness or the time is found at a glance.
            random: &mut || 0,
            now: 0,
            budget,
            options: self.options,
            root: Item::Nothing,
        };
        let value = evaluation.glance(self.root);
        if value.is_none() {
            scratch.abandon(mark);
        }
        value
    }

    /// Evaluates it. `variable` is asked for every variable that it may name, by its index among
    /// [`Expression::names`].
    pub fn evaluate(
        &self,
        scratch: &mut Scratch,
        input: Option<Value>,
        variable: Ask<'_>,
        environment: Environment<'_>,
    ) -> Result<Outcome, QueryError> {
        let Environment { now, random, limits, memory } = environment;
        memory.reset();
        let budget = Budget::new(limits, scratch);
        for (at, function) in self.program.functions.iter().enumerate() {
            let bound = variable(scratch, at).map(Item::Json);
            memory.globals.push(bound.unwrap_or(*function));
        }
        let root = input.map_or(Item::Nothing, Item::Json);
        let mark = scratch.mark();
        let grown = Grown::default();
        let mut evaluation = Evaluation {
            program: &self.program,
            grown: &grown,
            scratch,
            memory,
            random,
            now,
            budget,
            options: self.options,
            root,
        };
        let outcome = evaluation.outcome(self.root, input);
        if outcome.is_err() {
            scratch.abandon(mark);
        }
        outcome
    }
}

impl Evaluation<'_> {
    fn outcome(&mut self, root: NodeId, input: Option<Value>) -> Result<Outcome, QueryError> {
        let item = match self.short_outcome(root, input) {
            Some(Item::Json(value)) => {
                self.check()?;
                return Ok(Outcome::Value(value));
            }
            Some(item) => Ok(item),
            None => {
                let input = self.wrapped(self.root);
                self.eval(root, input, GLOBAL)
            }
        };
        // Where the budget ended a walk, anything may have come of it.
        self.check()?;
        let item = self.context(item?);
        let value = self.value(item)?;
        self.check()?;
        Ok(match value {
            Some(value) => Outcome::Value(value),
            None if item.is_nothing() => Outcome::Undefined,
            None => Outcome::Function,
        })
    }

    /// What the root gives, where that takes no more than a direct look or a flow.
    #[inline]
    fn short_outcome(&mut self, root: NodeId, input: Option<Value>) -> Option<Item> {
        match input {
            Some(value) if value.kind() == Kind::Array => {
                let input = self.wrapped(self.root);
                self.short_json(root, input, GLOBAL)
            }
            _ => self.short_json_of(root, input, GLOBAL),
        }
    }

    /// What the root gives, at a glance.
    fn glance(&mut self, root: NodeId) -> Option<Value> {
        let item = self.short_json_of(root, None, GLOBAL)?;
        self.check().ok()?;
        match item {
            Item::Json(value) => Some(value),
            Item::Number(number) if number.is_finite() => Some(self.scratch.float(number)),
            _ => None,
        }
    }

    /// An input that is an array, so that it is taken for one item.
    fn wrapped(&mut self, input: Item) -> Item {
        match input {
            Item::Json(value) if value.kind() == Kind::Array => {
                self.memory.items.push(input);
                let start = self.memory.items.len() as u32 - 1;
                let size = value.size_max() as u32;
                Item::List(List { start, len: 1, size, height: 1, flags: SEQUENCE | OUTER })
            }
            _ => input,
        }
    }
}
