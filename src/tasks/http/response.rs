//! An answer as a task's result.

use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::client::Exchange;
use crate::fault::StateError;
use crate::tasks::arguments::{Arguments, push_string};

/// Bytes of a body that an error's cause keeps, as the service limits causes.
const CAUSE_BYTES_MAX: usize = 32 << 10;

/// Media types that are no text.
const BINARY_TYPES: [&str; 4] = ["application/octet-stream", "image/", "video/", "audio/"];

/// Writes `{"Headers", "ResponseBody", "StatusCode", "StatusText"}` to `out`, or tells the error.
pub(super) fn render(
    exchange: &Exchange,
    memory: &mut Arguments,
    out: &mut Vec<u8>,
) -> Result<(), StateError> {
    let Exchange { status, headers, body, .. } = exchange;
    if !status.is_success() {
        return Err(failure(exchange));
    }
    let media_type = media_type_of(headers);
    let no_text = |what: &str| {
        let asked = exchange.asked();
        StateError::runtime(format!("{asked} answered with {what}, not with text."))
    };
    if BINARY_TYPES.iter().any(|binary| media_type.starts_with(binary)) {
        return Err(no_text(&media_type));
    }
    let text = std::str::from_utf8(body).map_err(|_| no_text("bytes that are not UTF-8"))?;
    out.clear();
    out.extend_from_slice(b"{\"Headers\":");
    push_headers(headers, out);
    out.extend_from_slice(b",\"ResponseBody\":");
    let is_json = media_type == "application/json" || media_type.ends_with("+json");
    if is_json && memory.parse(body).is_ok() {
        out.extend_from_slice(body);
    } else {
        push_string(text, out);
    }
    out.extend_from_slice(b",\"StatusCode\":");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b",\"StatusText\":");
    push_string(status.canonical_reason().unwrap_or_default(), out);
    out.push(b'}');
    Ok(())
}

/// In lower case, without parameters.
fn media_type_of(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// `{"date": ["..."]}`: lists, as a header may come more than once.
fn push_headers(headers: &HeaderMap, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, name) in headers.keys().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_string(name.as_str(), out);
        out.extend_from_slice(b":[");
        for (index, value) in headers.get_all(name).iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_string(&String::from_utf8_lossy(value.as_bytes()), out);
        }
        out.push(b']');
    }
    out.push(b'}');
}

/// The body is the cause; where there is none, what was asked for.
fn failure(exchange: &Exchange) -> StateError {
    let Exchange { status, body, .. } = exchange;
    let name = format!("States.Http.StatusCode.{}", status.as_str());
    let text = String::from_utf8_lossy(&body[..body.len().min(CAUSE_BYTES_MAX)]);
    let cause = match text.trim().is_empty() {
        true => format!("{} answered {status}.", exchange.asked()),
        false => text.into_owned(),
    };
    StateError::new(name, cause)
}
