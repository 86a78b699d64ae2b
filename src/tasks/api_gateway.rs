//! `arn:aws:states:::apigateway:invoke`: `ApiEndpoint`, `Method`, `Stage`, `Path`, `Headers`,
//! `QueryParameters`, `RequestBody`, `AllowNullValues`, `AuthType` (`NO_AUTH`, `IAM_ROLE`,
//! `RESOURCE_POLICY`).
//!
//! The result is `{"Headers", "ResponseBody", "StatusCode", "StatusText"}`; a status other than 2xx
//! is the error `ApiGateway.nnn`, its body the cause.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value as Json, json};

use super::Integration;
use super::aws::optimized::Optimized;
use super::aws::{Answer, Job, Target, lacks, metadata, open};
use crate::aws::{self, Endpoint, ErrorKind, Reply, Request};
use crate::fault::StateError;

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| API_GATEWAY.takes(resource),
    lacks,
    open: |settings, place| open(settings, place, |job| Box::pin(invoke(job))),
};

const API_GATEWAY: Optimized = Optimized {
    resource: "apigateway",
    actions: &["invoke"],
    service: "executeapi",
    prefix: "ApiGateway",
    client: "AmazonApiGateway",
    ..Optimized::PLAIN
};

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

/// Headers that are the client's to write, or that would speak for somebody else.
const REFUSED_HEADERS: [&str; 10] = [
    "authorization",
    "connection",
    "content-length",
    "content-md5",
    "date",
    "expect",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

async fn invoke(job: Job) -> Answer {
    let members = job.members()?;
    let request = request_of(&members).map_err(|why| job.refused(&why))?;
    let endpoint = endpoint_of(&job, &members).map_err(|why| job.refused(&why))?;
    let is_anonymous = text(&members, "AuthType").unwrap_or("NO_AUTH") == "NO_AUTH";
    let call = job.call(API_GATEWAY.api(), "Invoke");
    let call = aws::Call { endpoint: Some(&endpoint), is_anonymous, ..call };
    let reply = job.client.send(&call, request).await.map_err(|error| failed(&job, error))?;
    Ok(result(&reply).to_string().into_bytes())
}

fn text<'a>(members: &'a Map<String, Json>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Json::as_str)
}

/// Where the API is: what the settings say, else its own host.
fn endpoint_of(job: &Job, members: &Map<String, Json>) -> Result<Endpoint, String> {
    let targets = [job.settings.states.get(&job.state), job.settings.services.get("apigateway")];
    let set = targets.into_iter().flatten().find_map(|target| match target {
        Target::Endpoint(url @ Endpoint::Url(_)) => Some(url.clone()),
        _ => None,
    });
    if let Some(set) = set {
        return Ok(set);
    }
    let host = text(members, "ApiEndpoint").ok_or("The field 'ApiEndpoint' is required")?;
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    if host.is_empty() || !host.bytes().all(is_host) {
        return Err("The value of the field 'ApiEndpoint' must be the name of a host".to_owned());
    }
    Ok(Endpoint::Url(format!("https://{host}")))
}

fn request_of(members: &Map<String, Json>) -> Result<Request, String> {
    let method = text(members, "Method").ok_or("The field 'Method' is required")?;
    let method = METHODS.into_iter().find(|known| *known == method);
    let method = method.ok_or_else(|| format!("The field 'Method' must be one of {METHODS:?}"))?;
    let parts = ["Stage", "Path"].iter().filter_map(|name| text(members, name));
    let parts = parts.flat_map(|part| part.split('/')).filter(|part| !part.is_empty());
    let path: String = parts.map(|part| format!("/{}", encoded(part))).collect();
    let (mut request, body) = (Request { method, path, ..Request::default() }, body_of(members));
    request.query = query_of(members)?;
    request.headers = headers_of(members)?;
    if let Some(body) = body {
        if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request.headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        request.body = body.into_bytes();
    }
    Ok(request)
}

/// JSON; `null` is left out unless `AllowNullValues` keeps it.
fn body_of(members: &Map<String, Json>) -> Option<String> {
    let keeps_null = members.get("AllowNullValues") == Some(&Json::Bool(true));
    let body = members.get("RequestBody").filter(|body| keeps_null || !body.is_null())?;
    Some(if keeps_null { body.clone() } else { without_null(body) }.to_string())
}

fn without_null(value: &Json) -> Json {
    match value {
        Json::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Json::Object(kept.map(|(name, value)| (name.clone(), without_null(value))).collect())
        }
        Json::Array(items) => items.iter().map(without_null).collect(),
        other => other.clone(),
    }
}

/// Names with the list of their values.
fn lists<'a>(
    members: &'a Map<String, Json>,
    field: &str,
) -> Result<Vec<(&'a String, Vec<String>)>, String> {
    let Some(object) = members.get(field).filter(|value| !value.is_null()) else {
        return Ok(Vec::new());
    };
    let plain = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let object =
        object.as_object().ok_or_else(|| format!("The field '{field}' must be an object"))?;
    let list = |(name, value): (&'a String, &Json)| match value {
        Json::Array(items) => (name, items.iter().map(plain).collect()),
        value => (name, vec![plain(value)]),
    };
    Ok(object.iter().map(list).collect())
}

fn query_of(members: &Map<String, Json>) -> Result<String, String> {
    let pairs = lists(members, "QueryParameters")?.into_iter().flat_map(|(name, values)| {
        let pair = |value: String| format!("{}={}", encoded(name), encoded(&value));
        values.into_iter().map(pair).collect::<Vec<_>>()
    });
    Ok(pairs.collect::<Vec<_>>().join("&"))
}

fn headers_of(members: &Map<String, Json>) -> Result<Vec<(String, String)>, String> {
    let mut headers = Vec::new();
    for (name, values) in lists(members, "Headers")? {
        let lower = name.to_ascii_lowercase();
        if REFUSED_HEADERS.contains(&lower.as_str()) || lower.starts_with("x-amz") {
            return Err(format!("The header '{name}' is not allowed"));
        }
        headers.push((lower, values.join(",")));
    }
    Ok(headers)
}

fn encoded(text: &str) -> String {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, PLAIN).to_string()
}

fn failed(job: &Job, error: aws::Error) -> StateError {
    match (error.kind, error.status) {
        (ErrorKind::Input, _) => job.refused(&error.message),
        (ErrorKind::Service, Some(status)) => {
            StateError::new(format!("ApiGateway.{status}"), error.body)
        }
        _ => API_GATEWAY.failure(&error),
    }
}

fn result(reply: &Reply) -> Json {
    let headers = reply.headers.keys().map(|name| {
        let values = reply.headers.get_all(name).iter();
        let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        (metadata::spelled(name.as_str()), values.collect::<Vec<_>>().into())
    });
    let headers: Map<String, Json> = headers.collect();
    let text = String::from_utf8_lossy(&reply.body);
    let body = serde_json::from_str(&text).unwrap_or_else(|_| Json::String(text.into_owned()));
    let status = reply.status;
    json!({
        "Headers": headers,
        "ResponseBody": body,
        "StatusCode": status,
        "StatusText": aws::status_text(status),
    })
}
