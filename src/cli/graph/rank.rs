//! The layers of a drawing (Sugiyama): which box stands on which layer, and in which order there, so
//! that arrows go down and cross little.

use super::scene::{Edge, Scene};

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
    /// last a box, bends between them. Empty where it leads to its own box, or so far that it goes
    /// around all layers.
    pub(super) chains: Vec<Vec<usize>>,
    /// The layer on which an arrow's chain begins.
    pub(super) first: Vec<usize>,
    /// Does the arrow go up?
    pub(super) is_up: Vec<bool>,
    /// For every layer, the arrows that pass it, and how far along their chains that is.
    passing: Vec<Vec<(usize, usize)>>,
}

/// Passes over the layers in search of fewer crossings.
const SWEEPS: usize = 12;
/// Bends of all arrows together: where a picture would have more, the longest arrows go around.
const BENDS_MAX: usize = 50_000;

impl Ranks {
    pub(super) fn of(scene: &Scene) -> Ranks {
        let out = ways_out(scene);
        let is_up = upward(scene, &out);
        let rank = ranks(scene, &is_up);
        let depth = rank.iter().max().map_or(0, |deepest| 2 * deepest + 1);
        let mut ranks = Ranks {
            layers: vec![Vec::new(); depth],
            chains: vec![Vec::new(); scene.edges.len()],
            first: vec![0; scene.edges.len()],
            is_up,
            passing: vec![Vec::new(); depth],
        };
        let mut place = vec![0; scene.nodes.len()];
        for node in by_visit(scene, &out) {
            let layer = &mut ranks.layers[2 * rank[node]];
            place[node] = layer.len();
            layer.push(Item::Node(node));
        }
        let longest = longest_span(scene, &rank);
        for (at, edge) in scene.edges.iter().enumerate() {
            if edge.from != edge.to && rank[edge.from].abs_diff(rank[edge.to]) <= longest {
                ranks.lead(at, scene, &rank, &place);
            }
        }
        ranks.order();
        ranks
    }

    /// Leads an arrow through the layers between its boxes.
    fn lead(&mut self, at: usize, scene: &Scene, rank: &[usize], place: &[usize]) {
        let edge = &scene.edges[at];
        let (above, below) =
            if self.is_up[at] { (edge.to, edge.from) } else { (edge.from, edge.to) };
        let (top, bottom) = (2 * rank[above], 2 * rank[below]);
        let labelled = if self.is_up[at] { bottom - 1 } else { top + 1 };
        self.first[at] = top;
        let mut chain = vec![place[above]];
        for layer in top + 1..bottom {
            let has_label = layer == labelled && !edge.label.is_empty();
            chain.push(self.layers[layer].len());
            let item = if has_label { Item::Label(at) } else { Item::Bend(at) };
            self.layers[layer].push(item);
        }
        chain.push(place[below]);
        for step in 0..chain.len() {
            self.passing[top + step].push((at, step));
        }
        self.chains[at] = chain;
    }

    /// For each item of a layer, the places of its neighbours on the next one (`down`) or the last.
    pub(super) fn neighbours(&self, layer: usize, down: bool) -> Vec<Vec<usize>> {
        let mut found = vec![Vec::new(); self.layers[layer].len()];
        for (arrow, at) in &self.passing[layer] {
            let chain = &self.chains[*arrow];
            let next = if down { at.checked_add(1) } else { at.checked_sub(1) };
            if let Some(place) = next.and_then(|next| chain.get(next)) {
                found[chain[*at]].push(*place);
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
        for (arrow, at) in &self.passing[layer] {
            let place = &mut self.chains[*arrow][*at];
            *place = moved[*place];
        }
    }

    fn crossings(&self) -> usize {
        (0..self.layers.len()).map(|layer| self.crossings_below(layer)).sum()
    }

    fn crossings_below(&self, layer: usize) -> usize {
        let below = self.neighbours(layer, true);
        let sorted = |mut list: Vec<usize>| {
            list.sort_unstable();
            list
        };
        inversions(&mut below.into_iter().flat_map(sorted).collect::<Vec<_>>())
    }
}

/// How many pairs stand the wrong way round; sorts them.
fn inversions(list: &mut [usize]) -> usize {
    if list.len() < 2 {
        return 0;
    }
    let (left, right) = list.split_at_mut(list.len() / 2);
    let mut count = inversions(left) + inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut one, mut two) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(first), Some(second)) = (one.peek(), two.peek()) {
        if first <= second {
            merged.extend(one.next());
        } else {
            count += one.len();
            merged.extend(two.next());
        }
    }
    merged.extend(one);
    merged.extend(two);
    list.copy_from_slice(&merged);
    count
}

/// The most layers that an arrow may cross.
fn longest_span(scene: &Scene, rank: &[usize]) -> usize {
    let spans = scene.edges.iter().map(|edge| rank[edge.from].abs_diff(rank[edge.to]));
    let mut spans: Vec<usize> = spans.collect();
    spans.sort_unstable();
    let mut bends = 0;
    let fitting = spans.iter().take_while(|span| {
        bends += 2 * *span;
        bends <= BENDS_MAX
    });
    match fitting.count() {
        all if all == spans.len() => usize::MAX,
        // Of arrows of one length all go around or none.
        count => spans[count].saturating_sub(1).max(1),
    }
}

/// The arrows out of each box.
fn ways_out(scene: &Scene) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); scene.nodes.len()];
    for (at, edge) in scene.edges.iter().enumerate() {
        out[edge.from].push(at);
    }
    out
}

/// The roots of the walk: the start's mark, then the first state, then what neither reaches.
fn roots(scene: &Scene) -> impl Iterator<Item = usize> {
    let mark = scene.nodes.iter().position(|node| node.shape == super::scene::Shape::Start);
    mark.into_iter().chain(0..scene.nodes.len())
}

/// The boxes as a walk from the start comes to them, so that main ways begin on the left.
fn by_visit(scene: &Scene, out: &[Vec<usize>]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut seen = vec![false; scene.nodes.len()];
    for root in roots(scene) {
        let mut waiting = vec![root];
        while let Some(node) = waiting.pop() {
            if !std::mem::replace(&mut seen[node], true) {
                found.push(node);
                waiting.extend(out[node].iter().rev().map(|at| scene.edges[*at].to));
            }
        }
    }
    found
}

/// The arrows that close a cycle: they go up.
fn upward(scene: &Scene, out: &[Vec<usize>]) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; scene.nodes.len()];
    let mut is_up = vec![false; scene.edges.len()];
    for root in roots(scene) {
        // The box, and which of the arrows out of it is to be followed next.
        let mut path = vec![(root, 0)];
        while let Some((node, next)) = path.pop() {
            if next == 0 {
                if marks[node] != Mark::New {
                    continue;
                }
                marks[node] = Mark::Open;
            }
            let Some(at) = out[node].get(next) else {
                marks[node] = Mark::Done;
                continue;
            };
            path.push((node, next + 1));
            let to = scene.edges[*at].to;
            match marks[to] {
                Mark::Open => is_up[*at] = true,
                Mark::New => path.push((to, 0)),
                Mark::Done => {}
            }
        }
    }
    is_up
}

/// The longest way from above to each box.
fn ranks(scene: &Scene, is_up: &[bool]) -> Vec<usize> {
    // Without the upward arrows, turned round, there is no cycle.
    let down = |(at, edge): (usize, &Edge)| match is_up[at] {
        true => (edge.to, edge.from),
        false => (edge.from, edge.to),
    };
    let arrows = scene.edges.iter().enumerate().filter(|(_, edge)| edge.from != edge.to);
    let mut below = vec![Vec::new(); scene.nodes.len()];
    let mut above = vec![0_usize; scene.nodes.len()];
    for (from, to) in arrows.map(down) {
        below[from].push(to);
        above[to] += 1;
    }
    let mut rank = vec![0; scene.nodes.len()];
    let mut ready: Vec<usize> = (0..above.len()).filter(|node| above[*node] == 0).collect();
    while let Some(node) = ready.pop() {
        for to in &below[node] {
            rank[*to] = rank[*to].max(rank[node] + 1);
            above[*to] -= 1;
            if above[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    rank
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_the_wrong_way_round_are_counted() {
        assert_eq!(inversions(&mut [3, 1, 2, 2]), 3);
        assert_eq!(inversions(&mut [1, 1, 2]), 0);
        assert_eq!(inversions(&mut []), 0);
    }
}
