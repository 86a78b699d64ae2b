//! From the masks of one block to the positions of the document's tokens: what all instruction sets
//! share.

use super::{Job, PADDING, ParseError, ParseReason, SENTINELS, Traits, Workspace, error};

/// One bit per byte of a 64-byte block.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// `"`
    pub quotes: u64,
    /// `\`
    pub backslashes: u64,
    /// `{}[]:,`; bytes in `controls` may be in here wrongly.
    pub structurals: u64,
    /// Space, tab, line feed, carriage return.
    pub spaces: u64,
    /// Below 0x20.
    pub controls: u64,
    /// Not zero where a byte is 0x80 or above.
    pub wide: u64,
}

impl Block {
    /// Without the first `count` bytes.
    #[inline(always)]
    fn without(self, count: usize) -> Block {
        Block {
            quotes: self.quotes >> count,
            backslashes: self.backslashes >> count,
            structurals: self.structurals >> count,
            spaces: self.spaces >> count,
            controls: self.controls >> count,
            wide: self.wide,
        }
    }
}

/// What one block hands to the next, and what is true of all so far.
#[derive(Default)]
struct Sorter {
    /// All ones inside a string.
    in_string: u64,
    /// 1 where the first byte of the next block is escaped.
    escape: u64,
    /// 1 where the last byte belonged to a scalar.
    scalar: u64,
    /// Not zero where a byte is 0x80 or above.
    wide: u64,
    /// Not zero where there is whitespace between tokens.
    spaces: u64,
    /// Not zero where a string holds a control character.
    bad: u64,
}

impl Sorter {
    /// The block's tokens: structural characters, quotes, and where scalars start.
    #[inline(always)]
    fn tokens(&mut self, block: Block, prefix_xor: impl Fn(u64) -> u64) -> u64 {
        let quotes = block.quotes & !escaped(block.backslashes, &mut self.escape);
        let inside = prefix_xor(quotes) ^ self.in_string;
        self.in_string = ((inside as i64) >> 63) as u64;
        self.wide |= block.wide;
        self.spaces |= block.spaces & !inside;
        self.bad |= block.controls & inside;
        let structurals = block.structurals & !(inside | block.controls);
        let scalars = !(structurals | block.spaces | inside | quotes);
        let starts = scalars & !(scalars << 1 | self.scalar);
        self.scalar = scalars >> 63;
        structurals | quotes | starts
    }
}

/// Fills `workspace.positions`, as positions in `job.bytes`. `classify` sorts 64 bytes; `prefix_xor`
/// sets each bit to the parity of the bits up to it; `flatten` writes `base` plus the index of each set
/// bit, and may write up to 64 positions whatever the bits are.
#[inline(always)]
pub(super) fn scan(
    job: &Job<'_>,
    workspace: &mut Workspace,
    classify: impl Fn(&[u8; 64]) -> Block,
    prefix_xor: impl Fn(u64) -> u64,
    flatten: impl Fn(u64, u32, *mut u32),
) -> Result<Traits, ParseError> {
    let end = job.start + job.text.len();
    let Workspace { positions, backslashes, .. } = workspace;
    positions.clear();
    backslashes.clear();
    let mut filled = 0;
    let mut take = |tokens: u64, escapes: u64, base: usize| {
        if escapes != 0 {
            backslashes.push((base as u32, escapes));
        }
        if positions.capacity() - filled < 64 {
            // SAFETY: `flatten` has written this many.
            unsafe { positions.set_len(filled) };
            positions.reserve(64);
        }
        // SAFETY: the lines above made room for the 64 positions that `flatten` may write.
        unsafe { flatten(tokens, base as u32, positions.as_mut_ptr().add(filled)) };
        filled += tokens.count_ones() as usize;
    };
    let mut sorter = Sorter::default();
    let (blocks, rest) = job.text.as_chunks();
    let mut base = job.start;
    for bytes in blocks {
        let block = classify(bytes);
        take(sorter.tokens(block, &prefix_xor), block.backslashes, base);
        base += 64;
    }
    if !rest.is_empty() {
        let block = last_block(job, rest.len(), classify);
        // The padding's zero bytes look like scalars.
        let within = u64::MAX >> (64 - rest.len());
        take(sorter.tokens(block, &prefix_xor) & within, block.backslashes, base);
    }
    // SAFETY: `flatten` has written as many positions as there were bits.
    unsafe { positions.set_len(filled) };
    positions.extend_from_slice(&[end as u32; SENTINELS]);
    if sorter.bad != 0 || sorter.in_string != 0 {
        return Err(broken_string(job));
    }
    Ok(Traits { spaced: sorter.spaces != 0, wide: sorter.wide != 0 })
}

/// The last `len` bytes, behind which nothing counts. Only what is shorter than a block is read from
/// the copy: it was only just written, and a wide read would have to wait for the narrower or shifted
/// writes of it to reach the cache.
#[inline(always)]
fn last_block(job: &Job<'_>, len: usize, classify: impl Fn(&[u8; 64]) -> Block) -> Block {
    match job.text.last_chunk() {
        Some(last) => classify(last).without(64 - len),
        None => classify(padded(job)),
    }
}

/// The copy's first 64 bytes.
#[inline(always)]
fn padded<'a>(job: &Job<'a>) -> &'a [u8; 64] {
    const { assert!(PADDING >= 64) };
    job.bytes[job.start..].first_chunk().expect("the padding follows the copy")
}

/// [`scan`]'s `flatten` without special instructions.
///
/// # Safety
/// 64 positions at `to` are writable.
#[inline(always)]
pub(super) unsafe fn flatten(mut bits: u64, base: u32, to: *mut u32) {
    let count = bits.count_ones() as usize;
    let mut written = 0;
    // Eight at a time without looking: a branch per bit would be mispredicted once a block.
    while written < count {
        for at in 0..8 {
            // SAFETY: `written` is a multiple of 8 below 64.
            unsafe { to.add(written + at).write(base.wrapping_add(bits.trailing_zeros())) };
            bits &= bits.wrapping_sub(1);
        }
        written += 8;
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

/// The first control character inside a string, or the document's end where a string is not closed;
/// only called where there is one of the two.
#[cold]
#[inline(never)]
fn broken_string(job: &Job<'_>) -> ParseError {
    let (mut inside, mut escape) = (false, false);
    for (at, &byte) in job.text.iter().enumerate() {
        match byte {
            0..0x20 if inside => return error(ParseReason::ControlCharacter, at),
            _ if escape => escape = false,
            b'\\' => escape = true,
            b'"' => inside = !inside,
            _ => {}
        }
    }
    error(ParseReason::UnterminatedString, job.text.len())
}
