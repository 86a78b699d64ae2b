//! Records that were done ahead of one that waits are not done again after a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use expressway::engine::{Engine, Stopped, prepare};
use serde_json::json;

use crate::stage::{Stage, new, until};

/// Waits where the record says so.
const PATIENT: &str = r#"{"StartAt": "Look", "States": {
    "Look": {"Type": "Choice", "Default": "Done",
             "Choices": [{"Variable": "$.waits", "IsPresent": true, "Next": "Wait"}]},
    "Wait": {"Type": "Wait", "Seconds": 120, "Next": "Done"},
    "Done": {"Type": "Pass", "End": true}}}"#;

#[test]
fn what_was_done_ahead_of_a_wait_is_not_done_again() {
    let stage = Stage::new(1);
    stage.definition("d", PATIENT);
    stage.write((0..100).map(|at| match at {
        7 => new(at, &json!({"n": at, "waits": true})),
        _ => new(at, &json!({"n": at})),
    }));
    let text =
        stage.config("on_failure = \"stop\"\ndefinition = \"d.json\"\nordering = \"none\"", "");
    let brisk = "[engine]\ndrain_timeout = \"200ms\"\ncommit_interval = \"100ms\"\n";
    // The mock ends a rebalance only when the session timeout is nearly over.
    let session = "[kafka]\nconsumer = { \"session.timeout.ms\" = 3000, \
                   \"heartbeat.interval.ms\" = 200 }\n";
    let text = text.replace("[engine]\n", brisk).replace("[kafka]\n", session);
    let config = stage.parse(&text);
    let (prepared, _) = prepare(&config).unwrap_or_else(|refused| panic!("{refused:#?}"));
    let first = Engine::start(&config, &prepared).expect("it starts");
    until("all but one settle", || first.metrics.totals(0).counts.settled == 99);
    // Two intervals: one until it is asked for, one until it is committed.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(first.stop(), Stopped::Cut);
    let second = Engine::start(&config, &prepared).expect("it starts");
    until("all have come", || {
        let counts = second.metrics.totals(0).counts;
        counts.done_before + counts.records_in == 93
    });
    let counts = second.metrics.totals(0).counts;
    assert_eq!((counts.done_before, counts.records_in), (92, 1));
    second.stop();
    let mut times: BTreeMap<u64, usize> = BTreeMap::new();
    for output in stage.read("out") {
        *times.entry(output.json()["n"].as_u64().expect("a number")).or_default() += 1;
    }
    assert!(times.len() == 99 && times.values().all(|times| *times == 1), "{times:?}");
}
