//! Dead letters as a source: over any other source, each letter opened again, so that the record in
//! it runs as if it came from where it first stood.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use crate::ack::Settlement;
use crate::record::{AssignmentId, First, Header, LETTER_PREFIX, Record};
use crate::sources::{Arrival, Source, SourceError};

/// How letters are written where they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The record, with what is known of it in headers of their own.
    Record,
    /// A JSON object a line.
    Line,
}

/// See the module. What is no letter is handed on as it is.
pub struct Letters {
    inner: Box<dyn Source>,
    form: Form,
}

impl Letters {
    /// Opens the letters that `inner` hands over.
    pub fn new(inner: Box<dyn Source>, form: Form) -> Letters {
        Letters { inner, form }
    }
}

impl Source for Letters {
    fn poll(
        &mut self,
        limit: usize,
        take: &mut dyn FnMut(Arrival<'_>),
    ) -> Result<usize, SourceError> {
        let form = self.form;
        self.inner.poll(limit, &mut |arrival| match arrival {
            Arrival::Record(record) => open(&record, form, take),
            other => take(other),
        })
    }

    fn pause(&mut self, assignment: AssignmentId, paused: bool) {
        self.inner.pause(assignment, paused);
    }

    fn commit(&mut self, assignment: AssignmentId, offset: i64) {
        self.inner.commit(assignment, offset);
    }

    fn settled(&mut self, assignment: AssignmentId, number: i64, how: Settlement) {
        self.inner.settled(assignment, number, how);
    }

    fn committed(&self, assignment: AssignmentId) -> Option<i64> {
        self.inner.committed(assignment)
    }

    fn wants_ahead(&self, assignment: AssignmentId) -> bool {
        self.inner.wants_ahead(assignment)
    }

    fn note_ahead(&mut self, assignment: AssignmentId, text: String) {
        self.inner.note_ahead(assignment, text);
    }

    fn rewind(&mut self, assignment: AssignmentId, offset: i64) -> bool {
        self.inner.rewind(assignment, offset)
    }

    fn confirm(&mut self, assignment: AssignmentId, offset: i64) {
        self.inner.confirm(assignment, offset);
    }

    fn release(&mut self, assignment: AssignmentId) {
        self.inner.release(assignment);
    }
}

/// Hands over the record that is in a letter; what is no letter, as it is.
pub fn open(record: &Record<'_>, form: Form, take: &mut dyn FnMut(Arrival<'_>)) {
    match form {
        Form::Record => open_record(record, take),
        Form::Line => open_line(record, take),
    }
}

/// A letter as [`Form::Record`] has it.
fn open_record(record: &Record<'_>, take: &mut dyn FnMut(Arrival<'_>)) {
    let says = |name: &str| {
        let is_it = |it: &&Header<'_>| it.name.strip_prefix(LETTER_PREFIX) == Some(name);
        let header = record.headers.iter().rev().find(is_it)?;
        std::str::from_utf8(header.value?).ok()
    };
    let number = |name: &str| says(name)?.parse::<i64>().ok();
    let first = says("topic").zip(number("partition")).zip(number("offset"));
    let Some(first) = first.and_then(|((topic, partition), offset)| {
        Some(First { topic, partition: i32::try_from(partition).ok()?, offset })
    }) else {
        return take(Arrival::Record(*record));
    };
    let is_its_own = |it: &&Header<'_>| !it.name.starts_with(LETTER_PREFIX);
    let headers: Vec<Header<'_>> = record.headers.iter().filter(is_its_own).copied().collect();
    let timestamp_ms = number("timestamp").unwrap_or(record.timestamp_ms);
    take(Arrival::Record(Record {
        timestamp_ms,
        headers: &headers,
        first: Some(first),
        id: says("message-id"),
        ..*record
    }));
}

/// A letter as [`Form::Line`] has it.
fn open_line(record: &Record<'_>, take: &mut dyn FnMut(Arrival<'_>)) {
    let letter: Option<Json> = record.value.and_then(|value| serde_json::from_slice(value).ok());
    let Some(letter) = letter else { return take(Arrival::Record(*record)) };
    let number = |name: &str| letter[name].as_str()?.parse::<i64>().ok();
    let first = letter["topic"].as_str().zip(number("partition")).zip(number("offset"));
    let Some(first) = first.and_then(|((topic, partition), offset)| {
        Some(First { topic, partition: i32::try_from(partition).ok()?, offset })
    }) else {
        return take(Arrival::Record(*record));
    };
    let (key, value) = (bytes(&letter, "key"), bytes(&letter, "value"));
    let list = letter["headers"].as_array().map_or(&[][..], Vec::as_slice);
    let owned: Vec<(&str, Option<Vec<u8>>)> = list
        .iter()
        .map(|it| (it["name"].as_str().unwrap_or_default(), bytes(it, "value")))
        .collect();
    let headers: Vec<Header<'_>> =
        owned.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect();
    take(Arrival::Record(Record {
        position: record.position,
        timestamp_ms: number("timestamp").unwrap_or(record.timestamp_ms),
        key: key.as_deref(),
        value: value.as_deref(),
        headers: &headers,
        first: Some(first),
        id: letter["message-id"].as_str(),
    }));
}

/// Text as it stands there, or base64 beside it.
fn bytes(object: &Json, name: &str) -> Option<Vec<u8>> {
    match object[name].as_str() {
        Some(text) => Some(text.as_bytes().to_vec()),
        None => STANDARD.decode(object[format!("{name}_base64")].as_str()?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Position;

    fn opened(
        open: impl Fn(&Record<'_>, &mut dyn FnMut(Arrival<'_>)),
        record: &Record<'_>,
    ) -> String {
        let mut text = String::new();
        open(record, &mut |arrival| {
            let Arrival::Record(it) = arrival else { panic!("a record goes in") };
            text = format!(
                "{:?} {} {:?} {:?} {:?} {:?}",
                it.first, it.timestamp_ms, it.position.offset, it.key, it.value, it.headers
            );
        });
        text
    }

    fn record<'a>(value: &'a [u8], headers: &'a [Header<'a>]) -> Record<'a> {
        let position = Position { assignment: AssignmentId(1), offset: 8 };
        let (key, value) = (Some(&b"k"[..]), Some(value));
        Record { position, timestamp_ms: 7, key, value, headers, first: None, id: None }
    }

    #[test]
    fn a_letter_is_the_record_it_was() {
        let header = |name, value: &'static str| Header { name, value: Some(value.as_bytes()) };
        let own = [header("own", "h")];
        let headers = [
            own[0],
            header("expressway.topic", "orders"),
            header("expressway.partition", "3"),
            header("expressway.offset", "41"),
            header("expressway.timestamp", "5"),
        ];
        let first = Some(First { topic: "orders", partition: 3, offset: 41 });
        let expected = Record { first, timestamp_ms: 5, headers: &own, ..record(b"v", &[]) };
        let expected = opened(|it, take| take(Arrival::Record(*it)), &expected);
        assert_eq!(opened(open_record, &record(b"v", &headers)), expected);
        let line = br#"{"topic":"orders","partition":"3","offset":"41","timestamp":"5","error":"E",
            "key":"k","value_base64":"dg==","headers":[{"name":"own","value":"h"}]}"#;
        assert_eq!(opened(open_line, &record(line, &[])), expected);
    }

    #[test]
    fn what_is_no_letter_is_handed_on() {
        for value in [&b"{}"[..], b"{\"topic\":\"t\"}", b"\xff"] {
            let plain = opened(|it, take| take(Arrival::Record(*it)), &record(value, &[]));
            assert_eq!(opened(open_record, &record(value, &[])), plain);
            assert_eq!(opened(open_line, &record(value, &[])), plain);
        }
    }
}
