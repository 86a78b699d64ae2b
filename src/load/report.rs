//! What came out of a run: figures, time series, and whether that is a pass. As JSON, as a summary
//! for the terminal, and (in [`super::page`]) as a page with charts.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::figures::{count, micros, rate};
use super::histogram::Percentiles;
use super::scenario::Pass;

/// A generator that is later than this says so.
const LATE_US: f64 = 20_000.0;

/// A run's outcome.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// What it is to find out.
    pub description: String,
    /// Its mix, keys and topics.
    pub workload: String,
    /// This program's version.
    pub version: String,
    /// Cores of the machine the generator ran on.
    pub cores: usize,
    /// When the first event was due.
    pub started_unix_ms: u64,
    /// What the run's event ids start with.
    pub run: String,
    /// Results were read; without a result topic only acknowledgements are counted.
    pub measured: bool,
    /// It was ended early.
    pub stopped: bool,
    /// From the start to the last result (or acknowledgement).
    pub seconds: f64,
    /// Events handed to Kafka's client.
    pub sent: u64,
    /// Events that Kafka acknowledged.
    pub acknowledged: u64,
    /// Events that it did not.
    pub failed: u64,
    /// Events with a result.
    pub results: u64,
    /// Acknowledged events without one.
    pub missing: u64,
    /// Results beyond an event's first.
    pub duplicates: u64,
    /// Records in the result topic without an id of this run.
    pub foreign: u64,
    /// Results that lost the field `sent_ns`.
    pub untimed: u64,
    /// Results (or acknowledgements) per second over the whole run.
    pub per_s: f64,
    /// How long after it was due an event was sent, at most; latencies hold that too.
    pub late_us_max: f64,
    /// The first error of either side.
    pub errors: Vec<String>,
    /// From when an event was due until its result was seen.
    pub latency: Percentiles,
    /// Share of events and the latency in microseconds they stayed below.
    pub curve: Vec<(f64, f64)>,
    /// Step by step.
    pub steps: Vec<StepReport>,
    /// Interval by interval.
    pub series: Vec<Point>,
    /// What the scenario asks for.
    pub checks: Vec<Check>,
    /// All of that holds.
    pub passed: bool,
}

/// One rate step's outcome.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    /// Events per second asked for; 0 is as fast as it goes.
    pub rate: u64,
    /// For how long.
    pub seconds: f64,
    /// Events of this step.
    pub sent: u64,
    /// The same per second.
    pub sent_per_s: f64,
    /// Results seen per second while it went on.
    pub results_per_s: f64,
    /// Latencies of its events.
    pub latency: Percentiles,
}

/// A point of the time series: rates and latencies since the point before.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Point {
    /// Seconds from the start.
    pub at_s: f64,
    /// Events handed over.
    pub sent_per_s: f64,
    /// Events acknowledged.
    pub acknowledged_per_s: f64,
    /// Results.
    pub results_per_s: f64,
    /// Events without a result at that moment.
    pub waiting: u64,
    /// Median latency of the results seen.
    pub p50_us: f64,
    /// 99 % were faster.
    pub p99_us: f64,
    /// 99.9 % were.
    pub p999_us: f64,
}

/// Something a scenario asks for.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// The bound, as text.
    pub bound: String,
    /// What it was.
    pub value: String,
    /// Within the bound.
    pub passed: bool,
}

impl Point {
    /// The point as a line of progress.
    pub fn line(&self, measured: bool) -> String {
        let sent = format!("sent {}/s", rate(self.sent_per_s));
        if !measured {
            return format!("{sent}  acknowledged {}/s", rate(self.acknowledged_per_s));
        }
        format!(
            "{sent}  results {}/s  waiting {}  p50 {}  p99 {}",
            rate(self.results_per_s),
            count(self.waiting),
            micros(self.p50_us),
            micros(self.p99_us)
        )
    }
}

impl Report {
    /// The report with its checks made.
    pub fn judged(mut self, pass: &Pass) -> Report {
        let mut checks = vec![at_most("failed", self.failed, 0)];
        if self.measured {
            checks.push(at_most("missing", self.missing, pass.missing_max));
        }
        checks.extend(pass.duplicates_max.map(|max| at_most("duplicates", self.duplicates, max)));
        checks.extend(pass.rate_min.map(|min| Check {
            name: "rate".to_string(),
            bound: format!("at least {}/s", count(min)),
            value: format!("{}/s", rate(self.per_s)),
            passed: self.per_s >= min as f64,
        }));
        let latency = self.latency;
        for (name, max, value_us) in [
            ("p50", pass.p50_max, latency.p50_us),
            ("p99", pass.p99_max, latency.p99_us),
            ("p99.9", pass.p999_max, latency.p999_us),
        ] {
            checks.extend(max.map(|max| self.latency_check(name, max, value_us)));
        }
        self.passed = !self.stopped && checks.iter().all(|check| check.passed);
        self.checks = checks;
        self
    }

    /// Without a single latency there is nothing that could be within a bound.
    fn latency_check(&self, name: &str, max: Duration, value_us: f64) -> Check {
        let none = self.latency.count == 0;
        Check {
            name: name.to_string(),
            bound: format!("at most {}", micros(max.as_secs_f64() * 1e6)),
            value: if none { "no result carries sent_ns".to_string() } else { micros(value_us) },
            passed: !none && value_us <= max.as_secs_f64() * 1e6,
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain figures and texts always serialise")
    }

    /// What a reader of the figures should know besides.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.late_us_max > LATE_US {
            let late = micros(self.late_us_max);
            notes.push(format!(
                "The generator itself sent events up to {late} late, which latencies hold: it \
                 lacked processor time, or Kafka took events more slowly than asked."
            ));
        }
        if self.foreign > 0 {
            let foreign = count(self.foreign);
            notes.push(format!("{foreign} records in the result topic have no id of this run."));
        }
        if self.untimed > 0 {
            let untimed = count(self.untimed);
            notes.push(format!(
                "{untimed} results are not timed: the definition dropped the field sent_ns."
            ));
        }
        notes
    }

    /// `passed`, `failed` or `ended early`.
    pub fn verdict(&self) -> &'static str {
        match (self.passed, self.stopped) {
            (true, _) => "passed",
            (_, true) => "ended early",
            _ => "failed",
        }
    }
}

fn at_most(name: &str, value: u64, max: u64) -> Check {
    Check {
        name: name.to_string(),
        bound: format!("at most {}", count(max)),
        value: count(value),
        passed: value <= max,
    }
}

/// The summary for a terminal.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.scenario, self.verdict())?;
        writeln!(f, "  {}", self.workload)?;
        let (sent, acknowledged) = (count(self.sent), count(self.acknowledged));
        writeln!(f, "  sent {sent}, acknowledged {acknowledged} in {:.1} s", self.seconds)?;
        if self.measured {
            let [results, missing, duplicates] =
                [self.results, self.missing, self.duplicates].map(count);
            let per_s = rate(self.per_s);
            writeln!(
                f,
                "  results {results} ({per_s}/s), missing {missing}, duplicates {duplicates}"
            )?;
        }
        if self.latency.count > 0 {
            writeln!(f, "\n  {:>12} {:>11} {:>11} {HEADS}", "asked/s", "sent/s", "results/s")?;
            for step in &self.steps {
                let asked = if step.rate == 0 { "unbounded".into() } else { count(step.rate) };
                let (sent, results) = (rate(step.sent_per_s), rate(step.results_per_s));
                writeln!(f, "  {asked:>12} {sent:>11} {results:>11} {}", columns(&step.latency))?;
            }
            writeln!(f, "  {:>12} {:>11} {:>11} {}", "all", "", "", columns(&self.latency))?;
        }
        writeln!(f)?;
        for Check { name, bound, value, passed } in &self.checks {
            writeln!(f, "  {} {name} {value} ({bound})", if *passed { "ok  " } else { "FAIL" })?;
        }
        self.notes().iter().try_for_each(|note| writeln!(f, "  {note}"))?;
        self.errors.iter().try_for_each(|error| writeln!(f, "  first error: {error}"))
    }
}

const HEADS: &str = "      p50       p90       p99     p99.9       max";

fn columns(latency: &Percentiles) -> String {
    let Percentiles { p50_us, p90_us, p99_us, p999_us, max_us, .. } = *latency;
    [p50_us, p90_us, p99_us, p999_us, max_us].map(|us| format!("{:>9}", micros(us))).join(" ")
}
