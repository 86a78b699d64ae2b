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
    /// The steps, where they are names only, from `$`.
    keys: Option<Box<[Key]>>,
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
        let keys = (root == Root::Input).then(|| keys(&steps)).flatten();
        Path { text: text.into(), root, steps: steps.into(), is_definite, keys, has_filter }
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

    /// Is it made of names only, from `$`?
    pub fn is_plain(&self) -> bool {
        self.keys.is_some()
    }

    /// What a plain path leads to, with `input` as `$`; `None` of any other, or where it leads nowhere.
    #[inline]
    pub fn glance(&self, scratch: &Scratch, input: Value) -> Option<Value> {
        scratch.follow(input, self.keys.as_deref()?)
    }

    /// What the path leads to; `None` where a definite part of it leads nowhere.
    #[inline]
    pub fn evaluate(&self, scope: &mut Scope<'_>) -> Result<Option<Value>, StateError> {
        if let Some(keys) = &self.keys {
            return Ok(scope.scratch.follow(scope.input, keys));
        }
        self.evaluate_any(scope)
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

/// The steps as keys, if that is what they are. Each is remembered by all that lead to it.
fn keys(steps: &[Step]) -> Option<Box<[Key]>> {
    let mut keys: Vec<Key> = Vec::with_capacity(steps.len());
    for step in steps {
        let Step::Key(key) = step else { return None };
        let key = key.clone();
        keys.push(match keys.last() {
            Some(outer) => key.within(outer),
            None => key,
        });
    }
    Some(keys.into())
}

#[cfg(test)]
mod tests;
