//! SQS: a pipeline from a queue to nowhere, beside a bare loop of the same client that receives and
//! deletes with as many calls at the same time. Rounds alternate, each over a queue of its own.
//!
//! `cargo bench --bench sqs` starts the server that tests use (`load-tests/servers/sqs`) and stops it.

#[path = "rounds/mod.rs"]
#[allow(dead_code, reason = "the others take options")]
mod rounds;
#[path = "../tests/sqs/server.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use expressway::aws::sqs::Queue;
use expressway::aws::{Endpoint, Settings};
use expressway::config::{self, Origin};
use expressway::engine::{Engine, prepare};
use rounds::median;
use serde_json::{Value as Json, json};
use server::{Server, TestQueue, server};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;
const RECEIVERS: usize = 4;
const BODY: &str =
    r#"{"id":1,"temp":21.5,"device":{"id":"d-1"},"type":"reading","active":true,"ts":1718042917}"#;

fn filled(server: &Server, name: &str, count: usize) -> TestQueue {
    let queue = server.queue(name, json!({}));
    queue.send_many(0..count as u64, |_| BODY.to_owned());
    queue
}

/// Receives and deletes, a batch after the other in each of the loops. Messages a second.
fn bare(queue: &TestQueue, endpoint: &str, count: usize) -> f64 {
    let settings = Settings {
        region: Some("us-east-1".to_owned()),
        endpoint: Endpoint::Url(endpoint.to_owned()),
        ..Settings::default()
    };
    let queue = Queue::open(settings.with_keys("key", "secret"), &queue.url).expect("a queue");
    let done = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let start = Instant::now();
    runtime.expect("a runtime").block_on(async {
        let loops =
            (0..RECEIVERS).map(|_| tokio::spawn(receive(queue.clone(), done.clone(), count)));
        for one in loops.collect::<Vec<_>>() {
            one.await.expect("it ends");
        }
    });
    count as f64 / start.elapsed().as_secs_f64()
}

async fn receive(queue: Queue, done: Arc<AtomicU64>, count: usize) {
    while done.load(Ordering::Relaxed) < count as u64 {
        let members = json!({ "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0,
                              "MessageAttributeNames": ["All"],
                              "MessageSystemAttributeNames": ["All"] });
        let answer = queue.call("ReceiveMessage", members).await.expect("it answers");
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        if messages.is_empty() {
            continue;
        }
        let handle = |it: &Json| json!({ "ReceiptHandle": it["ReceiptHandle"] });
        let handles: Vec<Json> = messages.iter().map(handle).collect();
        let failures = queue.batch("DeleteMessageBatch", handles).await.expect("it answers");
        done.fetch_add((messages.len() - failures.len()) as u64, Ordering::Relaxed);
    }
}

/// The engine over the whole queue. Messages a second.
fn pipeline(queue: &TestQueue, count: usize) -> f64 {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples/benchmark");
    let text = format!(
        "[http]\nlisten = \"off\"\n[engine]\nmetrics_interval = \"10ms\"\n[[pipeline]]\n\
         name = \"sqs\"\ndefinition = \"definition.asl.json\"\non_failure = \"stop\"\n\
         [pipeline.source]\nqueue_url = \"{}\"\nsqs = {{ receivers = {RECEIVERS} }}\n\
         [pipeline.output]\ndiscard = true\n",
        queue.url
    );
    let environment = BTreeMap::new();
    let origin = Origin { folder: &folder, environment: &environment };
    let config = config::parse(&text, &origin).expect("it is right");
    let (prepared, _) = prepare(&config).unwrap_or_else(|_| panic!("the example compiles"));
    let start = Instant::now();
    let engine = Engine::start(&config, &prepared).expect("it starts");
    while engine.metrics.totals(0).counts.settled < count as u64 {
        let stopped = engine.stopped();
        assert!(stopped.is_none() && start.elapsed() < Duration::from_secs(120), "{stopped:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    let rate = count as f64 / start.elapsed().as_secs_f64();
    engine.stop();
    rate
}

fn main() {
    // Without `--bench` it is a test that this works.
    let is_bench = std::env::args().any(|it| it == "--bench");
    let (rounds, count) = if is_bench { (ROUNDS, 20_000) } else { (1, 200) };
    // SAFETY: no other thread of this process runs yet.
    unsafe {
        std::env::set_var("AWS_ACCESS_KEY_ID", "key");
        std::env::set_var("AWS_SECRET_ACCESS_KEY", "secret");
        std::env::set_var("AWS_REGION", "us-east-1");
    }
    let Some(server) = server() else { return };
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let queue = filled(server, &format!("ours-{round}"), count);
        let engine = pipeline(&queue, count);
        let queue = filled(server, &format!("bare-{round}"), count);
        let alone = bare(&queue, &server.url, count);
        ratios.push(engine / alone);
        ours.push(engine);
        theirs.push(alone);
    }
    println!(
        "SQS, {count} messages, {rounds} rounds, medians: pipeline {:.0} a second, bare loop {:.0}, \
         ratio {:.2}",
        median(ours),
        median(theirs),
        median(ratios)
    );
}
