//! `States.Base64Encode(text)` and `States.Base64Decode(text)`: RFC 4648, of UTF-8.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{Call, failure};
use crate::fault::StateError;
use crate::value::Value;

/// Characters of the argument, as in Step Functions.
const CHARACTERS_MAX: usize = 10_000;

/// Pads what it writes, reads with and without padding.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(super) fn encode(call: &mut Call<'_>) -> Result<Value, StateError> {
    let text = call.text(0, CHARACTERS_MAX)?;
    Ok(call.scratch.string(&ENGINE.encode(text)))
}

pub(super) fn decode(call: &mut Call<'_>) -> Result<Value, StateError> {
    let text = call.text(0, CHARACTERS_MAX)?;
    match ENGINE.decode(text) {
        Ok(bytes) => Ok(call.scratch.string(&String::from_utf8_lossy(&bytes))),
        Err(e) => Err(failure(format!("Argument 1 is no Base64: {e}"))),
    }
}
