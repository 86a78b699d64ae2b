//! Kafka to Kafka: what the engine makes of it with the machine that figures are measured with,
//! beside two pass-throughs that do nothing to the records. All settle on delivery reports, and have
//! the same client settings but for the queues' bounds, which the engine takes from its byte budget.
//! Rounds alternate; medians and the ratios' medians are printed.
//!
//! - `cargo bench --bench pipeline`: the embedded broker, inside this process.
//! - `cargo bench --bench pipeline -- --real HOST:PORT`: a real one. Makes topics of its own, and
//!   fills the input once; later runs use it again.
//! - `cargo bench --bench pipeline -- --real HOST:PORT --serve IN,OUT`: passes records through until
//!   it is stopped, by poll and send, for `expressway load` to measure its latency.
//! - `--records N`, `--rounds N`, `--shards N`, `--only poll,batch,ours` change what is run.

mod cluster;
mod ours;
mod passes;
#[path = "../rounds/mod.rs"]
mod rounds;

use std::fs;
use std::time::Duration;

use cluster::Cluster;
use rounds::{median, number, option};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long one run may take before something is wrong (the embedded broker has dropped records,
/// say: see `RETAINED_BYTES`).
const PATIENCE: Duration = Duration::from_secs(120);

/// What one run came to.
#[derive(Clone, Copy)]
struct Run {
    /// From the first record to the last receipt.
    took: Duration,
    /// CPU of this process without an embedded broker's.
    cpu_ns: u64,
}

type Way = fn(&Cluster, &str, usize) -> Run;

const WAYS: [(&str, Way); 3] =
    [("poll", passes::poll_and_send), ("batch", passes::batches), ("ours", ours::run)];

/// Nanoseconds of CPU that live threads have had, except an embedded broker's.
fn cpu_ns() -> u64 {
    let mut spent = 0;
    for task in fs::read_dir("/proc/self/task").expect("Linux").flatten() {
        let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        if !read("comm").starts_with("rdk:mock") {
            let ns = read("schedstat").split(' ').next().and_then(|it| it.parse::<u64>().ok());
            spent += ns.unwrap_or(0);
        }
    }
    spent
}

fn main() {
    // Without `--bench` it is a test that this works.
    let is_bench = std::env::args().any(|it| it == "--bench");
    let real = option("--real");
    if let (Some(real), Some(topics)) = (&real, option("--serve")) {
        let (input, output) = topics.split_once(',').expect("two topics with a comma between");
        let endless = Cluster::endless(real, input, output);
        passes::poll_and_send(&endless, "pipeline-bench-serve", 1);
    }
    let (records, rounds) = match (is_bench, &real) {
        (false, _) => (10_000, 1),
        (true, None) => (700_000, 7),
        (true, Some(_)) => (2_000_000, 5),
    };
    let records = number("--records").unwrap_or(records);
    let rounds = number("--rounds").unwrap_or(rounds);
    let shards = number("--shards").unwrap_or(2);
    let only = option("--only");
    let wanted = |name: &str| only.as_ref().is_none_or(|it| it.split(',').any(|it| it == name));
    let ways: Vec<_> = WAYS.into_iter().filter(|it| wanted(it.0)).collect();
    let cluster = Cluster::open(real.as_deref(), records as u64);
    let mut runs: Vec<Vec<Run>> = vec![Vec::new(); ways.len()];
    for round in 0..rounds {
        for (at, (name, way)) in ways.iter().enumerate() {
            let group = format!("{name}-{round}-{}", std::process::id());
            runs[at].push(way(&cluster, &group, shards));
        }
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "\n{} records of {} bytes, {} partitions to {}, {rounds} rounds, {shards} shards, load {}",
        cluster.records,
        cluster.bytes,
        cluster.partitions,
        cluster::OUT_PARTITIONS,
        load.trim()
    );
    print_table(&ways, &runs, records as f64);
}

fn print_table(ways: &[(&str, Way)], runs: &[Vec<Run>], records: f64) {
    let rate = |it: &Run| records / it.took.as_secs_f64();
    println!(
        "{:<8}{:>10}{:>16}{:>18}{:>10}{:>10}",
        "way", "M/s", "least - most", "CPU-s a million", "to poll", "to batch"
    );
    for ((name, _), mine) in ways.iter().zip(runs) {
        let mut rates: Vec<f64> = mine.iter().map(|it| rate(it) / 1e6).collect();
        rates.sort_by(f64::total_cmp);
        let cpu = median(mine.iter().map(|it| it.cpu_ns as f64 / 1e9 / (records / 1e6)));
        let to = |other: &str| {
            let at = ways.iter().position(|it| it.0 == other);
            at.map_or(f64::NAN, |at| {
                median(mine.iter().zip(&runs[at]).map(|(mine, its)| rate(mine) / rate(its)))
            })
        };
        let spread = format!("{:.2} - {:.2}", rates[0], rates[rates.len() - 1]);
        println!(
            "{name:<8}{:>10.2}{spread:>16}{cpu:>18.2}{:>10.2}{:>10.2}",
            median(rates.iter().copied()),
            to("poll"),
            to("batch")
        );
    }
}
