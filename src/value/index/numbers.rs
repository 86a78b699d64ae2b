//! The grammar of numbers.

/// Is it a number of at most 16 bytes without an exponent? `bytes` start with it, `digits` says
/// which of them are digits. Straight-line code: lengths vary from event to event.
#[inline(always)]
pub(super) fn is_short_number(bytes: &[u8; 16], len: u32, digits: u32) -> bool {
    let minus = u32::from(bytes[0] == b'-');
    // All that is neither the sign nor a digit; the bit at `len` makes sure that there is one.
    let others = (!digits | 1 << (len & 31)) & !minus;
    let point = others.trailing_zeros();
    let rest = others & others.wrapping_sub(1);
    let is_whole = point == len;
    let is_decimal =
        (bytes[point as usize & 15] == b'.') & (rest.trailing_zeros() == len) & (point + 1 < len);
    let leads_well = (bytes[minus as usize] != b'0') | (point == minus + 1);
    (len <= 16) & (point > minus) & leads_well & (is_whole | is_decimal)
}

/// Is it a number, all of it?
#[cold]
#[inline(never)]
pub(super) fn is_number(text: &[u8]) -> bool {
    let digits = |from: &[u8]| from.iter().take_while(|b| b.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(text);
    let mut rest = &text[whole..];
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    if let [b'.', decimals @ ..] = rest {
        let count = digits(decimals);
        if count == 0 {
            return false;
        }
        rest = &decimals[count..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', unsigned @ ..] => unsigned,
            _ => exponent,
        };
        let count = digits(exponent);
        return count > 0 && count == exponent.len();
    }
    rest.is_empty()
}
