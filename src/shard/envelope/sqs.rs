//! Messages of SQS as EventBridge Pipes and Lambda event-source mappings pass them: alike, but for the
//! envelope around them.

use std::fmt::Write as _;
use std::sync::Arc;

use md5::{Digest as _, Md5};

use super::Form;
use crate::record::Header;
use crate::shard::batch::View;
use crate::shard::names::{Origin, base64_into, text_of};
use crate::sources::sqs::{RECEIPT_HANDLE, TOLD, TOLD_TO_ENVELOPES, TYPE_PREFIX};
use crate::value::{Scratch, Value};

/// Bytes of a message's field names, numbers, ids and digest.
const FRAME_BYTES: usize = 640;
/// The same of one of its attributes.
const ATTRIBUTE_BYTES: usize = 100;
/// What the names of headers begin with that are no attributes.
const OWN_PREFIX: &str = "sqs.";

/// See the module.
#[derive(Clone, Debug)]
pub struct SqsForm {
    /// `eventSourceARN`, the queue's.
    pub arn: Arc<str>,
    /// `awsRegion`
    pub region: Arc<str>,
}

impl Form for SqsForm {
    fn piped(&self, origin: &Origin<'_>, scratch: &mut Scratch) -> Option<Value> {
        let record = origin.record;
        let mark = scratch.mark();
        for (name, text) in [("messageId", record.id), ("receiptHandle", receipt_handle(origin))] {
            let text = scratch.string(text.unwrap_or_default());
            scratch.push_member(name, text);
        }
        let body = record.value.unwrap_or_default();
        let text = text_of(body, scratch);
        scratch.push_member("body", text);
        let attributes = attributes(origin, scratch)?;
        scratch.push_member("attributes", attributes);
        let own = message_attributes(origin, scratch)?;
        scratch.push_member("messageAttributes", own);
        let digest = digest(body, scratch);
        scratch.push_member("md5OfBody", digest);
        let source = [
            ("eventSource", "aws:sqs"),
            ("eventSourceARN", &*self.arn),
            ("awsRegion", &*self.region),
        ];
        for (name, text) in source {
            let text = scratch.string(text);
            scratch.push_member(name, text);
        }
        scratch.object(mark).ok()
    }

    /// `{"Records": [...]}`
    fn mapped(&self, batch: &View<'_>, scratch: &mut Scratch) -> Option<Value> {
        let (envelope, list) = (scratch.mark(), scratch.mark());
        batch.each(scratch, |origin, scratch| {
            let message = self.piped(origin, scratch)?;
            scratch.push(message);
            Some(())
        })?;
        let list = scratch.array(list).ok()?;
        scratch.push_member("Records", list);
        scratch.object(envelope).ok()
    }

    /// The message's id.
    fn is_named(&self, identifier: &str, origin: &Origin<'_>) -> bool {
        origin.record.id == Some(identifier)
    }

    /// A queue may hand out a message twice.
    fn identity<'a>(&self, origin: &Origin<'a>) -> Option<&'a str> {
        origin.record.id
    }

    fn bytes(&self, origin: &Origin<'_>) -> usize {
        let record = origin.record;
        let text = |bytes: Option<&[u8]>| bytes.map_or(0, escaped_len);
        let header = |it: &Header<'_>| {
            // What is no text is written as base64, which is less.
            let value = it.value.map_or(0, |value| escaped_len(value).max(value.len() * 2));
            ATTRIBUTE_BYTES + it.name.len() * 6 + value
        };
        let headers = record.headers.iter().map(header).sum::<usize>();
        FRAME_BYTES
            + self.arn.len()
            + self.region.len()
            + text(record.key)
            + text(record.value)
            + headers
    }
}

/// Bytes as they are written in a string: `"` takes two, a control character up to six.
fn escaped_len(bytes: &[u8]) -> usize {
    let one = |byte: &u8| match byte {
        b'"' | b'\\' => 2,
        0..=0x1f | 0x7f => 6,
        _ => 1,
    };
    bytes.iter().map(one).sum()
}

fn header<'a>(origin: &Origin<'a>, name: &str) -> Option<&'a str> {
    let headers: &'a [Header<'a>] = origin.record.headers;
    let found = headers.iter().find(|header| header.name == name)?;
    std::str::from_utf8(found.value?).ok()
}

fn receipt_handle<'a>(origin: &Origin<'a>) -> Option<&'a str> {
    header(origin, RECEIPT_HANDLE)
}

/// What the queue says of the message: all as strings, as SQS has them.
fn attributes(origin: &Origin<'_>, scratch: &mut Scratch) -> Option<Value> {
    let record = origin.record;
    let mark = scratch.mark();
    for (name, its_header) in TOLD.iter().chain(&TOLD_TO_ENVELOPES) {
        if let Some(text) = header(origin, its_header) {
            let text = scratch.string(text);
            scratch.push_member(name, text);
        }
    }
    if record.timestamp_ms >= 0 {
        let text = scratch.string(itoa::Buffer::new().format(record.timestamp_ms));
        scratch.push_member("SentTimestamp", text);
    }
    if let Some(group) = record.key {
        let text = text_of(group, scratch);
        scratch.push_member("MessageGroupId", text);
    }
    scratch.object(mark).ok()
}

/// `{"name": {"stringValue": "...", "stringListValues": [], "binaryListValues": [], "dataType": "String"}}`
fn message_attributes(origin: &Origin<'_>, scratch: &mut Scratch) -> Option<Value> {
    let kind_of = |name: &str| {
        let mut headers = origin.record.headers.iter();
        let kind = headers.find(|it| it.name.strip_prefix(TYPE_PREFIX) == Some(name))?;
        std::str::from_utf8(kind.value?).ok()
    };
    let told = |name: &str| TOLD.iter().any(|(_, header)| *header == name);
    let mark = scratch.mark();
    for Header { name, value } in origin.record.headers {
        let Some(value) = value.filter(|_| !name.starts_with(OWN_PREFIX) && !told(name)) else {
            continue;
        };
        let kind = kind_of(name).unwrap_or("String");
        let one = scratch.mark();
        let (field, value) = match kind.starts_with("Binary") {
            true => ("binaryValue", base64_into(value, scratch)),
            false => ("stringValue", text_of(value, scratch)),
        };
        scratch.push_member(field, value);
        for field in ["stringListValues", "binaryListValues"] {
            let none = scratch.mark();
            let none = scratch.array(none).ok()?;
            scratch.push_member(field, none);
        }
        let kind = scratch.string(kind);
        scratch.push_member("dataType", kind);
        let one = scratch.object(one).ok()?;
        scratch.push_member(name, one);
    }
    scratch.object(mark).ok()
}

fn digest(body: &[u8], scratch: &mut Scratch) -> Value {
    let mut text = String::with_capacity(32);
    for byte in Md5::digest(body) {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    scratch.string(&text)
}
