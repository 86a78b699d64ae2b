//! Retriers and catchers: their fields, which errors they take, and how long a retrier waits.
//! (Specification: "Errors"; the machine keeps the counters and calls this when a state fails.)

use std::time::Duration;

use crate::asl::fields::{Fields, Target};
use crate::asl::{codes, names, suggest};
use crate::fault::names as errors;

/// The largest of all integers in retriers; also the longest wait, in seconds.
pub const RETRIER_INTEGER_MAX: i64 = 99_999_999;
/// The largest `MaxDelaySeconds` (the service's limit, one year).
pub const MAX_DELAY_SECONDS_MAX: i64 = 31_622_400;
/// The largest `BackoffRate`; the language has no limit, a number must have one.
pub const BACKOFF_RATE_MAX: f64 = 1e9;

const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);
const MAX_ATTEMPTS_DEFAULT: u32 = 3;
const BACKOFF_RATE_DEFAULT: f64 = 2.0;
/// The prefix of the names that the language keeps for itself.
const RESERVED: &str = "States.";
/// The prefix of an HTTP endpoint's refusals: `States.Http.StatusCode.404`.
const HTTP_STATUS: &str = "States.Http.StatusCode.";
/// Error names of parts that raise them elsewhere.
const OTHER_NAMES: &[&str] = &[
    errors::QUERY_EVALUATION_ERROR,
    "States.ExceedToleratedFailureThreshold",
    "States.ItemReaderFailed",
    "States.ResultWriterFailed",
    "States.Http.Socket",
];

/// Which errors a retrier or catcher takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorEquals {
    names: Box<[Box<str>]>,
}

impl ErrorEquals {
    /// Does it name this error? (Whether the error may be retried or caught at all is
    /// [`is_terminal`]'s to say.) An error without a name is taken by `States.ALL` and
    /// `States.TaskFailed`. `States.Timeout` also takes a missed heartbeat, which is one.
    pub fn matches(&self, error: Option<&str>) -> bool {
        self.names.iter().any(|name| match &**name {
            errors::ALL => true,
            errors::TASK_FAILED => error != Some(errors::TIMEOUT),
            errors::TIMEOUT => {
                matches!(error, Some(errors::TIMEOUT | errors::HEARTBEAT_TIMEOUT))
            }
            name => error == Some(name),
        })
    }

    /// The names as written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Reads the required `ErrorEquals`. `is_last`: of the list of retriers or catchers.
    fn parse(fields: &mut Fields<'_>, is_last: bool) -> Option<ErrorEquals> {
        const FIELD: &str = names::ERROR_EQUALS;
        fields.required(FIELD);
        let list = fields.strings(FIELD)?;
        let complaint = match &list[..] {
            [] => Some("must name at least one error; \"States.ALL\" takes all."),
            [_, _, ..] if list.contains(&errors::ALL) => {
                Some("has \"States.ALL\" beside other names; it takes all and must stand alone.")
            }
            [errors::ALL] if !is_last => {
                Some("takes all errors, so what follows is never reached; put it last.")
            }
            _ => None,
        };
        if let Some(complaint) = complaint {
            fields.invalid(FIELD, codes::INVALID_ERROR_EQUALS, complaint);
        }
        list.iter().for_each(|name| warn_of_name(fields, name));
        Some(ErrorEquals { names: list.into_iter().map(Box::from).collect() })
    }
}

/// Warns of names that can never match.
fn warn_of_name(fields: &Fields<'_>, name: &str) {
    if name == errors::RUNTIME {
        let why = "names \"States.Runtime\", which is never retried nor caught.";
        return fields.warning(names::ERROR_EQUALS, codes::UNCATCHABLE_ERROR, why);
    }
    let known = LANGUAGE_NAMES.iter().chain(OTHER_NAMES).copied();
    let is_known = !name.starts_with(RESERVED)
        || name.starts_with(HTTP_STATUS)
        || known.clone().any(|known| known == name);
    if !is_known {
        let near = suggest::sentence(name, known);
        let why = format!("names {name:?}, which is no error of the language.{near}");
        fields.warning(names::ERROR_EQUALS, codes::UNKNOWN_ERROR_NAME, why);
    }
}

const LANGUAGE_NAMES: &[&str] = &[
    errors::ALL,
    errors::TASK_FAILED,
    errors::TIMEOUT,
    errors::HEARTBEAT_TIMEOUT,
    errors::PERMISSIONS,
    errors::RESULT_PATH_MATCH_FAILURE,
    errors::PARAMETER_PATH_FAILURE,
    errors::BRANCH_FAILED,
    errors::NO_CHOICE_MATCHED,
    errors::INTRINSIC_FAILURE,
    errors::RUNTIME,
    errors::DATA_LIMIT_EXCEEDED,
];

/// Where an error came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// From a task: its failure, or its result being too large.
    ByTask,
    /// From the machine's own work on a state's input or output.
    ByState,
}

/// When `States.DataLimitExceeded` ends the execution at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataLimitRule {
    /// As the service was seen to do: a task's oversized result can be retried and caught, a
    /// state's oversized input or output can't.
    #[default]
    Observed,
    /// As its documentation says: it is always terminal.
    Documented,
}

/// Does the error end the execution whatever retriers and catchers say? `States.Runtime` always
/// does, even where it is named; `States.DataLimitExceeded` by the rule.
pub fn is_terminal(error: Option<&str>, raised: Raised, rule: DataLimitRule) -> bool {
    match error {
        Some(errors::RUNTIME) => true,
        Some(errors::DATA_LIMIT_EXCEEDED) => {
            raised == Raised::ByState || rule == DataLimitRule::Documented
        }
        _ => false,
    }
}

/// `{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 3, "BackoffRate": 2}`
#[derive(Clone, Debug, PartialEq)]
pub struct Retrier {
    /// `ErrorEquals`
    pub errors: ErrorEquals,
    /// `IntervalSeconds`: the wait before the first retry.
    pub interval: Duration,
    /// `MaxAttempts`: how many retries; 0 is none.
    pub max_attempts: u32,
    /// `BackoffRate`: what the wait is multiplied with each time.
    pub backoff_rate: f64,
    /// `MaxDelaySeconds`: the longest wait.
    pub max_delay: Option<Duration>,
    /// `JitterStrategy` is `FULL`: wait anything up to the computed time.
    pub full_jitter: bool,
}

impl Retrier {
    /// Reads `Retry`; those whose `ErrorEquals` can't be read are left out.
    pub fn parse_all(fields: &mut Fields<'_>) -> Vec<Retrier> {
        let list = fields.objects(names::RETRY).unwrap_or_default();
        let last = list.len().saturating_sub(1);
        let read = list.into_iter().enumerate();
        read.filter_map(|(at, fields)| Retrier::parse(fields, at == last)).collect()
    }

    fn parse(mut fields: Fields<'_>, is_last: bool) -> Option<Retrier> {
        fields.comment();
        let errors = ErrorEquals::parse(&mut fields, is_last);
        let seconds = |value: i64| Duration::from_secs(value.unsigned_abs());
        let interval = fields.integer(names::INTERVAL_SECONDS, 1..=RETRIER_INTEGER_MAX);
        let attempts = fields.integer(names::MAX_ATTEMPTS, 0..=RETRIER_INTEGER_MAX);
        let rate = fields.number(names::BACKOFF_RATE, 1.0..=BACKOFF_RATE_MAX);
        let max_delay = fields.integer(names::MAX_DELAY_SECONDS, 1..=MAX_DELAY_SECONDS_MAX);
        let jitter = fields.one_of(names::JITTER_STRATEGY, &["FULL", "NONE"]);
        let interval = interval.map_or(INTERVAL_DEFAULT, seconds);
        if max_delay.is_some_and(|delay| seconds(delay) < interval) {
            let why = "is below \"IntervalSeconds\", so every wait is cut to it.";
            fields.warning(names::MAX_DELAY_SECONDS, codes::MAX_DELAY_BELOW_INTERVAL, why);
        }
        fields.finish();
        Some(Retrier {
            errors: errors?,
            interval,
            max_attempts: attempts.map_or(MAX_ATTEMPTS_DEFAULT, |n| n.unsigned_abs() as u32),
            backoff_rate: rate.unwrap_or(BACKOFF_RATE_DEFAULT),
            max_delay: max_delay.map(seconds),
            full_jitter: jitter == Some("FULL"),
        })
    }

    /// May it retry once more after `retries` of its own during this visit of the state?
    pub fn allows(&self, retries: u32) -> bool {
        retries < self.max_attempts
    }

    /// The wait before its `retry`-th retry, from 1. `unit` is a random number from 0 to 1, which
    /// counts only with full jitter.
    pub fn delay(&self, retry: u32, unit: f64) -> Duration {
        let power = i32::try_from(retry.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.interval.as_secs_f64() * self.backoff_rate.powi(power);
        let longest = Duration::from_secs(RETRIER_INTEGER_MAX.unsigned_abs());
        let longest = self.max_delay.unwrap_or(longest).as_secs_f64();
        // `min` also takes care of an infinite product.
        let seconds =
            seconds.min(longest) * if self.full_jitter { unit.clamp(0.0, 1.0) } else { 1.0 };
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

/// `{"ErrorEquals": ["States.ALL"], "Next": "Recover"}`; `ResultPath`, `Output` and `Assign` are
/// the caller's to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catcher {
    /// `ErrorEquals`
    pub errors: ErrorEquals,
    /// `Next`
    pub next: Target,
}

impl Catcher {
    /// Reads `Catch`; those with findings are left out. `rest` reads the other fields of each, and
    /// what it returns comes with the catcher.
    pub fn parse_all<'a, T>(
        fields: &mut Fields<'a>,
        mut rest: impl FnMut(&mut Fields<'a>) -> T,
    ) -> Vec<(Catcher, T)> {
        let list = fields.objects(names::CATCH).unwrap_or_default();
        let last = list.len().saturating_sub(1);
        let mut catchers = Vec::new();
        for (at, mut fields) in list.into_iter().enumerate() {
            fields.comment();
            let errors = ErrorEquals::parse(&mut fields, at == last);
            let next = fields.required_target(names::NEXT);
            let rest = rest(&mut fields);
            fields.finish();
            if let (Some(errors), Some(next)) = (errors, next) {
                catchers.push((Catcher { errors, next }, rest));
            }
        }
        catchers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asl::diagnostics::Diagnostics;
    use crate::asl::source::{Format, Limits, Place, read};

    fn parsed(list: &str) -> (Vec<Retrier>, Vec<String>) {
        let text = format!("{{\"Retry\": {list}}}");
        let diagnostics = Diagnostics::new();
        let root = read(text.as_bytes(), Format::Json, Limits::default(), &diagnostics);
        let root = root.expect("valid JSON");
        let fields = Fields::new(&Place::root(&root), "State \"S\"", &diagnostics);
        let mut fields = fields.expect("an object");
        let retriers = Retrier::parse_all(&mut fields);
        fields.finish();
        let found = diagnostics.into_vec().into_iter();
        (retriers, found.map(|d| format!("{} {}", d.code, d.location.pointer)).collect())
    }

    fn retrier(fields: &str) -> Retrier {
        let (mut retriers, found) = parsed(&format!("[{{\"ErrorEquals\": [\"E\"]{fields}}}]"));
        assert_eq!(found, [""; 0]);
        retriers.remove(0)
    }

    fn rejects(list: &str, finding: &str) {
        assert_eq!(parsed(list).1, [finding], "{list}");
    }

    fn errors(names: &[&str]) -> ErrorEquals {
        ErrorEquals { names: names.iter().map(|name| Box::from(*name)).collect() }
    }

    #[test]
    fn defaults_are_the_languages() {
        let retrier = retrier("");
        assert_eq!(retrier.interval, Duration::from_secs(1));
        assert_eq!((retrier.max_attempts, retrier.backoff_rate), (3, 2.0));
        assert_eq!((retrier.max_delay, retrier.full_jitter), (None, false));
        assert!(retrier.allows(2) && !retrier.allows(3));
        assert_eq!(parsed("[]"), (vec![], vec![]));
    }

    #[test]
    fn waits_back_off_up_to_the_cap() {
        let plain = retrier(r#", "IntervalSeconds": 3, "BackoffRate": 1.5"#);
        let waits = [1, 2, 3].map(|n| plain.delay(n, 0.9).as_millis());
        assert_eq!(waits, [3000, 4500, 6750]);
        let capped = retrier(r#", "MaxDelaySeconds": 5, "JitterStrategy": "FULL", "Comment": "c""#);
        assert_eq!([3, 4, 99].map(|n| capped.delay(n, 1.0).as_secs()), [4, 5, 5]);
        assert_eq!(capped.delay(4, 0.5).as_millis(), 2500);
        assert_eq!(capped.delay(u32::MAX, 0.0), Duration::ZERO);
        assert_eq!(plain.delay(u32::MAX, 0.0).as_secs(), 99_999_999);
        assert_eq!(capped.delay(4, f64::NAN), Duration::ZERO);
    }

    #[test]
    fn wrong_retriers_are_reported() {
        rejects(r#"[{}]"#, "MISSING_FIELD /Retry/0");
        rejects(r#"[{"ErrorEquals": []}]"#, "INVALID_ERROR_EQUALS /Retry/0/ErrorEquals");
        let beside = r#"[{"ErrorEquals": ["States.ALL", "E"]}]"#;
        rejects(beside, "INVALID_ERROR_EQUALS /Retry/0/ErrorEquals");
        let first = r#"[{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["E"]}]"#;
        rejects(first, "INVALID_ERROR_EQUALS /Retry/0/ErrorEquals");
        for (field, code) in [
            (r#""BackoffRate": -2"#, "OUT_OF_RANGE /Retry/0/BackoffRate"),
            (r#""IntervalSeconds": 0"#, "OUT_OF_RANGE /Retry/0/IntervalSeconds"),
            (r#""MaxAttempts": 1.5"#, "WRONG_TYPE /Retry/0/MaxAttempts"),
            (r#""MaxDelaySeconds": 99999999"#, "OUT_OF_RANGE /Retry/0/MaxDelaySeconds"),
            (r#""JitterStrategy": "PARTIAL""#, "INVALID_VALUE /Retry/0/JitterStrategy"),
            (r#""Next": "A""#, "UNKNOWN_FIELD /Retry/0/Next"),
            (
                r#""IntervalSeconds": 9, "MaxDelaySeconds": 3"#,
                "MAX_DELAY_BELOW_INTERVAL /Retry/0/MaxDelaySeconds",
            ),
        ] {
            rejects(&format!(r#"[{{"ErrorEquals": ["E"], {field}}}]"#), code);
        }
        rejects(
            r#"[{"ErrorEquals": ["States.Timeuot"]}]"#,
            "UNKNOWN_ERROR_NAME /Retry/0/ErrorEquals",
        );
        rejects(
            r#"[{"ErrorEquals": ["States.Runtime"]}]"#,
            "UNCATCHABLE_ERROR /Retry/0/ErrorEquals",
        );
        assert!(parsed(r#"[{"ErrorEquals": ["States.Http.StatusCode.404"]}]"#).1.is_empty());
    }

    #[test]
    fn matching_follows_the_wildcards() {
        assert!(errors(&["States.ALL"]).matches(Some("E")));
        assert!(errors(&["States.ALL"]).matches(None));
        assert!(errors(&["States.TaskFailed"]).matches(Some("E")));
        assert!(!errors(&["States.TaskFailed"]).matches(Some("States.Timeout")));
        assert!(errors(&["A", "E"]).matches(Some("E")));
        assert!(!errors(&["E"]).matches(Some("e")));
        assert!(!errors(&["E"]).matches(None));
        assert!(errors(&["States.Timeout"]).matches(Some("States.HeartbeatTimeout")));
        assert!(!errors(&["States.HeartbeatTimeout"]).matches(Some("States.Timeout")));
    }

    #[test]
    fn some_errors_end_the_execution() {
        let terminal = |name, raised| is_terminal(Some(name), raised, DataLimitRule::Observed);
        assert!(terminal("States.Runtime", Raised::ByTask));
        assert!(!terminal("States.DataLimitExceeded", Raised::ByTask));
        assert!(terminal("States.DataLimitExceeded", Raised::ByState));
        assert!(is_terminal(
            Some("States.DataLimitExceeded"),
            Raised::ByTask,
            DataLimitRule::Documented
        ));
        assert!(
            !terminal("E", Raised::ByState)
                && !is_terminal(None, Raised::ByTask, DataLimitRule::Observed)
        );
    }

    #[test]
    fn catchers_leave_their_other_fields_to_the_state() {
        let text = br#"{"Catch": [{"ErrorEquals": ["E"], "Next": "B", "ResultPath": "$.e"},
            {"Next": "B"}]}"#;
        let diagnostics = Diagnostics::new();
        let root = read(text, Format::Json, Limits::default(), &diagnostics).expect("valid");
        let fields = Fields::new(&Place::root(&root), "State \"S\"", &diagnostics);
        let mut fields = fields.expect("an object");
        let catchers = Catcher::parse_all(&mut fields, |rest| rest.string("ResultPath"));
        assert_eq!(catchers.len(), 1);
        let (catcher, result_path) = &catchers[0];
        assert_eq!((catcher.next.name.as_str(), *result_path), ("B", Some("$.e")));
        assert_eq!(catcher.next.subject, "State \"S\" Catch[0] field \"Next\"");
        let found = diagnostics.into_vec();
        assert_eq!((found.len(), found[0].location.pointer.as_str()), (1, "/Catch/1"));
    }
}
