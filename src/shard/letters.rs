//! Dead letters: the record as it came, and all that is known about why it failed.

use super::names::{Origin, base64_of};
use crate::fault::StateError;
use crate::machine::Identity;
use crate::record::Header;

/// What a dead letter says beside the record.
pub struct Report<'a> {
    /// The error.
    pub error: &'a StateError,
    /// The state it ended in; `None` where no execution began.
    pub state: Option<&'a str>,
    /// Tries of that state.
    pub attempts: u32,
}

/// Prefix of the headers that a dead letter carries beside the record's own.
pub const HEADER_PREFIX: &str = "expressway.";

/// The report as headers, in a fixed order; values that are missing are left out.
fn fields(origin: &Origin<'_>, report: &Report<'_>) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("pipeline", origin.plan.name.to_string()),
        ("topic", origin.topic.to_owned()),
        ("partition", origin.partition.to_string()),
        ("offset", origin.record.position.offset.to_string()),
        ("timestamp", origin.record.timestamp_ms.to_string()),
        ("execution", origin.name()),
        ("definition", origin.plan.machine.to_string()),
        ("version", format!("{:016x}", origin.plan.program.version)),
        ("attempts", report.attempts.to_string()),
    ];
    let optional = [
        ("error", report.error.name()),
        ("cause", report.error.cause()),
        ("state", report.state),
    ];
    for (name, value) in optional {
        fields.extend(value.map(|value| (name, value.to_owned())));
    }
    fields
}

/// Calls `write` with the letter's headers: the record's own, then the report's.
pub fn with_headers<T>(
    origin: &Origin<'_>,
    report: &Report<'_>,
    write: impl FnOnce(&[Header<'_>]) -> T,
) -> T {
    let fields: Vec<_> = fields(origin, report)
        .into_iter()
        .map(|(name, value)| (format!("{HEADER_PREFIX}{name}"), value))
        .collect();
    let mut headers = origin.record.headers.to_vec();
    headers.extend(
        fields.iter().map(|(name, value)| Header { name, value: Some(value.as_bytes()) }),
    );
    write(&headers)
}

/// The letter as one JSON line, for files: text where the bytes are UTF-8, base64 beside it where
/// they are not.
pub fn line(origin: &Origin<'_>, report: &Report<'_>) -> Vec<u8> {
    let mut object = serde_json::Map::new();
    for (name, value) in fields(origin, report) {
        object.insert(name.to_owned(), value.into());
    }
    bytes_into(&mut object, "key", origin.record.key);
    bytes_into(&mut object, "value", origin.record.value);
    let headers = origin.record.headers.iter().map(|header| {
        let mut one = serde_json::Map::new();
        one.insert("name".to_owned(), header.name.into());
        bytes_into(&mut one, "value", header.value);
        serde_json::Value::Object(one)
    });
    object.insert("headers".to_owned(), headers.collect());
    serde_json::Value::Object(object).to_string().into_bytes()
}

fn bytes_into(
    object: &mut serde_json::Map<String, serde_json::Value>,
    name: &str,
    bytes: Option<&[u8]>,
) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => object.insert(name.to_owned(), serde_json::Value::Null),
        Some((_, Ok(text))) => object.insert(name.to_owned(), text.into()),
        Some((bytes, Err(_))) => object.insert(format!("{name}_base64"), base64_of(bytes).into()),
    };
}
