//! Line charts as SVG text: no script, no font, no network; colours come from the page's variables,
//! so they fit its light and its dark side.

use super::xml::escaped;

/// A line of a chart.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name, in the legend.
    pub label: &'static str,
    /// Its CSS class, which gives it a colour.
    pub class: &'static str,
    /// Where it goes through, in the order of x.
    pub points: Vec<(f64, f64)>,
}

/// How values become places on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// From 0, evenly.
    Linear,
    /// By powers of ten; values below the lowest stand on the ground.
    Log,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows, for a screen reader.
    pub title: String,
    /// Its lines, the last in front.
    pub lines: Vec<Line>,
    /// Ticks of the x axis: places and their labels. The first and last are its ends.
    pub ticks: Vec<(f64, String)>,
    /// The y axis.
    pub scale: Scale,
    /// Writes a value of the y axis.
    pub label: fn(f64) -> String,
    /// Fills the area under the last line.
    pub filled: bool,
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 68.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 30.0;

/// The y axis of one chart: its ends, and the values that get a line.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Axis {
    fn of(chart: &Chart) -> Axis {
        let values = || chart.lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y);
        let high = values().fold(0.0, f64::max);
        match chart.scale {
            Scale::Linear => linear(high),
            Scale::Log => {
                let low = values().filter(|y| *y > 0.0).fold(f64::INFINITY, f64::min);
                logarithmic(if low.is_finite() { low } else { 1.0 }, high)
            }
        }
    }

    fn y(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
        };
        HEIGHT - BOTTOM - share.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }
}

fn linear(high: f64) -> Axis {
    let high = if high > 0.0 { high * 1.05 } else { 1.0 };
    let step = nice(high / 4.0);
    let ticks = (0..=(high / step).ceil() as usize).map(|i| i as f64 * step).collect::<Vec<_>>();
    Axis { scale: Scale::Linear, low: 0.0, high: ticks.last().copied().unwrap_or(1.0), ticks }
}

fn logarithmic(low: f64, high: f64) -> Axis {
    let low = 10f64.powf(low.log10().floor());
    let high = 10f64.powf((high.max(low * 1.01)).log10().ceil());
    let decades = (high / low).log10().round() as i32;
    let ticks = (0..=decades).map(|i| low * 10f64.powi(i)).collect();
    Axis { scale: Scale::Log, low, high, ticks }
}

/// The next of 1, 2, 5, 10, 20, … that is not smaller.
pub fn nice(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= value * 0.999).unwrap_or(power * 10.0)
}

impl Chart {
    /// The chart as an SVG element.
    pub fn to_svg(&self) -> String {
        let axis = Axis::of(self);
        let (first, last) = match (self.ticks.first(), self.ticks.last()) {
            (Some((first, _)), Some((last, _))) if first < last => (*first, *last),
            _ => (0.0, 1.0),
        };
        let x = |value: f64| LEFT + (value - first) / (last - first) * (WIDTH - LEFT - RIGHT);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(&self.title)
        );
        self.draw_axes(&axis, &x, &mut svg);
        for (i, line) in self.lines.iter().enumerate() {
            let path = path(&line.points, &axis, &x);
            if path.is_empty() {
                continue;
            }
            if self.filled && i + 1 == self.lines.len() {
                let ground = HEIGHT - BOTTOM;
                let [from, to] = [line.points.first(), line.points.last()]
                    .map(|point| x(point.map_or(first, |(at, _)| *at)));
                let fill = format!("{path}L{to:.1} {ground}L{from:.1} {ground}Z");
                put(&mut svg, format_args!("<path class=\"area {}\" d=\"{fill}\"/>", line.class));
            }
            put(&mut svg, format_args!("<path class=\"line {}\" d=\"{path}\"/>", line.class));
        }
        svg.push_str("</svg>");
        svg
    }

    /// The legend, to stand above it.
    pub fn legend(&self) -> String {
        let entry = |line: &Line| {
            format!("<span><i class=\"{}\"></i>{}</span>", line.class, escaped(line.label))
        };
        self.lines.iter().map(entry).collect()
    }

    fn draw_axes(&self, axis: &Axis, x: &dyn Fn(f64) -> f64, svg: &mut String) {
        let right = WIDTH - RIGHT;
        for value in &axis.ticks {
            let (y, label) = (axis.y(*value), escaped(&(self.label)(*value)));
            put(svg, format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>"));
            let (x, y) = (LEFT - 8.0, y + 4.0);
            put(svg, format_args!("<text x=\"{x}\" y=\"{y:.1}\" class=\"left\">{label}</text>"));
        }
        let last = self.ticks.len().saturating_sub(1);
        for (i, (value, label)) in self.ticks.iter().enumerate() {
            let (x, y, label) = (x(*value), HEIGHT - 10.0, escaped(label));
            let class = if i == last { "left" } else { "middle" };
            put(svg, format_args!("<text x=\"{x:.1}\" y=\"{y}\" class=\"{class}\">{label}</text>"));
        }
    }
}

fn path(points: &[(f64, f64)], axis: &Axis, x: &dyn Fn(f64) -> f64) -> String {
    let mut path = String::new();
    for (i, (at, value)) in points.iter().enumerate() {
        let command = if i == 0 { 'M' } else { 'L' };
        put(&mut path, format_args!("{command}{:.1} {:.1}", x(*at), axis.y(*value)));
    }
    path
}

fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.push_str(&more.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale, points: Vec<(f64, f64)>) -> String {
        let lines = vec![Line { label: "a<b", class: "c1", points }];
        let ticks = vec![(0.0, "0".to_string()), (10.0, "10 s".to_string())];
        let label = |v: f64| format!("{v}");
        Chart { title: "t\"".into(), lines, ticks, scale, label, filled: true }.to_svg()
    }

    #[test]
    fn places_values_between_the_ends() {
        let svg = chart(Scale::Linear, vec![(0.0, 0.0), (10.0, 100.0)]);
        // 100 stands below the top tick of 150, x from the left edge to the right one.
        assert!(svg.contains("d=\"M68.0 230.0L946.0 84.7\""), "{svg}");
        let svg = chart(Scale::Log, vec![(0.0, 10.0), (10.0, 1000.0)]);
        assert!(svg.contains("d=\"M68.0 230.0L946.0 12.0\""), "{svg}");
        assert!(svg.contains("aria-label=\"t&quot;\""));
    }

    #[test]
    fn draws_nothing_out_of_nothing() {
        for scale in [Scale::Linear, Scale::Log] {
            assert!(!chart(scale, vec![]).contains("NaN"));
            assert!(!chart(scale, vec![(0.0, 0.0)]).contains("NaN"));
        }
    }

    #[test]
    fn steps_are_round() {
        assert_eq!(
            [0.9, 1.0, 1.1, 23.0, 51.0, 2_000.0].map(nice),
            [1.0, 1.0, 2.0, 50.0, 100.0, 2e3]
        );
    }
}
