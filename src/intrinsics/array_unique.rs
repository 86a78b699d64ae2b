//! `States.ArrayUnique(array)`: the items without those that equal an earlier one.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::Call;
use crate::fault::StateError;
use crate::value::{Kind, Scratch, Value};

/// Up to so many items are compared each with each.
const FEW: usize = 16;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let array = call.array(0)?;
    let mark = call.scratch.mark();
    let mut items = call.scratch.items(array);
    if call.scratch.count(array) > FEW {
        for item in distinct(call.scratch, array) {
            call.scratch.push(item);
        }
        return call.collect(mark);
    }
    let (mut kept, mut count) = ([Value::NULL; FEW], 0);
    while let Some(item) = call.scratch.next_item(&mut items) {
        if !kept[..count].iter().any(|&earlier| call.scratch.equals(earlier, item)) {
            kept[count] = item;
            count += 1;
            call.scratch.push(item);
        }
    }
    call.collect(mark)
}

fn distinct(scratch: &Scratch, array: Value) -> Vec<Value> {
    let state = RandomState::new();
    let mut by_digest: HashMap<u64, Vec<Value>> = HashMap::new();
    let mut distinct = Vec::new();
    let mut items = scratch.items(array);
    while let Some(item) = scratch.next_item(&mut items) {
        let alike = by_digest.entry(digest(scratch, item, &state)).or_default();
        if !alike.iter().any(|&earlier| scratch.equals(earlier, item)) {
            alike.push(item);
            distinct.push(item);
        }
    }
    distinct
}

/// The same for equal values.
fn digest(scratch: &Scratch, value: Value, state: &RandomState) -> u64 {
    match value.kind() {
        Kind::Null => 1,
        Kind::Bool => 2 + u64::from(value.as_bool() == Some(true)),
        // Adding 0.0 makes -0.0 and 0.0 one.
        Kind::Number => state.hash_one((scratch.f64(value).unwrap_or_default() + 0.0).to_bits()),
        Kind::String => state.hash_one(&*scratch.str(value)),
        Kind::Array => {
            let mut items = scratch.items(value);
            let digests = std::iter::from_fn(|| scratch.next_item(&mut items))
                .map(|item| digest(scratch, item, state));
            digests.fold(4, |sum, digest| state.hash_one((sum, digest)))
        }
        Kind::Object => {
            let mut members = scratch.members(value);
            let digests =
                std::iter::from_fn(|| scratch.next_member(&mut members)).map(|(key, value)| {
                    state.hash_one((&*scratch.str(key), digest(scratch, value, state)))
                });
            digests.fold(5, u64::wrapping_add)
        }
    }
}
