//! The value model: an event is copied once into its shard's scratch memory, indexed once, and
//! never mutated. A [`Value`] is a small `Copy` handle: a range of JSON text, or a node built on
//! top of such ranges. Subtrees nobody reads are skipped in O(1) and written verbatim.
//!
//! Keys are looked for where they were last found, by the way that leads to them (`read`), and
//! payload templates are text with holes, copied into text and tape (`stencil`, `pen`).
//!
//! What is decided here, once, for every instruction set:
//! * Grammar is RFC 8259, checked while indexing. A byte order mark, trailing bytes, control
//!   characters in strings and invalid escapes are refused.
//! * Text must be UTF-8. An escaped lone surrogate (`"\ud800"`) is refused: no Rust or Java string
//!   could carry it on.
//! * Numbers keep their spelling; one beyond `f64` (`1e400`) is accepted and carried verbatim, and
//!   is infinite to whatever computes with it.
//! * Duplicate keys: the last wins. Such a document is rewritten without the earlier ones when it
//!   is indexed, so nothing behind this module ever meets a duplicate.
//! * Keys compare by decoded equality: `"\u0061"` is `"a"`.
//! * Documents are limited in bytes and depth ([`Limits`]); both breaches are named errors.
//!
//! Comes before: a record's bytes. Comes after: `machine::run`, which reads and builds values.

mod block;
mod compose;
mod equal;
mod hash;
mod index;
mod merge;
mod number;
mod pen;
mod place;
mod put;
mod read;
mod scratch;
mod stencil;
mod text;
#[allow(clippy::module_inception)]
mod value;
mod write;

pub use block::Block;
pub use compose::Literal;
pub use hash::{hash, hash_on};
pub use index::{Implementation, ParseError, ParseReason};
pub use number::{f64_of, i64_of};
pub use place::{Place, Places};
pub use put::{PutError, Segment};
pub use read::{Items, Key, Members};
pub use scratch::{Limits, Mark, Scratch, TooDeep};
pub use stencil::{Draft, Stencil};
pub use value::{Kind, Value};
