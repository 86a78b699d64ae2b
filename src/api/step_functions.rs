//! `POST /`: the part of Step Functions' API that workers and approvers speak, over AWS JSON 1.0, so
//! that any AWS SDK works with `endpoint_url` set to this endpoint. Signatures are not looked at: an
//! answer is as good as its token, and what may ask for activities' tasks is the network's to say.

mod activities;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::answers::{Act, Answers, PASSED_ON};
use super::refusal::Refusal;
use super::{ROUTES, Route, Shared};
use crate::fault::StateError;

pub(super) const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
pub(super) const TARGET_PREFIX: &str = "AWSStepFunctions.";

/// Step Functions' limits, in characters.
const TOKEN_CHARS_MAX: usize = 2048;
const ERROR_CHARS_MAX: usize = 256;
const CAUSE_CHARS_MAX: usize = 32_768;

/// The resource.
pub(super) const ROUTE: Route = Route {
    path: "/",
    about: "Step Functions' API for workers and task tokens (POST); this list",
    handler: || get(list).post(answer),
};

/// What there is, for people.
async fn list() -> String {
    ROUTES.iter().map(|route| format!("{:<10} {}\n", route.path, route.about)).collect()
}

async fn answer(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    match dispatch(&shared, &headers, &body).await {
        Ok(answer) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], answer.to_string()).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn dispatch(shared: &Shared, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let target = headers.get("x-amz-target").and_then(|it| it.to_str().ok()).unwrap_or_default();
    let operation = target.strip_prefix(TARGET_PREFIX).unwrap_or_default();
    let Some(answers) = &shared.answers else { return Err(unknown(target)) };
    let request = Request::read(body)?;
    let act = match operation {
        "SendTaskSuccess" => Act::Answer(Ok(output(&request, answers)?)),
        "SendTaskFailure" => Act::Answer(Err(failure(&request)?)),
        "SendTaskHeartbeat" => Act::Heartbeat,
        "GetActivityTask" => return activities::take(answers, &request).await,
        "CreateActivity" => return activities::create(answers, &request),
        "DescribeActivity" => return activities::describe(answers, &request),
        "ListActivities" => return activities::list(answers, &request),
        "DeleteActivity" => return activities::delete(answers, &request),
        _ => return Err(unknown(target)),
    };
    let token = request.required("taskToken", TOKEN_CHARS_MAX)?;
    answers.act(token, act, headers.contains_key(PASSED_ON)).await?;
    Ok(Value::Object(Map::new()))
}

fn unknown(target: &str) -> Refusal {
    let message = format!(
        "{target:?} is none of this endpoint's operations: SendTaskSuccess, SendTaskFailure, \
         SendTaskHeartbeat, GetActivityTask, CreateActivity, DescribeActivity, ListActivities, \
         DeleteActivity."
    );
    Refusal::bad("UnknownOperationException", message)
}

fn output(request: &Request, answers: &Answers) -> Result<Vec<u8>, Refusal> {
    let output = request.required("output", answers.output_max)?;
    match serde_json::from_str::<IgnoredAny>(output) {
        Ok(_) => Ok(output.as_bytes().to_vec()),
        Err(error) => Err(Refusal::bad("InvalidOutput", format!("Invalid Output: '{error}'"))),
    }
}

fn failure(request: &Request) -> Result<StateError, Refusal> {
    let error = request.optional("error", ERROR_CHARS_MAX)?.map(|name| name.to_owned().into());
    let cause = request.optional("cause", CAUSE_CHARS_MAX)?.map(str::to_owned);
    Ok(StateError::from_parts(error, cause))
}

/// A request's members.
struct Request(Map<String, Value>);

impl Request {
    fn read(body: &[u8]) -> Result<Request, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Request(members)),
            Ok(_) => Err(Refusal::bad("SerializationException", "The request is no JSON object.")),
            Err(error) => {
                let message = format!("The request is no JSON: {error}.");
                Err(Refusal::bad("SerializationException", message))
            }
        }
    }

    fn optional(&self, name: &str, chars_max: usize) -> Result<Option<&str>, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= chars_max => Ok(Some(text)),
            Some(Value::String(text)) if text.chars().count() <= chars_max => Ok(Some(text)),
            Some(Value::String(_)) => Err(Refusal::invalid(format!(
                "1 validation error detected: Value at '{name}' failed to satisfy constraint: Member \
                 must have length less than or equal to {chars_max}"
            ))),
            Some(_) => {
                let message = format!("The member {name} must be a string.");
                Err(Refusal::bad("SerializationException", message))
            }
        }
    }

    fn required(&self, name: &str, chars_max: usize) -> Result<&str, Refusal> {
        let constraint = match self.optional(name, chars_max)? {
            Some("") => "Member must have length greater than or equal to 1",
            Some(text) => return Ok(text),
            None => "Member must not be null",
        };
        Err(Refusal::invalid(format!(
            "1 validation error detected: Value at '{name}' failed to satisfy constraint: {constraint}"
        )))
    }
}
