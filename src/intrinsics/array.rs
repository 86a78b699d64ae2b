//! `States.Array(a, ...)`: an array of the arguments.

use super::Call;
use crate::fault::StateError;
use crate::value::Value;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let mark = call.scratch.mark();
    for &arg in call.args {
        call.scratch.push(arg);
    }
    call.collect(mark)
}
