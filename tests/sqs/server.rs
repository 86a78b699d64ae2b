//! A real SQS-compatible server, started by the project's script, stopped by a guard that sees this
//! process end; and its queues, reached with our own client.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use expressway::aws::sqs::Queue;
use expressway::aws::{Call, Client, Endpoint, Service, Settings};
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

/// Calls at the same time where there is much to do.
const CALLS: usize = 8;
/// Ports tried: another process may take one between asking and starting.
const PORT_TRIES: usize = 5;
/// Ends the server when its standard input ends, which it does however this process ends.
const GUARD: &str = r#"read -r _; "$0" down --data "$1" >/dev/null 2>&1; rm -rf "$2""#;

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// The running server.
pub struct Server {
    /// `http://127.0.0.1:port`
    pub url: String,
    folder: PathBuf,
    _guard: Child,
}

/// The server that all tests share; `None` where they are skipped on purpose.
pub fn server() -> Option<&'static Server> {
    if std::env::var_os("EXPRESSWAY_SKIP_SQS").is_some_and(|it| !it.is_empty() && it != "0") {
        // Past the capture: a test that looked at nothing must not look like one that passed.
        let _ = writeln!(
            std::io::stderr(),
            "EXPRESSWAY_SKIP_SQS is set: a test against a real queue was skipped"
        );
        return None;
    }
    Some(&SERVER)
}

impl Server {
    #[allow(clippy::zombie_processes, reason = "the guard ends with this process, not before")]
    fn start() -> Server {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("load-tests/servers/sqs");
        let folder = tempfile::Builder::new().prefix("expressway-sqs-").tempdir();
        let folder = folder.expect("a folder can be made").keep();
        let data = folder.join("data");
        let guard = Command::new("sh")
            .args(["-c", GUARD])
            .args([&script, &data, &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh runs");
        for _ in 0..PORT_TRIES {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = listener.local_addr().expect("it is bound").port();
            drop(listener);
            let up = Command::new(&script)
                .args(["up", "--port", &port.to_string(), "--data"])
                .arg(&data)
                .stdout(Stdio::null())
                .status();
            if up.expect("the script runs").success() {
                return Server { url: format!("http://127.0.0.1:{port}"), folder, _guard: guard };
            }
        }
        panic!("the server could not be started (see above); EXPRESSWAY_SKIP_SQS=1 skips");
    }

    /// A test's own folder.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        folder
    }

    /// Makes a queue.
    pub fn queue(&self, name: &str, attributes: Json) -> TestQueue {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let settings = Settings {
            region: Some("us-east-1".to_owned()),
            endpoint: Endpoint::Url(self.url.clone()),
            ..Settings::default()
        };
        let settings = settings.with_keys("key", "secret");
        let client = Client::open(settings.clone()).expect("a client");
        let service = Service::find("sqs").expect("it is there");
        let members = json!({ "QueueName": name, "Attributes": attributes });
        let call = Call::new(service, "CreateQueue");
        let made = runtime.block_on(client.call(&call, &members)).expect("it is made");
        let url = made.members["QueueUrl"].as_str().expect("a URL").to_owned();
        let queue = Queue::open(settings, &url).expect("a queue");
        TestQueue { url, queue, runtime }
    }
}

/// A queue, as tests fill and read it.
pub struct TestQueue {
    pub url: String,
    queue: Queue,
    runtime: Runtime,
}

impl TestQueue {
    /// Calls an operation.
    pub fn call(&self, operation: &str, members: Json) -> Json {
        self.runtime.block_on(self.queue.call(operation, members)).expect("it answers")
    }

    /// Its ARN, for redrive policies.
    pub fn arn(&self) -> String {
        let answer = self.call("GetQueueAttributes", json!({ "AttributeNames": ["QueueArn"] }));
        answer["Attributes"]["QueueArn"].as_str().expect("an ARN").to_owned()
    }

    /// Sends these, ten at a time.
    pub fn send(&self, entries: impl IntoIterator<Item = Json>) {
        let entries: Vec<Json> = entries.into_iter().collect();
        for batch in entries.chunks(10) {
            let sent = self.queue.batch("SendMessageBatch", batch.to_vec());
            assert!(self.runtime.block_on(sent).expect("it answers").is_empty());
        }
    }

    /// Sends `{"id": n}` for each.
    pub fn send_ids(&self, ids: std::ops::Range<u64>) {
        self.send(ids.map(|id| json!({ "MessageBody": format!("{{\"id\":{id}}}") })));
    }

    /// Sends very many, several calls at a time.
    pub fn send_many(&self, ids: std::ops::Range<u64>, body: fn(u64) -> String) {
        let next = Arc::new(AtomicU64::new(ids.start));
        let send = |next: Arc<AtomicU64>, queue: Queue, end: u64| async move {
            loop {
                let from = next.fetch_add(10, Ordering::Relaxed);
                if from >= end {
                    return;
                }
                let entry = |id: u64| json!({ "MessageBody": body(id) });
                let entries = (from..end.min(from + 10)).map(entry).collect();
                let refused = queue.batch("SendMessageBatch", entries).await;
                assert!(refused.expect("it answers").is_empty());
            }
        };
        self.runtime.block_on(async {
            let calls: Vec<_> = (0..CALLS)
                .map(|_| tokio::spawn(send(next.clone(), self.queue.clone(), ids.end)))
                .collect();
            for call in calls {
                call.await.expect("it ends");
            }
        });
    }

    /// Takes what is there until so many have come, or none has for so long: bodies, in order.
    pub fn take(&self, wanted: usize, bound: Duration) -> Vec<Json> {
        let (mut taken, mut end) = (Vec::new(), Instant::now() + bound);
        while taken.len() < wanted && Instant::now() < end {
            let members = json!({ "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1,
                                  "MessageSystemAttributeNames": ["All"] });
            let answer = self.call("ReceiveMessage", members);
            let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
            let handles = messages.iter().map(|it| json!({ "ReceiptHandle": it["ReceiptHandle"] }));
            let handles: Vec<Json> = handles.collect();
            if !handles.is_empty() {
                end = Instant::now() + bound;
                let deleted = self.queue.batch("DeleteMessageBatch", handles);
                self.runtime.block_on(deleted).expect("it answers");
            }
            taken.extend(messages.iter().map(body));
        }
        taken
    }

    /// Messages that wait, and those that somebody has.
    pub fn depth(&self) -> (u64, u64) {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let answer = self.call("GetQueueAttributes", json!({ "AttributeNames": names }));
        let of = |name: &str| answer["Attributes"][name].as_str()?.parse().ok();
        (of(names[0]).unwrap_or(0), of(names[1]).unwrap_or(0))
    }
}

/// A message's body.
fn body(message: &Json) -> Json {
    serde_json::from_str(message["Body"].as_str().expect("a body")).expect("JSON")
}

/// How often each id came.
pub fn ids(bodies: &[Json]) -> BTreeMap<u64, usize> {
    let mut seen = BTreeMap::new();
    for body in bodies {
        *seen.entry(body["id"].as_u64().expect("an id")).or_insert(0) += 1;
    }
    seen
}
