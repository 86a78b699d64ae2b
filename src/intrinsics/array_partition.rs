//! `States.ArrayPartition(array, size)`: the items in chunks; the last may be shorter.

use super::{Call, failure};
use crate::fault::StateError;
use crate::value::Value;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let (array, size) = (call.array(0)?, call.integer(1)?);
    let Some(size) = usize::try_from(size).ok().filter(|&size| size > 0) else {
        return Err(failure(format!("The size of chunks must be a positive integer, not {size}")));
    };
    let chunks = call.scratch.mark();
    let mut items = call.scratch.items(array);
    let mut rest = call.scratch.count(array);
    while rest > 0 {
        let chunk = call.scratch.mark();
        for _ in 0..size.min(rest) {
            call.scratch.next_item(&mut items).into_iter().for_each(|item| call.scratch.push(item));
        }
        rest = rest.saturating_sub(size);
        match call.collect(chunk) {
            Ok(chunk) => call.scratch.push(chunk),
            Err(e) => {
                call.scratch.abandon(chunks);
                return Err(e);
            }
        }
    }
    call.collect(chunks)
}
