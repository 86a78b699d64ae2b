//! From token bits to the tape: checks the grammar and writes an entry per key, value and closing
//! bracket. An entry's `link` is the index of what follows its whole subtree.

use super::duplicates::{Filter, holds_duplicates};
use super::{Indexed, Job, ParseError, ParseReason, Traits, Workspace, error};
use crate::value::text::check_escapes;
use crate::value::value::{ESCAPED, SPACED, Shape, Value};

/// A container that is not closed yet.
#[derive(Clone, Copy)]
pub(in crate::value) struct Open {
    /// Its entry.
    entry: u32,
    /// The highest child so far, plus one.
    height: u16,
    flags: u8,
    is_object: bool,
    /// Which keys it may hold already.
    filter: Filter,
}

/// Goes from token to token.
struct Tokens<'a> {
    masks: &'a [u64],
    block: usize,
    mask: u64,
    /// The document's length: what `next` gives at the end.
    len: usize,
}

impl Tokens<'_> {
    /// The next token's offset, or the document's length.
    #[inline(always)]
    fn next(&mut self) -> usize {
        while self.mask == 0 {
            self.block += 1;
            match self.masks.get(self.block) {
                Some(&mask) => self.mask = mask,
                None => return self.len,
            }
        }
        let at = self.block * 64 + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        at
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    start: u32,
    traits: Traits,
    height_max: u16,
    tokens: Tokens<'a>,
    tape: &'a mut Vec<Value>,
    open: &'a mut Vec<Open>,
    keys: &'a mut Vec<(u64, u32)>,
    has_duplicates: bool,
}

/// Checks the document and writes its tape.
#[inline(always)]
pub(super) fn walk(
    job: &Job<'_>,
    traits: Traits,
    workspace: &mut Workspace,
    tape: &mut Vec<Value>,
) -> Result<Indexed, ParseError> {
    let bytes = &job.bytes[job.start..];
    let len = job.end - job.start;
    if traits.wide
        && let Err(e) = simdutf8::compat::from_utf8(&bytes[..len])
    {
        return Err(error(ParseReason::NotUtf8, e.valid_up_to()));
    }
    workspace.open.clear();
    let mask = workspace.masks.first().copied().unwrap_or(0);
    let mut walk = Walk {
        bytes,
        start: job.start as u32,
        traits,
        height_max: job.height_max,
        tokens: Tokens { masks: &workspace.masks, block: 0, mask, len },
        tape,
        open: &mut workspace.open,
        keys: &mut workspace.keys,
        has_duplicates: false,
    };
    let root = walk.document()?;
    Ok(Indexed { root, has_duplicates: walk.has_duplicates })
}

impl Walk<'_> {
    #[inline(always)]
    fn document(&mut self) -> Result<Value, ParseError> {
        let root = self.tape.len();
        let mut at = self.tokens.next();
        if at == self.tokens.len {
            return Err(error(ParseReason::Empty, at));
        }
        // Each turn reads one value, then what follows values until another value is due.
        loop {
            let opened = self.value(at)?;
            if opened {
                at = self.tokens.next();
                let is_object = self.bytes[at] == b'}';
                if !(is_object || self.bytes[at] == b']') {
                    at = self.member(at)?;
                    continue;
                }
                self.close(at)?;
            }
            loop {
                let Some(parent) = self.open.last() else { return self.end(root) };
                let is_object = parent.is_object;
                at = self.tokens.next();
                if self.bytes[at] == b',' && at < self.tokens.len {
                    at = self.tokens.next();
                    at = if is_object { self.key(at)? } else { at };
                    break;
                }
                self.close(at)?;
            }
        }
    }

    /// The first thing in a container that is not empty: a key and then a value, or a value.
    #[inline(always)]
    fn member(&mut self, at: usize) -> Result<usize, ParseError> {
        match self.open.last() {
            Some(open) if open.is_object => self.key(at),
            _ => Ok(at),
        }
    }

    /// Reads the value that starts at `at`; true where that opened a container.
    #[inline(always)]
    fn value(&mut self, at: usize) -> Result<bool, ParseError> {
        match self.bytes[at] {
            b'"' => {
                let value = self.string(at)?;
                self.push_scalar(value);
                Ok(false)
            }
            byte @ (b'{' | b'[') => {
                self.open_container(at, byte == b'{')?;
                Ok(true)
            }
            _ if at == self.tokens.len => Err(error(ParseReason::ExpectedValue, at)),
            b'-' | b'0'..=b'9' => {
                let len = number(&self.bytes[at..]).filter(|&len| self.ends(at + len));
                let len = len.ok_or(error(ParseReason::BadScalar, at))?;
                self.push_scalar(self.scalar(at, len, Shape::Number));
                Ok(false)
            }
            b'}' | b']' | b':' | b',' => Err(error(ParseReason::ExpectedValue, at)),
            _ => {
                let rest = &self.bytes[at..];
                let (len, shape) = match rest {
                    [b't', b'r', b'u', b'e', ..] => (4, Shape::True),
                    [b'f', b'a', b'l', b's', b'e', ..] => (5, Shape::False),
                    [b'n', b'u', b'l', b'l', ..] => (4, Shape::Null),
                    _ => return Err(error(ParseReason::BadScalar, at)),
                };
                if !self.ends(at + len) {
                    return Err(error(ParseReason::BadScalar, at));
                }
                self.push_scalar(self.scalar(at, len, shape));
                Ok(false)
            }
        }
    }

    /// May a number or literal end before `at`?
    #[inline(always)]
    fn ends(&self, at: usize) -> bool {
        at == self.tokens.len
            || (at < self.tokens.len
                && matches!(self.bytes[at], b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
    }

    #[inline(always)]
    fn scalar(&self, at: usize, len: usize, shape: Shape) -> Value {
        Value {
            offset: self.start + at as u32,
            len: len as u32,
            link: self.tape.len() as u32 + 1,
            shape,
            flags: 0,
            height: 0,
        }
    }

    #[inline(always)]
    fn push_scalar(&mut self, value: Value) {
        if value.flags != 0
            && let Some(open) = self.open.last_mut()
        {
            open.flags |= value.flags;
        }
        self.tape.push(value);
    }

    /// The string that starts at `at`; its closing quote is the next token.
    #[inline(always)]
    fn string(&mut self, at: usize) -> Result<Value, ParseError> {
        let close = self.tokens.next();
        let mut value = self.scalar(at, close + 1 - at, Shape::String);
        if self.traits.escaped {
            value.flags = self.escapes(at + 1, close)?;
        }
        Ok(value)
    }

    #[inline(never)]
    fn escapes(&self, from: usize, to: usize) -> Result<u8, ParseError> {
        let text = &self.bytes[from..to];
        check_escapes(text).map_err(|at| error(ParseReason::BadEscape, from + at))?;
        Ok(if text.contains(&b'\\') { ESCAPED } else { 0 })
    }

    /// The key at `at` and its colon; returns where its value starts.
    #[inline(always)]
    fn key(&mut self, at: usize) -> Result<usize, ParseError> {
        if self.bytes[at] != b'"' || at == self.tokens.len {
            return Err(error(ParseReason::ExpectedKey, at));
        }
        let key = self.string(at)?;
        let is_escaped = key.flags != 0;
        let len = key.len as usize - 2;
        let prefix = u64::from_le_bytes(first_eight(&self.bytes[at + 1..]));
        self.push_scalar(key);
        if let Some(open) = self.open.last_mut() {
            open.filter.add(prefix, len, is_escaped);
        }
        let colon = self.tokens.next();
        if self.bytes[colon] != b':' || colon == self.tokens.len {
            return Err(error(ParseReason::ExpectedColon, colon));
        }
        Ok(self.tokens.next())
    }

    #[inline(always)]
    fn open_container(&mut self, at: usize, is_object: bool) -> Result<(), ParseError> {
        if self.open.len() >= usize::from(self.height_max) {
            return Err(error(ParseReason::TooDeep, at));
        }
        let entry = self.tape.len() as u32;
        let shape = if is_object { Shape::RawObject } else { Shape::RawArray };
        self.tape.push(self.scalar(at, 0, shape));
        let flags = if self.traits.spaced { SPACED } else { 0 };
        let filter = Filter::default();
        self.open.push(Open { entry, height: 1, flags, is_object, filter });
        Ok(())
    }

    /// The closing bracket at `at`, if it is one and the right one.
    #[inline(always)]
    fn close(&mut self, at: usize) -> Result<(), ParseError> {
        let Some(open) = self.open.pop() else { return Err(error(ParseReason::TrailingText, at)) };
        let want = if open.is_object { b'}' } else { b']' };
        if at == self.tokens.len || self.bytes[at] != want {
            return Err(error(ParseReason::ExpectedComma, at));
        }
        let end = self.scalar(at, 1, Shape::Null);
        self.tape.push(end);
        let next = self.tape.len() as u32;
        let entry = &mut self.tape[open.entry as usize];
        entry.len = self.start + at as u32 + 1 - entry.offset;
        entry.link = next;
        entry.flags = open.flags;
        entry.height = open.height;
        if let Some(parent) = self.open.last_mut() {
            parent.flags |= open.flags;
            parent.height = parent.height.max(open.height + 1);
        }
        if open.filter.is_suspect() {
            self.has_duplicates |=
                holds_duplicates(self.bytes, self.start, self.tape, open.entry, self.keys);
        }
        Ok(())
    }

    /// Nothing may follow the root.
    #[inline(always)]
    fn end(&mut self, root: usize) -> Result<Value, ParseError> {
        let at = self.tokens.next();
        if at != self.tokens.len {
            return Err(error(ParseReason::TrailingText, at));
        }
        let mut value = self.tape[root];
        value.link = root as u32;
        Ok(value)
    }
}

/// The first eight bytes; the padding behind a document makes sure that there are eight.
#[inline(always)]
fn first_eight(bytes: &[u8]) -> [u8; 8] {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[..8]);
    eight
}

/// The length of the number at the start of `bytes`, which end in padding that is no digit.
#[inline(always)]
fn number(bytes: &[u8]) -> Option<usize> {
    let mut at = usize::from(bytes[0] == b'-');
    let digits = |mut at: usize| {
        while bytes[at].is_ascii_digit() {
            at += 1;
        }
        at
    };
    at = match bytes[at] {
        b'0' => at + 1,
        b'1'..=b'9' => digits(at + 1),
        _ => return None,
    };
    if bytes[at] == b'.' {
        let end = digits(at + 1);
        if end == at + 1 {
            return None;
        }
        at = end;
    }
    if bytes[at] | 0x20 == b'e' {
        at += 1;
        at += usize::from(matches!(bytes[at], b'+' | b'-'));
        let end = digits(at);
        if end == at {
            return None;
        }
        at = end;
    }
    Some(at)
}
