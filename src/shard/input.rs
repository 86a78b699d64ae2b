//! From a record to an execution's input.

use super::names::{Origin, base64_of, source_object};
use super::plan::{Decode, Input};
use crate::fault::{StateError, names};
use crate::value::{Scratch, Value};

/// A schema registry's prefix: a zero byte and a four-byte id in front of the payload.
const REGISTRY_PREFIX: usize = 5;

/// The error name of a record whose value is not what `decode` says.
pub const DECODE_FAILED: &str = "Record.DecodeFailed";

/// The execution's input. Its error is the record's own fault.
pub fn read(origin: &Origin<'_>, scratch: &mut Scratch) -> Result<Value, StateError> {
    let value = match origin.record.value {
        Some(value) => decode(value, origin.plan.decode, scratch)?,
        None => Value::NULL,
    };
    match origin.plan.input {
        Input::Value => Ok(value),
        Input::Record => source_object(origin, Some(value), scratch)
            .ok_or_else(|| StateError::new(DECODE_FAILED, "The record is nested too deeply.")),
    }
}

fn decode(value: &[u8], decode: Decode, scratch: &mut Scratch) -> Result<Value, StateError> {
    match decode {
        Decode::Json => {
            let is_prefixed = value.first() == Some(&0) && value.len() > REGISTRY_PREFIX;
            let json = if is_prefixed { &value[REGISTRY_PREFIX..] } else { value };
            scratch.parse(json).map_err(|e| {
                let name = match e.reason {
                    crate::value::ParseReason::TooLarge => names::DATA_LIMIT_EXCEEDED,
                    _ => DECODE_FAILED,
                };
                StateError::new(name, format!("The record's value is {e}"))
            })
        }
        Decode::String => match std::str::from_utf8(value) {
            Ok(text) => Ok(scratch.string(text)),
            Err(e) => {
                let cause = format!("The record's value is not UTF-8: {e}");
                Err(StateError::new(DECODE_FAILED, cause))
            }
        },
        Decode::Bytes => Ok(scratch.string(&base64_of(value))),
    }
}
