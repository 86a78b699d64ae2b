//! Errors as Step Functions' API has them.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// As clients know it: `TaskTimedOut`, say.
    pub(super) code: String,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Refusal {
        Refusal { status, code: code.into(), message: message.into() }
    }

    /// An error that is the request's own fault.
    pub(super) fn bad(code: &str, message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::bad("ValidationException", message)
    }

    pub(super) fn invalid_token() -> Refusal {
        Refusal::bad("InvalidToken", "Invalid Token: 'Invalid token'")
    }

    pub(super) fn timed_out() -> Refusal {
        let message = "Task Timed Out: 'Provided task does not exist anymore'";
        Refusal::bad("TaskTimedOut", message)
    }

    pub(super) fn busy() -> Refusal {
        let message = "There is no room for the answer just now (callbacks.queue_max, held_max or \
                       held_size_max): try again.";
        Refusal::bad("ThrottlingException", message)
    }

    pub(super) fn no_activity(arn: &str) -> Refusal {
        Refusal::bad("ActivityDoesNotExist", format!("Activity Does Not Exist: '{arn}'"))
    }

    /// The same as an error that passes: clients try again.
    pub(super) fn unavailable(self) -> Refusal {
        let (status, code) = (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable".to_owned());
        Refusal { status, code, ..self }
    }

    /// What a peer has answered.
    pub(super) fn read(status: StatusCode, text: &str) -> Option<Refusal> {
        let answer: serde_json::Value = serde_json::from_str(text).ok()?;
        let code = answer.get("__type")?.as_str()?;
        let message = answer.get("message").and_then(|it| it.as_str()).unwrap_or_default();
        Some(Refusal::new(status, code, message))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"__type": self.code, "message": self.message}).to_string();
        let headers = [(CONTENT_TYPE, super::step_functions::CONTENT_TYPE)];
        (self.status, headers, body).into_response()
    }
}
