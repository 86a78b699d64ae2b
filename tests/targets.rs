//! What calls are held to, through the wire: a real server that goes away, is slow, throttles; and
//! requests that several executions share, to a real queue.

#[path = "targets/api.rs"]
mod api;
#[path = "sqs/server.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod queues;
#[path = "pipelines/stage.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use api::{Api, Conduct};
use expressway::engine::{Engine, prepare};
use serde_json::{Value, json};
use stage::{Running, Stage, new, until};

/// A definition that calls the server, with more fields of its state.
fn definition(api: &Api, more: &Value) -> String {
    let mut state = json!({
        "Type": "Task", "Resource": "arn:aws:states:::http:invoke", "End": true,
        "Parameters": { "ApiEndpoint": format!("http://127.0.0.1:{}/", api.port),
                        "Method": "POST", "RequestBody.$": "$" },
        "ResultSelector": { "status.$": "$.StatusCode" }, "ResultPath": "$.answer",
    });
    state.as_object_mut().expect("an object").extend(more.as_object().expect("too").clone());
    json!({ "StartAt": "Call", "States": { "Call": state } }).to_string()
}

/// Records with these numbers.
fn write(stage: &Stage, numbers: std::ops::Range<u32>) {
    stage.write(numbers.map(|n| new(n, &json!({ "n": n }))));
}

fn numbers(stage: &Stage, topic: &str) -> Vec<u64> {
    let got = stage.read(topic);
    got.iter().map(|it| it.json()["n"].as_u64().expect("a number")).collect()
}

const SETTINGS: &str = "on_failure = \"dead_letter\"\ndefinition = \"d.json\"";

fn metric(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|it| it.starts_with(&format!("{name}{{")));
    let line = line.unwrap_or_else(|| panic!("{name} is not in\n{metrics}"));
    line.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a number")
}

/// An outage of three seconds: nothing becomes a dead letter, and everything succeeds afterwards.
fn outlasts(more: &Value) {
    let api = Api::start(Conduct {
        takes: Duration::from_millis(2),
        goes_away_at: Some(200),
        ..Conduct::default()
    });
    let stage = Stage::new(4);
    stage.definition("d", &definition(&api, more));
    write(&stage, 0..600);
    let targets = "[targets]\ncalls_max = 16\n[targets.breaker]\nprobe_after = \"200ms\"\n\
                   probe_after_max = \"500ms\"";
    let mut running = stage.start(SETTINGS, targets);
    until("it goes away", || api.is_away());
    let begun = Instant::now();
    let name = format!("target 127.0.0.1:{}", api.port);
    until("the pipeline pauses", || {
        running.engine.look_after();
        running.engine.health.reasons().iter().any(|(part, _)| *part == name)
    });
    let down = "expressway_down_targets";
    assert_eq!(metric(&running.engine.metrics.render(), down), 1.0);
    let paused = || metric(&running.engine.metrics.render(), "expressway_paused_shards");
    until("both shards pause", || paused() == 2.0);
    // What was answered before is still on its way out.
    std::thread::sleep(Duration::from_millis(300));
    let before = running.engine.metrics.totals(0);
    write(&stage, 600..650);
    while begun.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let after = running.engine.metrics.totals(0);
    assert_eq!(after.counts.settled, before.counts.settled, "nothing settles meanwhile");
    assert_eq!(after.counts.records_in, before.counts.records_in, "and nothing is taken");
    api.come_back();
    running.settles(650);
    running.engine.look_after();
    assert!(running.engine.health.reasons().is_empty(), "{:?}", running.engine.health.reasons());
    let metrics = running.stop();
    assert_eq!(metric(&metrics, down), 0.0);
    let mut all = numbers(&stage, "out");
    all.sort_unstable();
    assert_eq!(all, (0..650).collect::<Vec<_>>());
    assert!(stage.read("dead").is_empty());
}

#[test]
fn an_outage_pauses_the_pipeline_and_makes_no_dead_letters() {
    outlasts(&json!({}));
}

#[test]
fn nor_does_an_outage_that_is_longer_than_the_state_may_take() {
    outlasts(&json!({ "TimeoutSeconds": 1 }));
}

#[test]
fn where_calls_are_not_to_wait_they_fail_at_once() {
    let api = Api::start(Conduct { goes_away_at: Some(1), ..Conduct::default() });
    let stage = Stage::new(2);
    stage.definition("d", &definition(&api, &json!({})));
    write(&stage, 0..100);
    let named = format!(
        "[targets]\ncalls_max = 2\n[targets.named]\n\"127.0.0.1:{}\" = {{ open = \"fail\" }}\n\
         [targets.breaker]\nprobe_after = \"60s\"\nprobe_after_max = \"60s\"",
        api.port
    );
    let begun = Instant::now();
    let running = stage.start(SETTINGS, &named);
    running.settles(100);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    running.stop();
    let mut errors = BTreeMap::<String, usize>::new();
    for letter in stage.read("dead") {
        *errors.entry(letter.header("expressway.error").expect("it says")).or_default() += 1;
    }
    let down = errors.get("Target.Down").copied().unwrap_or_default();
    assert_eq!(errors.values().sum::<usize>(), 100, "{errors:?}");
    assert!(down >= 90 && errors.len() == 2, "{errors:?}");
}

#[test]
fn the_server_never_sees_more_calls_than_its_limit() {
    let takes = Duration::from_millis(3);
    let api = Api::start(Conduct { takes, ..Conduct::default() });
    let stage = Stage::new(4);
    stage.definition("d", &definition(&api, &json!({})));
    write(&stage, 0..600);
    let running = stage.start(SETTINGS, "[targets]\ncalls_max = 7");
    running.settles(600);
    running.stop();
    assert_eq!((api.most(), api.requests()), (7, 600));
    // Each of two shards keeps its own, and may open one that it turns out not to need.
    assert!(api.connections() <= 30, "{} connections", api.connections());
    assert_eq!(numbers(&stage, "out").len(), 600);
}

#[test]
fn where_calls_wait_for_their_turn_no_more_records_are_taken() {
    let api = Api::start(Conduct { takes: Duration::from_millis(5), ..Conduct::default() });
    let stage = Stage::new(2);
    stage.definition("d", &definition(&api, &json!({})));
    write(&stage, 0..200);
    let config = stage.config(&format!("{SETTINGS}\nhttp = {{ calls_max = 1 }}"), "");
    let bounds = "[engine]\nbatch_records_max = 1\ncalls_waiting_max = 3\n";
    let config = stage.parse(&config.replace("[engine]\n", bounds));
    let (prepared, _) = prepare(&config).unwrap_or_else(|refused| panic!("{refused:#?}"));
    let running = Running { engine: Engine::start(&config, &prepared).expect("it starts") };
    let mut most = 0;
    until("all have been called", || {
        most = most.max(running.engine.metrics.totals(0).levels.parked);
        api.requests() == 200
    });
    running.settles(200);
    running.stop();
    // On each of two shards one that is out, those that wait, and the record that made them enough.
    assert!((6..=10).contains(&most), "{most} were parked at once");
    assert_eq!(numbers(&stage, "out").len(), 200);
}

#[test]
fn a_rate_is_kept_by_all_shards_together() {
    let api = Api::start(Conduct::default());
    let stage = Stage::new(4);
    stage.definition("d", &definition(&api, &json!({})));
    write(&stage, 0..200);
    let begun = Instant::now();
    let running = stage.start(SETTINGS, "[targets]\nrate_max = 100.0");
    running.settles(200);
    let took = begun.elapsed().as_secs_f64();
    running.stop();
    assert!((1.8..6.0).contains(&took), "{took}");
}

#[test]
fn a_target_that_throttles_is_called_less() {
    // Each call comes again every second until it is let through.
    let retry = json!({ "Retry": [{ "ErrorEquals": ["States.Http.StatusCode.429"],
        "IntervalSeconds": 1, "BackoffRate": 1.0, "MaxAttempts": 60 }] });
    let throttled = |adaptive: bool| {
        let per_second = Some(100);
        let api = Api::start(Conduct { per_second, ..Conduct::default() });
        let stage = Stage::new(4);
        stage.definition("d", &definition(&api, &retry));
        write(&stage, 0..600);
        let running =
            stage.start(SETTINGS, &format!("[targets]\ncalls_max = 20\nadaptive = {adaptive}"));
        running.settles(600);
        running.stop();
        assert_eq!(numbers(&stage, "out").len(), 600);
        api.throttled()
    };
    let (hammered, spared) = (throttled(false), throttled(true));
    assert!(spared * 2 < hammered, "{spared} of {hammered}");
}

#[test]
fn messages_share_requests_and_each_has_its_own_result() {
    let Some(server) = queues::server() else { return };
    let queue = server.queue("coalesced", json!({}));
    let stage = Stage::new(4);
    let send = json!({ "StartAt": "Send", "States": { "Send": { "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage", "End": true, "ResultPath": "$.sent",
        "Parameters": { "QueueUrl": queue.url, "MessageBody.$": "$",
                        "DelaySeconds.$": "$.delay" } } } });
    stage.definition("d", &send.to_string());
    let bad = 77;
    stage.write((0..300).map(|n| {
        let delay = if n == bad { 5_000 } else { 0 };
        new(n, &json!({ "n": n, "delay": delay }))
    }));
    let aws = format!(
        "[pipeline.aws]\ncoalesce = {{ sqs = \"20ms\" }}\n[aws]\nendpoint = \"{}\"\n\
         region = \"us-east-1\"\naccess_key_id = \"key\"\nsecret_access_key = \"secret\"",
        server.url
    );
    let mut running = stage.start(SETTINGS, &aws);
    running.settles(300);
    running.engine.look_after();
    let metrics = running.stop();
    let requests = metric(&metrics, "expressway_target_requests_total");
    assert!(requests < 100.0, "{requests} requests for 300 executions");
    let outputs = stage.read("out");
    let ids: BTreeSet<String> = outputs
        .iter()
        .map(|it| it.json()["sent"]["MessageId"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(ids.len(), 299, "each has its own");
    let dead = stage.read("dead");
    assert_eq!(dead.len(), 1, "{dead:#?}");
    assert_eq!(dead[0].json()["n"], bad);
    let error = dead[0].header("expressway.error").expect("it says");
    assert!(error.starts_with("SQS."), "{error}");
    let bodies = queue.take(299, Duration::from_secs(20));
    let sent: BTreeSet<u64> = bodies.iter().filter_map(|it| it["n"].as_u64()).collect();
    assert_eq!((bodies.len(), sent.len()), (299, 299));
}
