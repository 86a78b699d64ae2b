//! `arn:aws:states:::kafka:produce`: writes one record and waits for the broker's acknowledgement.
//!
//! ```json
//! {"Topic": "orders", "Key": "4711", "Value": {"id": 4711}, "Headers": {"trace": "abc"}}
//! ```
//!
//! `Topic` is required. `Key`, `Value` and header values are written as they are where they are
//! strings, and as JSON otherwise; a missing or `null` one is none at all (without a `Value` the
//! record is a tombstone). The result is `{"Topic", "Partition", "Offset"}`. Errors are named
//! `Kafka.<librdkafka's code>`, `Kafka.MSG_SIZE_TOO_LARGE` say; a topic that the settings do not
//! allow is `States.Permissions`.

mod under_way;

use std::collections::VecDeque;
use std::time::Duration;

use rdkafka::types::RDKafkaErrorCode;

use self::under_way::{Record, UnderWay};
use super::arguments::{Arguments, bad, push_string};
use super::{Call, CallId, Driver, Integration, OpenError, Place, Take};
use crate::asl::resource::{Pattern, Resource};
use crate::fault::{StateError, names};
use crate::kafka::{Outgoing, Producer, Properties, Refusal, Report, code_name, producer_config};
use crate::record::Header;

const ACKNOWLEDGEMENT_BOUND: &str = "message.timeout.ms";

/// What `kafka:produce` needs to know.
#[derive(Clone)]
pub struct Settings {
    /// `host:port` of brokers, with commas between.
    pub brokers: String,
    /// librdkafka's properties, as for any producer.
    pub properties: Properties,
    /// How long the broker's acknowledgement may take before the task fails; wins over
    /// `message.timeout.ms`. No record is written after that.
    pub timeout: Duration,
    /// The only topics that tasks may write to; all where none are named.
    pub topics: Vec<String>,
    /// Distinct topics that one shard's tasks may write to: each is kept by the client for good, and
    /// topics may come from events.
    pub topics_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            brokers: "127.0.0.1:9092".to_owned(),
            properties: Properties::new(),
            timeout: Duration::from_secs(30),
            topics: Vec::new(),
            topics_max: 1_000,
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Properties may be secrets.
        write!(f, "produce to {}", self.brokers)
    }
}

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| {
        resource.is_integration("kafka", "produce")
            && resource.pattern() == Pattern::RequestResponse
    },
    lacks: |settings| match settings.produce {
        Some(_) => None,
        None => Some("needs a Kafka cluster, and none is configured; add a mock for the state."),
    },
    open: |settings, place| {
        let produce = settings.produce.clone().unwrap_or_default();
        Ok(Box::new(Produce::open(produce, place)?))
    },
};

/// One shard's producer.
struct Produce {
    settings: Settings,
    producer: Producer,
    arguments: Arguments,
    topics: Vec<String>,
    under_way: UnderWay,
    // Calls that found the client's queue full, with their arguments.
    waiting: VecDeque<(CallId, Box<[u8]>)>,
    // Calls that failed before they reached the client.
    failed: Vec<(CallId, StateError)>,
    is_staged: bool,
    answer: Vec<u8>,
}

/// What came of trying to hand a record to the client.
enum Handed {
    Taken,
    Full,
}

impl Produce {
    fn open(settings: Settings, place: &Place) -> Result<Produce, OpenError> {
        let failed = |error: crate::kafka::ClientError| OpenError {
            message: format!("kafka:produce can't write to {}: {error}", settings.brokers),
        };
        let mut properties = settings.properties.clone();
        properties.remove(ACKNOWLEDGEMENT_BOUND);
        let ours = [
            ("bootstrap.servers", settings.brokers.clone()),
            (ACKNOWLEDGEMENT_BOUND, settings.timeout.as_millis().to_string()),
        ];
        let config = producer_config(&properties, &ours).map_err(failed)?;
        let producer = Producer::new(config, place.wake.clone()).map_err(failed)?;
        Ok(Produce {
            settings,
            producer,
            arguments: Arguments::new(),
            topics: Vec::new(),
            under_way: UnderWay::default(),
            waiting: VecDeque::new(),
            failed: Vec::new(),
            is_staged: false,
            answer: Vec::new(),
        })
    }

    fn try_hand(&mut self, id: CallId, arguments: &[u8]) -> Result<Handed, StateError> {
        let Produce { settings, producer, arguments: read, topics, under_way, .. } = self;
        read.read(arguments)?;
        let [topic, key, value, headers] = read.fields(&["Topic", "Key", "Value", "Headers"])?;
        let topic = topic_of(&read.string("Topic", topic)?, settings, producer, topics)?;
        let key = key.map(|value| read.text(value));
        let value = value.map(|value| read.text(value));
        let headers: Vec<_> = read.members("Headers", headers)?;
        let texts: Vec<_> = headers
            .iter()
            .map(|(_, value)| (!value.is_null()).then(|| read.text(*value)))
            .collect();
        let headers: Vec<Header<'_>> = headers
            .iter()
            .zip(&texts)
            .map(|((name, _), text)| Header { name, value: text.as_ref().map(|it| it.as_bytes()) })
            .collect();
        let tag = under_way.next_tag();
        let record = Outgoing {
            key: key.as_ref().map(|it| it.as_bytes()),
            value: value.as_ref().map(|it| it.as_bytes()),
            headers: &headers,
            tag,
        };
        match producer.write(topic, &record) {
            Ok(()) => {
                under_way.insert(tag, Record { id: Some(id), topic });
                self.is_staged = true;
                Ok(Handed::Taken)
            }
            Err(Refusal::Full) => Ok(Handed::Full),
            Err(Refusal::Dead(error)) => Err(named(RDKafkaErrorCode::Fatal, error.message)),
        }
    }

    /// Hands over what waits, until the client's queue is full again.
    fn hand_waiting(&mut self) {
        while let Some((id, arguments)) = self.waiting.pop_front() {
            match self.try_hand(id, &arguments) {
                Ok(Handed::Taken) => {}
                Ok(Handed::Full) => {
                    self.waiting.push_front((id, arguments));
                    return;
                }
                Err(error) => self.failed.push((id, error)),
            }
        }
    }
}

impl Driver for Produce {
    fn call(&mut self, call: &Call<'_>, _: &Resource) {
        let handed = match self.waiting.is_empty() {
            true => self.try_hand(call.id, call.arguments),
            false => Ok(Handed::Full),
        };
        match handed {
            Ok(Handed::Taken) => {}
            Ok(Handed::Full) => self.waiting.push_back((call.id, call.arguments.into())),
            Err(error) => self.failed.push((call.id, error)),
        }
    }

    fn poll(&mut self, take: &mut Take<'_>) {
        if self.is_staged {
            self.producer.submit();
            self.is_staged = false;
        }
        let Produce { producer, under_way, topics, answer, .. } = self;
        producer.poll(&mut |report| {
            if let Some(Record { id: Some(id), topic }) = under_way.remove(report.tag) {
                settle(id, &topics[topic], &report, answer, take);
            }
        });
        self.hand_waiting();
        for (id, error) in self.failed.drain(..) {
            take(id, Err(error));
        }
    }

    fn cancel(&mut self, id: CallId) {
        self.under_way.forget(id);
        self.waiting.retain(|(waiting, _)| *waiting != id);
        self.failed.retain(|(failed, _)| *failed != id);
    }

    fn is_due(&self) -> bool {
        self.is_staged || !self.failed.is_empty()
    }

    fn in_flight(&self) -> usize {
        self.under_way.calls() + self.waiting.len() + self.failed.len()
    }
}

/// The client's index of a topic.
fn topic_of(
    name: &str,
    settings: &Settings,
    producer: &mut Producer,
    topics: &mut Vec<String>,
) -> Result<usize, StateError> {
    if let Some(index) = topics.iter().position(|topic| topic == name) {
        return Ok(index);
    }
    if !settings.topics.is_empty() && !settings.topics.iter().any(|topic| topic == name) {
        let cause = format!("tasks may not write to topic {name:?}: produce.topics lacks it.");
        return Err(StateError::new(names::PERMISSIONS, cause));
    }
    if name.is_empty() {
        return Err(bad("\"Topic\" is empty".to_owned()));
    }
    let topics_max = settings.topics_max;
    if topics.len() >= topics_max {
        let cause =
            format!("more than {topics_max} distinct topics were asked for (produce.topics_max)");
        return Err(bad(cause));
    }
    let index = producer.topic(name).map_err(|error| bad(error.message))?;
    // The client counts its topics as they come, and only we make them.
    debug_assert_eq!(index, topics.len());
    topics.push(name.to_owned());
    Ok(index)
}

fn settle(id: CallId, topic: &str, report: &Report, out: &mut Vec<u8>, take: &mut Take<'_>) {
    match report.result {
        Ok((partition, offset)) => {
            out.clear();
            out.extend_from_slice(b"{\"Topic\":");
            push_string(topic, out);
            out.extend_from_slice(b",\"Partition\":");
            out.extend_from_slice(itoa::Buffer::new().format(partition).as_bytes());
            out.extend_from_slice(b",\"Offset\":");
            out.extend_from_slice(itoa::Buffer::new().format(offset).as_bytes());
            out.push(b'}');
            take(id, Ok(out));
        }
        Err(code) => {
            let cause = format!("the record could not be written to topic {topic:?}: {code}.");
            take(id, Err(named(code, cause)));
        }
    }
}

fn named(code: RDKafkaErrorCode, cause: String) -> StateError {
    StateError::new(format!("Kafka.{}", code_name(code)), cause)
}

#[cfg(test)]
mod tests;
