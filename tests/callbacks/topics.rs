//! Records of JSON in the topics of an embedded broker.

use std::time::{Duration, Instant};

use expressway::kafka::Broker;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;

use crate::engine::PATIENCE;

pub fn write(broker: &Broker, topic: &str, partition: i32, value: &Value) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap());
    let producer: BaseProducer = config.create().expect("a producer");
    let text = value.to_string();
    let record = BaseRecord::<(), _>::to(topic).partition(partition).payload(&text);
    producer.send(record).expect("it is taken");
    producer.flush(PATIENCE).expect("it is written");
}

/// The records of a topic from its beginning on, until there are enough.
pub fn read_until(
    broker: &Broker,
    topic: &str,
    is_enough: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap()).set("group.id", "reader");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut all = TopicPartitionList::new();
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("it is there");
    for partition in metadata.topics()[0].partitions() {
        all.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
    }
    consumer.assign(&all).expect("assigned");
    let (mut found, end) = (Vec::new(), Instant::now() + PATIENCE);
    while !is_enough(&found) {
        assert!(Instant::now() < end, "in vain: more in {topic} than {found:#?}");
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let value = message.payload().unwrap_or_default();
            found.push(serde_json::from_slice(value).expect("it is JSON"));
        }
    }
    found
}
