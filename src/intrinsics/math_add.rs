//! `States.MathAdd(a, b)`: the sum of two numbers, each rounded first; halves go up.

use super::{Call, failure};
use crate::fault::StateError;
use crate::value::Value;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let (a, b) = (call.rounded(0)?, call.rounded(1)?);
    match a.checked_add(b) {
        Some(sum) => Ok(call.scratch.integer(sum)),
        None => Err(failure(format!("The sum of {a} and {b} is too large"))),
    }
}
