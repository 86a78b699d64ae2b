//! The intrinsic functions of JSONPath states, one file each. A function gets its arguments
//! evaluated; parsing calls and naming the one that failed is the business of `expr`.

mod array;
mod array_contains;
mod array_get_item;
mod array_length;
mod array_partition;
mod array_range;
mod array_unique;
mod base64;
mod call;
mod format;
mod hash;
mod json_merge;
mod json_to_string;
mod math_add;
mod math_random;
mod random;
mod string_split;
mod string_to_json;
mod uuid;

#[cfg(test)]
mod tests;

pub use call::Call;
pub use format::Pattern;
pub use random::Random;

use crate::fault::{StateError, names};
use crate::value::Value;

/// A row of [`INTRINSICS`].
#[derive(Debug)]
pub struct Intrinsic {
    /// `States.Format`
    pub name: &'static str,
    /// The fewest and the most arguments it takes.
    pub arity: (usize, usize),
    /// Computes it.
    pub run: fn(&mut Call<'_>) -> Result<Value, StateError>,
}

/// No upper bound on arguments.
const ANY: usize = usize::MAX;

const fn row(
    name: &'static str,
    arity: (usize, usize),
    run: fn(&mut Call<'_>) -> Result<Value, StateError>,
) -> Intrinsic {
    Intrinsic { name, arity, run }
}

/// Every intrinsic function.
pub static INTRINSICS: &[Intrinsic] = &[
    row("States.Array", (0, ANY), array::run),
    row("States.ArrayContains", (2, 2), array_contains::run),
    row("States.ArrayGetItem", (2, 2), array_get_item::run),
    row("States.ArrayLength", (1, 1), array_length::run),
    row("States.ArrayPartition", (2, 2), array_partition::run),
    row("States.ArrayRange", (3, 3), array_range::run),
    row("States.ArrayUnique", (1, 1), array_unique::run),
    row("States.Base64Decode", (1, 1), base64::decode),
    row("States.Base64Encode", (1, 1), base64::encode),
    row("States.Format", (1, ANY), format::run),
    row("States.Hash", (2, 2), hash::run),
    row("States.JsonMerge", (3, 3), json_merge::run),
    row("States.JsonToString", (1, 1), json_to_string::run),
    row("States.MathAdd", (2, 2), math_add::run),
    row("States.MathRandom", (2, 3), math_random::run),
    row("States.StringSplit", (2, 2), string_split::run),
    row("States.StringToJson", (1, 1), string_to_json::run),
    row("States.UUID", (0, 0), uuid::run),
];

/// The function called `name`, `States.Format` say.
pub fn find(name: &str) -> Option<&'static Intrinsic> {
    INTRINSICS.iter().find(|row| row.name == name)
}

/// The error a failing function raises: the service's histories show this name, although its
/// documentation names `States.IntrinsicFailure`.
const FAILURE: &str = names::RUNTIME;

/// Why a function failed; `expr` puts the function's name before it.
#[cold]
fn failure(cause: impl Into<String>) -> StateError {
    StateError::new(FAILURE, cause)
}
