//! What an example runs in: an embedded broker with its topics, moto as its AWS, and its own
//! configuration, over which variables of the environment are laid.

use std::path::{Path, PathBuf};

use expressway::kafka::Broker;
use serde_json::Value as Json;

use crate::account::REGION;
use crate::engine::Engine;
use crate::server::Server;
use crate::topics;

/// An example and what it runs in.
pub struct Stage {
    broker: Broker,
    example: PathBuf,
    /// For logs.
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Stage {
    /// An example by its folder's name, and the topics it needs, of one partition each.
    pub fn new(aws: &Server, example: &str, topics: &[&str]) -> Stage {
        let broker = Broker::start(1).expect("the broker starts");
        for topic in topics {
            broker.create_topic(topic, 1).expect("the topic is made");
        }
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
        let folder = tempfile::tempdir().expect("a folder can be made");
        let mut stage =
            Stage { broker, example: examples.join(example), folder, variables: Vec::new() };
        let bootstrap = stage.broker.bootstrap();
        for (variable, value) in [
            ("EXPRESSWAY__KAFKA__BOOTSTRAP_SERVERS", bootstrap.as_str()),
            // A member that was killed is missed soon.
            ("EXPRESSWAY__KAFKA__CONSUMER__SESSION_TIMEOUT_MS", "3000"),
            ("EXPRESSWAY__KAFKA__CONSUMER__HEARTBEAT_INTERVAL_MS", "200"),
            ("EXPRESSWAY__ENGINE__SHARDS", "1"),
            ("EXPRESSWAY__ENGINE__COMMIT_INTERVAL", "100ms"),
            ("EXPRESSWAY__ENGINE__SUSPECTS_FILE", "off"),
            ("EXPRESSWAY__HTTP__LISTEN", "127.0.0.1:0"),
            ("EXPRESSWAY__AWS__ENDPOINT", aws.url.as_str()),
            ("EXPRESSWAY__AWS__REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ] {
            stage.set(variable, value);
        }
        stage
    }

    /// Sets a variable of the environment, a setting (`EXPRESSWAY__...`) mostly. A later one wins.
    pub fn set(&mut self, variable: &str, value: &str) {
        self.variables.push((variable.to_owned(), value.to_owned()));
    }

    /// Says what a placeholder of the pipeline's stands for.
    pub fn substitute(&mut self, placeholder: &str, value: &str) {
        let name = placeholder.to_uppercase();
        self.set(&format!("EXPRESSWAY__PIPELINE__0__SUBSTITUTIONS__{name}"), value);
    }

    /// Has all queues, sources and those of tasks, be at another server than moto.
    pub fn queues_at(&mut self, url: &str) {
        self.set("EXPRESSWAY__AWS__ENDPOINTS__SQS", url);
    }

    /// Says where the calls of a service go, if not to moto.
    pub fn send(&mut self, service: &str, url: &str) {
        let name = service.to_uppercase();
        self.set(&format!("EXPRESSWAY__PIPELINE__0__AWS__SERVICES__{name}"), url);
    }

    /// Starts an engine on the example's own `pipeline.toml`.
    pub fn run(&self, name: &str) -> Engine {
        let log = self.folder.path().join(format!("{name}.log"));
        Engine::start(&self.example.join("pipeline.toml"), log, &self.variables)
    }

    /// Writes a record.
    pub fn write(&self, topic: &str, value: &Json) {
        topics::write(&self.broker, topic, 0, value);
    }

    /// The first so many records of a topic, once they are there.
    pub fn read(&self, topic: &str, count: usize) -> Vec<Json> {
        topics::read_until(&self.broker, topic, |found| found.len() >= count)
    }
}
