//! `States.UUID()`: a version 4 UUID from the execution's random numbers.

use super::Call;
use crate::fault::StateError;
use crate::value::Value;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let bits = u128::from(call.random.bits()) << 64 | u128::from(call.random.bits());
    let text = text(bits);
    let open = call.scratch.open_string();
    call.scratch.push_plain(std::str::from_utf8(&text).expect("hexadecimal digits are ASCII"));
    Ok(call.scratch.close_string(open))
}

/// The UUID of random bits, version and variant put in (RFC 9562, section 5.4).
fn text(bits: u128) -> [u8; 36] {
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let mut digits = (0..32).rev().map(|digit| (bits >> (4 * digit)) as usize & 0xf);
    std::array::from_fn(|at| match at {
        8 | 13 | 18 | 23 => b'-',
        _ => b"0123456789abcdef"[digits.next().unwrap_or(0)],
    })
}
