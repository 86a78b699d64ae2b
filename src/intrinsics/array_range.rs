//! `States.ArrayRange(first, last, step)`: numbers from the first to the last, both included.

use super::{Call, failure};
use crate::fault::StateError;
use crate::value::Value;

/// Items of a range.
const ITEMS_MAX: i128 = 1000;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let (first, last, step) = (call.integer(0)?, call.integer(1)?, call.integer(2)?);
    if step == 0 {
        return Err(failure("The step of a range can't be 0"));
    }
    let (distance, step_wide) = (i128::from(last) - i128::from(first), i128::from(step));
    let is_empty = distance.signum() == -step_wide.signum();
    let count = if is_empty { 0 } else { distance / step_wide + 1 };
    if count > ITEMS_MAX {
        return Err(failure(format!("The range has {count} items; {ITEMS_MAX} are the most")));
    }
    let mark = call.scratch.mark();
    for index in 0..count {
        let item = i128::from(first) + index * step_wide;
        let item = call.scratch.integer(item as i64);
        call.scratch.push(item);
    }
    call.collect(mark)
}
