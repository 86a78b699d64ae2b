//! From an operation and its members to a request, and from the answer back to members.

mod form;
mod rest;
mod xml;

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value as Json};

use super::error::{Error, ErrorKind};
use super::members::{from_wire, to_wire};
use super::services::{Protocol, Service};

/// What stands for itself in paths and queries (RFC 3986, "unreserved").
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Bytes of a body that an error keeps, as the longest cause has.
const BODY_BYTES_MAX: usize = 32 << 10;

/// A request without its host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `POST`
    pub method: &'static str,
    /// Encoded, with its slash.
    pub path: String,
    /// Encoded, without the question mark.
    pub query: String,
    /// Those that go with it; the host and the signature come later.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

/// What came back, whatever it says.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Request {
    /// A request of a JSON protocol whose body is ready.
    pub fn json(service: &Service, operation: &str, body: Vec<u8>) -> Request {
        let version = if let Protocol::Json(version) = service.protocol { version } else { "1.1" };
        let headers = vec![
            ("content-type".to_owned(), format!("application/x-amz-json-{version}")),
            ("x-amz-target".to_owned(), format!("{}.{operation}", service.target)),
        ];
        Request { method: "POST", path: "/".to_owned(), query: String::new(), headers, body }
    }
}

/// Writes a request; `Err` says why the members are none for this operation.
pub(super) fn request(
    service: &Service,
    operation: &str,
    members: &Json,
) -> Result<Request, String> {
    match service.protocol {
        Protocol::Json(_) => {
            let body = to_wire(service, members).to_string().into_bytes();
            Ok(Request::json(service, operation, body))
        }
        Protocol::Query(version) => Ok(form::request(service, operation, version, members)),
        Protocol::RestJson | Protocol::RestXml => rest::request(service, operation, members),
    }
}

/// Reads the answer to a call that went well; `Err` says why it can't be read.
pub(super) fn answer(service: &Service, operation: &str, reply: &Reply) -> Result<Json, String> {
    match service.protocol {
        Protocol::Json(_) => Ok(from_wire(service, json(&reply.body)?)),
        Protocol::Query(_) => xml::answer(service, operation, &reply.body),
        Protocol::RestJson | Protocol::RestXml => rest::answer(service, operation, reply),
    }
}

/// A body of JSON; none is an object without members.
fn json(body: &[u8]) -> Result<Json, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Json::Object(Map::new()));
    }
    serde_json::from_slice(body).map_err(|e| format!("it is no JSON: {e}"))
}

/// Reads the answer to a call that went wrong.
pub(super) fn failure(service: &Service, operation: &str, reply: &Reply) -> Error {
    let mut error = Error::new(ErrorKind::Service, service, operation, String::new());
    error.status = Some(reply.status);
    error.request_id = request_id(&reply.headers).unwrap_or_default();
    error.extended_request_id = header(&reply.headers, "x-amz-id-2").unwrap_or_default().to_owned();
    let kept = &reply.body[..reply.body.len().min(BODY_BYTES_MAX)];
    error.body = String::from_utf8_lossy(kept).into_owned();
    error.retry_after = header(&reply.headers, "retry-after")
        .and_then(|seconds| seconds.parse().ok())
        .map(Duration::from_secs);
    let found = match service.protocol {
        Protocol::Query(_) | Protocol::RestXml => xml::failure(&reply.body),
        Protocol::Json(_) | Protocol::RestJson => json_failure(reply),
    };
    if let Some(found) = found {
        (error.code, error.message) = (found.code, found.message);
        if !found.request_id.is_empty() {
            error.request_id = found.request_id;
        }
    }
    if error.code.is_empty() {
        // A proxy's page, or a HEAD's empty body: only the status speaks.
        let reason = status_text(reply.status);
        error.code = match (operation, reply.status) {
            ("HeadObject", 404) => "NoSuchKey".to_owned(),
            ("HeadBucket", 404) => "NoSuchBucket".to_owned(),
            _ => reason.split(' ').collect(),
        };
        error.message = reason.to_owned();
    }
    error
}

/// What a body says of a failure.
struct Failure {
    code: String,
    message: String,
    request_id: String,
}

fn json_failure(reply: &Reply) -> Option<Failure> {
    let body: Json = serde_json::from_slice(&reply.body).unwrap_or_default();
    let text = |names: &[&str]| names.iter().find_map(|name| body.get(name)?.as_str());
    let typed = header(&reply.headers, "x-amzn-errortype").or_else(|| text(&["__type", "code"]))?;
    // "prefix#Name", "Name:http://..."
    let code = typed.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    let message = text(&["message", "Message", "errorMessage"]).unwrap_or_default().to_owned();
    Some(Failure { code, message, request_id: String::new() })
}

/// What a status is called: `Not Found`
pub fn status_text(status: u16) -> &'static str {
    let known = reqwest::StatusCode::from_u16(status).ok();
    known.and_then(|status| status.canonical_reason()).unwrap_or("Unknown")
}

/// The request's id, as whichever header has it.
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    ["x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id"]
        .iter()
        .find_map(|name| header(headers, name))
        .map(str::to_owned)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests;
