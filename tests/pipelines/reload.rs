//! What pipelines run on is exchanged in this process.

use std::time::Duration;

use expressway::engine::prepare;
use serde_json::json;

use crate::stage::{Running, Stage, new, stamp, until};

/// Waits, then says which version it is.
fn waiting(via: &str) -> String {
    format!(
        r#"{{"StartAt": "Nap", "States": {{
        "Nap": {{"Type": "Wait", "Seconds": 2, "Next": "Stamp"}},
        "Stamp": {{"Type": "Pass", "Result": "{via}", "ResultPath": "$.via", "End": true}}}}}}"#
    )
}

fn reload(
    stage: &Stage,
    running: &mut Running,
    settings: &str,
    tables: &str,
) -> Result<(), String> {
    let config = stage.parse(&stage.config(settings, tables));
    let (prepared, _) = prepare(&config).unwrap_or_else(|refused| panic!("{refused:#?}"));
    running.engine.reload(&config, &prepared)
}

/// Executions that wait, and records that wait for those, end on the version that they came under;
/// and in the order that they came in, with those that come later.
#[test]
fn what_came_before_a_reload_ends_on_what_it_came_under() {
    let stage = Stage::new(1);
    stage.definition("d", &waiting("old"));
    let settings = "on_failure = \"stop\"\ndefinition = \"d.json\"\nordering = \"partition\"";
    let mut running = stage.start(settings, "");
    stage.write((0..2).map(|at| new(at, &json!({"n": at}))));
    until("they have come", || running.engine.metrics.totals(0).counts.records_in == 2);
    stage.definition("d", &stamp("new"));
    reload(&stage, &mut running, settings, "").expect("it is adopted");
    stage.write((2..4).map(|at| new(at, &json!({"n": at}))));
    running.settles(4);
    let metrics = running.stop();
    let outputs: Vec<_> = stage.read("out").iter().map(|it| it.json()).collect();
    let of = |it: &serde_json::Value| (it["n"].as_u64(), it["via"].as_str().map(str::to_owned));
    let expected = [(0, "old"), (1, "old"), (2, "new"), (3, "new")];
    let expected = expected.map(|(n, via)| (Some(n), Some(via.to_owned())));
    assert_eq!(outputs.iter().map(of).collect::<Vec<_>>(), expected);
    assert!(metrics.contains("expressway_reloads_total{result=\"applied\"} 1"), "{metrics}");
    let versions =
        metrics.lines().filter(|it| it.starts_with("expressway_version_succeeded_total"));
    assert_eq!(versions.filter(|it| it.ends_with(" 2")).count(), 2, "{metrics}");
}

#[test]
fn routes_and_canaries_are_exchanged_and_the_rest_is_refused() {
    let stage = Stage::new(2);
    stage.definition("d", &stamp("d"));
    let settings = "on_failure = \"stop\"\ndefinition = \"d.json\"";
    let mut running = stage.start(settings, "");
    stage.write((0..10).map(|at| new(at, &json!({"n": at}))));
    running.settles(10);
    let why = reload(&stage, &mut running, &format!("{settings}\nordering = \"none\""), "");
    let why = why.expect_err("that takes a restart");
    assert!(why.contains("pipeline[0].ordering"), "{why}");
    let route =
        "[[pipeline.route]]\nname = \"odd\"\njsonata = \"value.n % 2 = 1\"\naction = \"drop\"\n";
    reload(&stage, &mut running, settings, route).expect("it is adopted");
    stage.write((10..20).map(|at| new(at, &json!({"n": at}))));
    running.settles(20);
    // Many in a row, with nothing left of those that went.
    for _ in 0..50 {
        reload(&stage, &mut running, settings, "").expect("it is adopted");
    }
    std::thread::sleep(Duration::from_millis(200));
    stage.write((20..30).map(|at| new(at, &json!({"n": at}))));
    running.settles(30);
    let metrics = running.stop();
    assert_eq!(stage.read("out").len(), 25);
    let odd = "expressway_routed_records_total{pipeline=\"p\",route=\"odd\"} 5";
    assert!(metrics.lines().any(|it| it == odd), "{metrics}");
    assert!(metrics.contains("expressway_reloads_total{result=\"refused\"} 1"), "{metrics}");
}

/// So do executions that executions have started in this process.
#[test]
fn machines_are_exchanged_with_what_starts_them() {
    let stage = Stage::new(1);
    let outer = json!({"StartAt": "Start", "States": {"Start": {
        "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Parameters": {"StateMachineArn": "Inner"}, "ResultPath": "$.inner",
        "ResultSelector": {"via.$": "$.Output.via"}, "End": true}}});
    stage.definition("d", &outer.to_string());
    stage.definition("inner", &waiting("old"));
    let settings = "on_failure = \"stop\"\ndefinition = \"d.json\"\nordering = \"none\"";
    let machines = "[machines]\nInner = \"inner.json\"\n";
    let mut running = stage.start(settings, machines);
    stage.write([new(0, &json!({"n": 0}))]);
    until("it has started", || running.engine.metrics.totals(0).counts.task_calls == 1);
    stage.definition("inner", &waiting("new"));
    for _ in 0..20 {
        reload(&stage, &mut running, settings, machines).expect("it is adopted");
    }
    stage.write([new(1, &json!({"n": 1}))]);
    until("it has started", || running.engine.metrics.totals(0).counts.task_calls == 2);
    stage.definition("other", &stamp("other"));
    let machines = "[machines]\nInner = \"other.json\"\n";
    reload(&stage, &mut running, settings, machines).expect("machines are exchanged, too");
    stage.write([new(2, &json!({"n": 2}))]);
    running.settles(3);
    running.stop();
    let mut outputs: Vec<_> = stage.read("out").iter().map(|it| it.json()).collect();
    outputs.sort_by_key(|it| it["n"].as_u64());
    let expected = ["old", "new", "other"];
    assert_eq!(outputs.iter().map(|it| &it["inner"]["via"]).collect::<Vec<_>>(), expected);
}
