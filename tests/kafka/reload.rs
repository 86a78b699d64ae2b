//! Definitions are exchanged under load: nothing is lost, repeated or out of order.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::broker::Broker;
use crate::engine::{Setup, pipeline};
use crate::topics::{Gauge, new, read, until, write};

const PARTITIONS: i32 = 6;
const KEYS: u64 = 50;
const BATCHES: u64 = 24;
const BATCH: u64 = 1000;

/// Some records wait; outputs say which version they come from.
fn definition(version: u64) -> String {
    format!(
        r#"{{"StartAt": "Look", "States": {{
        "Look": {{"Type": "Choice", "Default": "Stamp",
            "Choices": [{{"Variable": "$.waits", "BooleanEquals": true, "Next": "Nap"}}]}},
        "Nap": {{"Type": "Wait", "Seconds": 1, "Next": "Stamp"}},
        "Stamp": {{"Type": "Pass", "Result": {version}, "ResultPath": "$.version", "End": true}}}}}}"#
    )
}

/// SIGHUP after each few batches; one of the definitions is wrong and is refused.
pub fn hangup(broker: &Broker) {
    let _present = broker.present();
    broker.topic("reload.in", PARTITIONS, &[]);
    broker.topic("reload.out", PARTITIONS, &[]);
    let setup = Setup::new(broker, "reload", &definition(0), "watch_interval = \"0s\"");
    let file = setup.folder.join("definition.asl.json");
    let pipeline = pipeline("reload", "reload.in", "reload.out", r#"on_failure = "stop""#);
    let run = setup.run("only", &pipeline);
    until("it has its partitions", || run.log().contains("partitions assigned"));
    let told = |what: &str| run.log().matches(what).count();
    for batch in 0..BATCHES {
        let records = (batch * BATCH..(batch + 1) * BATCH).map(|id| {
            // Of ever other keys: those of one wait one after the other.
            let value = format!(r#"{{"id":{id},"waits":{}}}"#, id % 99 == 3);
            new(&format!("k{}", id % KEYS), value)
        });
        write(broker, "reload.in", records);
        let version = batch / 4;
        match batch % 4 {
            1 => {
                std::fs::write(&file, definition(version + 1)).expect("written");
                run.signal("HUP");
                until("it is reloaded", || told("reloaded:") as u64 > version);
            }
            3 if version == 2 => {
                std::fs::write(&file, r#"{"StartAt": "Nowhere", "States": {}}"#).expect("written");
                run.signal("HUP");
                until("it is refused", || told("reload refused") == 1);
                assert!(run.log().contains("Nowhere"), "the log says why");
            }
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
        assert_eq!(run.get("/readyz").0, 200, "a reload is no reason not to be ready");
    }
    Gauge::new(broker, "reload.in", "reload").await_commit();
    let metrics = run.get("/metrics").1;
    for line in [
        "expressway_reloads_total{result=\"applied\"} 6",
        "expressway_reloads_total{result=\"refused\"} 1",
        "expressway_records_in_total{pipeline=\"reload\"} 24000",
    ] {
        assert!(metrics.lines().any(|it| it.trim_end() == line), "{line} is not in\n{metrics}");
    }
    run.stop();
    let outputs = read(broker, "reload.out");
    assert_eq!(outputs.len() as u64, BATCHES * BATCH, "all, and each once");
    let mut last: BTreeMap<Vec<u8>, (u64, u64)> = BTreeMap::new();
    let mut by_version: BTreeMap<u64, usize> = BTreeMap::new();
    for output in &outputs {
        let value = output.json();
        let says = |name: &str| value[name].as_u64().expect("a number");
        let (id, version) = (says("id"), says("version"));
        let key = output.key.clone().expect("it has a key");
        if let Some(before) = last.insert(key, (id, version)) {
            assert!(before.0 < id, "{id} came after {}", before.0);
            assert!(before.1 <= version, "{id} ran on an older version than {}", before.0);
        }
        *by_version.entry(version).or_default() += 1;
    }
    println!("    records by version: {by_version:?}");
    assert!(by_version.len() >= 6, "each version had its time: {by_version:?}");
}

/// A file that changes is enough.
pub fn change(broker: &Broker) {
    let _present = broker.present();
    broker.topic("change.in", 1, &[]);
    broker.topic("change.out", 1, &[]);
    let setup = Setup::new(broker, "change", &definition(1), "watch_interval = \"100ms\"");
    let pipeline = pipeline("change", "change.in", "change.out", r#"on_failure = "stop""#);
    let run = setup.run("only", &pipeline);
    write(broker, "change.in", [new("a", r#"{"waits":true}"#)]);
    until("it waits", || {
        run.get("/metrics").1.contains("_parked_executions{pipeline=\"change\"} 1")
    });
    std::fs::write(setup.folder.join("definition.asl.json"), definition(20)).expect("written");
    until("it is reloaded", || run.log().contains("reloaded:"));
    write(broker, "change.in", [new("b", r#"{"waits":false}"#)]);
    Gauge::new(broker, "change.in", "change").await_commit();
    run.stop();
    let outputs = read(broker, "change.out");
    let version = |key: &str| {
        let of = outputs.iter().find(|it| it.key.as_deref() == Some(key.as_bytes()));
        of.expect("it was written").json()["version"].as_u64()
    };
    assert_eq!((version("a"), version("b")), (Some(1), Some(20)));
}
