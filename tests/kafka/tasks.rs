//! Tasks: records leave for other topics and servers, and executions wait for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;

use crate::broker::Broker;
use crate::engine::{Setup, pipeline};
use crate::topics::{Gauge, Got, new, read, texts, until, write};

/// `kafka:produce` to a topic of its own; the result names where the record stands.
pub fn produce(broker: &Broker) {
    const COUNT: usize = 2_000;
    let _present = broker.present();
    for topic in ["produce.in", "produce.out", "produce.side"] {
        broker.topic(topic, 3, &[]);
    }
    let definition = r#"{"StartAt": "Tell", "States": {"Tell": {"Type": "Task", "End": true,
        "Resource": "arn:aws:states:::kafka:produce",
        "Parameters": {"Topic": "produce.side", "Key.$": "$.id", "Value.$": "$",
            "Headers": {"kind": "copy", "id.$": "$.id"}},
        "ResultPath": "$.stands"}}}"#;
    let value = |at: usize| format!(r#"{{"id":"{at}"}}"#);
    write(broker, "produce.in", (0..COUNT).map(|at| new(&at.to_string(), value(at))));
    let setup = Setup::new(broker, "produce", definition, "");
    let run = setup
        .run("only", &pipeline("produce", "produce.in", "produce.out", r#"on_failure = "stop""#));
    Gauge::new(broker, "produce.in", "produce").await_commit();
    run.stop();
    let side: BTreeMap<(i64, i64), Got> = read(broker, "produce.side")
        .into_iter()
        .map(|it| ((it.partition.into(), it.offset), it))
        .collect();
    let out = read(broker, "produce.out");
    assert_eq!((out.len(), side.len()), (COUNT, COUNT));
    for output in out {
        let (json, number) = (output.json(), |v: &serde_json::Value| v.as_i64().expect("a number"));
        let stands = &json["stands"];
        assert_eq!(stands["Topic"], "produce.side");
        let copy = &side[&(number(&stands["Partition"]), number(&stands["Offset"]))];
        let id = json["id"].as_str().expect("a string");
        assert_eq!(copy.key.as_deref(), Some(id.as_bytes()));
        assert_eq!(
            (copy.header("kind"), copy.header("id")),
            (Some("copy".into()), Some(id.to_owned()))
        );
        assert_eq!(copy.text(), format!(r#"{{"id":"{id}"}}"#));
    }
}

/// A server that counts calls by body, and answers as it is told: by body and number of the call.
struct Server {
    address: String,
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    fn start(answer: fn(&str, usize) -> (u16, Duration)) -> Server {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        let calls: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let counts = calls.clone();
        let handler = move |body: String| {
            let counts = counts.clone();
            async move {
                let call = {
                    let mut counts = counts.lock().expect("no call panics");
                    let count = counts.entry(body.clone()).or_default();
                    *count += 1;
                    *count
                };
                let (status, after) = answer(&body, call);
                tokio::time::sleep(after).await;
                let status = StatusCode::from_u16(status).expect("a status");
                (status, [("content-type", "application/json")], body)
            }
        };
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let router = Router::new().route("/work", post(handler));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Server { address, calls, runtime: Some(runtime) }
    }

    fn calls(&self) -> BTreeMap<String, usize> {
        self.calls.lock().expect("no call panics").clone()
    }

    fn definition(&self) -> String {
        r#"{"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "End": true,
            "Resource": "arn:aws:states:::http:invoke",
            "Parameters": {"ApiEndpoint": "http://ADDRESS/work", "Method": "POST", "RequestBody.$": "$"},
            "ResultSelector": {"status.$": "$.StatusCode", "body.$": "$.ResponseBody"},
            "Retry": [{"ErrorEquals": ["States.Http.StatusCode.503"], "IntervalSeconds": 1,
                "BackoffRate": 1, "MaxAttempts": 3}],
            "Catch": [{"ErrorEquals": ["States.Http.StatusCode.404"], "Next": "Gone"}]},
            "Gone": {"Type": "Pass", "Result": {"gone": true}, "End": true}}}"#
            .replace("ADDRESS", &self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Retried until the server takes it; caught where it never will; a letter after the last try.
pub fn invoke(broker: &Broker) {
    let _present = broker.present();
    for topic in ["invoke.in", "invoke.out", "invoke.dead"] {
        broker.topic(topic, 2, &[]);
    }

    let server = Server::start(|body, call| {
        let digits: String = body.chars().filter(char::is_ascii_digit).collect();
        let id: usize = digits.parse().unwrap_or(0);
        let status = match (id % 10, call) {
            (3, 1 | 2) => 503,
            (5, _) => 404,
            (7, _) => 503,
            _ => 200,
        };
        (status, Duration::ZERO)
    });
    write(
        broker,
        "invoke.in",
        (0..100).map(|at| new(&at.to_string(), format!(r#"{{"id":{at}}}"#))),
    );
    // In the end it has nothing but refusals, which would count as an outage and be waited out.
    let never = "[targets.breaker]\nfailures = 0\nfailure_ratio = 0.0";
    let setup = Setup::new(broker, "invoke", &server.definition(), never);
    let pipeline = pipeline("invoke", "invoke.in", "invoke.out", r#"on_failure = "dead_letter""#);
    let run =
        setup.run("only", &format!("{pipeline}dead_letter = {{ topic = \"invoke.dead\" }}\n"));
    Gauge::new(broker, "invoke.in", "invoke").await_commit();
    run.stop();
    let out = read(broker, "invoke.out");
    let gone = out.iter().filter(|it| it.text() == r#"{"gone":true}"#).count();
    assert_eq!((out.len(), gone), (90, 10));
    let answered = out.iter().find(|it| it.key.as_deref() == Some(b"3")).expect("3 was answered");
    assert_eq!(answered.json(), serde_json::json!({"status": 200, "body": {"id": 3}}));
    let dead = read(broker, "invoke.dead");
    assert_eq!(dead.len(), 10);
    for letter in dead {
        assert_eq!(
            letter.header("expressway.error").as_deref(),
            Some("States.Http.StatusCode.503")
        );
        assert_eq!(letter.header("expressway.state").as_deref(), Some("Ask"));
        assert_eq!(letter.header("expressway.attempts").as_deref(), Some("4"));
    }
    let expected = |id: usize| match id % 10 {
        3 => 3,
        7 => 4,
        _ => 1,
    };
    for at in 0..100 {
        assert_eq!(server.calls()[&format!(r#"{{"id":{at}}}"#)], expected(at), "{at}");
    }
}

/// A stop waits for the answers of executions that are parked; none runs twice.
pub fn parked_stop(broker: &Broker) {
    let _present = broker.present();
    broker.topic("parked.in", 4, &[]);
    broker.topic("parked.out", 4, &[]);
    let server = Server::start(|_, _| (200, Duration::from_secs(2)));
    write(
        broker,
        "parked.in",
        (0..100).map(|at| new(&at.to_string(), format!(r#"{{"id":{at}}}"#))),
    );
    let setup = Setup::new(broker, "parked", &server.definition(), "");
    let run =
        setup.run("only", &pipeline("parked", "parked.in", "parked.out", r#"on_failure = "stop""#));
    until("the calls are under way", || server.calls().len() == 100);
    let target = Gauge::new(broker, "parked.out", "x");
    assert_eq!(target.count(), 0, "nothing is answered yet");
    run.stop();
    assert_eq!(target.count(), 100);
    let source = Gauge::new(broker, "parked.in", "parked");
    assert_eq!(source.committed(), source.ends());
    assert!(server.calls().values().all(|it| *it == 1));
}

/// Where the drain is cut, what was parked is not committed, and runs again.
pub fn parked_cut(broker: &Broker) {
    let _present = broker.present();
    broker.topic("cut.in", 2, &[]);
    broker.topic("cut.out", 2, &[]);
    // The first call of each odd one is answered only after the drain's bound.
    let server = Server::start(|body, call| {
        let is_odd = body.trim_end_matches('}').ends_with(['1', '3', '5', '7', '9']);
        (200, Duration::from_secs(if is_odd && call == 1 { 30 } else { 0 }))
    });
    write(broker, "cut.in", (0..40).map(|at| new(&at.to_string(), format!(r#"{{"id":{at}}}"#))));
    let setup = Setup::new(broker, "cut", &server.definition(), "drain_timeout = \"1s\"");
    let pipeline = pipeline("cut", "cut.in", "cut.out", r#"on_failure = "stop""#);
    let run = setup.run("first", &pipeline);
    let target = Gauge::new(broker, "cut.out", "x");
    target.await_count(20);
    let log = run.stop();
    assert!(log.contains("drain_timeout is over"), "{log}");
    let source = Gauge::new(broker, "cut.in", "cut");
    let committed: i64 = source.committed().iter().map(|it| (*it).max(0)).sum();
    assert!(committed < 20, "committed past what waits: {committed}");
    let run = setup.run("second", &pipeline);
    source.await_commit();
    run.stop();
    let mut passed = texts(broker, "cut.out");
    passed.dedup();
    assert_eq!(passed.len(), 40);
}
