//! The broker that is measured against, with an input of events to be read from its start.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use expressway::kafka::{Broker, Outgoing, Producer, Refusal, consumer_config, producer_config};
use expressway::load::events::{Buffers, Events};
use expressway::load::scenario::Scenario;
use expressway::record::Wake;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::PATIENCE;

/// The output's partitions: as many as is usual.
pub const OUT_PARTITIONS: i32 = 12;
/// Of the input: many on the embedded broker, which keeps little of each.
const MOCK_PARTITIONS: i32 = 48;
const REAL_PARTITIONS: i32 = 12;
const SCENARIO: &str = "load-tests/scenarios/iot-unbounded.toml";
const ANSWER: Duration = Duration::from_secs(30);
const FILL: Duration = Duration::from_secs(300);
/// Records written between two looks at their reports.
const POLL_EVERY: u64 = 1_000;

/// See the module.
pub struct Cluster {
    /// `host:port,...`
    pub brokers: String,
    /// The input.
    pub input: String,
    /// The output.
    pub output: String,
    /// Of the input.
    pub partitions: i32,
    /// In the input.
    pub records: u64,
    /// A record's, on average.
    pub bytes: u64,
    /// How long one run may take before something is wrong.
    pub patience: Duration,
    _mock: Option<Broker>,
}

impl Cluster {
    /// The broker at `real`, or an embedded one.
    pub fn open(real: Option<&str>, records: u64) -> Cluster {
        let mock = real.is_none().then(|| Broker::start(1).expect("the broker starts"));
        let partitions = if mock.is_some() { MOCK_PARTITIONS } else { REAL_PARTITIONS };
        let brokers = real
            .map_or_else(|| mock.as_ref().expect("one or the other").bootstrap(), str::to_owned);
        let (input, output) =
            (format!("pipeline-bench.in.{records}"), "pipeline-bench.out".to_owned());
        let topics = [(input.as_str(), partitions), (output.as_str(), OUT_PARTITIONS)];
        for (name, partitions) in topics {
            match &mock {
                Some(mock) => mock.create_topic(name, partitions).expect("a topic"),
                None => create(&brokers, name, partitions),
            }
        }
        let mut cluster = Cluster {
            brokers,
            input,
            output,
            partitions,
            records,
            bytes: 0,
            patience: PATIENCE,
            _mock: mock,
        };
        match cluster.count() {
            0 => cluster.fill(),
            count => assert_eq!(count, records, "topic {} is half full: delete it", cluster.input),
        }
        cluster
    }

    /// Two topics of the broker at `brokers`, to be passed through without end.
    pub fn endless(brokers: &str, input: &str, output: &str) -> Cluster {
        for name in [input, output] {
            create(brokers, name, REAL_PARTITIONS);
        }
        Cluster {
            brokers: brokers.to_owned(),
            input: input.to_owned(),
            output: output.to_owned(),
            partitions: REAL_PARTITIONS,
            records: u64::MAX,
            bytes: 0,
            patience: Duration::MAX,
            _mock: None,
        }
    }

    /// A consumer's configuration as the engine's is.
    pub fn consumer(&self, group: &str) -> ClientConfig {
        let ours = [
            ("bootstrap.servers", self.brokers.clone()),
            ("group.id", group.to_owned()),
            ("auto.offset.reset", "earliest".to_owned()),
        ];
        consumer_config(&BTreeMap::new(), &ours).expect("valid")
    }

    /// A producer's configuration as the engine's is.
    pub fn producer(&self) -> ClientConfig {
        let ours = [("bootstrap.servers", self.brokers.clone())];
        producer_config(&BTreeMap::new(), &ours).expect("valid")
    }

    /// All of the input, from its start.
    pub fn assignment(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in 0..self.partitions {
            list.add_partition_offset(&self.input, partition, Offset::Beginning).expect("valid");
        }
        list
    }

    fn count(&self) -> u64 {
        let consumer: BaseConsumer = self.consumer("count").create().expect("a consumer");
        let count = |partition| {
            let (low, high) =
                consumer.fetch_watermarks(&self.input, partition, ANSWER).expect("an answer");
            (high - low) as u64
        };
        (0..self.partitions).map(count).sum()
    }

    fn fill(&mut self) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCENARIO);
        let scenario = Scenario::read(&file).expect("the scenario is right");
        let events = Events::of(&scenario).expect("the scenario is right");
        let mut producer = Producer::new(self.producer(), Wake::new(|| {})).expect("a producer");
        let topic = producer.topic(&self.input).expect("a topic");
        let (mut event, mut done, mut bytes) = (Buffers::default(), 0, 0);
        for tag in 0..self.records {
            events.write(1, tag, 1_718_042_917_330_000_000, &mut event);
            bytes += event.value.len() as u64;
            let (key, value) = (Some(event.key.as_slice()), Some(event.value.as_slice()));
            let record = Outgoing { key, value, headers: &[], tag };
            while producer.write(topic, &record) == Err(Refusal::Full) {
                producer.poll(&mut |it| done += u64::from(it.result.is_ok()));
                std::thread::sleep(Duration::from_millis(1));
            }
            if tag % POLL_EVERY == 0 {
                producer.poll(&mut |it| done += u64::from(it.result.is_ok()));
            }
        }
        producer.flush(FILL, &mut |it| done += u64::from(it.result.is_ok()));
        assert_eq!(done, self.records, "the input could not be written");
        self.bytes = bytes / self.records;
    }
}

fn create(brokers: &str, name: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("an admin client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let answers = runtime.block_on(admin.create_topics(&[topic], &AdminOptions::new()));
    for answer in answers.expect("an answer") {
        match answer {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => panic!("topic {name} could not be made: {code}"),
        }
    }
}
