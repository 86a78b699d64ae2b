//! `States.MathRandom(first, end[, seed])`: an integer from the first, below the end. The same seed
//! gives the same number; without one the numbers follow from the execution.

use super::{Call, Random, failure};
use crate::fault::StateError;
use crate::value::Value;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let (first, end) = (call.integer(0)?, call.integer(1)?);
    if first >= end {
        return Err(failure(format!("There is no integer from {first} below {end}")));
    }
    let span = end.abs_diff(first);
    let offset = match call.args.len() {
        3 => Random::new(call.integer(2)? as u64).below(span),
        _ => call.random.below(span),
    };
    Ok(call.scratch.integer(first.wrapping_add_unsigned(offset)))
}
