//! Reading values: members, items, text. Iteration is by cursor, so that a caller may build values
//! while it walks.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use super::compose::Literal;
use super::index::{Filter, low_bits};
use super::number::{f64_of, i64_of, short_f64_of};
use super::scratch::Scratch;
use super::text::{decode, decoded_equals, encode_into, escape_flags};
use super::value::{DISJOINT, ESCAPED, Shape, Value};

/// A key to look up, made once when compiling.
#[derive(Clone, Debug)]
pub struct Key {
    name: Box<str>,
    probe: Probe,
    /// As JSON string text, quotes included.
    quoted: Literal,
    flags: u8,
}

impl Key {
    /// The key `name`.
    pub fn new(name: &str) -> Key {
        let mut quoted = Vec::new();
        encode_into(name, &mut quoted);
        let flags = escape_flags(&quoted[1..quoted.len() - 1]);
        let quoted = Literal::new(&String::from_utf8_lossy(&quoted));
        Key { name: name.into(), probe: Probe::new(name), quoted, flags }
    }

    /// The key, remembered apart from others of its name: it stands within what `outer` leads to,
    /// and `device.id` elsewhere than `id`.
    pub fn within(mut self, outer: &Key) -> Key {
        let Probe { first, len, .. } = self.probe;
        self.probe.hint = hint(first ^ u64::from(outer.probe.hint) << 48, len);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its JSON text, and the flags of a string that has it.
    pub(super) fn quoted(&self) -> (&Literal, u8) {
        (&self.quoted, self.flags)
    }

    /// As [`Filter::hash`] makes it.
    pub(super) fn hash(&self) -> u64 {
        self.probe.hash
    }

    /// What it is told from others by.
    #[inline(always)]
    pub(super) fn probe(&self) -> &Probe {
        &self.probe
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.name == other.name
    }
}

impl Eq for Key {}

/// What tells most keys apart: the length, the first eight bytes and the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    first: u64,
    /// The last eight bytes; of a shorter key, the first.
    last: u64,
    /// The bits of both that belong to the key.
    kept: u64,
    /// The length of a key without escapes, quotes included.
    len: u32,
    /// Where the last eight bytes start, or zero.
    last_at: u32,
    /// Bytes that must follow a key's opening quote for it to be found at a place; out of reach for a
    /// key that its ends do not tell from all others.
    reach: usize,
    /// As [`Filter::hash`] makes it of a key in a document.
    hash: u64,
    /// Which hint is the key's; others may share it.
    hint: u16,
    /// Both are not all of it.
    is_long: bool,
}

impl Probe {
    fn new(name: &str) -> Probe {
        let mut first = [0; 8];
        let len = name.len().min(8);
        first[..len].copy_from_slice(&name.as_bytes()[..len]);
        let kept = if len < 8 { (1 << (len * 8)) - 1 } else { u64::MAX };
        let first = u64::from_le_bytes(first);
        let last = name.as_bytes().last_chunk().map_or(first, |last| u64::from_le_bytes(*last));
        let last_at = (name.len() as u32).saturating_sub(8);
        let len = (name.len() as u32).saturating_add(2);
        let hash = Filter::hash(first, len, low_bits);
        let is_long = name.len() > 16;
        // A name without a backslash is never the text of an escaped one.
        let is_certain = !is_long && !name.contains('\\');
        let reach = if is_certain { last_at as usize + 8 } else { OUT_OF_REACH };
        Probe { first, last, kept, len, last_at, reach, hash, hint: hint(first, len), is_long }
    }
}

/// No memory is so large.
const OUT_OF_REACH: usize = usize::MAX / 2;

/// Which hint is that of a key with these first bytes and this length.
fn hint(first: u64, len: u32) -> u16 {
    (first.wrapping_add(len.into()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as u16
}

/// Where keys stood in the object they were last found in, in tape entries from its start: events of
/// a stream look alike, and most look-ups end where the last one did. Only hints: a place is looked
/// at before it is believed. All five paths of the benchmark's machine take 13 ns an event that way;
/// walking the event once with a trie of them, which fills numbered slots, took 20 to 30. (Atomic
/// because constants are shared; each shard has its own.)
pub(super) struct Hints([AtomicU32; HINTS]);

/// Hints that there are.
const HINTS: usize = 512;

impl Default for Hints {
    fn default() -> Hints {
        Hints([const { AtomicU32::new(1) }; HINTS])
    }
}

/// Which pair of a built object keys were last found in, as [`Hints`]; of the first 256.
pub(super) struct PairHints([AtomicU8; HINTS]);

impl Default for PairHints {
    fn default() -> PairHints {
        PairHints([const { AtomicU8::new(0) }; HINTS])
    }
}

/// Members that an object which was built may have for one look to find a key among them: the look
/// goes from one to the next, and whoever counts work does not count looks.
const GLANCED_MEMBERS_MAX: u32 = 32;

/// A cursor over an array's items.
#[derive(Clone, Copy, Debug)]
pub struct Items {
    at: u32,
    end: u32,
    is_raw: bool,
}

/// A cursor over an object's members.
#[derive(Clone, Copy, Debug)]
pub struct Members {
    at: u32,
    end: u32,
    is_raw: bool,
    /// Of an overlay: its base, still to come, and its own pairs, which win.
    base: Option<(Value, u32, u32)>,
}

impl Scratch {
    /// The handle of the value at a tape entry. A scalar's is the entry itself, moved in one piece:
    /// put together of its fields, it could not be copied before all had reached the cache.
    #[inline(always)]
    pub(super) fn handle(&self, entry: u32) -> Value {
        let value = self.tape[entry as usize];
        if value.height == 0 { value } else { self.container_at(entry) }
    }

    #[inline(never)]
    fn container_at(&self, entry: u32) -> Value {
        Value { link: entry, ..self.tape[entry as usize] }.in_one_piece()
    }

    /// What `keys` lead to, each within what the one before it leads to.
    #[inline(always)]
    pub fn follow(&self, start: Value, keys: &[Key]) -> Option<Value> {
        if keys.is_empty() {
            return Some(start);
        }
        let Some(mut entry) = self.base(start) else { return self.search(start, keys) };
        for key in keys {
            match self.place(entry, &key.probe) {
                Some(found) => entry = found,
                None => return self.search(start, keys),
            }
        }
        Some(self.handle(entry))
    }

    #[inline(never)]
    fn search(&self, start: Value, keys: &[Key]) -> Option<Value> {
        keys.iter().try_fold(start, |object, key| self.get(object, key))
    }

    /// The value of `key`, where `object` is an object that has it.
    #[inline]
    pub fn get(&self, object: Value, key: &Key) -> Option<Value> {
        if object.shape() == Shape::Object {
            return self.pair(object.offset, object.len, &key.name, &key.probe);
        }
        let placed = self.base(object).and_then(|base| self.place(base, &key.probe));
        match placed {
            Some(entry) => Some(self.handle(entry)),
            None => self.look_up(object, key),
        }
    }

    /// As [`Scratch::get`], where one look finds it; `None`: it may be there all the same.
    #[inline(always)]
    pub fn glance(&self, object: Value, key: &Key) -> Option<Value> {
        match object.shape() {
            Shape::RawObject => self.place(object.link, &key.probe).map(|entry| self.handle(entry)),
            Shape::Object if object.len <= GLANCED_MEMBERS_MAX => {
                self.pair(object.offset, object.len, &key.name, &key.probe)
            }
            _ => None,
        }
    }

    /// The entry of the raw object whose members, where it has them, are those of `object`.
    #[inline(always)]
    fn base(&self, object: Value) -> Option<u32> {
        match object.shape() {
            Shape::RawObject => Some(object.link),
            Shape::Overlay if object.flags & DISJOINT != 0 => {
                Some(self.nodes[object.offset as usize].link)
            }
            _ => None,
        }
    }

    #[inline(never)]
    fn look_up(&self, object: Value, key: &Key) -> Option<Value> {
        self.find(object, &key.name, &key.probe)
    }

    /// As [`Scratch::get`], by name.
    pub fn member(&self, object: Value, name: &str) -> Option<Value> {
        self.find(object, name, &Probe::new(name))
    }

    fn find(&self, object: Value, name: &str, probe: &Probe) -> Option<Value> {
        match object.shape() {
            Shape::RawObject => self.raw_member(object, name, probe),
            Shape::Object => self.pair(object.offset, object.len, name, probe),
            Shape::Overlay => {
                let base = self.nodes[object.offset as usize];
                let over = self.pair(object.offset + 1, object.len, name, probe);
                over.or_else(|| self.raw_member(base, name, probe))
            }
            _ => None,
        }
    }

    /// The entry of the member of the raw object at an entry, where it stands where the key was last
    /// found.
    #[inline(always)]
    pub(super) fn place(&self, object: u32, probe: &Probe) -> Option<u32> {
        let hint = self.hints.0[usize::from(probe.hint) % HINTS].load(Ordering::Relaxed);
        let at = object + hint;
        let key = self.tape.get(at as usize)?;
        // Only keys point back, and only at their own object.
        (key.link == object && self.is_seen(*key, probe)).then_some(at + 1)
    }

    /// Is it the probe's key, as far as one look tells?
    #[inline(always)]
    fn is_seen(&self, key: Value, probe: &Probe) -> bool {
        let name = key.offset as usize + 1;
        key.len == probe.len
            && name + probe.reach <= self.bytes.len()
            && self.ends_match(name, probe)
    }

    /// Do the first and the last eight bytes of a key as long as the probe's match, whose name begins
    /// at `name`? As many bytes as the last eight need lie behind that.
    #[inline(always)]
    fn ends_match(&self, name: usize, probe: &Probe) -> bool {
        let last = name + probe.last_at as usize;
        debug_assert!(last + 8 <= self.bytes.len());
        // SAFETY: eight bytes at `last` are within the text, and `name` is not behind `last`.
        let word = |at: usize| unsafe { self.bytes.as_ptr().add(at).cast::<[u8; 8]>().read() };
        let first = u64::from_le_bytes(word(name)) ^ probe.first;
        let last = u64::from_le_bytes(word(last)) ^ probe.last;
        (first | last) & probe.kept == 0
    }

    /// Is it known that the raw object has no such member?
    #[inline(always)]
    pub(super) fn lacks(&self, object: Value, hash: u64) -> bool {
        object.link == self.names.root && !self.names.keys.may_hold(hash)
    }

    fn raw_member(&self, object: Value, name: &str, probe: &Probe) -> Option<Value> {
        if self.lacks(object, probe.hash) {
            return None;
        }
        let mut at = object.link as usize + 1;
        let end = self.tape[object.link as usize].link as usize - 1;
        let tape = self.tape.get(..end)?;
        // A key and its value lie side by side.
        while let Some([key, value, ..]) = tape.get(at..) {
            if (key.len == probe.len || key.flags & ESCAPED != 0) && self.is_key(*key, name, probe)
            {
                let hint = at as u32 - object.link;
                self.hints.0[usize::from(probe.hint) % HINTS].store(hint, Ordering::Relaxed);
                return Some(Value { link: at as u32 + 1, ..*value });
            }
            at = value.link as usize;
        }
        None
    }

    /// The value of a pair among the nodes, most often where the key was last found.
    #[inline(never)]
    fn pair(&self, offset: u32, len: u32, name: &str, probe: &Probe) -> Option<Value> {
        let hint = &self.pair_hints.0[usize::from(probe.hint) % HINTS];
        let hint = u32::from(hint.load(Ordering::Relaxed));
        let at = (offset + 2 * hint.min(len)) as usize;
        if let Some([key, value, ..]) = self.nodes.get(at..)
            && hint < len
            && self.is_seen(*key, probe)
        {
            return Some(*value);
        }
        self.find_pair(offset, len, name, probe)
    }

    #[inline(never)]
    fn find_pair(&self, offset: u32, len: u32, name: &str, probe: &Probe) -> Option<Value> {
        let (pairs, _) = self.nodes[offset as usize..(offset + 2 * len) as usize].as_chunks();
        let at = pairs.iter().position(|[key, _]| self.is_key(*key, name, probe))?;
        // What one look never finds leaves others their hint.
        if let Ok(at) = u8::try_from(at)
            && probe.reach != OUT_OF_REACH
        {
            self.pair_hints.0[usize::from(probe.hint) % HINTS].store(at, Ordering::Relaxed);
        }
        Some(pairs[at][1])
    }

    /// As [`Scratch::says`], most often without comparing more than eight bytes.
    #[inline]
    fn is_key(&self, key: Value, name: &str, probe: &Probe) -> bool {
        if key.flags & ESCAPED != 0 {
            return decoded_equals(self.inner(key), name);
        }
        key.len == probe.len && self.is_same(key.offset, name, probe)
    }

    /// Does a key at `offset` without escapes, as long as `name`, say it?
    #[inline]
    fn is_same(&self, offset: u32, name: &str, probe: &Probe) -> bool {
        let from = offset as usize + 1;
        if from + probe.last_at as usize + 8 > self.bytes.len() {
            return self.is_same_long(from, name);
        }
        self.ends_match(from, probe) && (!probe.is_long || self.is_same_long(from, name))
    }

    #[inline(never)]
    fn is_same_long(&self, from: usize, name: &str) -> bool {
        self.bytes.get(from..from + name.len()) == Some(name.as_bytes())
    }

    /// Does the string `value` say `plain`?
    #[inline]
    pub fn says(&self, value: Value, plain: &str) -> bool {
        if value.flags & ESCAPED != 0 {
            return decoded_equals(self.inner(value), plain);
        }
        value.len as usize == plain.len() + 2 && self.inner(value) == plain
    }

    /// The item at `index`, where `array` is an array that has it.
    pub fn item(&self, array: Value, index: usize) -> Option<Value> {
        match array.shape() {
            Shape::Array if index < array.len as usize => {
                Some(self.nodes[array.offset as usize + index])
            }
            Shape::RawArray => {
                let mut items = self.items(array);
                for _ in 0..index {
                    self.next_item(&mut items)?;
                }
                self.next_item(&mut items)
            }
            _ => None,
        }
    }

    /// How many items or members there are; 0 for a scalar.
    pub fn count(&self, value: Value) -> usize {
        match value.shape() {
            Shape::Array | Shape::Object => value.len as usize,
            Shape::RawArray => {
                let mut items = self.items(value);
                std::iter::from_fn(|| self.next_item(&mut items)).count()
            }
            Shape::RawObject | Shape::Overlay => {
                let mut members = self.members(value);
                std::iter::from_fn(|| self.next_member(&mut members)).count()
            }
            _ => 0,
        }
    }

    /// A cursor over an array's items; empty for anything else.
    pub fn items(&self, array: Value) -> Items {
        let (at, end) = match array.shape() {
            Shape::RawArray => (array.link + 1, self.tape[array.link as usize].link - 1),
            Shape::Array => (array.offset, array.offset + array.len),
            _ => (0, 0),
        };
        Items { at, end, is_raw: array.shape() == Shape::RawArray }
    }

    /// The next item.
    pub fn next_item(&self, items: &mut Items) -> Option<Value> {
        if items.at >= items.end {
            return None;
        }
        let at = items.at;
        if items.is_raw {
            let entry = self.tape[at as usize];
            items.at = entry.link;
            return Some(Value { link: at, ..entry });
        }
        items.at += 1;
        Some(self.nodes[at as usize])
    }

    /// A cursor over an object's members; empty for anything else.
    pub fn members(&self, object: Value) -> Members {
        let (at, end, is_raw, base) = match object.shape() {
            Shape::RawObject => {
                (object.link + 1, self.tape[object.link as usize].link - 1, true, None)
            }
            Shape::Object => (object.offset, object.offset + 2 * object.len, false, None),
            Shape::Overlay => {
                let base = self.nodes[object.offset as usize];
                let (from, to) = (object.offset + 1, object.offset + 1 + 2 * object.len);
                let raw = self.members(base);
                (raw.at, raw.end, true, Some((base, from, to)))
            }
            _ => (0, 0, false, None),
        };
        Members { at, end, is_raw, base }
    }

    /// The next member's key (a string) and value.
    pub fn next_member(&self, members: &mut Members) -> Option<(Value, Value)> {
        loop {
            if members.at >= members.end {
                let (_, from, to) = members.base.take()?;
                *members = Members { at: from, end: to, is_raw: false, base: None };
                continue;
            }
            let at = members.at;
            if !members.is_raw {
                members.at += 2;
                return Some((self.nodes[at as usize], self.nodes[at as usize + 1]));
            }
            let (key, value) = (self.tape[at as usize], self.handle(at + 1));
            members.at = self.tape[at as usize + 1].link;
            let is_covered = members.base.is_some_and(|(_, from, to)| {
                let name = self.str(key);
                self.pair(from, (to - from) / 2, &name, &Probe::new(&name)).is_some()
            });
            if !is_covered {
                return Some((key, value));
            }
        }
    }

    /// The JSON text of a scalar, or of a raw container as it came.
    #[inline]
    pub fn raw(&self, value: Value) -> &str {
        match value.shape() {
            Shape::Null => "null",
            Shape::True => "true",
            Shape::False => "false",
            Shape::Array | Shape::Object | Shape::Overlay => "",
            _ => self.slice(value.offset, value.offset + value.len),
        }
    }

    /// A string's text between the quotes, escapes as they stand; empty for anything else.
    #[inline]
    pub fn inner(&self, value: Value) -> &str {
        match value.shape() {
            Shape::String => self.slice(value.offset + 1, value.offset + value.len - 1),
            _ => "",
        }
    }

    #[inline]
    fn slice(&self, from: u32, to: u32) -> &str {
        let bytes = &self.bytes[from as usize..to as usize];
        // SAFETY: handles point at text that the indexer checked or that was made from `str`s, and
        // begin and end at quotes, digits or brackets, which are character boundaries.
        unsafe { std::str::from_utf8_unchecked(bytes) }
    }

    /// What a string says; empty for anything else.
    pub fn str(&self, value: Value) -> Cow<'_, str> {
        match value.flags & ESCAPED {
            0 => Cow::Borrowed(self.inner(value)),
            _ => decode(self.inner(value)),
        }
    }

    /// A number's value; `None` for anything else.
    #[inline]
    pub fn f64(&self, value: Value) -> Option<f64> {
        self.f64_here(value)
    }

    /// The same in place, for those who ask item after item.
    #[inline(always)]
    pub(super) fn f64_here(&self, value: Value) -> Option<f64> {
        if value.shape() != Shape::Number {
            return None;
        }
        // The eight bytes that it ends: what was made last has none behind it.
        let end = (value.offset + value.len) as usize;
        let chunk = self.bytes.get(..end).and_then(<[u8]>::last_chunk);
        let short = chunk.and_then(|chunk| short_f64_of(chunk, value.len as usize));
        short.or_else(|| Some(self.long_f64(value)))
    }

    #[inline(never)]
    fn long_f64(&self, number: Value) -> f64 {
        f64_of(self.raw(number))
    }

    /// A number's value where it is an integer that fits; `None` for anything else.
    pub fn i64(&self, value: Value) -> Option<i64> {
        if value.shape() != Shape::Number {
            return None;
        }
        i64_of(self.raw(value))
    }
}
