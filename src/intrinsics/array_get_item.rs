//! `States.ArrayGetItem(array, index)`: the item at an index from 0; an empty array has `null` at any,
//! as the service answers.

use super::{Call, failure};
use crate::fault::StateError;
use crate::value::Value;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let (array, index) = (call.array(0)?, call.integer(1)?);
    if index >= 0 && call.scratch.count(array) == 0 {
        return Ok(Value::NULL);
    }
    let item = usize::try_from(index).ok().and_then(|index| call.scratch.item(array, index));
    item.ok_or_else(|| {
        let count = call.scratch.count(array);
        failure(format!("The index {index} is out of bounds: the array has {count} items"))
    })
}
