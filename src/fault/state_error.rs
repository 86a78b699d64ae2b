//! The error a workflow sees: an ASL error name and a cause.

use std::borrow::Cow;
use std::fmt;

/// The error names the service itself raises, spelled as Retry and Catch name them.
pub mod names {
    /// Matches every error but the terminal ones; never raised.
    pub const ALL: &str = "States.ALL";
    /// A failed task; in `ErrorEquals`, every error but `States.Timeout`.
    pub const TASK_FAILED: &str = "States.TaskFailed";
    /// A state or the machine ran longer than `TimeoutSeconds`.
    pub const TIMEOUT: &str = "States.Timeout";
    /// A task sent no heartbeat within `HeartbeatSeconds`.
    pub const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";
    /// The privileges did not suffice.
    pub const PERMISSIONS: &str = "States.Permissions";
    /// `ResultPath` could not be applied to the state's input.
    pub const RESULT_PATH_MATCH_FAILURE: &str = "States.ResultPathMatchFailure";
    /// A path in a payload template did not resolve.
    pub const PARAMETER_PATH_FAILURE: &str = "States.ParameterPathFailure";
    /// A branch of a Parallel state failed.
    pub const BRANCH_FAILED: &str = "States.BranchFailed";
    /// No rule of a Choice state matched and it has no `Default`.
    pub const NO_CHOICE_MATCHED: &str = "States.NoChoiceMatched";
    /// An intrinsic function failed.
    pub const INTRINSIC_FAILURE: &str = "States.IntrinsicFailure";
    /// A JSONata expression failed, gave nothing, or gave what its field can't take.
    pub const QUERY_EVALUATION_ERROR: &str = "States.QueryEvaluationError";
    /// What can't be processed at run time; neither retried nor caught.
    pub const RUNTIME: &str = "States.Runtime";
    /// A payload is larger than the limit.
    pub const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";
}

/// An ASL error: its name, and a cause for a person to read. One pointer wide, so that results that
/// may carry it stay small; made only when something fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateError(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    name: Option<Cow<'static, str>>,
    cause: Option<String>,
    /// For a person who runs it by hand; the workflow does not see it.
    note: Option<String>,
}

impl StateError {
    /// An error with a name and a cause.
    pub fn new(name: impl Into<Cow<'static, str>>, cause: impl Into<String>) -> StateError {
        StateError::from_parts(Some(name.into()), Some(cause.into()))
    }

    /// An error as a task or a Fail state gave it; either part may be missing.
    pub fn from_parts(name: Option<Cow<'static, str>>, cause: Option<String>) -> StateError {
        StateError(Box::new(Parts { name, cause, note: None }))
    }

    /// `States.Runtime` with a cause: terminal, neither retried nor caught.
    pub fn runtime(cause: impl Into<String>) -> StateError {
        StateError::new(names::RUNTIME, cause)
    }

    /// The error's name; a Fail state without `Error` has none.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// The cause, where one was given.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The same error with a note for a person, which no workflow sees.
    pub fn with_note(mut self, note: Option<String>) -> StateError {
        self.0.note = note;
        self
    }

    /// The note, where there is one.
    pub fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }

    /// The same error with its cause put as `wrap` says.
    pub fn map_cause(mut self, wrap: impl FnOnce(&str) -> String) -> StateError {
        let cause = wrap(self.0.cause.as_deref().unwrap_or_default());
        self.0.cause = Some(cause);
        self
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self.cause()) {
            (Some(name), Some(cause)) => write!(f, "{name}: {cause}"),
            (Some(text), None) | (None, Some(text)) => f.write_str(text),
            (None, None) => f.write_str("(no error name, no cause)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_one_pointer_wide() {
        assert_eq!(size_of::<Result<(), StateError>>(), size_of::<usize>());
    }
}
