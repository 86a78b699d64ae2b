//! The demo seen from outside: results as they come, the engine's counts over time, three events
//! with what became of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;

use super::stage::{OUTPUT, SAMPLED, Stage};
use crate::load::clock::Clock;
use crate::load::events::{Buffers, Events};
use crate::load::histogram::Percentiles;
use crate::load::kafka as clients;
use crate::load::measure::Results;
use crate::load::produce::Sent;
use crate::load::schedule::RateStep;
use crate::metrics::{Metrics, Totals};

/// Results taken between two looks at everything else.
const BATCH: usize = 1_000;
/// How long to wait for a result before looking at everything else.
const POLL: Duration = Duration::from_millis(5);
/// How often the engine's counts are noted.
const INTERVAL_NS: u64 = 200_000_000;
/// Noted points in a second, over which rates are shown.
const SECOND: usize = (1_000_000_000 / INTERVAL_NS) as usize;
/// Events shown with their outputs.
const SAMPLES: usize = 3;
/// Outputs among which events of different kinds are looked for.
const LOOKED_AT_MAX: usize = 2_000;

/// An event and its output.
pub struct Sample {
    /// As it was generated.
    pub input: String,
    /// As it came out.
    pub output: String,
}

/// How it stands.
pub struct View {
    /// Since the start.
    pub at: Duration,
    /// What the engine has counted.
    pub totals: Totals,
    /// Events settled per second, over the last second.
    pub rate: f64,
    /// The highest of those, once there is a second to tell.
    pub peak: Option<f64>,
    /// End to end, of about the last second.
    pub latency: Percentiles,
    /// Records behind, all partitions.
    pub lag: u64,
}

/// Watches the demo.
pub struct Watch {
    clock: Clock,
    metrics: Arc<Metrics>,
    sent: Arc<Sent>,
    events: Events,
    run: u32,
    consumer: BaseConsumer,
    /// Latencies and counts of the sampled partitions.
    pub results: Results,
    /// The generator's steps.
    pub steps: Vec<RateStep>,
    /// Three of them, as different as they come.
    pub samples: Samples,
    /// When, and how many had settled by then.
    points: Vec<(u64, u64)>,
    peak: f64,
    latency: Percentiles,
}

impl Watch {
    /// Begins to watch what starts with its clock.
    pub fn new(stage: &Stage, clock: Clock, steps: Vec<RateStep>) -> anyhow::Result<Watch> {
        Ok(Watch {
            clock,
            metrics: stage.metrics.clone(),
            sent: stage.sent.clone(),
            events: stage.events.clone(),
            run: stage.run,
            consumer: clients::results(&stage.target, OUTPUT, SAMPLED)?,
            results: Results::new(stage.run, clock.start_ns(), steps.clone()),
            steps,
            samples: Samples::default(),
            points: vec![(0, stage.progress().settled())],
            peak: 0.0,
            latency: Percentiles::default(),
        })
    }

    /// Takes the results that are there, some at most; how many.
    pub fn read(&mut self) -> usize {
        for taken in 0..BATCH {
            let wait = if taken == 0 { POLL } else { Duration::ZERO };
            match self.consumer.poll(wait) {
                None => return taken,
                // The broker has let a record go unread: a sample fewer, and nothing more.
                Some(Err(_)) => {}
                Some(Ok(message)) => {
                    let value = message.payload().unwrap_or_default();
                    let offered = self.sent.offered.load(Ordering::Relaxed);
                    self.results.take(value, self.clock.now_ns(), offered);
                    self.samples.look_at(value, &self.results, &self.events, self.run);
                }
            }
        }
        BATCH
    }

    /// Notes how it stands, where it is time for that.
    pub fn tick(&mut self) -> Option<View> {
        let now_ns = self.clock.since_start_ns();
        let (last_ns, _) = *self.points.last()?;
        if now_ns < last_ns + INTERVAL_NS {
            return None;
        }
        let totals = self.metrics.totals(0);
        self.points.push((now_ns, totals.counts.settled));
        let rate = self.rate_since(self.points.len().saturating_sub(SECOND + 1));
        if self.points.len() > SECOND {
            self.peak = self.peak.max(rate);
        }
        if self.points.len().is_multiple_of(SECOND) {
            self.latency = self.results.interval.percentiles();
            self.results.interval.clear();
        }
        let lag = totals.lag.values().sum();
        let at = Duration::from_nanos(now_ns);
        let peak = Some(self.peak).filter(|peak| *peak > 0.0);
        Some(View { at, rate, peak, latency: self.latency, lag, totals })
    }

    fn rate_since(&self, point: usize) -> f64 {
        let ((from_ns, from), (to_ns, to)) =
            (self.points[point], self.points[self.points.len() - 1]);
        (to - from) as f64 * 1e9 / (to_ns - from_ns).max(1) as f64
    }

    /// Events settled per second from the start up to a time, and in the best second of all.
    pub fn rates(&self, until: Duration) -> (f64, f64) {
        let until_ns = until.as_nanos() as u64;
        let last = self.points.iter().take_while(|(at_ns, _)| *at_ns <= until_ns).last();
        let (start, last) = (self.points[0], *last.unwrap_or(&self.points[0]));
        let mean = (last.1 - start.1) as f64 * 1e9 / (last.0 - start.0).max(1) as f64;
        (mean, self.peak.max(mean))
    }

    /// Events settled per second in each of so many equal parts of what has been seen.
    pub fn course(&self, parts: usize) -> Vec<f64> {
        let steps: Vec<f64> = self
            .points
            .windows(2)
            .map(|two| (two[1].1 - two[0].1) as f64 * 1e9 / (two[1].0 - two[0].0).max(1) as f64)
            .collect();
        let size = steps.len().div_ceil(parts).max(1);
        steps.chunks(size).map(|part| part.iter().sum::<f64>() / part.len() as f64).collect()
    }

    /// No more events come, and the broker has answered for all.
    pub fn is_sent(&self) -> bool {
        self.sent.done.load(Ordering::Acquire)
    }

    /// Everything that the broker has acknowledged so far is settled.
    pub fn is_settled(&self) -> bool {
        let settled = self.metrics.totals(0).counts.settled;
        settled >= self.sent.acknowledged.load(Ordering::Relaxed)
    }
}

/// A few events with their outputs.
#[derive(Default)]
pub struct Samples {
    /// Those found so far.
    pub list: Vec<Sample>,
    looked_at: usize,
}

impl Samples {
    /// Keeps an output that is unlike those before, until there are enough.
    fn look_at(&mut self, output: &[u8], results: &Results, events: &Events, run: u32) {
        if self.list.len() == SAMPLES {
            return;
        }
        self.looked_at += 1;
        let Some(sample) = sample(results, events, run, output) else { return };
        let kind = kind_of(&sample.output);
        let is_new = self.list.iter().all(|it| kind_of(&it.output) != kind);
        // A definition may make all outputs alike: then any will do.
        if is_new || self.looked_at > LOOKED_AT_MAX {
            self.list.push(sample);
        }
    }
}

/// The event that an output came of, written again, and the output.
fn sample(results: &Results, events: &Events, run: u32, output: &[u8]) -> Option<Sample> {
    let (seq, sent_ns) = (results.seq(output)?, results.sent_ns(output)?);
    let mut buffers = Buffers::default();
    events.write(run, seq, sent_ns, &mut buffers);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Sample { input: text(&buffers.value), output: text(output) })
}

/// What is left of an output without its figures: outputs alike in that are of one kind.
fn kind_of(output: &str) -> String {
    output.chars().filter(|it| !it.is_ascii_digit()).collect()
}
