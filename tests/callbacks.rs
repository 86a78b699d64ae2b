//! Answers from outside, over boto3 and over links: the engine is a process of its own, so that it can
//! be killed.

#[path = "callbacks/determinism.rs"]
mod determinism;
#[path = "callbacks/engine.rs"]
mod engine;
#[path = "callbacks/nested.rs"]
mod nested;
#[path = "process/mod.rs"]
mod process;
#[path = "callbacks/topics.rs"]
mod topics;
#[path = "callbacks/world.rs"]
mod world;

use std::time::{Duration, Instant};

use engine::until;
use serde_json::{Value, json};
use world::{Boto, World};

const ACTIVITY: &str = "arn:aws:states:eu-west-1:111111111111:activity:pack";

/// Tells the topic `asks` of its token, and waits as long as its input says.
fn asking() -> Value {
    json!({"StartAt": "Ask", "States": {
        "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::kafka:produce.waitForTaskToken",
            "Parameters": {"Topic": "asks", "Value": {
                "id.$": "$.id", "token.$": "$$.Task.Token", "context.$": "$$.Task"
            }},
            "TimeoutSecondsPath": "$.timeout",
            "HeartbeatSecondsPath": "$.heartbeat",
            "ResultPath": "$.answer",
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Done"}],
            "Next": "Done"
        },
        "Done": {"Type": "Pass", "End": true}
    }})
}

fn record(id: &str, timeout: u32, heartbeat: u32) -> Value {
    json!({"id": id, "timeout": timeout, "heartbeat": heartbeat})
}

#[test]
fn tokens_are_answered_as_aws_has_it() {
    let world = World::new(&asking(), 1);
    let engine = world.run("only", "127.0.0.1:0", "");
    let mut boto = Boto::new(&engine);
    for (id, timeout, heartbeat) in [
        ("done", 100, 50),
        ("failed", 100, 50),
        ("bare", 100, 50),
        ("late", 2, 1),
        ("beats", 90, 3),
    ] {
        world.write(0, &record(id, timeout, heartbeat));
    }
    let token = |id: &str| world.token(id);
    // One that is alive is waited for, until it is not any more.
    let beats = token("beats");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(6) {
        boto.does("send_task_heartbeat", json!({"taskToken": beats}));
        std::thread::sleep(Duration::from_millis(500));
    }
    let error = json!({"Error": "States.HeartbeatTimeout", "Cause": null});
    assert_eq!(world.find("out", "beats")["error"], error);
    boto.fails("send_task_heartbeat", json!({"taskToken": beats}), "TaskTimedOut");

    let done = token("done");
    let output = json!({"taskToken": done, "output": "\"as it is\""});
    boto.fails("send_task_success", json!({"taskToken": done, "output": "no"}), "InvalidOutput");
    boto.does("send_task_success", output.clone());
    assert_eq!(world.find("out", "done")["answer"], "as it is");
    boto.fails("send_task_success", output, "TaskTimedOut");

    let failed = json!({"taskToken": token("failed"), "error": "Broke", "cause": "It was old."});
    boto.does("send_task_failure", failed);
    let error = json!({"Error": "Broke", "Cause": "It was old."});
    assert_eq!(world.find("out", "failed")["error"], error);
    boto.does("send_task_failure", json!({"taskToken": token("bare")}));
    let error = json!({"Error": null, "Cause": null});
    assert_eq!(world.find("out", "bare")["error"], error);

    let late = token("late");
    assert_eq!(world.find("out", "late")["error"]["Error"], "States.HeartbeatTimeout");
    let answer = json!({"taskToken": late, "output": "{}"});
    boto.fails("send_task_success", answer, "TaskTimedOut");
    let mut forged = late.into_bytes();
    forged[20] = if forged[20] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).expect("it is ASCII");
    for token in [forged.as_str(), "nonsense"] {
        let said = boto.fails(
            "send_task_success",
            json!({"taskToken": token, "output": "{}"}),
            "InvalidToken",
        );
        assert_eq!(said, "Invalid Token: 'Invalid token'");
    }
    // Nobody has asked for links.
    let context = &world.find("asks", "done")["context"];
    assert_eq!(context, &json!({"Token": done}));
}

#[test]
fn a_timeout_is_one() {
    let world = World::new(&asking(), 1);
    let engine = world.run("only", "127.0.0.1:0", "");
    world.write(0, &json!({"id": "a", "timeout": 1, "heartbeat": 1}));
    // Equal times: the timeout is what ends it.
    assert_eq!(world.find("out", "a")["error"]["Error"], "States.Timeout");
    drop(engine);
}

#[test]
fn a_token_outlives_the_process() {
    let world = World::new(&asking(), 1);
    let engine = world.run("first", "127.0.0.1:0", "");
    world.write(0, &record("a", 100, 90));
    let token = world.token("a");
    engine.kill();
    let engine = world.run("second", "127.0.0.1:0", "");
    // It is asked again, with the same token: whoever was asked first can answer.
    let asks = world.read("asks", 2);
    assert_eq!((&asks[0]["token"], &asks[1]["token"]), (&json!(token), &json!(token)));
    Boto::new(&engine).does("send_task_success", json!({"taskToken": token, "output": "7"}));
    assert_eq!(world.find("out", "a")["answer"], 7);
}

#[test]
fn an_answer_that_comes_before_its_question_is_held() {
    let mut definition = asking();
    definition["StartAt"] = json!("First");
    definition["States"]["First"] = json!({"Type": "Wait", "Seconds": 4, "Next": "Ask"});
    let world = World::new(&definition, 1);
    let engine = world.run("first", "127.0.0.1:0", "");
    world.write(0, &record("a", 100, 90));
    let token = world.token("a");
    engine.kill();
    let engine = world.run("second", "127.0.0.1:0", "");
    let mut boto = Boto::new(&engine);
    let answer = json!({"taskToken": token, "output": "7"});
    boto.succeeds_at_last(&answer);
    assert_eq!(world.find("out", "a")["answer"], 7);
    assert_eq!(world.read("asks", 1).len(), 1, "nobody was asked again");
    boto.fails("send_task_success", answer, "TaskTimedOut");
}

#[test]
fn workers_take_an_activitys_tasks() {
    let definition = json!({"StartAt": "Pack", "States": {
        "Pack": {
            "Type": "Task", "Resource": ACTIVITY,
            "Parameters": {"id.$": "$.id"},
            "TimeoutSeconds": 90, "HeartbeatSeconds": 2,
            "ResultPath": "$.answer",
            "Retry": [{"ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 1}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Done"}],
            "Next": "Done"
        },
        "Done": {"Type": "Pass", "End": true}
    }});
    let world = World::new(&definition, 2);
    let engine = world.run("only", "127.0.0.1:0", "poll_timeout = \"2s\"");
    let mut boto = Boto::new(&engine);
    let poll = json!({"activityArn": ACTIVITY, "workerName": "w"});
    assert_eq!(boto.call("get_activity_task", poll.clone()), json!({}), "nothing to do");
    // Both partitions, and so both shards; no heartbeat is missed before a worker has begun.
    world.write(0, &json!({"id": "a"}));
    world.write(1, &json!({"id": "b"}));
    std::thread::sleep(Duration::from_secs(4));
    let taken = |boto: &mut Boto| {
        let task = until("a task", || {
            let task = boto.call("get_activity_task", poll.clone());
            task["taskToken"].is_string().then_some(task)
        });
        let input: Value =
            serde_json::from_str(task["input"].as_str().expect("text")).expect("it is JSON");
        (input["id"].as_str().expect("an id").to_owned(), task["taskToken"].clone())
    };
    let (first, second) = (taken(&mut boto), taken(&mut boto));
    let mut ids = [first.0.clone(), second.0.clone()];
    ids.sort();
    assert_eq!(ids, ["a", "b"]);
    boto.does("send_task_success", json!({"taskToken": first.1, "output": "{\"packed\":true}"}));
    assert_eq!(world.find("out", &first.0)["answer"], json!({"packed": true}));
    // A failure that is tried again is a new task with a new token.
    boto.does("send_task_failure", json!({"taskToken": second.1, "error": "Again"}));
    let again = taken(&mut boto);
    assert_eq!(again.0, second.0);
    assert_ne!(again.1, second.1);
    boto.fails("send_task_heartbeat", json!({"taskToken": second.1}), "TaskTimedOut");
    boto.does("send_task_failure", json!({"taskToken": again.1, "error": "Broke", "cause": "Old"}));
    let error = json!({"Error": "Broke", "Cause": "Old"});
    assert_eq!(world.find("out", &second.0)["error"], error);
    // A worker that waits is woken; one that says nothing any more is given up.
    boto.ask("get_activity_task", poll.clone());
    std::thread::sleep(Duration::from_millis(500));
    world.write(0, &json!({"id": "c"}));
    assert!(boto.answer()["taskToken"].is_string());
    assert_eq!(world.find("out", "c")["error"]["Error"], "States.HeartbeatTimeout");
    activities(&mut boto);
}

/// What there is of activities beside tasks.
fn activities(boto: &mut Boto) {
    let unknown = "arn:aws:states:eu-west-1:111111111111:activity:unknown";
    let said =
        boto.fails("get_activity_task", json!({"activityArn": unknown}), "ActivityDoesNotExist");
    assert_eq!(said, format!("Activity Does Not Exist: '{unknown}'"));
    let none = json!({"activityArn": "no_an_activity_arn"});
    let said = boto.fails("get_activity_task", none, "InvalidArn");
    assert_eq!(said, "Invalid Arn: 'Invalid ARN prefix: no_an_activity_arn'");
    let made = boto.call("create_activity", json!({"name": "pack"}));
    assert_eq!(made["activityArn"], ACTIVITY);
    let made = boto.call("create_activity", json!({"name": "other"}));
    let arn = made["activityArn"].as_str().expect("an ARN").to_owned();
    let shown = boto.call("describe_activity", json!({"activityArn": arn}));
    assert_eq!(shown["name"], "other");
    let all = boto.call("list_activities", json!({}));
    assert_eq!(all["activities"].as_array().map(Vec::len), Some(2), "{all}");
    boto.does("delete_activity", json!({"activityArn": arn}));
    boto.fails("describe_activity", json!({"activityArn": arn}), "ActivityDoesNotExist");
    boto.fails("delete_activity", json!({"activityArn": ACTIVITY}), "ValidationException");
    boto.fails("create_activity", json!({"name": "a b"}), "InvalidName");
    boto.fails("list_state_machines", json!({}), "UnknownOperationException");
}

/// The status and text of an answer.
fn http(method: &str, url: &str) -> (u16, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let method = method.parse().expect("a method");
        let answer = reqwest::Client::new().request(method, url).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    })
}

#[test]
fn a_link_asks_before_it_answers() {
    let world = World::new(&asking(), 1);
    let links = "approval_url = \"http://approvals.example/\"";
    let engine = world.run("only", "127.0.0.1:0", links);
    world.write(0, &record("a", 100, 90));
    world.write(0, &record("b", 100, 90));
    let link = |id: &str, name: &str| {
        let ask = world.find("asks", id);
        let link = ask["context"][name].as_str().expect("a link").to_owned();
        link.replace("http://approvals.example", &engine.url())
    };
    let approve = link("a", "ApproveUrl");
    assert_eq!(http("HEAD", &approve).0, 200);
    let (status, page) = http("GET", &approve);
    assert!(status == 200 && page.contains("<form method=\"post\"><button>Approve"), "{page}");
    for forged in [
        approve.replace("decision=approve", "decision=reject"),
        approve.replace("expires=1", "expires=2"),
        approve.replace("sig=", "sig=A"),
        format!("{}/approve", engine.url()),
    ] {
        assert_eq!(http("POST", &forged).0, 403, "{forged}");
    }
    let (status, page) = http("POST", &approve);
    assert!(status == 200 && page.contains("Approved"), "{page}");
    assert_eq!(world.find("out", "a")["answer"], json!({"Status": "Approved"}));
    for method in ["GET", "POST"] {
        let (status, page) = http(method, &link("a", "RejectUrl"));
        assert!(status == 410 && page.contains("Already over"), "{page}");
    }
    assert_eq!(http("POST", &link("b", "RejectUrl")).0, 200);
    assert_eq!(world.find("out", "b")["answer"], json!({"Status": "Rejected"}));
}

#[test]
fn one_click_is_a_setting() {
    let world = World::new(&asking(), 1);
    let links = "approval_url = \"http://approvals.example\"\napproval_one_click = true";
    let engine = world.run("only", "127.0.0.1:0", links);
    world.write(0, &record("a", 100, 90));
    let link = world.find("asks", "a")["context"]["ApproveUrl"].as_str().expect("one").to_owned();
    let link = link.replace("http://approvals.example", &engine.url());
    assert_eq!(http("HEAD", &link).0, 200);
    assert!(http("GET", &link).1.contains("Your answer has arrived"));
    assert_eq!(world.find("out", "a")["answer"], json!({"Status": "Approved"}));
}

#[test]
fn an_answer_finds_its_process() {
    let world = World::new(&asking(), 2);
    let port = || {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("it is bound").to_string()
    };
    let (first, second) = (port(), port());
    let peers = format!("peers = [\"http://{first}\", \"http://{second}\"]");
    // Only one of them passes on.
    let (first, second) = (world.run("first", &first, &peers), world.run("second", &second, ""));
    let (mut passes, mut refuses) = (Boto::new(&first), Boto::new(&second));
    // Each has one partition at last.
    let mut number = 0;
    until("both have a partition", || {
        number += 1;
        let ids = [0, 1].map(|partition| {
            let id = format!("{number}-{partition}");
            world.write(partition, &record(&id, 100, 90));
            id
        });
        let elsewhere: Vec<bool> = ids
            .iter()
            .map(|id| {
                let answer =
                    refuses.call("send_task_heartbeat", json!({"taskToken": world.token(id)}));
                answer["Code"] == "ServiceUnavailable"
            })
            .collect();
        if elsewhere[0] == elsewhere[1] {
            std::thread::sleep(Duration::from_millis(500));
            return None;
        }
        for (id, is_elsewhere) in ids.iter().zip(elsewhere) {
            let answer = json!({"taskToken": world.token(id), "output": format!("\"{id}\"")});
            if is_elsewhere {
                let said = refuses.fails("send_task_success", answer.clone(), "ServiceUnavailable");
                assert!(said.contains("callbacks.peers"), "{said}");
            }
            passes.does("send_task_success", answer);
            assert_eq!(world.find("out", id)["answer"], json!(id));
        }
        Some(())
    });
}

/// Definitions are exchanged while tasks wait: each token is that of what its record came under.
#[test]
fn tokens_and_activities_go_with_their_definition() {
    let plain = json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}});
    let world = World::new(&plain, 2);
    let engine = world.run("only", "127.0.0.1:0", "");
    let mut boto = Boto::new(&engine);
    for partition in 0..2 {
        world.write(partition, &json!({"id": format!("plain {partition}")}));
    }
    world.read("out", 2);
    world.define(&asking());
    engine.reloads(1);
    world.write(0, &record("first", 100, 50));
    let first = world.token("first");
    let mut other = asking();
    other["Comment"] = json!("another version");
    world.define(&other);
    engine.reloads(2);
    world.write(1, &record("second", 100, 50));
    let second = world.token("second");
    for (id, token) in [("second", second), ("first", first)] {
        boto.does("send_task_heartbeat", json!({"taskToken": token}));
        boto.does("send_task_success", json!({"taskToken": token, "output": format!("{id:?}")}));
        assert_eq!(world.find("out", id)["answer"], id);
        let again = json!({"taskToken": token, "output": "1"});
        boto.fails("send_task_success", again, "TaskTimedOut");
    }
    world.define(&json!({"StartAt": "Pack", "States": {
        "Pack": {"Type": "Task", "Resource": ACTIVITY, "ResultPath": "$.answer", "End": true}}}));
    engine.reloads(3);
    world.write(0, &json!({"id": "third"}));
    let task = boto.call("get_activity_task", json!({"activityArn": ACTIVITY}));
    let token = &task["taskToken"];
    boto.does("send_task_success", json!({"taskToken": token, "output": "3"}));
    assert_eq!(world.find("out", "third")["answer"], 3);
}
