//! `States.JsonMerge(first, second, false)`: the members of both objects, the second's where both
//! have one. Members are replaced whole; the service offers no deep merge, so `true` fails.

use std::collections::HashMap;

use super::call::too_deep;
use super::{Call, failure};
use crate::fault::StateError;
use crate::value::{Kind, Scratch, Value};

/// Up to so many pairs of members are compared each with each.
const FEW: usize = 1024;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let first = call.expect(0, Kind::Object)?;
    let second = call.expect(1, Kind::Object)?;
    if call.args[2].as_bool() == Some(true) {
        return Err(failure("Argument 3 must be false: only shallow merging is supported"));
    }
    let mark = call.scratch.mark();
    match call.scratch.count(first) * call.scratch.count(second) {
        0..=FEW => push_few(call.scratch, first, second),
        _ => merged(call.scratch, first, second).into_iter().for_each(|v| call.scratch.push(v)),
    }
    call.scratch.object(mark).map_err(too_deep)
}

fn push_few(scratch: &mut Scratch, first: Value, second: Value) {
    let mut members = scratch.members(first);
    while let Some((key, value)) = scratch.next_member(&mut members) {
        let over = scratch.member(second, &scratch.str(key));
        scratch.push(key);
        scratch.push(over.unwrap_or(value));
    }
    let mut members = scratch.members(second);
    while let Some((key, value)) = scratch.next_member(&mut members) {
        if scratch.member(first, &scratch.str(key)).is_none() {
            scratch.push(key);
            scratch.push(value);
        }
    }
}

/// Keys and values in turn.
fn merged(scratch: &Scratch, first: Value, second: Value) -> Vec<Value> {
    let mut merged = Vec::new();
    let mut places = HashMap::new();
    for object in [first, second] {
        let mut members = scratch.members(object);
        while let Some((key, value)) = scratch.next_member(&mut members) {
            let place = *places.entry(scratch.str(key)).or_insert(merged.len());
            if place == merged.len() {
                merged.extend([key, value]);
            }
            merged[place + 1] = value;
        }
    }
    merged
}
