//! Writing values as compact JSON. Raw text without unusual escapes and whitespace is copied
//! as it stands.

use super::pen::{FALSE, NULL, TRUE};
use super::scratch::Scratch;
use super::text::{CHUNK, Short, encode_into, normalize_into};
use super::value::{DISJOINT, SPACED, Shape, UNUSUAL, Value};

impl Scratch {
    /// Appends the value's compact JSON text. Recursion is bounded by the limit on height.
    pub fn write(&self, value: Value, out: &mut Vec<u8>) {
        out.reserve(value.size_max() + CHUNK);
        self.write_part(value, out);
    }

    /// The value's compact JSON text: where it stands if it stands somewhere as it is written, put into
    /// `buffer` otherwise.
    #[inline]
    pub fn text<'a>(&'a self, value: Value, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        let is_text = matches!(
            value.shape(),
            Shape::String | Shape::Number | Shape::RawArray | Shape::RawObject
        );
        if is_text && value.size_is_exact() {
            return &self.bytes[value.offset as usize..][..value.len as usize];
        }
        buffer.clear();
        self.write(value, buffer);
        buffer
    }

    #[inline]
    fn write_part(&self, value: Value, out: &mut Vec<u8>) {
        match value.shape() {
            Shape::String | Shape::Number if value.flags & UNUSUAL == 0 => {
                self.copy(value.offset as usize, value.len as usize, out);
            }
            _ => self.write_any(value, out),
        }
    }

    /// Appends a part of `bytes`. Most are short.
    #[inline]
    fn copy(&self, from: usize, len: usize, out: &mut Vec<u8>) {
        match Short::of(&self.bytes, from, len) {
            Some(short) => short.append(out),
            None => out.extend_from_slice(&self.bytes[from..from + len]),
        }
    }

    fn write_any(&self, value: Value, out: &mut Vec<u8>) {
        match value.shape() {
            Shape::String if value.flags & UNUSUAL != 0 => normalize_into(self.inner(value), out),
            Shape::RawArray | Shape::RawObject if value.size_is_exact() => {
                out.extend_from_slice(self.raw(value).as_bytes());
            }
            Shape::Array => self.write_nodes(value, out),
            Shape::RawArray => self.write_items(value, out),
            Shape::Overlay if value.flags & DISJOINT != 0 => self.write_overlay(value, out),
            Shape::Object => {
                out.push(b'{');
                self.write_pairs(value.offset, value.len, out);
                out.push(b'}');
            }
            Shape::RawObject | Shape::Overlay => {
                out.push(b'{');
                self.write_members(value, out);
                out.push(b'}');
            }
            _ => out.extend_from_slice(self.raw(value).as_bytes()),
        }
    }

    fn write_nodes(&self, array: Value, out: &mut Vec<u8>) {
        let items = &self.nodes[array.offset as usize..][..array.len as usize];
        out.push(b'[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match self.short(*item) {
                Some(short) => short.append(out),
                None => self.write_part(*item, out),
            }
        }
        out.push(b']');
    }

    fn write_items(&self, value: Value, out: &mut Vec<u8>) {
        out.push(b'[');
        let mut items = self.items(value);
        let mut is_first = true;
        while let Some(item) = self.next_item(&mut items) {
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            self.write_part(item, out);
        }
        out.push(b']');
    }

    fn write_members(&self, value: Value, out: &mut Vec<u8>) {
        let mut members = self.members(value);
        let mut is_first = true;
        while let Some((key, value)) = self.next_member(&mut members) {
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            self.write_part(key, out);
            out.push(b':');
            self.write_part(value, out);
        }
    }

    /// The base without its closing bracket, then the pairs laid over it.
    fn write_overlay(&self, value: Value, out: &mut Vec<u8>) {
        self.write_part(self.nodes[value.offset as usize], out);
        out.pop();
        self.write_pairs(value.offset + 1, value.len, out);
        out.push(b'}');
    }

    /// Pairs among the nodes; a comma before each but the first of its object.
    fn write_pairs(&self, offset: u32, len: u32, out: &mut Vec<u8>) {
        let mut is_first = out.last() == Some(&b'{');
        for pair in self.nodes[offset as usize..(offset + 2 * len) as usize].chunks_exact(2) {
            let is_first = std::mem::take(&mut is_first);
            if let (Some(key), Some(value)) = (self.short(pair[0]), self.short(pair[1])) {
                write_short(is_first, key, value, out);
                continue;
            }
            if !is_first {
                out.push(b',');
            }
            self.write_part(pair[0], out);
            out.push(b':');
            self.write_part(pair[1], out);
        }
    }

    /// A value's text, where it is short and can be copied as it stands.
    #[inline]
    fn short(&self, value: Value) -> Option<Short> {
        match value.shape() {
            Shape::Null => return Some(NULL),
            Shape::True => return Some(TRUE),
            Shape::False => return Some(FALSE),
            Shape::Array | Shape::Object | Shape::Overlay => return None,
            Shape::String | Shape::Number | Shape::RawArray | Shape::RawObject => {}
        }
        if value.flags & (UNUSUAL | SPACED) != 0 {
            return None;
        }
        Short::of(&self.bytes, value.offset as usize, value.len as usize)
    }

    /// The bytes of the value's compact JSON text.
    pub fn size(&self, value: Value) -> usize {
        if value.size_is_exact() && value.shape() != Shape::Overlay {
            return value.size_max();
        }
        let mut text = Vec::with_capacity(value.size_max());
        self.write(value, &mut text);
        text.len()
    }

    /// Is the value's compact text larger than `limit` bytes?
    pub fn exceeds(&self, value: Value, limit: usize) -> bool {
        value.size_max() > limit && self.size(value) > limit
    }

    /// As [`Scratch::write`] for a document whose objects may hold keys twice: the last one stays.
    #[cold]
    pub(super) fn write_unique(&self, value: Value, out: &mut Vec<u8>) {
        match value.shape() {
            Shape::RawArray => {
                out.push(b'[');
                let mut items = self.items(value);
                while let Some(item) = self.next_item(&mut items) {
                    self.write_unique(item, out);
                    out.push(b',');
                }
                close(out, b']');
            }
            Shape::RawObject => {
                let mut members = Vec::new();
                let mut cursor = self.members(value);
                while let Some((key, value)) = self.next_member(&mut cursor) {
                    members.push((self.str(key), value));
                }
                let last: std::collections::HashMap<_, _> =
                    members.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)).collect();
                out.push(b'{');
                for (at, (key, value)) in members.iter().enumerate() {
                    if last[key] == at {
                        encode_into(key, out);
                        out.push(b':');
                        self.write_unique(*value, out);
                        out.push(b',');
                    }
                }
                close(out, b'}');
            }
            _ => self.write(value, out),
        }
    }
}

/// Appends a comma, but before the first, a key, a colon and a value.
#[inline]
fn write_short(is_first: bool, key: Short, value: Short, out: &mut Vec<u8>) {
    out.reserve(2 * CHUNK + 2);
    let comma = usize::from(!is_first);
    // SAFETY: there is room for two chunks and two bytes; each write begins at most one chunk and two
    // bytes behind the end, and all up to the new length is written: where there is no comma, the key
    // is written over it.
    unsafe {
        let end = out.as_mut_ptr().add(out.len());
        end.write(b',');
        let end = end.add(comma);
        key.write(end);
        end.add(key.len()).write(b':');
        value.write(end.add(key.len() + 1));
        out.set_len(out.len() + comma + key.len() + 1 + value.len());
    }
}

/// Replaces a trailing comma by the bracket, or appends it.
fn close(out: &mut Vec<u8>, bracket: u8) {
    match out.last_mut() {
        Some(last) if *last == b',' => *last = bracket,
        _ => out.push(bracket),
    }
}
