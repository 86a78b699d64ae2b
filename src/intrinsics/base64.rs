//! `States.Base64Encode(text)` and `States.Base64Decode(text)`: RFC 4648, of UTF-8. As the service
//! does, decoding ends at the first padding, skips what is no Base64 and never fails on it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Call;
use crate::fault::StateError;
use crate::value::Value;

/// Characters of the argument, as in Step Functions.
const CHARACTERS_MAX: usize = 10_000;

pub(super) fn encode(call: &mut Call<'_>) -> Result<Value, StateError> {
    let text = call.text(0, CHARACTERS_MAX)?;
    Ok(call.scratch.string(&STANDARD.encode(text)))
}

pub(super) fn decode(call: &mut Call<'_>) -> Result<Value, StateError> {
    let text = call.text(0, CHARACTERS_MAX)?;
    let sextets: Vec<u32> =
        text.bytes().take_while(|&byte| byte != b'=').filter_map(sextet).collect();
    let bytes: Vec<u8> = sextets.chunks(4).flat_map(octets).collect();
    Ok(call.scratch.string(&String::from_utf8_lossy(&bytes)))
}

/// The six bits of a character, in the plain or the URL-safe alphabet.
fn sextet(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

/// The whole bytes in one to four sextets.
fn octets(sextets: &[u32]) -> impl Iterator<Item = u8> + use<> {
    let bits =
        sextets.iter().fold(0, |bits, sextet| bits << 6 | sextet) << (6 * (4 - sextets.len()));
    let [_, bytes @ ..] = bits.to_be_bytes();
    bytes.into_iter().take(sextets.len() - 1)
}
