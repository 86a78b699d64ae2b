//! Executions that executions start wait for answers from outside, too.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::until;
use crate::world::{Boto, World};
use crate::{ACTIVITY, asking, record};

/// Starts a machine of this process, and has its output.
fn starting(machine: &str) -> Value {
    json!({"StartAt": "Start", "States": {"Start": {
        "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Parameters": {"StateMachineArn": machine, "Input.$": "$"},
        "OutputPath": "$.Output", "End": true}}})
}

/// A pipeline whose executions start one that starts one that runs this definition.
fn world(inmost: &Value) -> World {
    let world = World::new(&starting("Middle"), 1);
    world.define_as("middle", &starting("Inmost"));
    world.define_as("inmost", inmost);
    world
}

const MACHINES: &str = "[machines]\nMiddle = \"middle.asl.json\"\nInmost = \"inmost.asl.json\"";

#[test]
fn a_token_within_outlives_the_process() {
    let world = world(&asking());
    let engine = world.run("first", "127.0.0.1:0", MACHINES);
    for id in ["a", "b"] {
        world.write(0, &record(id, 100, 90));
    }
    let token = world.token("a");
    assert_ne!(token, world.token("b"));
    let mut boto = Boto::new(&engine);
    boto.does("send_task_heartbeat", json!({"taskToken": token}));
    let failure = json!({"taskToken": world.token("b"), "error": "Broke", "cause": "It was old."});
    boto.does("send_task_failure", failure.clone());
    let error = json!({"Error": "Broke", "Cause": "It was old."});
    assert_eq!(world.find("out", "b")["error"], error);
    boto.fails("send_task_failure", failure, "TaskTimedOut");
    engine.kill();
    let engine = world.run("second", "127.0.0.1:0", MACHINES);
    // It is asked again, with the same token: whoever was asked first can answer.
    until("it is asked again", || {
        let asked = world.read("asks", 3);
        let of_it = asked.iter().filter(|ask| ask["id"] == "a");
        (of_it.filter(|ask| ask["token"] == *token).count() == 2).then_some(())
    });
    let mut boto = Boto::new(&engine);
    let answer = json!({"taskToken": token, "output": "7"});
    boto.does("send_task_success", answer.clone());
    assert_eq!(world.find("out", "a")["answer"], 7);
    boto.fails("send_task_success", answer, "TaskTimedOut");
}

#[test]
fn an_answer_within_that_comes_early_is_held() {
    let mut definition = asking();
    definition["StartAt"] = json!("First");
    definition["States"]["First"] = json!({"Type": "Wait", "Seconds": 4, "Next": "Ask"});
    let world = world(&definition);
    let engine = world.run("first", "127.0.0.1:0", MACHINES);
    world.write(0, &record("a", 100, 90));
    let token = world.token("a");
    engine.kill();
    let engine = world.run("second", "127.0.0.1:0", MACHINES);
    let mut boto = Boto::new(&engine);
    let answer = json!({"taskToken": token, "output": "7"});
    boto.succeeds_at_last(&answer);
    assert_eq!(world.find("out", "a")["answer"], 7);
    assert_eq!(world.read("asks", 1).len(), 1, "nobody was asked again");
    boto.fails("send_task_success", answer, "TaskTimedOut");
}

#[test]
fn workers_take_tasks_within() {
    let world = world(&json!({"StartAt": "Pack", "States": {
        "Pack": {
            "Type": "Task", "Resource": ACTIVITY, "Parameters": {"id.$": "$.id"},
            "TimeoutSeconds": 90, "HeartbeatSeconds": 3, "ResultPath": "$.answer",
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Done"}],
            "Next": "Done"
        },
        "Done": {"Type": "Pass", "End": true}
    }}));
    let engine = world.run("only", "127.0.0.1:0", MACHINES);
    let mut boto = Boto::new(&engine);
    for id in ["a", "b"] {
        world.write(0, &json!({"id": id}));
    }
    // No heartbeat is missed before a worker has begun.
    std::thread::sleep(Duration::from_secs(4));
    let poll = json!({"activityArn": ACTIVITY, "workerName": "w"});
    let take = |boto: &mut Boto| {
        let task = boto.call("get_activity_task", poll.clone());
        let input = task["input"].as_str().expect("a task");
        let input: Value = serde_json::from_str(input).expect("it is JSON");
        (input["id"].as_str().expect("an id").to_owned(), task["taskToken"].clone())
    };
    let (done, silent) = (take(&mut boto), take(&mut boto));
    for _ in 0..5 {
        boto.does("send_task_heartbeat", json!({"taskToken": done.1}));
        std::thread::sleep(Duration::from_secs(1));
    }
    boto.does("send_task_success", json!({"taskToken": done.1, "output": "{\"packed\":true}"}));
    assert_eq!(world.find("out", &done.0)["answer"], json!({"packed": true}));
    assert_eq!(world.find("out", &silent.0)["error"]["Error"], "States.HeartbeatTimeout");
    boto.fails("send_task_heartbeat", json!({"taskToken": silent.1}), "TaskTimedOut");
}
