//! A run seen from outside: reads results as they come, takes a point of the time series every so
//! often, moves the progress bar, and knows when all is over.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::ProgressBar;
use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;

use super::clock::Clock;
use super::histogram::Latencies;
use super::measure::Results;
use super::produce::Sent;
use super::report::{Point, Report, StepReport};
use super::scenario::Scenario;
use super::schedule::{RateStep, step_at};

/// Points of the time series, about.
const POINTS: u32 = 240;
/// Points are at least this far apart.
const INTERVAL_MIN: Duration = Duration::from_millis(250);
/// After every event has its result, how long to look out for further ones: duplicates.
const DUPLICATES: Duration = Duration::from_millis(500);
/// Results taken between two looks at everything else.
const BATCH: usize = 1_000;
/// How long to wait for a result before looking at everything else.
const POLL: Duration = Duration::from_millis(10);

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    at_ns: u64,
    offered: u64,
    acknowledged: u64,
    failed: u64,
    results: u64,
}

impl Totals {
    /// Events that should have a result by and by.
    fn expected(&self) -> u64 {
        self.offered.saturating_sub(self.failed)
    }
}

/// A run being watched.
pub struct Watch {
    clock: Clock,
    steps: Vec<RateStep>,
    interval: Duration,
    patience: Duration,
    planned_ns: u64,
    sent: Arc<Sent>,
    consumer: Option<BaseConsumer>,
    results: Results,
    last: Totals,
    /// Results seen while each step went on.
    seen_in_step: Vec<u64>,
    /// When something last happened: a result, or the last acknowledgement.
    active_ns: u64,
    series: Vec<Point>,
    read_error: Option<String>,
    run: u32,
}

impl Watch {
    /// Begins to watch a run that starts with its clock.
    pub fn new(
        scenario: &Scenario,
        clock: Clock,
        run: u32,
        sent: Arc<Sent>,
        consumer: Option<BaseConsumer>,
    ) -> Watch {
        let steps = scenario.steps();
        Watch {
            clock,
            interval: (scenario.duration() / POINTS).max(INTERVAL_MIN),
            patience: scenario.target.patience,
            planned_ns: scenario.duration().as_nanos() as u64,
            sent,
            consumer,
            results: Results::new(run, clock.start_ns(), steps.clone()),
            last: Totals::default(),
            seen_in_step: vec![0; steps.len()],
            active_ns: 0,
            series: Vec::new(),
            read_error: None,
            steps,
            run,
        }
    }

    /// Watches until every event is accounted for, or given up.
    pub fn until_done(&mut self, bar: &ProgressBar) {
        bar.set_length(self.planned_ns / 1_000_000);
        loop {
            let done = self.sent.done.load(Ordering::Acquire);
            if !done {
                self.active_ns = self.clock.since_start_ns();
            }
            self.read();
            let now = self.totals();
            if now.at_ns - self.last.at_ns >= self.interval.as_nanos() as u64 {
                self.tick(now, bar);
            }
            if done && self.is_over(now) {
                return self.tick(now, bar);
            }
        }
    }

    fn read(&mut self) {
        let Some(consumer) = &self.consumer else { return thread::sleep(POLL) };
        for i in 0..BATCH {
            match consumer.poll(if i == 0 { POLL } else { Duration::ZERO }) {
                None => break,
                Some(Err(error)) => {
                    self.read_error.get_or_insert_with(|| error.to_string());
                }
                Some(Ok(message)) => {
                    let now_ns = self.clock.now_ns();
                    let offered = self.sent.offered.load(Ordering::Relaxed);
                    self.results.take(message.payload().unwrap_or_default(), now_ns, offered);
                    self.active_ns = now_ns - self.clock.start_ns();
                    if self.active_ns < self.planned_ns {
                        self.seen_in_step[step_at(&self.steps, self.active_ns)] += 1;
                    }
                }
            }
        }
    }

    fn totals(&self) -> Totals {
        Totals {
            at_ns: self.clock.since_start_ns(),
            offered: self.sent.offered.load(Ordering::Relaxed),
            acknowledged: self.sent.acknowledged.load(Ordering::Relaxed),
            failed: self.sent.failed.load(Ordering::Relaxed),
            results: self.results.counts.distinct,
        }
    }

    fn is_over(&self, now: Totals) -> bool {
        let complete = self.consumer.is_none() || now.results >= now.expected();
        let wait = if complete { DUPLICATES } else { self.patience };
        self.consumer.is_none()
            || now.at_ns.saturating_sub(self.active_ns) >= wait.as_nanos() as u64
    }

    fn tick(&mut self, now: Totals, bar: &ProgressBar) {
        let seconds = (now.at_ns - self.last.at_ns).max(1) as f64 / 1e9;
        let rate = |now: u64, last: u64| ((now - last) as f64 / seconds).round();
        let latency = self.results.interval.percentiles();
        let point = Point {
            at_s: now.at_ns as f64 / 1e9,
            sent_per_s: rate(now.offered, self.last.offered),
            acknowledged_per_s: rate(now.acknowledged, self.last.acknowledged),
            results_per_s: rate(now.results, self.last.results),
            waiting: now.expected().saturating_sub(now.results),
            p50_us: latency.p50_us,
            p99_us: latency.p99_us,
            p999_us: latency.p999_us,
        };
        bar.set_position(now.at_ns.min(self.planned_ns) / 1_000_000);
        bar.set_message(point.line(self.consumer.is_some()));
        self.series.push(point);
        self.results.interval.clear();
        self.last = now;
    }

    /// What came out of it.
    pub fn report(&self, scenario: &Scenario, stopped: bool) -> Report {
        let (now, counts) = (self.last, self.results.counts);
        let mut all = Latencies::default();
        self.results.by_step.iter().for_each(|latencies| all.add(latencies));
        let measured = self.consumer.is_some();
        let seconds = self.active_ns.max(1) as f64 / 1e9;
        let through = if measured { now.results } else { now.acknowledged };
        let first_error = self.sent.first_error.lock().unwrap_or_else(PoisonError::into_inner);
        Report {
            scenario: scenario.name.clone(),
            description: scenario.description.clone(),
            workload: scenario.workload(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            cores: thread::available_parallelism().map_or(0, |n| n.get()),
            started_unix_ms: self.clock.start_ns() / 1_000_000,
            run: format!("{:08x}", self.run),
            measured,
            stopped,
            seconds,
            sent: now.offered,
            acknowledged: now.acknowledged,
            failed: now.failed,
            results: now.results,
            missing: if measured { now.expected().saturating_sub(now.results) } else { 0 },
            duplicates: counts.duplicates,
            foreign: counts.foreign,
            untimed: counts.untimed,
            per_s: (through as f64 / seconds).round(),
            late_us_max: self.sent.late_ns_max.load(Ordering::Relaxed) as f64 / 1e3,
            errors: first_error.iter().chain(&self.read_error).cloned().collect(),
            latency: all.percentiles(),
            curve: all.curve(),
            steps: self.steps.iter().enumerate().map(|(i, step)| self.step(i, step)).collect(),
            series: self.series_to(seconds + self.interval.as_secs_f64()),
            checks: Vec::new(),
            passed: false,
        }
        .judged(&scenario.pass)
    }

    /// The series without the patience at its end.
    fn series_to(&self, end_s: f64) -> Vec<Point> {
        self.series.iter().filter(|point| point.at_s <= end_s).copied().collect()
    }

    fn step(&self, i: usize, step: &RateStep) -> StepReport {
        let seconds = step.duration.as_secs_f64();
        let sent = self.sent.by_step[i].load(Ordering::Relaxed);
        StepReport {
            rate: step.rate,
            seconds,
            sent,
            sent_per_s: (sent as f64 / seconds).round(),
            results_per_s: (self.seen_in_step[i] as f64 / seconds).round(),
            latency: self.results.by_step[i].percentiles(),
        }
    }
}
