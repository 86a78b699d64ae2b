use serde_json::Value;

use super::Mocks;
use crate::tasks::Settings;
use crate::tasks::harness::{KAFKA, Shard, plan};

const FILE: &str = r#"{
    "StateMachines": {"orders": {"TestCases": {
        "Happy": {"T": "Flaky"},
        "Other": {"T": "Other"}}}},
    "MockedResponses": {
        "Other": {"0": {"Return": 1}},
        "Flaky": {
            "0": {"Throw": {"Error": "Busy", "Cause": "again"}},
            "1-2": {"Return": {"n": 1.0, "big": 1180591620717411303424}, "Latency": "20ms"},
            "3": {"Return": null, "Latency": 5}}}}"#;

fn mocks(case: &str) -> Mocks {
    Mocks::parse(FILE.as_bytes(), "orders", Some(case)).expect("a mock file")
}

#[test]
fn responses_go_by_attempt_and_latency() {
    // The state's own resource has no driver at all.
    let mut shard =
        Shard::new("arn:aws:states:::sqs:sendMessage", Settings::default(), Some(mocks("Happy")));
    let ids: Vec<_> = [0, 2, 3, 4].into_iter().map(|attempt| shard.call(attempt, "{}")).collect();
    assert_eq!((shard.tasks.in_flight(), shard.tasks.next_due_ms()), (4, Some(1_000)));
    let now = shard.poll();
    let error = now[0].1.as_ref().expect_err("thrown");
    assert_eq!((now[0].0, error.name(), error.cause()), (ids[0], Some("Busy"), Some("again")));
    let error = now[1].1.as_ref().expect_err("there is no fifth");
    assert!(error.to_string().contains("no response for attempt 4"), "{error}");
    assert_eq!((now.len(), shard.tasks.next_due_ms()), (2, Some(1_005)));
    shard.now_ms = 1_005;
    assert_eq!(shard.poll(), [(ids[2], Ok(Value::Null))]);
    shard.now_ms = 1_019;
    assert_eq!(shard.poll(), []);
    let cancelled = shard.call(1, "{}");
    shard.tasks.cancel(cancelled);
    assert_eq!(shard.tasks.in_flight(), 1);
    shard.now_ms = 2_000;
    let as_written = r#"{"n": 1.0, "big": 1180591620717411303424}"#;
    let as_written: Value = serde_json::from_str(as_written).expect("JSON");
    assert_eq!(shard.poll(), [(ids[1], Ok(as_written))]);
    assert_eq!((shard.tasks.in_flight(), shard.tasks.next_due_ms()), (0, None));
}

#[test]
fn cancelled_calls_do_not_pile_up() {
    let mut shard = Shard::new(KAFKA, Settings::default(), Some(mocks("Happy")));
    let kept = shard.call(3, "{}");
    for _ in 0..1000 {
        let id = shard.call(1, "{}");
        shard.tasks.cancel(id);
    }
    assert_eq!(shard.tasks.in_flight(), 1);
    assert!(shard.tasks.mocked.left_over() < 100);
    shard.now_ms += 20;
    assert_eq!(shard.poll(), [(kept, Ok(Value::Null))]);
}

#[test]
fn a_case_is_chosen() {
    assert_eq!(mocks("Other").lists[mocks("Other").states["T"]].len(), 1);
    let single = FILE
        .replace(r#","Other": {"T": "Other"}"#, "")
        .replace("\"Happy\": {\"T\": \"Flaky\"},", "");
    assert!(Mocks::parse(single.as_bytes(), "another name", None).is_ok());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mocks.json");
    std::fs::write(&file, FILE).expect("written");
    let file = file.display().to_string();
    assert!(Mocks::load(&format!("{file}#Happy"), "orders").is_ok());
    let error = Mocks::load(&file, "orders").expect_err("two cases");
    assert!(error.to_string().contains("Happy, Other; name one as FILE#Case"), "{error}");
    let error = Mocks::load(&format!("{file}#Sad"), "orders").expect_err("no such case");
    assert!(error.to_string().contains("has no \"Sad\""), "{error}");
    let error = Mocks::load("no-such-file", "orders").expect_err("no file");
    assert!(error.to_string().contains("can't be read"), "{error}");
}

#[test]
fn all_mistakes_are_told() {
    let text = r#"{"StateMachines": {"m": {"TestCases": {"c": {"T": "A", "U": "B"}}}}, "More": 1,
        "MockedResponses": {"A": {
            "x": {"Return": 1}, "2-1": {"Return": 1}, "0": {}, "1": {"Return": 1, "Throw": {}},
            "2": {"Throw": {"Error": 1}}, "3": {"Return": 1, "Latency": "1h"},
            "4-5": {"Return": 1}, "5": {"Return": 2}}}}"#;
    let problems = Mocks::parse(text.as_bytes(), "m", None).expect_err("all wrong");
    for part in [
        "\"More\" is unknown",
        "\"x\" is no attempt",
        "\"2-1\" is no attempt",
        "MockedResponses.A.0 needs either",
        "MockedResponses.A.1 needs either",
        "Error must be a string",
        "A.3.Latency must be",
        "\"5\" overlaps",
        "c.U must name one of MockedResponses; B is none",
    ] {
        assert!(problems.iter().any(|it| it.contains(part)), "{part}: {problems:#?}");
    }
    assert_eq!(problems.len(), 9, "{problems:#?}");
    assert!(Mocks::parse(b"{", "m", None).is_err());
}

#[test]
fn what_nothing_answers_is_refused() {
    let refused = |resource: &str, mocks| {
        let refusals = plan(resource, Settings::default(), mocks).expect_err("refused");
        assert_eq!(refusals.len(), 1);
        refusals.into_iter().next().map(|it| (it.task, it.message)).expect("one")
    };
    let (task, message) = refused("arn:aws:states:::teleport:send", None);
    assert!(task == Some(0) && message.contains("neither a driver nor a mock"), "{message}");
    let (_, message) = refused("arn:aws:states:::sqs:sendMessage", None);
    assert!(message.contains("nothing says where that is"), "{message}");
    let (_, message) = refused("arn:aws:states:::http:invoke.waitForTaskToken", None);
    assert!(message.contains("State \"T\""), "{message}");
    let (_, message) = refused(KAFKA, None);
    assert!(message.contains("needs a Kafka cluster"), "{message}");
    let stray = FILE.replace("{\"T\": \"Flaky\"}", "{\"T\": \"Flaky\", \"Tt\": \"Other\"}");
    let stray = Mocks::parse(stray.as_bytes(), "orders", Some("Happy")).expect("a mock file");
    let (task, message) = refused(KAFKA, Some(stray));
    assert!(task.is_none() && message.contains("no such Task"), "{message}");
}
