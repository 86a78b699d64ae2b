//! `States.StringToJson(text)`: the JSON value the text spells; of blank text it is `null`.

use super::{Call, failure};
use crate::fault::StateError;
use crate::value::{Kind, Value};

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let text = call.scratch.str(call.string(0)?).into_owned();
    if text.trim().is_empty() {
        return Ok(Value::NULL);
    }
    match call.scratch.parse(text.as_bytes()) {
        // `-0` is the integer 0 to the service.
        Ok(value) if value.kind() == Kind::Number && call.scratch.raw(value) == "-0" => {
            Ok(call.scratch.integer(0))
        }
        Ok(value) => Ok(value),
        Err(e) => Err(failure(format!("Argument 1 is no JSON: {e}"))),
    }
}
