//! What a function works on, and its arguments by type.

use super::format::Pattern;
use super::{Random, failure};
use crate::fault::StateError;
use crate::value::{Kind, Limits, Mark, Scratch, TooDeep, Value};

/// What a function works on.
pub struct Call<'a> {
    /// The arguments; their number is within the function's arity.
    pub args: &'a [Value],
    /// `States.Format`: the first argument, where it is constant.
    pub pattern: Option<&'a Pattern>,
    /// Where the arguments lie and the result is built.
    pub scratch: &'a mut Scratch,
    /// The execution's random numbers.
    pub random: &'a mut Random,
}

impl Call<'_> {
    /// The argument at `at`, which must be of `kind`.
    pub(super) fn expect(&self, at: usize, kind: Kind) -> Result<Value, StateError> {
        let value = self.args[at];
        match value.kind() == kind {
            true => Ok(value),
            false => Err(self.wrong(at, name(kind))),
        }
    }

    pub(super) fn array(&self, at: usize) -> Result<Value, StateError> {
        self.expect(at, Kind::Array)
    }

    pub(super) fn string(&self, at: usize) -> Result<Value, StateError> {
        self.expect(at, Kind::String)
    }

    /// A string of at most `max` characters, decoded.
    pub(super) fn text(&self, at: usize, max: usize) -> Result<String, StateError> {
        let text = self.scratch.str(self.string(at)?).into_owned();
        match text.chars().nth(max) {
            None => Ok(text),
            Some(_) => Err(failure(format!("Argument {} is longer than {max} characters", at + 1))),
        }
    }

    /// Fails where making text of the arguments could take more memory than any document may.
    pub(super) fn check_size(&self) -> Result<(), StateError> {
        let (size, max) =
            (self.args.iter().map(|value| value.size_max()).sum(), Limits::BYTES_CEILING);
        match size {
            0..=Limits::BYTES_CEILING => Ok(()),
            _ => Err(failure(format!("The text could take {size} bytes; {max} are the most"))),
        }
    }

    /// A number without its fraction: what the service makes of indexes, ranges and seeds.
    pub(super) fn integer(&self, at: usize) -> Result<i64, StateError> {
        if let Some(integer) = self.scratch.i64(self.args[at]) {
            return Ok(integer);
        }
        Ok(self.scratch.f64(self.expect(at, Kind::Number)?).unwrap_or_default() as i64)
    }

    /// A number, rounded to the next whole one; halves go up, as recorded.
    pub(super) fn rounded(&self, at: usize) -> Result<i64, StateError> {
        if let Some(integer) = self.scratch.i64(self.args[at]) {
            return Ok(integer);
        }
        let number = self.scratch.f64(self.expect(at, Kind::Number)?).unwrap_or_default();
        Ok((number + 0.5).floor() as i64)
    }

    /// The array of what was pushed since `mark`.
    pub(super) fn collect(&mut self, mark: Mark) -> Result<Value, StateError> {
        self.scratch.array(mark).map_err(too_deep)
    }

    #[cold]
    fn wrong(&self, at: usize, wanted: &str) -> StateError {
        let given = name(self.args[at].kind());
        failure(format!("Argument {} must be {wanted}, but is {given}", at + 1))
    }
}

#[cold]
pub(super) fn too_deep(_: TooDeep) -> StateError {
    failure("The result is nested too deeply")
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "null",
        Kind::Bool => "a boolean",
        Kind::Number => "a number",
        Kind::String => "a string",
        Kind::Array => "an array",
        Kind::Object => "an object",
    }
}
