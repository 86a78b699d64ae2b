//! What the walk reads and writes without bounds checks, and what makes that sound: the document and
//! its tokens, the tape's new entries, the open containers.

use super::duplicates::Filter;
use super::{PADDING, Traits};
use crate::value::value::{Shape, Value};

/// What closes the container around all: no byte of UTF-8.
pub(super) const NEVER: u8 = 0xff;

/// A container that is not closed yet.
pub(in crate::value) struct Open {
    /// Its entry.
    pub(super) entry: u32,
    /// The highest child so far, plus one.
    pub(super) height: u16,
    pub(super) flags: u8,
    /// The bracket that closes it.
    pub(super) close: u8,
    /// It may hold a key twice.
    pub(super) suspect: bool,
    /// Which keys it may hold already.
    pub(super) filter: Filter,
}

impl Open {
    #[inline(always)]
    pub(super) fn new(entry: u32, close: u8, flags: u8) -> Open {
        Open { entry, height: 1, flags, close, suspect: false, filter: Filter::default() }
    }
}

/// The next token: points at its position. A pointer, since the loop is short of registers.
pub(super) type Next = *const u32;

/// The document and where its tokens stand: all positions are the scratch's, as values have them.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    /// What lies before the document, the document, [`PADDING`] zero bytes, and maybe more.
    pub(super) bytes: &'a [u8],
    pub(super) positions: &'a [u32],
    /// The document's end.
    pub(super) end: u32,
    pub(super) traits: Traits,
}

impl Text<'_> {
    /// The position of the token `ahead` behind `next`.
    #[inline(always)]
    pub(super) fn position(&self, next: Next, ahead: usize) -> u32 {
        debug_assert!(self.positions.as_ptr_range().contains(&next.wrapping_add(ahead)));
        // SAFETY: the walk goes on from a token only where the byte there is not the zero at the
        // document's end, so this is at most three behind a token that is not a sentinel.
        unsafe { *next.add(ahead) }
    }

    /// The byte at `at`, which is at most the document's end.
    #[inline(always)]
    pub(super) fn byte(&self, at: u32) -> u8 {
        debug_assert!(at <= self.end);
        // SAFETY: `at` is a position, at most the document's end, and padding follows.
        unsafe { *self.bytes.get_unchecked(at as usize) }
    }

    /// `N` bytes from `at`, which is at most the document's end; `N` is at most [`PADDING`].
    #[inline(always)]
    pub(super) fn bytes<const N: usize>(&self, at: u32) -> &[u8; N] {
        const { assert!(N <= PADDING) };
        debug_assert!(at as usize + N <= self.bytes.len());
        // SAFETY: the padding follows the document's end, and a `u8` array needs no alignment.
        unsafe { &*self.bytes.as_ptr().add(at as usize).cast() }
    }

    /// The byte behind `at`, which is before the document's end.
    #[inline(always)]
    pub(super) fn byte_behind(&self, at: u32) -> u8 {
        self.bytes_behind::<1>(at)[0]
    }

    /// `N` bytes from behind `at`, which is before the document's end; `N` is at most [`PADDING`].
    #[inline(always)]
    pub(super) fn bytes_behind<const N: usize>(&self, at: u32) -> &[u8; N] {
        const { assert!(N <= PADDING) };
        debug_assert!(at < self.end);
        // SAFETY: as in `bytes`.
        unsafe { &*self.bytes.as_ptr().add(at as usize + 1).cast() }
    }

    /// Where the scalar ends that starts at `at`, the position before token `next`.
    #[inline(always)]
    pub(super) fn scalar_end(&self, at: u32, next: Next) -> u32 {
        let mut end = self.position(next, 0);
        if self.traits.spaced {
            while end > at + 1 && matches!(self.byte(end - 1), b' ' | b'\n' | b'\r' | b'\t') {
                end -= 1;
            }
        }
        end
    }
}

/// The entries being written, behind those of other documents. `Copy`, and handed to what is not
/// inlined as a copy, so that the loop can keep it in registers.
#[derive(Clone, Copy)]
pub(super) struct Tape {
    pub(super) entries: *mut Value,
    /// How many entries are written, other documents' included.
    pub(super) len: u32,
}

impl Tape {
    /// Appends an entry that nothing lies beneath.
    #[inline(always)]
    pub(super) fn push(&mut self, at: u32, len: u32, shape: Shape, flags: u8) {
        let link = self.len + 1;
        self.push_linked(at, len, shape, flags, link);
    }

    /// Appends an entry with a link of its own.
    #[inline(always)]
    pub(super) fn push_linked(&mut self, at: u32, len: u32, shape: Shape, flags: u8, link: u32) {
        let entry = Value::of_words(at, len, link, shape, flags);
        // SAFETY: `walk` reserved an entry per token, and every entry takes a token of its own.
        unsafe { self.entries.add(self.len as usize).write(entry) };
        self.len += 1;
    }

    /// Completes the entry of a container that ends before `end`.
    #[inline(always)]
    pub(super) fn complete(&mut self, open: &Open, end: u32) {
        debug_assert!(open.entry < self.len);
        // SAFETY: the entry was pushed when the container opened.
        let entry = unsafe { &mut *self.entries.add(open.entry as usize) };
        entry.len = end - entry.offset;
        entry.link = self.len;
        entry.flags = open.flags;
        entry.height = open.height;
    }

    /// All that is written.
    ///
    /// # Safety
    /// The vector that `entries` belongs to lives on unchanged meanwhile.
    pub(super) unsafe fn written<'a>(self) -> &'a [Value] {
        // SAFETY: `push` wrote the last ones, and those before them were there.
        unsafe { std::slice::from_raw_parts(self.entries, self.len as usize) }
    }
}

/// The open containers. The lowest is the one around all, which nothing closes.
pub(super) struct Stack {
    pub(super) top: *mut Open,
    /// Where the deepest one allowed lies.
    pub(super) limit: *mut Open,
}

impl Stack {
    /// A stack in the memory of `open` that holds the container around all.
    pub(super) fn new(open: &mut Vec<Open>, height_max: u16) -> Stack {
        open.clear();
        open.reserve(usize::from(height_max) + 1);
        let bottom = open.as_mut_ptr();
        // SAFETY: there is room for the bottom and `height_max` more.
        unsafe {
            bottom.write(Open::new(0, NEVER, 0));
            Stack { top: bottom, limit: bottom.add(usize::from(height_max)) }
        }
    }

    /// The innermost container.
    #[inline(always)]
    pub(super) fn inner(&mut self) -> &mut Open {
        // SAFETY: `new` and `push` wrote what `top` points at, and `pop` spares the lowest.
        unsafe { &mut *self.top }
    }

    /// The container that was closed last.
    ///
    /// # Safety
    /// One was.
    pub(super) unsafe fn closed(&self) -> &Open {
        // SAFETY: `pop` leaves what it drops in its place, which `push` wrote.
        unsafe { &*self.top.add(1) }
    }

    /// Puts a container on top; false where that is one too many.
    #[inline(always)]
    pub(super) fn push(&mut self, open: Open) -> bool {
        if self.top == self.limit {
            return false;
        }
        // SAFETY: `new` made room up to `limit`.
        unsafe {
            self.top = self.top.add(1);
            self.top.write(open);
        }
        true
    }

    /// Drops the innermost container, which is not the lowest, and hands on what it tells of itself.
    #[inline(always)]
    pub(super) fn pop(&mut self) {
        let &mut Open { height, flags, .. } = self.inner();
        // SAFETY: the lowest is never closed: no byte is `NEVER` in UTF-8.
        self.top = unsafe { self.top.sub(1) };
        let outer = self.inner();
        outer.height = outer.height.max(height + 1);
        outer.flags |= flags;
    }
}
