//! An output as an entry of `SendMessageBatch`.

use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::record::Header;
use crate::sinks::{Output, SinkError, SinkErrorKind};

/// Attributes that a message may have, says SQS.
const ATTRIBUTES_MAX: usize = 10;
/// The group of outputs without a key.
const GROUP: &str = "expressway";
/// The header that an execution's name is in.
const EXECUTION: &str = "expressway.execution";
/// Headers that tell of the message that was read, not of the one that is written.
const READ_PREFIX: &str = "sqs.";

/// A message to send.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub tag: u64,
    /// `MessageGroupId`, for FIFO queues.
    pub group: Option<String>,
    /// What it counts against the limit of a call.
    pub bytes: usize,
    pub json: Json,
}

/// Tells the outputs of one record apart: they are written one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Naming {
    tag: Option<u64>,
    count: usize,
}

impl Naming {
    fn next(&mut self, tag: u64) -> usize {
        self.count = if self.tag == Some(tag) { self.count + 1 } else { 0 };
        self.tag = Some(tag);
        self.count
    }
}

/// The entry for an output; `naming` where the queue is FIFO.
pub(super) fn of(output: &Output<'_>, naming: Option<&mut Naming>) -> Result<Entry, SinkError> {
    let value = output.value.unwrap_or(b"null");
    let body = std::str::from_utf8(value).map_err(|_| refused("its value is no text"))?;
    let attributes = attributes_of(output.headers)?;
    let bytes = attributes.iter().map(|(name, it)| name.len() + it.to_string().len());
    let bytes = body.len() + bytes.sum::<usize>();
    let mut json = json!({ "MessageBody": body });
    if !attributes.is_empty() {
        json["MessageAttributes"] = Json::Object(attributes);
    }
    let mut group = None;
    if let Some(naming) = naming {
        let key = output.key.map(String::from_utf8_lossy);
        let named = group_of(key.as_deref().unwrap_or(GROUP));
        json["MessageGroupId"] = json!(named);
        json["MessageDeduplicationId"] =
            json!(deduplication(output, naming.next(output.tag), body));
        group = Some(named);
    }
    Ok(Entry { tag: output.tag, group, bytes, json })
}

fn refused(why: &str) -> SinkError {
    let message = format!("an output can't be sent to SQS: {why}.");
    SinkError { kind: SinkErrorKind::Record, code: "InvalidMessageContents", message }
}

fn attributes_of(headers: &[Header<'_>]) -> Result<Map<String, Json>, SinkError> {
    let mut attributes = Map::new();
    for header in headers {
        let Some(value) = header.value.filter(|value| !value.is_empty()) else { continue };
        if header.name.starts_with(READ_PREFIX) || header.name == "AWSTraceHeader" {
            continue;
        }
        attributes.insert(attribute_name(header.name), attribute(value));
    }
    if attributes.len() > ATTRIBUTES_MAX {
        return Err(refused(
            "it has more than 10 headers, which become message attributes; write headers = \"none\"",
        ));
    }
    Ok(attributes)
}

fn attribute(value: &[u8]) -> Json {
    match std::str::from_utf8(value) {
        Ok(text) => json!({ "DataType": "String", "StringValue": text }),
        // The client writes it in base64 only where it is text; such bytes are not.
        Err(_) => json!({ "DataType": "String", "StringValue": base64(value) }),
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// SQS takes letters, digits, `_`, `-` and `.`.
fn attribute_name(name: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.chars().take(256).map(|c| if legal(c) { c } else { '_' }).collect()
}

/// A key as a group's name: as it is where SQS takes it, its hash otherwise.
fn group_of(key: &str) -> String {
    let is_legal = !key.is_empty() && key.len() <= 128 && key.bytes().all(|b| b.is_ascii_graphic());
    if is_legal { key.to_owned() } else { hex(key.as_bytes()) }
}

/// The same when the record is processed again and comes to the same: by the text, and the execution's
/// name where it is sent along. Not by the name alone: a batch has that of its first record, which may
/// come again with others, or without.
fn deduplication(output: &Output<'_>, place: usize, body: &str) -> String {
    let name = output.headers.iter().find(|header| header.name == EXECUTION);
    match name.and_then(|header| header.value) {
        Some(name) => hex(&[name, format!("#{place}\n").as_bytes(), body.as_bytes()].concat()),
        None => hex(body.as_bytes()),
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::TopicId;

    fn output<'a>(key: Option<&'a [u8]>, headers: &'a [Header<'a>]) -> Output<'a> {
        Output { topic: TopicId(0), key, value: Some(b"{\"a\":1}"), headers, tag: 7 }
    }

    #[test]
    fn headers_become_attributes() {
        let header = |name, value: &'static [u8]| Header { name, value: Some(value) };
        let headers =
            [header("kind", b"a"), header("a/b", b"c"), header("sqs.receive-count", b"1")];
        let entry = of(&output(None, &headers), None).expect("it can be sent");
        assert_eq!(
            entry.json,
            json!({ "MessageBody": "{\"a\":1}", "MessageAttributes": {
                "kind": { "DataType": "String", "StringValue": "a" },
                "a_b": { "DataType": "String", "StringValue": "c" } } })
        );
        let names: Vec<String> = (0..11).map(|at| format!("h{at}")).collect();
        let many: Vec<_> = names.iter().map(|name| header(name, b"v")).collect();
        let error = of(&output(None, &many), None).expect_err("too many");
        assert_eq!(error.kind, SinkErrorKind::Record);
    }

    #[test]
    fn fifo_messages_are_told_apart_and_known_again() {
        let headers = [Header { name: EXECUTION, value: Some(b"p-q-0-1") }];
        let mut naming = Naming::default();
        let mut ids = || {
            let entry = of(&output(Some(b"device 1"), &headers), Some(&mut naming)).expect("sent");
            (entry.group.expect("FIFO"), entry.json["MessageDeduplicationId"].to_string())
        };
        let (first, second) = (ids(), ids());
        assert_eq!(first.0, second.0);
        assert_ne!(first.1, second.1);
        let mut naming = Naming::default();
        let again = of(&output(Some(b"device 1"), &headers), Some(&mut naming)).expect("sent");
        assert_eq!(again.json["MessageDeduplicationId"].to_string(), first.1);
        assert_eq!(group_of("device-1"), "device-1");
    }
}
