//! A picture as SVG: one file that needs no other, readable on light and on dark ground.

use std::fmt::Write;

use super::arrows::Arrow;
use super::layout::{Layout, Placed, STACK};
use super::scene::{Box, Edge, Scene, Shape};
use super::text::{self, Line};
use crate::load::xml::escaped;

/// Around the whole picture.
const MARGIN: f64 = 20.0;
/// How round corners of boxes and of arrows' bends are.
const CORNER: f64 = 8.0;

const STYLE: &str = "
svg{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
.ground{fill:#ffffff}
.box{fill:#ffffff;stroke:#8a94a6;stroke-width:1.2}
.inner{fill:#f4f6f9;stroke:#c3cad6;stroke-dasharray:4 3}
.stack{fill:#ffffff;stroke:#c3cad6}
.name{font-size:13px;font-weight:600;fill:#1b2330}
.kind{font-size:11px;fill:#5b6678}
.label{font-size:11px;fill:#3c4759}
.halo{fill:#ffffff;fill-opacity:.88}.within .halo{fill:#f4f6f9}
.way{fill:none;stroke:#6b7789;stroke-width:1.4}
.catch{stroke:#c4481d;stroke-dasharray:6 4}
.label.catch{fill:#a83a14;stroke:none}
.head{fill:#6b7789}.head.catch{fill:#c4481d;stroke:none}
.mark{fill:#5b6678}.ring{fill:none;stroke:#5b6678;stroke-width:1.6}
.badge{fill:#fff3d6;stroke:#c98a00}.again{font-size:11px;fill:#8a5d00}
.task{fill:#dd7a1a}.choice{fill:#7a5cd6}.wait{fill:#1687a7}.pass{fill:#8a94a6}
.succeed{fill:#2e9e5b}.fail{fill:#d13b3b}.parallel{fill:#2f6fde}.map{fill:#b83fa0}
.unknown{fill:#d13b3b}.box.unknown{fill:#fdeeee;stroke:#d13b3b;stroke-dasharray:4 3}
@media (prefers-color-scheme:dark){
.ground{fill:#12161d}
.box{fill:#1c222c;stroke:#7d8899}
.inner{fill:#171c24;stroke:#3b4555}
.stack{fill:#1c222c;stroke:#4a5566}
.name{fill:#eef2f8}.kind{fill:#a3afc0}.label{fill:#c9d2df}
.halo{fill:#12161d}.within .halo{fill:#171c24}
.way{stroke:#97a3b5}.catch{stroke:#ff8a5c}.label.catch{fill:#ff9d75}
.head{fill:#97a3b5}.head.catch{fill:#ff8a5c}
.mark{fill:#a3afc0}.ring{stroke:#a3afc0}
.badge{fill:#3a2f10;stroke:#e0a92e}.again{fill:#ffd166}
.box.unknown{fill:#331b1d;stroke:#ff6b6b}
}
";

/// The whole file.
pub(super) fn svg(scene: &Scene, layout: &Layout, name: &str) -> String {
    let (width, height) = (layout.width + 2.0 * MARGIN, layout.height + 2.0 * MARGIN);
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{}\">\n<title>{}</title>\n\
         <style>{STYLE}</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n",
        escaped(name),
        escaped(name)
    );
    machine(scene, layout, "", (MARGIN, MARGIN), &mut out);
    out.push_str("</svg>\n");
    out
}

/// A machine with its corner there.
fn machine(scene: &Scene, layout: &Layout, class: &str, at: (f64, f64), out: &mut String) {
    let _ = writeln!(out, "<g{class} transform=\"translate({:.1} {:.1})\">", at.0, at.1);
    for (edge, arrow) in scene.edges.iter().zip(&layout.arrows) {
        way(edge, arrow, out);
    }
    for (node, placed) in scene.nodes.iter().zip(&layout.boxes) {
        state(node, placed, out);
    }
    // Labels come last: nothing may cover them.
    for (edge, arrow) in scene.edges.iter().zip(&layout.arrows) {
        label(edge, arrow, out);
    }
    out.push_str("</g>\n");
}

fn way(edge: &Edge, arrow: &Arrow, out: &mut String) {
    let class = if edge.is_catch { " catch" } else { "" };
    let _ = writeln!(out, "<path class=\"way{class}\" d=\"{}\"/>", curve(&arrow.points));
    if let [.., from, to] = arrow.points[..] {
        let is_level = (from.1 - to.1).abs() < 0.1;
        let (x, y) = to;
        // Arrows come from above or below, but for those of a box to itself.
        let (dx, dy) = match () {
            () if is_level => ((from.0 - x).signum(), 0.0),
            () => (0.0, (from.1 - y).signum()),
        };
        let _ = writeln!(
            out,
            "<path class=\"head{class}\" d=\"M{x:.1} {y:.1}L{:.1} {:.1}L{:.1} {:.1}Z\"/>",
            x + 8.0 * dx - 4.0 * dy,
            y + 8.0 * dy - 4.0 * dx,
            x + 8.0 * dx + 4.0 * dy,
            y + 8.0 * dy + 4.0 * dx
        );
    }
}

/// Through all points; down or up where it is, across in between.
fn curve(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    let Some(first) = points.first() else { return path };
    let _ = write!(path, "M{:.1} {:.1}", first.0, first.1);
    for pair in points.windows(2) {
        let ((x, y), (next_x, next_y)) = (pair[0], pair[1]);
        let middle = (y + next_y) / 2.0;
        let is_straight = (x - next_x).abs() < 0.5 || (y - next_y).abs() < 0.5;
        let _ = match is_straight {
            true => write!(path, "L{next_x:.1} {next_y:.1}"),
            false => {
                write!(path, "C{x:.1} {middle:.1} {next_x:.1} {middle:.1} {next_x:.1} {next_y:.1}")
            }
        };
    }
    path
}

fn label(edge: &Edge, arrow: &Arrow, out: &mut String) {
    let Some((x, y)) = arrow.label else { return };
    let text = edge.short_label();
    let width = edge.label_width() + 8.0;
    let class = if edge.is_catch { " catch" } else { "" };
    let _ = writeln!(
        out,
        "<g><title>{}</title><rect class=\"halo\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" \
         height=\"16\" rx=\"4\"/><text class=\"label{class}\" x=\"{x:.1}\" y=\"{:.1}\" \
         text-anchor=\"middle\">{}</text></g>",
        escaped(&edge.label),
        x - width / 2.0,
        y - 8.0,
        y + 4.0,
        escaped(&text)
    );
}

fn state(node: &Box, placed: &Placed, out: &mut String) {
    let Placed { x, y, width, height, .. } = placed;
    let (middle, radius) = ((x + width / 2.0, y + height / 2.0), width / 2.0);
    match node.shape {
        Shape::Start => {
            let _ = writeln!(
                out,
                "<circle class=\"mark\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{:.1}\"><title>Start</title></circle>",
                middle.0,
                middle.1,
                radius - 1.0
            );
        }
        Shape::End => {
            let _ = writeln!(
                out,
                "<g><title>End</title><circle class=\"ring\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{:.1}\"/><circle class=\"mark\" cx=\"{0:.1}\" cy=\"{1:.1}\" r=\"{:.1}\"/></g>",
                middle.0,
                middle.1,
                radius - 1.0,
                radius - 5.0
            );
        }
        _ => boxed(node, placed, out),
    }
}

fn boxed(node: &Box, placed: &Placed, out: &mut String) {
    let Placed { x, y, width, height, .. } = placed;
    let class = class(node.shape);
    let hint = node.comment.as_deref().unwrap_or(&node.caption);
    let _ = writeln!(out, "<g><title>{}\n{}</title>", escaped(&node.title), escaped(hint));
    if node.shape == Shape::Map {
        for step in [STACK, STACK / 2.0] {
            rectangle("stack", (x + step, y + step, *width, *height), CORNER, out);
        }
    }
    let corner = if matches!(node.shape, Shape::Succeed | Shape::Fail) { 22.0 } else { CORNER };
    if node.shape == Shape::Choice {
        slanted(placed, out);
    } else {
        rectangle(&format!("box {}", plain(node.shape)), (*x, *y, *width, *height), corner, out);
    }
    for (left, top, layout) in &placed.inner {
        let frame = (x + left - 10.0, y + top - 10.0, layout.width + 20.0, layout.height + 20.0);
        rectangle("inner", frame, CORNER, out);
    }
    titles(node, placed, class, out);
    for (scene, (left, top, layout)) in node.inner.iter().zip(&placed.inner) {
        machine(scene, layout, " class=\"within\"", (x + left, y + top), out);
    }
    out.push_str("</g>\n");
}

/// The title's lines, and below them the caption with the colour of the type.
fn titles(node: &Box, placed: &Placed, class: &str, out: &mut String) {
    let middle = placed.x + placed.width / 2.0;
    let mut y = placed.y + 21.0;
    for line in &placed.title {
        let _ = writeln!(
            out,
            "<text class=\"name\" x=\"{middle:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>",
            escaped(line)
        );
        y += 17.0;
    }
    let badge = if node.retriers > 0 { text::badge_width() } else { 0.0 };
    let width = text::width(&node.caption, Line::Caption);
    let left = middle - (width + badge) / 2.0;
    let _ = writeln!(
        out,
        "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/><text class=\"kind\" \
         x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
        left - 2.0,
        y - 4.0,
        left + 5.0,
        escaped(&node.caption)
    );
    if node.retriers > 0 {
        let (x, inner) = (left + width + 16.0, badge - 12.0);
        rectangle("badge", (x, y - 12.0, inner, 16.0), 8.0, out);
        let _ = writeln!(
            out,
            "<text class=\"again\" x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">↻ {}<title>{} \
             for Retry</title></text>",
            x + inner / 2.0,
            node.retriers,
            if node.retriers == 1 {
                "one rule".to_owned()
            } else {
                format!("{} rules", node.retriers)
            }
        );
    }
}

/// A box with pointed sides, for choices.
fn slanted(placed: &Placed, out: &mut String) {
    let Placed { x, y, width, height, .. } = placed;
    let (right, bottom, middle, slant) = (x + width, y + height, y + height / 2.0, 16.0);
    let _ = writeln!(
        out,
        "<path class=\"box choice-box\" d=\"M{:.1} {y:.1}L{:.1} {y:.1}L{right:.1} {middle:.1}L{:.1} {bottom:.1}L{:.1} {bottom:.1}L{x:.1} {middle:.1}Z\"/>",
        x + slant,
        right - slant,
        right - slant,
        x + slant
    );
}

fn rectangle(
    class: &str,
    (x, y, width, height): (f64, f64, f64, f64),
    corner: f64,
    out: &mut String,
) {
    let _ = writeln!(
        out,
        "<rect class=\"{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         rx=\"{corner}\"/>",
        class.trim_end()
    );
}

/// What a box's own class is; only those that nothing defines look different.
fn plain(shape: Shape) -> &'static str {
    if shape == Shape::Unknown { "unknown" } else { "" }
}

fn class(shape: Shape) -> &'static str {
    match shape {
        Shape::Start | Shape::End => "mark",
        Shape::Task => "task",
        Shape::Choice => "choice",
        Shape::Wait => "wait",
        Shape::Pass => "pass",
        Shape::Succeed => "succeed",
        Shape::Fail => "fail",
        Shape::Parallel => "parallel",
        Shape::Map => "map",
        Shape::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_go_through_their_points() {
        assert_eq!(curve(&[(0.0, 0.0), (0.0, 10.0)]), "M0.0 0.0L0.0 10.0");
        assert_eq!(curve(&[(0.0, 0.0), (8.0, 10.0)]), "M0.0 0.0C0.0 5.0 8.0 5.0 8.0 10.0");
        assert_eq!(curve(&[]), "");
    }
}
