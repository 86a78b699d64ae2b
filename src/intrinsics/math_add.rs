//! `States.MathAdd(a, b)`: the sum of two numbers, each rounded first; halves go up.
//! Numbers and sum have 32 bits, as in the service.

use super::{Call, failure};
use crate::fault::StateError;
use crate::value::Value;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let (a, b) = (call.rounded(0)?, call.rounded(1)?);
    match [a, b, a.saturating_add(b)].map(i32::try_from) {
        [Ok(_), Ok(_), Ok(sum)] => Ok(call.scratch.integer(sum.into())),
        _ => Err(failure(format!("{a}, {b} and their sum must be integers of 32 bits"))),
    }
}
