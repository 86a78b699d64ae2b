//! From a record to an execution's input.

use super::batch::{Member, View};
use super::envelope::compose;
use super::names::{Origin, base64_into, source_object};
use super::plan::{Decode, Input};
use crate::fault::{StateError, names};
use crate::record::Header;
use crate::value::{ParseError, ParseReason, Scratch, Value};

/// Confluent's prefix: a zero byte and a four-byte schema id in front of the payload.
const CONFLUENT_PREFIX: usize = 5;
/// AWS Glue's: its version, 3, whether the payload is compressed, 0 if not, and a UUID.
const GLUE_PREFIX: usize = 18;
/// Headers in which registries' clients write the schema instead.
const REGISTRY_HEADERS: [&str; 3] =
    ["__value_schema_id", "apicurio.value.globalId", "apicurio.value.contentId"];

/// The error name of a record whose value is not what `decode` says.
pub const DECODE_FAILED: &str = "Record.DecodeFailed";

/// The record's value. Its error is the record's own fault.
pub fn value(origin: &Origin<'_>, scratch: &mut Scratch) -> Result<Value, StateError> {
    match origin.record.value {
        Some(value) => decode(value, origin.record.headers, origin.plan.decode, scratch),
        None => Ok(Value::NULL),
    }
}

/// The execution's input, made of the record's value where that was read already.
pub fn read(
    origin: &Origin<'_>,
    value: Option<Value>,
    scratch: &mut Scratch,
) -> Result<Value, StateError> {
    let value = value.map_or_else(|| self::value(origin, scratch), Ok)?;
    match origin.plan.input {
        // A batch's input is composed of all its records, by `read_single` where it is one.
        Input::Value | Input::Batch(_) => Ok(value),
        Input::Record => source_object(origin, Some(value), scratch)
            .ok_or_else(|| StateError::new(DECODE_FAILED, "The record is nested too deeply.")),
    }
}

/// The input of an execution over this record alone, also where the pipeline makes one of several.
pub fn read_single(
    origin: &Origin<'_>,
    value: Option<Value>,
    scratch: &mut Scratch,
) -> Result<Value, StateError> {
    let Input::Batch(shape) = origin.plan.input else { return read(origin, value, scratch) };
    let Origin { plan, topic, partition, record, .. } = *origin;
    let members = [Member::alone(record)];
    let view = View { plan, topic, partition, members: &members };
    compose(plan.form.as_ref(), shape, &view, scratch)
}

fn decode(
    value: &[u8],
    headers: &[Header<'_>],
    decode: Decode,
    scratch: &mut Scratch,
) -> Result<Value, StateError> {
    match decode {
        Decode::Json => {
            scratch.parse(&value[prefix(value)..]).map_err(|e| not_json(&e, value, headers))
        }
        Decode::String => match std::str::from_utf8(value) {
            Ok(text) => Ok(scratch.string(text)),
            Err(e) => {
                let cause = format!("The record's value is not UTF-8: {e}");
                Err(StateError::new(DECODE_FAILED, cause))
            }
        },
        Decode::Bytes => Ok(base64_into(value, scratch)),
    }
}

/// Bytes of a schema registry's prefix; JSON begins with none of these.
#[inline]
fn prefix(value: &[u8]) -> usize {
    match value {
        [0, ..] if value.len() > CONFLUENT_PREFIX => CONFLUENT_PREFIX,
        [3, 0, ..] if value.len() > GLUE_PREFIX => GLUE_PREFIX,
        _ => 0,
    }
}

#[cold]
fn not_json(e: &ParseError, value: &[u8], headers: &[Header<'_>]) -> StateError {
    if e.reason == ParseReason::TooLarge {
        return StateError::new(names::DATA_LIMIT_EXCEEDED, format!("The record's value is {e}"));
    }
    let by_header = headers.iter().find(|it| REGISTRY_HEADERS.contains(&it.name));
    let schema = match (value, by_header) {
        ([0, a, b, c, d, _, ..], _) => {
            format!("schema {} of a schema registry", u32::from_be_bytes([*a, *b, *c, *d]))
        }
        ([3, 0, ..], _) if value.len() > GLUE_PREFIX => {
            "a schema of AWS Glue's registry".to_owned()
        }
        ([3, 5, ..], _) if value.len() > GLUE_PREFIX => {
            let cause = "The record's value is compressed by AWS Glue's schema registry, which is not \
                         read. Have the producer leave it uncompressed.";
            return StateError::new(DECODE_FAILED, cause);
        }
        (_, Some(header)) => {
            format!("the schema of a registry that header {:?} names", header.name)
        }
        _ => return StateError::new(DECODE_FAILED, format!("The record's value is {e}")),
    };
    let cause = format!(
        "The record's value was written with {schema} and is no JSON ({e}): Avro or Protobuf, which \
         are not read. Have the producer write JSON, or set decode = \"bytes\"."
    );
    StateError::new(DECODE_FAILED, cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Limits;

    fn read_json(value: &[u8], headers: &[Header<'_>]) -> Result<String, String> {
        let mut scratch = Scratch::new(Limits::default());
        match decode(value, headers, Decode::Json, &mut scratch) {
            Ok(value) => {
                let mut text = Vec::new();
                scratch.write(value, &mut text);
                Ok(String::from_utf8(text).expect("JSON is UTF-8"))
            }
            Err(e) => Err(e.cause().unwrap_or_default().to_owned()),
        }
    }

    #[test]
    fn a_registrys_prefix_in_front_of_json_is_skipped() {
        let glue = [&[3, 0][..], &[7; 16], b"[1]"].concat();
        let header = [Header { name: "__value_schema_id", value: Some(&[1; 17]) }];
        assert_eq!(read_json(b"\0\0\0\x01\x02{\"a\":1}", &[]), Ok("{\"a\":1}".to_owned()));
        assert_eq!(read_json(&glue, &[]), Ok("[1]".to_owned()));
        assert_eq!(read_json(b"[2]", &header), Ok("[2]".to_owned()));
    }

    #[test]
    fn what_is_no_json_behind_it_is_told_by_its_schema() {
        let header = [Header { name: "__value_schema_id", value: Some(&[1; 17]) }];
        let glue = |kind: u8| [&[3, kind][..], &[7; 16], b"\x02\x04"].concat();
        let cases = [
            (b"\0\0\0\x01\x02\x06abc".to_vec(), &[][..], "schema 258 of a schema registry"),
            (b"\x06abc".to_vec(), &header[..], "that header \"__value_schema_id\" names"),
            (glue(0), &[][..], "a schema of AWS Glue's registry"),
        ];
        for (value, headers, part) in cases {
            let said = read_json(&value, headers).expect_err("it is no JSON");
            assert!(said.contains(part) && said.contains("Avro or Protobuf"), "{said}");
        }
        assert!(read_json(&glue(5), &[]).is_err_and(|it| it.contains("compressed")));
        for plain in [&b"\0\0\0\0"[..], b"{", b"\x03"] {
            let said = read_json(plain, &[]).expect_err("it is no JSON");
            assert!(!said.contains("registry"), "{said}");
        }
    }
}
