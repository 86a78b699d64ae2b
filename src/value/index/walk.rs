//! From token to token: checks the grammar and writes the tape, an entry per key, value and closing
//! bracket. An entry's `link` is the index of what follows its whole subtree; a key's is the index of
//! its object, which no other entry points back at.
//!
//! The loop reads and writes without bounds checks, through [`super::memory`], which says what makes
//! that sound. Behind the last token stands the document's end several times, and the byte there is
//! zero, which no grammar rule takes: no step but the last looks for the end.

use super::duplicates::{Filter, holds_duplicates, repeat};
use super::escapes::Escapes;
use super::memory::{NEVER, Next, Open, Stack, Tape, Text};
use super::numbers::{Numeral, is_number, is_short_number};
use super::{Indexed, Job, ParseError, ParseReason, SENTINELS, Traits, Workspace, error};
use crate::value::value::{SPACED, Shape, UNUSUAL, Value};

/// Checks the document and writes its tape. `numeral` says which of 16 bytes are digits and points;
/// `low_bits` is [`super::duplicates::low_bits`].
#[inline(always)]
pub(super) fn walk(
    job: &Job<'_>,
    traits: Traits,
    workspace: &mut Workspace,
    tape: &mut Vec<Value>,
    numeral: impl Fn(&[u8; 16]) -> Numeral + Copy,
    low_bits: impl Fn(u64, u32) -> u64 + Copy,
) -> Result<Indexed, ParseError> {
    let (start, end) = (job.start as u32, (job.start + job.text.len()) as u32);
    if traits.wide
        && let Err(e) = simdutf8::compat::from_utf8(job.text)
    {
        return Err(error(ParseReason::NotUtf8, e.valid_up_to()));
    }
    let Workspace { positions, backslashes, open, keys } = workspace;
    let root = tape.len();
    tape.reserve(positions.len());
    let text = Text { bytes: job.bytes, positions, end, traits };
    debug_assert!(text.positions.len() >= SENTINELS && text.byte(text.end) == 0);
    let written = Tape { entries: tape.as_mut_ptr(), len: root as u32 };
    let mut escapes = Escapes::new(backslashes);
    let mut walk = Walk {
        text,
        tape: written,
        backslash: escapes.next,
        escapes: &mut escapes,
        numeral,
        low_bits,
        stack: Stack::new(open, job.height_max),
        keys,
        has_duplicates: false,
    };
    walk.document().map_err(|e| ParseError { offset: e.offset.saturating_sub(start), ..e })?;
    let entries = walk.tape.len as usize;
    // SAFETY: `Tape::push` wrote so many entries, within what was reserved.
    unsafe { tape.set_len(entries) };
    let root = Value { link: root as u32, ..tape[root] };
    let names = (root.shape() == Shape::RawObject).then(|| {
        // SAFETY: the document is an object, and so was closed last.
        let open = unsafe { walk.stack.closed() };
        if open.suspect { Filter::ALL } else { open.filter }
    });
    Ok(Indexed { root, has_duplicates: walk.has_duplicates, names })
}

/// The loop's state. What is not inlined gets copies or other references, never this: its fields
/// live in registers.
struct Walk<'a, N, L> {
    text: Text<'a>,
    tape: Tape,
    /// `escapes.next`
    backslash: u32,
    escapes: &'a mut Escapes<'a>,
    numeral: N,
    low_bits: L,
    stack: Stack,
    keys: &'a mut Vec<(u64, u32)>,
    /// An object holds a key twice.
    has_duplicates: bool,
}

impl<N, L> Walk<'_, N, L>
where
    N: Fn(&[u8; 16]) -> Numeral + Copy,
    L: Fn(u64, u32) -> u64 + Copy,
{
    /// Walks the whole document.
    #[inline(always)]
    fn document(&mut self) -> Result<(), ParseError> {
        let mut next = self.text.positions.as_ptr();
        // Each turn reads one value, then what follows values until another value is due.
        loop {
            let at = self.text.position(next, 0);
            let byte = self.text.byte(at);
            next = next.wrapping_add(1);
            if byte == b'"' {
                self.string(at, next)?;
                next = next.wrapping_add(1);
            } else if byte.is_ascii_digit() {
                self.number(at, next, 0, byte)?;
            } else if byte == b'-' {
                self.number(at, next, 1, self.text.byte_behind(at))?;
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
                    return self.end(at, close);
                }
                self.close(at);
            }
        }
    }

    /// The string that starts at `at` and ends at token `next`; true where it holds escapes.
    #[inline(always)]
    fn string(&mut self, at: u32, next: Next) -> Result<bool, ParseError> {
        let link = self.tape.len + 1;
        self.linked_string(at, next, link)
    }

    #[inline(always)]
    fn linked_string(&mut self, at: u32, next: Next, link: u32) -> Result<bool, ParseError> {
        let close = self.text.position(next, 0);
        let len = close + 1 - at;
        if self.backslash >= close {
            self.tape.push_linked(at, len, Shape::String, 0, link);
            return Ok(false);
        }
        let flags = self.escapes.check(self.text, at + 1, close)?;
        self.backslash = self.escapes.next;
        self.stack.inner().flags |= flags & UNUSUAL;
        self.tape.push_linked(at, len, Shape::String, flags, link);
        Ok(flags != 0)
    }

    /// The number that starts at `at`, with so many signs before its `first` digit; token `next`
    /// follows it.
    #[inline(always)]
    fn number(&mut self, at: u32, next: Next, sign: u32, first: u8) -> Result<(), ParseError> {
        let end = self.text.scalar_end(at, next);
        let len = end - at;
        let numeral = (self.numeral)(self.text.bytes(at));
        if !is_short_number(numeral, len, sign, first == b'0')
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
        let object = self.stack.inner().entry;
        if self.linked_string(at, next.wrapping_add(1), object)? {
            self.stack.inner().suspect = true;
            return Ok(());
        }
        let first = u64::from_le_bytes(*self.text.bytes_behind(at));
        let hash = Filter::hash(first, close + 1 - at, self.low_bits);
        let inner = self.stack.inner();
        let is_noted = inner.filter.add(hash);
        if is_noted && repeats(self.text, self.tape, inner.entry) {
            inner.suspect = true;
        }
        Ok(())
    }

    #[inline(always)]
    fn open(&mut self, at: u32, close: u8) -> Result<(), ParseError> {
        let flags = if self.text.traits.spaced { SPACED } else { 0 };
        if !self.stack.push(Open::new(self.tape.len, close, flags)) {
            return Err(error(ParseReason::TooDeep, at as usize));
        }
        let shape = if close == b'}' { Shape::RawObject } else { Shape::RawArray };
        self.tape.push(at, 0, shape, 0);
        Ok(())
    }

    /// The right closing bracket at `at`.
    #[inline(always)]
    fn close(&mut self, at: u32) {
        self.tape.push(at, 1, Shape::Null, 0);
        let inner = self.stack.inner();
        self.tape.complete(inner, at + 1);
        if inner.suspect && has_duplicates(self.text, self.tape, inner.entry, self.keys) {
            self.has_duplicates = true;
        }
        self.stack.pop();
    }

    /// What follows a value at `at` is neither a comma nor the bracket `close`: right only where the
    /// root is complete.
    #[inline(always)]
    fn end(&self, at: u32, close: u8) -> Result<(), ParseError> {
        match close {
            NEVER if at == self.text.end => Ok(()),
            NEVER => Err(error(ParseReason::TrailingText, at as usize)),
            _ => Err(error(ParseReason::ExpectedComma, at as usize)),
        }
    }
}

/// Why no value starts at `at`.
#[cold]
#[inline(never)]
fn no_value(text: Text<'_>, at: u32) -> ParseError {
    let reason = match text.byte(at) {
        b'}' | b']' | b':' | b',' => ParseReason::ExpectedValue,
        _ if at < text.end => ParseReason::BadScalar,
        _ if text.positions[0] == text.end => ParseReason::Empty,
        _ => ParseReason::ExpectedValue,
    };
    error(reason, at as usize)
}

/// Does the last key on the tape occur earlier in the object at `entry`?
#[cold]
#[inline(never)]
fn repeats(text: Text<'_>, tape: Tape, entry: u32) -> bool {
    // SAFETY: `walk` holds the vector, and this borrow ends before the next entry is pushed.
    repeat(text.bytes, unsafe { tape.written() }, entry)
}

/// Does the object at `entry` hold a key twice?
#[cold]
#[inline(never)]
fn has_duplicates(text: Text<'_>, tape: Tape, entry: u32, keys: &mut Vec<(u64, u32)>) -> bool {
    // SAFETY: `walk` holds the vector, and this borrow ends before the next entry is pushed.
    holds_duplicates(text.bytes, unsafe { tape.written() }, entry, keys)
}
