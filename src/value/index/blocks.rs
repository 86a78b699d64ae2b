//! From the masks of one block to the document's token bits: what all instruction sets share.

use super::{Job, ParseError, ParseReason, Traits, Workspace, error};

/// One bit per byte of a 64-byte block.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// `"`
    pub quotes: u64,
    /// `\`
    pub backslashes: u64,
    /// `{}[]:,`
    pub structurals: u64,
    /// Space, tab, line feed, carriage return.
    pub spaces: u64,
    /// Below 0x20.
    pub controls: u64,
    /// 0x80 and above.
    pub wide: u64,
}

/// What one block hands to the next.
#[derive(Default)]
struct Carry {
    /// All ones inside a string.
    in_string: u64,
    /// 1 where the first byte of the next block is escaped.
    escape: u64,
    /// 1 where the last byte belonged to a scalar.
    scalar: u64,
}

/// Fills `workspace.masks`. `classify` reads the 64 bytes at an index of `job.bytes`;
/// `prefix_xor` sets each bit to the parity of the bits up to it.
#[inline(always)]
pub(super) fn scan(
    job: &Job<'_>,
    workspace: &mut Workspace,
    classify: impl Fn(usize) -> Block,
    prefix_xor: impl Fn(u64) -> u64,
) -> Result<Traits, ParseError> {
    let count = (job.end - job.start).div_ceil(64);
    workspace.masks.clear();
    workspace.masks.reserve(count);
    let mut carry = Carry::default();
    let (mut backslashes, mut wide, mut spaces, mut bad) = (0, 0, 0, 0);
    for at in 0..count {
        let from = job.start + at * 64;
        let mut block = classify(from);
        if job.end - from < 64 {
            block = block.cut((1 << (job.end - from)) - 1);
        }
        let quotes = block.quotes & !escaped(block.backslashes, &mut carry.escape);
        let inside = prefix_xor(quotes) ^ carry.in_string;
        carry.in_string = ((inside as i64) >> 63) as u64;
        backslashes |= block.backslashes;
        wide |= block.wide;
        spaces |= block.spaces & !inside;
        bad |= block.controls & inside;
        let structurals = block.structurals & !inside;
        let scalars = !(structurals | block.spaces | inside | quotes);
        let starts = scalars & !(scalars << 1 | carry.scalar);
        carry.scalar = scalars >> 63;
        workspace.masks.push(structurals | quotes | starts);
    }
    if let Some(last) = workspace.masks.last_mut()
        && !(job.end - job.start).is_multiple_of(64)
    {
        *last &= (1 << ((job.end - job.start) % 64)) - 1;
    }
    if carry.in_string != 0 {
        return Err(error(ParseReason::UnterminatedString, job.end - job.start));
    }
    if bad != 0 {
        return Err(error(ParseReason::ControlCharacter, control_in_string(job)));
    }
    Ok(Traits { spaced: spaces != 0, escaped: backslashes != 0, wide: wide != 0 })
}

impl Block {
    /// Only the bytes in `keep`.
    #[inline(always)]
    fn cut(self, keep: u64) -> Block {
        Block {
            quotes: self.quotes & keep,
            backslashes: self.backslashes & keep,
            structurals: self.structurals & keep,
            spaces: self.spaces & keep,
            controls: self.controls & keep,
            wide: self.wide & keep,
        }
    }
}

/// The bytes that an odd run of backslashes escapes.
#[inline(always)]
fn escaped(backslashes: u64, carry: &mut u64) -> u64 {
    if backslashes | *carry == 0 {
        return 0;
    }
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    let possible = backslashes & !*carry;
    let codes = ((possible << 1) | ODD).wrapping_sub(possible) ^ ODD;
    let escaped = codes ^ (backslashes | *carry);
    *carry = (codes & backslashes) >> 63;
    escaped
}

/// Where the first control character inside a string stands; only called where there is one.
#[cold]
fn control_in_string(job: &Job<'_>) -> usize {
    let (mut inside, mut escape) = (false, false);
    for (at, &byte) in job.bytes[job.start..job.end].iter().enumerate() {
        match byte {
            _ if escape => escape = false,
            b'\\' if inside => escape = true,
            b'"' => inside = !inside,
            0..0x20 if inside => return at,
            _ => {}
        }
    }
    0
}
