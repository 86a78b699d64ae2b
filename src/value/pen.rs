//! Appends to a scratch memory's text and tape where there is room, without asking at each step.

use super::compose::Literal;
use super::text::{CHUNK, Short};
use super::value::{Shape, Value};

/// What `null`, `true`, `false` and a quote are copied from.
pub(super) const NULL: Short = Short::first(4, b"null                            ");
pub(super) const TRUE: Short = Short::first(4, b"true                            ");
pub(super) const FALSE: Short = Short::first(5, b"false                           ");
const QUOTE: Short = Short::first(1, &[b'"'; CHUNK]);

/// Writes behind the end of a text and a tape, which have it all once it is finished.
pub(super) struct Pen<'a> {
    bytes: &'a mut Vec<u8>,
    tape: &'a mut Vec<Value>,
    /// Where the next byte goes, and the next entry.
    at: usize,
    index: usize,
    /// How far text and tape may grow; a chunk of text more may be written over.
    end: usize,
    last: usize,
    /// Where text and tape begin.
    text: *mut u8,
    entries: *mut Value,
}

impl<'a> Pen<'a> {
    /// Makes room for so many bytes and entries.
    pub(super) fn new(
        bytes: &'a mut Vec<u8>,
        tape: &'a mut Vec<Value>,
        text_len: usize,
        entries_len: usize,
    ) -> Pen<'a> {
        bytes.reserve(text_len + CHUNK);
        tape.reserve(entries_len);
        let (at, index) = (bytes.len(), tape.len());
        let (end, last) = (at + text_len, index + entries_len);
        let (text, entries) = (bytes.as_mut_ptr(), tape.as_mut_ptr());
        Pen { bytes, tape, at, index, end, last, text, entries }
    }

    /// Where the next byte goes.
    #[inline(always)]
    pub(super) fn at(&self) -> u32 {
        self.at as u32
    }

    /// Where the next entry goes.
    #[inline(always)]
    pub(super) fn index(&self) -> u32 {
        self.index as u32
    }

    /// Appends an entry.
    #[inline(always)]
    pub(super) fn entry(&mut self, entry: Value) {
        assert!(self.index < self.last, "there is room for all entries");
        // SAFETY: just seen.
        unsafe { self.entries.add(self.index).write(entry) };
        self.index += 1;
    }

    /// Writes over an entry that was appended.
    #[inline(always)]
    pub(super) fn complete(&mut self, index: u32, entry: Value) {
        assert!((index as usize) < self.index, "the entry was appended");
        // SAFETY: just seen.
        unsafe { self.entries.add(index as usize).write(entry) };
    }

    /// Appends a constant.
    #[inline(always)]
    pub(super) fn literal(&mut self, literal: &Literal) {
        match literal.short() {
            Some(short) => self.short(short),
            None => self.slice(literal.bytes()),
        }
    }

    /// Appends the quote that a string begins or ends with.
    #[inline(always)]
    pub(super) fn quote(&mut self) {
        self.short(QUOTE);
    }

    /// Appends the text of a scalar, or of a raw container, without so many bytes at each end. It lies
    /// before all that is appended.
    #[inline(always)]
    pub(super) fn value(&mut self, value: Value, margin: u32) {
        let (from, len) = ((value.offset + margin) as usize, (value.len - 2 * margin) as usize);
        match value.shape() {
            Shape::Null => self.short(NULL),
            Shape::True => self.short(TRUE),
            Shape::False => self.short(FALSE),
            _ => match Short::of(self.bytes, from, len) {
                Some(short) => self.short(short),
                None => self.part(from, len),
            },
        }
    }

    /// Appends a constant's entries, each moved by so much.
    #[inline(always)]
    pub(super) fn moved(&mut self, entries: &[Value], bytes: u32, by: u32) {
        assert!(self.index + entries.len() <= self.last, "there is room for all entries");
        for entry in entries {
            // SAFETY: just seen.
            unsafe { self.entries.add(self.index).write(entry.moved(bytes, by)) };
            self.index += 1;
        }
    }

    /// Appends what a string says. It lies before all that is appended.
    #[inline(always)]
    pub(super) fn said(&mut self, string: Value) {
        let (from, len) = (string.offset as usize + 1, string.len as usize - 2);
        match Short::of(self.bytes, from, len) {
            Some(short) => self.short(short),
            None => self.part(from, len),
        }
    }

    /// Appends an array's or object's entries, for its text that is appended next.
    #[inline(never)]
    pub(super) fn entries(&mut self, value: Value) {
        let subtree = value.link..self.tape[value.link as usize].link;
        let bytes = self.at().wrapping_sub(value.offset);
        let by = self.index().wrapping_sub(value.link);
        for index in subtree {
            self.entry(self.tape[index as usize].moved(bytes, by));
        }
    }

    /// The text and the tape have it all.
    #[inline]
    pub(super) fn finish(self) {
        // SAFETY: all up to these was written, within what was reserved.
        unsafe {
            self.bytes.set_len(self.at);
            self.tape.set_len(self.index);
        }
    }

    #[inline(always)]
    fn short(&mut self, text: Short) {
        assert!(self.at + text.len() <= self.end, "there is room for all text");
        // SAFETY: just seen, and a chunk more was reserved.
        unsafe { text.write(self.text.add(self.at)) };
        self.at += text.len();
    }

    #[inline(never)]
    fn slice(&mut self, text: &[u8]) {
        assert!(self.at + text.len() <= self.end, "there is room for all text");
        // SAFETY: just seen, and a borrowed slice is no part of what a vector has reserved.
        unsafe { self.text.add(self.at).copy_from_nonoverlapping(text.as_ptr(), text.len()) };
        self.at += text.len();
    }

    #[inline(never)]
    fn part(&mut self, from: usize, len: usize) {
        let is_before = from + len <= self.bytes.len();
        assert!(is_before && self.at + len <= self.end, "there is room for all text");
        // SAFETY: just seen: the part lies before the vector's end, and what is written behind it.
        unsafe { self.text.add(self.at).copy_from_nonoverlapping(self.text.add(from), len) };
        self.at += len;
    }
}
