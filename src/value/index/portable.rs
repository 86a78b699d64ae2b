//! The indexer for any CPU: eight bytes at a time in a word.

use super::blocks::{Block, flatten, scan};
use super::duplicates::low_bits;
use super::numbers::Numeral;
use super::walk::walk;
use super::{Indexed, Job, ParseError, Workspace};
use crate::value::value::Value;

pub(super) fn index(
    job: &Job<'_>,
    workspace: &mut Workspace,
    tape: &mut Vec<Value>,
) -> Result<Indexed, ParseError> {
    // SAFETY: `scan` made room for 64 positions.
    let flatten = |bits, base, to| unsafe { flatten(bits, base, to) };
    let traits = scan(job, workspace, classify, prefix_xor, flatten)?;
    walk(job, traits, workspace, tape, numeral, low_bits)
}

fn classify(bytes: &[u8; 64]) -> Block {
    let mut block =
        Block { quotes: 0, backslashes: 0, structurals: 0, spaces: 0, controls: 0, wide: 0 };
    let (eights, _) = bytes.as_chunks::<8>();
    for (at, eight) in eights.iter().enumerate() {
        let v = Eight(u64::from_le_bytes(*eight));
        let folded = Eight(v.0 | (0x20 * ONES));
        let place = |high_bits| gather(high_bits) << (8 * at);
        block.quotes |= place(v.equal(b'"'));
        block.backslashes |= place(v.equal(b'\\'));
        let brackets = folded.equal(b'{') | folded.equal(b'}');
        block.structurals |= place(brackets | v.equal(b':') | v.equal(b','));
        let controls = v.below_0x20();
        // All whitespace but the space is among the controls, which are rare.
        let breaks = match controls {
            0 => 0,
            _ => v.equal(b'\t') | v.equal(b'\n') | v.equal(b'\r'),
        };
        block.spaces |= place(v.equal(b' ') | breaks);
        block.controls |= place(controls);
        block.wide |= v.0 & HIGH;
    }
    block
}

/// Eight bytes in a word; what its questions say is in the high bit of each byte.
#[derive(Clone, Copy)]
struct Eight(u64);

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

impl Eight {
    /// Which bytes are `byte`, exactly: no carry leaves a byte.
    #[inline(always)]
    fn equal(self, byte: u8) -> u64 {
        let other = self.0 ^ (u64::from(byte) * ONES);
        !(((other & !HIGH) + !HIGH) | other) & HIGH
    }

    /// Which bytes are below 0x20.
    #[inline(always)]
    fn below_0x20(self) -> u64 {
        !(((self.0 & !HIGH) + (0x60 * ONES)) | self.0) & HIGH
    }
}

/// The high bits of the bytes as the eight low bits.
#[inline(always)]
fn gather(high_bits: u64) -> u64 {
    (high_bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// The digits and points among the bytes.
#[inline(always)]
fn numeral(bytes: &[u8; 16]) -> Numeral {
    let gather = |is_one: fn(u8) -> bool| {
        (0..16).fold(0, |bits, at| bits | (u32::from(is_one(bytes[at])) << at))
    };
    Numeral { digits: gather(|byte| byte.is_ascii_digit()), points: gather(|byte| byte == b'.') }
}
