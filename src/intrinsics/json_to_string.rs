//! `States.JsonToString(value)`: compact JSON text.

use super::Call;
use crate::fault::StateError;
use crate::value::Value;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    call.check_size()?;
    let open = call.scratch.open_string();
    call.scratch.push_json(call.args[0]);
    Ok(call.scratch.close_string(open))
}
