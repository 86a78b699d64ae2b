//! The layers of a drawing (Sugiyama): which box stands on which layer, and in which order there, so
//! that arrows go down and cross little.

use super::scene::Scene;

/// What stands on a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A box, by its index.
    Node(usize),
    /// Where an arrow, by its index, crosses the layer.
    Bend(usize),
    /// The same, and its label stands there.
    Label(usize),
}

/// Boxes stand on even layers, labels on odd ones.
#[derive(Debug, Default)]
pub(super) struct Ranks {
    /// The layers from above.
    pub(super) layers: Vec<Vec<Item>>,
    /// For every arrow, the indexes within their layers of what it passes, from above: first a box,
    /// last a box, bends between them. Empty where it leads to its own box.
    pub(super) chains: Vec<Vec<usize>>,
    /// The layer on which an arrow's chain begins.
    pub(super) first: Vec<usize>,
    /// Does the arrow go up?
    pub(super) is_up: Vec<bool>,
}

/// Passes over the layers in search of fewer crossings.
const SWEEPS: usize = 12;
/// With more arrows than this the search would take longer than the picture is worth.
const ORDERED_EDGES_MAX: usize = 2_000;

impl Ranks {
    pub(super) fn of(scene: &Scene) -> Ranks {
        let is_up = upward(scene);
        let rank = ranks(scene, &is_up);
        let depth = rank.iter().max().map_or(0, |deepest| 2 * deepest + 1);
        let mut ranks = Ranks {
            layers: vec![Vec::new(); depth],
            chains: vec![Vec::new(); scene.edges.len()],
            first: vec![0; scene.edges.len()],
            is_up,
        };
        let mut place = vec![0; scene.nodes.len()];
        for node in by_visit(scene) {
            let layer = &mut ranks.layers[2 * rank[node]];
            place[node] = layer.len();
            layer.push(Item::Node(node));
        }
        for (at, edge) in scene.edges.iter().enumerate().filter(|(_, edge)| edge.from != edge.to) {
            let (above, below) =
                if ranks.is_up[at] { (edge.to, edge.from) } else { (edge.from, edge.to) };
            let (top, bottom) = (2 * rank[above], 2 * rank[below]);
            let labelled = if ranks.is_up[at] { bottom - 1 } else { top + 1 };
            ranks.first[at] = top;
            let mut chain = vec![place[above]];
            for layer in top + 1..bottom {
                let has_label = layer == labelled && !edge.label.is_empty();
                chain.push(ranks.layers[layer].len());
                let item = if has_label { Item::Label(at) } else { Item::Bend(at) };
                ranks.layers[layer].push(item);
            }
            chain.push(place[below]);
            ranks.chains[at] = chain;
        }
        if scene.edges.len() <= ORDERED_EDGES_MAX {
            ranks.order();
        }
        ranks
    }

    /// For each item of a layer, the places of its neighbours on the next one (`down`) or the last.
    pub(super) fn neighbours(&self, layer: usize, down: bool) -> Vec<Vec<usize>> {
        let mut found = vec![Vec::new(); self.layers[layer].len()];
        for (chain, first) in self.chains.iter().zip(&self.first) {
            let Some(at) = layer.checked_sub(*first).filter(|at| *at < chain.len()) else {
                continue;
            };
            let next = if down { at.checked_add(1) } else { at.checked_sub(1) };
            if let Some(place) = next.and_then(|next| chain.get(next)) {
                found[chain[at]].push(*place);
            }
        }
        found
    }

    /// Orders each layer by the mean place of its neighbours, down and up in turn, and keeps the best.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.layers.clone(), self.chains.clone());
        for sweep in 0..SWEEPS {
            let down = sweep % 2 == 0;
            let count = self.layers.len();
            for step in 1..count {
                let layer = if down { step } else { count - 1 - step };
                self.sort(layer, !down);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.layers.clone(), self.chains.clone());
            }
        }
        (_, self.layers, self.chains) = best;
    }

    fn sort(&mut self, layer: usize, below: bool) {
        let neighbours = self.neighbours(layer, below);
        let mean = |at: usize| {
            let list = &neighbours[at];
            let sum: usize = list.iter().sum();
            if list.is_empty() { at as f64 } else { sum as f64 / list.len() as f64 }
        };
        let mut order: Vec<usize> = (0..neighbours.len()).collect();
        order.sort_by(|left, right| mean(*left).total_cmp(&mean(*right)));
        self.reorder(layer, &order);
    }

    /// `order`: the old places in their new order.
    fn reorder(&mut self, layer: usize, order: &[usize]) {
        let mut moved = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, old)| moved[*old] = new);
        self.layers[layer] = order.iter().map(|old| self.layers[layer][*old]).collect();
        for (chain, first) in self.chains.iter_mut().zip(&self.first) {
            if let Some(place) = layer.checked_sub(*first).and_then(|at| chain.get_mut(at)) {
                *place = moved[*place];
            }
        }
    }

    fn crossings(&self) -> usize {
        (0..self.layers.len()).map(|layer| self.crossings_below(layer)).sum()
    }

    fn crossings_below(&self, layer: usize) -> usize {
        let below = self.neighbours(layer, true);
        let arcs: Vec<(usize, usize)> = below
            .iter()
            .enumerate()
            .flat_map(|(from, list)| list.iter().map(move |to| (from, *to)))
            .collect();
        let cross = |(at, one): (usize, &(usize, usize))| {
            arcs[at + 1..]
                .iter()
                .filter(|two| (one.0 < two.0 && one.1 > two.1) || (one.0 > two.0 && one.1 < two.1))
                .count()
        };
        arcs.iter().enumerate().map(cross).sum()
    }
}

/// The roots of the walk: the start's mark, then the first state, then what neither reaches.
fn roots(scene: &Scene) -> impl Iterator<Item = usize> {
    let mark = scene.nodes.iter().position(|node| node.shape == super::scene::Shape::Start);
    mark.into_iter().chain(0..scene.nodes.len())
}

/// The boxes as a walk from the start comes to them, so that main ways begin on the left.
fn by_visit(scene: &Scene) -> Vec<usize> {
    let mut found = Vec::new();
    let mut seen = vec![false; scene.nodes.len()];
    for root in roots(scene) {
        let mut waiting = vec![root];
        while let Some(node) = waiting.pop() {
            if !std::mem::replace(&mut seen[node], true) {
                found.push(node);
                let next = scene.edges.iter().rev().filter(|edge| edge.from == node);
                waiting.extend(next.map(|edge| edge.to));
            }
        }
    }
    found
}

/// The arrows that close a cycle: they go up.
fn upward(scene: &Scene) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; scene.nodes.len()];
    let mut is_up = vec![false; scene.edges.len()];
    for root in roots(scene) {
        // The box, and the arrows out of it that are still to be followed.
        let mut path = vec![(root, 0)];
        while let Some((node, next)) = path.pop() {
            if next == 0 {
                if marks[node] != Mark::New {
                    continue;
                }
                marks[node] = Mark::Open;
            }
            let mut out = scene.edges.iter().enumerate().filter(|(_, edge)| edge.from == node);
            match out.nth(next) {
                None => marks[node] = Mark::Done,
                Some((at, edge)) => {
                    path.push((node, next + 1));
                    match marks[edge.to] {
                        Mark::Open => is_up[at] = true,
                        Mark::New => path.push((edge.to, 0)),
                        Mark::Done => {}
                    }
                }
            }
        }
    }
    is_up
}

/// The longest way from above to each box.
fn ranks(scene: &Scene, is_up: &[bool]) -> Vec<usize> {
    let mut rank = vec![0; scene.nodes.len()];
    // Without the upward arrows there is no cycle, so a longest way has fewer arrows than boxes.
    for _ in 0..scene.nodes.len() {
        let mut moved = false;
        for (edge, is_up) in scene.edges.iter().zip(is_up).filter(|(edge, _)| edge.from != edge.to)
        {
            let (above, below) = if *is_up { (edge.to, edge.from) } else { (edge.from, edge.to) };
            if rank[below] < rank[above] + 1 {
                rank[below] = rank[above] + 1;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    rank
}
