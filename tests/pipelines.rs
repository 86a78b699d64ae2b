//! Whole pipelines in this process over the embedded broker: routes, canaries, and what is counted.

#[path = "pipelines/ahead.rs"]
mod ahead;
#[path = "pipelines/envelopes.rs"]
mod envelopes;
#[path = "pipelines/reload.rs"]
mod reload;
#[path = "pipelines/stage.rs"]
mod stage;

use std::collections::BTreeMap;

use serde_json::json;
use stage::{Stage, new, stamp};

/// The kind of the record, as the output of the definition of that name.
fn by_kind(outputs: &[stage::Got]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for output in outputs {
        let via = output.json()["via"].as_str().expect("it says").to_owned();
        *counts.entry(via).or_default() += 1;
    }
    counts
}

const ROUTES: &str = r#"
[[pipeline.route]]
name = "paid"
choice = '''{"And": [{"Variable": "$.value.kind", "StringEquals": "order"},
    {"Not": {"Variable": "$.value.total", "NumericLessThan": 100}}]}'''
definition = "large.json"

[[pipeline.route]]
name = "orders"
pattern = { value = { kind = [{ prefix = "ord" }] }, headers = { test = [{ exists = false }] } }
definition = "order.json"

[[pipeline.route]]
name = "clicks"
jsonata = "{% value.kind = 'click' and $contains(key, 'k') %}"
definition = "click.json"

[[pipeline.route]]
name = "noise"
jsonata = "value.kind = 'noise'"
action = "drop"

[[pipeline.route]]
name = "odd"
pattern = '{"value": {"kind": [{"wildcard": "o*d"}]}}'
action = "dead_letter"

[[pipeline.route]]
name = "broken"
jsonata = "value.kind = 'broken' ? 5"
action = "drop"
"#;

#[test]
fn the_first_route_that_matches_counts() {
    let stage = Stage::new(4);
    for name in ["large", "order", "click"] {
        stage.definition(name, &stamp(name));
    }
    let kinds = [
        json!({"kind": "order", "total": 150}),
        json!({"kind": "order", "total": 50}),
        // No total: the first rule does not fail over it; its Not holds.
        json!({"kind": "order"}),
        json!({"kind": "click"}),
        json!({"kind": "noise"}),
        json!({"kind": "odd"}),
        json!({"kind": "broken"}),
        json!({"other": 1}),
    ];
    let records = (0..80).map(|at| new(at, &kinds[at as usize % kinds.len()]));
    stage.write(records);
    let mut with_header = new(80, &kinds[1]);
    with_header.headers = vec![("test", b"1".to_vec())];
    stage.write([with_header]);
    let engine = stage.start("on_failure = \"dead_letter\"", ROUTES);
    engine.settles(81);
    let metrics = engine.stop();
    let outputs = by_kind(&stage.read("out"));
    assert_eq!(outputs, [("large", 20), ("order", 10), ("click", 10)].map(own).into());
    let dead = stage.read("dead");
    let mut why: BTreeMap<(String, String), usize> = BTreeMap::new();
    for letter in &dead {
        let says = |name: &str| letter.header(name).unwrap_or_default();
        *why.entry((says("expressway.error"), says("expressway.route"))).or_default() += 1;
    }
    let expected = [
        (("Record.NoRoute", "unmatched"), 11),
        (("Record.Routed", "odd"), 10),
        (("States.QueryEvaluationError", ""), 10),
    ];
    let expected = expected.map(|((error, route), n)| ((error.to_owned(), route.to_owned()), n));
    assert_eq!(why, expected.into(), "{dead:#?}");
    for (route, count) in [
        ("paid", 20),
        ("orders", 10),
        ("clicks", 10),
        ("noise", 10),
        ("odd", 10),
        ("unmatched", 11),
    ] {
        let line =
            format!("expressway_routed_records_total{{pipeline=\"p\",route=\"{route}\"}} {count}");
        assert!(metrics.lines().any(|it| it == line), "{line} is not in\n{metrics}");
    }
    let started = "expressway_version_started_total{pipeline=\"p\",definition=\"large\"";
    assert!(metrics.lines().any(|it| it.starts_with(started) && it.ends_with(" 20")), "{metrics}");
    assert!(metrics.contains("expressway_dropped_total{pipeline=\"p\"} 10"), "{metrics}");
}

#[test]
fn a_definition_beside_routes_takes_what_they_leave() {
    let stage = Stage::new(2);
    stage.definition("rest", &stamp("rest"));
    let routes = "[[pipeline.route]]\npattern = '{\"topic\": [\"in\"], \"value\": {\"n\": [{\"numeric\": \
                  [\"<\", 10]}]}}'\naction = \"drop\"\n";
    stage.write((0..50).map(|at| new(at, &json!({"n": at}))));
    let engine = stage.start("on_failure = \"stop\"\ndefinition = \"rest.json\"", routes);
    engine.settles(50);
    engine.stop();
    assert_eq!(by_kind(&stage.read("out")), [("rest", 40)].map(own).into());
}

#[test]
fn a_canary_takes_its_share_of_keys_and_the_same_ones_again() {
    let stage = Stage::new(4);
    stage.definition("old", &stamp("old"));
    stage.definition("next", &stamp("next"));
    let settings = "on_failure = \"stop\"\ndefinition = \"old.json\"\n\
                    canary = { definition = \"next.json\", weight = 20 }";
    stage.write((0..1000).map(|at| new(at, &json!({"n": at}))));
    let engine = stage.start(settings, "");
    engine.settles(1000);
    let metrics = engine.stop();
    let via = |output: &stage::Got| output.json()["via"].as_str().map(str::to_owned);
    let canaries = stage.read("out").iter().filter(|it| via(it).as_deref() == Some("next")).count();
    assert!((150..250).contains(&canaries), "{canaries} of 1000");
    let counted = metrics.lines().find_map(|line| {
        let is_it = line.starts_with("expressway_version_succeeded_total")
            && line.contains("definition=\"next\"");
        is_it.then(|| line.rsplit(' ').next()?.parse::<usize>().ok())?
    });
    assert_eq!(counted, Some(canaries), "{metrics}");
    // The same records once more: another group, so they come again.
    let engine = stage.start(&format!("{settings}\n#again"), "");
    engine.settles(1000);
    engine.stop();
    let again = stage.read("out");
    assert_eq!(again.len(), 2000);
    let mut versions: BTreeMap<u64, Vec<Option<String>>> = BTreeMap::new();
    for output in &again {
        let number = output.json()["n"].as_u64().expect("a number");
        versions.entry(number).or_default().push(via(output));
    }
    assert!(versions.values().all(|of| of.len() == 2 && of[0] == of[1]));
}

fn own((name, count): (&str, usize)) -> (String, usize) {
    (name.to_owned(), count)
}
