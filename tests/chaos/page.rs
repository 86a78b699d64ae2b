//! The timeline as a page: who was there when, what befell whom, and how the flow went. One file, no
//! script, no network.

use std::fmt::Write;

use expressway::load::chart::{Chart, Line, Scale, nice};
use expressway::load::figures::count;
use expressway::load::xml::escaped;

use crate::plan::MEMBERS_MAX;
use crate::story::{Entry, Lane, State, Story};

const STYLE: &str = include_str!("../../src/load/page.css");
/// For the lanes; the rest is as in the load generator's reports.
const LANES_STYLE: &str = ".up{fill:var(--c3)}.frozen{fill:var(--c2);opacity:.45}.stopping{fill:var(--c1)}\
                           .kill{stroke:var(--bad);stroke-width:2;fill:none}.tick{stroke:var(--soft);stroke-width:2}";
/// The same sides as the charts have, so that times stand above each other.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 68.0;
const RIGHT: f64 = 14.0;
const ROW: f64 = 22.0;
const TICKS: f64 = 10.0;

/// The page.
pub fn page(story: &Story) -> String {
    let complaints = story.complaints();
    let (class, verdict) =
        if complaints.is_empty() { ("good", "passed") } else { ("bad", "failed") };
    let said: String =
        complaints.iter().map(|it| format!("<p class=\"bad\">{}</p>", escaped(it))).collect();
    let body = [
        format!("<header><h1>Chaos</h1><span class=\"badge {class}\">{verdict}</span></header>"),
        format!(
            "<p class=\"soft\">Seed {}, {:.0} s; {}.</p>{said}",
            story.seed,
            story.end.as_secs_f64(),
            story.last_line()
        ),
        tiles(story),
        card("Who was there", &lanes(story)),
        card("Events a second", &rates(story).to_svg()),
        card("Events without a result yet", &backlog(story).to_svg()),
        card("Results beyond an event's first", &duplicates(story).to_svg()),
        charges(story),
        events(story),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Chaos, seed {}</title>\n<style>\n{STYLE}{LANES_STYLE}</style></head>\n\
         <body><main>\n{}\n</main></body></html>\n",
        story.seed,
        body.join("\n")
    )
}

fn card(title: &str, inside: &str) -> String {
    format!("<section class=\"card\"><div><h2>{title}</h2></div>{inside}</section>")
}

fn tiles(story: &Story) -> String {
    let tiles = [
        (story.events, "events"),
        (story.lost(), "lost"),
        (story.duplicates, "came twice"),
        (story.bound(), "may come twice"),
        (story.kills, "processes killed"),
        (story.rebalances, "times a member got partitions"),
    ];
    let tile = |(number, what): &(u64, &str)| {
        format!("<div class=\"tile\"><b>{}</b><span>{what}</span></div>", count(*number))
    };
    format!("<div class=\"tiles\">{}</div>", tiles.iter().map(tile).collect::<String>())
}

fn x(story: &Story, at_s: f64) -> f64 {
    LEFT + at_s / story.end.as_secs_f64().max(1e-3) * (WIDTH - LEFT - RIGHT)
}

fn lanes(story: &Story) -> String {
    let members = (0..MEMBERS_MAX).map(|n| (format!("engine {}", n + 1), Lane::Member(n)));
    let brokers = (1..=3).map(|n| (format!("broker {n}"), Lane::Broker(n)));
    let rest = [("outputs".to_owned(), Lane::Sink), ("leaders".to_owned(), Lane::Leaders)];
    let rows: Vec<_> = members.chain(brokers).chain(rest).collect();
    let height = rows.len() as f64 * ROW + 8.0;
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Who was there\">");
    for (row, (name, lane)) in rows.iter().enumerate() {
        let y = row as f64 * ROW + 4.0;
        put(
            &mut svg,
            format_args!(
                "<text x=\"{}\" y=\"{}\" class=\"left\">{name}</text>",
                LEFT - 8.0,
                y + 13.0
            ),
        );
        put(
            &mut svg,
            format_args!("<path class=\"grid\" d=\"M{LEFT} {}H{}\"/>", y + 18.0, WIDTH - RIGHT),
        );
        row_of(story, *lane, y, &mut svg);
    }
    svg + "</svg>"
}

/// Bars from one change of a lane's state to the next, marks where something happened.
fn row_of(story: &Story, lane: Lane, y: f64, svg: &mut String) {
    let of_lane: Vec<&Entry> = story.entries.iter().filter(|it| it.lane == lane).collect();
    let mut changes = of_lane.iter().filter(|it| it.state != State::Same).peekable();
    while let Some(change) = changes.next() {
        let until = changes.peek().map_or(story.end, |it| it.at);
        let class = match change.state {
            State::Up if lane == Lane::Sink => continue,
            State::Up => "up",
            State::Frozen => "frozen",
            State::Stopping => "stopping",
            State::Down | State::Killed | State::Same => continue,
        };
        let [from, to] = [change.at, until].map(|at| x(story, at.as_secs_f64()));
        put(
            svg,
            format_args!(
                "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"14\" rx=\"2\"/>",
                (to - from).max(1.0)
            ),
        );
    }
    for it in of_lane {
        let (at, text) = (x(story, it.at.as_secs_f64()), escaped(&it.what));
        let mark = match it.state {
            State::Killed => {
                format!("<path class=\"kill\" d=\"M{:.1} {y}l10 14m-10 0l10 -14\">", at - 5.0)
            }
            State::Same => format!("<path class=\"tick\" d=\"M{at:.1} {y}v14\">"),
            _ => continue,
        };
        put(svg, format_args!("{mark}<title>{:.1} s: {text}</title></path>", it.at.as_secs_f64()));
    }
}

/// A chart over the same time as the lanes.
fn chart(story: &Story, title: &str, lines: Vec<Line>) -> Chart {
    let end = story.end.as_secs_f64().max(1.0);
    let step = nice(end / TICKS);
    let mut ticks: Vec<(f64, String)> = (0..)
        .map(|i| f64::from(i) * step)
        .take_while(|at| *at < end - 0.6 * step)
        .map(|at| (at, format!("{at:.0}")))
        .collect();
    ticks.push((end, format!("{end:.0} s")));
    let label = |value: f64| count(value as u64);
    Chart { title: title.to_owned(), lines, ticks, scale: Scale::Linear, label, filled: true }
}

fn rates(story: &Story) -> Chart {
    let line = |label, class, of: fn(&crate::story::Sample) -> u64| {
        let pairs = story.samples.iter().zip(story.samples.iter().skip(1));
        let rate = |(a, b): (&crate::story::Sample, &crate::story::Sample)| {
            (b.at_s, (of(b) - of(a)) as f64 / (b.at_s - a.at_s).max(1e-3))
        };
        Line { label, class, points: pairs.map(rate).collect() }
    };
    let lines = vec![
        line("sent", "c1", |it| it.sent),
        line("results", "c2", |it| it.distinct + it.duplicates),
    ];
    chart(story, "Events sent and results a second", lines)
}

fn backlog(story: &Story) -> Chart {
    let points =
        story.samples.iter().map(|it| (it.at_s, it.sent.saturating_sub(it.distinct) as f64));
    let line = Line { label: "waiting", class: "c4", points: points.collect() };
    chart(story, "Events without a result yet", vec![line])
}

fn duplicates(story: &Story) -> Chart {
    let points = story.samples.iter().map(|it| (it.at_s, it.duplicates as f64));
    let line = Line { label: "twice", class: "c3", points: points.collect() };
    chart(story, "Results beyond an event's first", vec![line])
}

fn charges(story: &Story) -> String {
    let rows = story.charges.iter().filter(|it| it.partitions > 0).map(|it| {
        let (what, most) = (escaped(&it.what), count(it.partitions * story.window));
        format!("<tr><td>{what}</td><td>{}</td><td>{most}</td></tr>", it.partitions)
    });
    let heads = "<tr><th></th><th>Partitions</th><th>Records at most</th></tr>";
    let table =
        format!("<div class=\"scroll\"><table>{heads}{}</table></div>", rows.collect::<String>());
    card("Why something may come twice", &table)
}

fn events(story: &Story) -> String {
    let row = |it: &Entry| {
        let (at, what) = (it.at.as_secs_f64(), escaped(&it.what));
        format!("<tr><td>{what}</td><td>{at:.1} s</td></tr>")
    };
    let rows: String = story.entries.iter().map(row).collect();
    card("What happened", &format!("<div class=\"scroll\"><table>{rows}</table></div>"))
}

fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = text.write_fmt(more);
}
