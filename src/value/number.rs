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
    fn integers_by_value() {
        assert_eq!(i64_of("1.0"), Some(1));
        assert_eq!(i64_of("1e3"), Some(1000));
        assert_eq!(i64_of("1.5"), None);
        assert_eq!(i64_of("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(i64_of("1e30"), None);
    }
}
