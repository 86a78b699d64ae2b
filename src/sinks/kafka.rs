//! Kafka as a sink: one producer a shard. A receipt is a delivery report; what went wrong is sorted
//! by who can do something about it.

mod transactions;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaErrorCode as Code;

use crate::kafka::{self, ClientError, Outgoing, Producer, Refusal, Report, Trouble};
use crate::record::Wake;
use crate::sinks::{Output, Receipt, Sink, SinkError, SinkErrorKind, TopicId};

pub use transactions::{KafkaTransactions, Name};

/// How to write.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `host:port,...`
    pub brokers: String,
    /// Bytes of outputs that may wait in this process; `None` leaves it to the library.
    pub queue_bytes: Option<u64>,
    /// Properties of the library; they win over everything above.
    pub properties: BTreeMap<String, String>,
}

/// One shard's end: see [`Sink`].
///
/// It keeps no copies of what it has taken. After a fatal error of its producer it makes a new one
/// and answers everything unsettled with [`SinkErrorKind::Retriable`]: the shard, which can still
/// make those outputs, writes them again.
///
/// A broker refuses a whole batch for one record that is too large, and the library reports the
/// refusal for all of them. Such outputs come again through [`Sink::write_alone`], and leave by a
/// producer whose batches hold one record.
pub struct KafkaSink {
    producer: Producer,
    // Made when it is needed for the first time.
    alone: Option<Producer>,
    config: rdkafka::ClientConfig,
    wake: Wake,
    brokers: String,
    // Keeps outputs from ever being reported: told on the next write.
    trouble: Option<SinkError>,
}

impl KafkaSink {
    /// A sink for one of `shards` shards; `wake` is called when there are receipts, and must not
    /// call the sink.
    pub fn new(settings: &Settings, shards: usize, wake: Wake) -> Result<KafkaSink, ClientError> {
        let mut ours = vec![("bootstrap.servers", settings.brokers.clone())];
        if let Some(bytes) = settings.queue_bytes {
            let share = (bytes / 1024 / shards.max(1) as u64).max(1);
            ours.push(("queue.buffering.max.kbytes", share.to_string()));
        }
        let config = kafka::producer_config(&settings.properties, &ours)?;
        let brokers = config.get("bootstrap.servers").unwrap_or_default().to_owned();
        let producer = Producer::new(config.clone(), wake.clone())?;
        Ok(KafkaSink { producer, alone: None, config, wake, brokers, trouble: None })
    }

    /// Do all these topics exist, as far as this user may see? Waits for the brokers' answer.
    pub fn verify(&self, topics: &[&str], bound: Duration) -> Result<(), SinkError> {
        let failed = |kind, code, message| SinkError { kind, code, message };
        let missing = self
            .producer
            .missing(topics, bound)
            .map_err(|error| failed(SinkErrorKind::Retriable, "", error.message))?;
        if missing.is_empty() {
            return Ok(());
        }
        let name = kafka::code_name(Code::UnknownTopicOrPartition);
        let message = format!(
            "output topics {missing:?} are not on {}: create them, correct their names, or grant \
             this user Describe and Write on them",
            self.brokers
        );
        Err(failed(SinkErrorKind::Fatal, name, message))
    }

    /// Waits until every output has its receipt, at most `bound`; true if nothing is left.
    pub fn flush(&mut self, bound: Duration, take: &mut dyn FnMut(Receipt)) -> bool {
        let brokers = &self.brokers;
        let end = Instant::now() + bound;
        let is_done = self.producer.flush(bound, &mut |report| take(receipt(report, brokers)));
        let Some(alone) = &mut self.alone else { return is_done };
        let left = end.saturating_duration_since(Instant::now());
        alone.flush(left, &mut |report| take(receipt(report, brokers))) && is_done
    }

    /// The producer for outputs that share their batch with none, and the topic's index there.
    fn alone(&mut self, topic: TopicId) -> Result<(&mut Producer, usize), ClientError> {
        if self.alone.is_none() {
            let mut config = self.config.clone();
            config.set("batch.num.messages", "1");
            self.alone = Some(Producer::new(config, self.wake.clone())?);
        }
        let alone = self.alone.as_mut().expect("it was just made");
        let index = alone.topic(self.producer.topic_name(topic.0 as usize))?;
        Ok((alone, index))
    }

    /// Flushes and lets the producer go; what has no receipt by then will have none.
    pub fn close(mut self, bound: Duration, take: &mut dyn FnMut(Receipt)) -> bool {
        self.flush(bound, take)
    }
}

impl Sink for KafkaSink {
    fn topic(&mut self, name: &str) -> Result<TopicId, SinkError> {
        let index = self.producer.topic(name).map_err(|error| dead(&error))?;
        Ok(TopicId(index as u32))
    }

    fn write(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        if let Some(error) = self.trouble.take() {
            return Err(error);
        }
        self.producer.write(output.topic.0 as usize, &outgoing(&output)).map_err(refused)
    }

    fn write_alone(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        let (alone, topic) = self.alone(output.topic).map_err(|error| dead(&error))?;
        alone.write(topic, &outgoing(&output)).map_err(refused)
    }

    fn submit(&mut self) {
        self.producer.submit();
        self.alone.iter_mut().for_each(Producer::submit);
    }

    fn poll(&mut self, take: &mut dyn FnMut(Receipt)) {
        let brokers = &self.brokers;
        self.producer.poll(&mut |report| take(receipt(report, brokers)));
        if let Some(alone) = &mut self.alone {
            alone.poll(&mut |report| take(receipt(report, brokers)));
        }
        if let Some(trouble) = self.producer.trouble() {
            self.trouble = judge(&trouble, brokers);
        }
    }

    fn in_flight(&self) -> usize {
        self.producer.in_flight() + self.alone.as_ref().map_or(0, Producer::in_flight)
    }
}

fn outgoing<'a>(output: &Output<'a>) -> Outgoing<'a> {
    let Output { key, value, headers, tag, .. } = *output;
    Outgoing { key, value, headers, tag }
}

fn refused(refusal: Refusal) -> SinkError {
    match refusal {
        Refusal::Full => SinkError {
            kind: SinkErrorKind::Full,
            code: kafka::code_name(Code::QueueFull),
            message: String::new(),
        },
        Refusal::Dead(error) => dead(&error),
    }
}

fn dead(error: &ClientError) -> SinkError {
    SinkError { kind: SinkErrorKind::Fatal, code: "", message: error.message.clone() }
}

fn receipt(report: Report, brokers: &str) -> Receipt {
    let result = report.result.map_err(|code| sort(code, brokers));
    Receipt { tag: report.tag, result }
}

/// A failed output's error, with what to do about it.
fn sort(code: Code, brokers: &str) -> SinkError {
    let (kind, advice) = kind(code);
    let message = format!("writing to {brokers} failed: {code}. {advice}");
    SinkError { kind, code: kafka::code_name(code), message }
}

/// What follows from a code. What is not named here passes: the library has tried again already
/// wherever that could help, and so may the shard.
fn kind(code: Code) -> (SinkErrorKind, &'static str) {
    match code {
        Code::QueueFull => (SinkErrorKind::Full, "Try again once receipts have come"),
        Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge => (
            SinkErrorKind::Record,
            "The record is larger than message.max.bytes here or at the topic; raise it, or write \
             less",
        ),
        Code::InvalidRecord
        | Code::InvalidTimestamp
        | Code::KeySerialization
        | Code::ValueSerialization
        | Code::BadMessage
        | Code::UnsupportedForMessageFormat
        | Code::InvalidDifferentRecord => {
            (SinkErrorKind::Record, "The topic does not take this record; see the topic's settings")
        }
        Code::TopicAuthorizationFailed => {
            (SinkErrorKind::Fatal, "Grant this user Write on the topic")
        }
        Code::ClusterAuthorizationFailed => {
            (SinkErrorKind::Fatal, "Grant this user IdempotentWrite on the cluster")
        }
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::SSL => (
            SinkErrorKind::Fatal,
            "Check the credentials and certificates in the sink's properties",
        ),
        Code::UnknownTopicOrPartition
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::InvalidTopic => {
            (SinkErrorKind::Fatal, "Create the topic, or correct its name in the output")
        }
        Code::InvalidRequiredAcks
        | Code::UnsupportedVersion
        | Code::UnsupportedFeature
        | Code::UnsupportedCompressionType
        | Code::PolicyViolation => (
            SinkErrorKind::Fatal,
            "The brokers refuse these settings; change the sink's properties",
        ),
        _ => (SinkErrorKind::Retriable, "It will be written again"),
    }
}

/// Trouble of the client as a whole that no waiting mends.
fn judge(trouble: &Trouble, brokers: &str) -> Option<SinkError> {
    let mut error = sort(trouble.code, brokers);
    error.message = match kafka::access_advice(trouble.code, &trouble.text) {
        Some(advice) => {
            error.kind = SinkErrorKind::Fatal;
            format!("writing to {brokers} failed: {}: {advice}", trouble.text)
        }
        None => format!("{} ({})", error.message, trouble.text),
    };
    if error.kind == SinkErrorKind::Fatal {
        return Some(error);
    }
    tracing::warn!(code = error.code, text = trouble.text, "Kafka producer trouble");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_by_who_can_act() {
        for (code, expected) in [
            (Code::QueueFull, SinkErrorKind::Full),
            (Code::MessageSizeTooLarge, SinkErrorKind::Record),
            (Code::InvalidRecord, SinkErrorKind::Record),
            (Code::TopicAuthorizationFailed, SinkErrorKind::Fatal),
            (Code::UnknownTopicOrPartition, SinkErrorKind::Fatal),
            (Code::BrokerTransportFailure, SinkErrorKind::Retriable),
            (Code::Fatal, SinkErrorKind::Retriable),
            (Code::PurgeQueue, SinkErrorKind::Retriable),
        ] {
            assert_eq!(sort(code, "b:1").kind, expected, "{code:?}");
        }
    }
}
