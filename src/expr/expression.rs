//! What a `.$` field holds: a path, or a call of an intrinsic function.

use super::path::{Path, PathError};
use super::scope::Scope;
use crate::fault::StateError;
use crate::intrinsics::{Call, Intrinsic, Pattern};
use crate::value::{Literal, Scratch, Value};

mod parse;

/// Calls within calls; ten as in Step Functions.
const NESTING_MAX: usize = 10;
/// Arguments of one call that are evaluated without allocating.
const ARGS_INLINE: usize = 8;

/// A path or a call.
#[derive(Clone, Debug)]
pub enum Expression {
    /// `$.a`, `$$.Execution.Name`
    Path(Path),
    /// `States.Format('{}', $.a)`
    Call(Invocation),
}

/// A call of an intrinsic function.
#[derive(Clone, Debug)]
pub struct Invocation {
    text: Box<str>,
    function: &'static Intrinsic,
    args: Box<[Argument]>,
    /// `States.Format`, with a template that is constant.
    pattern: Option<Pattern>,
}

#[derive(Clone, Debug)]
enum Argument {
    /// `'text'`, `1`, `true`, `null`
    Constant(Value),
    Path(Path),
    Call(Invocation),
}

impl Expression {
    /// Parses `$...` or `States.Name(...)`; its constants go to `constants`.
    pub fn parse(text: &str, constants: &mut Scratch) -> Result<Expression, PathError> {
        match text.starts_with('$') {
            true => Path::parse(text).map(Expression::Path),
            false => parse::parse(text, constants).map(Expression::Call),
        }
    }

    /// The name of the function that is called, if one is.
    pub fn function(&self) -> Option<&'static str> {
        match self {
            Expression::Path(_) => None,
            Expression::Call(call) => Some(call.function.name),
        }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        match self {
            Expression::Path(path) => path.text(),
            Expression::Call(call) => &call.text,
        }
    }

    /// Every path in it, those in arguments too.
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        match self {
            Expression::Path(path) => paths.push(path),
            Expression::Call(call) => call.collect(&mut paths),
        }
        paths
    }

    /// The text around the places and the paths whose values fill them, where it is a
    /// `States.Format` of plain paths with a template that is constant.
    pub(super) fn format(&self) -> Option<(&[Literal], Vec<&Path>)> {
        let Expression::Call(Invocation { args, pattern: Some(pattern), .. }) = self else {
            return None;
        };
        let mut paths = Vec::new();
        for arg in &args[1..] {
            match arg {
                Argument::Path(path) if path.is_plain() => paths.push(path),
                _ => return None,
            }
        }
        Some((pattern.pieces(), paths))
    }

    /// Its value, or the path in it that leads nowhere.
    #[inline(always)]
    pub fn evaluate(&self, scope: &mut Scope<'_>) -> Result<Result<Value, &Path>, StateError> {
        match self {
            Expression::Path(path) => Ok(path.evaluate(scope)?.ok_or(path)),
            Expression::Call(call) => call.evaluate(scope),
        }
    }

    /// Its value; a path that leads nowhere fails with `States.Runtime`.
    pub fn require(&self, scope: &mut Scope<'_>) -> Result<Value, StateError> {
        match self.evaluate(scope)? {
            Ok(value) => Ok(value),
            Err(path) => path.require(scope),
        }
    }
}

impl Invocation {
    fn collect<'a>(&'a self, paths: &mut Vec<&'a Path>) {
        for arg in &self.args {
            match arg {
                Argument::Constant(_) => {}
                Argument::Path(path) => paths.push(path),
                Argument::Call(call) => call.collect(paths),
            }
        }
    }

    fn evaluate(&self, scope: &mut Scope<'_>) -> Result<Result<Value, &Path>, StateError> {
        let mut few = [Value::NULL; ARGS_INLINE];
        let mut many = Vec::new();
        let args = match self.args.len() {
            len @ 0..=ARGS_INLINE => &mut few[..len],
            len => {
                many.resize(len, Value::NULL);
                &mut many[..]
            }
        };
        for (place, arg) in args.iter_mut().zip(&self.args) {
            let value = match arg {
                Argument::Constant(value) => Ok(*value),
                Argument::Path(path) => path.evaluate(scope)?.ok_or(path),
                Argument::Call(call) => call.evaluate(scope)?,
            };
            match value {
                Ok(value) => *place = value,
                Err(path) => return Ok(Err(path)),
            }
        }
        let pattern = self.pattern.as_ref();
        let mut call = Call { args, pattern, scratch: scope.scratch, random: scope.random };
        (self.function.run)(&mut call).map(Ok).map_err(|e| self.named(e))
    }

    #[cold]
    fn named(&self, error: StateError) -> StateError {
        error.map_cause(|cause| format!("Invalid arguments in {}: {cause}", self.function.name))
    }
}

#[cfg(test)]
mod tests;
