//! Kafka's records as EventBridge Pipes and Lambda event-source mappings pass them.

use std::sync::Arc;

use super::Form;
use crate::record::Header;
use crate::shard::batch::View;
use crate::shard::names::{Origin, base64_into, push_place};
use crate::value::{Scratch, Value};

/// Bytes of a record's field names and numbers.
const FRAME_BYTES: usize = 320;
/// The most bytes that a byte of a header takes: `-128,`.
const HEADER_BYTE_BYTES: usize = 5;

/// See the module.
#[derive(Clone, Debug)]
pub struct KafkaForm {
    /// `bootstrapServers`
    pub bootstrap_servers: Arc<str>,
    /// `eventSourceArn`, of a cluster that has one: Amazon MSK.
    pub arn: Option<Arc<str>>,
}

impl KafkaForm {
    fn push_source(&self, scratch: &mut Scratch) {
        let source = if self.arn.is_some() { "aws:kafka" } else { "SelfManagedKafka" };
        let texts = [
            ("eventSource", Some(source)),
            ("eventSourceArn", self.arn.as_deref()),
            ("bootstrapServers", Some(&*self.bootstrap_servers)),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                let text = scratch.string(text);
                scratch.push_member(name, text);
            }
        }
    }
}

impl Form for KafkaForm {
    fn piped(&self, origin: &Origin<'_>, scratch: &mut Scratch) -> Option<Value> {
        let mark = scratch.mark();
        self.push_source(scratch);
        let key = partition_key(origin, scratch);
        scratch.push_member("eventSourceKey", key);
        push_record(origin, scratch)?;
        scratch.object(mark).ok()
    }

    fn mapped(&self, batch: &View<'_>, scratch: &mut Scratch) -> Option<Value> {
        let mark = scratch.mark();
        self.push_source(scratch);
        let records = partitions(batch, scratch)?;
        scratch.push_member("records", records);
        scratch.object(mark).ok()
    }

    /// `topic-partition-offset`
    fn is_named(&self, identifier: &str, origin: &Origin<'_>) -> bool {
        let mut parts = identifier.rsplitn(3, '-');
        let offset = parts.next().and_then(|it| it.parse().ok());
        let partition = parts.next().and_then(|it| it.parse().ok());
        (parts.next(), partition, offset)
            == (Some(origin.topic), Some(origin.partition), Some(origin.offset))
    }

    fn bytes(&self, origin: &Origin<'_>) -> usize {
        let record = origin.record;
        let base64 = |bytes: Option<&[u8]>| bytes.map_or(0, |it| it.len().div_ceil(3) * 4);
        let header = |it: &Header<'_>| {
            let value = it.value.map_or(0, <[u8]>::len);
            // A name's character is written as six at most: \u0001.
            it.name.len() * 6 + value * HEADER_BYTE_BYTES + 8
        };
        let arn = self.arn.as_ref().map_or(0, |arn| arn.len());
        FRAME_BYTES
            + self.bootstrap_servers.len()
            + arn
            + origin.topic.len() * 2
            + base64(record.key)
            + base64(record.value)
            + record.headers.iter().map(header).sum::<usize>()
    }
}

/// `{"topic-0": [...]}`: one partition's, unless they come out of dead letters.
fn partitions(batch: &View<'_>, scratch: &mut Scratch) -> Option<Value> {
    let place = |at: usize| batch.lend(at, |it| (hash_of(it), it.partition));
    let mark = scratch.mark();
    let mut next = Some(0);
    // Each round takes a partition's records, wherever they stand, and finds where the next begins.
    while let Some(at) = next {
        let own = place(at);
        let is_new = |other: &usize| (0..*other).all(|before| place(before) != place(*other));
        let others = (at + 1..batch.members.len()).filter(|other| place(*other) != own);
        next = others.into_iter().find(is_new);
        let key = batch.lend(at, |origin| partition_key(origin, scratch));
        let list = scratch.mark();
        for other in (at..batch.members.len()).filter(|other| place(*other) == own) {
            batch.lend(other, |origin| {
                let record = scratch.mark();
                push_record(origin, scratch)?;
                let record = scratch.object(record).ok()?;
                scratch.push(record);
                Some(())
            })?;
        }
        let list = scratch.array(list).ok()?;
        scratch.push_pair(key, list);
    }
    scratch.object(mark).ok()
}

fn hash_of(origin: &Origin<'_>) -> u64 {
    crate::value::hash(origin.topic.bytes())
}

/// `topic-0`
fn partition_key(origin: &Origin<'_>, scratch: &mut Scratch) -> Value {
    let mark = scratch.open_string();
    scratch.push_plain(origin.topic);
    scratch.push_plain("-");
    scratch.push_plain(itoa::Buffer::new().format(origin.partition));
    scratch.close_string(mark)
}

fn push_record(origin: &Origin<'_>, scratch: &mut Scratch) -> Option<()> {
    let record = origin.record;
    push_place(origin, scratch);
    let kind = scratch.string("CREATE_TIME");
    scratch.push_member("timestampType", kind);
    for (name, bytes) in [("key", record.key), ("value", record.value)] {
        let value = bytes.map_or(Value::NULL, |bytes| base64_into(bytes, scratch));
        scratch.push_member(name, value);
    }
    let headers = headers(record.headers, scratch)?;
    scratch.push_member("headers", headers);
    Some(())
}

/// `[{"name": [104, 105]}]`: bytes as Java has them, from -128 to 127.
fn headers(headers: &[Header<'_>], scratch: &mut Scratch) -> Option<Value> {
    let mark = scratch.mark();
    for header in headers {
        let bytes = scratch.mark();
        for byte in header.value.unwrap_or_default() {
            let byte = scratch.integer(i64::from(*byte as i8));
            scratch.push(byte);
        }
        let value = match header.value {
            Some(_) => scratch.array(bytes).ok()?,
            None => Value::NULL,
        };
        let one = scratch.mark();
        scratch.push_member(header.name, value);
        let one = scratch.object(one).ok()?;
        scratch.push(one);
    }
    scratch.array(mark).ok()
}
