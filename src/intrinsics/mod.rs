//! The intrinsic functions of JSONPath states, one file each. A function gets its arguments
//! evaluated; parsing calls and naming the failing one is `expr`'s.

mod random;

pub use random::Random;

use crate::fault::{StateError, names};
use crate::value::{Scratch, Value};

/// What a function works on.
pub struct Call<'a> {
    /// The arguments; their number is within the function's [`Intrinsic::arity`].
    pub args: &'a [Value],
    /// Where the arguments lie and the result is built.
    pub scratch: &'a mut Scratch,
    /// The execution's random numbers.
    pub random: &'a mut Random,
}

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

/// Every intrinsic function.
pub static INTRINSICS: &[Intrinsic] = &[];

/// The function called `name`, `States.Format` say.
pub fn find(name: &str) -> Option<&'static Intrinsic> {
    INTRINSICS.iter().find(|row| row.name == name)
}

fn failure(cause: impl Into<String>) -> StateError {
    StateError::new(names::INTRINSIC_FAILURE, cause)
}
