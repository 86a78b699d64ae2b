//! The generator's way to Kafka: clients with settings for load, and topics made for a run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::scenario::Target;
use crate::kafka;

/// How long Kafka may take to answer before a run is given up.
pub const ANSWER: Duration = Duration::from_secs(10);

/// For throughput and for counting: idempotent, or a retry of ours would count as the system's
/// duplicate; the partitioner is the one of Java clients, so keys land where theirs would.
const PRODUCER: &[(&str, &str)] = &[
    ("acks", "all"),
    ("enable.idempotence", "true"),
    ("partitioner", "murmur2_random"),
    ("linger.ms", "5"),
    ("batch.num.messages", "10000"),
    ("batch.size", "1000000"),
    ("queue.buffering.max.messages", "500000"),
    ("queue.buffering.max.kbytes", "524288"),
    ("message.timeout.ms", "60000"),
];

/// `fetch.queue.backoff.ms` is a second by default, which starves a fast consumer.
const CONSUMER: &[(&str, &str)] = &[
    ("group.id", "expressway-load"),
    ("enable.auto.commit", "false"),
    ("auto.offset.reset", "earliest"),
    ("fetch.queue.backoff.ms", "10"),
    ("queued.min.messages", "200000"),
    ("check.crcs", "false"),
];

/// What went wrong between the generator and Kafka.
#[derive(Debug)]
pub struct ClientError {
    attempted: String,
    source: Cause,
}

/// Who says why.
#[derive(Debug)]
enum Cause {
    Library(KafkaError),
    Ours(kafka::ClientError),
}

impl ClientError {
    /// An attempt ("make topic x") that failed.
    pub fn new(attempted: impl Into<String>, source: KafkaError) -> ClientError {
        ClientError { attempted: attempted.into(), source: Cause::Library(source) }
    }

    /// The same, where the client's own message says why.
    pub fn said(attempted: impl Into<String>, source: kafka::ClientError) -> ClientError {
        ClientError { attempted: attempted.into(), source: Cause::Ours(source) }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.source {
            Cause::Ours(error) => return write!(f, "can't {}: {error}", self.attempted),
            Cause::Library(error) => error,
        };
        write!(f, "can't {}: {source}", self.attempted)?;
        match source.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::Resolve,
            ) => f.write_str("; is Kafka running there? `load-tests/services up kafka` starts one"),
            Some(
                RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition,
            ) => f.write_str("; set target.partitions to have the scenario make its topics"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Cause::Library(error) => Some(error),
            Cause::Ours(error) => Some(error),
        }
    }
}

fn config(target: &Target, ours: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &target.bootstrap).set("client.id", "expressway-load");
    let theirs: BTreeMap<&str, &str> =
        target.properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for (name, value) in ours.iter().copied().chain(theirs) {
        config.set(name, value);
    }
    config
}

/// Settings of the producer.
pub fn producer_config(target: &Target) -> ClientConfig {
    config(target, PRODUCER)
}

/// Sees to it that the topics are there.
pub fn prepare(target: &Target) -> Result<(), ClientError> {
    let mut topics = vec![target.topic.as_str()];
    topics.extend(target.result_topic.as_deref().filter(|topic| *topic != target.topic));
    if target.partitions > 0 {
        make_topics(target, &topics)?;
    }
    let client = consumer(target)?;
    for topic in topics {
        partitions(&client, topic)?;
    }
    Ok(())
}

fn make_topics(target: &Target, names: &[&str]) -> Result<(), ClientError> {
    let attempted = || format!("make topics {} at {}", names.join(", "), target.bootstrap);
    let failed = |e: KafkaError| ClientError::new(attempted(), e);
    let admin: AdminClient<DefaultClientContext> = config(target, &[]).create().map_err(failed)?;
    let copies = || TopicReplication::Fixed(target.replication);
    let topics: Vec<NewTopic<'_>> =
        names.iter().map(|name| NewTopic::new(name, target.partitions, copies())).collect();
    let options = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|_| failed(KafkaError::Canceled))?;
    for result in runtime.block_on(admin.create_topics(&topics, &options)).map_err(failed)? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                let attempted = format!("make topic {name} at {}", target.bootstrap);
                return Err(ClientError::new(attempted, KafkaError::AdminOp(code)));
            }
        }
    }
    Ok(())
}

fn consumer(target: &Target) -> Result<BaseConsumer, ClientError> {
    config(target, CONSUMER).create().map_err(|e| ClientError::new("make a Kafka consumer", e))
}

fn partitions(client: &BaseConsumer, topic: &str) -> Result<Vec<i32>, ClientError> {
    let failed = |e| ClientError::new(format!("look up topic {topic}"), e);
    let metadata = client.fetch_metadata(Some(topic), ANSWER).map_err(failed)?;
    let topic = metadata.topics().iter().find(|known| known.name() == topic);
    match topic.map(|topic| (topic.error(), topic.partitions())) {
        Some((None, found)) if !found.is_empty() => Ok(found.iter().map(|p| p.id()).collect()),
        Some((Some(code), _)) => Err(failed(KafkaError::MetadataFetch(code.into()))),
        _ => Err(failed(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic))),
    }
}

/// A reader of what comes into a topic from now on: no group, no commits. It reads one of so many
/// partitions; 1 reads them all.
pub fn results(target: &Target, topic: &str, one_of: usize) -> Result<BaseConsumer, ClientError> {
    let consumer = consumer(target)?;
    let failed = |e| ClientError::new(format!("read topic {topic}"), e);
    let mut assignment = TopicPartitionList::new();
    for partition in partitions(&consumer, topic)?.into_iter().step_by(one_of.max(1)) {
        let (_, end) = consumer.fetch_watermarks(topic, partition, ANSWER).map_err(failed)?;
        assignment.add_partition_offset(topic, partition, Offset::Offset(end)).map_err(failed)?;
    }
    consumer.assign(&assignment).map_err(failed)?;
    Ok(consumer)
}

/// How many records have ever come into a topic, by its partitions' ends.
pub fn ends(target: &Target, topic: &str) -> Result<u64, ClientError> {
    let consumer = consumer(target)?;
    let failed = |e| ClientError::new(format!("ask for the end of topic {topic}"), e);
    let mut sum = 0;
    for partition in partitions(&consumer, topic)? {
        let (_, end) = consumer.fetch_watermarks(topic, partition, ANSWER).map_err(failed)?;
        sum += u64::try_from(end).unwrap_or(0);
    }
    Ok(sum)
}
