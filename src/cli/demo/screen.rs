//! The demo's live view: some lines redrawn on a terminal, a line a second elsewhere.

use std::cell::Cell;
use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::paint::{Paint, bar, columns};
use super::stage::{PARTITIONS, Stage};
use super::watch::{View, Watch};
use crate::load::figures::{count, micros, rate};

/// Cells of the progress bar.
const BAR: usize = 40;
/// Cells of a state's bar.
const STATE_BAR: usize = 28;
/// Columns of the rate's course.
const COURSE: usize = 30;
/// States shown, at most.
const STATES_MAX: usize = 12;

/// Where the live view goes.
pub struct Screen {
    paint: Paint,
    way: Way,
    duration: Duration,
    states: Cell<Vec<String>>,
}

enum Way {
    Nowhere,
    /// When the last line was written, in seconds.
    Lines(Cell<u64>),
    Drawn(ProgressBar),
}

impl Screen {
    /// A screen for a run that generates for so long.
    pub fn new(hidden: bool, duration: Duration) -> Screen {
        let stream = std::io::stderr();
        let way = match (hidden, std::io::IsTerminal::is_terminal(&stream)) {
            (true, _) => Way::Nowhere,
            (_, false) => Way::Lines(Cell::new(0)),
            (_, true) => {
                let drawn = ProgressBar::new_spinner();
                let style = ProgressStyle::with_template("{msg}");
                drawn.set_style(style.expect("the template is a constant that indicatif takes"));
                Way::Drawn(drawn)
            }
        };
        Screen { paint: Paint::on(&stream), way, duration, states: Cell::default() }
    }

    /// Says what is about to run.
    pub fn title(&self, stage: &Stage) {
        self.states.set(stage.states.clone());
        if matches!(self.way, Way::Nowhere) {
            return;
        }
        let Stage { shards, definition, target, .. } = stage;
        let name = self.paint.bold("expressway demo");
        let facts = format!(
            "embedded broker at {}, {PARTITIONS} partitions, {shards} shards, definition: \
             {definition}",
            target.bootstrap
        );
        eprintln!("{name}  {}", self.paint.dim(&facts));
    }

    /// Shows how it stands.
    pub fn show(&self, view: &View, watch: &Watch) {
        match &self.way {
            Way::Nowhere => {}
            Way::Lines(last) => {
                if view.at.as_secs() > last.replace(view.at.as_secs()) {
                    eprintln!("{}", line(view));
                }
            }
            Way::Drawn(drawn) => drawn.set_message(self.drawing(view, watch)),
        }
    }

    /// Takes the view away.
    pub fn clear(&self) {
        if let Way::Drawn(drawn) = &self.way {
            drawn.finish_and_clear();
        }
    }

    fn drawing(&self, view: &View, watch: &Watch) -> String {
        let (paint, mut text) = (self.paint, String::new());
        let share = (view.at.as_secs_f64() / self.duration.as_secs_f64()).min(1.0);
        let done = (share * BAR as f64).round() as usize;
        let (done, left) = ("━".repeat(done), "━".repeat(BAR - done));
        let time = format!(
            "{} s of {} s",
            view.at.as_secs().min(self.duration.as_secs()),
            self.duration.as_secs()
        );
        let phase = phase(view.at, watch, self.duration);
        let counts = &view.totals.counts;
        let mut row = |name: &str, rest: String| {
            // A String takes everything.
            let _ = writeln!(text, "  {} {rest}", paint.dim(&format!("{name:<11}")));
        };
        row("", String::new());
        row(phase, format!("{}{}  {time}", paint.lively(&done), paint.dim(&left)));
        row("", String::new());
        let headline = format!("{:>11}", rate(view.rate));
        let course = paint.lively(&columns(&watch.course(COURSE)));
        let best = view.peak.map(|peak| format!("  best {}", rate(peak))).unwrap_or_default();
        row("events/s", format!("{}  {course}{best}", paint.bold(&headline)));
        row(
            "settled",
            format!(
                "{:>11}  in flight {}, lag {}",
                count(counts.settled),
                count(view.totals.levels.in_flight),
                count(view.lag)
            ),
        );
        row(
            "succeeded",
            format!(
                "{:>11}  failed {}, timed out {}",
                count(counts.succeeded),
                count(counts.failed),
                count(counts.timed_out)
            ),
        );
        row("latency", latency(view));
        row("", String::new());
        let top =
            view.totals.plan.states.iter().flatten().map(|it| it.entered).max().unwrap_or(0).max(1);
        let states = self.states.take();
        for (name, counted) in
            states.iter().zip(view.totals.plan.states.iter().flatten()).take(STATES_MAX)
        {
            let share = bar(counted.entered as f64 / top as f64, STATE_BAR);
            let share = paint.lively(&format!("{share:<STATE_BAR$}"));
            row(&short(name), format!("{:>11}  {share}", count(counted.entered)));
        }
        self.states.set(states);
        text
    }
}

/// A name, cut to its column.
pub fn short(name: &str) -> String {
    if name.chars().count() <= 11 {
        return name.to_owned();
    }
    name.chars().take(10).chain(['…']).collect()
}

fn phase(at: Duration, watch: &Watch, duration: Duration) -> &'static str {
    match () {
        () if at >= duration || watch.is_sent() => "draining",
        () if at < watch.steps[0].duration => "full speed",
        () => "half speed",
    }
}

fn latency(view: &View) -> String {
    let counted = &view.totals.latency;
    let ns = |quantile| micros(counted.quantile_ns(quantile) as f64 / 1e3);
    let (what, [p50, p99, p999]) = match view.latency.count {
        0 => ("arrival to settlement", [0.5, 0.99, 0.999].map(ns)),
        _ => {
            let it = view.latency;
            ("end to end", [it.p50_us, it.p99_us, it.p999_us].map(micros))
        }
    };
    format!("p50 {p50}, p99 {p99}, p99.9 {p999}  {what}")
}

fn line(view: &View) -> String {
    let (counts, levels) = (&view.totals.counts, &view.totals.levels);
    format!(
        "{:>4} s  {} events/s  in flight {}  lag {}  succeeded {}  failed {}  {}",
        view.at.as_secs(),
        rate(view.rate),
        count(levels.in_flight),
        count(view.lag),
        count(counts.succeeded),
        count(counts.failed),
        latency(view)
    )
}
