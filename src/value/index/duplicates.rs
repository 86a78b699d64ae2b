//! Duplicate keys: a filter that costs next to nothing per key, and exact checks where it strikes.

use crate::value::hash::hash_on;
use crate::value::text::{decode, pieces};
use crate::value::value::Value;

/// Earlier keys that a key is compared with one by one; objects with more are sorted.
const COMPARED_MAX: usize = 64;

/// Which keys an object may hold already: a bit per key, by its hash.
#[derive(Clone, Copy, Default)]
pub(in crate::value) struct Filter([u64; 4]);

impl Filter {
    /// Every key may have been noted.
    pub(in crate::value) const ALL: Filter = Filter([u64::MAX; 4]);

    /// Notes a key by [`Filter::hash`]. True where it may have been noted before.
    #[inline(always)]
    pub(super) fn add(&mut self, hash: u64) -> bool {
        let (word, bit) = Filter::place(hash);
        let before = self.0[word];
        self.0[word] = before | bit;
        before & bit != 0
    }

    /// May a key of that hash have been noted?
    #[inline]
    pub(in crate::value) fn may_hold(&self, hash: u64) -> bool {
        let (word, bit) = Filter::place(hash);
        self.0[word] & bit != 0
    }

    #[inline(always)]
    fn place(hash: u64) -> (usize, u64) {
        ((hash >> 62) as usize, 1 << (hash >> 56 & 63))
    }

    /// A key's hash, by its length, quotes included, and the eight bytes from its start on, whatever
    /// follows the key in them. Longer keys may be confused. `low_bits` is [`low_bits`].
    #[inline(always)]
    pub(in crate::value) fn hash(first: u64, len: u32, low_bits: impl Fn(u64, u32) -> u64) -> u64 {
        let kept = low_bits(first, len.min(10) * 8 - 16);
        kept.wrapping_add(u64::from(len)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// The lowest `count` bits of a word, as the instruction BZHI gives them; at most 64.
pub(in crate::value) fn low_bits(word: u64, count: u32) -> u64 {
    match count {
        0..64 => word & !(u64::MAX << count),
        _ => word,
    }
}

/// May the last key on the tape occur earlier in the object at `entry`? Exact below
/// [`COMPARED_MAX`] keys, but for escaped ones.
pub(super) fn repeat(bytes: &[u8], tape: &[Value], entry: u32) -> bool {
    let text = |key: &Value| &bytes[key.offset as usize..(key.offset + key.len) as usize];
    let Some((last, earlier)) = tape.split_last() else { return true };
    let mut at = entry as usize + 1;
    for _ in 0..COMPARED_MAX {
        let Some(key) = earlier.get(at) else { return false };
        if key.len == last.len && text(key) == text(last) {
            return true;
        }
        at = tape[at + 1].link as usize;
    }
    true
}

/// Does the object at `entry` of the tape hold a key twice? Sorts hashes, so that a hostile document
/// costs `n log n`.
pub(super) fn holds_duplicates(
    bytes: &[u8],
    tape: &[Value],
    entry: u32,
    keys: &mut Vec<(u64, u32)>,
) -> bool {
    let text = |key: &Value| {
        let (from, to) = (key.offset as usize + 1, (key.offset + key.len) as usize - 1);
        // The document was checked to be UTF-8 before the walk.
        std::str::from_utf8(&bytes[from..to]).unwrap_or_default()
    };
    keys.clear();
    let end = tape[entry as usize].link - 1;
    let mut at = entry + 1;
    while at < end {
        keys.push((hash(text(&tape[at as usize])), at));
        at = tape[at as usize + 1].link;
    }
    keys.sort_unstable();
    keys.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1).any(|same| {
        let mut texts: Vec<_> =
            same.iter().map(|key| decode(text(&tape[key.1 as usize]))).collect();
        texts.sort_unstable();
        texts.windows(2).any(|pair| pair[0] == pair[1])
    })
}

/// A hash of what the text says, enough to bring equal keys side by side.
fn hash(text: &str) -> u64 {
    let mut buffer = [0; 4];
    let mut hash = crate::value::hash([]);
    pieces(text, |plain, c| {
        let escaped = c.map_or("", |c| &*c.encode_utf8(&mut buffer));
        hash = hash_on(hash, plain.bytes().chain(escaped.bytes()));
    });
    hash
}

#[cfg(test)]
mod tests {
    use super::{Filter, low_bits};

    #[test]
    fn the_first_eight_bytes_of_long_keys_count() {
        for len in 10..300 {
            let [a, b] = [b"12345678", b"12345679"]
                .map(|first| Filter::hash(u64::from_le_bytes(*first), len, low_bits));
            assert_ne!(a, b, "{len}");
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn low_bits_are_those_of_the_instruction() {
        if !is_x86_feature_detected!("bmi2") {
            println!("skipped: this CPU has no BMI2");
            return;
        }
        for count in 0..=64 {
            // SAFETY: the CPU has the instruction.
            let expected = unsafe { std::arch::x86_64::_bzhi_u64(u64::MAX, count) };
            assert_eq!(low_bits(u64::MAX, count), expected, "{count}");
        }
    }
}
