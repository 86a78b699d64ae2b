//! `expressway demo`: a broker, a stream and a pipeline in one process, for a look without a setup.

pub(super) mod paint;
mod screen;
mod stage;
mod summary;
mod watch;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::run::Signals;
use super::{FAILED, REFUSED, Run, SUCCEEDED};
use crate::load::clock::Clock;
use crate::load::produce::Sender;
use crate::load::scenario::parse_duration;
use crate::load::schedule::{RateStep, Schedule};
use screen::Screen;
use stage::{Progress, Stage};
use summary::Summary;
use watch::Watch;

/// How often the engine is looked after while it runs.
const ROUND: Duration = Duration::from_millis(250);
/// How long the last events may take to settle once no more come.
const DRAIN_MAX: Duration = Duration::from_secs(20);
/// After the last event has settled, how long results may stay away before none is expected.
const QUIET: Duration = Duration::from_millis(300);
/// Share of the duration, in percent, that goes at full speed.
const FULL_PERCENT: u32 = 75;
/// Between full speed and half of it: what is queued drains, so that it is not measured again.
const PAUSE: Duration = Duration::from_millis(400);

/// Show a state machine at work on a stream: nothing to set up, nothing left behind
///
/// Starts an embedded Kafka broker (librdkafka's mock cluster), generates readings of 10,000 IoT
/// devices into one topic, runs a definition over them with the real engine (every record tracked,
/// acknowledged and committed as in `run`) and writes its outputs to a second topic. Generator,
/// broker and engine share this machine's cores, so the rate is what is left for the engine.
///
/// Three quarters of the time go at full speed, which gives the rate. The rest goes at half of that
/// rate, which gives latencies that are not the queue's. Then it drains, compares what went in with
/// what came out, and prints a summary. Ctrl-C drains at once; a second one ends it.
///
/// Exits with 0 where every event is accounted for, 1 where one is not, 2 where the definition is
/// wrong.
///
/// Examples:
///   expressway demo
///   expressway demo --duration 60s --definition config/examples/benchmark/definition.asl.json
#[derive(clap::Parser)]
#[command(name = "demo", verbatim_doc_comment)]
pub(super) struct Demo {
    /// How long to generate: "20s", "2m". At least 1s.
    #[arg(long, default_value = "20s", value_parser = duration)]
    duration: Duration,
    /// A definition of your own instead of the bundled one, JSON or YAML. Its input is a reading as
    /// the summary shows it. Keep the fields id and sent_ns in its output to have latencies measured
    /// end to end.
    #[arg(long, value_name = "FILE")]
    definition: Option<PathBuf>,
    /// No progress; only the summary.
    #[arg(long)]
    no_progress: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let found = parse_duration(text)?;
    if found < Duration::from_secs(1) {
        return Err("at least 1s, to have a rate at all".into());
    }
    Ok(found)
}

impl Run for Demo {
    fn run(self) -> anyhow::Result<u8> {
        let signals = Signals::install()?;
        let mut stage = match Stage::set(self.definition.as_deref())? {
            Some(stage) => stage,
            None => return Ok(REFUSED),
        };
        let screen = Screen::new(self.no_progress, self.duration);
        screen.title(&stage);
        let mut sender = stage.warm_up()?;
        let steps = self.steps();
        let clock = Clock::start();
        let mut watch = Watch::new(&stage, clock, steps.to_vec())?;
        let (stop, half) = (AtomicBool::new(false), AtomicU64::new(0));
        let progress = stage.progress();
        let trouble = thread::scope(|threads| {
            let generate = || generate(&mut sender, &progress, clock, steps, &stop, &half);
            thread::Builder::new().name("generator".into()).spawn_scoped(threads, generate)?;
            let ended = self.attend(&mut stage, &mut watch, &screen, &signals, &stop);
            stop.store(true, Ordering::Relaxed);
            anyhow::Ok(ended)
        })?;
        screen.clear();
        let stopped_early = signals.count() > 0;
        let summary = Summary::of(stage, watch, half.into_inner(), stopped_early, trouble)?;
        paint::print(&summary.text())?;
        Ok(if summary.adds_up() { SUCCEEDED } else { FAILED })
    }
}

impl Demo {
    /// Full speed, a pause, half speed. The last rate is known once the first was measured.
    fn steps(&self) -> [RateStep; 3] {
        let full = self.duration * FULL_PERCENT / 100;
        let pause = PAUSE.min(self.duration / 20);
        let step = |rate, duration| RateStep { rate, duration };
        [step(0, full), step(1, pause), step(1, self.duration - full - pause)]
    }

    /// Looks after everything until all has settled; says what kept it from that.
    fn attend(
        &self,
        stage: &mut Stage,
        watch: &mut Watch,
        screen: &Screen,
        signals: &Signals,
        stop: &AtomicBool,
    ) -> Option<String> {
        let (mut looked, mut active) = (Instant::now(), Instant::now());
        loop {
            if watch.read() > 0 || !watch.is_sent() {
                active = Instant::now();
            }
            if signals.count() > 0 {
                stop.store(true, Ordering::Relaxed);
            }
            if looked.elapsed() >= ROUND {
                looked = Instant::now();
                if let Some(why) = stage.look_after() {
                    return Some(why);
                }
            }
            if let Some(view) = watch.tick() {
                screen.show(&view, watch);
            }
            let settled = watch.is_settled();
            if watch.is_sent() && active.elapsed() >= if settled { QUIET } else { DRAIN_MAX } {
                let left = format!("not settled within {} s", DRAIN_MAX.as_secs());
                return (!settled).then_some(left);
            }
        }
    }
}

/// The generator's thread: never further ahead of the pipeline than the broker keeps records.
fn generate(
    sender: &mut Sender,
    progress: &Progress,
    clock: Clock,
    steps: [RateStep; 3],
    stop: &AtomicBool,
    half: &AtomicU64,
) {
    let ahead_max = || progress.settled() + stage::AHEAD_MAX;
    let before = progress.settled();
    let [full, pause, mut rest] = steps;
    sender.run(clock, Schedule::new(&[full]), stop, &ahead_max);
    if !stop.load(Ordering::Relaxed) {
        let rate = (progress.settled() - before) as f64 / full.duration.as_secs_f64() / 2.0;
        rest.rate = (rate as u64).max(1);
        half.store(rest.rate, Ordering::Relaxed);
        sender.run(clock, Schedule::new(&[full, pause, rest]), stop, &ahead_max);
    }
    sender.finish();
    sender.sent().done.store(true, Ordering::Release);
}
