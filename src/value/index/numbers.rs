//! The grammar of numbers.

/// Which of 16 bytes may be part of a number, a bit each.
#[derive(Clone, Copy)]
pub(super) struct Numeral {
    pub digits: u32,
    pub points: u32,
}

/// Is it a number of at most 16 bytes without an exponent, behind which stands no digit? `sign` is 1
/// where it starts with a minus, and `is_zero` says whether its first digit would be a zero.
/// Straight-line code on bits: lengths vary from event to event.
#[inline(always)]
pub(super) fn is_short_number(numeral: Numeral, len: u32, sign: u32, is_zero: bool) -> bool {
    let within = !(u32::MAX << (len & 31));
    let (digits, points) = (numeral.digits, numeral.points & within);
    let others = within & !(digits | points | sign);
    let second_points = points & points.wrapping_sub(1);
    let bare_points = points & !((digits << 1) & (digits >> 1));
    let no_digit = !digits & (1 << sign);
    let leading_zero = (digits >> (sign + 1)) & u32::from(is_zero);
    (len <= 16) & (others | second_points | bare_points | no_digit | leading_zero == 0)
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
