//! Duplicate keys: a filter that costs next to nothing per key, and an exact check where it strikes.

use crate::value::text::decode;
use crate::value::value::Value;

/// Which keys an object may hold already: a Bloom filter of two bits a key.
#[derive(Clone, Copy, Default)]
pub(in crate::value) struct Filter {
    low: u64,
    high: u64,
    suspect: bool,
}

impl Filter {
    /// Notes a key by its first eight bytes and length. An escaped key is always suspect.
    #[inline(always)]
    pub(super) fn add(&mut self, prefix: u64, len: usize, is_escaped: bool) {
        let kept = if len >= 8 { prefix } else { prefix & ((1 << (len * 8)) - 1) };
        let hash = (kept ^ (len as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (low, high) = (1 << (hash >> 58), 1 << (hash >> 52 & 63));
        self.suspect |= is_escaped || (self.low & low != 0 && self.high & high != 0);
        self.low |= low;
        self.high |= high;
    }

    /// May it hold a key twice?
    #[inline(always)]
    pub(super) fn is_suspect(&self) -> bool {
        self.suspect
    }
}

/// Does the object at `entry` of the tape hold a key twice? Sorts hashes, so that a hostile document
/// costs `n log n`.
#[cold]
#[inline(never)]
pub(super) fn holds_duplicates(
    bytes: &[u8],
    start: u32,
    tape: &[Value],
    entry: u32,
    keys: &mut Vec<(u64, u32)>,
) -> bool {
    let text = |key: Value| {
        let from = (key.offset - start) as usize;
        // The document was checked to be UTF-8 before the walk.
        std::str::from_utf8(&bytes[from + 1..from + key.len as usize - 1]).unwrap_or_default()
    };
    keys.clear();
    let end = tape[entry as usize].link - 1;
    let mut at = entry + 1;
    while at < end {
        let key = tape[at as usize];
        keys.push((hash(&decode(text(key))), at));
        at = tape[at as usize + 1].link;
    }
    keys.sort_unstable();
    keys.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1).any(|same| {
        let mut texts: Vec<_> = same.iter().map(|k| decode(text(tape[k.1 as usize]))).collect();
        texts.sort_unstable();
        texts.windows(2).any(|pair| pair[0] == pair[1])
    })
}

/// FNV-1a, enough to bring equal keys side by side.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
