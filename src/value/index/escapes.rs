//! The backslashes of a document, beside its strings.

use super::memory::Text;
use super::{ParseError, ParseReason, error};
use crate::value::text::{check_escapes, escape_flags};

/// Goes through the backslashes beside the strings.
pub(super) struct Escapes<'a> {
    pub(super) blocks: std::slice::Iter<'a, (u32, u64)>,
    /// What is left of the current block.
    pub(super) base: u32,
    pub(super) bits: u64,
    /// The first backslash that is not behind the walk.
    pub(super) next: u32,
}

impl<'a> Escapes<'a> {
    pub(super) fn new(blocks: &'a [(u32, u64)]) -> Escapes<'a> {
        let mut escapes = Escapes { blocks: blocks.iter(), base: 0, bits: 0, next: 0 };
        escapes.skip(0);
        escapes
    }

    /// Moves on to the first backslash at or behind `from`.
    pub(super) fn skip(&mut self, from: u32) {
        loop {
            while self.bits == 0 {
                let Some(&(base, bits)) = self.blocks.next() else {
                    self.next = u32::MAX;
                    return;
                };
                (self.base, self.bits) = (base, bits);
            }
            self.next = self.base + self.bits.trailing_zeros();
            if self.next >= from {
                return;
            }
            self.bits &= self.bits - 1;
        }
    }

    /// Checks the escapes of the string text `from..to`; gives the string's flags.
    #[inline(never)]
    pub(super) fn check(&mut self, text: Text<'_>, from: u32, to: u32) -> Result<u8, ParseError> {
        // Backslashes outside strings are none of ours: the walk refuses them as scalars.
        self.skip(from);
        if self.next >= to {
            return Ok(0);
        }
        let string = &text.bytes[from as usize..to as usize];
        check_escapes(string).map_err(|at| error(ParseReason::BadEscape, from as usize + at))?;
        self.skip(to);
        Ok(escape_flags(string))
    }
}
