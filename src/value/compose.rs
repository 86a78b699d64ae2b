//! Pieces of strings and JSON text for the open string, so that formatting allocates nothing.

use std::ops::Range;

use super::pen::Pen;
use super::scratch::Scratch;
use super::text::{CHUNK, Short, escape_into};
use super::value::{ESCAPED, Shape, UNUSUAL, Value};

/// JSON string text, without quotes, that is appended often.
#[derive(Clone, Debug)]
pub struct Literal {
    /// At least a chunk of it, zeros behind.
    text: Box<[u8]>,
    len: usize,
}

impl Literal {
    /// `text` is [`Scratch::inner`] text, or pieces of it that tear no escape.
    pub fn new(text: &str) -> Literal {
        let mut padded = text.as_bytes().to_vec();
        padded.resize(text.len().max(CHUNK), 0);
        Literal { text: padded.into(), len: text.len() }
    }

    /// All of it, where it is short.
    #[inline]
    pub(super) fn short(&self) -> Option<Short> {
        let chunk = self.text.first_chunk().filter(|_| self.len <= CHUNK)?;
        Some(Short::first(self.len, chunk))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

impl Scratch {
    /// Appends the bytes `part` of [`Scratch::inner`] to the open string. A part that is no text
    /// of that string, or that begins or ends within a character, is left out; the caller sees to
    /// it that no escape is torn.
    pub fn push_part(&mut self, string: Value, part: Range<usize>) {
        if string.shape() == Shape::String && self.inner(string).get(part.clone()).is_some() {
            let from = string.offset as usize + 1;
            self.repeat(from + part.start..from + part.end);
        }
    }

    /// The string of what strings say, one behind the other; `None` where one is no string.
    pub fn join(&mut self, parts: &[Value]) -> Option<Value> {
        let (start, mut flags, mut size) = (self.bytes.len(), 0, 2);
        for part in parts {
            if part.shape() != Shape::String {
                return None;
            }
            size += part.len as usize;
            flags |= part.flags & (ESCAPED | UNUSUAL);
        }
        let mut pen = Pen::new(&mut self.bytes, &mut self.tape, size, 0);
        pen.quote();
        parts.iter().for_each(|part| pen.said(*part));
        pen.quote();
        pen.finish();
        Some(self.scalar_from(start, Shape::String, flags))
    }

    /// Appends a literal to the open string.
    #[inline]
    pub fn push_literal(&mut self, literal: &Literal) {
        match literal.short() {
            Some(short) => short.append(&mut self.bytes),
            None => self.bytes.extend_from_slice(literal.bytes()),
        }
    }

    /// Appends the compact JSON text of `value` to the open string.
    pub fn push_json(&mut self, value: Value) {
        let mut text = std::mem::take(&mut self.spare);
        text.clear();
        self.write(value, &mut text);
        let plain = std::str::from_utf8(&text).expect("values are written as UTF-8");
        escape_into(plain, &mut self.bytes);
        self.spare = text;
    }
}
