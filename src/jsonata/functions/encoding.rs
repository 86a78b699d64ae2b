//! Base64 and the percent encoding of URLs.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::error::{Code, QueryError};
use super::super::eval::{Evaluation, Result};
use super::super::item::Item;
use super::Args;

/// As lenient as the reference implementation's: padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Characters that no URL encoding touches, beside letters and digits.
const UNRESERVED: &[u8] = b"-_.!~*'()";
/// Those that separate the parts of a URL.
const RESERVED: &[u8] = b";/?:@&=+$,#";

/// `$base64encode`: characters are bytes, those beyond 255 lose their upper bits.
pub(super) fn base64_encode(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(text) = e.text_arg(args, 0) else { return Ok(Item::Nothing) };
    let bytes: Vec<u8> = text.encode_utf16().map(|unit| unit as u8).collect();
    e.string(&BASE64.encode(bytes))
}

/// `$base64decode`: bytes are characters; what is no base64 is passed over.
pub(super) fn base64_decode(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(text) = e.text_arg(args, 0) else { return Ok(Item::Nothing) };
    let digits: Vec<u8> = text
        .bytes()
        .take_while(|b| *b != b'=')
        .map(|b| match b {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        })
        .filter(|b| b.is_ascii_alphanumeric() || *b == b'+' || *b == b'/')
        .collect();
    let whole = digits.len() - usize::from(digits.len() % 4 == 1);
    let bytes = BASE64.decode(&digits[..whole]).unwrap_or_default();
    let text: String = bytes.into_iter().map(char::from).collect();
    e.string(&text)
}

pub(super) fn encode_url_component(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    encode(e, args, &[])
}

pub(super) fn encode_url(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    encode(e, args, RESERVED)
}

fn encode(e: &mut Evaluation<'_>, args: Args, kept: &[u8]) -> Result<Item> {
    let Some(text) = e.text_arg(args, 0) else { return Ok(Item::Nothing) };
    e.spend(text.len())?;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || UNRESERVED.contains(&byte) || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    e.string(&out)
}

pub(super) fn decode_url_component(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    decode(e, args, &[], "decodeUrlComponent")
}

pub(super) fn decode_url(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    decode(e, args, RESERVED, "decodeUrl")
}

/// Escapes of the characters in `kept` stay as they are.
fn decode(e: &mut Evaluation<'_>, args: Args, kept: &[u8], function: &str) -> Result<Item> {
    let Some(text) = e.text_arg(args, 0) else { return Ok(Item::Nothing) };
    match unescape(&text, kept) {
        Some(decoded) => e.string(&decoded),
        None => {
            let error = QueryError::new(Code::D3140).text("value", text);
            Err(error.text("functionName", function))
        }
    }
}

fn unescape(text: &str, kept: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
        rest = &after[2..];
        match kept.contains(&byte) {
            true => {
                out.push(b'%');
                out.extend_from_slice(digits.as_bytes());
            }
            false => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}
