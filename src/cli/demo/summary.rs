//! What came out of the demo: rates, latencies, outcomes, whether they add up, samples, what next.

use std::fmt::Write;
use std::sync::PoisonError;
use std::time::Duration;

use super::paint::{Paint, bar, columns};
use super::screen::short;
use super::stage::{DEAD, OUTPUT, PARTITIONS, SAMPLED, Stage};
use super::watch::{Sample, Watch};
use crate::load::figures::{count, micros, rate};
use crate::load::histogram::Percentiles;
use crate::metrics::Totals;

/// Columns of the rate's course.
const COURSE: usize = 40;
/// Cells of a state's bar.
const STATE_BAR: usize = 28;

const NEXT: &[(&str, &str)] = &[
    (
        "expressway exec config/examples/iot-ingestion/definition.asl.json --input \\\n      \
      config/examples/iot-ingestion/input.json",
        "one event, its output, no Kafka",
    ),
    ("expressway demo --definition FILE", "the same stream through your definition"),
    ("expressway run config/examples/iot-ingestion/pipeline.toml", "a pipeline on your Kafka"),
    ("expressway load load-tests/scenarios/iot-steady.toml", "latencies under a set rate"),
];

/// The demo's outcome.
pub struct Summary {
    totals: Totals,
    states: Vec<String>,
    shards: usize,
    /// Events that the broker acknowledged to the generator.
    generated: u64,
    refused: u64,
    first_error: Option<String>,
    /// What is in the topics, by their partitions' ends.
    in_output: u64,
    in_dead: u64,
    full: Duration,
    mean: f64,
    peak: f64,
    half: u64,
    course: Vec<f64>,
    at_full: Percentiles,
    at_half: Percentiles,
    sampled: u64,
    samples: Vec<Sample>,
    stopped_early: bool,
    trouble: Option<String>,
}

impl Summary {
    /// Stops the engine and sums up.
    pub fn of(
        stage: Stage,
        watch: Watch,
        half: u64,
        stopped_early: bool,
        trouble: Option<String>,
    ) -> anyhow::Result<Summary> {
        let (metrics, sent, shards) = (stage.metrics.clone(), stage.sent.clone(), stage.shards);
        let (generated, states) = (stage.acknowledged(), stage.states.clone());
        let (in_output, in_dead) = stage.close()?;
        let full = watch.steps[0].duration;
        let (mean, peak) = watch.rates(full);
        let first_error = sent.first_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Summary {
            totals: metrics.totals(0),
            states,
            shards,
            generated,
            refused: sent.failed.load(std::sync::atomic::Ordering::Relaxed),
            first_error,
            in_output,
            in_dead,
            full,
            mean,
            peak,
            half,
            course: watch.course(COURSE),
            at_full: watch.results.by_step[0].percentiles(),
            at_half: watch.results.by_step[2].percentiles(),
            sampled: watch.results.counts.distinct,
            samples: watch.samples.list,
            stopped_early,
            trouble,
        })
    }

    /// Every event ended in an output or a dead letter, none was lost, none came twice.
    pub fn adds_up(&self) -> bool {
        let counts = &self.totals.counts;
        self.refused == 0
            && self.generated == counts.settled
            && counts.settled == counts.succeeded + self.failed()
            && self.outputs() == counts.succeeded
            && self.in_output == counts.succeeded
            && counts.dead_letters == self.failed()
            && self.in_dead == self.failed()
    }

    /// Acknowledged, dead letters apart.
    fn outputs(&self) -> u64 {
        self.totals.counts.outputs
    }

    fn failed(&self) -> u64 {
        self.totals.counts.failed + self.totals.counts.timed_out
    }

    /// For standard output.
    pub fn text(&self) -> String {
        let paint = Paint::on(&std::io::stdout());
        let mut out = String::new();
        let parts = [Self::head, Self::latencies, Self::outcomes, Self::by_state, Self::examples];
        for part in parts {
            // A String takes everything.
            let _ = part(self, paint, &mut out);
        }
        let _ = next(paint, &mut out);
        out
    }

    fn head(&self, paint: Paint, out: &mut String) -> std::fmt::Result {
        let (shards, seconds) = (self.shards, self.full.as_secs_f64());
        let mean = paint.bold(&format!("{} events/s", rate(self.mean)));
        writeln!(out, "\n  {mean}  {}", paint.lively(&columns(&self.course)))?;
        let bytes = self.totals.counts.bytes_in as f64 / self.generated.max(1) as f64;
        let facts = format!(
            "topic to topic at full speed for {seconds:.1} s, best second {}; {bytes:.0} B an \
             event, {:.0} MB/s in\n  {shards} shards; generator, embedded broker ({PARTITIONS} \
             partitions) and engine on the same {} cores",
            rate(self.peak),
            bytes * self.mean / 1e6,
            std::thread::available_parallelism().map_or(0, |it| it.get()),
        );
        writeln!(out, "  {}", paint.dim(&facts))
    }

    fn latencies(&self, paint: Paint, out: &mut String) -> std::fmt::Result {
        let title = paint.bold("Latency");
        let heads = format!("{:>10}{:>10}{:>10}{:>10}", "p50", "p99", "p99.9", "longest");
        writeln!(out, "\n  {title}{:25}{}", "", paint.dim(&heads))?;
        let mut row = |name: &str, us: [f64; 4]| {
            let cells: String = us.iter().map(|us| format!("{:>10}", micros(*us))).collect();
            writeln!(out, "  {name:<32}{cells}")
        };
        let measured = |it: &Percentiles| [it.p50_us, it.p99_us, it.p999_us, it.max_us];
        if self.at_half.count > 0 {
            let name = format!("end to end at {}/s", count(self.half));
            row(&name, measured(&self.at_half))?;
        }
        if self.at_full.count > 0 {
            row("end to end at full speed, queued", measured(&self.at_full))?;
        }
        let settled = &self.totals.latency;
        let us = |quantile| settled.quantile_ns(quantile) as f64 / 1e3;
        let all = [us(0.5), us(0.99), us(0.999), settled.max_ns() as f64 / 1e3];
        row("arrival to settlement, all", all)?;
        let note = match self.sampled {
            0 => "End to end is not measured: the outputs keep no id and sent_ns.".to_owned(),
            it => format!(
                "End to end: from when an event was due until its output was read back; {} of them, \
                 one\n  partition in {SAMPLED}. Everything shares the same cores, so waiting for one counts.",
                count(it)
            ),
        };
        writeln!(out, "  {}", paint.dim(&note))
    }

    fn outcomes(&self, paint: Paint, out: &mut String) -> std::fmt::Result {
        let counts = &self.totals.counts;
        writeln!(out, "\n  {}", paint.bold("Outcomes"))?;
        let share = |part: u64| 100.0 * part as f64 / self.generated.max(1) as f64;
        let mut row = |name: &str, value: u64, rest: String| {
            writeln!(out, "  {name:<12}{:>13}   {}", count(value), paint.dim(&rest))
        };
        row("generated", self.generated, "acknowledged by the broker".into())?;
        let output = format!(
            "{:.2} %, {} outputs acknowledged, {} in {OUTPUT}",
            share(counts.succeeded),
            count(self.outputs()),
            count(self.in_output)
        );
        row("succeeded", counts.succeeded, output)?;
        let dead = format!(
            "{:.2} %, {} dead letters acknowledged, {} in {DEAD}",
            share(self.failed()),
            count(counts.dead_letters),
            count(self.in_dead)
        );
        row("failed", self.failed(), dead)?;
        if self.refused > 0 {
            row("not sent", self.refused, self.first_error.clone().unwrap_or_default())?;
        }
        self.verdict(paint, out)
    }

    fn verdict(&self, paint: Paint, out: &mut String) -> std::fmt::Result {
        if self.adds_up() {
            let text = "It adds up: generated = succeeded + failed, succeeded = outputs, failed = \
                        dead letters.\n    Nothing lost, nothing twice.";
            writeln!(out, "  {} {text}", paint.good("✓"))?;
        } else {
            let text = "It does not add up: see the figures above.";
            writeln!(out, "  {} {text}", paint.bad("✗"))?;
        }
        if let Some(why) = &self.trouble {
            writeln!(out, "  {} {why}", paint.bad("✗"))?;
        }
        if self.stopped_early {
            writeln!(out, "  {}", paint.dim("Ended early, and drained."))?;
        }
        Ok(())
    }

    fn by_state(&self, paint: Paint, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n  {}", paint.bold("States entered"))?;
        let top =
            self.totals.plan.states.iter().flatten().map(|it| it.entered).max().unwrap_or(0).max(1);
        for (name, counted) in self.states.iter().zip(self.totals.plan.states.iter().flatten()) {
            let share = paint.lively(&bar(counted.entered as f64 / top as f64, STATE_BAR));
            writeln!(out, "  {:<12}{:>13}   {share}", short(name), count(counted.entered))?;
        }
        Ok(())
    }

    fn examples(&self, paint: Paint, out: &mut String) -> std::fmt::Result {
        if self.samples.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n  {}", paint.bold("For example"))?;
        for Sample { input, output } in &self.samples {
            writeln!(out, "  {} {}", paint.dim("in "), input)?;
            writeln!(out, "  {} {}", paint.lively("out"), output)?;
        }
        Ok(())
    }
}

fn next(paint: Paint, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\n  {}", paint.bold("Next"))?;
    for (command, what) in NEXT {
        writeln!(out, "  {}\n    {command}", paint.dim(what))?;
    }
    Ok(())
}
