//! Exactly once, from Kafka to Kafka: a consumer of committed records sees each output once, whatever
//! happens to the engine.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::broker::Broker;
use crate::delivery::{PARTITIONS, event, has_records, trickle};
use crate::engine::{Engine, PASS, Setup, pipeline};
use crate::topics::{self, Gauge, New, PATIENCE, new, until};

const ONCE: &str = "on_failure = \"dead_letter\"\ndelivery = \"exactly_once\"";

fn exactly_once(name: &str, source: &str, target: &str, letters: &str) -> String {
    format!("{}dead_letter = {{ topic = \"{letters}\" }}\n", pipeline(name, source, target, ONCE))
}

/// The values of a topic that were committed, in the order of its partitions.
fn committed(broker: &Broker, topic: &str) -> Vec<String> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &broker.address).set("group.id", "tests-committed");
    config.set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    config.set("isolation.level", "read_committed").set("fetch.queue.backoff.ms", "10");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("the broker answers");
    let count = metadata.topics()[0].partitions().len() as i32;
    let mut list = TopicPartitionList::new();
    for number in 0..count {
        list.add_partition_offset(topic, number, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&list).expect("assigned");
    let (mut ended, mut all) = (0, Vec::new());
    let until = std::time::Instant::now() + PATIENCE;
    while ended < count {
        assert!(std::time::Instant::now() < until, "{topic} could not be read to its end");
        match consumer.poll(Duration::from_millis(500)) {
            Some(Ok(message)) => {
                let value = message.payload().unwrap_or_default();
                all.push(String::from_utf8_lossy(value).into_owned());
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(why)) => eprintln!("reading {topic}: {why}"),
            None => {}
        }
    }
    all
}

/// Each id from 0 on is there exactly once. What was committed behind a transaction that a process has
/// left open shows once the brokers have given that up.
fn each_once(broker: &Broker, topic: &str, count: u64) {
    until("all that was committed shows", || committed(broker, topic).len() as u64 >= count);
    let mut seen = vec![0u32; count as usize];
    for text in committed(broker, topic) {
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        seen[value["id"].as_u64().expect("an id") as usize] += 1;
    }
    let wrong: Vec<(usize, u32)> =
        seen.iter().copied().enumerate().filter(|(_, times)| *times != 1).collect();
    let lost = wrong.iter().filter(|(_, times)| *times == 0).count();
    assert!(wrong.is_empty(), "{lost} lost, {} repeated: {:?}", wrong.len() - lost, &wrong[..1]);
    println!("    {topic}: {count} events, each once");
}

fn topics_of(broker: &Broker, name: &str) -> [String; 3] {
    let names = ["in", "out", "dead"].map(|end| format!("{name}.{end}"));
    names.iter().for_each(|topic| broker.topic(topic, PARTITIONS, &[]));
    names
}

/// Killed twice amid a stream, under a name of its own and without one.
pub fn killed(broker: &Broker) {
    const COUNT: u64 = 120_000;
    let _present = broker.present();
    for (name, id) in [("once-named", "transactional_id = \"once\"\n"), ("once-fresh", "")] {
        let [source, target, letters] = topics_of(broker, name);
        let consumer =
            r#"consumer = { "session.timeout.ms" = 6000, "heartbeat.interval.ms" = 500 }"#;
        let kafka = format!("{id}{consumer}");
        let setup = Setup::over(broker, name, PASS, (&broker.address, &kafka), "");
        let pipeline = exactly_once(name, &source, &target, &letters);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| trickle(broker, &source, COUNT, Duration::from_secs(12)));
            let written = Gauge::new(broker, &target, "x");
            for share in [3, 6] {
                let run = setup.run(&format!("to-{share}"), &pipeline);
                written.await_count(COUNT as i64 * share / 10);
                run.kill();
            }
            writer.join().expect("all are written");
        });
        let last = setup.run("last", &pipeline);
        Gauge::new(broker, &source, name).await_commit();
        last.stop();
        each_once(broker, &target, COUNT);
    }
}

/// Members join and leave, and one is frozen for longer than its session and its transaction: what it
/// had in hand, others do; what it tries to commit later, counts for nothing.
pub fn zombie(broker: &Broker) {
    const COUNT: u64 = 100_000;
    let _present = broker.present();
    let [source, target, letters] = topics_of(broker, "zombie");
    let setup = Setup::new(broker, "zombie", PASS, "");
    let pipeline = exactly_once("zombie", &source, &target, &letters);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| trickle(broker, &source, COUNT, Duration::from_secs(10)));
        let first = setup.run("first", &pipeline);
        let frozen = setup.run("frozen", &pipeline);
        until("the second member has records", || has_records(&frozen.get("/metrics").1));
        frozen.signal("STOP");
        writer.join().expect("all are written");
        Gauge::new(broker, &source, "zombie").await_commit();
        // Without the frozen one.
        each_once(broker, &target, COUNT);
        frozen.signal("CONT");
        let told = |engine: &Engine| {
            let log = engine.log();
            log.contains("assignment lost") || log.contains("transaction")
        };
        until("it learns that it was given up", || told(&frozen) || frozen.has_ended());
        // It is a member again, and works on.
        topics::write(broker, &source, (COUNT..COUNT + 1000).map(event));
        Gauge::new(broker, &source, "zombie").await_commit();
        frozen.stop();
        first.stop();
    });
    each_once(broker, &target, COUNT + 1000);
}

/// Two processes under one transactional id: the first is fenced, and says so.
pub fn fenced(broker: &Broker) {
    let _present = broker.present();
    let [source, target, letters] = topics_of(broker, "fenced");
    let kafka = (&*broker.address, "transactional_id = \"same\"");
    let setup = Setup::over(broker, "fenced", PASS, kafka, "");
    let pipeline = exactly_once("fenced", &source, &target, &letters);
    let first = setup.run("first", &pipeline);
    topics::write(broker, &source, (0..1000).map(event));
    Gauge::new(broker, &source, "fenced").await_commit();
    let second = setup.run("second", &pipeline);
    let mut id = 1000;
    until("the first is fenced", || {
        topics::write(broker, &source, (id..id + 100).map(event));
        id += 100;
        first.has_ended()
    });
    assert_eq!(first.wait(), 1);
    assert!(first.log().contains("kafka.transactional_id"), "{}", first.log());
    Gauge::new(broker, &source, "fenced").await_commit();
    second.stop();
    each_once(broker, &target, id);
}

/// An output that its topic refuses aborts its transaction, and is a dead letter in a later one;
/// what waits holds back only what came after it.
pub fn aborted(broker: &Broker) {
    const COUNT: u64 = 1_400;
    let _present = broker.present();
    for (topic, settings) in [
        ("aborts.in", &[][..]),
        ("aborts.out", &[("max.message.bytes", "20000")][..]),
        ("aborts.dead", &[][..]),
    ] {
        broker.topic(topic, 2, settings);
    }
    let waits = r#"{"StartAt": "A", "States": {
        "A": {"Type": "Choice", "Default": "B",
            "Choices": [{"Variable": "$.wait", "IsPresent": true, "Next": "W"}]},
        "W": {"Type": "Wait", "SecondsPath": "$.wait", "Next": "B"},
        "B": {"Type": "Pass", "End": true}}}"#;
    let setup = Setup::new(broker, "aborts", waits, "");
    let pipeline = exactly_once("aborts", "aborts.in", "aborts.out", "aborts.dead");
    let event = |id: u64| -> New {
        let value = match id {
            500 | 501 | 1200 => format!(r#"{{"id":{id},"pad":"{}"}}"#, "x".repeat(30_000)),
            700 => format!(r#"{{"id":{id},"wait":3}}"#),
            _ => format!(r#"{{"id":{id}}}"#),
        };
        New { partition: Some((id % 2) as i32), ..new(&id.to_string(), value) }
    };
    topics::write(broker, "aborts.in", (0..COUNT).map(event));
    let run = setup.run("only", &pipeline);
    Gauge::new(broker, "aborts.in", "aborts").await_commit();
    let log = run.stop();
    assert!(log.contains("a transaction was aborted"), "{log}");
    let ids = |topic: &str| {
        let id = |text: String| {
            let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            value["id"].as_u64().expect("an id")
        };
        let mut ids: Vec<u64> = committed(broker, topic).into_iter().map(id).collect();
        ids.sort_unstable();
        ids
    };
    let oversized = [500, 501, 1200];
    assert_eq!(ids("aborts.dead"), oversized);
    let expected: Vec<u64> = (0..COUNT).filter(|id| !oversized.contains(id)).collect();
    assert_eq!(ids("aborts.out"), expected);
}
