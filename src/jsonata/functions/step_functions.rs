//! What Step Functions adds: `$partition`, `$range`, `$hash`, `$random` with a seed, `$uuid`,
//! `$parse`.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::super::eval::{Evaluation, Result};
use super::super::item::{Item, SEQUENCE};
use super::{Args, inapplicable};

/// `$partition(array, size)`: the array in pieces, the last of what is left.
pub(super) fn partition(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let array = e.arg(args, 0);
    if array.is_nothing() {
        return Ok(array);
    }
    let size = e.number_arg(args, 1).unwrap_or(f64::NAN).floor();
    if size.is_nan() || size < 1.0 {
        return Err(inapplicable("partition", "the size of a piece must be 1 or more"));
    }
    let mark = e.mark();
    let mut walk = e.walk(array);
    let mut next = e.next(&mut walk);
    while next.is_some() {
        let inner = e.mark();
        while let Some(item) = next
            && ((e.mark() - inner) as f64) < size
        {
            e.push(item);
            next = e.next(&mut walk);
        }
        let piece = e.list(inner, 0)?;
        e.push(piece);
    }
    e.list(mark, 0)
}

/// `$range(first, last, step)`: both ends are in it. A single number comes as such (recorded).
pub(super) fn range(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let (Some(first), Some(last)) = (e.number_arg(args, 0), e.number_arg(args, 1)) else {
        return Ok(Item::Nothing);
    };
    let step = e.number_arg(args, 2).unwrap_or(1.0);
    if step == 0.0 || !step.is_finite() || !first.is_finite() || !last.is_finite() {
        return Err(inapplicable("range", "its ends must be finite, and its step not 0"));
    }
    let count = ((last - first) / step).floor() + 1.0;
    let count = if count > 0.0 { count as usize } else { 0 };
    e.allow_list(count)?;
    e.spend(count)?;
    let mark = e.mark();
    for index in 0..count {
        e.push(Item::Number(first + index as f64 * step));
    }
    e.list(mark, SEQUENCE)
}

/// `$hash(data, algorithm)`: SHA-256, unless another is named; in lower-case hexadecimal.
pub(super) fn hash(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let data = e.arg(args, 0);
    if data.is_nothing() {
        return Ok(data);
    }
    let text = match e.text_arg(args, 0) {
        Some(text) => text.into_bytes(),
        None => {
            let mut text = Vec::new();
            e.write(data, None, &mut text)?;
            text
        }
    };
    e.spend(text.len() / 8)?;
    let algorithm = e.text_arg(args, 1).unwrap_or_else(|| "SHA-256".into());
    let digest = match algorithm.as_str() {
        "MD5" => hexadecimal(&Md5::digest(text)),
        "SHA-1" => hexadecimal(&Sha1::digest(text)),
        "SHA-256" => hexadecimal(&Sha256::digest(text)),
        "SHA-384" => hexadecimal(&Sha384::digest(text)),
        "SHA-512" => hexadecimal(&Sha512::digest(text)),
        other => {
            let known = "MD5, SHA-1, SHA-256, SHA-384 and SHA-512 are known";
            return Err(inapplicable("hash", format!("'{other}' is no algorithm; {known}")));
        }
    };
    e.string(&digest)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A number in `0.0..1.0` of random bits.
fn fraction(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// `$random([seed])`: the same seed gives the same number.
pub(super) fn random(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let bits = match e.number_arg(args, 0) {
        Some(seed) => spread(seed.to_bits()),
        None => (e.random)(),
    };
    Ok(Item::Number(fraction(bits)))
}

/// SplitMix64: spreads a seed of few bits over all 64.
fn spread(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `$uuid()`: version 4 (RFC 9562, section 5.4).
pub(super) fn uuid(e: &mut Evaluation<'_>, _: Args) -> Result<Item> {
    let bits = u128::from((e.random)()) << 64 | u128::from((e.random)());
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let digits = format!("{bits:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    e.string(&parts.join("-"))
}

/// `$parse(text)`: the value of a JSON text.
pub(super) fn parse(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(text) = e.text_arg(args, 0) else { return Ok(Item::Nothing) };
    e.allow(4 * text.len())?;
    e.parse(text.as_bytes()).map_err(|error| inapplicable("parse", error.to_string()))
}
