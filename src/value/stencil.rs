//! JSON text with holes. What lies between the holes is laid out when compiling, its entries in the
//! tape too, and copied when the holes are filled: the result is text as if it had been read, which
//! is written as it stands and looked into like any other.

use std::fmt;

use super::compose::Literal;
use super::pen::Pen;
use super::scratch::{Limits, Mark, Scratch};
use super::text::{encode_into, escape_flags};
use super::value::{SPACED, Shape, Tag, UNUSUAL, Value};

/// Bytes of a value that are copied into a hole; a larger one is pointed at instead.
const COPIED_MAX: usize = 1024;

/// An object or array with holes.
#[derive(Clone, Debug)]
pub struct Stencil {
    shape: Shape,
    parts: Box<[Part]>,
    /// What comes behind the last part, the closing bracket included.
    last: Piece,
    /// Levels of containers in what is constant, this one included.
    height: u16,
    /// Bytes of all that is constant.
    text_len: usize,
    /// Entries of all but what fills the holes.
    entries_len: usize,
    /// The holes, as often as they are filled.
    uses: Box<[Use]>,
}

/// A hole that is to be filled.
#[derive(Clone, Copy, Debug)]
struct Use {
    hole: usize,
    /// With what the value says, not with its JSON text.
    is_said: bool,
}

/// A piece of text and what fills the hole behind it.
#[derive(Clone, Debug)]
struct Part {
    before: Piece,
    fill: Fill,
}

/// Text that is constant.
#[derive(Clone, Debug)]
struct Piece {
    text: Literal,
    /// The entries that begin in it: offsets count from its start, links from the stencil's entry. 0 is
    /// the link of the stencil's own keys.
    entries: Box<[Value]>,
    /// Where the first of them stands, as the stencil is laid out.
    first: u32,
}

/// What fills a hole.
#[derive(Clone, Debug)]
enum Fill {
    /// A value's JSON text.
    Value(usize),
    /// A string that is put together.
    Text(Text),
    /// Another stencil.
    Stencil(Box<Stencil>),
}

/// A string that is put together. Its first and last piece belong to the text around it.
#[derive(Clone, Debug)]
struct Text {
    head_len: u32,
    /// What is said, and the text behind it.
    said: Box<[(usize, Literal)]>,
    tail_len: u32,
    flags: u8,
}

/// A stencil that is being laid out.
#[derive(Debug)]
pub struct Draft {
    stencil: Stencil,
    parts: Vec<Part>,
    uses: Vec<Use>,
    text: Vec<u8>,
    entries: Vec<Value>,
    /// Where the first of those stands, and the next one will.
    first: u32,
    index: u32,
    is_empty: bool,
}

impl Draft {
    /// An object, whose members are a [`Draft::key`] and what follows.
    pub fn object() -> Draft {
        Draft::new(Shape::RawObject, b'{')
    }

    /// An array.
    pub fn array() -> Draft {
        Draft::new(Shape::RawArray, b'[')
    }

    fn new(shape: Shape, open: u8) -> Draft {
        let last = Piece { text: Literal::new(""), entries: Box::default(), first: 0 };
        let (parts, uses) = (Box::default(), Box::default());
        let (height, text_len, entries_len) = (1, 0, 0);
        let stencil = Stencil { shape, parts, last, height, text_len, entries_len, uses };
        let (parts, uses, entries) = (Vec::new(), Vec::new(), Vec::new());
        Draft {
            stencil,
            parts,
            uses,
            text: vec![open],
            entries,
            first: 1,
            index: 1,
            is_empty: true,
        }
    }

    /// The next member's name; in an array, nothing.
    pub fn key(&mut self, name: Option<&str>) {
        if !std::mem::take(&mut self.is_empty) {
            self.text.push(b',');
        }
        if let Some(name) = name {
            let at = self.text.len();
            encode_into(name, &mut self.text);
            self.entry(at, Shape::String, 0);
            self.text.push(b':');
        }
    }

    /// A value that is always the same; `None` where it is better pointed at.
    pub fn constant(&mut self, value: Value, constants: &Scratch) -> Option<()> {
        let is_container = value.height > 0;
        let is_copied = !is_container || constants.copied_entries(value).is_some();
        if !is_copied || !value.size_is_exact() {
            return None;
        }
        let at = self.text.len();
        self.text.extend_from_slice(constants.raw(value).as_bytes());
        self.stencil.height = self.stencil.height.max(value.height + 1);
        if !is_container {
            self.entry(at, value.shape(), self.index + 1);
            return Some(());
        }
        let subtree = value.link as usize..constants.tape[value.link as usize].link as usize;
        let bytes = (at as u32).wrapping_sub(value.offset);
        let by = self.index.wrapping_sub(value.link);
        self.index += subtree.len() as u32;
        self.entries.extend(constants.tape[subtree].iter().map(|entry| entry.moved(bytes, by)));
        Some(())
    }

    /// The value in a hole.
    pub fn hole(&mut self, hole: usize) {
        self.uses.push(Use { hole, is_said: false });
        self.part(Fill::Value(hole), 1);
    }

    /// A string: the first piece, then in turn what a hole's value says and a piece. The pieces are
    /// string text without quotes.
    pub fn text(&mut self, pieces: &[Literal], holes: &[usize]) {
        let flags = pieces.iter().fold(0, |flags, piece| flags | escape_flags(piece.bytes()));
        let [first, between @ ..] = pieces else { return };
        let len = |piece: &Literal| piece.bytes().len() as u32;
        self.text.push(b'"');
        self.text.extend_from_slice(first.bytes());
        self.uses.extend(holes.iter().map(|&hole| Use { hole, is_said: true }));
        let (tail, between) = match between {
            [between @ .., tail] => (Some(tail), between),
            [] => (None, between),
        };
        let behind = between.iter().cloned().chain([Literal::new("")]);
        let said: Box<[_]> = holes.iter().copied().zip(behind).collect();
        self.stencil.text_len += said.iter().map(|(_, piece)| piece.bytes().len()).sum::<usize>();
        let tail_len = tail.map_or(0, len);
        self.part(Fill::Text(Text { head_len: len(first), said, tail_len, flags }), 1);
        self.text.extend_from_slice(tail.map_or(&[][..], Literal::bytes));
        self.text.push(b'"');
    }

    /// An object or array with holes of its own.
    pub fn within(&mut self, inner: Stencil) {
        self.stencil.height = self.stencil.height.max(inner.height + 1);
        self.stencil.text_len += inner.text_len;
        self.uses.extend(&inner.uses);
        let entries = inner.entries_len as u32;
        self.part(Fill::Stencil(Box::new(inner)), entries);
    }

    /// The stencil.
    pub fn finish(mut self) -> Stencil {
        self.text.push(if self.stencil.shape == Shape::RawObject { b'}' } else { b']' });
        let last = self.piece();
        // The closing bracket has one.
        self.stencil.entries_len = self.index as usize + 1;
        Stencil { parts: self.parts.into(), last, uses: self.uses.into(), ..self.stencil }
    }

    fn entry(&mut self, at: usize, shape: Shape, link: u32) {
        let text = &self.text[at..];
        let flags = if shape == Shape::String { escape_flags(&text[1..text.len() - 1]) } else { 0 };
        let (offset, len, tag) = (at as u32, text.len() as u32, Tag::of(shape));
        self.entries.push(Value { offset, len, link, tag, flags, height: 0 });
        self.index += 1;
    }

    fn part(&mut self, fill: Fill, entries: u32) {
        let before = self.piece();
        self.parts.push(Part { before, fill });
        self.index += entries;
        self.first = self.index;
    }

    /// What was laid out since the last hole.
    fn piece(&mut self) -> Piece {
        let text = Literal::new(&String::from_utf8_lossy(&self.text));
        self.stencil.text_len += self.text.len();
        self.text.clear();
        Piece { text, entries: std::mem::take(&mut self.entries).into(), first: self.first }
    }
}

/// Its text; holes are `<0>`, `<1>` and so on.
impl fmt::Display for Stencil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Part { before, fill } in &self.parts {
            f.write_str(before.text.as_str())?;
            match fill {
                Fill::Value(hole) => write!(f, "<{hole}>")?,
                Fill::Stencil(inner) => write!(f, "{inner}")?,
                Fill::Text(text) => {
                    for (hole, behind) in &text.said {
                        write!(f, "<{hole}>{}", behind.as_str())?;
                    }
                }
            }
        }
        f.write_str(self.last.text.as_str())
    }
}

impl Scratch {
    /// The stencil, its holes filled with the values that were pushed since `values`, which are taken
    /// off. `None` where one of them is better pointed at, or would be nested too deeply.
    pub fn fill(&mut self, stencil: &Stencil, values: Mark) -> Option<Value> {
        let filled = self.fill_in(stencil, values.start());
        self.abandon(values);
        filled
    }

    fn fill_in(&mut self, stencil: &Stencil, holes: usize) -> Option<Value> {
        let holes = &self.pending[holes..];
        let (mut text_len, mut entries_len) = (stencil.text_len, stencil.entries_len);
        for Use { hole, is_said } in &stencil.uses {
            let value = holes[*hole];
            text_len += value.size_max();
            if value.height == 0 && (*is_said || value.size_max() <= COPIED_MAX) {
                continue;
            }
            entries_len += self.copied_entries(value).filter(|_| !is_said)?;
            if value.height + stencil.height > Limits::HEIGHT_CEILING {
                return None;
            }
        }
        if text_len > Limits::BYTES_CEILING {
            return None;
        }
        let mut pen = Pen::new(&mut self.bytes, &mut self.tape, text_len, entries_len);
        let filled = stencil.draw(&mut pen, holes);
        pen.finish();
        Some(filled)
    }

    /// How many entries an array or object has, where it is one to be copied.
    fn copied_entries(&self, value: Value) -> Option<usize> {
        let is_raw = matches!(value.shape(), Shape::RawArray | Shape::RawObject);
        let is_copied = is_raw && value.size_max() <= COPIED_MAX && value.flags & SPACED == 0;
        is_copied.then(|| (self.tape[value.link as usize].link - value.link) as usize)
    }
}

impl Stencil {
    fn draw(&self, pen: &mut Pen<'_>, holes: &[Value]) -> Value {
        let (offset, object, tag) = (pen.at(), pen.index(), Tag::of(self.shape));
        let (mut height, mut flags) = (self.height, 0);
        pen.entry(Value { offset, tag, ..Value::NULL });
        for Part { before, fill } in &self.parts {
            before.draw(pen, object);
            let (filled_height, filled_flags) = match fill {
                Fill::Value(hole) => draw(holes[*hole], pen),
                Fill::Text(text) => (0, text.draw(pen, holes)),
                Fill::Stencil(inner) => {
                    let inner = inner.draw(pen, holes);
                    (inner.height, inner.flags)
                }
            };
            height = height.max(filled_height + 1);
            flags |= filled_flags & UNUSUAL;
        }
        self.last.draw(pen, object);
        let (end, link) = (pen.at(), pen.index() + 1);
        pen.entry(Value { offset: end - 1, len: 1, link, ..Value::NULL });
        let whole = Value { offset, len: end - offset, link, tag, flags, height };
        pen.complete(object, whole);
        Value { link: object, ..whole }.in_one_piece()
    }
}

impl Piece {
    /// Its keys are those of the object at an entry.
    #[inline(always)]
    fn draw(&self, pen: &mut Pen<'_>, object: u32) {
        let start = pen.at();
        pen.literal(&self.text);
        match pen.index() - object - self.first {
            0 => pen.moved(&self.entries, start, object),
            grown => self.draw_behind(pen, object, (start, grown)),
        }
    }

    /// What fills holes before it has so many entries more than were laid out for it.
    #[inline(never)]
    fn draw_behind(&self, pen: &mut Pen<'_>, object: u32, (start, grown): (u32, u32)) {
        for entry in &self.entries {
            let by = if entry.link == 0 { object } else { object + grown };
            pen.entry(entry.moved(start, by));
        }
    }
}

impl Text {
    /// Returns the string's flags.
    #[inline]
    fn draw(&self, pen: &mut Pen<'_>, holes: &[Value]) -> u8 {
        let (offset, link) = (pen.at() - self.head_len - 1, pen.index() + 1);
        let mut flags = self.flags;
        for (hole, behind) in &self.said {
            let value = holes[*hole];
            pen.value(value, u32::from(value.shape() == Shape::String));
            pen.literal(behind);
            flags |= value.flags;
        }
        let len = pen.at() + self.tail_len + 1 - offset;
        pen.entry(Value { offset, len, link, tag: Tag::of(Shape::String), flags, height: 0 });
        flags
    }
}

/// Appends a value with its entries; returns its height and flags.
#[inline(always)]
fn draw(value: Value, pen: &mut Pen<'_>) -> (u16, u8) {
    match value.height {
        0 => pen.entry(Value { offset: pen.at(), link: pen.index() + 1, ..value }),
        _ => pen.entries(value),
    }
    pen.value(value, 0);
    (value.height, value.flags)
}
