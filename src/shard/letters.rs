//! Dead letters: the record as it came, and all that is known about why it failed.

use super::names::{Origin, base64_of};
use super::outputs::Outlet;
use super::window::Mark;
use crate::fault::StateError;
use crate::machine::Identity;
use crate::record::{Header, LETTER_PREFIX};
use crate::sinks::{Output, Receipt, SinkError, SinkErrorKind, TopicId};

/// What a dead letter says beside the record.
pub struct Report<'a> {
    /// The error.
    pub error: &'a StateError,
    /// The state it ended in; `None` where no execution began.
    pub state: Option<&'a str>,
    /// Tries of that state.
    pub attempts: u32,
    /// Executions of the record.
    pub runs: u32,
    /// The route that it took, where there are any.
    pub route: Option<&'a str>,
}

/// The report as headers, in a fixed order; values that are missing are left out.
fn fields(origin: &Origin<'_>, report: &Report<'_>) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("pipeline", origin.plan.name.to_string()),
        ("topic", origin.topic.to_owned()),
        ("partition", origin.partition.to_string()),
        ("offset", origin.offset.to_string()),
        ("timestamp", origin.record.timestamp_ms.to_string()),
        ("execution", origin.name()),
        ("attempts", report.attempts.to_string()),
        ("runs", report.runs.to_string()),
    ];
    if let Some(version) = origin.version {
        fields.push(("definition", version.machine.to_string()));
        fields.push(("version", format!("{:016x}", version.program.version)));
    }
    let optional = [
        ("message-id", origin.record.id),
        ("error", report.error.name()),
        ("cause", report.error.cause()),
        ("state", report.state),
        ("route", report.route),
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
        .map(|(name, value)| (format!("{LETTER_PREFIX}{name}"), value))
        .collect();
    let mut headers = origin.record.headers.to_vec();
    headers
        .extend(fields.iter().map(|(name, value)| Header { name, value: Some(value.as_bytes()) }));
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

/// Where dead letters go.
#[derive(Default)]
pub struct Letters {
    topic: Option<(Outlet, TopicId)>,
    file: Option<Outlet>,
}

impl Letters {
    /// To a topic, and to a file what is too large for it.
    pub fn to_topic(outlet: Outlet, topic: TopicId, fallback: Option<Outlet>) -> Letters {
        Letters { topic: Some((outlet, topic)), file: fallback }
    }

    /// To a file.
    pub fn to_file(outlet: Outlet) -> Letters {
        Letters { topic: None, file: Some(outlet) }
    }

    /// Writes a letter; `true` where it went to the fallback. An error pauses the pipeline.
    /// `mark`: what its record's earlier letters met.
    pub fn write(
        &mut self,
        origin: &Origin<'_>,
        report: &Report<'_>,
        tag: u64,
        mark: &Mark,
    ) -> Result<bool, String> {
        if let Some((outlet, topic)) = &mut self.topic
            && !mark.is_letter_for_file
        {
            outlet.sink.of(origin.record.position);
            let (key, value) = (origin.record.key, origin.record.value);
            let written = with_headers(origin, report, |headers| {
                let output = Output { topic: *topic, key, value, headers, tag };
                outlet.write(output, mark.is_letter_alone)
            });
            match written {
                Ok(()) => return Ok(false),
                Err(e) if e.kind == SinkErrorKind::Record && self.file.is_some() => {}
                Err(e) => return Err(self.failure(&e)),
            }
        }
        let Some(outlet) = &mut self.file else {
            return Err("there is no place for dead letters. Set dead_letter".to_owned());
        };
        let line = line(origin, report);
        let (topic, key, headers) = (TopicId(0), None, &[][..]);
        let output = Output { topic, key, value: Some(&line), headers, tag };
        let written = outlet.write(output, false);
        written.map(|()| self.topic.is_some()).map_err(|e| self.failure(&e))
    }

    /// Is there a file for letters that the topic does not take?
    pub fn has_fallback(&self) -> bool {
        self.topic.is_some() && self.file.is_some()
    }

    /// Why a letter can't be written, and what to do, for the operator.
    pub fn failure(&self, e: &SinkError) -> String {
        let advice = match e.kind {
            SinkErrorKind::Record if self.file.is_none() => {
                ". Or set dead_letter.fallback_file, where such letters can go"
            }
            _ => "",
        };
        format!(
            "a dead letter could not be written: {}{advice}. Then restart: the record is read again",
            e.message
        )
    }

    fn outlets(&mut self) -> impl Iterator<Item = &mut Outlet> {
        self.topic.as_mut().map(|(outlet, _)| outlet).into_iter().chain(self.file.as_mut())
    }

    /// Takes receipts.
    pub fn poll(&mut self, take: &mut dyn FnMut(Receipt)) {
        self.outlets().for_each(|outlet| outlet.sink.poll(take));
    }

    /// Tries again what there was no room for.
    pub fn drain(&mut self, failed: &mut dyn FnMut(u64, SinkError)) {
        self.outlets().for_each(|outlet| outlet.drain(failed));
    }

    /// Hands on what was written.
    pub fn submit(&mut self) {
        self.outlets().for_each(|outlet| outlet.sink.submit());
    }

    /// Is anything held back?
    pub fn is_stalled(&self) -> bool {
        self.topic.as_ref().is_some_and(|(outlet, _)| outlet.is_stalled())
            || self.file.as_ref().is_some_and(Outlet::is_stalled)
    }

    /// Bytes held back.
    pub fn bytes(&self) -> usize {
        self.topic.as_ref().map_or(0, |(outlet, _)| outlet.bytes())
            + self.file.as_ref().map_or(0, Outlet::bytes)
    }
}
