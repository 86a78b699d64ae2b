//! The shard storey: ticks over a source and a sink in memory with the machine that figures are
//! measured with, and what a second shard on a second thread adds. Rounds alternate between one
//! thread and two. Beside the clock's rates stand those by the threads' own CPU time, which other
//! processes on the machine disturb less.
//!
//! `cargo bench --bench shard`

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use expressway::config::{self, Origin};
use expressway::engine::{Prepared, prepare};
use expressway::load::events::{Buffers, Events};
use expressway::load::scenario::Scenario;
use expressway::metrics::{Health, Metrics, PipelineNames, ShardCounters};
use expressway::record::{Assignment, AssignmentId, Position, Record};
use expressway::shard::{
    Clock, Control, Lane, Letters, Marker, NestedLimits, Settings, Shard, wake,
};
use expressway::sinks::{Output, Receipt, Sink, SinkError, TopicId};
use expressway::sources::{Arrival, Source, SourceError};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FOLDER: &str = "config/examples/benchmark";
const SCENARIO: &str = "load-tests/scenarios/iot-unbounded.toml";
const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(400);
/// Different events; more would measure the memory.
const EVENTS: u64 = 2_000;
const ID: AssignmentId = AssignmentId(1);

/// Hands the same events over again and again.
struct Memory {
    events: Arc<Vec<Buffers>>,
    next: i64,
    committed: i64,
}

impl Source for Memory {
    fn poll(
        &mut self,
        limit: usize,
        take: &mut dyn FnMut(Arrival<'_>),
    ) -> Result<usize, SourceError> {
        if self.next == 0 {
            let assignment = Assignment { id: ID, topic: "in".into(), partition: 0 };
            take(Arrival::Assigned(assignment));
        }
        for _ in 0..limit {
            let event = &self.events[self.next as usize % self.events.len()];
            take(Arrival::Record(Record {
                position: Position { assignment: ID, offset: self.next },
                timestamp_ms: 0,
                key: Some(&event.key),
                value: Some(&event.value),
                headers: &[],
                first: None,
                id: None,
            }));
            self.next += 1;
        }
        Ok(limit)
    }

    fn pause(&mut self, _: AssignmentId, _: bool) {}

    fn commit(&mut self, _: AssignmentId, offset: i64) {
        self.committed = offset;
    }

    fn committed(&self, _: AssignmentId) -> Option<i64> {
        Some(self.committed)
    }

    fn rewind(&mut self, _: AssignmentId, _: i64) -> bool {
        false
    }

    fn release(&mut self, _: AssignmentId) {}
}

/// Takes everything, and gives its receipts on the next poll.
#[derive(Default)]
struct Taker {
    tags: Vec<u64>,
}

impl Sink for Taker {
    fn topic(&mut self, _: &str) -> Result<TopicId, SinkError> {
        Ok(TopicId(0))
    }

    fn write(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        black_box(output.value);
        self.tags.push(output.tag);
        Ok(())
    }

    fn submit(&mut self) {}

    fn poll(&mut self, take: &mut dyn FnMut(Receipt)) {
        for tag in self.tags.drain(..) {
            take(Receipt { tag, result: Ok((0, 0)) });
        }
    }

    fn in_flight(&self) -> usize {
        self.tags.len()
    }
}

fn shard(prepared: &Prepared, events: &Arc<Vec<Buffers>>, metrics: &Metrics) -> Shard {
    let settings = Settings {
        parked_max: 100_000,
        bytes_max: 64 << 20,
        metrics_interval: Duration::from_secs(1),
        pulse: Health::default().pulse("shard"),
        clock: Clock::system(),
        marker: Marker::unkept().expect("memory"),
        callbacks: None,
        nested: NestedLimits::default(),
    };
    let source = Memory { events: events.clone(), next: 0, committed: 0 };
    let lane = Lane {
        plan: prepared.plan.clone(),
        source: Some(Box::new(source)),
        sink: Box::new(Taker::default()),
        letters: Letters::default(),
    };
    let control = Arc::new(Control::default());
    Shard::open(vec![lane], ShardCounters::new(metrics), wake(), control, settings)
        .expect("a shard opens")
}

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

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // Without `--bench` it is a test that this works.
    let is_bench = std::env::args().any(|it| it == "--bench");
    let (rounds, round) = if is_bench { (ROUNDS, ROUND) } else { (1, ROUND / 40) };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join(FOLDER);
    let text = fs::read_to_string(folder.join("pipeline.toml")).expect("the example is there");
    let origin = Origin { folder: &folder, environment: &BTreeMap::new() };
    let config = config::parse(&text, &origin).expect("the example is right");
    let (prepared, _) = prepare(&config).unwrap_or_else(|_| panic!("the example compiles"));
    let scenario = Scenario::read(&root.join(SCENARIO)).expect("the scenario is right");
    let source = Events::of(&scenario).expect("the scenario is right");
    let events: Vec<Buffers> = (0..EVENTS)
        .map(|seq| {
            let mut event = Buffers::default();
            source.write(1, seq, 1_718_042_917_330_000_000, &mut event);
            event
        })
        .collect();
    let bytes = events.iter().map(|it| it.value.len()).sum::<usize>() / events.len();
    let events = Arc::new(events);
    let plan = prepared[0].plan.names();
    let metrics = Metrics::new(vec![PipelineNames { pipeline: "p".to_owned(), plan }]);
    let open = || shard(&prepared[0], &events, &metrics);
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
