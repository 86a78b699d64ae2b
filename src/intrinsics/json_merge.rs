//! `States.JsonMerge(first, second, false)`: the members of both objects, the second's where both
//! have one. Members are replaced whole; the service offers no deep merge, so `true` fails.

use super::call::too_deep;
use super::{Call, failure};
use crate::fault::StateError;
use crate::value::{Kind, Value};

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let first = call.expect(0, Kind::Object)?;
    let second = call.expect(1, Kind::Object)?;
    if call.args[2].as_bool() == Some(true) {
        return Err(failure("Argument 3 must be false: only shallow merging is supported"));
    }
    call.scratch.merge(first, second).map_err(too_deep)
}
