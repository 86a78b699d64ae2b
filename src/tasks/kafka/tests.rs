//! Against librdkafka's mock cluster.

use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _, OwnedMessage};
use serde_json::{Value, json};

use super::Settings;
use crate::kafka::Broker;
use crate::tasks;
use crate::tasks::harness::{KAFKA, Shard};

fn shard(broker: &Broker, settings: Settings) -> Shard {
    let produce = Some(Settings { brokers: broker.bootstrap(), ..settings });
    Shard::new(KAFKA, tasks::Settings { produce, ..tasks::Settings::default() }, None)
}

fn started() -> Broker {
    let broker = Broker::start(1).expect("starts");
    broker.create_topic("orders", 1).expect("makes a topic");
    broker
}

fn written(broker: &Broker, count: usize) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", "g")
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    consumer.subscribe(&["orders"]).expect("subscribes");
    let end = Instant::now() + Duration::from_secs(20);
    let mut records = Vec::new();
    while records.len() < count {
        assert!(Instant::now() < end, "{} of {count} records came", records.len());
        // A poll that served a rebalance brings nothing.
        let polled = consumer.poll(Duration::from_secs(1));
        records.extend(polled.map(|record| record.expect("no error").detach()));
    }
    records
}

#[test]
fn records_are_written_and_acknowledged() {
    let broker = started();
    let mut shard = shard(&broker, Settings::default());
    let first = json!({"Topic": "orders", "Key": "k", "Value": {"n": 1.0},
        "Headers": {"a": "x", "b": [1], "c": null}});
    let result = json!({"Topic": "orders", "Partition": 0, "Offset": 0});
    assert_eq!(shard.answer(&first), Ok(result));
    for (offset, call) in [
        (1, json!({"Topic": "orders", "Key": 7})),
        (2, json!({"Topic": "orders", "Value": "text"})),
    ] {
        assert_eq!(shard.answer(&call).expect("is written")["Offset"], offset);
    }
    let records = written(&broker, 3);
    assert_eq!(records[0].key(), Some(&b"k"[..]));
    assert_eq!(records[0].payload(), Some(&br#"{"n":1.0}"#[..]));
    let headers = records[0].headers().expect("headers");
    let headers: Vec<_> = headers.iter().map(|header| (header.key, header.value)).collect();
    assert_eq!(headers, [("a", Some(&b"x"[..])), ("b", Some(&b"[1]"[..])), ("c", None)]);
    assert_eq!((records[1].key(), records[1].payload()), (Some(&b"7"[..]), None));
    assert_eq!((records[2].key(), records[2].payload()), (None, Some(&b"text"[..])));
}

#[test]
fn many_calls_share_a_full_queue() {
    let broker = started();
    let properties = [("queue.buffering.max.messages".to_owned(), "10".to_owned())].into();
    let mut shard = shard(&broker, Settings { properties, ..Settings::default() });
    let call = |n| json!({"Topic": "orders", "Value": n}).to_string();
    let mut ids: Vec<_> = (0..50).map(|n| shard.call(0, &call(n))).collect();
    let mut answers = shard.poll();
    ids.extend((50..100).map(|n| shard.call(0, &call(n))));
    assert_eq!(shard.tasks.in_flight(), 100 - answers.len());
    shard.tasks.cancel(ids[99]);
    answers.append(&mut shard.wait(99 - answers.len()));
    assert!(answers.iter().all(|(id, answer)| answer.is_ok() && *id != ids[99]));
    assert_eq!((shard.tasks.in_flight(), shard.tasks.next_due_ms()), (0, None));
}

#[test]
fn failures_carry_the_librarys_code() {
    let broker = started();
    let properties = [("message.max.bytes".to_owned(), "1000".to_owned())].into();
    let timeout = Duration::from_secs(1);
    let topics = vec!["orders".to_owned()];
    let mut shard = shard(&broker, Settings { properties, timeout, topics, ..Settings::default() });
    let of = |topic: Value, value: &str| json!({"Topic": topic, "Value": value});
    let big = of(json!("orders"), &"x".repeat(2000));
    shard.fails(&big, "Kafka.MSG_SIZE_TOO_LARGE", "topic \"orders\"");
    shard.fails(&of(json!("other"), ""), "States.Permissions", "produce.topics");
    shard.fails(&of(json!(1), ""), "States.Runtime", "must be a string");
    shard.fails(&json!({"Value": 1}), "States.Runtime", "\"Topic\" is missing");
    shard.fails(&json!({"Topic": "orders", "value": 1}), "States.Runtime", "\"value\"");
    broker.set_up(1, false).expect("goes down");
    shard.fails(&of(json!("orders"), "late"), "Kafka._MSG_TIMED_OUT", "topic \"orders\"");
}

#[test]
fn no_more_topics_are_written_to_than_the_setting_says() {
    let broker = started();
    let mut shard = shard(&broker, Settings { topics_max: 1, ..Settings::default() });
    let of = |topic: &str| json!({"Topic": topic, "Value": 1});
    shard.answer(&of("orders")).expect("it is the first");
    shard.fails(&of("other"), "States.Runtime", "produce.topics_max");
    shard.answer(&of("orders")).expect("it is known");
}

/// Nobody there, somebody silent, somebody who speaks otherwise.
#[test]
fn what_is_no_broker_is_a_timeout() {
    let bound = || TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = |listener: &TcpListener| listener.local_addr().expect("it is bound").to_string();
    let nobody = at(&bound());
    let (silent, other) = (bound(), bound());
    let brokers = [nobody, at(&silent), at(&other)];
    std::thread::spawn(move || {
        for stream in other.incoming().flatten() {
            let _ = { stream }.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    for brokers in brokers {
        let timeout = Duration::from_secs(1);
        let produce = Some(Settings { brokers, timeout, ..Settings::default() });
        let settings = tasks::Settings { produce, ..tasks::Settings::default() };
        let mut shard = Shard::new(KAFKA, settings, None);
        let call = json!({"Topic": "orders", "Value": 1});
        shard.fails(&call, "Kafka._MSG_TIMED_OUT", "topic \"orders\"");
    }
}
