//! The report as a page: one file, charts inside, readable in light and in dark, no network.

use super::chart::{Chart, Line, Scale, nice};
use super::figures::{count, micros, micros_short, rate};
use super::report::{Check, Point, Report, StepReport};
use super::xml::escaped;

const STYLE: &str = include_str!("page.css");
/// Labels on the time axis, about.
const TIME_TICKS: f64 = 8.0;

impl Report {
    /// The page.
    pub fn to_page(&self) -> String {
        let name = escaped(&self.scenario);
        let body = [
            self.head(),
            self.tiles(),
            self.rate_chart(),
            self.latency_charts(),
            self.step_table(),
            self.check_table(),
            self.foot(),
        ];
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <title>{name}: load test</title>\n<style>\n{STYLE}</style></head>\n\
             <body><main>\n{}\n</main></body></html>\n",
            body.join("\n")
        )
    }

    fn head(&self) -> String {
        let class = if self.passed { "good" } else { "bad" };
        format!(
            "<header><h1>{}</h1><span class=\"badge {class}\">{}</span></header>\n<p>{}</p>\
             <p class=\"soft\">{}</p>",
            escaped(&self.scenario),
            self.verdict(),
            escaped(&self.description),
            escaped(&self.workload)
        )
    }

    fn tiles(&self) -> String {
        let mut tiles = vec![(rate(self.per_s), "acknowledged per second")];
        if self.measured {
            tiles[0].1 = "results per second";
        }
        if self.latency.count > 0 {
            tiles.push((micros(self.latency.p50_us), "median latency"));
            tiles.push((micros(self.latency.p99_us), "99 % faster than"));
            tiles.push((micros(self.latency.p999_us), "99.9 % faster than"));
        }
        tiles.push((count(self.sent), "events sent"));
        if self.measured {
            let pair = format!("{} / {}", count(self.missing), count(self.duplicates));
            tiles.push((pair, "missing / duplicates"));
        }
        let tile = |(value, label)| {
            format!("<div class=\"tile\"><b>{value}</b><span>{label}</span></div>")
        };
        format!("<div class=\"tiles\">{}</div>", tiles.into_iter().map(tile).collect::<String>())
    }

    fn line(&self, label: &'static str, class: &'static str, of: fn(&Point) -> f64) -> Line {
        let points = self.series.iter().map(|point| (point.at_s, of(point))).collect();
        Line { label, class, points }
    }

    /// As [`Report::line`], without the intervals in which no result came.
    fn timed(&self, label: &'static str, class: &'static str, of: fn(&Point) -> f64) -> Line {
        let mut line = self.line(label, class, of);
        line.points.retain(|(_, value)| *value > 0.0);
        line
    }

    fn rate_chart(&self) -> String {
        let last = match self.measured {
            true => self.line("results", "c2", |p| p.results_per_s),
            false => self.line("acknowledged", "c2", |p| p.acknowledged_per_s),
        };
        card(
            "Events per second",
            &Chart {
                title: "Events per second over time".to_string(),
                lines: vec![self.line("sent", "c1", |p| p.sent_per_s), last],
                ticks: self.time_ticks(),
                scale: Scale::Linear,
                label: rate,
                filled: true,
            },
        )
    }

    fn latency_charts(&self) -> String {
        if self.latency.count == 0 {
            return String::new();
        }
        let over_time = Chart {
            title: "Latency percentiles over time".to_string(),
            lines: vec![
                self.timed("99.9 %", "c4", |p| p.p999_us),
                self.timed("99 %", "c2", |p| p.p99_us),
                self.timed("median", "c3", |p| p.p50_us),
            ],
            ticks: self.time_ticks(),
            scale: Scale::Log,
            label: micros_short,
            filled: false,
        };
        let waiting = Chart {
            title: "Events without a result over time".to_string(),
            lines: vec![self.line("waiting", "c2", |p| p.waiting as f64)],
            ticks: self.time_ticks(),
            scale: Scale::Linear,
            label: rate,
            filled: true,
        };
        [
            card("Latency, from the time an event was due", &over_time),
            card("Latency by share of events", &self.curve_chart()),
            card("Events without a result yet", &waiting),
        ]
        .join("\n")
    }

    /// Each decade of nines gets the same room, as tails deserve.
    fn curve_chart(&self) -> Chart {
        let nines = |share: f64| -(1.0 - share).log10();
        let points: Vec<(f64, f64)> =
            self.curve.iter().map(|(share, us)| (nines(*share), *us)).collect();
        let end = points.last().map_or(1.0, |(at, _)| *at);
        let marks = ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %"];
        let places = marks.iter().enumerate().map(|(i, mark)| (i as f64, (*mark).to_string()));
        let mut ticks: Vec<(f64, String)> = places.take_while(|(at, _)| *at < end - 0.35).collect();
        ticks.push((end, "slowest".to_string()));
        Chart {
            title: "Latency by share of events".to_string(),
            lines: vec![Line { label: "latency", class: "c2", points }],
            ticks,
            scale: Scale::Log,
            label: micros_short,
            filled: true,
        }
    }

    fn time_ticks(&self) -> Vec<(f64, String)> {
        let end = self.series.last().map_or(1.0, |point| point.at_s);
        let step = nice(end / TIME_TICKS);
        let digits = usize::from(step < 1.0);
        let mut ticks: Vec<(f64, String)> = (0..)
            .map(|i| f64::from(i) * step)
            .take_while(|at| *at < end - 0.6 * step)
            .map(|at| (at, format!("{at:.digits$}")))
            .collect();
        ticks.push((end, format!("{end:.1} s")));
        ticks
    }

    fn step_table(&self) -> String {
        let row = |(i, step): (usize, &StepReport)| {
            let asked = if step.rate == 0 { "unbounded".into() } else { count(step.rate) };
            let l = &step.latency;
            let cells = [
                (i + 1).to_string(),
                asked,
                format!("{:.0} s", step.seconds),
                rate(step.sent_per_s),
                rate(step.results_per_s),
                micros(l.p50_us),
                micros(l.p90_us),
                micros(l.p99_us),
                micros(l.p999_us),
                micros(l.max_us),
            ];
            let shown = if self.latency.count > 0 { cells.len() } else { 4 };
            cells[..shown].iter().map(|cell| format!("<td>{cell}</td>")).collect::<String>()
        };
        let heads = "Step,Asked/s,For,Sent/s,Results/s,Median,90 %,99 %,99.9 %,Slowest";
        let shown = if self.latency.count > 0 { usize::MAX } else { 4 };
        let heads: Vec<&str> = heads.split(',').take(shown).collect();
        table("Step by step", &heads, self.steps.iter().enumerate().map(row))
    }

    fn check_table(&self) -> String {
        let row = |check: &Check| {
            let (class, word) = if check.passed { ("good", "ok") } else { ("bad", "failed") };
            let [name, bound, value] =
                [&check.name, &check.bound, &check.value].map(|t| escaped(t));
            format!(
                "<td>{name}</td><td>{value}</td><td>{bound}</td><td class=\"{class}\">{word}</td>"
            )
        };
        table("What makes a pass", &["", "Was", "Asked", ""], self.checks.iter().map(row))
    }

    fn foot(&self) -> String {
        let errors = self.errors.iter().map(|error| format!("First error: {}. ", escaped(error)));
        let notes: String = errors.chain(self.notes().iter().map(|n| format!("{n} "))).collect();
        format!(
            "<p><small>{notes}Open loop: latencies count from the time an event was due, so they \
             hold what a stall held up. Run {} of expressway {}, {} cores, {:.1} s.</small></p>",
            self.run, self.version, self.cores, self.seconds
        )
    }
}

fn card(title: &str, chart: &Chart) -> String {
    let legend = if chart.lines.len() > 1 { chart.legend() } else { String::new() };
    format!(
        "<section class=\"card\"><div><h2>{}</h2><span class=\"legend\">{legend}</span></div>\
         {}</section>",
        escaped(title),
        chart.to_svg()
    )
}

fn table(title: &str, heads: &[&str], rows: impl Iterator<Item = String>) -> String {
    let heads: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
    let rows: String = rows.map(|row| format!("<tr>{row}</tr>")).collect();
    format!(
        "<section class=\"card\"><div><h2>{title}</h2></div><div class=\"scroll\">\
         <table><tr>{heads}</tr>{rows}</table></div></section>"
    )
}
