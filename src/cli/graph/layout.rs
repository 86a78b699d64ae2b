//! Where everything of a picture stands: boxes are measured, layers set below each other, boxes moved
//! towards what they are joined to, arrows led through what is between.

use super::arrows::{Arrow, Rows};
use super::rank::{Item, Ranks};
use super::scene::{Box, Scene, Shape};
use super::text::{self, Line};

/// A machine with everything at its place, its own corner at (0, 0).
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// By the scene's index.
    pub(super) boxes: Vec<Placed>,
    /// By the scene's index.
    pub(super) arrows: Vec<Arrow>,
}

/// A box at its place.
#[derive(Debug, Default)]
pub(super) struct Placed {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    /// The title, cut into lines.
    pub(super) title: Vec<String>,
    /// The machines within, their corners relative to the box's.
    pub(super) inner: Vec<(f64, f64, Layout)>,
}

/// Between boxes beside each other.
const BESIDE: f64 = 28.0;
/// Between an arrow and what is beside it.
pub(super) const BESIDE_ARROW: f64 = 14.0;
/// Between labels.
const BESIDE_LABEL: f64 = 24.0;
/// Between layers; labels take as much again.
pub(super) const BELOW: f64 = 26.0;
pub(super) const LABEL_HEIGHT: f64 = 18.0;
/// How far an arrow from a box to itself stands out; its label comes behind.
pub(super) const LOOP: f64 = 24.0;
/// Around the text of a box.
const PADDING: f64 = 14.0;
/// Around the machines within a box.
const FRAME: f64 = 14.0;
const TITLE_HEIGHT: f64 = 17.0;
const CAPTION_HEIGHT: f64 = 15.0;
const WIDTH_MIN: f64 = 96.0;
const MARK_SIZE: f64 = 18.0;
/// How far the boxes behind a Map's stand out.
pub(super) const STACK: f64 = 8.0;
/// Passes that move boxes towards their neighbours.
const PASSES: usize = 10;
/// How much more an arrow's bends want to be straight than boxes want to be in the middle.
const BEND_WEIGHT: f64 = 3.0;

impl Layout {
    /// Places a scene and all within it.
    pub(super) fn of(scene: &Scene) -> Layout {
        let mut boxes: Vec<Placed> = scene.nodes.iter().map(measure).collect();
        let ranks = Ranks::of(scene);
        let loops = loops(scene);
        let width = |item: &Item| match item {
            // As much at both sides, so that the box is the middle.
            Item::Node(node) => boxes[*node].width + BESIDE + 2.0 * loops[*node],
            Item::Bend(_) => BESIDE_ARROW,
            Item::Label(edge) => scene.edges[*edge].label_width() + BESIDE_LABEL,
        };
        let widths: Vec<Vec<f64>> =
            ranks.layers.iter().map(|layer| layer.iter().map(width).collect()).collect();
        let mut centres = centres(&ranks, &widths);
        straighten(&ranks, &widths, &mut centres);
        let (tops, heights, height) = rows(&ranks, &boxes);
        for (layer, items) in ranks.layers.iter().enumerate() {
            for (place, item) in items.iter().enumerate() {
                if let Item::Node(node) = item {
                    let it = &mut boxes[*node];
                    it.x = centres[layer][place] - it.width / 2.0;
                    it.y = tops[layer] + (heights[layer] - it.height) / 2.0;
                }
            }
        }
        let mut rows =
            Rows { ranks: &ranks, centres: &centres, tops: &tops, heights: &heights, around: 0.0 };
        let arrows = rows.arrows(scene, &boxes);
        let mut layout = Layout { width: 0.0, height, boxes, arrows };
        layout.crop(scene);
        layout
    }

    /// Moves everything to the corner and takes the width.
    fn crop(&mut self, scene: &Scene) {
        let (mut left, mut right) = (f64::MAX, f64::MIN);
        let boxes = self.boxes.iter().zip(&scene.nodes);
        let behind = |node: &Box| if node.shape == Shape::Map { STACK } else { 0.0 };
        let mut spans: Vec<(f64, f64)> =
            boxes.clone().map(|(it, node)| (it.x, it.x + it.width + behind(node))).collect();
        let bottoms = boxes.map(|(it, node)| it.y + it.height + behind(node));
        self.height = bottoms.fold(self.height, f64::max);
        for (arrow, edge) in self.arrows.iter().zip(&scene.edges) {
            spans.extend(arrow.points.iter().map(|(x, _)| (*x, *x)));
            let half = edge.label_width() / 2.0;
            spans.extend(arrow.label.map(|(x, _)| (x - half, x + half)));
        }
        for (from, to) in spans {
            (left, right) = (left.min(from), right.max(to));
        }
        if left > right {
            return;
        }
        self.boxes.iter_mut().for_each(|it| it.x -= left);
        for arrow in &mut self.arrows {
            arrow.points.iter_mut().for_each(|point| point.0 -= left);
            arrow.label.iter_mut().for_each(|point| point.0 -= left);
        }
        self.width = right - left;
    }
}

/// A box's size, and what is within it.
fn measure(node: &Box) -> Placed {
    if matches!(node.shape, Shape::Start | Shape::End) {
        return Placed { width: MARK_SIZE, height: MARK_SIZE, ..Placed::default() };
    }
    let title = text::wrapped(&node.title);
    let widest = title.iter().map(|line| text::width(line, Line::Title)).fold(0.0, f64::max);
    let badge = if node.retriers > 0 { text::badge_width() } else { 0.0 };
    let captioned = text::width(&node.caption, Line::Caption) + badge;
    let slanted = if node.shape == Shape::Choice { PADDING } else { 0.0 };
    let mut width = (widest.max(captioned) + 2.0 * (PADDING + slanted)).max(WIDTH_MIN);
    let mut height = title.len() as f64 * TITLE_HEIGHT + CAPTION_HEIGHT + 2.0 * PADDING - 6.0;
    let layouts: Vec<Layout> = node.inner.iter().map(Layout::of).collect();
    let mut inner = Vec::new();
    if !layouts.is_empty() {
        let gaps = BESIDE * (layouts.len() - 1) as f64;
        let taken = layouts.iter().map(|it| it.width + 2.0 * FRAME).sum::<f64>() + gaps;
        width = width.max(taken + 2.0 * FRAME);
        let mut x = (width - taken) / 2.0 + FRAME;
        let tallest = layouts.iter().map(|it| it.height).fold(0.0, f64::max);
        for layout in layouts {
            let next = x + layout.width + 2.0 * FRAME + BESIDE;
            inner.push((x, height + FRAME, layout));
            x = next;
        }
        height += tallest + 3.0 * FRAME;
    }
    Placed { width, height, title, inner, ..Placed::default() }
}

/// The room that arrows from a box to itself take at its side.
fn loops(scene: &Scene) -> Vec<f64> {
    let mut room = vec![0.0; scene.nodes.len()];
    for edge in scene.edges.iter().filter(|edge| edge.from == edge.to) {
        room[edge.from] = f64::max(room[edge.from], LOOP + edge.label_width());
    }
    room
}

/// Where each layer begins, how high it is, and how high all are.
fn rows(ranks: &Ranks, boxes: &[Placed]) -> (Vec<f64>, Vec<f64>, f64) {
    let height = |item: &Item| match item {
        Item::Node(node) => boxes[*node].height,
        Item::Bend(_) => 0.0,
        Item::Label(_) => LABEL_HEIGHT,
    };
    let heights: Vec<f64> =
        ranks.layers.iter().map(|layer| layer.iter().map(height).fold(0.0, f64::max)).collect();
    let mut y = 0.0;
    let mut tops = Vec::new();
    for height in &heights {
        tops.push(y);
        // A layer without labels only lets arrows through.
        y += height + BELOW * if *height > 0.0 { 1.0 } else { 0.4 };
    }
    let end = tops.last().zip(heights.last()).map_or(0.0, |(top, height)| top + height);
    (tops, heights, end)
}

/// The middle of every item. Items want to be below and above those they are joined to, and keep
/// their order and distance.
fn centres(ranks: &Ranks, widths: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut centres: Vec<Vec<f64>> = widths.iter().map(|widths| packed(widths)).collect();
    let count = centres.len();
    for pass in 0..PASSES {
        let down = pass % 2 == 0;
        for step in 0..count {
            let layer = if down { step } else { count - 1 - step };
            let wishes = wishes(ranks, &centres, layer, pass + 2 >= PASSES, down);
            centres[layer] = apart(&wishes, &widths[layer]);
        }
    }
    centres
}

/// Bends of one arrow that may stand below each other do: every layer leaves each of them some room,
/// and a run of bends takes the room that all of it has.
fn straighten(ranks: &Ranks, widths: &[Vec<f64>], centres: &mut [Vec<f64>]) {
    for (chain, first) in ranks.chains.iter().zip(&ranks.first) {
        let bends = 1..chain.len().saturating_sub(1);
        let mut run: Vec<usize> = Vec::new();
        let mut room = (f64::MIN, f64::MAX);
        for step in bends {
            let (left, right) = free(&widths[first + step], &centres[first + step], chain[step]);
            let joint = (left.max(room.0), right.min(room.1));
            if joint.0 > joint.1 {
                align(&run, room, chain, *first, centres);
                run.clear();
            }
            room = if run.is_empty() { (left, right) } else { joint };
            run.push(step);
        }
        align(&run, room, chain, *first, centres);
    }
}

/// Between what stands at both sides.
fn free(widths: &[f64], centres: &[f64], at: usize) -> (f64, f64) {
    let apart = |other: usize| (widths[other] + widths[at]) / 2.0;
    let left = at.checked_sub(1).map_or(f64::MIN, |left| centres[left] + apart(left));
    let right = centres.get(at + 1).map_or(f64::MAX, |right| right - apart(at + 1));
    // Rounding may leave a little less than nothing.
    (left.min(centres[at]), right.max(centres[at]))
}

/// Puts a run of bends below each other, as near as can be to where they stood.
fn align(run: &[usize], room: (f64, f64), chain: &[usize], first: usize, centres: &mut [Vec<f64>]) {
    if run.len() < 2 {
        return;
    }
    let sum: f64 = run.iter().map(|step| centres[first + step][chain[*step]]).sum();
    let x = (sum / run.len() as f64).clamp(room.0, room.1);
    for step in run {
        centres[first + step][chain[*step]] = x;
    }
}

/// Beside each other, around 0.
fn packed(widths: &[f64]) -> Vec<f64> {
    let mut x = -widths.iter().sum::<f64>() / 2.0;
    let step = |width: &f64| {
        x += width;
        x - width / 2.0
    };
    widths.iter().map(step).collect()
}

/// Where the items of a layer want to be, and how much.
fn wishes(
    ranks: &Ranks,
    centres: &[Vec<f64>],
    layer: usize,
    both: bool,
    down: bool,
) -> Vec<(f64, f64)> {
    let side = |below: bool| -> Vec<Vec<f64>> {
        let next = if below { layer.checked_add(1) } else { layer.checked_sub(1) };
        let neighbours = ranks.neighbours(layer, below);
        let Some(next) = next.and_then(|next| centres.get(next)) else {
            return vec![Vec::new(); neighbours.len()];
        };
        let middles = |places: Vec<usize>| places.into_iter().map(|place| next[place]).collect();
        neighbours.into_iter().map(middles).collect()
    };
    let (nearer, further) = (side(!down), side(down));
    let mut wishes = Vec::with_capacity(nearer.len());
    for (at, (mut near, far)) in nearer.into_iter().zip(further).enumerate() {
        if both || near.is_empty() {
            near.extend(far);
        }
        let is_box = matches!(ranks.layers[layer][at], Item::Node(_));
        let weight = if is_box { 1.0 } else { BEND_WEIGHT };
        wishes.push(match near.len() {
            0 => (centres[layer][at], 0.1),
            count => (near.iter().sum::<f64>() / count as f64, weight),
        });
    }
    wishes
}

/// The positions nearest to the wishes that keep the order and the widths: items that would overlap
/// are joined to blocks, each of which stands where its items' wishes are on the mean.
fn apart(wishes: &[(f64, f64)], widths: &[f64]) -> Vec<f64> {
    // (mean, weight, count), every item's own offset taken off.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    let mut offsets = Vec::with_capacity(widths.len());
    let mut offset = 0.0;
    for (at, (wish, weight)) in wishes.iter().enumerate() {
        if at > 0 {
            offset += (widths[at - 1] + widths[at]) / 2.0;
        }
        offsets.push(offset);
        let mut block = (wish - offset, *weight, 1);
        while let Some(last) = blocks.pop_if(|last| last.0 > block.0) {
            let weight = last.1 + block.1;
            let mean = (last.0 * last.1 + block.0 * block.1) / weight;
            block = (mean, weight, last.2 + block.2);
        }
        blocks.push(block);
    }
    let means = blocks.iter().flat_map(|(mean, _, count)| std::iter::repeat_n(*mean, *count));
    means.zip(offsets).map(|(mean, offset)| mean + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asl::diagnostics::Diagnostics;
    use crate::asl::outline::Outline;
    use crate::asl::source::{Format, Limits, Place, read};

    fn laid_out(states: &str) -> (Scene, Layout) {
        let text = format!("{{\"StartAt\": \"A\", \"States\": {{{states}}}}}");
        let root = read(text.as_bytes(), Format::Json, Limits::default(), &Diagnostics::new());
        let scene = Scene::of(&Outline::of(&Place::root(&root.expect("valid JSON"))));
        let layout = Layout::of(&scene);
        (scene, layout)
    }

    const BUSY: &str = r#"
        "A": {"Type": "Choice", "Default": "D", "Choices": [
            {"Variable": "$.a", "IsNull": true, "Next": "B"},
            {"Variable": "$.b", "IsNull": true, "Next": "C"}]},
        "B": {"Type": "Task", "Resource": "r:x", "Next": "A",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "E"}]},
        "C": {"Type": "Parallel", "Next": "E", "Branches": [
            {"StartAt": "F", "States": {"F": {"Type": "Pass", "Next": "G"}, "G": {"Type": "Succeed"}}},
            {"StartAt": "H", "States": {"H": {"Type": "Succeed"}}}]},
        "D": {"Type": "Wait", "Seconds": 1, "Next": "D"},
        "E": {"Type": "Fail"}"#;

    fn overlap(one: &Placed, two: &Placed) -> bool {
        one.x < two.x + two.width
            && two.x < one.x + one.width
            && one.y < two.y + two.height
            && two.y < one.y + one.height
    }

    #[test]
    fn boxes_do_not_overlap_and_stand_within() {
        let (_, layout) = laid_out(BUSY);
        for (at, one) in layout.boxes.iter().enumerate() {
            assert!(one.x >= 0.0 && one.x + one.width <= layout.width + 0.01, "{one:?}");
            assert!(one.y >= 0.0 && one.y + one.height <= layout.height + 0.01, "{one:?}");
            for two in &layout.boxes[at + 1..] {
                assert!(!overlap(one, two), "{one:?} {two:?}");
            }
            for (x, y, inner) in &one.inner {
                assert!(*x > 0.0 && x + inner.width < one.width, "{one:?}");
                assert!(*y > 0.0 && y + inner.height < one.height, "{one:?}");
            }
        }
    }

    #[test]
    fn arrows_go_from_box_to_box() {
        let (scene, layout) = laid_out(BUSY);
        let touches = |it: &Placed, (x, y): (f64, f64)| {
            let (right, bottom) = (it.x + it.width, it.y + it.height);
            (it.x - 0.1..=right + 0.1).contains(&x) && (it.y - 0.1..=bottom + 0.1).contains(&y)
        };
        for (edge, arrow) in scene.edges.iter().zip(&layout.arrows) {
            let (first, last) = (arrow.points[0], arrow.points[arrow.points.len() - 1]);
            assert!(touches(&layout.boxes[edge.from], first), "{edge:?} {arrow:?}");
            assert!(touches(&layout.boxes[edge.to], last), "{edge:?} {arrow:?}");
            assert_eq!(edge.label.is_empty(), arrow.label.is_none(), "{edge:?}");
        }
    }

    #[test]
    fn arrows_to_their_own_box_have_room() {
        let (scene, layout) = laid_out(
            r#""A": {"Type": "Choice", "Default": "C", "Choices": [
                {"Variable": "$.again", "IsNull": true, "Next": "B"}]},
               "B": {"Type": "Choice", "Default": "C", "Choices": [
                {"Variable": "$.whatever", "IsString": true, "Next": "B"}]},
               "C": {"Type": "Succeed"}"#,
        );
        let (edge, arrow) = (scene.edges.iter().zip(&layout.arrows))
            .find(|(edge, _)| edge.from == edge.to)
            .expect("B leads to itself");
        let (x, y) = arrow.label.expect("it says when");
        let half = edge.label_width() / 2.0;
        let label = Placed { x: x - half, y, width: 2.0 * half, height: 1.0, ..Placed::default() };
        assert!(layout.boxes.iter().all(|it| !overlap(it, &label)), "{layout:?}");
        assert!(x + half <= layout.width + 0.1);
    }

    #[test]
    fn what_is_joined_is_below_each_other() {
        let (scene, layout) =
            laid_out(r#""A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Succeed"}"#);
        let middle = |at: usize| layout.boxes[at].x + layout.boxes[at].width / 2.0;
        assert!(
            (0..scene.nodes.len()).all(|at| (middle(at) - middle(0)).abs() < 0.5),
            "{layout:?}"
        );
    }

    #[test]
    fn items_keep_apart() {
        let placed = apart(&[(0.0, 1.0), (0.0, 1.0), (50.0, 1.0)], &[10.0, 10.0, 10.0]);
        assert_eq!(placed, [-5.0, 5.0, 50.0]);
        assert!(apart(&[], &[]).is_empty());
    }
}
