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

/// The number that the last `len` bytes spell, where these are one to eight digits, perhaps with a
/// point among them: most numbers are, and eight digits are read at once.
#[inline]
pub(super) fn short_f64_of(text: &[u8; 8], len: usize) -> Option<f64> {
    if len == 0 || len > 8 {
        return None;
    }
    // Zeros below the first one.
    let word = u64::from_le_bytes(*text) & (u64::MAX << (64 - 8 * len));
    let text = word | ZEROS;
    // On top of each byte that is no digit; what is beyond ASCII is in no number.
    let others = text.wrapping_add(0x46 * ONES) & TOPS;
    if others == 0 {
        return Some(f64::from(eight_digits(text)));
    }
    let at = others.trailing_zeros() & !7;
    if others & (others - 1) != 0 || (word >> at) & 0xff != u64::from(b'.') {
        return None;
    }
    // The digits before the point take its place.
    let below = (1 << at) - 1;
    let digits = (text & !below & !(0xff << at)) | ((text & below) << 8) | u64::from(b'0');
    Some(f64::from(eight_digits(digits)) / POWERS[7 - at as usize / 8])
}

/// The number that eight digits spell, the last one on top.
#[inline(always)]
fn eight_digits(text: u64) -> u32 {
    let digits = text - ZEROS;
    // Pairs, then fours, then all eight.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & 0xff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let low = (pairs >> 16 & 0xff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    (high.wrapping_add(low) >> 32) as u32
}

/// The eight digits of a number below 10^8, zeros first, the last one on top.
#[inline]
fn digits_of(number: u32) -> u64 {
    let number = u64::from(number);
    // Fours, then pairs, then all eight, in equal parts of the word; the products divide by 100 and 10.
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    (tens | (pairs - tens * 10) << 8) + ZEROS
}

/// The text of a number below 10^8, and its length.
#[inline]
pub(super) fn short_integer(number: u32) -> ([u8; 8], usize) {
    let digits = digits_of(number);
    // One zero stays, if all are.
    let zeros = ((digits ^ ZEROS) | 1 << 56).trailing_zeros() as usize / 8;
    ((digits >> (8 * zeros)).to_le_bytes(), 8 - zeros)
}

/// The text of so many hundredths, below 10^7, which are no whole number, and its length.
#[inline]
pub(super) fn short_decimal(hundredths: u32) -> ([u8; 8], usize) {
    let digits = digits_of(hundredths);
    let ones = (digits >> 8) & 0xff_ffff_ffff;
    let text = ones | u64::from(b'.') << 40 | digits >> 48 << 48;
    // A zero stays before the point, none at the end.
    let zeros = ((ones ^ (ZEROS >> 24)) | 1 << 32).trailing_zeros() as usize / 8;
    let len = 8 - zeros - usize::from(digits >> 56 == u64::from(b'0'));
    ((text >> (8 * zeros)).to_le_bytes(), len)
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
            bytes[8 - text.len()..].copy_from_slice(text.as_bytes());
            assert_eq!(short_f64_of(&bytes, text.len()), text.parse().ok(), "{text}");
        }
        for text in ["-1", "1e5", "1E5", "1.5e-3", "123456789"] {
            let mut bytes = [b'0'; 8];
            let len = text.len().min(8);
            bytes[8 - len..].copy_from_slice(&text.as_bytes()[text.len() - len..]);
            assert_eq!(short_f64_of(&bytes, text.len()), None, "{text}");
        }
    }

    #[test]
    fn short_texts_are_those_of_others() {
        let numbers = (0..10_000_000).step_by(37).chain(9_999_900..10_000_000).chain(0..10_000);
        for number in numbers {
            let (text, len) = short_integer(number * 10 + 7);
            assert_eq!(&text[..len], (number * 10 + 7).to_string().as_bytes());
            let (text, len) = short_integer(number);
            assert_eq!(&text[..len], number.to_string().as_bytes());
            if number % 100 != 0 {
                let (text, len) = short_decimal(number);
                let expected = format!("{}.{:02}", number / 100, number % 100);
                let expected = expected.trim_end_matches('0');
                assert_eq!(&text[..len], expected.as_bytes());
            }
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
