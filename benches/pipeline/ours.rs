//! The engine, started as `expressway run` starts it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use expressway::config::{self, Origin};
use expressway::engine::{Engine, prepare};

use crate::cluster::Cluster;
use crate::{PATIENCE, Run, cpu_ns};

const FOLDER: &str = "config/examples/benchmark";
/// How exactly the counters tell begin and end; it counts against the engine at both.
const INTERVAL: &str = "10ms";
const LOOK: Duration = Duration::from_millis(2);

fn settings(cluster: &Cluster, group: &str, shards: usize) -> BTreeMap<String, String> {
    let shards = shards.to_string();
    let settings = [
        ("KAFKA__BOOTSTRAP_SERVERS", format!("[\"{}\"]", cluster.brokers)),
        ("ENGINE__SHARDS", shards),
        ("ENGINE__METRICS_INTERVAL", INTERVAL.to_owned()),
        ("PIPELINE__0__SOURCE__TOPICS", format!("[\"{}\"]", cluster.input)),
        ("PIPELINE__0__SOURCE__GROUP", group.to_owned()),
        ("PIPELINE__0__OUTPUT__TOPIC", cluster.output.clone()),
    ];
    settings.into_iter().map(|(name, text)| (format!("EXPRESSWAY__{name}"), text)).collect()
}

/// Runs the machine over the whole input.
pub fn run(cluster: &Cluster, group: &str, shards: usize) -> Run {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let text = fs::read_to_string(folder.join("pipeline.toml")).expect("the example is there");
    let environment = settings(cluster, group, shards);
    let origin = Origin { folder: &folder, environment: &environment };
    let config = config::parse(&text, &origin).expect("the example is right");
    let (prepared, _) = prepare(&config).unwrap_or_else(|_| panic!("the example compiles"));
    let before = cpu_ns();
    let engine = Engine::start(&config, &prepared).expect("starts");
    let begun = Instant::now();
    let mut first = begun;
    loop {
        let now = Instant::now();
        let counts = engine.metrics.totals(0).counts;
        if counts.records_in == 0 {
            first = now;
        }
        if counts.settled >= cluster.records {
            break;
        }
        let settled = counts.settled;
        assert!(begun.elapsed() < PATIENCE, "{settled} settled: {:?}", engine.stopped());
        thread::sleep(LOOK);
    }
    let run = Run { took: first.elapsed(), cpu_ns: cpu_ns() - before };
    let counts = engine.metrics.totals(0).counts;
    if std::env::var_os("COUNTS").is_some() {
        println!("{counts:?}");
    }
    engine.stop();
    run
}
