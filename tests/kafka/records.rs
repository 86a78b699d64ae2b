//! What a topic may hold, and what becomes of it.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::producer::{BaseProducer, Producer};
use serde_json::json;

use crate::broker::Broker;
use crate::engine::{PASS, Setup, pipeline};
use crate::topics::{self, Gauge, Got, New, PATIENCE, new, read, send, texts, until, write};

/// Compaction leaves gaps between offsets; survivors are all read, and committed across.
pub fn compacted(broker: &Broker) {
    let _present = broker.present();
    let quick = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "200"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("max.compaction.lag.ms", "500"),
        ("delete.retention.ms", "60000"),
    ];
    broker.topic("compacted.in", 3, &quick);
    broker.topic("compacted.out", 3, &[]);
    for round in 0..4 {
        let value = |key: i32| format!(r#"{{"key":{key},"round":{round}}}"#);
        let mut records: Vec<New> = (0..300)
            .filter(|key| round == 0 || key % (round + 1) == 0)
            .map(|key| new(&format!("k{key}"), value(key)))
            .collect();
        if round == 3 {
            records.extend((0..20).map(|key| New { value: None, ..new(&format!("k{key}"), "") }));
        }
        write(broker, "compacted.in", records);
        std::thread::sleep(Duration::from_millis(300));
    }
    let gaps = |all: &[Got]| {
        let near = |pair: &[Got]| pair[0].partition == pair[1].partition;
        let far = |pair: &[Got]| pair[1].offset > pair[0].offset + 1;
        all.windows(2).filter(|pair| near(pair) && far(pair)).count()
    };
    // A segment is rolled by the next record, so the cleaner is fed until it has cleaned.
    until("the topic has gaps", || {
        write(
            broker,
            "compacted.in",
            (0..3).map(|at| New { partition: Some(at), ..new("k299", r#"{"key":299}"#) }),
        );
        std::thread::sleep(Duration::from_millis(400));
        gaps(&read(broker, "compacted.in")) > 10
    });
    let setup = Setup::new(broker, "compacted", PASS, "");
    let pipeline = pipeline("compacted", "compacted.in", "compacted.out", r#"on_failure = "stop""#);
    let run = setup.run("only", &pipeline);
    Gauge::new(broker, "compacted.in", "compacted").await_commit();
    run.stop();
    let expected: BTreeSet<String> = read(broker, "compacted.in")
        .iter()
        .filter(|it| it.value.is_some())
        .map(Got::text)
        .collect();
    let got: BTreeSet<String> = texts(broker, "compacted.out").into_iter().collect();
    // The cleaner may have gone on since: what survived is there.
    assert!(
        got.is_superset(&expected),
        "{:?}",
        expected.difference(&got).take(5).collect::<Vec<_>>()
    );
}

/// Markers of transactions take offsets, and end the log; aborted records are no records.
pub fn control_records(broker: &Broker) {
    let _present = broker.present();
    broker.topic("control.in", 1, &[]);
    broker.topic("control.out", 1, &[]);
    let mut config = topics::producer(broker);
    config.set("transactional.id", "control");
    let producer: BaseProducer = config.create().expect("a producer");
    producer.init_transactions(PATIENCE).expect("transactions");
    for round in 0..6 {
        producer.begin_transaction().expect("begun");
        for at in 0..50 {
            send(&producer, "control.in", &new("k", format!(r#"{{"round":{round},"at":{at}}}"#)));
        }
        producer.flush(PATIENCE).expect("written");
        match round % 3 {
            2 => producer.abort_transaction(PATIENCE).expect("aborted"),
            _ => producer.commit_transaction(PATIENCE).expect("committed"),
        }
    }
    let setup =
        Setup::new(broker, "control", PASS, "batch_records_max = 7\nwindow_records_max = 10");
    let pipeline = pipeline("control", "control.in", "control.out", r#"on_failure = "stop""#);
    let run = setup.run("only", &pipeline);
    let target = Gauge::new(broker, "control.out", "x");
    target.await_count(200);
    let committed = || Gauge::new(broker, "control.in", "control").committed()[0];
    // The last committed record stands in the fifth transaction, which ends at 5 * 51 - 1.
    until("the last record is committed", || committed() >= 4 * 51 + 50);
    run.stop();
    assert_eq!(target.count(), 200, "two of six transactions were aborted");
}

/// The three answers to a record without a value.
pub fn tombstones(broker: &Broker) {
    let _present = broker.present();
    broker.topic("null.in", 2, &[]);
    let mut pipelines = String::new();
    for answer in ["skip", "null", "dead_letter"] {
        broker.topic(&format!("null.{answer}"), 2, &[]);
        broker.topic(&format!("null.{answer}.dead"), 1, &[]);
        let more = format!("on_failure = \"dead_letter\"\nnull_value = \"{answer}\"");
        pipelines +=
            &pipeline(&format!("null-{answer}"), "null.in", &format!("null.{answer}"), &more);
        pipelines += &format!("dead_letter = {{ topic = \"null.{answer}.dead\" }}\n");
    }
    let record = |at: i32| match at % 3 {
        0 => New { value: None, ..new(&format!("k{at}"), "") },
        _ => new(&format!("k{at}"), at.to_string()),
    };
    write(broker, "null.in", (0..60).map(record));
    let setup = Setup::new(broker, "null", PASS, "");
    let run = setup.run("only", &pipelines);
    for answer in ["skip", "null", "dead_letter"] {
        Gauge::new(broker, "null.in", &format!("null-{answer}")).await_commit();
    }
    run.stop();
    let count = |topic: &str| read(broker, topic).len();
    assert_eq!((count("null.skip"), count("null.skip.dead")), (40, 0));
    assert_eq!((count("null.null"), count("null.null.dead")), (60, 0));
    assert_eq!((count("null.dead_letter"), count("null.dead_letter.dead")), (40, 20));
    assert_eq!(texts(broker, "null.null").iter().filter(|it| *it == "null").count(), 20);
    for letter in read(broker, "null.dead_letter.dead") {
        assert_eq!(letter.value, None, "a tombstone's letter is one");
        assert!(letter.key.is_some());
        assert_eq!(letter.header("expressway.error").as_deref(), Some("Record.DecodeFailed"));
    }
}

/// Topic, key and value from paths, arrays split, headers of the source kept.
pub fn outputs_by_path(broker: &Broker) {
    let _present = broker.present();
    for topic in ["path.in", "path.a", "path.b", "path.dead", "path.split"] {
        broker.topic(topic, 2, &[]);
    }
    let by_path = "[[pipeline]]\nname = \"by-path\"\ndefinition = \"definition.asl.json\"\n\
        on_failure = \"dead_letter\"\nsource = { topics = [\"path.in\"], group = \"by-path\" }\n\
        output = { topic = \"$.to\", key = \"$.items[0].id\", value = \"$.items\" }\n\
        dead_letter = { topic = \"path.dead\" }\n";
    let split = "[[pipeline]]\nname = \"split\"\ndefinition = \"definition.asl.json\"\n\
        on_failure = \"drop\"\nsource = { topics = [\"path.in\"], group = \"split\" }\n\
        output = { topic = \"path.split\", value = \"$.items\", split = true, headers = \"none\", \
        key = \"none\" }\n";
    let event = |to: &str, ids: &[i32]| {
        let items: Vec<_> = ids.iter().map(|id| json!({"id": id.to_string()})).collect();
        let headers = vec![("trace", Some(b"abc".to_vec())), ("none", None)];
        New { headers, ..new("source", json!({"to": to, "items": items}).to_string()) }
    };
    write(broker, "path.in", [event("path.a", &[1]), event("path.b", &[2, 3, 4])]);
    // No key to be read; no such topic's name; no string.
    write(
        broker,
        "path.in",
        [event("path.a", &[]), new("source", r#"{"to":7,"items":[{"id":"9"}]}"#)],
    );
    let setup = Setup::new(broker, "path", PASS, "");
    let run = setup.run("only", &format!("{by_path}{split}"));
    Gauge::new(broker, "path.in", "by-path").await_commit();
    Gauge::new(broker, "path.in", "split").await_commit();
    run.stop();
    let (a, b) = (read(broker, "path.a"), read(broker, "path.b"));
    assert_eq!((a.len(), b.len()), (1, 1));
    assert_eq!((a[0].text().as_str(), a[0].key.as_deref()), (r#"[{"id":"1"}]"#, Some(&b"1"[..])));
    assert_eq!(b[0].key.as_deref(), Some(&b"2"[..]));
    assert_eq!(a[0].header("trace").as_deref(), Some("abc"));
    assert_eq!(a[0].headers[1], ("none".to_owned(), None));
    assert!(
        a[0].header("expressway.execution").is_some_and(|it| it.starts_with("by-path-path.in-"))
    );
    assert_eq!(read(broker, "path.dead").len(), 2);
    let split = read(broker, "path.split");
    let mut ids: Vec<String> = split.iter().map(Got::text).collect();
    ids.sort();
    assert_eq!(ids, ["1", "2", "3", "4", "9"].map(|id| format!(r#"{{"id":"{id}"}}"#)));
    assert!(split.iter().all(|it| it.key.is_none() && it.headers.is_empty()));
}

/// `input = "record"` with each way of decoding.
pub fn record_input(broker: &Broker) {
    let _present = broker.present();
    broker.topic("whole.in", 1, &[]);
    let mut pipelines = String::new();
    for decode in ["json", "string", "bytes"] {
        broker.topic(&format!("whole.{decode}"), 1, &[]);
        let more = format!("on_failure = \"stop\"\ninput = \"record\"\ndecode = \"{decode}\"");
        pipelines +=
            &pipeline(&format!("whole-{decode}"), "whole.in", &format!("whole.{decode}"), &more);
    }
    let headers = vec![("a", Some(b"1".to_vec())), ("a", Some(b"2".to_vec())), ("n", None)];
    let record =
        New { headers, timestamp_ms: Some(1_700_000_000_123), ..new("k", r#"{"x": 1.0}"#) };
    write(broker, "whole.in", [record]);
    let setup = Setup::new(broker, "whole", PASS, "");
    let run = setup.run("only", &pipelines);
    for (decode, value) in [
        ("json", json!({"x": 1.0})),
        ("string", json!("{\"x\": 1.0}")),
        ("bytes", json!("eyJ4IjogMS4wfQ==")),
    ] {
        let topic = format!("whole.{decode}");
        Gauge::new(broker, &topic, "x").await_count(1);
        let expected = json!({"Topic": "whole.in", "Partition": 0, "Offset": 0,
            "Timestamp": 1_700_000_000_123_i64, "Key": "k",
            "Headers": {"a": "2", "n": null}, "Value": value});
        assert_eq!(read(broker, &topic)[0].json(), expected);
    }
    run.stop();
}
