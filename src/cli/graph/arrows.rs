//! The ways of arrows: out of a box, through the layers between, into another one.

use super::layout::{BELOW, BESIDE_ARROW, LABEL_HEIGHT, LOOP, Placed};
use super::rank::{Item, Ranks};
use super::scene::{Edge, Scene};

/// Between the places where arrows leave one box.
const PORTS_APART: f64 = 22.0;

/// An arrow's way, and where its label stands.
#[derive(Debug, Default)]
pub(super) struct Arrow {
    pub(super) points: Vec<(f64, f64)>,
    /// The label's middle.
    pub(super) label: Option<(f64, f64)>,
}

/// What arrows go through.
pub(super) struct Rows<'a> {
    pub(super) ranks: &'a Ranks,
    pub(super) centres: &'a [Vec<f64>],
    pub(super) tops: &'a [f64],
    pub(super) heights: &'a [f64],
    /// Where the last arrow that goes around all layers went down.
    pub(super) around: f64,
}

/// Where an arrow leaves the upper box, and where it comes to the lower one.
#[derive(Clone, Copy, Debug, Default)]
struct Ports {
    above: (f64, f64),
    below: (f64, f64),
}

impl Rows<'_> {
    /// The ways of all arrows.
    pub(super) fn arrows(&mut self, scene: &Scene, boxes: &[Placed]) -> Vec<Arrow> {
        let ports = self.ports(scene, boxes);
        self.around = boxes.iter().map(|it| it.x + it.width).fold(f64::MIN, f64::max);
        let edges = scene.edges.iter().zip(ports).enumerate();
        edges
            .map(|(at, (edge, ports))| match self.ranks.chains[at].is_empty() {
                true if edge.from == edge.to => around(&boxes[edge.from], edge),
                true => self.past_all(at, edge, ports),
                false => self.through(at, ports),
            })
            .collect()
    }

    /// Where arrows leave boxes, and come to them: beside each other, in the order of where they go.
    fn ports(&self, scene: &Scene, boxes: &[Placed]) -> Vec<Ports> {
        let middle = |node: usize| boxes[node].x + boxes[node].width / 2.0;
        // For each box, those at its bottom and those at its top: where they go, and which it is.
        let mut sides = vec![[Vec::new(), Vec::new()]; boxes.len()];
        for (at, edge) in scene.edges.iter().enumerate().filter(|(_, edge)| edge.from != edge.to) {
            let (above, below) = match self.ranks.is_up[at] {
                true => (edge.to, edge.from),
                false => (edge.from, edge.to),
            };
            let (chain, first) = (&self.ranks.chains[at], self.ranks.first[at]);
            let towards = |step: usize| self.centres[first + step][chain[step]];
            let (down, up) = match chain.len() {
                0 => (middle(below), middle(above)),
                length => (towards(1), towards(length - 2)),
            };
            sides[above][0].push((down, at));
            sides[below][1].push((up, at));
        }
        let mut ports = vec![Ports::default(); scene.edges.len()];
        for (it, sides) in boxes.iter().zip(&mut sides) {
            for (side, arrows) in sides.iter_mut().enumerate() {
                arrows.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
                let count = arrows.len();
                let apart = PORTS_APART.min(it.width / (count + 1) as f64);
                let first = it.x + it.width / 2.0 - (count.max(1) - 1) as f64 / 2.0 * apart;
                for (place, (_, arrow)) in arrows.iter().enumerate() {
                    let x = first + place as f64 * apart;
                    match side {
                        0 => ports[*arrow].above = (x, it.y + it.height),
                        _ => ports[*arrow].below = (x, it.y),
                    }
                }
            }
        }
        ports
    }

    /// Through the layers between its boxes.
    fn through(&self, at: usize, ports: Ports) -> Arrow {
        let (chain, first) = (&self.ranks.chains[at], self.ranks.first[at]);
        let (start, end) = (ports.above, ports.below);
        let mut label = None;
        let mut points = vec![start];
        // Past higher boxes beside it an arrow goes straight.
        let (under, over) =
            (self.tops[first] + self.heights[first], self.tops[first + chain.len() - 1]);
        if under > start.1 + 1.0 {
            points.push((start.0, under));
        }
        for (step, place) in chain.iter().enumerate().take(chain.len() - 1).skip(1) {
            let layer = first + step;
            let (x, top) = (self.centres[layer][*place], self.tops[layer]);
            match self.ranks.layers[layer][*place] {
                Item::Label(_) => {
                    label = Some((x, top + self.heights[layer] / 2.0));
                    points.push((x, top + self.heights[layer] / 2.0));
                }
                _ if self.heights[layer] > LABEL_HEIGHT => {
                    points.push((x, top));
                    points.push((x, top + self.heights[layer]));
                }
                // Nothing to lead it around.
                _ if chain.len() > 3 => points.push((x, top + self.heights[layer] / 2.0)),
                _ => {}
            }
        }
        if over < end.1 - 1.0 {
            points.push((end.0, over));
        }
        points.push(end);
        if self.ranks.is_up[at] {
            points.reverse();
        }
        Arrow { points, label }
    }

    /// Around all that is between its boxes, at the right side.
    fn past_all(&mut self, at: usize, edge: &Edge, ports: Ports) -> Arrow {
        self.around += BESIDE_ARROW;
        let (x, (start, end)) = (self.around, (ports.above, ports.below));
        let mut points = vec![start, (x, start.1 + BELOW / 2.0), (x, end.1 - BELOW / 2.0), end];
        if self.ranks.is_up[at] {
            points.reverse();
        }
        let label = (!edge.label.is_empty()).then_some((x, (start.1 + end.1) / 2.0));
        Arrow { points, label }
    }
}

/// An arrow from a box to itself, at its right side.
fn around(it: &Placed, edge: &Edge) -> Arrow {
    let (x, y) = (it.x + it.width, it.y + it.height / 2.0);
    let out = x + LOOP - 6.0;
    let points = vec![(x, y - 10.0), (out, y - 10.0), (out, y + 10.0), (x, y + 10.0)];
    let half = edge.label_width() / 2.0;
    let label = (!edge.label.is_empty()).then_some((x + LOOP + half, y));
    Arrow { points, label }
}
