//! Numbers are text until something computes with them.

/// The number's value as binary64; beyond its range the result is infinite.
pub fn f64_of(text: &str) -> f64 {
    fast(text.as_bytes()).unwrap_or_else(|| text.parse().unwrap_or(f64::NAN))
}

/// The number as an integer, where its text is one that fits (`1`, `-7`; also `1.0`, `1e3`).
pub fn i64_of(text: &str) -> Option<i64> {
    if let Ok(integer) = text.parse() {
        return Some(integer);
    }
    let float = f64_of(text);
    let fits = float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0;
    fits.then_some(float as i64)
}

const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// In each of eight bytes the same.
const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x80 * ONES;
const ZEROS: u64 = b'0' as u64 * ONES;

/// The number that the first `len` bytes spell, where these are one to eight digits, perhaps with a
/// point among them: most numbers are, and eight digits are read at once.
#[inline]
pub(super) fn short_f64_of(text: &[u8; 8], len: usize) -> Option<f64> {
    if len == 0 || len > 8 {
        return None;
    }
    // The last byte on top; below the first one zeros.
    let word = u64::from_le_bytes(*text) << (64 - 8 * len);
    if let Some(whole) = eight_digits(word | ZEROS) {
        return Some(f64::from(whole));
    }
    let from_point = word ^ (b'.' as u64 * ONES);
    let points = from_point.wrapping_sub(ONES) & !from_point & TOPS;
    if points == 0 {
        return None;
    }
    let at = points.trailing_zeros() & !7;
    let below = (1 << at) - 1;
    let without = (word & !below & !(0xff << at)) | ((word & below) << 8);
    let whole = eight_digits(without | ZEROS)?;
    Some(f64::from(whole) / POWERS[7 - at as usize / 8])
}

/// The number that eight digits spell, the last one on top; `None`: they are not all digits.
#[inline(always)]
fn eight_digits(text: u64) -> Option<u32> {
    if text.wrapping_add(0x46 * ONES) & TOPS != 0 {
        return None;
    }
    let digits = text - ZEROS;
    // Pairs, then fours, then all eight.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & 0xff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let low = (pairs >> 16 & 0xff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    Some((high.wrapping_add(low) >> 32) as u32)
}

/// The hundredths that a number is, if it is not many of them: prices are.
#[inline]
pub(super) fn hundredths_of(number: f64) -> Option<u64> {
    let magnitude = number.abs();
    if !(0.01..1e9).contains(&magnitude) {
        return None;
    }
    let whole = (magnitude * 100.0 + 0.5) as u64;
    // Both are exact, and the quotient is rounded as a number is that is read: of what has no more
    // than 15 digits no other is as short.
    (whole as f64 / 100.0 == magnitude).then_some(whole)
}

/// Exact for a mantissa below 2^53 and at most 22 decimals (Clinger's fast path), else `None`.
fn fast(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.len() > 16 {
        return None;
    }
    let (mut mantissa, mut decimals, mut point) = (0u64, 0usize, false);
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + u64::from(byte - b'0');
                decimals += usize::from(point);
            }
            b'.' => point = true,
            _ => return None,
        }
    }
    if mantissa >= 1 << 53 {
        return None;
    }
    let value = mantissa as f64 / POWERS[decimals];
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_path_agrees_with_std() {
        for text in ["0", "-0", "1.5", "0.1", "123456789.25", "-40.000001", "9007199254740991"] {
            assert_eq!(f64_of(text).to_bits(), text.parse::<f64>().expect("a number").to_bits());
        }
        assert_eq!(f64_of("1e400"), f64::INFINITY);
    }

    #[test]
    fn hundredths_are_what_the_text_says() {
        for number in [0.01, 0.07, 0.1, 0.5, 1.05, 12.5, 297.9, 1.15, 4.35, 999_999_999.99] {
            let hundredths = hundredths_of(number).map(|it| format!("{}e-2", it));
            assert_eq!(hundredths.and_then(|it| it.parse().ok()), Some(number), "{number}");
            assert_eq!(hundredths_of(-number), hundredths_of(number));
        }
        for number in [0.1 + 0.2, 0.001, 1e9, 1.005, 1.0 / 3.0, f64::NAN, f64::INFINITY] {
            assert_eq!(hundredths_of(number), None, "{number}");
        }
    }

    #[test]
    fn short_numbers_agree_with_the_others() {
        for text in ["0", "7", "12.5", "0.25", "99999999", "1234.567", "0.000001", "1.0"] {
            let mut bytes = [b'9'; 8];
            bytes[..text.len()].copy_from_slice(text.as_bytes());
            assert_eq!(short_f64_of(&bytes, text.len()), text.parse().ok(), "{text}");
        }
        for text in ["-1", "1e5", "1E5", "1.5e-3", "123456789"] {
            let mut bytes = [b'0'; 8];
            let len = text.len().min(8);
            bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
            assert_eq!(short_f64_of(&bytes, text.len()), None, "{text}");
        }
    }

    #[test]
    fn integers_by_value() {
        assert_eq!(i64_of("1.0"), Some(1));
        assert_eq!(i64_of("1e3"), Some(1000));
        assert_eq!(i64_of("1.5"), None);
        assert_eq!(i64_of("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(i64_of("1e30"), None);
    }
}
