//! Tasks: executions a second with one HTTP task each against a server on loopback, beside a bare loop
//! of the same client with as many requests at the same time; and messages to a queue, each execution
//! one, with a request each and with requests that they share: a queue of a server that only answers,
//! and one of a server that keeps them (`load-tests/servers/sqs`, started and stopped here). Rounds
//! alternate; medians and the ratios' medians are printed.
//!
//! `cargo bench --bench tasks`; `--calls N`, `--rounds N`, `--at-once N`, `--only http,sqs,emulator`
//! and `--waiting N` (`engine.calls_waiting_max`) change what is run. One shard, one thread for the
//! bare loop, one for the server.

#[path = "../tests/sqs/server.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod queues;
#[path = "rounds/mod.rs"]
mod rounds;
#[path = "tasks/server.rs"]
mod server;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use expressway::config::{self, Origin};
use expressway::engine::{Engine, prepare};
use reqwest::{Client, Method, Request, Url};
use rounds::{median, number, option};
use serde_json::{Value as Json, json};
use server::Server;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BODY: &str = r#"{"id":1,"temp":21.5,"device":{"id":"d-1"},"type":"reading","ts":1718042917}"#;
/// How long one run may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// Answers an HTTP task.
fn plain(_: &str, _: &[u8]) -> Vec<u8> {
    br#"{"ok":true}"#.to_vec()
}

/// Answers as SQS does.
fn queue(target: &str, body: &[u8]) -> Vec<u8> {
    let taken = |id: &Json| json!({ "Id": id, "MessageId": "m-1", "MD5OfMessageBody": "d" });
    let answer = match target.ends_with("SendMessageBatch") {
        false => json!({ "MessageId": "m-1", "MD5OfMessageBody": "d" }),
        true => {
            let asked: Json = serde_json::from_slice(body).expect("JSON");
            let entries = asked["Entries"].as_array().expect("entries").iter();
            json!({ "Successful": entries.map(|it| taken(&it["Id"])).collect::<Json>() })
        }
    };
    answer.to_string().into_bytes()
}

/// What one run came to.
struct Run {
    /// Executions or calls a second.
    rate: f64,
    /// Requests that the server saw, where it tells.
    requests: Option<u64>,
}

fn run(server: &Place<'_>, calls: usize, work: impl FnOnce()) -> Run {
    let (before, begun) = (server.requests(), Instant::now());
    work();
    let rate = calls as f64 / begun.elapsed().as_secs_f64();
    Run { rate, requests: server.requests().zip(before).map(|(after, before)| after - before) }
}

/// Whom calls go to.
enum Place<'a> {
    Scripted(&'a Server),
    Emulator(&'a queues::Server),
}

impl Place<'_> {
    fn url(&self) -> &str {
        match self {
            Place::Scripted(server) => &server.url,
            Place::Emulator(server) => &server.url,
        }
    }

    fn requests(&self) -> Option<u64> {
        match self {
            Place::Scripted(server) => Some(server.requests()),
            Place::Emulator(_) => None,
        }
    }
}

/// The client alone, set as tasks have it.
fn bare(server: &Place<'_>, calls: usize, at_once: usize) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let client = Client::builder().pool_max_idle_per_host(256).build().expect("a client");
    let url = Url::parse(server.url()).expect("a URL");
    run(server, calls, || {
        let local = tokio::task::LocalSet::new();
        let left = Rc::new(Cell::new(calls));
        local.block_on(&runtime, async {
            let one = |_| {
                let (client, url, left) = (client.clone(), url.clone(), left.clone());
                tokio::task::spawn_local(async move {
                    while left.get() > 0 {
                        left.set(left.get() - 1);
                        call(&client, url.clone()).await;
                    }
                })
            };
            for task in (0..at_once).map(one).collect::<Vec<_>>() {
                task.await.expect("it ends");
            }
        });
    })
}

async fn call(client: &Client, url: Url) {
    let mut request = Request::new(Method::POST, url);
    let json = reqwest::header::HeaderValue::from_static("application/json; charset=UTF-8");
    request.headers_mut().insert("content-type", json);
    *request.body_mut() = Some(BODY.into());
    let mut response = client.execute(request).await.expect("it answers");
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.expect("it answers") {
        body.extend_from_slice(&chunk);
    }
    assert!(response.status().is_success() && !body.is_empty());
}

/// An engine of one shard over a file of records, with settings of the pipeline's.
fn engine(server: &Place<'_>, folder: &Path, calls: usize, settings: &str) -> Run {
    let waiting = number("--waiting").map(|it| format!("calls_waiting_max = {it}\n"));
    let text = format!(
        "[http]\nlisten = \"off\"\n[engine]\nshards = 1\nmetrics_interval = \"10ms\"\n{}\
         [aws]\nendpoint = \"{}\"\nregion = \"us-east-1\"\naccess_key_id = \"k\"\n\
         secret_access_key = \"s\"\n\
         [[pipeline]]\nname = \"tasks\"\non_failure = \"stop\"\n\
         source = {{ file = \"records.ndjson\" }}\noutput = {{ discard = true }}\n{settings}\n",
        waiting.unwrap_or_default(),
        server.url()
    );
    let environment = BTreeMap::new();
    let origin = Origin { folder, environment: &environment };
    let config = config::parse(&text, &origin).unwrap_or_else(|found| panic!("{found:#?}"));
    let (prepared, _) = prepare(&config).unwrap_or_else(|refused| panic!("{refused:#?}"));
    run(server, calls, || {
        let engine = Engine::start(&config, &prepared).expect("it starts");
        let begun = Instant::now();
        while engine.metrics.totals(0).counts.settled < calls as u64 {
            assert!(begun.elapsed() < PATIENCE, "{:?}", engine.stopped());
            std::thread::sleep(Duration::from_millis(2));
        }
        engine.stop();
    })
}

fn fill(folder: &Path, server: &Place<'_>, calls: usize) {
    let write = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).expect("the folder can be written");
    };
    write("records.ndjson", format!("{BODY}\n").repeat(calls));
    let machine = |resource: &str, parameters: Json| {
        json!({ "StartAt": "T", "States": { "T": { "Type": "Task", "End": true,
            "Resource": format!("arn:aws:states:::{resource}"), "Parameters": parameters } } })
    };
    let http = json!({ "ApiEndpoint": server.url(), "Method": "POST", "RequestBody.$": "$" });
    write("http.json", machine("http:invoke", http).to_string());
    let url = format!("{}/000000000000/q", server.url());
    let sqs = json!({ "QueueUrl": url, "MessageBody.$": "$" });
    write("sqs.json", machine("sqs:sendMessage", sqs).to_string());
}

/// Prints two ways beside each other.
fn compare(what: &str, runs: &[(Run, Run)], names: [&str; 2], calls: usize) {
    let rate = |pick: fn(&(Run, Run)) -> &Run| median(runs.iter().map(|it| pick(it).rate));
    let requests = |run: &Run| match run.requests {
        Some(requests) => format!(" ({:.2} requests each)", requests as f64 / calls as f64),
        None => String::new(),
    };
    let last = runs.last().expect("there is a round");
    println!(
        "{what}: {} {:.0} a second{}, {} {:.0}{}, ratio {:.2}",
        names[0],
        rate(|it| &it.0),
        requests(&last.0),
        names[1],
        rate(|it| &it.1),
        requests(&last.1),
        median(runs.iter().map(|(mine, its)| mine.rate / its.rate)),
    );
}

fn main() {
    // Without `--bench` it is a test that this works.
    let is_bench = std::env::args().any(|it| it == "--bench");
    let (calls, rounds) = if is_bench { (50_000, 7) } else { (500, 1) };
    let (calls, rounds) =
        (number("--calls").unwrap_or(calls), number("--rounds").unwrap_or(rounds));
    let at_once = number("--at-once").unwrap_or(64);
    let only = option("--only");
    let wanted = |name: &str| only.as_ref().is_none_or(|it| it.split(',').any(|it| it == name));
    let folder = tempfile::tempdir().expect("a folder can be made");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{calls} calls, {at_once} at once, {rounds} rounds, load {}", load.trim());
    let bench = Bench { folder: folder.path(), calls, rounds, at_once };
    if wanted("http") {
        bench.http(&Place::Scripted(&Server::start(plain)));
    }
    if wanted("sqs") {
        bench.messages("one message", &Place::Scripted(&Server::start(queue)));
    }
    if wanted("emulator")
        && let Some(server) = queues::server()
    {
        server.queue("q", json!({}));
        // It takes far fewer.
        let bench = Bench { calls: bench.calls.div_ceil(5), ..bench };
        bench.messages("one message to an emulator", &Place::Emulator(server));
    }
}

/// What is run.
struct Bench<'a> {
    folder: &'a Path,
    calls: usize,
    rounds: usize,
    at_once: usize,
}

impl Bench<'_> {
    fn http(&self, server: &Place<'_>) {
        let Bench { folder, calls, rounds, at_once } = *self;
        fill(folder, server, calls);
        let settings =
            format!("definition = \"http.json\"\n[pipeline.http]\ncalls_max = {at_once}");
        let round = |_| {
            let ours = engine(server, folder, calls, &settings);
            (ours, bare(server, calls, at_once))
        };
        let runs: Vec<_> = (0..rounds).map(round).collect();
        compare("one HTTP task", &runs, ["executions", "bare loop"], calls);
    }

    fn messages(&self, what: &str, server: &Place<'_>) {
        let Bench { folder, calls, rounds, .. } = *self;
        fill(folder, server, calls);
        let settings = "definition = \"sqs.json\"\n[pipeline.aws]\n";
        let shared = format!("{settings}coalesce = {{ sqs = \"2ms\" }}\n");
        let round = |_| {
            let together = engine(server, folder, calls, &shared);
            (together, engine(server, folder, calls, settings))
        };
        let runs: Vec<_> = (0..rounds).map(round).collect();
        compare(what, &runs, ["sharing requests", "a request each"], calls);
    }
}
