//! `expressway run` on queues of a real SQS-compatible server: nothing lost, visibility kept up,
//! redrive counted by the queue, FIFO groups in order, one clear error where a queue is not there.
//! The engine runs as a child process, so it can be killed.

#[path = "sqs/envelopes.rs"]
mod envelopes;
#[path = "process/mod.rs"]
mod process;
#[path = "sqs/server.rs"]
mod server;
#[path = "sqs/volume.rs"]
mod volume;

use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

use process::Process;
use serde_json::json;
use server::{Server, TestQueue, ids, server};

const PASS: &str = r#"{"StartAt": "Same", "States": {"Same": {"Type": "Pass", "End": true}}}"#;
/// Fails what says so.
const PICKY: &str = r#"{"StartAt": "Look", "States": {
    "Look": {"Type": "Choice", "Default": "Good",
             "Choices": [{"Variable": "$.bad", "IsPresent": true, "Next": "Bad"}]},
    "Bad": {"Type": "Fail", "Error": "Bad", "Cause": "it says so"},
    "Good": {"Type": "Pass", "End": true}}}"#;
const PATIENCE: Duration = Duration::from_secs(60);

/// A running engine; dropping it kills it.
struct Engine {
    process: Process,
}

impl Engine {
    /// Runs one pipeline. `source` and `output`: lines of these tables, `more`: of the pipeline's.
    fn run(server: &Server, name: &str, definition: &str, tables: [&str; 3]) -> Engine {
        let folder = server.folder(name);
        std::fs::write(folder.join("definition.asl.json"), definition).expect("written");
        let [more, source, output] = tables;
        let config = format!(
            "[http]\nlisten = \"off\"\n[[pipeline]]\nname = \"{name}\"\n\
             definition = \"definition.asl.json\"\n{more}\n[pipeline.source]\n{source}\n\
             [pipeline.output]\n{output}\n"
        );
        std::fs::write(folder.join("pipeline.toml"), config).expect("written");
        let log = folder.join("log");
        let file = File::options().create(true).append(true).open(&log).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_expressway"));
        command
            .arg("run")
            .arg(folder.join("pipeline.toml"))
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "us-east-1");
        Engine { process: Process::start(&mut command, log, file) }
    }

    fn log(&self) -> String {
        self.process.log()
    }

    /// Waits for its end; returns the exit code.
    fn wait(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(Instant::now() < end, "the engine does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn stop(mut self) {
        let pid = self.process.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        assert_eq!(self.wait(), Some(0), "{}", self.log());
    }
}

fn source(queue: &TestQueue, sqs: &str) -> String {
    format!("queue_url = \"{}\"\nsqs = {{ wait = \"1s\"{sqs} }}", queue.url)
}

fn target(queue: &TestQueue) -> String {
    format!("queue_url = \"{}\"", queue.url)
}

/// Waits until nothing waits in the queue and nobody has anything of it.
fn until_empty(queue: &TestQueue) {
    let end = Instant::now() + PATIENCE;
    while queue.depth() != (0, 0) {
        assert!(Instant::now() < end, "{:?} are left", queue.depth());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_killed_engine_loses_nothing() {
    let Some(server) = server() else { return };
    let (from, to) = (server.queue("crash-in", json!({})), server.queue("crash-out", json!({})));
    const COUNT: u64 = 3_000;
    from.send_ids(0..COUNT);
    let (sqs, out) = (source(&from, ", visibility = \"5s\""), target(&to));
    let tables = ["on_failure = \"stop\"", sqs.as_str(), out.as_str()];
    let engine = Engine::run(server, "crash", PASS, tables);
    let end = Instant::now() + PATIENCE;
    while to.depth().0 < COUNT / 4 {
        assert!(Instant::now() < end, "{}", engine.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(engine);
    let engine = Engine::run(server, "crash", PASS, tables);
    until_empty(&from);
    engine.stop();
    let seen = ids(&to.take(usize::MAX, Duration::from_secs(8)));
    assert_eq!(seen.len() as u64, COUNT, "ids are missing");
    // What the killed engine had in hand, and what it had sent without deleting.
    let repeated: usize = seen.values().map(|times| times - 1).sum();
    assert!(repeated <= 2_000, "{repeated} came twice");
}

#[test]
fn a_failed_message_is_left_to_the_queues_redrive() {
    let Some(server) = server() else { return };
    let dead = server.queue("redrive-dead", json!({}));
    let policy = json!({ "deadLetterTargetArn": dead.arn(), "maxReceiveCount": "2" });
    let from = server.queue("redrive-in", json!({ "RedrivePolicy": policy.to_string() }));
    let to = server.queue("redrive-out", json!({}));
    from.send_ids(0..20);
    from.send((20..25).map(|id| json!({ "MessageBody": format!("{{\"id\":{id},\"bad\":1}}") })));
    let (sqs, out) = (source(&from, ""), target(&to));
    let tables = ["on_failure = \"redrive\"", sqs.as_str(), out.as_str()];
    let engine = Engine::run(server, "redrive", PICKY, tables);
    assert_eq!(ids(&to.take(20, PATIENCE)).into_keys().collect::<Vec<_>>(), Vec::from_iter(0..20));
    let refused = ids(&dead.take(5, PATIENCE));
    assert_eq!(refused.into_keys().collect::<Vec<_>>(), Vec::from_iter(20..25), "{}", engine.log());
    until_empty(&from);
    engine.stop();
}

#[test]
fn a_dead_letter_takes_the_message_from_its_queue() {
    let Some(server) = server() else { return };
    let (from, dead) = (server.queue("letter-in", json!({})), server.queue("letter", json!({})));
    let attribute = json!({ "kind": { "DataType": "String", "StringValue": "test" } });
    from.send([
        json!({ "MessageBody": "{\"id\":1,\"bad\":1}", "MessageAttributes": attribute }),
        json!({ "MessageBody": "no JSON" }),
    ]);
    let more = format!("on_failure = \"dead_letter\"\ndead_letter = {{ {} }}", target(&dead));
    let sqs = source(&from, "");
    let engine = Engine::run(server, "letter", PICKY, [&more, &sqs, "discard = true"]);
    let mut letters = dead.take(2, PATIENCE);
    letters.sort_by_key(|letter| letter["error"].to_string());
    assert_eq!(letters.len(), 2, "{}", engine.log());
    assert_eq!(letters[0]["error"], "Bad");
    assert_eq!(letters[0]["value"], "{\"id\":1,\"bad\":1}");
    assert_eq!(letters[0]["headers"][0], json!({ "name": "kind", "value": "test" }));
    assert!(letters[0]["execution"].as_str().is_some_and(|name| {
        let id = letters[0]["message-id"].as_str().expect("an id");
        name.starts_with("letter-letter-in-") && name.ends_with(id)
    }));
    assert_eq!(letters[1]["value"], "no JSON");
    until_empty(&from);
    engine.stop();
}

#[test]
fn visibility_is_kept_up_while_an_execution_waits() {
    let Some(server) = server() else { return };
    let (from, to) = (server.queue("slow-in", json!({})), server.queue("slow-out", json!({})));
    from.send_ids(0..30);
    let slow =
        r#"{"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 11, "End": true}}}"#;
    let (sqs, out) = (source(&from, ", visibility = \"5s\""), target(&to));
    let tables = ["on_failure = \"stop\"", sqs.as_str(), out.as_str()];
    let engine = Engine::run(server, "slow", slow, tables);
    let seen = ids(&to.take(30, PATIENCE));
    assert_eq!(seen.len(), 30, "{}", engine.log());
    assert!(seen.values().all(|times| *times == 1), "some came twice: {seen:?}");
    until_empty(&from);
    assert!(to.take(1, Duration::from_secs(2)).is_empty(), "one came twice");
    engine.stop();
}

#[test]
fn groups_of_a_fifo_queue_stay_in_order_through_failures() {
    let Some(server) = server() else { return };
    let fifo = || json!({ "FifoQueue": "true" });
    let (from, to) =
        (server.queue("order-in.fifo", fifo()), server.queue("order-out.fifo", fifo()));
    let dead = server.queue("order-dead.fifo", fifo());
    let policy = json!({ "deadLetterTargetArn": dead.arn(), "maxReceiveCount": "2" });
    from.call(
        "SetQueueAttributes",
        json!({ "Attributes": { "RedrivePolicy": policy.to_string() } }),
    );
    // The fifth of each group fails for good; those behind it must wait until it is out of the way.
    from.send((0..60u64).map(|id| {
        let bad = if id / 3 == 5 { ",\"bad\":1" } else { "" };
        json!({ "MessageBody": format!("{{\"id\":{id}{bad}}}"), "MessageDeduplicationId": id.to_string(),
                "MessageGroupId": format!("g{}", id % 3) })
    }));
    let (sqs, out) = (source(&from, ", visibility = \"5s\""), target(&to));
    let tables = ["on_failure = \"redrive\"", sqs.as_str(), out.as_str()];
    let engine = Engine::run(server, "order", PICKY, tables);
    let bodies = to.take(57, PATIENCE);
    assert_eq!(bodies.len(), 57, "{}", engine.log());
    for group in 0..3 {
        let ids = bodies.iter().map(|it| it["id"].as_u64().expect("an id"));
        let own: Vec<u64> = ids.filter(|id| id % 3 == group).collect();
        let expected: Vec<u64> = (0..60).filter(|id| id % 3 == group && id / 3 != 5).collect();
        assert_eq!(own, expected);
    }
    assert_eq!(dead.take(3, PATIENCE).len(), 3);
    until_empty(&from);
    engine.stop();
}

#[test]
fn a_stop_hands_back_what_was_not_worked_on() {
    let Some(server) = server() else { return };
    let from = server.queue("stop-in", json!({}));
    from.send_ids(0..200);
    let slow =
        r#"{"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 240, "End": true}}}"#;
    let sqs = source(&from, ", visibility = \"1h\"");
    let mut engine =
        Engine::run(server, "stop", slow, ["on_failure = \"stop\"", &sqs, "discard = true"]);
    let end = Instant::now() + PATIENCE;
    while from.depth().1 < 100 {
        assert!(Instant::now() < end, "{}", engine.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid = engine.process.child.id().to_string();
    for _ in 0..2 {
        Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        std::thread::sleep(Duration::from_millis(300));
        if engine.process.child.try_wait().expect("a child").is_some() {
            break;
        }
    }
    engine.wait();
    // The second signal ends it at once; then the messages come again when their time is up.
    assert!(from.depth().0 + from.depth().1 == 200, "{:?}", from.depth());
}

#[test]
fn a_queue_that_is_not_there_is_one_clear_error() {
    let Some(server) = server() else { return };
    let source = format!("queue_url = \"{}/000000000000/nowhere\"", server.url);
    let tables = ["on_failure = \"stop\"", source.as_str(), "discard = true"];
    let mut engine = Engine::run(server, "nowhere", PASS, tables);
    assert_eq!(engine.wait(), Some(1), "{}", engine.log());
    let log = engine.log();
    assert!(log.contains("/000000000000/nowhere") && log.contains("Create it"), "{log}");
}
