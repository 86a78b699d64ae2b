//! Writing values as compact JSON. Raw text without unusual escapes and whitespace is copied
//! as it stands.

use super::scratch::Scratch;
use super::text::{encode_into, normalize_into};
use super::value::{DISJOINT, Shape, UNUSUAL, Value};

impl Scratch {
    /// Appends the value's compact JSON text. Recursion is bounded by the limit on height.
    pub fn write(&self, value: Value, out: &mut Vec<u8>) {
        match value.shape {
            Shape::String if value.flags & UNUSUAL != 0 => normalize_into(self.inner(value), out),
            Shape::RawArray | Shape::RawObject if value.size_is_exact() => {
                out.extend_from_slice(self.raw(value).as_bytes());
            }
            Shape::Array | Shape::RawArray => self.write_items(value, out),
            Shape::Overlay if value.flags & DISJOINT != 0 => self.write_overlay(value, out),
            Shape::Object | Shape::RawObject | Shape::Overlay => {
                out.push(b'{');
                self.write_members(value, out);
                out.push(b'}');
            }
            _ => out.extend_from_slice(self.raw(value).as_bytes()),
        }
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
            self.write(item, out);
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
            self.write(key, out);
            out.push(b':');
            self.write(value, out);
        }
    }

    /// The base without its closing bracket, then the pairs laid over it.
    fn write_overlay(&self, value: Value, out: &mut Vec<u8>) {
        self.write(self.nodes[value.offset as usize], out);
        out.pop();
        let from = value.offset as usize + 1;
        for pair in self.nodes[from..from + 2 * value.len as usize].chunks_exact(2) {
            if out.last() != Some(&b'{') {
                out.push(b',');
            }
            self.write(pair[0], out);
            out.push(b':');
            self.write(pair[1], out);
        }
        out.push(b'}');
    }

    /// The bytes of the value's compact JSON text.
    pub fn size(&self, value: Value) -> usize {
        if value.size_is_exact() && value.shape != Shape::Overlay {
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
        match value.shape {
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

/// Replaces a trailing comma by the bracket, or appends it.
fn close(out: &mut Vec<u8>, bracket: u8) {
    match out.last_mut() {
        Some(last) if *last == b',' => *last = bracket,
        _ => out.push(bracket),
    }
}
