//! What answers from outside are tested in: an embedded broker, the engine as a child process, and
//! boto3 as one that is asked things.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use expressway::kafka::Broker;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};

/// Nothing here takes longer unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is there.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

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
        let text = definition.to_string();
        std::fs::write(self.folder.path().join("definition.asl.json"), text).expect("written");
    }

    pub fn write(&self, partition: i32, value: &Value) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.broker.bootstrap());
        let producer: BaseProducer = config.create().expect("a producer");
        let text = value.to_string();
        let record = BaseRecord::<(), _>::to("in").partition(partition).payload(&text);
        producer.send(record).expect("it is taken");
        producer.flush(PATIENCE).expect("it is written");
    }

    /// The records of a topic from its beginning on, until there are enough.
    fn read_until(&self, topic: &str, is_enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.broker.bootstrap()).set("group.id", "reader");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let mut all = TopicPartitionList::new();
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("it is there");
        for partition in metadata.topics()[0].partitions() {
            all.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
        }
        consumer.assign(&all).expect("assigned");
        let mut found = Vec::new();
        until(&format!("more than {found:?} in {topic}"), || {
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                let value = message.payload().unwrap_or_default();
                found.push(serde_json::from_slice(value).expect("it is JSON"));
            }
            is_enough(&found).then_some(())
        });
        found
    }

    /// The first so many records of a topic, once they are there.
    pub fn read(&self, topic: &str, count: usize) -> Vec<Value> {
        self.read_until(topic, |found| found.len() >= count)
    }

    /// The record of this id, once it is there.
    pub fn find(&self, topic: &str, id: &str) -> Value {
        let is_it = |record: &Value| record["id"] == id;
        let found = self.read_until(topic, |found| found.iter().any(is_it));
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
        let file = std::fs::File::create(&log).expect("a log can be made");
        let child = Command::new(env!("CARGO_BIN_EXE_expressway"))
            .arg("run")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn();
        let mut engine = Engine { child: child.expect("it starts"), log, address: String::new() };
        engine.address = until("the engine listens", || {
            let log = engine.log();
            assert!(!log.contains("error"), "{log}");
            Some(log.split("http=\"").nth(1)?.split('"').next()?.to_owned())
        });
        engine
    }
}

/// A running engine; killed when dropped, and its log shown where the test has failed.
pub struct Engine {
    child: Child,
    log: PathBuf,
    pub address: String,
}

impl Engine {
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has exchanged its definition so many times.
    pub fn reloads(&self, count: usize) {
        until("it reloads", || (self.log().matches("reloaded").count() == count).then_some(()));
    }

    /// As a crash would.
    pub fn kill(mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it ends");
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
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
