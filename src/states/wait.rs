//! `"Type": "Wait"` (specification, "Wait State"; recorded limits in `WAIT_DAYS_MAX`).

use super::assign::{Assign, assign};
use super::io::{InputOutput, exit_of, shown};
use super::query::Query;
use super::{Listing, Lowering, StateType};
use crate::asl::fields::Fields;
use crate::asl::{codes, names};
use crate::expr::{Path, Timestamp};
use crate::fault::StateError;
use crate::step::{Exit, Frame, Transition};
use crate::value::{Kind, Value};

/// The longest wait, in seconds, that a definition may spell out.
const SECONDS_MAX: i64 = 99_999_999;
/// The longest wait to a timestamp that the service was seen to take: as many milliseconds as fit 31
/// bits of seconds.
const DELAY_MS_MAX: i64 = (i32::MAX as i64) * 1000;

/// Waits.
#[derive(Debug)]
pub struct Wait {
    io: InputOutput,
    until: Until,
    assign: Option<Assign>,
    exit: Exit,
}

#[derive(Debug)]
enum Until {
    /// `Seconds`
    Seconds(i64),
    /// `SecondsPath`
    SecondsPath(Path),
    /// `Timestamp`, in milliseconds since 1970.
    Timestamp(i64),
    /// `TimestampPath`
    TimestampPath(Path),
    /// `"Seconds": "{% ... %}"`
    SecondsQuery(Query),
    /// `"Timestamp": "{% ... %}"`
    TimestampQuery(Query),
}

impl Wait {
    /// `Seconds`, where the definition spells them out.
    pub fn seconds(&self) -> Option<i64> {
        if let Until::Seconds(seconds) = self.until { Some(seconds) } else { None }
    }
}

impl StateType for Wait {
    fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Wait> {
        let io = InputOutput::parse(fields, lowering);
        if lowering.is_jsonata() {
            lowering.refuse(fields, names::SECONDS_PATH);
            lowering.refuse(fields, names::TIMESTAMP_PATH);
        }
        let forms = [names::SECONDS, names::SECONDS_PATH, names::TIMESTAMP, names::TIMESTAMP_PATH];
        let until = match fields.exactly_one(&forms) {
            Some(name) if lowering.is_query(fields, name) => {
                let query = lowering.query(fields, name);
                let is_time = name == names::TIMESTAMP;
                query.map(if is_time { Until::TimestampQuery } else { Until::SecondsQuery })
            }
            Some(names::SECONDS) => {
                fields.integer(names::SECONDS, 0..=SECONDS_MAX).map(Until::Seconds)
            }
            Some(names::SECONDS_PATH) => {
                lowering.reference(fields, names::SECONDS_PATH).map(Until::SecondsPath)
            }
            Some(names::TIMESTAMP) => parse_timestamp(fields).map(Until::Timestamp),
            Some(_) => lowering.reference(fields, names::TIMESTAMP_PATH).map(Until::TimestampPath),
            None => None,
        };
        let assign = Assign::parse(fields, lowering);
        let exit = exit_of(fields, lowering);
        Some(Wait { io, until: until?, assign, exit })
    }

    fn enter(&self, frame: &mut Frame<'_>) -> Result<Transition, StateError> {
        let input = self.io.enter(frame)?;
        let until = frame.with_input(input, |frame| self.until.evaluate(frame))?;
        Ok(Transition::Wait(until))
    }

    fn resume(&self, frame: &mut Frame<'_>, _: Value) -> Result<Transition, StateError> {
        let input = self.io.enter(frame)?;
        assign(&self.assign, frame, input)?;
        Ok(Transition::Exit(self.exit, self.io.leave(frame, input)?))
    }

    fn exits(&self, exits: &mut Vec<Exit>) {
        exits.push(self.exit);
    }

    fn list(&self, out: &mut Listing) {
        self.io.list_input(out);
        match &self.until {
            Until::Seconds(seconds) => out.line("wait", format_args!("{seconds} s")),
            Until::SecondsPath(path) => out.line("wait", format_args!("{} seconds", path.text())),
            Until::Timestamp(ms) => {
                out.line("wait", format_args!("until {}", Timestamp::from_ms(*ms)));
            }
            Until::TimestampPath(path) => out.line("wait", format_args!("until {}", path.text())),
            Until::SecondsQuery(query) => {
                out.line("wait", format_args!("{} seconds", query.text()));
            }
            Until::TimestampQuery(query) => {
                out.line("wait", format_args!("until {}", query.text()));
            }
        }
        self.assign.iter().for_each(|assign| assign.list(out));
        self.io.list_output(out);
    }
}

fn parse_timestamp(fields: &mut Fields<'_>) -> Option<i64> {
    let parsed = Timestamp::parse(fields.string(names::TIMESTAMP)?).map(Timestamp::to_ms);
    if parsed.is_none() {
        let complaint = "is no RFC 3339 timestamp with an upper-case T and Z or an offset.";
        fields.invalid(names::TIMESTAMP, codes::INVALID_TIMESTAMP, complaint);
    }
    parsed
}

impl Until {
    /// Milliseconds since 1970.
    fn evaluate(&self, frame: &mut Frame<'_>) -> Result<i64, StateError> {
        match self {
            Until::Seconds(seconds) => Ok(frame.now_ms + seconds * 1000),
            Until::SecondsPath(path) => Ok(frame.now_ms + seconds_at(path, frame)? * 1000),
            Until::Timestamp(ms) => within_reach(*ms, frame),
            Until::TimestampPath(path) => {
                let ms = timestamp_at(path, frame)?;
                within_reach(ms, frame)
            }
            Until::SecondsQuery(query) => {
                Ok(frame.now_ms + query.integer(0..=SECONDS_MAX, frame)? * 1000)
            }
            Until::TimestampQuery(query) => {
                let text = query.string(frame)?;
                let parsed = Timestamp::parse(&text).map(Timestamp::to_ms);
                let ms = parsed.ok_or_else(|| {
                    query.failed(&format!("returned a value that is no timestamp: {text:?}"))
                })?;
                within_reach(ms, frame)
            }
        }
    }
}

fn within_reach(until_ms: i64, frame: &Frame<'_>) -> Result<i64, StateError> {
    if until_ms - frame.now_ms > DELAY_MS_MAX {
        return Err(StateError::runtime("Wait state delay is too long."));
    }
    Ok(until_ms)
}

fn referenced(path: &Path, field: &str, frame: &mut Frame<'_>) -> Result<Value, StateError> {
    path.evaluate(&mut frame.scope)?.ok_or_else(|| {
        let path = path.text();
        let cause = format!("The {field} parameter does not reference an input value: {path}");
        StateError::runtime(cause)
    })
}

fn seconds_at(path: &Path, frame: &mut Frame<'_>) -> Result<i64, StateError> {
    let value = referenced(path, "SecondsPath", frame)?;
    let seconds = frame.scope.scratch.raw(value).parse::<i64>().ok();
    let allowed = seconds.filter(|seconds| (0..=SECONDS_MAX).contains(seconds));
    allowed.ok_or_else(|| {
        let shown = shown(value, frame);
        let what = match seconds {
            Some(..0) => "references a negative value",
            Some(_) => "references a value above 99999999",
            None => "cannot be parsed as a long value",
        };
        StateError::runtime(format!("The SecondsPath parameter {what}: {} == {shown}", path.text()))
    })
}

fn timestamp_at(path: &Path, frame: &mut Frame<'_>) -> Result<i64, StateError> {
    let value = referenced(path, "TimestampPath", frame)?;
    let parsed = match value.kind() {
        Kind::String => Timestamp::parse(&frame.scope.scratch.str(value)).map(Timestamp::to_ms),
        _ => None,
    };
    parsed.ok_or_else(|| {
        let shown = shown(value, frame);
        StateError::runtime(format!(
            "The TimestampPath parameter does not reference a valid ISO-8601 extended offset \
             date-time format string: {} == {shown}",
            path.text()
        ))
    })
}
