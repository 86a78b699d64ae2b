//! JSONPath as Step Functions speaks it (the Jayway dialect). A definite path, names and indexes
//! only, gives one value or none; any other gives an array of what it found.

mod filter;
mod parse;
mod select;

use super::scope::Scope;
use crate::fault::StateError;
use crate::value::{Key, Scratch, Value};
use filter::Filter;

/// What a path starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// `$`
    Input,
    /// `$$`
    Context,
    /// `$name`
    Variable(Box<str>),
}

/// One step of a path.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// `.name`, `['name']`
    Key(Key),
    /// `[0]`, `[-1]`
    Index(i64),
    /// `['a','b']`; as the last step an object of them
    Keys(Box<[Key]>),
    /// `[0,1]`
    Indexes(Box<[i64]>),
    /// `[1:]`, `[:-1]`, `[0:2]`
    Slice(Option<i64>, Option<i64>),
    /// `.*`, `[*]`
    All,
    /// `..`: the rest of the path at every depth
    Descend,
    /// `[?(@.a == 1)]`
    Filter(Box<Filter>),
    /// `.length()`
    Length,
}

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// What is wrong and what to do.
    pub message: String,
    /// Where in the text, in bytes.
    pub at: usize,
}

/// A parsed path.
#[derive(Clone, Debug)]
pub struct Path {
    text: Box<str>,
    root: Root,
    steps: Box<[Step]>,
    is_definite: bool,
    /// Names only, from `$`.
    is_plain: bool,
    has_filter: bool,
}

impl Path {
    /// Parses `$...`, `$$...` or `$name...`.
    pub fn parse(text: &str) -> Result<Path, PathError> {
        parse::parse(text)
    }

    fn new(text: &str, root: Root, steps: Vec<Step>) -> Path {
        let last = steps.len().saturating_sub(1);
        let is_definite = steps.iter().enumerate().all(|(at, step)| match step {
            Step::Key(_) | Step::Index(_) | Step::Length => true,
            Step::Keys(_) => at == last,
            _ => false,
        });
        let has_filter = steps.iter().any(|step| matches!(step, Step::Filter(_)));
        let is_plain = root == Root::Input && steps.iter().all(|step| matches!(step, Step::Key(_)));
        Path { text: text.into(), root, steps: steps.into(), is_definite, is_plain, has_filter }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it starts from.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Does it give one value, rather than an array of those it finds?
    pub fn is_definite(&self) -> bool {
        self.is_definite
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What the path leads to; `None` where a definite part of it leads nowhere.
    #[inline]
    pub fn evaluate(&self, scope: &mut Scope<'_>) -> Result<Option<Value>, StateError> {
        if self.is_plain {
            return Ok(self.follow(scope.scratch, scope.input));
        }
        self.evaluate_any(scope)
    }

    #[inline]
    fn follow(&self, scratch: &Scratch, start: Value) -> Option<Value> {
        self.steps.iter().try_fold(start, |at, step| match step {
            Step::Key(key) => scratch.get(at, key),
            _ => None,
        })
    }

    fn evaluate_any(&self, scope: &mut Scope<'_>) -> Result<Option<Value>, StateError> {
        if self.root == Root::Input {
            let (start, steps) = (scope.input, &self.steps);
            return select::select(scope.scratch, start, start, self, steps, &mut 0);
        }
        self.evaluate_elsewhere(scope)
    }

    fn evaluate_elsewhere(&self, scope: &mut Scope<'_>) -> Result<Option<Value>, StateError> {
        let (start, rest) = match (&self.root, &*self.steps) {
            (Root::Input, steps) => (Some(scope.input), steps),
            // A filter may read the whole object as `$`.
            (Root::Context, [Step::Key(group), Step::Key(field), rest @ ..])
                if !self.has_filter =>
            {
                (scope.context.field(scope.scratch, group.name(), field.name()), rest)
            }
            (Root::Context, steps) => (Some(scope.context.object(scope.scratch)), steps),
            (Root::Variable(name), steps) => (scope.context.variable(scope.scratch, name), steps),
        };
        match start {
            Some(start) => select::select(scope.scratch, start, start, self, rest, &mut 0),
            None => Ok(None),
        }
    }

    /// As [`Path::evaluate`]; a path that leads nowhere fails as it does in `InputPath` and
    /// `OutputPath`: with `States.Runtime`.
    pub fn require(&self, scope: &mut Scope<'_>) -> Result<Value, StateError> {
        match self.evaluate(scope)? {
            Some(value) => Ok(value),
            None => Err(self.missing(scope)),
        }
    }

    /// What `$`, `$$` or `$name` is; only a variable may be missing.
    #[cold]
    pub(super) fn start(&self, scope: &mut Scope<'_>) -> Option<Value> {
        match &self.root {
            Root::Input => Some(scope.input),
            Root::Context => Some(scope.context.object(scope.scratch)),
            Root::Variable(name) => scope.context.variable(scope.scratch, name),
        }
    }

    #[cold]
    fn missing(&self, scope: &mut Scope<'_>) -> StateError {
        let start = self.start(scope);
        let why = match start {
            Some(start) => select::why_not(scope.scratch, start, &self.steps),
            None => "No such variable".to_owned(),
        };
        StateError::runtime(format!("Invalid path '{}' : {why}", self.text))
    }
}

#[cfg(test)]
mod tests;
