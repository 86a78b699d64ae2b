//! From token to token: checks the grammar and writes the tape, an entry per key, value and closing
//! bracket. An entry's `link` is the index of what follows its whole subtree.
//!
//! The loop reads bytes, positions and writes entries without bounds checks; [`Text`] and [`Tape`]
//! hold what makes that sound. Behind the last token stands the document's end several times, and
//! the byte there is zero, which no grammar rule takes: no step but the last looks for the end.

use super::duplicates::{Filter, holds_duplicates, repeat};
use super::{Indexed, Job, PADDING, ParseError, ParseReason, SENTINELS, Traits, Workspace, error};
use crate::value::text::{check_escapes, escape_flags};
use crate::value::value::{SPACED, Shape, UNUSUAL, Value};

/// A container that is not closed yet.
pub(in crate::value) struct Open {
    /// Its entry.
    entry: u32,
    /// The highest child so far, plus one.
    height: u16,
    flags: u8,
    /// The bracket that closes it.
    close: u8,
    /// It may hold a key twice.
    suspect: bool,
    /// Which keys it may hold already.
    filter: Filter,
}

impl Open {
    #[inline(always)]
    fn new(entry: u32, close: u8, flags: u8) -> Open {
        Open { entry, height: 1, flags, close, suspect: false, filter: Filter::default() }
    }
}

/// The next token: points at its position. A pointer, since the loop is short of registers.
type Next = *const u32;

/// The document and where its tokens stand.
#[derive(Clone, Copy)]
struct Text<'a> {
    /// The document, [`PADDING`] zero bytes, and maybe more.
    bytes: &'a [u8],
    positions: &'a [u32],
    /// The document's length.
    len: u32,
    traits: Traits,
}

impl Text<'_> {
    /// The position of the token `ahead` behind `next`.
    #[inline(always)]
    fn position(&self, next: Next, ahead: usize) -> u32 {
        debug_assert!(self.positions.as_ptr_range().contains(&next.wrapping_add(ahead)));
        // SAFETY: the walk goes on from a token only where the byte there is not the zero at the
        // document's end, so this is at most three behind a token that is not a sentinel.
        unsafe { *next.add(ahead) }
    }

    /// The byte at `at`, which is at most the document's length.
    #[inline(always)]
    fn byte(&self, at: u32) -> u8 {
        debug_assert!(at <= self.len);
        // SAFETY: `at` is a position, at most the document's length, and padding follows.
        unsafe { *self.bytes.get_unchecked(at as usize) }
    }

    /// `N` bytes from `at`, which is at most the document's length; `N` is at most [`PADDING`].
    #[inline(always)]
    fn bytes<const N: usize>(&self, at: u32) -> &[u8; N] {
        const { assert!(N <= PADDING) };
        debug_assert!(at as usize + N <= self.bytes.len());
        // SAFETY: the padding follows the document's end, and a `u8` array needs no alignment.
        unsafe { &*self.bytes.as_ptr().add(at as usize).cast() }
    }

    /// Where the scalar ends that starts at `at`, the position before token `next`.
    #[inline(always)]
    fn scalar_end(&self, at: u32, next: Next) -> u32 {
        let mut end = self.position(next, 0);
        if self.traits.spaced {
            while end > at + 1 && matches!(self.byte(end - 1), b' ' | b'\n' | b'\r' | b'\t') {
                end -= 1;
            }
        }
        end
    }
}

/// The entries being written, behind those of other documents. `Copy`, and handed to what is not
/// inlined as a copy, so that the loop can keep it in registers.
#[derive(Clone, Copy)]
struct Tape {
    entries: *mut Value,
    /// Where the next entry goes; all before are written, other documents' included.
    end: *mut Value,
    /// Where the document starts in the scratch's bytes.
    start: u32,
}

impl Tape {
    /// How many entries are written.
    #[inline(always)]
    fn len(self) -> u32 {
        // SAFETY: both point into the same vector.
        unsafe { self.end.offset_from_unsigned(self.entries) as u32 }
    }

    /// Appends an entry that nothing lies beneath.
    #[inline(always)]
    fn push(&mut self, at: u32, len: u32, shape: Shape, flags: u8) {
        let offset = self.start + at;
        let entry = Value { offset, len, link: self.len() + 1, shape, flags, height: 0 };
        // SAFETY: `walk` reserved an entry per token, and every entry takes a token of its own.
        unsafe {
            self.end.write(entry);
            self.end = self.end.add(1);
        }
    }

    /// Completes the entry of a container that ends before `end`.
    #[inline(always)]
    fn complete(&mut self, open: &Open, end: u32) {
        debug_assert!(open.entry < self.len());
        // SAFETY: the entry was pushed when the container opened.
        let entry = unsafe { &mut *self.entries.add(open.entry as usize) };
        entry.len = self.start + end - entry.offset;
        entry.link = self.len();
        entry.flags = open.flags;
        entry.height = open.height;
    }

    /// All that is written.
    ///
    /// # Safety
    /// The vector that `entries` belongs to lives on unchanged meanwhile.
    unsafe fn written<'a>(self) -> &'a [Value] {
        // SAFETY: `push` wrote the entries up to `end`, and those before them were there.
        unsafe { std::slice::from_raw_parts(self.entries, self.len() as usize) }
    }
}

/// The open containers. The lowest is the one around all, which nothing closes.
struct Stack {
    top: *mut Open,
    /// Where the deepest one allowed lies.
    limit: *mut Open,
}

impl Stack {
    /// A stack in the memory of `open` that holds the container around all.
    fn new(open: &mut Vec<Open>, height_max: u16) -> Stack {
        open.clear();
        open.reserve(usize::from(height_max) + 1);
        let bottom = open.as_mut_ptr();
        // SAFETY: there is room for the bottom and `height_max` more.
        unsafe {
            bottom.write(Open::new(0, NEVER, 0));
            Stack { top: bottom, limit: bottom.add(usize::from(height_max)) }
        }
    }

    /// The innermost container.
    #[inline(always)]
    fn inner(&mut self) -> &mut Open {
        // SAFETY: `new` and `push` wrote what `top` points at, and `pop` spares the lowest.
        unsafe { &mut *self.top }
    }

    /// Puts a container on top; false where that is one too many.
    #[inline(always)]
    fn push(&mut self, open: Open) -> bool {
        if self.top == self.limit {
            return false;
        }
        // SAFETY: `new` made room up to `limit`.
        unsafe {
            self.top = self.top.add(1);
            self.top.write(open);
        }
        true
    }

    /// Drops the innermost container, which is not the lowest, and hands on what it tells of itself.
    #[inline(always)]
    fn pop(&mut self) {
        let &mut Open { height, flags, .. } = self.inner();
        // SAFETY: the lowest is never closed: no byte is `NEVER` in UTF-8.
        self.top = unsafe { self.top.sub(1) };
        let outer = self.inner();
        outer.height = outer.height.max(height + 1);
        outer.flags |= flags;
    }
}

/// Checks the document and writes its tape. `digits` says which of 16 bytes are digits.
#[inline(always)]
pub(super) fn walk(
    job: &Job<'_>,
    traits: Traits,
    workspace: &mut Workspace,
    tape: &mut Vec<Value>,
    digits: impl Fn(&[u8; 16]) -> u32 + Copy,
) -> Result<Indexed, ParseError> {
    let bytes = &job.bytes[job.start..];
    let len = job.end - job.start;
    if traits.wide
        && let Err(e) = simdutf8::compat::from_utf8(&bytes[..len])
    {
        return Err(error(ParseReason::NotUtf8, e.valid_up_to()));
    }
    let Workspace { positions, backslashes, open, keys } = workspace;
    let root = tape.len();
    tape.reserve(positions.len());
    let text = Text { bytes, positions, len: len as u32, traits };
    debug_assert!(text.positions.len() >= SENTINELS && text.byte(text.len) == 0);
    let (entries, start) = (tape.as_mut_ptr(), job.start as u32);
    // SAFETY: the entry behind the last one is within what was reserved.
    let written = Tape { entries, end: unsafe { entries.add(root) }, start };
    let mut escapes = Escapes::new(backslashes);
    let mut walk = Walk {
        text,
        tape: written,
        backslash: escapes.next,
        escapes: &mut escapes,
        digits,
        stack: Stack::new(open, job.height_max),
        keys,
    };
    let has_duplicates = walk.document()?;
    let end = walk.tape.len() as usize;
    // SAFETY: `Tape::push` wrote the entries up to `end`, within what was reserved.
    unsafe { tape.set_len(end) };
    let root = Value { link: root as u32, ..tape[root] };
    Ok(Indexed { root, has_duplicates })
}

/// Goes through the backslashes beside the strings.
struct Escapes<'a> {
    blocks: std::slice::Iter<'a, (u32, u64)>,
    /// What is left of the current block.
    base: u32,
    bits: u64,
    /// The first backslash that is not behind the walk.
    next: u32,
}

impl<'a> Escapes<'a> {
    fn new(blocks: &'a [(u32, u64)]) -> Escapes<'a> {
        let mut escapes = Escapes { blocks: blocks.iter(), base: 0, bits: 0, next: 0 };
        escapes.skip(0);
        escapes
    }

    /// Moves on to the first backslash at or behind `from`.
    fn skip(&mut self, from: u32) {
        loop {
            while self.bits == 0 {
                let Some(&(base, bits)) = self.blocks.next() else {
                    self.next = u32::MAX;
                    return;
                };
                (self.base, self.bits) = (base, bits);
            }
            self.next = self.base + self.bits.trailing_zeros();
            if self.next >= from {
                return;
            }
            self.bits &= self.bits - 1;
        }
    }

    /// Checks the escapes of the string text `from..to`; gives the string's flags.
    #[inline(never)]
    fn check(&mut self, text: Text<'_>, from: u32, to: u32) -> Result<u8, ParseError> {
        // Backslashes outside strings are none of ours: the walk refuses them as scalars.
        self.skip(from);
        if self.next >= to {
            return Ok(0);
        }
        let string = &text.bytes[from as usize..to as usize];
        check_escapes(string).map_err(|at| error(ParseReason::BadEscape, from as usize + at))?;
        self.skip(to);
        Ok(escape_flags(string))
    }
}

/// The loop's state. What is not inlined gets copies or other references, never this: its fields
/// live in registers.
struct Walk<'a, D> {
    text: Text<'a>,
    tape: Tape,
    /// `escapes.next`
    backslash: u32,
    escapes: &'a mut Escapes<'a>,
    digits: D,
    stack: Stack,
    keys: &'a mut Vec<(u64, u32)>,
}

impl<D: Fn(&[u8; 16]) -> u32 + Copy> Walk<'_, D> {
    /// Walks the whole document; says whether an object holds a key twice.
    #[inline(always)]
    fn document(&mut self) -> Result<bool, ParseError> {
        let mut has_duplicates = false;
        let mut next = self.text.positions.as_ptr();
        // Each turn reads one value, then what follows values until another value is due.
        loop {
            let at = self.text.position(next, 0);
            let byte = self.text.byte(at);
            next = next.wrapping_add(1);
            if byte == b'"' {
                self.string(at, next)?;
                next = next.wrapping_add(1);
            } else if byte == b'-' || byte.is_ascii_digit() {
                self.number(at, next)?;
            } else if byte == b'{' || byte == b'[' {
                // The closing brackets are two behind the opening ones.
                let close = byte + 2;
                self.open(at, close)?;
                if self.text.byte(self.text.position(next, 0)) != close {
                    if close == b'}' {
                        self.key(next)?;
                        next = next.wrapping_add(3);
                    }
                    continue;
                }
            } else {
                self.literal(at, next)?;
            }
            loop {
                let at = self.text.position(next, 0);
                let byte = self.text.byte(at);
                next = next.wrapping_add(1);
                if byte == b',' {
                    let close = self.stack.inner().close;
                    if close == b'}' {
                        self.key(next)?;
                        next = next.wrapping_add(3);
                    } else if close == NEVER {
                        return Err(error(ParseReason::TrailingText, at as usize));
                    }
                    break;
                }
                let close = self.stack.inner().close;
                if byte != close {
                    return self.end(at, close).map(|()| has_duplicates);
                }
                has_duplicates |= self.close(at);
            }
        }
    }

    /// The string that starts at `at` and ends at token `next`; true where it holds escapes.
    #[inline(always)]
    fn string(&mut self, at: u32, next: Next) -> Result<bool, ParseError> {
        let close = self.text.position(next, 0);
        let len = close + 1 - at;
        if self.backslash >= close {
            self.tape.push(at, len, Shape::String, 0);
            return Ok(false);
        }
        let flags = self.escapes.check(self.text, at + 1, close)?;
        self.backslash = self.escapes.next;
        self.stack.inner().flags |= flags & UNUSUAL;
        self.tape.push(at, len, Shape::String, flags);
        Ok(flags != 0)
    }

    /// The number that starts at `at`; token `next` follows it.
    #[inline(always)]
    fn number(&mut self, at: u32, next: Next) -> Result<(), ParseError> {
        let end = self.text.scalar_end(at, next);
        let len = end - at;
        let bytes = self.text.bytes::<16>(at);
        if !is_short_number(bytes, len, (self.digits)(bytes))
            && !is_number(&self.text.bytes[at as usize..end as usize])
        {
            return Err(error(ParseReason::BadScalar, at as usize));
        }
        self.tape.push(at, len, Shape::Number, 0);
        Ok(())
    }

    /// `true`, `false` or `null` at `at`; token `next` follows it.
    #[inline(always)]
    fn literal(&mut self, at: u32, next: Next) -> Result<(), ParseError> {
        let five = u64::from_le_bytes(*self.text.bytes(at)) & 0xff_ffff_ffff;
        let four = five & 0xffff_ffff;
        let is_false = five == u64::from_le_bytes(*b"false\0\0\0");
        let is_true = four == u64::from_le_bytes(*b"true\0\0\0\0");
        let is_null = four == u64::from_le_bytes(*b"null\0\0\0\0");
        if !(is_false | is_true | is_null) {
            return Err(no_value(self.text, at));
        }
        let len = 4 + u32::from(is_false);
        if self.text.scalar_end(at, next) != at + len {
            return Err(error(ParseReason::BadScalar, at as usize));
        }
        let shape = if is_true { Shape::True } else { Shape::Null };
        self.tape.push(at, len, if is_false { Shape::False } else { shape }, 0);
        Ok(())
    }

    /// The key at token `next` and its colon.
    #[inline(always)]
    fn key(&mut self, next: Next) -> Result<(), ParseError> {
        let at = self.text.position(next, 0);
        if self.text.byte(at) != b'"' {
            return Err(error(ParseReason::ExpectedKey, at as usize));
        }
        let close = self.text.position(next, 1);
        let colon = self.text.position(next, 2);
        if self.text.byte(colon) != b':' {
            return Err(error(ParseReason::ExpectedColon, colon as usize));
        }
        let is_escaped = self.string(at, next.wrapping_add(1))?;
        let first = u64::from_le_bytes(*self.text.bytes(at + 1));
        let inner = self.stack.inner();
        let is_noted = inner.filter.add(first, close - at - 1);
        if is_noted | is_escaped && (is_escaped || repeats(self.text, self.tape, inner.entry)) {
            inner.suspect = true;
        }
        Ok(())
    }

    #[inline(always)]
    fn open(&mut self, at: u32, close: u8) -> Result<(), ParseError> {
        let flags = if self.text.traits.spaced { SPACED } else { 0 };
        if !self.stack.push(Open::new(self.tape.len(), close, flags)) {
            return Err(error(ParseReason::TooDeep, at as usize));
        }
        let shape = if close == b'}' { Shape::RawObject } else { Shape::RawArray };
        self.tape.push(at, 0, shape, 0);
        Ok(())
    }

    /// The right closing bracket at `at`; says whether the container holds a key twice.
    #[inline(always)]
    fn close(&mut self, at: u32) -> bool {
        self.tape.push(at, 1, Shape::Null, 0);
        let inner = self.stack.inner();
        self.tape.complete(inner, at + 1);
        let has_duplicates =
            inner.suspect && has_duplicates(self.text, self.tape, inner.entry, self.keys);
        self.stack.pop();
        has_duplicates
    }

    /// What follows a value at `at` is neither a comma nor the bracket `close`: right only where the
    /// root is complete.
    #[inline(always)]
    fn end(&self, at: u32, close: u8) -> Result<(), ParseError> {
        match close {
            NEVER if at == self.text.len => Ok(()),
            NEVER => Err(error(ParseReason::TrailingText, at as usize)),
            _ => Err(error(ParseReason::ExpectedComma, at as usize)),
        }
    }
}

/// What closes the container around all: no byte of UTF-8.
const NEVER: u8 = 0xff;

/// Why no value starts at `at`.
#[cold]
#[inline(never)]
fn no_value(text: Text<'_>, at: u32) -> ParseError {
    let reason = match text.byte(at) {
        b'}' | b']' | b':' | b',' => ParseReason::ExpectedValue,
        _ if at < text.len => ParseReason::BadScalar,
        _ if text.positions[0] == text.len => ParseReason::Empty,
        _ => ParseReason::ExpectedValue,
    };
    error(reason, at as usize)
}

/// Does the last key on the tape occur earlier in the object at `entry`?
#[cold]
#[inline(never)]
fn repeats(text: Text<'_>, tape: Tape, entry: u32) -> bool {
    // SAFETY: `walk` holds the vector, and this borrow ends before the next entry is pushed.
    repeat(text.bytes, tape.start, unsafe { tape.written() }, entry)
}

/// Does the object at `entry` hold a key twice?
#[cold]
#[inline(never)]
fn has_duplicates(text: Text<'_>, tape: Tape, entry: u32, keys: &mut Vec<(u64, u32)>) -> bool {
    // SAFETY: `walk` holds the vector, and this borrow ends before the next entry is pushed.
    holds_duplicates(text.bytes, tape.start, unsafe { tape.written() }, entry, keys)
}

/// Is it a number of at most 16 bytes without an exponent? `bytes` start with it, `digits` says
/// which of them are digits. Straight-line code: lengths vary from event to event.
#[inline(always)]
fn is_short_number(bytes: &[u8; 16], len: u32, digits: u32) -> bool {
    let minus = u32::from(bytes[0] == b'-');
    // All that is neither the sign nor a digit; the bit at `len` makes sure that there is one.
    let others = (!digits | 1 << (len & 31)) & !minus;
    let point = others.trailing_zeros();
    let rest = others & others.wrapping_sub(1);
    let is_whole = point == len;
    let is_decimal =
        (bytes[point as usize & 15] == b'.') & (rest.trailing_zeros() == len) & (point + 1 < len);
    let leads_well = (bytes[minus as usize] != b'0') | (point == minus + 1);
    (len <= 16) & (point > minus) & leads_well & (is_whole | is_decimal)
}

/// Is it a number, all of it?
#[cold]
#[inline(never)]
fn is_number(text: &[u8]) -> bool {
    let digits = |from: &[u8]| from.iter().take_while(|b| b.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(text);
    let mut rest = &text[whole..];
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    if let [b'.', decimals @ ..] = rest {
        let count = digits(decimals);
        if count == 0 {
            return false;
        }
        rest = &decimals[count..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', unsigned @ ..] => unsigned,
            _ => exponent,
        };
        let count = digits(exponent);
        return count > 0 && count == exponent.len();
    }
    rest.is_empty()
}
