//! A record whose execution brings the process down, among others that are innocent.

use crate::broker::Broker;
use crate::engine::{Setup, pipeline};
use crate::topics::{Gauge, New, new, read, texts, write};

/// As many rounds as its input says, in one call.
const SPINS: &str = r#"{"StartAt": "Spins", "States": {
    "Spins": {"Type": "Choice", "Default": "Done",
        "Choices": [{"Variable": "$.rounds", "NumericGreaterThan": 0, "Next": "Again"}]},
    "Again": {"Type": "Pass", "Next": "Spins",
        "Parameters": {"id.$": "$.id", "rounds.$": "States.MathAdd($.rounds, -1)"}},
    "Done": {"Type": "Pass", "OutputPath": "$.id", "End": true}}}"#;

/// Two shards run when the one hangs: both are suspects, each is run alone, and one is guilty.
pub fn culprit(broker: &Broker) {
    const SHORT: u32 = 40;
    let _present = broker.present();
    for topic in ["culprit.in", "culprit.out", "culprit.dead"] {
        broker.topic(topic, 2, &[]);
    }
    let at = |partition: i32, id: u32, rounds: u32| New {
        partition: Some(partition),
        ..new(&id.to_string(), format!(r#"{{"id":{id},"rounds":{rounds}}}"#))
    };
    let spinner = [at(0, 1000, 0), at(0, 1001, 2_000_000_000), at(0, 1002, 0)];
    let others = (0..SHORT).map(|id| at(1, id, 100_000));
    write(broker, "culprit.in", spinner.into_iter().chain(others));
    // Few at a time, so that much of the second partition is left when the first one hangs.
    let engine = "shards = 2\nhang_timeout = \"2s\"\nsuspects_file = \"marks\"\n\
                  work_budget_steps = 4_000_000_000\nbatch_records_max = 1";
    let setup = Setup::new(broker, "culprit", SPINS, engine);
    let pipeline =
        pipeline("culprit", "culprit.in", "culprit.out", r#"on_failure = "dead_letter""#);
    let pipeline = format!("{pipeline}dead_letter = {{ topic = \"culprit.dead\" }}\n");
    let first = setup.run("first", &pipeline);
    assert_eq!(first.wait(), -1, "aborted");
    let log = first.log();
    assert!(log.contains("hung") && log.contains("culprit.in/0 offset 1"), "{log}");
    let second = setup.run("second", &pipeline);
    assert_eq!(second.wait(), -1, "aborted once more");
    let log = second.log();
    assert!(log.contains("it is run alone") && log.contains("culprit.in/0 offset 1"), "{log}");
    let third = setup.run("third", &pipeline);
    Gauge::new(broker, "culprit.in", "culprit").await_commit();
    third.stop();
    let [letter] = &read(broker, "culprit.dead")[..] else { panic!("one is guilty") };
    assert_eq!(letter.json()["id"], 1001);
    assert_eq!(letter.header("expressway.error").as_deref(), Some("Execution.Crashed"));
    let mut ids: Vec<u32> =
        texts(broker, "culprit.out").iter().map(|it| it.parse().expect("an id")).collect();
    ids.sort_unstable();
    ids.dedup();
    let expected: Vec<u32> = (0..SHORT).chain([1000, 1002]).collect();
    assert_eq!(ids, expected);
    // What was found out stays found out only until it is settled.
    let fourth = setup.run("fourth", &pipeline);
    assert!(!fourth.stop().contains("suspicion"));
}
