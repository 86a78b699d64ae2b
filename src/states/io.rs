//! The fields that shape a state's data: `InputPath`, `OutputPath`, `ResultPath`, and where a state
//! leads (specification, "Input and Output Processing").

use super::lowering::Payload;
use super::{Listing, Lowering};
use crate::asl::fields::Fields;
use crate::asl::{codes, names};
use crate::expr::{Path, ReferencePath};
use crate::fault::{StateError, names as errors};
use crate::step::{Exit, Frame, Glance, Stage};
use crate::value::{PutError, Scratch, Value};

/// `InputPath` or `OutputPath`.
#[derive(Debug)]
enum Selection {
    /// Absent, or `"$"`.
    Whole,
    /// `null`: an empty object.
    Nothing,
    /// `"$.a"`, `"$$.Execution.Input"`
    Path(Path),
    /// `"Output": ...`, in JSONata.
    Made(Payload),
}

impl Selection {
    fn parse(
        fields: &mut Fields<'_>,
        lowering: &mut Lowering<'_>,
        name: &'static str,
    ) -> Selection {
        match fields.nullable_string(name) {
            None | Some(Some("$")) => Selection::Whole,
            Some(None) => Selection::Nothing,
            Some(Some(_)) => lowering.path(fields, name).map_or(Selection::Whole, Selection::Path),
        }
    }

    /// As [`Selection::select`], from and into `value`. False, and nothing is done, where it takes
    /// more than that and a path that leads somewhere.
    #[inline(always)]
    fn glance(&self, at: &mut Glance<'_>, value: &mut Value) -> bool {
        matches!(self, Selection::Whole) || self.glance_at_part(at, value)
    }

    fn glance_at_part(&self, at: &mut Glance<'_>, value: &mut Value) -> bool {
        let found = match self {
            Selection::Whole => return true,
            Selection::Nothing => return false,
            Selection::Path(path) => path.glance(at.scratch, *value),
            Selection::Made(payload) => payload.glance(at, *value),
        };
        *value = found.unwrap_or(*value);
        found.is_some()
    }

    /// May [`Selection::glance`] select it?
    fn is_glanceable(&self) -> bool {
        match self {
            Selection::Whole => true,
            Selection::Path(path) => path.is_plain(),
            Selection::Nothing => false,
            Selection::Made(payload) => payload.is_glanceable(),
        }
    }

    #[inline(always)]
    fn select(
        &self,
        frame: &mut Frame<'_>,
        from: Value,
        stage: Stage,
    ) -> Result<Value, StateError> {
        match self {
            Selection::Whole => Ok(from),
            _ => self.select_part(frame, from, stage),
        }
    }

    #[inline(never)]
    fn select_part(
        &self,
        frame: &mut Frame<'_>,
        from: Value,
        stage: Stage,
    ) -> Result<Value, StateError> {
        let selected = match self {
            Selection::Whole => from,
            Selection::Nothing => frame.scope.scratch.empty_object(),
            Selection::Path(path) => frame.with_input(from, |frame| value_at(path, frame))?,
            Selection::Made(payload) => return payload.make(frame, stage),
        };
        frame.made(stage, selected);
        Ok(selected)
    }

    fn list(&self, name: &'static str, out: &mut Listing) {
        match self {
            Selection::Whole => {}
            Selection::Nothing => out.line(name, "{}"),
            Selection::Path(path) => out.line(name, path.text()),
            Selection::Made(payload) => payload.list(name, out),
        }
    }
}

/// The value at a path that must lead somewhere; `States.Runtime` otherwise.
pub(super) fn value_at(path: &Path, frame: &mut Frame<'_>) -> Result<Value, StateError> {
    path.require(&mut frame.scope)
}

/// `InputPath` and `OutputPath`, which every state but Fail has.
#[derive(Debug)]
pub(super) struct InputOutput {
    input: Selection,
    output: Selection,
}

impl InputOutput {
    pub(super) fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> InputOutput {
        if lowering.is_jsonata() {
            lowering.refuse(fields, names::INPUT_PATH);
            lowering.refuse(fields, names::OUTPUT_PATH);
            let output = lowering.template(fields, names::OUTPUT);
            let output = output.map_or(Selection::Whole, Selection::Made);
            return InputOutput { input: Selection::Whole, output };
        }
        InputOutput {
            input: Selection::parse(fields, lowering, names::INPUT_PATH),
            output: Selection::parse(fields, lowering, names::OUTPUT_PATH),
        }
    }

    /// The effective input.
    #[inline]
    pub(super) fn enter(&self, frame: &mut Frame<'_>) -> Result<Value, StateError> {
        self.input.select(frame, frame.scope.input, Stage::InputPath)
    }

    /// As [`InputOutput::enter`], from and into `value`; false where it takes more than that.
    #[inline(always)]
    pub(super) fn glance_in(&self, at: &mut Glance<'_>, value: &mut Value) -> bool {
        self.input.glance(at, value)
    }

    /// As [`InputOutput::leave`], from and into `value`; false where it takes more than that.
    #[inline(always)]
    pub(super) fn glance_out(&self, at: &mut Glance<'_>, value: &mut Value) -> bool {
        self.output.glance(at, value)
    }

    /// May both be found at a glance?
    pub(super) fn is_glanceable(&self) -> bool {
        self.input.is_glanceable() && self.output.is_glanceable()
    }

    /// The state's output.
    #[inline]
    pub(super) fn leave(&self, frame: &mut Frame<'_>, value: Value) -> Result<Value, StateError> {
        self.output.select(frame, value, Stage::OutputPath)
    }

    pub(super) fn list_input(&self, out: &mut Listing) {
        self.input.list("input", out);
    }

    pub(super) fn list_output(&self, out: &mut Listing) {
        self.output.list("output", out);
    }
}

/// `ResultPath`
#[derive(Debug)]
pub(super) enum ResultPath {
    /// Absent, or `"$"`: the result replaces the input.
    Whole,
    /// `null`: the input stays.
    Discard,
    /// `"$.a.b"`: the result is put into the input there.
    At(ReferencePath),
}

impl ResultPath {
    pub(super) fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> ResultPath {
        if lowering.is_jsonata() {
            lowering.refuse(fields, names::RESULT_PATH);
            return ResultPath::Whole;
        }
        match fields.nullable_string(names::RESULT_PATH) {
            None | Some(Some("$")) => ResultPath::Whole,
            Some(None) => ResultPath::Discard,
            Some(Some(_)) => {
                let path = lowering.reference_path(fields, names::RESULT_PATH);
                path.map_or(ResultPath::Whole, ResultPath::At)
            }
        }
    }

    /// As [`ResultPath::put`] into `input`, from and into `value`; false where that can't be done.
    #[inline(always)]
    pub(super) fn glance(&self, scratch: &mut Scratch, input: Value, value: &mut Value) -> bool {
        matches!(self, ResultPath::Whole) || self.glance_at_part(scratch, input, value)
    }

    fn glance_at_part(&self, scratch: &mut Scratch, input: Value, value: &mut Value) -> bool {
        match self {
            ResultPath::Whole => {}
            ResultPath::Discard => *value = input,
            ResultPath::At(path) => match scratch.put(input, path.segments(), *value) {
                Ok(put) => *value = put,
                Err(_) => return false,
            },
        }
        true
    }

    /// The state's input, as it came, with the result.
    #[inline(always)]
    pub(super) fn put(&self, frame: &mut Frame<'_>, result: Value) -> Result<Value, StateError> {
        match self {
            ResultPath::Whole => Ok(result),
            _ => self.put_in(frame, result),
        }
    }

    #[inline(never)]
    fn put_in(&self, frame: &mut Frame<'_>, result: Value) -> Result<Value, StateError> {
        let raw = frame.scope.input;
        let output = match self {
            ResultPath::Whole => result,
            ResultPath::Discard => raw,
            ResultPath::At(path) => {
                let put = frame.scope.scratch.put(raw, path.segments(), result);
                put.map_err(|e| put_error(e, path, frame))?
            }
        };
        frame.made(Stage::ResultPath, output);
        Ok(output)
    }

    pub(super) fn list(&self, out: &mut Listing) {
        match self {
            ResultPath::Whole => {}
            ResultPath::Discard => out.line("discard", "result"),
            ResultPath::At(path) => out.line("put", path.text()),
        }
    }
}

fn put_error(e: PutError, path: &ReferencePath, frame: &Frame<'_>) -> StateError {
    let path = path.text();
    match e {
        PutError::Mismatch => StateError::new(
            errors::RESULT_PATH_MATCH_FAILURE,
            format!(
                "Unable to apply ReferencePath {path} to input {}",
                shown(frame.scope.input, frame)
            ),
        ),
        PutError::TooDeep => {
            let cause = format!("The result at {path} would be nested deeper than the limit.");
            StateError::runtime(cause)
        }
    }
}

/// The value at a JSON pointer (RFC 6901).
pub(super) fn value_at_pointer(scratch: &Scratch, whole: Value, pointer: &str) -> Option<Value> {
    let tokens = pointer.split('/').skip(1);
    tokens.map(|token| token.replace("~1", "/").replace("~0", "~")).try_fold(whole, |at, token| {
        match at.kind() {
            crate::value::Kind::Array => scratch.item(at, token.parse().ok()?),
            _ => scratch.member(at, &token),
        }
    })
}

/// A value as causes show it: compact JSON.
pub(super) fn shown(value: Value, frame: &Frame<'_>) -> String {
    let mut text = Vec::new();
    frame.scope.scratch.write(value, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// `Next` or `End`.
pub(super) fn exit_of(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Exit {
    let target = fields.target(names::NEXT);
    let end = fields.bool(names::END);
    let has_next = fields.has(names::NEXT);
    match (target, end) {
        (Some(_), Some(true)) => {
            fields.at_most_one(&[names::NEXT, names::END]);
            Exit::End
        }
        (Some(target), _) => lowering.step(&target).map_or(Exit::End, Exit::Next),
        (None, Some(true)) => Exit::End,
        (None, _) if has_next || (fields.has(names::END) && end.is_none()) => Exit::End,
        (None, _) => {
            let complaint = "leads nowhere: it needs \"Next\", or \"End\": true.";
            fields.error(codes::MISSING_FIELD, complaint);
            Exit::End
        }
    }
}
