//! A broker, a folder with definitions, and engines over them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use expressway::config::{self, Config, Origin};
use expressway::engine::{Engine, Stopped, prepare};
use expressway::kafka::Broker;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// The topic that pipelines read.
pub const INPUT: &str = "in";

/// See the module.
pub struct Stage {
    pub folder: tempfile::TempDir,
    broker: Broker,
    partitions: i32,
    groups: Cell<u32>,
}

/// A record to be written.
pub struct New {
    pub key: Option<String>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(&'static str, Vec<u8>)>,
}

/// One whose key is its number.
pub fn new(number: u32, value: &Value) -> New {
    let value = Some(value.to_string().into_bytes());
    New { key: Some(format!("k{number}")), value, headers: Vec::new() }
}

/// A record that was read.
#[derive(Debug)]
pub struct Got {
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_slice(self.value.as_deref().unwrap_or_default()).expect("it is JSON")
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let header = self.headers.iter().find(|it| it.0 == name)?;
        Some(String::from_utf8_lossy(&header.1).into_owned())
    }
}

/// A definition that hands its input on, and says which it is.
pub fn stamp(via: &str) -> String {
    format!(
        r#"{{"StartAt": "Stamp", "States": {{"Stamp": {{"Type": "Pass", "Result": "{via}",
            "ResultPath": "$.via", "End": true}}}}}}"#
    )
}

impl Stage {
    pub fn new(partitions: i32) -> Stage {
        let broker = Broker::start(1).expect("the broker starts");
        for (topic, partitions) in [(INPUT, partitions), ("out", 1), ("dead", 1)] {
            broker.create_topic(topic, partitions).expect("the topic is made");
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        Stage { folder, broker, partitions, groups: Cell::new(0) }
    }

    /// Writes a file into the folder, `name.json`.
    pub fn definition(&self, name: &str, text: &str) {
        let file = self.folder.path().join(format!("{name}.json"));
        std::fs::write(file, text).expect("the file can be written");
    }

    pub fn write(&self, records: impl IntoIterator<Item = New>) {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.broker.bootstrap())
            .create()
            .expect("a producer");
        for (at, New { key, value, headers }) in records.into_iter().enumerate() {
            let mut own = OwnedHeaders::new();
            for (key, value) in &headers {
                own = own.insert(Header { key, value: Some(value) });
            }
            let mut record = BaseRecord::<str, [u8]>::to(INPUT).headers(own);
            if key.is_none() {
                record = record.partition(at as i32 % self.partitions);
            }
            (record.key, record.payload) = (key.as_deref(), value.as_deref());
            producer.send(record).map_err(|(e, _)| e).expect("it is taken");
        }
        producer.flush(PATIENCE).expect("all is written");
    }

    /// The configuration of one pipeline, with a group of its own.
    pub fn config(&self, settings: &str, tables: &str) -> String {
        self.config_from(settings, tables, "")
    }

    fn config_from(&self, settings: &str, tables: &str, source: &str) -> String {
        let letters = match settings.contains("dead_letter") || tables.contains("dead_letter") {
            true => "dead_letter = { topic = \"dead\" }",
            false => "",
        };
        format!(
            "[http]\nlisten = \"off\"\n[kafka]\nbootstrap_servers = [\"{}\"]\n\
             [engine]\nshards = 2\nmetrics_interval = \"50ms\"\n\
             [[pipeline]]\nname = \"p\"\n{settings}\n\
             source = {{ topics = [\"{INPUT}\"], group = \"g{}\"{source} }}\n\
             output = {{ topic = \"out\" }}\n{letters}\n{tables}\n",
            self.broker.bootstrap(),
            self.groups.get(),
        )
    }

    pub fn parse(&self, text: &str) -> Config {
        let environment = BTreeMap::new();
        let origin = Origin { folder: self.folder.path(), environment: &environment };
        config::parse(text, &origin).unwrap_or_else(|findings| panic!("{findings:#?}"))
    }

    /// Where the broker listens.
    pub fn bootstrap(&self) -> String {
        self.broker.bootstrap()
    }

    /// Starts a pipeline in a group of its own.
    pub fn start(&self, settings: &str, tables: &str) -> Running {
        self.start_from(settings, tables, "")
    }

    /// The same with more settings of its source.
    pub fn start_from(&self, settings: &str, tables: &str, source: &str) -> Running {
        self.groups.set(self.groups.get() + 1);
        let config = self.parse(&self.config_from(settings, tables, source));
        let (prepared, _) = prepare(&config).unwrap_or_else(|refused| panic!("{refused:#?}"));
        let engine = Engine::start(&config, &prepared).expect("it starts");
        Running { engine }
    }

    /// All that stands in a topic of one partition.
    pub fn read(&self, topic: &str) -> Vec<Got> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.broker.bootstrap())
            .set("group.id", "reader")
            .create()
            .expect("a consumer");
        let (low, high) = consumer.fetch_watermarks(topic, 0, PATIENCE).expect("watermarks");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(low)).expect("an offset");
        consumer.assign(&list).expect("assigned");
        let mut all = Vec::new();
        let end = Instant::now() + PATIENCE;
        while (all.len() as i64) < high - low {
            assert!(Instant::now() < end, "{} of {} came", all.len(), high - low);
            let Some(record) = consumer.poll(Duration::from_millis(100)) else { continue };
            let record = record.expect("a record");
            let headers = record.headers().map_or(Vec::new(), |headers| {
                let own = |it: Header<'_, &[u8]>| {
                    (it.key.to_owned(), it.value.unwrap_or_default().to_vec())
                };
                headers.iter().map(own).collect()
            });
            all.push(Got { value: record.payload().map(<[u8]>::to_vec), headers });
        }
        all
    }
}

/// A running engine.
pub struct Running {
    pub engine: Engine,
}

impl Running {
    /// Waits until so many records have settled.
    pub fn settles(&self, records: u64) {
        let settled = || self.engine.metrics.totals(0).counts.settled;
        until(&format!("{records} records settle"), || settled() >= records);
        assert_eq!(settled(), records);
    }

    /// Stops it. Returns its metrics.
    pub fn stop(self) -> String {
        let metrics = self.engine.metrics.clone();
        assert_eq!(self.engine.stop(), Stopped::Drained);
        metrics.render()
    }
}

pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "{what}: not in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
