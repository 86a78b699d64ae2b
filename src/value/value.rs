//! The handle itself.

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Bool,
    /// `1.5e3`, spelled as it came
    Number,
    /// `"text"`
    String,
    /// `[...]`
    Array,
    /// `{...}`
    Object,
}

impl Kind {
    /// `number`, as JSON and JSONata call it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "boolean",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Array => "array",
            Kind::Object => "object",
        }
    }
}

/// How a value's bytes are found; the layout of the other fields follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Shape {
    Null,
    False,
    True,
    /// `offset..offset + len` is the number's text.
    Number,
    /// `offset..offset + len` is the string's text, quotes included.
    String,
    /// Raw text; `link` is the value's own entry in the tape.
    RawArray,
    /// Raw text; `link` is the value's own entry in the tape.
    RawObject,
    /// `nodes[offset..offset + len]` are the items; `link` is the text's size in bytes.
    Array,
    /// `nodes[offset..offset + 2 * len]` are keys and values in turn; `link` is the text's size.
    Object,
    /// `nodes[offset]` is a raw object, `len` pairs laid over it follow; `link` is the text's size.
    Overlay,
}

/// The string holds an escape, so it can't be compared byte for byte. Never of a container.
pub(super) const ESCAPED: u8 = 1;
/// The raw text holds whitespace between tokens.
pub(super) const SPACED: u8 = 2;
/// The text holds an escape that is written otherwise, so it can't be written byte for byte.
pub(super) const UNUSUAL: u8 = 8;
/// No key of the overlay occurs in its base.
pub(super) const DISJOINT: u8 = 4;

/// A [`Shape`] in a byte whose other values are not free to use. Were they, `Option<Value>` would
/// keep its `None` in there and be copied as 12, 1 and 3 bytes; the next copy, of 16, has to wait for
/// all three to reach the cache, and an execution copies hundreds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag(u8);

impl Tag {
    #[inline]
    pub(super) const fn of(shape: Shape) -> Tag {
        Tag(shape as u8)
    }
}

/// A JSON value in a [`super::Scratch`]: 16 bytes, `Copy`, meaningless without its scratch.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Value {
    pub(super) offset: u32,
    pub(super) len: u32,
    pub(super) link: u32,
    pub(super) tag: Tag,
    pub(super) flags: u8,
    /// Levels of containers in here: 0 for a scalar.
    pub(super) height: u16,
}

impl Value {
    /// `null`
    pub const NULL: Value = Value::constant(Shape::Null, 4);
    /// `true`
    pub const TRUE: Value = Value::constant(Shape::True, 4);
    /// `false`
    pub const FALSE: Value = Value::constant(Shape::False, 5);

    const fn constant(shape: Shape, len: u32) -> Value {
        Value { offset: 0, len, link: 0, tag: Tag::of(shape), flags: 0, height: 0 }
    }

    /// A handle of its words: with its fields written one by one, the small ones take a store each.
    #[inline(always)]
    pub(super) const fn of_words(
        offset: u32,
        len: u32,
        link: u32,
        shape: Shape,
        flags: u8,
    ) -> Value {
        let rest = u32::from_ne_bytes([shape as u8, flags, 0, 0]);
        // SAFETY: as in `moved`, and the tag is a shape's.
        unsafe { std::mem::transmute::<[u32; 4], Value>([offset, len, link, rest]) }
    }

    /// The same handle, so put together that it can be copied at once: a copy of 16 bytes has to wait
    /// until all fields that were stored apart have reached the cache.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn in_one_piece(self) -> Value {
        use std::arch::x86_64::{__m128i, _mm_set_epi32};
        // SAFETY: a `Value` has the size of four words and no padding, and these come from one. SSE2
        // is part of every x86-64.
        unsafe {
            let [offset, len, link, rest] = std::mem::transmute::<Value, [i32; 4]>(self);
            std::mem::transmute::<__m128i, Value>(_mm_set_epi32(rest, link, len, offset))
        }
    }

    /// The same handle.
    #[cfg(not(target_arch = "x86_64"))]
    #[inline(always)]
    pub(super) fn in_one_piece(self) -> Value {
        self
    }

    /// The entry as it is elsewhere: both ends so much further on. The fields move as one.
    #[inline(always)]
    pub(super) const fn moved(self, bytes: u32, entries: u32) -> Value {
        // SAFETY: `Value` has the size of four words and no padding, and a word more or less in its
        // first and third, which are numbers, is as good as any.
        unsafe {
            let [offset, len, link, rest] = std::mem::transmute::<Value, [u32; 4]>(self);
            std::mem::transmute::<[u32; 4], Value>([
                offset.wrapping_add(bytes),
                len,
                link.wrapping_add(entries),
                rest,
            ])
        }
    }

    #[inline]
    pub(super) const fn shape(self) -> Shape {
        // SAFETY: a tag is only ever made of a shape, by `Tag::of`.
        unsafe { std::mem::transmute::<u8, Shape>(self.tag.0) }
    }

    /// `true` or `false`
    pub const fn bool(value: bool) -> Value {
        if value { Value::TRUE } else { Value::FALSE }
    }

    /// What kind of JSON value this is.
    pub const fn kind(self) -> Kind {
        match self.shape() {
            Shape::Null => Kind::Null,
            Shape::False | Shape::True => Kind::Bool,
            Shape::Number => Kind::Number,
            Shape::String => Kind::String,
            Shape::RawArray | Shape::Array => Kind::Array,
            Shape::RawObject | Shape::Object | Shape::Overlay => Kind::Object,
        }
    }

    /// The boolean, where it is one.
    pub const fn as_bool(self) -> Option<bool> {
        match self.shape() {
            Shape::True => Some(true),
            Shape::False => Some(false),
            _ => None,
        }
    }

    /// Is it `null`?
    pub const fn is_null(self) -> bool {
        matches!(self.shape(), Shape::Null)
    }

    /// An upper bound of the bytes its compact JSON text takes; exact where the text holds neither
    /// unusual escapes nor whitespace.
    pub const fn size_max(self) -> usize {
        match self.shape() {
            Shape::Array | Shape::Object | Shape::Overlay => self.link as usize,
            _ => self.len as usize,
        }
    }

    /// Is [`Value::size_max`] the exact size?
    pub(super) const fn size_is_exact(self) -> bool {
        self.flags & (UNUSUAL | SPACED) == 0
    }

    /// May it be inside an array or object?
    pub const fn can_nest(self) -> bool {
        self.height < super::scratch::Limits::HEIGHT_CEILING
    }

    /// What tells handles apart, in an order.
    pub(super) const fn identity(self) -> (u32, u32, u8) {
        (self.offset, self.len, self.shape() as u8)
    }

    /// Where the text of a container stands that was not built but read; no two of a scratch share it.
    pub const fn text_range(self) -> Option<std::ops::Range<u32>> {
        match self.shape() {
            Shape::RawArray | Shape::RawObject => Some(self.offset..self.offset + self.len),
            _ => None,
        }
    }

    /// The same handle (not: an equal value).
    pub const fn is_same(self, other: Value) -> bool {
        self.offset == other.offset
            && self.len == other.len
            && self.shape() as u8 == other.shape() as u8
    }
}
