//! Numbers of a Map: as written, or where a path leads.

use std::fmt;

use crate::asl::fields::Fields;
use crate::expr::Path;
use crate::fault::StateError;
use crate::states::Lowering;
use crate::states::given::{Given, Names};
use crate::states::io::shown;
use crate::step::Frame;
use crate::value::Kind;

/// `"MaxConcurrency": 3`, `"MaxConcurrencyPath": "$.n"`
#[derive(Debug)]
pub(super) struct Count {
    given: Given<u64>,
    path_name: &'static str,
}

impl Count {
    pub(super) fn parse(
        fields: &mut Fields<'_>,
        lowering: &mut Lowering<'_>,
        names: Names,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<Count> {
        let fixed = |fields: &mut Fields<'_>| fields.integer(names.0, range).map(i64::unsigned_abs);
        let given = Given::parse(fields, lowering, names, fixed, reference(names))?;
        Some(Count { given, path_name: names.1 })
    }

    /// The number; what the range of a written one rules out comes with its sign.
    pub(super) fn evaluate(&self, frame: &mut Frame<'_>) -> Result<i64, StateError> {
        let path = match &self.given {
            Given::Fixed(count) => return Ok(i64::try_from(*count).unwrap_or(i64::MAX)),
            Given::Query(query) => return query.integer(0..=super::COUNT_MAX, frame),
            Given::Path(path) => path,
        };
        let text = plain(path, frame)?;
        text.parse().map_err(|_| refers(self.path_name, path, &text, "integer"))
    }
}

/// `"ToleratedFailurePercentage": 0.5`, `"ToleratedFailurePercentagePath": "$.p"`
#[derive(Debug)]
pub(super) struct Percentage {
    given: Given<f64>,
    path_name: &'static str,
}

impl Percentage {
    pub(super) fn parse(
        fields: &mut Fields<'_>,
        lowering: &mut Lowering<'_>,
        names: Names,
    ) -> Option<Percentage> {
        let fixed = |fields: &mut Fields<'_>| fields.number(names.0, 0.0..=100.0);
        let given = Given::parse(fields, lowering, names, fixed, reference(names))?;
        Some(Percentage { given, path_name: names.1 })
    }

    pub(super) fn evaluate(&self, frame: &mut Frame<'_>) -> Result<f64, StateError> {
        let path = match &self.given {
            Given::Fixed(percentage) => return Ok(*percentage),
            Given::Query(query) => {
                let value = query.expect(Kind::Number, frame)?;
                let number = frame.scope.scratch.f64(value).unwrap_or(f64::NAN);
                return match (0.0..=100.0).contains(&number) {
                    true => Ok(number),
                    false => Err(query.failed("returned a value that is not within 0 to 100.")),
                };
            }
            Given::Path(path) => path,
        };
        let text = plain(path, frame)?;
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| refers(self.path_name, path, &text, "float"))?;
        if !(0.0..=100.0).contains(&number) {
            let cause = "ToleratedFailurePercentage must be between 0 and 100.";
            return Err(StateError::runtime(cause));
        }
        Ok(number)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.given, f)
    }
}

impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.given, f)
    }
}

fn show(given: &Given<impl fmt::Display>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match given {
        Given::Fixed(number) => write!(f, "{number}"),
        Given::Path(path) => f.write_str(path.text()),
        Given::Query(query) => f.write_str(query.text()),
    }
}

fn reference(names: Names) -> impl FnOnce(&mut Fields<'_>, &mut Lowering<'_>) -> Option<Path> {
    move |fields, lowering| lowering.reference(fields, names.1)
}

/// What a path leads to: a string as it reads, anything else as JSON.
fn plain(path: &Path, frame: &mut Frame<'_>) -> Result<String, StateError> {
    let value = path.require(&mut frame.scope)?;
    Ok(match value.kind() {
        Kind::String => frame.scope.scratch.str(value).into_owned(),
        _ => shown(value, frame),
    })
}

fn refers(name: &str, path: &Path, text: &str, what: &str) -> StateError {
    let path = path.text();
    let cause =
        format!("The {name} field refers to value \"{text}\" which is not a valid {what}: {path}");
    StateError::runtime(cause)
}
