//! What stands in topics, written and read by clients that are not ours.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::broker::Broker;

/// Nothing here takes longer unless something is wrong.
pub const PATIENCE: Duration = Duration::from_secs(120);
const REQUEST: Duration = Duration::from_secs(20);

/// A record to write.
#[derive(Clone, Debug, Default)]
pub struct New {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(&'static str, Option<Vec<u8>>)>,
    pub partition: Option<i32>,
    pub timestamp_ms: Option<i64>,
}

/// A record with key and value.
pub fn new(key: &str, value: impl Into<Vec<u8>>) -> New {
    New { key: Some(key.into()), value: Some(value.into()), ..New::default() }
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Got {
    /// The value as text; empty where there is none.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }

    /// The value as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.value.as_deref().unwrap_or_default())
            .unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// The first header of this name, as text.
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|it| it.0 == name)?;
        Some(String::from_utf8_lossy(found.1.as_deref().unwrap_or_default()).into_owned())
    }
}

/// A producer's settings.
pub fn producer(broker: &Broker) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &broker.address).set("linger.ms", "20");
    // Java's, which is the engine's as well: the same key, the same partition.
    config.set("partitioner", "murmur2_random");
    config.set("message.max.bytes", "20000000").set("queue.buffering.max.messages", "500000");
    config
}

/// Writes records and waits until they stand there.
pub fn write(broker: &Broker, topic: &str, records: impl IntoIterator<Item = New>) {
    let producer: BaseProducer = producer(broker).create().expect("a producer");
    records.into_iter().for_each(|it| send(&producer, topic, &it));
    producer.flush(PATIENCE).expect("all are written");
}

/// Hands one record to a producer, waiting for room.
pub fn send(producer: &BaseProducer, topic: &str, new: &New) {
    let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
    record.key = new.key.as_deref();
    record.payload = new.value.as_deref();
    record.partition = new.partition;
    record.timestamp = new.timestamp_ms;
    if !new.headers.is_empty() {
        let insert = |all: OwnedHeaders, (key, value): &(&str, Option<Vec<u8>>)| {
            all.insert(Header { key, value: value.as_deref() })
        };
        record.headers = Some(new.headers.iter().fold(OwnedHeaders::new(), insert));
    }
    while let Err((why, back)) = producer.send(record) {
        assert_eq!(why.rdkafka_error_code(), Some(rdkafka::types::RDKafkaErrorCode::QueueFull));
        producer.poll(Duration::from_millis(10));
        record = back;
    }
}

fn consumer(broker: &Broker, group: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &broker.address).set("group.id", group);
    config.set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    config.set("fetch.queue.backoff.ms", "10").set("fetch.message.max.bytes", "20000000");
    config.create().expect("a consumer")
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> i32 {
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST).expect("the broker answers");
    metadata.topics()[0].partitions().len() as i32
}

/// Lends every record of a topic that stands there now.
pub fn each(broker: &Broker, topic: &str, mut take: impl FnMut(&BorrowedMessage<'_>)) {
    let consumer = consumer(broker, "tests-read");
    let count = partitions(&consumer, topic);
    let mut list = TopicPartitionList::new();
    for number in 0..count {
        list.add_partition_offset(topic, number, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&list).expect("assigned");
    let (mut ended, until) = (0, Instant::now() + PATIENCE);
    while ended < count {
        assert!(Instant::now() < until, "{topic} could not be read to its end");
        match consumer.poll(Duration::from_millis(500)) {
            Some(Ok(message)) => take(&message),
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(why)) => eprintln!("reading {topic}: {why}"),
            None => {}
        }
    }
}

/// Every record of a topic, in the order of its partitions.
pub fn read(broker: &Broker, topic: &str) -> Vec<Got> {
    let mut all = Vec::new();
    each(broker, topic, |message| {
        let header = |it: Header<'_, &[u8]>| (it.key.to_owned(), it.value.map(<[u8]>::to_vec));
        all.push(Got {
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: message
                .headers()
                .map(|it| it.iter().map(header).collect())
                .unwrap_or_default(),
        });
    });
    all.sort_by_key(|it| (it.partition, it.offset));
    all
}

/// The values of a topic as text, sorted.
pub fn texts(broker: &Broker, topic: &str) -> Vec<String> {
    let mut all: Vec<String> = read(broker, topic).iter().map(Got::text).collect();
    all.sort();
    all
}

/// Counts records without reading them; for topics with neither gaps nor transactions.
pub struct Gauge<'a> {
    consumer: BaseConsumer,
    topic: &'a str,
    partitions: i32,
}

impl<'a> Gauge<'a> {
    /// A gauge of a topic; `group` for [`Gauge::committed`].
    pub fn new(broker: &Broker, topic: &'a str, group: &str) -> Gauge<'a> {
        let consumer = consumer(broker, group);
        let partitions = partitions(&consumer, topic);
        Gauge { consumer, topic, partitions }
    }

    /// Where each partition ends.
    pub fn ends(&self) -> Vec<i64> {
        // A broker that has just come back does not lead its partitions yet.
        let until = Instant::now() + PATIENCE;
        let end = |number| loop {
            match self.consumer.fetch_watermarks(self.topic, number, REQUEST) {
                Ok(marks) => return marks.1,
                Err(why) => assert!(Instant::now() < until, "{}: {why}", self.topic),
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        (0..self.partitions).map(end).collect()
    }

    /// Records that were written.
    pub fn count(&self) -> i64 {
        self.ends().iter().sum()
    }

    /// What the group has committed, by partition; -1 where nothing.
    pub fn committed(&self) -> Vec<i64> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(self.topic, 0, self.partitions - 1);
        let until = Instant::now() + PATIENCE;
        let list = loop {
            match self.consumer.committed_offsets(list.clone(), REQUEST) {
                Ok(list) => break list,
                Err(why) => assert!(Instant::now() < until, "{}: {why}", self.topic),
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let offset = |number| list.find_partition(self.topic, number).map(|it| it.offset());
        let number = |it| match it {
            Some(Offset::Offset(offset)) => offset,
            _ => -1,
        };
        (0..self.partitions).map(|it| number(offset(it))).collect()
    }

    /// Waits until so many records were written.
    pub fn await_count(&self, count: i64) {
        until(&format!("{} holds {count} records", self.topic), || self.count() >= count);
    }

    /// Waits until the group has committed to the end of every partition that holds something.
    pub fn await_commit(&self) {
        until(&format!("all of {} is committed", self.topic), || {
            let (ends, committed) = (self.ends(), self.committed());
            ends.iter().zip(committed).all(|(end, at)| *end == 0 || at == *end)
        });
    }
}

/// Waits for something that must come.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
