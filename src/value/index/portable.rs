//! The indexer for any CPU: a table look-up per byte.

use super::blocks::{Block, flatten, scan};
use super::walk::walk;
use super::{Indexed, Job, ParseError, Workspace};
use crate::value::value::Value;

const QUOTE: u8 = 1;
const BACKSLASH: u8 = 2;
const STRUCTURAL: u8 = 4;
const SPACE: u8 = 8;
const CONTROL: u8 = 16;
const WIDE: u8 = 32;

const CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'"' => QUOTE,
            b'\\' => BACKSLASH,
            b'{' | b'}' | b'[' | b']' | b':' | b',' => STRUCTURAL,
            b' ' => SPACE,
            b'\t' | b'\n' | b'\r' => SPACE | CONTROL,
            0..0x20 => CONTROL,
            0x80.. => WIDE,
            _ => 0,
        };
        byte += 1;
    }
    table
};

pub(super) fn index(
    job: &Job<'_>,
    workspace: &mut Workspace,
    tape: &mut Vec<Value>,
) -> Result<Indexed, ParseError> {
    // SAFETY: `scan` made room for 64 positions.
    let flatten = |bits, base, to| unsafe { flatten(bits, base, to) };
    let classify = |from| classify(&job.bytes[from..from + 64]);
    let traits = scan(job, workspace, classify, prefix_xor, flatten)?;
    walk(job, traits, workspace, tape, digits)
}

fn classify(bytes: &[u8]) -> Block {
    let mut masks = [0u64; 6];
    for (at, &byte) in bytes.iter().enumerate() {
        let class = CLASSES[usize::from(byte)];
        for (bit, mask) in masks.iter_mut().enumerate() {
            *mask |= u64::from(class >> bit & 1) << at;
        }
    }
    let [quotes, backslashes, structurals, spaces, controls, wide] = masks;
    Block { quotes, backslashes, structurals, spaces, controls, wide }
}

fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// Which of the bytes are digits, a bit each.
#[inline(always)]
fn digits(bytes: &[u8; 16]) -> u32 {
    let is_digit = |at: usize| u32::from(bytes[at].wrapping_sub(b'0') < 10) << at;
    (0..16).fold(0, |bits, at| bits | is_digit(at))
}
