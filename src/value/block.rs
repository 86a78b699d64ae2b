//! A parked execution's memory: its live roots as JSON text, nothing else of what it had.

use super::scratch::{Limits, Scratch};
use super::value::Value;

/// Up to so many roots are compared each with each.
const FEW: usize = 8;

/// What a parked execution keeps of its values; pooled and reused by the shard.
#[derive(Clone, Debug, Default)]
pub struct Block {
    text: Vec<u8>,
    roots: Vec<Root>,
    /// For finding roots that are the same handle.
    order: Vec<u32>,
}

/// Where a root's text stands; `null` has none.
#[derive(Clone, Copy, Debug)]
struct Root {
    from: u32,
    to: u32,
    /// The root whose text it shares; itself where it has its own.
    owner: u32,
}

impl Block {
    /// Bytes of text in it.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Is nothing parked in it?
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// Empties it; gives memory beyond `keep` bytes back.
    pub fn clear(&mut self, keep: usize) {
        self.text.clear();
        self.roots.clear();
        self.text.shrink_to(keep);
    }

    /// Makes each root the owner of its text, or names the one whose handle is the same.
    fn find_owners(&mut self, roots: &[Value]) {
        let own = |owner| Root { from: 0, to: 0, owner };
        self.roots.extend((0..roots.len() as u32).map(own));
        if roots.len() <= FEW {
            for at in 1..roots.len() {
                let same = roots[..at].iter().position(|other| other.is_same(roots[at]));
                self.roots[at].owner = same.unwrap_or(at) as u32;
            }
            return;
        }
        self.order.clear();
        self.order.extend(0..roots.len() as u32);
        self.order.sort_unstable_by_key(|at| (roots[*at as usize].identity(), *at));
        for pair in 1..self.order.len() {
            let (before, at) = (self.order[pair - 1] as usize, self.order[pair] as usize);
            if roots[before].is_same(roots[at]) {
                self.roots[at].owner = self.roots[before].owner;
            }
        }
    }
}

impl Scratch {
    /// Copies what `roots` reach into `block`. Roots that are the same handle share their text.
    pub fn park(&self, roots: &[Value], block: &mut Block) {
        block.clear(usize::MAX);
        block.find_owners(roots);
        let owners = block.roots.iter().enumerate().filter(|(at, root)| root.owner as usize == *at);
        let bytes_max: usize = owners.map(|(at, _)| roots[at].size_max()).sum();
        // In powers of two, so that a reused block soon fits whatever comes.
        block.text.reserve(bytes_max.next_power_of_two());
        for (at, root) in roots.iter().enumerate() {
            if root.is_null() {
                continue;
            }
            let owner = block.roots[at].owner as usize;
            if owner == at {
                block.roots[at].from = block.text.len() as u32;
                self.write(*root, &mut block.text);
                block.roots[at].to = block.text.len() as u32;
            }
        }
    }

    /// Brings back what [`Scratch::park`] put into `block`, in the same order.
    pub fn resume(&mut self, block: &Block, roots: &mut [Value]) {
        for (at, root) in block.roots.iter().enumerate().take(roots.len()) {
            let owner = root.owner as usize;
            if owner != at {
                roots[at] = roots[owner];
                continue;
            }
            let text = &block.text[root.from as usize..root.to as usize];
            if text.is_empty() {
                roots[at] = Value::NULL;
                continue;
            }
            let value = self.parse_within(text, Limits::HEIGHT_CEILING);
            roots[at] = value.expect("a written value is valid JSON");
        }
    }
}
