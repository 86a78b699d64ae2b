//! `States.ArrayContains(array, value)`: is an item equal to the value?

use super::Call;
use crate::fault::StateError;
use crate::value::Value;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let (array, wanted) = (call.array(0)?, call.args[1]);
    let mut items = call.scratch.items(array);
    while let Some(item) = call.scratch.next_item(&mut items) {
        if call.scratch.equals(item, wanted) {
            return Ok(Value::TRUE);
        }
    }
    Ok(Value::FALSE)
}
