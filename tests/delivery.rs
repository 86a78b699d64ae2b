//! The delivery promise under a seeded simulation: a shard runs against a log, a broker and a sink
//! that reorder, refuse, stall, take partitions away and crash. However it goes, every record ends
//! as an output, a dead letter or a drop before an offset above it is committed, and outputs come in
//! the order that was asked for.
//!
//! A failing seed is printed; `EXPRESSWAY_SEED=n cargo test --test delivery` replays it alone.

#[path = "delivery/once.rs"]
mod once;
#[path = "delivery/sink.rs"]
mod sink;
#[path = "delivery/source.rs"]
mod source;
#[path = "delivery/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use expressway::asl::source::Format;
use expressway::engine::plan_for;
use expressway::expr::Path;
use expressway::intrinsics::Random;
use expressway::metrics::{Health, Metrics, PipelineNames, ShardCounters};
use expressway::program::{Options, compile};
use expressway::shard::{
    self, BatchBounds, Clock, Control, Decode, Destination, Input, Issuer, KafkaForm, Key, Lane,
    Letters, NestedLimits, NullValue, Order, Outlet, Output as Shape, Place, Plan, Policy, Routing,
    Settings, Shape as Envelope, Shard, Successor, Suspects, Time, Transactions, Version, Way,
    wake,
};
use expressway::sinks::{Sink, TopicId};
use expressway::sources::Source;
use expressway::targets::Targets;
use expressway::tasks::{self, Mocks};
use expressway::{ack, machine};

use once::FakeTransactions;
use sink::FakeSink;
use source::FakeSource;
use world::Shared;

/// Of those, how many are delivered exactly once as well.
const SEEDS_ONCE: u64 = 10_000;
/// Seeds run by default; others with `EXPRESSWAY_SEEDS=n`.
const SEEDS: u64 = 100_000;
/// Rounds after which a run that has not settled is stuck.
const ROUNDS_MAX: usize = 60_000;
/// Every so many seeds an execution is over several records.
const BATCHED_EVERY: u64 = 8;
/// Rounds after which what is run is exchanged, on average.
const RELOAD_EVERY: u64 = 60;
/// Rounds that a shard goes on for once it has stopped.
const DRAIN_ROUNDS: usize = 50;
/// Records of a partition that may be unsettled.
const WINDOW: usize = 16;

/// Tasks that answer late and sometimes not at all, waits, failures: records of five kinds.
const DEFINITION: &str = r#"{
  "StartAt": "Kind", "TimeoutSeconds": 20,
  "States": {
    "Kind": {"Type": "Choice", "Default": "Done", "Choices": [
      {"Variable": "$.kind", "StringEquals": "task", "Next": "Call"},
      {"Variable": "$.kind", "StringEquals": "wait", "Next": "Nap"},
      {"Variable": "$.kind", "StringEquals": "fail", "Next": "Bad"},
      {"Variable": "$.kind", "StringEquals": "loop", "Next": "Kind"}]},
    "Call": {"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "TimeoutSeconds": 1,
      "ResultPath": "$.answer", "Next": "Done",
      "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 2}],
      "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Done"}]},
    "Nap": {"Type": "Wait", "SecondsPath": "$.seconds", "Next": "Done"},
    "Bad": {"Type": "Fail", "Error": "Bad", "Cause": "as asked"},
    "Done": {"Type": "Succeed"}}}"#;

/// The records that an execution is over, each as its source has it; waits, and names what fails.
const BATCHED: &str = r#"{
  "QueryLanguage": "JSONata", "StartAt": "Read", "TimeoutSeconds": 20,
  "States": {
    "Read": {"Type": "Pass", "Next": "Look", "Output": {"all": "{% [$states.input.{
      'record': $parse($base64decode(value)),
      'id': topic & '-' & $string(partition) & '-' & $string(offset)}] %}"}},
    "Look": {"Type": "Choice", "Default": "Done", "Choices": [
      {"Condition": "{% 'wait' in $states.input.all.record.kind %}", "Next": "Nap"}]},
    "Nap": {"Type": "Wait", "Seconds": "{% $max($states.input.all.record.seconds) %}", "Next": "Done"},
    "Done": {"Type": "Succeed", "Output": "{% {
      'records': [$states.input.all[record.kind != 'fail'].record],
      'batchItemFailures': [$states.input.all[record.kind = 'fail'].{'itemIdentifier': id}]} %}"}}}"#;

const MOCKS: &str = r#"{
  "StateMachines": {"m": {"TestCases": {"c": {"Call": "Answers"}}}},
  "MockedResponses": {"Answers": {
    "0": {"Throw": {"Error": "Busy", "Cause": "later"}, "Latency": "300ms"},
    "1": {"Return": {"late": true}, "Latency": "1500ms"},
    "2": {"Return": {"ok": true}, "Latency": "10ms"}}}}"#;

/// What all runs share.
struct Stage {
    /// By ordering, in the order of [`ORDERINGS`].
    plans: Vec<Arc<Plan>>,
    /// Over several records, in no order and in that of their partitions.
    batched: [Arc<Plan>; 2],
    /// The same on another version of the definition.
    next: Vec<Arc<Plan>>,
    /// Strictly in order, and stops at the first failure.
    stopping: Arc<Plan>,
    /// Plans that were adopted, and those that were not in the end.
    reloads: [AtomicU64; 2],
    metrics: Metrics,
    suspects: Suspects,
    /// Outputs out of the order of their keys, in runs that keep none; and out of the order of their
    /// partitions, in runs that keep that of keys.
    inversions: [AtomicU64; 2],
}

/// A plan that a shard was to make ready for.
struct Reload {
    told: Receiver<Result<(), String>>,
    is_adopted: bool,
}

const ORDERINGS: [shard::Ordering; 3] =
    [shard::Ordering::None, shard::Ordering::Key, shard::Ordering::Partition];

impl Stage {
    fn new() -> Stage {
        let (program, findings) = compile(DEFINITION.as_bytes(), Format::Json, &Options::default());
        let program = Arc::new(program.unwrap_or_else(|| panic!("{findings:?}")));
        let mocks = Mocks::parse(MOCKS.as_bytes(), "m", None).expect("the mocks are right");
        let tasks = plan_for(&program, tasks::Settings::default(), Some(mocks));
        let tasks = Arc::new(tasks.expect("all mocked"));
        let version = Version { machine: "m".into(), program, tasks };
        let text = DEFINITION.replacen("{", r#"{"Comment": "the next","#, 1);
        let (program, _) = compile(text.as_bytes(), Format::Json, &Options::default());
        let program = Arc::new(program.expect("it differs by a comment"));
        let next = Version { program, ..version.clone() };
        let stopping = Plan {
            policy: Policy::Stop,
            retry: shard::Retry::default(),
            ..plan(version.clone(), shard::Ordering::Partition)
        };
        let names = PipelineNames { pipeline: "p".to_owned(), plan: stopping.names() };
        Stage {
            plans: ORDERINGS.map(|it| Arc::new(plan(version.clone(), it))).to_vec(),
            next: ORDERINGS.map(|it| Arc::new(plan(next.clone(), it))).to_vec(),
            reloads: Default::default(),
            batched: batched(),
            stopping: Arc::new(stopping),
            metrics: Metrics::new(vec![names]),
            suspects: Suspects::unkept(1).expect("memory"),
            inversions: Default::default(),
        }
    }
}

fn plan(version: Version, ordering: shard::Ordering) -> Plan {
    let pause = Duration::from_millis(500);
    let retry =
        shard::Retry { attempts: 1, interval: pause, backoff_rate: 1.0, interval_max: pause };
    Plan {
        name: "p".into(),
        routing: Routing::to(Destination::Run(0)),
        versions: vec![version],
        limits: machine::Limits { steps_max: 6, ..machine::Limits::default() },
        input: Input::Value,
        batch: BatchBounds { records_max: 5, bytes_max: 1 << 16, window_ns: 200_000_000 },
        form: Arc::new(KafkaForm { bootstrap_servers: "b".into(), arn: None }),
        decode: Decode::Json,
        null_value: NullValue::Skip,
        output: Shape {
            topic: Some(Place::Fixed("out".into())),
            key: Key::Source,
            has_headers: false,
            value: None,
            split: false,
        },
        policy: Policy::DeadLetter,
        ordering,
        retry,
        window: ack::Limits { records: WINDOW, bytes: u64::MAX },
        batch_max: 8,
        failure_ratio: None,
        issuer: Issuer { key: expressway::tasks::callbacks::Key::drawn(), links: None },
        machines: Arc::from([]),
    }
}

impl Stage {
    /// A plan, and that which takes its place and gives it back.
    fn plans_in_turn(&self, seed: u64, plan: &Arc<Plan>) -> [Arc<Plan>; 2] {
        let is_stopping = Arc::ptr_eq(plan, &self.stopping);
        let is_batched = self.batched.iter().any(|it| Arc::ptr_eq(plan, it));
        let is_alone = is_stopping || is_batched;
        let other = if is_alone { plan } else { &self.next[seed as usize / 10 % 3] };
        [plan.clone(), other.clone()]
    }

    /// Has the shard make ready for the plan whose turn it is, and adopt it or not; what it says of
    /// that comes with its next tick.
    fn reload(&self, control: &Control, turns: &mut [Arc<Plan>; 2], is_adopted: bool) -> Reload {
        turns.swap(0, 1);
        let plan = &turns[0];
        let series = self.metrics.series(0, &plan.names()).expect("there is a pipeline");
        let (tell, told) = std::sync::mpsc::channel();
        let successor = Successor { plan: plan.clone(), series };
        control.order(Order::Prepare(vec![(0, successor)], tell));
        control.order(if is_adopted { Order::Adopt } else { Order::Discard });
        Reload { told, is_adopted }
    }

    /// Counts a reload that the shard was ready for.
    fn count(&self, reload: &Reload) {
        assert_eq!(reload.told.try_recv(), Ok(Ok(())), "a shard is ready for its next plan");
        self.reloads[usize::from(!reload.is_adopted)].fetch_add(1, Ordering::Relaxed);
    }
}

/// Plans over several records: those that fail are named in the answer, the others are written one by
/// one.
fn batched() -> [Arc<Plan>; 2] {
    let (program, findings) =
        compile(BATCHED.replace('\n', " ").as_bytes(), Format::Json, &Options::default());
    let program = Arc::new(program.unwrap_or_else(|| panic!("{findings:?}")));
    let tasks = plan_for(&program, tasks::Settings::default(), None).expect("it has no tasks");
    let version = Version { machine: "b".into(), program, tasks: Arc::new(tasks) };
    [shard::Ordering::None, shard::Ordering::Partition].map(|ordering| {
        let one = plan(version.clone(), ordering);
        let value = Path::parse("$.records").expect("it is a path");
        let output = Shape { value: Some(value), split: true, ..one.output.clone() };
        let limits = machine::Limits::default();
        Arc::new(Plan { input: Input::Batch(Envelope::Pipes), output, limits, ..one })
    })
}

/// A process: from its start to its crash, or until all is done. Says whether all is done.
fn live(stage: &Stage, world: &Shared, seed: u64, plan: &Arc<Plan>, rounds: Option<usize>) -> bool {
    live_as(stage, world, seed, (plan, false), rounds)
}

/// The same, where `is_once`, with transactions.
fn live_as(
    stage: &Stage,
    world: &Shared,
    seed: u64,
    (plan, is_once): (&Arc<Plan>, bool),
    rounds: Option<usize>,
) -> bool {
    let is_last = rounds.is_none();
    let calm = Arc::new(AtomicBool::new(is_last));
    let mut random = Random::new(seed);
    let mut fork = || Random::new(random.bits());
    let source = FakeSource::new(world.clone(), fork(), seed, calm.clone());
    let output = FakeSink::new(world.clone(), fork(), calm.clone(), 20, false);
    let letters = FakeSink::new(world.clone(), fork(), calm.clone(), 5, true);
    let (mut source, mut output, mut letters): (Box<dyn Source>, Box<dyn Sink>, Box<dyn Sink>) =
        (Box::new(source), Box::new(output), Box::new(letters));
    if is_once {
        let backend = FakeTransactions::new(world.clone(), fork(), calm);
        let transactions = Transactions::new(Box::new(backend), Duration::ZERO);
        source = transactions.source(source);
        (output, letters) = (transactions.sink(Way::Output), transactions.sink(Way::Letter));
    }
    let letters = Letters::to_topic(Outlet::new(letters), TopicId(0), None);
    let now = Arc::new(AtomicI64::new(1_700_000_000_000));
    let reads = now.clone();
    let clock = Clock::new(move || {
        let wall_ms = reads.load(Ordering::Relaxed);
        Time { wall_ms, elapsed_ns: wall_ms as u64 * 1_000_000 }
    });
    let settings = Settings {
        parked_max: 30,
        calls_waiting_max: 1_000,
        bytes_max: 1 << 20,
        metrics_interval: Duration::from_secs(3600),
        pulse: Health::default().pulse("shard"),
        clock,
        marker: stage.suspects.marker(0),
        targets: Targets::default(),
        callbacks: None,
        nested: NestedLimits::default(),
    };
    let lane = Lane { plan: plan.clone(), source: Some(source), sink: output, letters };
    let control = Arc::new(Control::default());
    let counters = ShardCounters::new(&stage.metrics);
    let mut shard = Shard::open(vec![lane], counters, wake(), control.clone(), settings)
        .expect("a shard opens");
    let (mut time, mut chance) = (fork(), fork());
    let mut turns = stage.plans_in_turn(seed, plan);
    for _ in 0..rounds.unwrap_or(ROUNDS_MAX) {
        let is_due = chance.below(RELOAD_EVERY) == 0;
        let reload = is_due.then(|| stage.reload(&control, &mut turns, chance.below(4) > 0));
        shard.tick();
        reload.iter().for_each(|reload| stage.count(reload));
        now.fetch_add(time.below(120) as i64, Ordering::Relaxed);
        let world = world.lock();
        let is_done = world.committed.iter().all(|point| *point == world.end());
        if world.problem.is_some() || (is_last && is_done) {
            return true;
        }
        drop(world);
        if !control.halts().is_empty() {
            assert_eq!(plan.policy, Policy::Stop, "halted: {:?}", control.halts());
            // What is in flight goes on until the process ends.
            for _ in 0..DRAIN_ROUNDS {
                shard.tick();
                now.fetch_add(time.below(120) as i64, Ordering::Relaxed);
            }
            return false;
        }
    }
    false
}

fn run(stage: &Stage, seed: u64) {
    let world = Shared::new(seed);
    let mut random = Random::new(seed);
    let plan = match seed % BATCHED_EVERY {
        0 => &stage.batched[(seed / BATCHED_EVERY % 2) as usize],
        _ => &stage.plans[seed as usize % 3],
    };
    let ordering = plan.ordering;
    for life in 0..random.below(3) {
        let rounds = 20 + random.below(300) as usize;
        live(stage, &world, seed * 10 + life, plan, Some(rounds));
    }
    let is_done = live(stage, &world, seed * 10 + 9, plan, None);
    let world = world.lock();
    assert_eq!(world.problem, None);
    assert!(is_done, "stuck at {:?}", world.committed);
    assert_eq!(world.lost(), 0, "records are lost");
    let by_key = world.inversions(|place| world.key(place));
    let by_partition = world.inversions(|_| Some(0));
    match ordering {
        // Batches take their records' order along, all but those that fail.
        shard::Ordering::None if seed.is_multiple_of(BATCHED_EVERY) => 0,
        shard::Ordering::None => stage.inversions[0].fetch_add(by_key as u64, Ordering::Relaxed),
        shard::Ordering::Key => {
            assert_eq!(by_key, 0, "outputs of a key are out of order");
            stage.inversions[1].fetch_add(by_partition as u64, Ordering::Relaxed)
        }
        shard::Ordering::Partition => {
            assert_eq!(by_partition, 0, "outputs of a partition are out of order");
            0
        }
    };
}

/// The same with transactions: what was committed counts once.
fn run_once(stage: &Stage, seed: u64) {
    let world = Shared::new(seed);
    let mut random = Random::new(seed);
    let plan = &stage.plans[seed as usize % 3];
    for life in 0..random.below(3) {
        let rounds = 20 + random.below(300) as usize;
        live_as(stage, &world, seed * 10 + life, (plan, true), Some(rounds));
    }
    let is_done = live_as(stage, &world, seed * 10 + 9, (plan, true), None);
    let world = world.lock();
    assert_eq!(world.problem, None);
    assert!(is_done, "stuck at {:?}", world.committed);
    assert_eq!(world.lost(), 0, "records are lost");
}

#[test]
fn what_is_delivered_exactly_once_counts_once_whatever_happens() {
    let stage = Stage::new();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number("EXPRESSWAY_SEED") {
        return run_once(&stage, seed);
    }
    let seeds = number("EXPRESSWAY_SEEDS").unwrap_or(SEEDS_ONCE);
    all(seeds, |seed| run_once(&stage, seed));
}

/// Runs all seeds on all cores; the first that fails is told of.
fn all(seeds: u64, run: impl Fn(u64) + Sync) {
    let (next, has_failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        while !has_failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            if catch_unwind(AssertUnwindSafe(|| run(seed))).is_err() {
                has_failed.store(true, Ordering::Relaxed);
                eprintln!("replay: EXPRESSWAY_SEED={seed} cargo test --test delivery");
            }
        }
    };
    std::thread::scope(|threads| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (0..cores).for_each(|_| drop(threads.spawn(work)));
    });
    assert!(!has_failed.into_inner(), "a seed has failed, see above");
}

#[test]
fn nothing_is_lost_or_out_of_order_whatever_happens() {
    let stage = Stage::new();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number("EXPRESSWAY_SEED") {
        return run(&stage, seed);
    }
    let seeds = number("EXPRESSWAY_SEEDS").unwrap_or(SEEDS);
    all(seeds, |seed| run(&stage, seed));
    let reloads = stage.reloads.map(AtomicU64::into_inner);
    assert!(reloads.iter().all(|it| *it > 0), "plans come and go: {reloads:?}");
    // Or there would have been no order to keep.
    let inversions = stage.inversions.map(AtomicU64::into_inner);
    assert!(inversions.iter().all(|it| *it > 0), "executions overtake each other: {inversions:?}");
}

#[test]
fn a_pipeline_that_stops_writes_nothing_from_behind_the_failure() {
    let stage = Stage::new();
    let mut stopped = 0;
    for seed in 0..300 {
        let world = Shared::new(seed);
        stopped += u32::from(!live(&stage, &world, seed, &stage.stopping, Some(ROUNDS_MAX)));
        assert_eq!(world.lock().behind_a_failure(), None, "seed {seed}");
    }
    assert!(stopped > 200, "most runs have a failure: {stopped}");
}
