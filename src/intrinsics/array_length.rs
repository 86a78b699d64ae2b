//! `States.ArrayLength(array)`: how many items there are.

use super::Call;
use crate::fault::StateError;
use crate::value::Value;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let array = call.array(0)?;
    Ok(call.scratch.integer(call.scratch.count(array) as i64))
}
