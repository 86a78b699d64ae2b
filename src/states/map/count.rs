//! Numbers of a Map: as written, or where a path leads.

use std::fmt;

use crate::asl::fields::Fields;
use crate::expr::Path;
use crate::fault::StateError;
use crate::states::Lowering;
use crate::states::io::{shown, value_at};
use crate::states::query::Query;
use crate::step::Frame;
use crate::value::{Kind, Value};

/// `"MaxConcurrency": 3`, `"MaxConcurrencyPath": "$.n"`
#[derive(Debug)]
pub(super) enum Count {
    /// As written.
    Fixed(u64),
    /// Where it stands, and the field that says so.
    Path(&'static str, Path),
    /// `"{% ... %}"`
    Query(Query),
}

impl Count {
    pub(super) fn parse(
        fields: &mut Fields<'_>,
        lowering: &mut Lowering<'_>,
        (name, path_name): (&'static str, &'static str),
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<Count> {
        if lowering.is_jsonata() {
            lowering.refuse(fields, path_name);
            if lowering.is_query(fields, name) {
                return lowering.query(fields, name).map(Count::Query);
            }
        }
        fields.at_most_one(&[name, path_name]);
        let fixed = fields.integer(name, range).map(|n| Count::Fixed(n.unsigned_abs()));
        let path = lowering.reference(fields, path_name).map(|path| Count::Path(path_name, path));
        fixed.or(path)
    }

    /// The number; what the range of a written one rules out comes with its sign.
    pub(super) fn evaluate(&self, frame: &mut Frame<'_>) -> Result<i64, StateError> {
        let (name, path) = match self {
            Count::Fixed(count) => return Ok(i64::try_from(*count).unwrap_or(i64::MAX)),
            Count::Query(query) => return query.integer(0..=super::COUNT_MAX, frame),
            Count::Path(name, path) => (name, path),
        };
        let value = value_at(path, frame)?;
        let text = plain(value, frame);
        text.parse().map_err(|_| refers(name, path, &text, "integer"))
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Count::Fixed(count) => write!(f, "{count}"),
            Count::Path(_, path) => f.write_str(path.text()),
            Count::Query(query) => f.write_str(query.text()),
        }
    }
}

/// `"ToleratedFailurePercentage": 0.5`, `"ToleratedFailurePercentagePath": "$.p"`
#[derive(Debug)]
pub(super) enum Percentage {
    /// As written.
    Fixed(f64),
    /// Where it stands, and the field that says so.
    Path(&'static str, Path),
    /// `"{% ... %}"`
    Query(Query),
}

impl Percentage {
    pub(super) fn parse(
        fields: &mut Fields<'_>,
        lowering: &mut Lowering<'_>,
        (name, path_name): (&'static str, &'static str),
    ) -> Option<Percentage> {
        if lowering.is_jsonata() {
            lowering.refuse(fields, path_name);
            if lowering.is_query(fields, name) {
                return lowering.query(fields, name).map(Percentage::Query);
            }
        }
        fields.at_most_one(&[name, path_name]);
        let fixed = fields.number(name, 0.0..=100.0).map(Percentage::Fixed);
        let path = lowering.reference(fields, path_name);
        fixed.or(path.map(|path| Percentage::Path(path_name, path)))
    }

    pub(super) fn evaluate(&self, frame: &mut Frame<'_>) -> Result<f64, StateError> {
        let (name, path) = match self {
            Percentage::Fixed(percentage) => return Ok(*percentage),
            Percentage::Query(query) => {
                let value = query.expect(Kind::Number, frame)?;
                let number = frame.scope.scratch.f64(value).unwrap_or(f64::NAN);
                return match (0.0..=100.0).contains(&number) {
                    true => Ok(number),
                    false => Err(query.failed("returned a value that is not within 0 to 100.")),
                };
            }
            Percentage::Path(name, path) => (name, path),
        };
        let value = value_at(path, frame)?;
        let text = plain(value, frame);
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| refers(name, path, &text, "float"))?;
        if !(0.0..=100.0).contains(&number) {
            let cause = "ToleratedFailurePercentage must be between 0 and 100.";
            return Err(StateError::runtime(cause));
        }
        Ok(number)
    }
}

impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Percentage::Fixed(percentage) => write!(f, "{percentage}"),
            Percentage::Path(_, path) => f.write_str(path.text()),
            Percentage::Query(query) => f.write_str(query.text()),
        }
    }
}

/// A string as it reads, anything else as JSON.
fn plain(value: Value, frame: &Frame<'_>) -> String {
    match value.kind() {
        Kind::String => frame.scope.scratch.str(value).into_owned(),
        _ => shown(value, frame),
    }
}

fn refers(name: &str, path: &Path, text: &str, what: &str) -> StateError {
    let path = path.text();
    let cause =
        format!("The {name} field refers to value \"{text}\" which is not a valid {what}: {path}");
    StateError::runtime(cause)
}
