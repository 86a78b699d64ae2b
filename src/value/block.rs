//! A parked execution's memory: its live roots as JSON text, nothing else of what it had.

use super::scratch::{Limits, Scratch};
use super::value::Value;

/// What a parked execution keeps of its values; pooled and reused by the shard.
#[derive(Clone, Debug, Default)]
pub struct Block {
    text: Vec<u8>,
    /// Where each root's text stands.
    roots: Vec<(u32, u32)>,
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
}

impl Scratch {
    /// Copies what `roots` reach into `block`. Roots that are the same handle share their text.
    pub fn park(&self, roots: &[Value], block: &mut Block) {
        block.clear(usize::MAX);
        // In powers of two, so that a reused block soon fits whatever comes.
        let bytes_max: usize = roots.iter().map(|root| root.size_max()).sum();
        block.text.reserve(bytes_max.next_power_of_two());
        for (at, root) in roots.iter().enumerate() {
            if let Some(same) = roots[..at].iter().position(|other| other.is_same(*root)) {
                block.roots.push(block.roots[same]);
                continue;
            }
            let from = block.text.len() as u32;
            self.write(*root, &mut block.text);
            block.roots.push((from, block.text.len() as u32));
        }
    }

    /// Brings back what [`Scratch::park`] put into `block`, in the same order.
    pub fn resume(&mut self, block: &Block, roots: &mut [Value]) {
        for at in 0..roots.len().min(block.roots.len()) {
            let (from, to) = block.roots[at];
            if let Some(same) = block.roots[..at].iter().position(|other| *other == (from, to)) {
                roots[at] = roots[same];
                continue;
            }
            let text = &block.text[from as usize..to as usize];
            let value = self.parse_within(text, Limits::HEIGHT_CEILING);
            roots[at] = value.expect("a written value is valid JSON");
        }
    }
}
