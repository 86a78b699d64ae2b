//! Lambda: a function's ARN, whose event is the state's input, and `arn:aws:states:::lambda:invoke`
//! with `FunctionName`, `Payload`, `InvocationType`, `Qualifier`, `ClientContext`, `LogType`.
//!
//! What a function raises is the task's error: its `errorType` the name, all it says the cause.
//! A function need not be Lambda's: the settings may give the URL of one by its name, where its event
//! is posted to (a runtime interface emulator, a container, any HTTP server).

use serde_json::{Map, Value as Json};

use super::Integration;
use super::aws::optimized::Optimized;
use super::aws::{Answer, Job, lacks, metadata, open};
use crate::asl::resource::Resource;
use crate::aws::{self, Endpoint, ErrorKind, Reply, Request};
use crate::fault::StateError;

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| matches!(resource, Resource::Lambda { .. }) || LAMBDA.takes(resource),
    lacks,
    open: |settings, place| open(settings, place, |job| Box::pin(invoke(job))),
};

pub(super) const LAMBDA: Optimized = Optimized {
    resource: "lambda",
    actions: &["invoke"],
    service: "lambda",
    prefix: "Lambda",
    client: "AWSLambda",
    ..Optimized::PLAIN
};

async fn invoke(job: Job) -> Answer {
    let members = event_of(&job)?;
    let name = members.get("FunctionName").and_then(Json::as_str).unwrap_or_default().to_owned();
    let reply = match function_url(&job, &name) {
        Some(url) => post(&job, url, &members).await?,
        None => {
            let call = job.call(LAMBDA.api(), "Invoke");
            // A function's ARN says where it is.
            let region = name.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2));
            let call = aws::Call { region: region.filter(|it| !it.is_empty()), ..call };
            let sent = job.client.fetch(&call, &Json::Object(members)).await;
            sent.map_err(|error| failed(&job, &error))?
        }
    };
    let is_plain = matches!(job.resource, Resource::Lambda { .. });
    if let Some(error) = raised(&reply, is_plain) {
        return Err(error);
    }
    Ok(if is_plain { payload(&reply).to_string() } else { result(&job, &reply) }.into_bytes())
}

/// What is invoked with what.
fn event_of(job: &Job) -> Result<Map<String, Json>, StateError> {
    let Resource::Lambda { arn, .. } = &job.resource else {
        return job.members();
    };
    let event = String::from_utf8_lossy(&job.arguments).into_owned();
    let mut members = Map::new();
    members.insert("FunctionName".to_owned(), arn.as_str().into());
    members.insert("Payload".to_owned(), event.into());
    Ok(members)
}

/// The URL of a function that is not Lambda's; its version or alias plays no part.
fn function_url<'a>(job: &'a Job, name: &str) -> Option<&'a str> {
    let plain = match name.split_once(":function:") {
        Some((_, function)) => function.split(':').next().unwrap_or_default(),
        None => name.split(':').next().unwrap_or_default(),
    };
    let functions = &job.settings.functions;
    functions.get(name).or_else(|| functions.get(plain)).map(String::as_str)
}

async fn post(job: &Job, url: &str, members: &Map<String, Json>) -> Result<Reply, StateError> {
    let body = match members.get("Payload") {
        None | Some(Json::Null) => "{}".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(payload) => payload.to_string(),
    };
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let request =
        Request { method: "POST", headers, body: body.into_bytes(), ..Request::default() };
    let endpoint = Endpoint::Url(url.to_owned());
    let call = aws::Call {
        endpoint: Some(&endpoint),
        is_anonymous: true,
        held: Some(&job.held),
        caller: job.whose,
        ..aws::Call::new(LAMBDA.api(), "Invoke")
    };
    job.client.send(&call, request).await.map_err(|error| {
        // A server of functions may say with its status what a runtime says with a header.
        let said: Json = serde_json::from_str(&error.body).unwrap_or_default();
        match said["errorType"].as_str() {
            Some(name) => StateError::new(name.to_owned(), error.body.clone()),
            None => failed(job, &error),
        }
    })
}

fn failed(job: &Job, error: &aws::Error) -> StateError {
    match error.kind {
        ErrorKind::Input => job.refused(&error.message),
        _ => LAMBDA.failure(error),
    }
}

/// A function's answer: JSON, or text that is none.
fn payload(reply: &Reply) -> Json {
    let text = String::from_utf8_lossy(&reply.body);
    if text.is_empty() {
        return Json::Null;
    }
    serde_json::from_str(&text).unwrap_or_else(|_| Json::String(text.into_owned()))
}

/// What the function raised.
fn raised(reply: &Reply, is_plain: bool) -> Option<StateError> {
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let said: Json = serde_json::from_str(&text).unwrap_or_default();
    let is_marked = reply.headers.contains_key("x-amz-function-error");
    // Runtime interface emulators answer 200 and say it only in the body.
    let is_said = || {
        let members = said.as_object();
        let known = ["errorMessage", "errorType", "requestId", "stackTrace", "trace", "cause"];
        members.is_some_and(|members| {
            ["errorMessage", "errorType"].iter().all(|name| members.contains_key(*name))
                && members.keys().all(|name| known.contains(&name.as_str()))
        })
    };
    let is_emulated = !reply.headers.contains_key("x-amzn-requestid");
    if !(is_marked || is_emulated && is_said()) {
        return None;
    }
    let Some(name) = said["errorType"].as_str() else {
        let cause = format!(
            "The cause could not be determined because Lambda did not return an error type. \
             Returned payload: {text}"
        );
        return Some(StateError::new("Lambda.Unknown", cause));
    };
    // The one hands its text on, the other has read it.
    Some(StateError::new(name.to_owned(), if is_plain { text } else { said.to_string() }))
}

/// `{"ExecutedVersion", "Payload", "StatusCode", ...}`
fn result(job: &Job, reply: &Reply) -> String {
    let mut members = Map::new();
    let header = |name: &str| reply.headers.get(name).and_then(|value| value.to_str().ok());
    let headers =
        [("ExecutedVersion", "x-amz-executed-version"), ("LogResult", "x-amz-log-result")];
    for (member, name) in headers {
        if let Some(value) = header(name) {
            members.insert(member.to_owned(), value.into());
        }
    }
    // An event that is only queued is answered by nothing.
    if reply.status == 200 {
        members.insert("Payload".to_owned(), payload(reply));
    }
    members.insert("StatusCode".to_owned(), reply.status.into());
    let mut members = Json::Object(members);
    if job.settings.has_metadata {
        metadata::add(&mut members, reply);
    }
    members.to_string()
}

#[cfg(test)]
mod tests;
