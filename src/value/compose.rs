//! Pieces of strings and JSON text for the open string, so that formatting allocates nothing.

use std::ops::Range;

use super::scratch::Scratch;
use super::text::escape_into;
use super::value::{Shape, Value};

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
