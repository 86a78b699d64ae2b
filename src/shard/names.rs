//! Names of executions: derived from pipeline and position, so a redelivered record gets the same.

use std::fmt::Write;

use crate::machine::{Decision, Identity};
use crate::record::{First, Header, Record};
use crate::step::CallSite;
use crate::tasks::Caller;
use crate::tasks::callbacks::{RecordId, Token, stream_of};
use crate::value::{Scratch, Value, hash, hash_on};

use super::plan::{Issuer, Plan, Version};

/// Step Functions' limit on an execution's name.
const NAME_CHARS_MAX: usize = 80;

/// Who an execution over a record is.
pub struct Origin<'a> {
    /// Its pipeline.
    pub plan: &'a Plan,
    /// What it runs, once that is known.
    pub version: Option<&'a Version>,
    /// The topic the record came from.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The record.
    pub record: &'a Record<'a>,
}

impl<'a> Origin<'a> {
    /// A record of this topic and partition; one out of a dead letter is what it first was.
    pub fn new(
        plan: &'a Plan,
        topic: &'a str,
        partition: i32,
        record: &'a Record<'a>,
    ) -> Origin<'a> {
        // Where there is only one, it need not run to be known.
        let version = if let [only] = &plan.versions[..] { Some(only) } else { None };
        match record.first {
            None => {
                let offset = record.position.offset;
                Origin { plan, version, topic, partition, offset, record }
            }
            Some(First { topic, partition, offset }) => {
                Origin { plan, version, topic, partition, offset, record }
            }
        }
    }
}

impl Origin<'_> {
    /// Writes the execution's name to `out`, which is emptied first.
    pub fn write_name(&self, out: &mut String) {
        let (pipeline, topic, partition) = (&self.plan.name, self.topic, self.partition);
        let offset = self.offset;
        out.clear();
        // Writing to a String can't fail.
        let _ = write!(out, "{pipeline}-");
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        out.extend(topic.chars().map(|c| if legal(c) { c } else { '_' }));
        let _ = match self.record.id {
            Some(id) => write!(out, "-{id}"),
            None => write!(out, "-{partition}-{offset}"),
        };
        if out.len() > NAME_CHARS_MAX {
            out.clear();
            let hash = hash_on(hash([]) ^ partition as u64, topic.bytes());
            let _ = match self.record.id {
                Some(id) if pipeline.len() + id.len() + 18 <= NAME_CHARS_MAX => {
                    write!(out, "{pipeline}-{hash:016x}-{id}")
                }
                Some(id) => {
                    let id = hash_on(hash, id.bytes());
                    write!(out, "{pipeline}-{hash:016x}-{id:016x}")
                }
                None => write!(out, "{pipeline}-{hash:016x}-{offset}"),
            };
        }
    }

    /// The record, and the version that is run, as tokens name them.
    pub fn record_id(&self) -> RecordId {
        RecordId {
            stream: stream_of(&self.plan.name, self.topic),
            partition: self.partition,
            // A message has another number each time that it is received.
            offset: match self.record.id {
                Some(id) => hash_on(hash([]), id.bytes()) as i64 & i64::MAX,
                None => self.offset,
            },
            version: self.version_number(),
        }
    }

    /// The version that it runs; 0 where that is not known yet.
    fn version_number(&self) -> u64 {
        self.version.map_or(0, |version| version.program.version)
    }

    /// The token of a call.
    pub fn token_at(&self, site: CallSite) -> Token {
        Token { record: self.record_id(), site }
    }
}

impl Identity for Origin<'_> {
    fn name(&self) -> String {
        let mut name = String::new();
        self.write_name(&mut name);
        name
    }

    fn machine_name(&self) -> String {
        self.version.map_or(&self.plan.name, |version| &version.machine).to_string()
    }

    /// Where the record stood, and the version.
    fn seed(&self) -> u64 {
        let position = match self.record.id {
            Some(id) => hash_on(hash([]), id.bytes()),
            None => (self.partition as u64) << 48 ^ self.offset as u64,
        };
        let start = self.version_number() ^ position.rotate_left(17);
        hash_on(hash([]) ^ start, self.topic.bytes())
    }

    fn token(&self, site: &CallSite) -> String {
        self.plan.issuer.key.write(&self.token_at(*site))
    }

    fn link(&self, site: &CallSite, decision: Decision, now_ms: i64) -> Option<String> {
        let Issuer { key, links } = &self.plan.issuer;
        let token = self.token_at(*site);
        Some(links.as_ref()?.write(key, &token, &decision.to_string(), now_ms))
    }

    fn source(&self, scratch: &mut Scratch) -> Option<Value> {
        source_object(self, None, scratch)
    }
}

impl Caller for Origin<'_> {
    fn machine_id(&self) -> String {
        Identity::machine_id(self)
    }

    fn execution_id(&self) -> String {
        Identity::id(self)
    }
}

/// `{Topic, Partition, Offset, Timestamp, Key, Headers}`, `MessageId` of a queue's messages, and `Value`
/// where one is given.
pub fn source_object(
    origin: &Origin<'_>,
    value: Option<Value>,
    scratch: &mut Scratch,
) -> Option<Value> {
    let record = origin.record;
    let headers = headers_object(record.headers, scratch)?;
    let members = [
        ("Topic", scratch.string(origin.topic)),
        ("Partition", scratch.integer(origin.partition.into())),
        ("Offset", scratch.integer(origin.offset)),
        ("Timestamp", scratch.integer(record.timestamp_ms)),
        ("Key", record.key.map_or(Value::NULL, |key| text_of(key, scratch))),
        ("Headers", headers),
    ];
    let id = record.id.map(|id| ("MessageId", scratch.string(id)));
    let mark = scratch.mark();
    for (name, member) in members.into_iter().chain(id).chain(value.map(|value| ("Value", value))) {
        scratch.push_member(name, member);
    }
    scratch.object(mark).ok()
}

/// Members `topic`, `partition`, `offset` and `timestamp` of the object that is being put together.
pub fn push_place(origin: &Origin<'_>, scratch: &mut Scratch) {
    let topic = scratch.string(origin.topic);
    scratch.push_member("topic", topic);
    let numbers = [
        ("partition", i64::from(origin.partition)),
        ("offset", origin.offset),
        ("timestamp", origin.record.timestamp_ms),
    ];
    for (name, number) in numbers {
        let number = scratch.integer(number);
        scratch.push_member(name, number);
    }
}

/// Headers by name; of several with one name the last counts, as elsewhere for keys.
pub fn headers_object(headers: &[Header<'_>], scratch: &mut Scratch) -> Option<Value> {
    let mark = scratch.mark();
    for (at, header) in headers.iter().enumerate() {
        if headers[at + 1..].iter().any(|later| later.name == header.name) {
            continue;
        }
        let value = header.value.map_or(Value::NULL, |value| text_of(value, scratch));
        scratch.push_member(header.name, value);
    }
    scratch.object(mark).ok()
}

/// Bytes as a string: as they are where they are UTF-8, as base64 otherwise.
pub fn text_of(bytes: &[u8], scratch: &mut Scratch) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => scratch.string(text),
        Err(_) => base64_into(bytes, scratch),
    }
}

/// Bytes as a string of base64, without a detour.
pub fn base64_into(bytes: &[u8], scratch: &mut Scratch) -> Value {
    use base64::Engine;
    let mark = scratch.open_string();
    let mut text = [0; 64];
    // Whole groups of three, so that only the last chunk is padded.
    for chunk in bytes.chunks(48) {
        let len = base64::engine::general_purpose::STANDARD.encode_slice(chunk, &mut text);
        let text = std::str::from_utf8(&text[..len.unwrap_or(0)]).unwrap_or_default();
        scratch.push_plain(text);
    }
    scratch.close_string(mark)
}

/// Bytes as base64.
pub fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
