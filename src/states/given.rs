//! Fields that may be given in three ways: as written, where a path leads, and in JSONata by an
//! expression. Texts and times are here; a Map's numbers are its own.

use std::time::Duration;

use super::io::shown;
use super::query::Query;
use super::{Listing, Lowering};
use crate::asl::codes;
use crate::asl::fields::Fields;
use crate::expr::{Expression, Path};
use crate::fault::StateError;
use crate::step::Frame;
use crate::value::Kind;

/// A field's name, and that of its form with a path.
pub(super) type Names = (&'static str, &'static str);

/// What a field says, or where.
#[derive(Debug)]
pub(super) enum Given<T, P = Path> {
    /// As written.
    Fixed(T),
    /// Where it stands in the effective input.
    Path(P),
    /// `"{% ... %}"`
    Query(Query),
}

impl<T, P> Given<T, P> {
    /// Reads the field: `fixed` its own form, `path` that with a path.
    pub(super) fn parse(
        fields: &mut Fields<'_>,
        lowering: &mut Lowering<'_>,
        (name, path_name): Names,
        fixed: impl FnOnce(&mut Fields<'_>) -> Option<T>,
        path: impl FnOnce(&mut Fields<'_>, &mut Lowering<'_>) -> Option<P>,
    ) -> Option<Given<T, P>> {
        if lowering.is_jsonata() {
            lowering.refuse(fields, path_name);
            if lowering.is_query(fields, name) {
                return lowering.query(fields, name).map(Given::Query);
            }
        }
        fields.at_most_one(&[name, path_name]);
        let (fixed, path) = (fixed(fields), path(fields, lowering));
        fixed.map(Given::Fixed).or(path.map(Given::Path))
    }
}

/// `Error` or `ErrorPath`, `Cause` or `CausePath`; a path, or an intrinsic that gives a string.
#[derive(Debug)]
pub(super) struct Text(Given<Box<str>, Expression>);

/// The functions that may give an error or a cause: those whose results are strings, or may be.
const TEXT_FUNCTIONS: [&str; 7] = [
    "States.ArrayGetItem",
    "States.Base64Decode",
    "States.Base64Encode",
    "States.Format",
    "States.Hash",
    "States.JsonToString",
    "States.UUID",
];

impl Text {
    pub(super) fn parse(
        fields: &mut Fields<'_>,
        lowering: &mut Lowering<'_>,
        names: Names,
    ) -> Option<Text> {
        let fixed = |fields: &mut Fields<'_>| fields.string(names.0).map(Box::from);
        let expression = |fields: &mut Fields<'_>, lowering: &mut Lowering<'_>| {
            let expression = lowering.expression(fields, names.1);
            let function = expression.as_ref().and_then(Expression::function);
            if function.is_some_and(|name| !TEXT_FUNCTIONS.contains(&name)) {
                let complaint =
                    format!("calls what gives no string; {TEXT_FUNCTIONS:?} may stand here.");
                fields.invalid(names.1, codes::INVALID_EXPRESSION, complaint);
            }
            expression
        };
        Given::parse(fields, lowering, names, fixed, expression).map(Text)
    }

    pub(super) fn evaluate(&self, frame: &mut Frame<'_>) -> Result<String, StateError> {
        let expression = match &self.0 {
            Given::Fixed(text) => return Ok(text.to_string()),
            Given::Query(query) => return query.string(frame),
            Given::Path(expression) => expression,
        };
        let value = expression.require(&mut frame.scope)?;
        if value.kind() != Kind::String {
            let shown = shown(value, frame);
            let cause = format!("{} must give a string, not {shown}", expression.text());
            return Err(StateError::runtime(cause));
        }
        Ok(frame.scope.scratch.str(value).into_owned())
    }

    pub(super) fn list(&self, name: &'static str, out: &mut Listing) {
        match &self.0 {
            Given::Fixed(text) => out.line(name, format_args!("{text:?}")),
            Given::Path(expression) => out.line(name, expression.text()),
            Given::Query(query) => out.line(name, query.text()),
        }
    }
}

/// The longest time, in seconds, that a timeout may name.
pub const TIMEOUT_SECONDS_MAX: i64 = 99_999_999;

/// `TimeoutSeconds` or `TimeoutSecondsPath`, and the same for heartbeats.
#[derive(Debug)]
pub(super) struct Seconds {
    given: Given<Duration>,
    path_name: &'static str,
}

impl Seconds {
    pub(super) fn parse(
        fields: &mut Fields<'_>,
        lowering: &mut Lowering<'_>,
        names: Names,
    ) -> Option<Seconds> {
        let fixed =
            |fields: &mut Fields<'_>| fields.integer(names.0, 1..=TIMEOUT_SECONDS_MAX).map(seconds);
        let path = |fields: &mut Fields<'_>, lowering: &mut Lowering<'_>| {
            lowering.reference(fields, names.1)
        };
        let given = Given::parse(fields, lowering, names, fixed, path)?;
        Some(Seconds { given, path_name: names.1 })
    }

    /// The time, where the definition spells it out.
    pub(super) fn fixed(&self) -> Option<Duration> {
        if let Given::Fixed(duration) = self.given { Some(duration) } else { None }
    }

    /// The time; a path must lead to a positive integer.
    pub(super) fn evaluate(&self, frame: &mut Frame<'_>) -> Result<Duration, StateError> {
        let path = match &self.given {
            Given::Fixed(duration) => return Ok(*duration),
            Given::Query(query) => {
                return query.integer(1..=TIMEOUT_SECONDS_MAX, frame).map(seconds);
            }
            Given::Path(path) => path,
        };
        let value = path.require(&mut frame.scope)?;
        let found = frame.scope.scratch.i64(value);
        let found = found.filter(|seconds| (1..=TIMEOUT_SECONDS_MAX).contains(seconds));
        found.map(seconds).ok_or_else(|| {
            StateError::runtime(format!(
                "The {} parameter must be a positive integer up to {TIMEOUT_SECONDS_MAX}: {} == {}",
                self.path_name,
                path.text(),
                shown(value, frame)
            ))
        })
    }

    pub(super) fn list(&self, name: &'static str, out: &mut Listing) {
        match &self.given {
            Given::Fixed(duration) => out.line(name, format_args!("{} s", duration.as_secs())),
            Given::Path(path) => out.line(name, format_args!("{} s", path.text())),
            Given::Query(query) => out.line(name, format_args!("{} s", query.text())),
        }
    }
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(count.unsigned_abs())
}
