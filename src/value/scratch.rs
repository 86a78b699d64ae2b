//! A shard's working memory: text, tape and nodes of the executions that run in it, reset and
//! reused, never freed. A program's constants lie at the bottom and survive every reset.

use std::ops::Range;

use super::block::Block;
use super::index::{
    self, Filter, Implementation, Indexed, Job, PADDING, ParseError, ParseReason, Workspace,
};
use super::number::{hundredths_of, short_decimal, short_integer};
use super::read::{Hints, Key, PairHints};
use super::text::{Short, encode_into, escape_flags, escape_into};
use super::value::{SPACED, Shape, Tag, UNUSUAL, Value};

/// What a document may measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a document; 256 KiB as in Step Functions.
    pub bytes_max: usize,
    /// Levels of containers in a document.
    pub height_max: u16,
}

impl Limits {
    /// No configuration may ask for larger documents: positions are `u32`.
    pub const BYTES_CEILING: usize = 64 << 20;
    /// Levels in a computed value, and the most a configuration may ask for in a document: writing
    /// and comparing recurse.
    pub const HEIGHT_CEILING: u16 = 512;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes_max: 256 << 10, height_max: 127 }
    }
}

/// A computed value would be nested deeper than [`Limits::HEIGHT_CEILING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooDeep;

/// A position in the stack of values that [`Scratch::array`] and [`Scratch::object`] take from.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Mark {
    pub(super) fn start(self) -> usize {
        self.0
    }
}

/// Which keys the root of the document that was parsed last may hold: most that are looked up in
/// vain, as `ResultPath` does, need no search.
pub(super) struct Names {
    /// Its entry.
    pub(super) root: u32,
    pub(super) keys: Filter,
}

impl Default for Names {
    fn default() -> Names {
        Names { root: u32::MAX, keys: Filter::ALL }
    }
}

/// Working memory for values. Cloning one that holds only constants gives a shard its own.
#[derive(Default)]
pub struct Scratch {
    pub(super) bytes: Vec<u8>,
    pub(super) tape: Vec<Value>,
    pub(super) nodes: Vec<Value>,
    pub(super) pending: Vec<Value>,
    sealed: [usize; 3],
    limits: Limits,
    implementation: Option<Implementation>,
    workspace: Workspace,
    block: Block,
    pub(super) hints: Hints,
    pub(super) pair_hints: PairHints,
    pub(super) names: Names,
    /// For text on its way from one place in `bytes` to another.
    pub(super) spare: Vec<u8>,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Clone for Scratch {
    fn clone(&self) -> Scratch {
        Scratch {
            bytes: self.bytes.clone(),
            tape: self.tape.clone(),
            nodes: self.nodes.clone(),
            sealed: self.sealed,
            limits: self.limits,
            implementation: self.implementation,
            ..Scratch::default()
        }
    }
}

impl Scratch {
    /// Empty memory.
    pub fn new(limits: Limits) -> Scratch {
        Scratch { limits, implementation: Some(Implementation::best()), ..Scratch::default() }
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Puts other limits in force, for what comes.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Indexes with `implementation` from now on, for tests and benches.
    ///
    /// # Panics
    /// Where this CPU does not run it.
    pub fn set_implementation(&mut self, implementation: Implementation) {
        assert!(implementation.is_available(), "{implementation:?} does not run on this CPU");
        self.implementation = Some(implementation);
    }

    /// Makes all that is here now constant: it survives [`Scratch::reset`].
    pub fn seal(&mut self) {
        self.sealed = [self.bytes.len(), self.tape.len(), self.nodes.len()];
    }

    /// Forgets everything but the constants; gives no memory back.
    pub fn reset(&mut self) {
        let [bytes, tape, nodes] = self.sealed;
        self.bytes.truncate(bytes);
        self.tape.truncate(tape);
        self.nodes.truncate(nodes);
        self.pending.clear();
        // What comes to lie there may be made, not parsed.
        self.names.root = u32::MAX;
    }

    /// Bytes in use above the constants: what [`Scratch::compact`] could free at most.
    pub fn used(&self) -> usize {
        let [bytes, tape, nodes] = self.sealed;
        let values = self.tape.len() - tape + self.nodes.len() - nodes;
        self.bytes.len() - bytes + values * size_of::<Value>()
    }

    /// Bytes held, in use or not.
    pub fn capacity(&self) -> usize {
        let values = self.tape.capacity() + self.nodes.capacity() + self.pending.capacity();
        self.bytes.capacity() + values * size_of::<Value>() + self.workspace.capacity()
    }

    /// Gives memory back that an oversized document made it take.
    pub fn shrink_to(&mut self, capacity: usize) {
        if self.capacity() > capacity {
            self.bytes.shrink_to(capacity / 4);
            self.tape.shrink_to(capacity / 64);
            self.nodes.shrink_to(capacity / 64);
            self.workspace.shrink_to(capacity / 8);
        }
    }

    /// Copies a document in, checks and indexes it.
    pub fn parse(&mut self, text: &[u8]) -> Result<Value, ParseError> {
        if text.len() > self.limits.bytes_max {
            return Err(index::error(ParseReason::TooLarge, self.limits.bytes_max));
        }
        self.parse_within(text, self.limits.height_max)
    }

    /// As [`Scratch::parse`], with no limit on bytes.
    pub(super) fn parse_within(
        &mut self,
        text: &[u8],
        height_max: u16,
    ) -> Result<Value, ParseError> {
        let (start, entries) = (self.bytes.len(), self.tape.len());
        let end = start + text.len();
        if end + PADDING > u32::MAX as usize {
            return Err(index::error(ParseReason::TooLarge, 0));
        }
        self.bytes.reserve(text.len() + PADDING);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(&[0; PADDING]);
        let job = Job { text, bytes: &self.bytes, start, height_max };
        let with = self.implementation.unwrap_or(Implementation::Portable);
        match index::index(with, &job, &mut self.workspace, &mut self.tape) {
            Ok(indexed) if indexed.has_duplicates => {
                let mut unique = Vec::with_capacity(text.len());
                self.write_unique(indexed.root, &mut unique);
                self.truncate(start, entries);
                self.parse_within(&unique, height_max)
            }
            Ok(Indexed { root, names, .. }) => {
                self.names = Names { root: root.link, keys: names.unwrap_or(Filter::ALL) };
                Ok(root.in_one_piece())
            }
            Err(e) => {
                self.truncate(start, entries);
                Err(e)
            }
        }
    }

    fn truncate(&mut self, bytes: usize, entries: usize) {
        self.bytes.truncate(bytes);
        self.tape.truncate(entries);
    }

    /// A string.
    pub fn string(&mut self, plain: &str) -> Value {
        let start = self.bytes.len();
        encode_into(plain, &mut self.bytes);
        self.string_from(start)
    }

    /// The key's name as a string.
    #[inline]
    pub(super) fn key(&mut self, key: &Key) -> Value {
        let start = self.bytes.len();
        let (quoted, flags) = key.quoted();
        self.push_literal(quoted);
        self.scalar_from(start, Shape::String, flags)
    }

    /// Starts a string whose text is pushed piece by piece; nothing else may be made meanwhile.
    pub fn open_string(&mut self) -> Mark {
        self.bytes.push(b'"');
        Mark(self.bytes.len() - 1)
    }

    /// Appends plain text to the open string.
    pub fn push_plain(&mut self, plain: &str) {
        escape_into(plain, &mut self.bytes);
    }

    /// Appends what the string `value` says, or the text of another scalar, to the open string.
    pub fn push_scalar(&mut self, value: Value) {
        let (from, to) = (value.offset as usize, (value.offset + value.len) as usize);
        match value.shape() {
            Shape::Null => self.bytes.extend_from_slice(b"null"),
            Shape::True => self.bytes.extend_from_slice(b"true"),
            Shape::False => self.bytes.extend_from_slice(b"false"),
            Shape::String => self.repeat(from + 1..to - 1),
            Shape::Number => self.repeat(from..to),
            _ => debug_assert!(false, "a container is no scalar"),
        }
    }

    /// Appends a range of the text to it. Most are short.
    #[inline]
    pub(super) fn repeat(&mut self, range: Range<usize>) {
        match Short::of(&self.bytes, range.start, range.len()) {
            Some(short) => short.append(&mut self.bytes),
            None => self.bytes.extend_from_within(range),
        }
    }

    /// Ends the open string.
    pub fn close_string(&mut self, mark: Mark) -> Value {
        self.bytes.push(b'"');
        self.string_from(mark.0)
    }

    fn string_from(&mut self, start: usize) -> Value {
        let flags = escape_flags(&self.bytes[start + 1..self.bytes.len() - 1]);
        self.scalar_from(start, Shape::String, flags)
    }

    pub(super) fn scalar_from(&self, start: usize, shape: Shape, flags: u8) -> Value {
        let len = (self.bytes.len() - start) as u32;
        Value { offset: start as u32, len, link: 0, tag: Tag::of(shape), flags, height: 0 }
    }

    /// An integer.
    pub fn integer(&mut self, value: i64) -> Value {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self.scalar_from(start, Shape::Number, 0)
    }

    /// A number; an integral one is written without a fraction, one JSON can't write as `null`.
    pub fn float(&mut self, value: f64) -> Value {
        if value.fract() == 0.0 && value.abs() < 1e15 {
            return match value {
                0.0..1e8 => self.short_number(short_integer(value as u32)),
                _ => self.integer(value as i64),
            };
        }
        if !value.is_finite() {
            return Value::NULL;
        }
        match hundredths_of(value) {
            Some(hundredths) if value > 0.0 && hundredths < 10_000_000 => {
                self.short_number(short_decimal(hundredths as u32))
            }
            _ => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(zmij::Buffer::new().format(value).as_bytes());
                self.scalar_from(start, Shape::Number, 0)
            }
        }
    }

    /// A number's text, written at once: whoever reads it next need not wait for its parts.
    #[inline]
    fn short_number(&mut self, (text, len): ([u8; 8], usize)) -> Value {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&text);
        self.bytes.truncate(start + len);
        self.scalar_from(start, Shape::Number, 0)
    }

    /// `{}`
    pub fn empty_object(&mut self) -> Value {
        let mark = self.mark();
        self.object(mark).expect("an empty object is not deep")
    }

    /// Where the values of the next array or object will start.
    pub fn mark(&self) -> Mark {
        Mark(self.pending.len())
    }

    /// Pushes an item, or a key or value in turn.
    pub fn push(&mut self, value: Value) {
        self.pending.push(value);
    }

    /// Pushes a key, a string, and its value.
    #[inline]
    pub fn push_pair(&mut self, key: Value, value: Value) {
        self.pending.extend([key, value]);
    }

    /// Pushes a key and its value.
    pub fn push_member(&mut self, name: &str, value: Value) {
        let name = self.string(name);
        self.push_pair(name, value);
    }

    /// What was pushed since `mark`.
    pub fn pushed(&self, mark: Mark) -> &[Value] {
        &self.pending[mark.0..]
    }

    /// Drops what was pushed since `mark`, after a failure half way.
    pub fn abandon(&mut self, mark: Mark) {
        self.pending.truncate(mark.0);
    }

    /// An array of what was pushed since `mark`.
    pub fn array(&mut self, mark: Mark) -> Result<Value, TooDeep> {
        let len = self.pending.len() - mark.0;
        self.container(mark, len, Shape::Array, len.saturating_sub(1) + 2)
    }

    /// An object of the keys and values that were pushed in turn since `mark`; no key occurs twice.
    pub fn object(&mut self, mark: Mark) -> Result<Value, TooDeep> {
        let len = (self.pending.len() - mark.0) / 2;
        self.container(mark, len, Shape::Object, len.saturating_sub(1) + 2 + len)
    }

    /// `extra` counts the brackets, commas and colons.
    #[inline(always)]
    pub(super) fn container(
        &mut self,
        mark: Mark,
        len: usize,
        shape: Shape,
        extra: usize,
    ) -> Result<Value, TooDeep> {
        let (mut size, mut height, mut flags) = (extra, 0, 0);
        let offset = self.nodes.len() as u32;
        // Most are few: one loop takes less than one and a copy.
        self.nodes.extend(self.pending[mark.0..].iter().map(|part| {
            // No more than 2^32 of 2^32 bytes at most: that has room.
            size += part.size_max();
            height = height.max(part.height);
            flags |= part.flags;
            *part
        }));
        self.abandon(mark);
        if height >= Limits::HEIGHT_CEILING {
            self.nodes.truncate(offset as usize);
            return Err(TooDeep);
        }
        let made = Value {
            offset,
            len: len as u32,
            link: u32::try_from(size).unwrap_or(u32::MAX),
            tag: Tag::of(shape),
            flags: flags & (UNUSUAL | SPACED),
            height: height + 1,
        };
        Ok(made.in_one_piece())
    }

    /// Moves what `roots` reach to the bottom and forgets the rest. Handles other than these are
    /// void afterwards.
    pub fn compact(&mut self, roots: &mut [Value]) {
        let mut block = std::mem::take(&mut self.block);
        self.park(roots, &mut block);
        self.reset();
        self.resume(&block, roots);
        self.block = block;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundredths_are_written_as_other_numbers_are() {
        let mut scratch = Scratch::new(Limits::default());
        for hundredths in (1..100_000).filter(|it| it % 100 != 0) {
            for number in [f64::from(hundredths) / 100.0, f64::from(-hundredths) / 100.0] {
                assert!(hundredths_of(number).is_some(), "{number}");
                scratch.reset();
                let value = scratch.float(number);
                assert_eq!(scratch.raw(value), zmij::Buffer::new().format(number));
            }
        }
    }
}
