//! Several records an execution: what it is given, and what its answer does to each record.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::stage::{Got, New, Stage, new, until};

const PASS: &str = r#"{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}"#;

/// Names those as failed whose value says so, in the words of `identifier`.
fn picky(identifier: &str) -> String {
    format!(
        r#"{{"QueryLanguage": "JSONata", "StartAt": "Read", "States": {{
        "Read": {{"Type": "Pass", "Next": "Answer", "Output": "{{% {{'all': [$states.input.{{
            'n': $parse($base64decode(value)).n, 'bad': $parse($base64decode(value)).bad,
            'topic': topic, 'partition': partition, 'offset': offset}}]}} %}}"}},
        "Answer": {{"Type": "Succeed", "Output": "{{% {{'good': $states.input.all[$not(bad)].n,
            'batchItemFailures': [$states.input.all[bad].{{'itemIdentifier': {identifier}}}]}} %}}"}}}}}}"#
    )
    .replace('\n', " ")
}

const BY_PLACE: &str = "topic & '-' & $string(partition) & '-' & $string(offset)";

fn numbers(letters: &[Got]) -> Vec<u64> {
    letters.iter().map(|it| it.json()["n"].as_u64().expect("a number")).collect()
}

fn record(offset: i64, at: &Value) -> Value {
    json!({
        "topic": "in", "partition": 0, "offset": offset, "timestamp": at["timestamp"],
        "timestampType": "CREATE_TIME", "key": STANDARD.encode(format!("k{offset}")),
        "value": STANDARD.encode(json!({"n": offset}).to_string()),
        "headers": [{"trace": [104, 105, -1]}],
    })
}

fn with_header(number: u32) -> New {
    let mut record = new(number, &json!({"n": number}));
    record.headers = vec![("trace", vec![104, 105, 255])];
    record
}

#[test]
fn pipes_passes_an_array_and_lambda_an_envelope() {
    for (input, arn) in [("pipes", false), ("lambda", true)] {
        let stage = Stage::new(1);
        stage.definition("d", PASS);
        stage.write((0..3).map(with_header));
        let settings = format!(
            "on_failure = \"stop\"\ndefinition = \"d.json\"\ninput = \"{input}\"\n\
             batch = {{ window = \"300ms\" }}"
        );
        let engine = match arn {
            false => stage.start(&settings, ""),
            true => stage.start_from(&settings, "", ", event_source_arn = \"arn:aws:kafka:x\""),
        };
        engine.settles(3);
        engine.stop();
        let outputs = stage.read("out");
        assert_eq!(outputs.len(), 1, "three records, one execution");
        let (output, servers) = (outputs[0].json(), stage.bootstrap());
        if input == "pipes" {
            let expected: Vec<Value> = (0..3)
                .map(|at| {
                    let mut one = record(at, &output[at as usize]);
                    one["eventSource"] = "SelfManagedKafka".into();
                    one["bootstrapServers"] = servers.clone().into();
                    one["eventSourceKey"] = "in-0".into();
                    one
                })
                .collect();
            assert_eq!(output, Value::Array(expected));
        } else {
            let records: Vec<Value> =
                (0..3).map(|at| record(at, &output["records"]["in-0"][at as usize])).collect();
            let expected = json!({
                "eventSource": "aws:kafka", "eventSourceArn": "arn:aws:kafka:x",
                "bootstrapServers": servers, "records": {"in-0": records},
            });
            assert_eq!(output, expected);
        }
    }
}

/// Writes 40 records, every fifth of them bad, and returns what came out and what became letters.
fn outcome(definition: &str, more: &str) -> (Stage, Vec<Got>, Vec<Got>, String) {
    let stage = Stage::new(2);
    stage.definition("d", definition);
    stage.write((0..40).map(|at| new(at, &json!({"n": at, "bad": at % 5 == 0}))));
    let settings = format!(
        "on_failure = \"dead_letter\"\ndefinition = \"d.json\"\ninput = \"pipes\"\n\
         batch = {{ records_max = 10, window = \"100ms\" }}\n{more}"
    );
    let engine = stage.start(&settings, "");
    engine.settles(40);
    let metrics = engine.stop();
    let (out, dead) = (stage.read("out"), stage.read("dead"));
    (stage, out, dead, metrics)
}

fn good(outputs: &[Got]) -> Vec<u64> {
    let of = |it: &Got| match &it.json()["good"] {
        Value::Array(list) => list.iter().filter_map(Value::as_u64).collect(),
        one => one.as_u64().into_iter().collect::<Vec<_>>(),
    };
    let mut all: Vec<u64> = outputs.iter().flat_map(of).collect();
    all.sort_unstable();
    all
}

#[test]
fn only_those_that_the_answer_names_have_failed() {
    let (_stage, out, dead, metrics) =
        outcome(&picky(BY_PLACE), "retry = { attempts = 1, interval = \"50ms\" }");
    assert_eq!(good(&out), (0..40).filter(|at| at % 5 != 0).collect::<Vec<_>>(), "each once");
    let failed: BTreeSet<u64> = numbers(&dead).into_iter().collect();
    assert_eq!((failed, dead.len()), ((0..40).filter(|at| at % 5 == 0).collect(), 8));
    for letter in &dead {
        assert_eq!(letter.header("expressway.error").as_deref(), Some("Record.ItemFailed"));
        assert_eq!(letter.header("expressway.runs").as_deref(), Some("2"), "it was tried again");
        assert_eq!(letter.header("expressway.definition").as_deref(), Some("d"));
    }
    let named = "expressway_batch_item_failures_total{pipeline=\"p\"} 16";
    assert!(metrics.lines().any(|it| it == named), "{metrics}");
}

#[test]
fn a_name_that_is_not_in_the_batch_fails_all_of_it() {
    let bad = [
        picky("'nobody-0-0'"),
        picky("''"),
        picky("null"),
        picky(BY_PLACE).replace("itemIdentifier", "itemidentifier"),
    ];
    for definition in bad {
        let (_stage, out, dead, _) = outcome(&definition, "");
        let failed: BTreeSet<u64> = numbers(&dead).into_iter().collect();
        let passed: BTreeSet<u64> = good(&out).into_iter().collect();
        assert!(dead.len() == failed.len() && failed.len() > 8, "whole batches: {failed:?}");
        assert!(failed.is_disjoint(&passed) && failed.len() + passed.len() == 40);
        let says = dead[0].header("expressway.error");
        assert_eq!(says.as_deref(), Some("Record.BatchFailed"), "{definition}");
    }
}

#[test]
fn an_answer_without_failures_is_a_success() {
    for list in ["[]", "null", "5"] {
        let definition = format!(
            r#"{{"StartAt": "P", "States": {{"P": {{"Type": "Pass", "End": true,
                "Result": {{"batchItemFailures": {list}}}}}}}}}"#
        );
        let (_stage, out, dead, _) = outcome(&definition, "");
        let is_list = list != "5";
        assert_eq!((dead.is_empty(), out.is_empty()), (is_list, !is_list), "{list}");
    }
}

#[test]
fn a_batch_is_as_large_as_it_may_be_and_no_larger() {
    let stage = Stage::new(1);
    let count = r#"{"QueryLanguage": "JSONata", "StartAt": "P", "States": {"P": {"Type": "Pass",
        "Output": "{% $count($states.input) %}", "End": true}}}"#;
    stage.definition("d", count);
    let large = "x".repeat(30_000);
    stage.write((0..20).map(|at| new(at, &json!({"n": at, "pad": large}))));
    stage.write([New { key: Some("tombstone".into()), value: None, headers: Vec::new() }]);
    stage.write([new(21, &json!({"pad": "x".repeat(250_000)}))]);
    let engine = stage.start(
        "on_failure = \"dead_letter\"\ndefinition = \"d.json\"\ninput = \"pipes\"\n\
         batch = { window = \"5s\" }",
        "",
    );
    until("all have come", || engine.engine.metrics.totals(0).counts.records_in == 22);
    engine.stop();
    // Seven of 40 KB each are too many for 256 KiB; the last one is ended by the stop.
    assert_eq!(stage.read("out").len(), 4);
    let dead = stage.read("dead");
    assert_eq!(dead.len(), 1, "too large alone");
    let says = dead[0].header("expressway.error");
    assert_eq!(says.as_deref(), Some("States.DataLimitExceeded"));
}
