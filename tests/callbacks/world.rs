//! What answers from outside are tested in: an embedded broker, the engine as a child process, and
//! boto3 as one that is asked things.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use expressway::kafka::Broker;
use serde_json::{Value, json};

use crate::engine::{Engine, until};
use crate::topics;

/// A broker with topics, and a folder with a definition.
pub struct World {
    pub broker: Broker,
    folder: tempfile::TempDir,
}

impl World {
    pub fn new(definition: &Value, partitions: i32) -> World {
        let broker = Broker::start(1).expect("the broker starts");
        for topic in ["in", "asks", "out"] {
            broker.create_topic(topic, partitions).expect("the topic is made");
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        let world = World { broker, folder };
        world.define(definition);
        world
    }

    /// Exchanges the definition; a running engine sees it.
    pub fn define(&self, definition: &Value) {
        self.define_as("definition", definition);
    }

    /// Writes another one.
    pub fn define_as(&self, name: &str, definition: &Value) {
        let text = definition.to_string();
        std::fs::write(self.folder.path().join(format!("{name}.asl.json")), text).expect("written");
    }

    pub fn write(&self, partition: i32, value: &Value) {
        topics::write(&self.broker, "in", partition, value);
    }

    /// The first so many records of a topic, once they are there.
    pub fn read(&self, topic: &str, count: usize) -> Vec<Value> {
        topics::read_until(&self.broker, topic, |found| found.len() >= count)
    }

    /// The record of this id, once it is there.
    pub fn find(&self, topic: &str, id: &str) -> Value {
        let is_it = |record: &Value| record["id"] == id;
        let found = topics::read_until(&self.broker, topic, |found| found.iter().any(is_it));
        found.into_iter().find(is_it).expect("it is among them")
    }

    pub fn token(&self, id: &str) -> String {
        self.find("asks", id)["token"].as_str().expect("a token").to_owned()
    }

    /// Starts an engine. `http`: the address it listens at; `callbacks`: lines of that section.
    pub fn run(&self, name: &str, http: &str, callbacks: &str) -> Engine {
        let config = self.folder.path().join(format!("{name}.toml"));
        let text = format!(
            r#"
            http.listen = "{http}"
            engine = {{ shards = 2, commit_interval = "100ms" }}
            [callbacks]
            key = "a key of the tests, and no other"
            {callbacks}
            [kafka]
            bootstrap_servers = ["{}"]
            consumer = {{ "session.timeout.ms" = 3000, "heartbeat.interval.ms" = 200 }}
            [[pipeline]]
            name = "orders"
            definition = "definition.asl.json"
            on_failure = "stop"
            ordering = "none"
            source = {{ topics = ["in"], group = "orders" }}
            output = {{ topic = "out" }}
            "#,
            self.broker.bootstrap()
        );
        std::fs::write(&config, text).expect("written");
        let log = self.folder.path().join(format!("{name}.log"));
        Engine::start(&config, log, &[])
    }
}

/// boto3, as a child process.
pub struct Boto {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Boto {
    pub fn new(engine: &Engine) -> Boto {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let child = Command::new(folder.join("load-tests/clients/boto3"))
            .arg(folder.join("tests/callbacks/client.py"))
            .arg(engine.url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.expect("the script runs");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Boto { child, input, output }
    }

    /// Begins a call whose answer is read later.
    pub fn ask(&mut self, operation: &str, arguments: Value) {
        let call = json!({"operation": operation, "arguments": arguments});
        writeln!(self.input, "{call}").expect("it reads");
    }

    pub fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it answers");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("boto3 has ended (see above)"))
    }

    pub fn call(&mut self, operation: &str, arguments: Value) -> Value {
        self.ask(operation, arguments);
        self.answer()
    }

    #[track_caller]
    pub fn does(&mut self, operation: &str, arguments: Value) {
        assert_eq!(self.call(operation, arguments), json!({}));
    }

    /// The answer is taken. As long as no partition is assigned it can't be; clients try such errors
    /// again.
    pub fn succeeds_at_last(&mut self, answer: &Value) {
        until("the answer is taken", || {
            let said = self.call("send_task_success", answer.clone());
            (said["Code"] != "ServiceUnavailable").then(|| assert_eq!(said, json!({})))
        });
    }

    /// The call fails with an error that boto3 has a class of its own for.
    #[track_caller]
    pub fn fails(&mut self, operation: &str, arguments: Value, code: &str) -> String {
        let answer = self.call(operation, arguments);
        assert_eq!(answer["Code"], code, "{answer}");
        let class = answer["class"].as_str().unwrap_or_default();
        assert!(class == code || class == "ClientError", "{answer}");
        answer["Message"].as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Boto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
