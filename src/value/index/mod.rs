//! Indexing: from JSON text to a tape with one entry per key, value and closing bracket.
//!
//! Two steps inside one function per instruction set, chosen once at start: `classify` turns 64
//! bytes at a time into bit masks (quotes, structural characters, starts of scalars), and `walk`
//! goes from set bit to set bit, checks the grammar and writes the tape. Buffers are padded by
//! [`PADDING`] bytes, so no block is read past the end.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod blocks;
mod duplicates;
mod escapes;
mod memory;
mod numbers;
mod portable;
mod walk;

use std::fmt;

pub(super) use duplicates::{Filter, low_bits};

use super::value::Value;

/// Zero bytes behind a document: no block, and no number's first 16 bytes, reach past the end.
pub(super) const PADDING: usize = 64;

/// How often the document's end stands behind the positions: a key looks three tokens ahead.
const SENTINELS: usize = 4;

/// Which code indexes documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implementation {
    /// AVX-512 (F, BW, VBMI2) with carry-less multiplication.
    Avx512,
    /// AVX2 with carry-less multiplication.
    Avx2,
    /// Any CPU.
    Portable,
}

impl Implementation {
    /// All there are, fastest first.
    pub const ALL: [Implementation; 3] =
        [Implementation::Avx512, Implementation::Avx2, Implementation::Portable];

    /// The fastest one that this CPU runs.
    pub fn best() -> Implementation {
        let runs = |i: &Implementation| i.is_available();
        *Implementation::ALL.iter().find(|i| runs(i)).unwrap_or(&Implementation::Portable)
    }

    /// Does this CPU run it?
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Implementation::Avx512 => avx512::is_available(),
            #[cfg(target_arch = "x86_64")]
            Implementation::Avx2 => avx2::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Implementation::Avx512 | Implementation::Avx2 => false,
            Implementation::Portable => true,
        }
    }
}

/// Why a text is not a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseReason {
    /// Nothing but whitespace.
    Empty,
    /// More bytes than the limit.
    TooLarge,
    /// Deeper nesting than the limit.
    TooDeep,
    /// Not UTF-8.
    NotUtf8,
    /// A string without its closing quote.
    UnterminatedString,
    /// A control character inside a string.
    ControlCharacter,
    /// An escape that JSON does not know, or half a surrogate pair.
    BadEscape,
    /// Something that is no number, literal or string.
    BadScalar,
    /// A value was expected.
    ExpectedValue,
    /// A key, in quotes, was expected.
    ExpectedKey,
    /// A colon was expected.
    ExpectedColon,
    /// A comma or the closing bracket was expected.
    ExpectedComma,
    /// Text behind the document's end.
    TrailingText,
}

impl ParseReason {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            ParseReason::Empty => "there is no JSON value in it",
            ParseReason::TooLarge => "it is larger than the limit",
            ParseReason::TooDeep => "it is nested deeper than the limit",
            ParseReason::NotUtf8 => "it is not UTF-8",
            ParseReason::UnterminatedString => "a string is not closed",
            ParseReason::ControlCharacter => "a string holds a control character",
            ParseReason::BadEscape => "a string holds an invalid escape",
            ParseReason::BadScalar => "there is neither a number nor true, false or null",
            ParseReason::ExpectedValue => "a value is missing",
            ParseReason::ExpectedKey => "a key in quotes is missing",
            ParseReason::ExpectedColon => "a colon is missing",
            ParseReason::ExpectedComma => "a comma or a closing bracket is missing",
            ParseReason::TrailingText => "there is text behind the value",
        }
    }
}

/// A text that is not a document, and where that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub reason: ParseReason,
    /// The byte at which it shows.
    pub offset: u32,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a JSON document: {} (at byte {})", self.reason.as_str(), self.offset)
    }
}

impl std::error::Error for ParseError {}

/// What is true of a whole document.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traits {
    /// Whitespace between tokens.
    pub spaced: bool,
    /// A byte beyond ASCII.
    pub wide: bool,
}

/// Working memory of the indexer, reused from document to document.
#[derive(Default)]
pub(super) struct Workspace {
    /// Where each token starts in the bytes, and each string ends; then [`SENTINELS`] times the
    /// document's end.
    pub positions: Vec<u32>,
    /// The blocks that hold backslashes: first byte, and a bit per backslash.
    pub backslashes: Vec<(u32, u64)>,
    /// Open containers but the innermost.
    pub open: Vec<memory::Open>,
    /// Keys with hashes, for objects that may hold duplicates.
    pub keys: Vec<(u64, u32)>,
}

impl Workspace {
    /// Bytes held, in use or not.
    pub fn capacity(&self) -> usize {
        self.positions.capacity() * size_of::<u32>()
            + (self.backslashes.capacity() + self.keys.capacity()) * 16
    }

    /// Gives memory back beyond `capacity` bytes.
    pub fn shrink_to(&mut self, capacity: usize) {
        if self.capacity() > capacity {
            (self.positions, self.backslashes, self.keys) = Default::default();
        }
    }
}

/// What to index: `text`, a copy of which starts at `start` in `bytes`, with at least [`PADDING`]
/// zero bytes behind.
pub(super) struct Job<'a> {
    pub text: &'a [u8],
    pub bytes: &'a [u8],
    pub start: usize,
    pub height_max: u16,
}

/// What came of it.
pub(super) struct Indexed {
    /// The root value.
    pub root: Value,
    /// Some object holds a key twice: rewrite.
    pub has_duplicates: bool,
    /// Which keys the root may hold, where it is an object.
    pub names: Option<Filter>,
}

/// Indexes a document: appends its entries to `tape` and returns the root. On an error the tape
/// holds entries of no use; the caller truncates it.
pub(super) fn index(
    with: Implementation,
    job: &Job<'_>,
    workspace: &mut Workspace,
    tape: &mut Vec<Value>,
) -> Result<Indexed, ParseError> {
    let end = job.start + job.text.len();
    assert!(end + PADDING <= job.bytes.len(), "the padding is missing");
    match with {
        // SAFETY: `Implementation::best` or the caller's `is_available` saw these CPU features.
        #[cfg(target_arch = "x86_64")]
        Implementation::Avx512 => unsafe { avx512::index(job, workspace, tape) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Implementation::Avx2 => unsafe { avx2::index(job, workspace, tape) },
        _ => portable::index(job, workspace, tape),
    }
}

/// The error for `reason` at `offset` from the document's start.
pub(super) const fn error(reason: ParseReason, offset: usize) -> ParseError {
    ParseError { reason, offset: offset as u32 }
}
