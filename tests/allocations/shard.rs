//! A whole shard, from the source's record to its settlement: decoding, routes, execution, output,
//! receipts, windows.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use expressway::shard::{Clock, Shard, Time, Transactions, Way};
use expressway::sinks::{Hitch, Output, Receipt, SinkError, TopicId, Transactional};

use crate::lane::{self, Event};
use crate::steady::allocations;

const WARM_UP: usize = 60_000;
const EVENTS: usize = 100_000;
const KEYS: usize = 50;
const START_MS: i64 = 1_790_000_000_000;
/// From tick to tick; a Wait of a second is ten of them.
const TICK_MS: i64 = 100;

/// What most of them run.
const PLAIN: &str = r#"{"StartAt": "Look", "States": {
    "Look": {"Type": "Choice", "Default": "Cold",
             "Choices": [{"Variable": "$.temp", "NumericGreaterThan": 30, "Next": "Hot"}]},
    "Hot": {"Type": "Pass", "Parameters": {"id.$": "$.id", "hot": true}, "End": true},
    "Cold": {"Type": "Pass", "Result": false, "ResultPath": "$.hot", "End": true}}}"#;
const PASSING: &str = r#"{"StartAt": "P", "States": {"P": {"Type": "Pass",
    "Parameters": {"temp.$": "$.Value.temp", "by.$": "$.Headers.trace"}, "End": true}}}"#;
/// One in so many waits for a second.
const WAITING: &str = r#"{"StartAt": "Look", "States": {
    "Look": {"Type": "Choice", "Default": "Done",
             "Choices": [{"Variable": "$.waits", "BooleanEquals": true, "Next": "Wait"}]},
    "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Done"},
    "Done": {"Type": "Pass", "End": true}}}"#;
const WAITS_EVERY: usize = 8;
const TAKES: &str =
    r#"{"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": {"done": true}, "End": true}}}"#;
const COUNTS: &str = r#"{"QueryLanguage": "JSONata", "StartAt": "P", "States": {"P": {"Type": "Pass",
    "Output": "{% $count($states.input) %}", "End": true}}}"#;
const ROUTES: &str = r#"
[[pipeline.route]]
name = "dropped"
pattern = { value = { temp = [{ numeric = [">", 47] }] }, headers = { trace = [{ exists = true }] } }
action = "drop"
[[pipeline.route]]
name = "missed"
choice = '{"Variable": "$.value.gone", "NumericLessThan": 5}'
definition = "d.json"
[[pipeline.route]]
name = "chosen"
choice = '{"Variable": "$.value.temp", "NumericLessThan": 15}'
definition = "d.json"
[[pipeline.route]]
name = "asked"
jsonata = "value.temp < 20 and $contains(key, '1')"
definition = "d.json"
"#;

/// All of one size: memory that is used again must have met the largest.
fn events() -> Arc<Vec<Event>> {
    let event = |at: usize| Event {
        key: format!("key-{:02}", at * 7 % KEYS).into_bytes(),
        value: format!(
            r#"{{"id":{},"temp":{},"waits":{:5},"pad":"{}"}}"#,
            1000 + at,
            10 + at % 40,
            at.is_multiple_of(WAITS_EVERY),
            "x".repeat(100)
        )
        .into_bytes(),
        headers: vec![
            ("trace".to_owned(), b"0123456789".to_vec()),
            ("kind".to_owned(), b"a".to_vec()),
        ],
    };
    Arc::new((0..1_001).map(event).collect())
}

/// What keeps nothing, and counts everything.
#[derive(Default)]
struct Kept {
    open: Vec<u64>,
}

impl Transactional for Kept {
    fn topic(&mut self, _: &str) -> Result<TopicId, SinkError> {
        Ok(TopicId(0))
    }

    fn begin(&mut self) -> Result<(), Hitch> {
        Ok(())
    }

    fn write(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        self.open.push(output.tag);
        Ok(())
    }

    fn submit(&mut self) {}

    fn poll(&mut self, take: &mut dyn FnMut(Receipt)) {
        self.open.drain(..).for_each(|tag| take(Receipt { tag, result: Ok((0, 0)) }));
    }

    fn in_flight(&self) -> usize {
        self.open.len()
    }

    fn commit(&mut self, _: &[(&str, i32, i64)]) -> Result<(), Hitch> {
        Ok(())
    }

    fn abort(&mut self) -> Result<(), Hitch> {
        Ok(())
    }
}

/// A shard over a pipeline with these settings and tables, on a clock of its own.
struct Bench {
    shard: Shard,
    now_ms: Arc<AtomicI64>,
    metrics: expressway::metrics::Metrics,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(definition: &str, settings: &str, output: &str, tables: &str, is_once: bool) -> Bench {
        let folder = tempfile::tempdir().expect("a folder can be made");
        std::fs::write(folder.path().join("d.json"), definition).expect("it can be written");
        let text = format!(
            "[engine]\nwindow_records_max = 2000\n[[pipeline]]\nname = \"p\"\ndefinition = \"d.json\"\n\
             on_failure = \"stop\"\n{settings}\n\
             source = {{ topics = [\"in\"], group = \"g\" }}\n\
             output = {{ topic = \"out\"{output} }}\n{tables}"
        );
        let prepared = lane::prepared(folder.path(), &text);
        let metrics = lane::metrics(&prepared);
        let now_ms = Arc::new(AtomicI64::new(START_MS));
        let reads = now_ms.clone();
        let clock = Clock::new(move || {
            let wall_ms = reads.load(Ordering::Relaxed);
            Time { wall_ms, elapsed_ns: (wall_ms - START_MS) as u64 * 1_000_000 }
        });
        let mut ends = lane::ends(events());
        if is_once {
            let transactions = Transactions::new(Box::new(Kept::default()), Duration::ZERO);
            ends = (transactions.source(ends.0), transactions.sink(Way::Output));
        }
        let shard = lane::shard(&prepared, ends, &metrics, clock);
        Bench { shard, now_ms, metrics, folder }
    }

    /// Ticks until so much has been done.
    fn run(&mut self, work: usize) {
        let mut done = 0;
        while done < work {
            done += self.shard.tick();
            self.now_ms.fetch_add(TICK_MS, Ordering::Relaxed);
        }
    }

    /// Allocations an event, once all memory is as large as it gets. Records and receipts both are
    /// work.
    fn allocations(mut self) -> f64 {
        self.run(2 * WARM_UP);
        let before = allocations();
        self.run(2 * EVENTS);
        let count = allocations() - before;
        let Bench { shard, metrics, folder, .. } = self;
        drop(shard);
        drop(folder);
        let settled = metrics.totals(0).counts.settled as usize;
        assert!(settled >= EVENTS / 2, "{settled} settled");
        count as f64 / EVENTS as f64
    }
}

#[test]
fn records_that_run_through_allocate_nothing() {
    assert_eq!(Bench::new(PLAIN, "", ", headers = \"none\"", "", false).allocations(), 0.0);
}

#[test]
fn keys_headers_and_parts_of_outputs_allocate_nothing() {
    let output = ", key = \"$.id\", value = \"$.hot\"";
    assert_eq!(Bench::new(PLAIN, "", output, "", false).allocations(), 0.0);
    let source = ", key = \"$$.Source.Key\"";
    assert_eq!(Bench::new(PASSING, "input = \"record\"", source, "", false).allocations(), 0.0);
}

#[test]
fn routes_allocate_nothing() {
    assert_eq!(Bench::new(PLAIN, "", "", ROUTES, false).allocations(), 0.0);
}

#[test]
fn records_that_wait_for_their_turn_allocate_nothing() {
    assert_eq!(Bench::new(WAITING, "ordering = \"key\"", "", "", false).allocations(), 0.0);
}

#[test]
fn batches_allocate_nothing() {
    for input in ["pipes", "lambda"] {
        let settings = format!("input = \"{input}\"\nbatch = {{ records_max = 50 }}");
        for definition in [TAKES, COUNTS] {
            let cost = Bench::new(definition, &settings, "", "", false).allocations();
            assert_eq!(cost, 0.0, "{input}: {definition}");
        }
    }
}

/// What is held back for its transaction is copied: this is what that costs.
#[test]
fn exactly_once_allocates_what_it_holds_back() {
    let settings = "delivery = \"exactly_once\"";
    let cost = Bench::new(PLAIN, settings, ", headers = \"none\"", "", true).allocations();
    println!("exactly once: {cost:.2} allocations an event");
    assert!(cost < 2.5, "{cost} allocations an event");
}
