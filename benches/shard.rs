//! The shard storey: ticks over a source and a sink in memory with the machine that figures are
//! measured with, and what a second shard on a second thread adds. Rounds alternate between one
//! thread and two. Beside the clock's rates stand those by the threads' own CPU time, which other
//! processes on the machine disturb less.
//!
//! `cargo bench --bench shard`; with `-- --count N` it runs so many events on one thread and ends, for
//! counting instructions: see `benches/instructions`.

#[path = "events/lane.rs"]
mod lane;
#[path = "rounds/mod.rs"]
mod rounds;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use expressway::load::events::{Buffers, Events};
use expressway::load::scenario::Scenario;
use expressway::shard::{Clock, Shard};
use lane::Event;
use rounds::{median, number};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FOLDER: &str = "config/examples/benchmark";
const SCENARIO: &str = "load-tests/scenarios/iot-unbounded.toml";
const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(400);
/// Different events; more would measure the memory.
const EVENTS: u64 = 2_000;

/// Nanoseconds of CPU that this thread has had.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|it| it.parse().ok()).expect("nanoseconds come first")
}

/// Ticks for a while. Events a second, and events a second of CPU.
fn tick(shard: &mut Shard, round: Duration) -> (f64, f64) {
    let (start, cpu, mut count) = (Instant::now(), cpu_ns(), 0);
    while start.elapsed() < round {
        // Receipts and records are both work: each event counts twice.
        count += shard.tick();
    }
    let events = count as f64 / 2.0;
    (events / start.elapsed().as_secs_f64(), events / ((cpu_ns() - cpu) as f64 / 1e9))
}

/// All threads' rates together.
fn run(threads: usize, round: Duration, open: &(impl Fn() -> Shard + Sync)) -> (f64, f64) {
    let start = Barrier::new(threads);
    let one = || {
        let mut shard = open();
        tick(&mut shard, round / 4);
        start.wait();
        tick(&mut shard, round)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        let rates = threads.into_iter().map(|it| it.join().expect("ticks"));
        rates.fold((0.0, 0.0), |sum, rate| (sum.0 + rate.0, sum.1 + rate.1))
    })
}

/// Events as the load generator makes them.
fn events(root: &Path) -> Vec<Event> {
    let scenario = Scenario::read(&root.join(SCENARIO)).expect("the scenario is right");
    let source = Events::of(&scenario).expect("the scenario is right");
    let event = |seq| {
        let mut event = Buffers::default();
        source.write(1, seq, 1_718_042_917_330_000_000, &mut event);
        Event { key: event.key, value: event.value, headers: Vec::new() }
    };
    (0..EVENTS).map(event).collect()
}

fn main() {
    // Without `--bench` it is a test that this works.
    let is_bench = std::env::args().any(|it| it == "--bench");
    let (rounds, round) = if is_bench { (ROUNDS, ROUND) } else { (1, ROUND / 40) };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join(FOLDER);
    let text = fs::read_to_string(folder.join("pipeline.toml")).expect("the example is there");
    let prepared = lane::prepared(&folder, &text);
    let events = Arc::new(events(root));
    let bytes = events.iter().map(|it| it.value.len()).sum::<usize>() / events.len();
    let metrics = lane::metrics(&prepared);
    let open = || lane::shard(&prepared, lane::ends(events.clone()), &metrics, Clock::system());
    if let Some(count) = number("--count") {
        let (mut shard, mut done) = (open(), 0);
        while done < 2 * count {
            done += shard.tick();
        }
        return println!("{} events of {bytes} bytes", done / 2);
    }
    let pairs: Vec<_> = (0..rounds).map(|_| (run(1, round, &open), run(2, round, &open))).collect();
    println!("\nshard: {bytes}-byte events, {rounds} rounds of {round:?}, medians");
    println!("{:<12}{:>12}{:>14}{:>16}", "shards", "M events/s", "ns an event", "ns by CPU time");
    for (name, of) in [("1", 0), ("2", 1)] {
        let rate = |it: &((f64, f64), (f64, f64))| if of == 0 { it.0 } else { it.1 };
        let rates = median(pairs.iter().map(|it| rate(it).0));
        let by_cpu = median(pairs.iter().map(|it| rate(it).1)) / (of + 1) as f64;
        println!("{name:<12}{:>12.3}{:>14.0}{:>16.0}", rates / 1e6, 1e9 / rates, 1e9 / by_cpu);
    }
    let by_clock = median(pairs.iter().map(|it| it.1.0 / it.0.0));
    let by_cpu = median(pairs.iter().map(|it| it.1.1 / it.0.1));
    println!("1 to 2: {by_clock:.2} by the clock, {by_cpu:.2} by CPU time");
}
