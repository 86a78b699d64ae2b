//! One broker or three: started by the project's script, stopped by a guard that sees this process end.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Runtime;

use crate::topics::until;

/// What else the script lets a broker listen on, above it: its controller; with SASL over TLS; with
/// TLS and certificates of both sides.
const OFFSETS: [u16; 3] = [10, 20, 30];
/// Ports tried: another process may take one between asking and starting.
const PORT_TRIES: usize = 5;
/// Ends the broker when its standard input ends, which it does however this process ends.
const GUARD: &str = r#"read -r _; "$0" stop --data "$1" >/dev/null 2>&1; rm -rf "$2""#;

/// A running broker, or cluster.
pub struct Broker {
    /// `host:port`, by commas.
    pub address: String,
    brokers: u16,
    folder: PathBuf,
    guard: Option<Child>,
    admin: AdminClient<DefaultClientContext>,
    runtime: Runtime,
    /// Written while the broker is away; tests that can't have that hold it.
    presence: RwLock<()>,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("load-tests/servers/kafka")
}

impl Broker {
    /// Starts so many, or ends the tests with the script's own words. `options`: of the script.
    pub fn start(brokers: u16, options: &[&str]) -> Broker {
        let folder = tempfile::Builder::new().prefix("expressway-kafka-").tempdir();
        let folder = folder.expect("a folder can be made").keep();
        let guard = Command::new("sh")
            .args(["-c", GUARD])
            .args([script(), folder.join("data"), folder.clone()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is for the tests; the guard cleans up after them.
            .process_group(0)
            .spawn()
            .expect("sh runs");
        let Some(port) = (0..PORT_TRIES).find_map(|_| launch(&folder, brokers, options)) else {
            drop(guard.stdin);
            eprintln!("Kafka could not be started (see above); EXPRESSWAY_SKIP_KAFKA=1 skips");
            std::process::exit(1);
        };
        let addresses = (port..port + brokers).map(|port| format!("127.0.0.1:{port}"));
        let address = addresses.collect::<Vec<_>>().join(",");
        let admin = rdkafka::ClientConfig::new().set("bootstrap.servers", &address).create();
        Broker {
            address,
            brokers,
            folder,
            guard: Some(guard),
            admin: admin.expect("an admin client"),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("one"),
            presence: RwLock::new(()),
        }
    }

    /// Where the first one listens for SASL over TLS, and for TLS with certificates of both sides.
    pub fn secure_addresses(&self) -> [String; 2] {
        let port = self.address.split([':', ',']).nth(1).and_then(|it| it.parse::<u16>().ok());
        let port = port.expect("an address has a port");
        [OFFSETS[1], OFFSETS[2]].map(|offset| format!("127.0.0.1:{}", port + offset))
    }

    /// A file of those that the script makes for secure listeners.
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.folder.join("data/certificates").join(name)
    }

    /// A test's own folder.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.join("tests").join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        folder
    }

    /// Keeps the broker up while it is held.
    pub fn present(&self) -> RwLockReadGuard<'_, ()> {
        self.presence.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the broker for so long, once no test needs it.
    pub fn leave_for(&self, span: Duration) {
        let _absent = self.presence.write().unwrap_or_else(PoisonError::into_inner);
        self.script(&["stop", "--keep"]);
        std::thread::sleep(span);
        self.script(&["start"]);
    }

    fn script(&self, words: &[&str]) {
        assert!(self.ask(words).status().expect("it runs").success(), "{words:?}");
    }

    /// The script, about to do something to this cluster.
    pub fn ask(&self, words: &[&str]) -> Command {
        let mut command = Command::new(script());
        command.args(words).arg("--data").arg(self.folder.join("data")).stdout(Stdio::null());
        command
    }

    /// Makes a topic.
    pub fn topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut topic =
            NewTopic::new(name, partitions, TopicReplication::Fixed(i32::from(self.brokers)));
        topic.config = settings.to_vec();
        let options = AdminOptions::new();
        let made = self.admin.create_topics([&topic], &options);
        let made = self.runtime.block_on(made).expect("the broker answers");
        assert!(made.iter().all(Result::is_ok), "{name}: {made:?}");
        // The controller answers before the broker has heard of it.
        let bound = Duration::from_secs(10);
        until(&format!("{name} is there"), || {
            let metadata = self.admin.inner().fetch_metadata(None, bound).expect("it answers");
            metadata.topics().iter().any(|it| it.name() == name && !it.partitions().is_empty())
        });
    }

    /// Deletes a topic, and waits until it is gone.
    pub fn delete(&self, topic: &str) {
        let options = AdminOptions::new();
        let gone = self.admin.delete_topics(&[topic], &options);
        let gone = self.runtime.block_on(gone).expect("the broker answers");
        assert!(gone.iter().all(Result::is_ok), "{topic}: {gone:?}");
        until(&format!("{topic} is gone"), || {
            let bound = Duration::from_secs(10);
            let metadata = self.admin.inner().fetch_metadata(None, bound).expect("it answers");
            metadata.topics().iter().all(|it| it.name() != topic)
        });
    }

    /// Deletes a partition's records below an offset.
    pub fn delete_records(&self, topic: &str, partition: i32, below: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(below)).expect("an offset");
        let options = AdminOptions::new();
        let gone = self.admin.delete_records(&list, &options);
        self.runtime.block_on(gone).expect("the broker answers");
    }

    /// Replaces a topic's settings.
    pub fn set(&self, topic: &str, settings: &[(&str, &str)]) {
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (name, value) in settings {
            change = change.set(name, value);
        }
        let options = AdminOptions::new();
        let done = self.admin.alter_configs([&change], &options);
        let done = self.runtime.block_on(done).expect("the broker answers");
        assert!(done.iter().all(Result::is_ok), "{topic}: {done:?}");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }
}

/// Starts brokers at free ports and returns the first one; the script says why where it can't.
fn launch(folder: &Path, brokers: u16, options: &[&str]) -> Option<u16> {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).ok();
    let port = free(0)?.local_addr().ok()?.port();
    let of_broker = |n| OFFSETS.into_iter().chain([0]).map(move |offset| port + offset + n);
    let ports = (0..brokers).flat_map(of_broker);
    let all: Option<Vec<_>> = ports.map(free).collect();
    drop(all?);
    let started = Command::new(script())
        .args(["start", "--heap", "512m", "--port", &port.to_string()])
        .args(["--brokers", &brokers.to_string()])
        .args(["--config", "group.min.session.timeout.ms=1000"])
        .args(["--config", "group.consumer.min.session.timeout.ms=1000"])
        .args(["--config", "group.consumer.session.timeout.ms=6000"])
        .args(["--config", "group.consumer.min.heartbeat.interval.ms=100"])
        .args(["--config", "group.consumer.heartbeat.interval.ms=500"])
        .args(options)
        .arg("--data")
        .arg(folder.join("data"))
        .stdout(Stdio::null())
        .status();
    started.is_ok_and(|it| it.success()).then_some(port)
}
