//! `expressway load SCENARIO`: a load test from a scenario file to a report.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use super::run::Signals;
use super::{FAILED, REFUSED, Run, SUCCEEDED, complain, print};
use crate::load::report::Report;
use crate::load::scenario::Scenario;
use crate::load::{self, LoadError, Progress};

/// How often signals are looked for.
const ROUND: Duration = Duration::from_millis(50);

/// Send a scenario's events to Kafka and measure what comes back
///
/// A scenario is a TOML file: shapes of events (iot, click, order, or a template of your own), their
/// keys and sizes, rates step by step, topics, and what result is a pass. load-tests/scenarios has
/// some. Events are sent on an open-loop schedule: a slow moment makes them late, never fewer, and
/// their latency counts from when they were due. Where the scenario names a result topic, results
/// are read from it, told by the events' ids, and timed by the field sent_ns that they carry: keep
/// both in your outputs.
///
/// Ctrl-C sends no more, waits for what is under way, and reports; such a run has not passed. A
/// second one ends it at once.
///
/// Exits with 0 where all pass criteria hold, 1 where one does not or Kafka can't be reached, 2
/// where the scenario is wrong.
///
/// Examples:
///   expressway load load-tests/scenarios/iot-steady.toml
///   expressway load load-tests/scenarios/click-steps.toml --report-html report.html
#[derive(clap::Parser)]
#[command(name = "load", verbatim_doc_comment)]
pub(super) struct Load {
    /// The scenario, TOML.
    scenario: PathBuf,
    /// Brokers as host:port, several by commas, instead of the scenario's.
    #[arg(long, value_name = "BROKERS")]
    bootstrap: Option<String>,
    /// Write the report as JSON: every figure, step by step and over time.
    #[arg(long, value_name = "FILE")]
    report_json: Option<PathBuf>,
    /// Write the report as a page with charts; it opens without a network.
    #[arg(long, value_name = "FILE")]
    report_html: Option<PathBuf>,
    /// No progress bar; only the summary.
    #[arg(long)]
    no_progress: bool,
}

impl Run for Load {
    fn run(self) -> anyhow::Result<u8> {
        let mut scenario = match Scenario::read(&self.scenario) {
            Ok(scenario) => scenario,
            Err(problems) => return Ok(self.refused(&problems.to_string())),
        };
        if let Some(brokers) = &self.bootstrap {
            scenario.target.bootstrap.clone_from(brokers);
        }
        let signals = Signals::install()?;
        let progress = if self.no_progress { Progress::hidden() } else { Progress::bar() };
        match run(&scenario, &progress, &signals) {
            Ok(report) => self.reported(&report),
            Err(LoadError::Scenario(problems)) => Ok(self.refused(&problems.to_string())),
            Err(LoadError::Kafka(error)) => {
                complain(&format!("error: {error}"));
                Ok(FAILED)
            }
        }
    }
}

impl Load {
    fn refused(&self, problems: &str) -> u8 {
        for problem in problems.lines() {
            complain(&format!("{}: {problem}", self.scenario.display()));
        }
        REFUSED
    }

    fn reported(&self, report: &Report) -> anyhow::Result<u8> {
        print(&report.to_string())?;
        if let Some(file) = &self.report_json {
            write(file, &report.to_json())?;
        }
        if let Some(file) = &self.report_html {
            write(file, &report.to_page())?;
        }
        Ok(if report.passed { SUCCEEDED } else { FAILED })
    }
}

/// Runs the scenario; the first signal ends its sending.
fn run(scenario: &Scenario, progress: &Progress, signals: &Signals) -> Result<Report, LoadError> {
    let (stop, over) = (progress.stop(), AtomicBool::new(false));
    thread::scope(|threads| {
        threads.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                if signals.count() > 0 {
                    stop.store(true, Ordering::Relaxed);
                }
                thread::sleep(ROUND);
            }
        });
        let report = load::run(scenario, progress);
        over.store(true, Ordering::Relaxed);
        report
    })
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text)
        .with_context(|| format!("the report could not be written to {}", file.display()))
}
