//! Numbers as the reference implementation shows and rounds them.

use std::io::Write;

/// A number's text, on the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    bytes: [u8; 40],
    len: usize,
}

/// Beyond, a number has an exponent.
const POSITIONAL: std::ops::Range<i32> = -6..21;

impl Text {
    /// As JavaScript prints it.
    pub fn of(number: f64) -> Text {
        let mut text = Text { bytes: [0; 40], len: 0 };
        if number.fract() == 0.0 && number.abs() < 1e15 {
            text.push(itoa::Buffer::new().format(number as i64).as_bytes());
            return text;
        }
        if !number.is_finite() {
            let name = if number.is_nan() { "NaN" } else { "Infinity" };
            text.push(if number < 0.0 { b"-" } else { b"" });
            text.push(name.as_bytes());
            return text;
        }
        let (digits, count, exponent) = shortest(number.abs());
        text.push(if number < 0.0 { b"-" } else { b"" });
        text.lay_out(&digits[..count], exponent);
        text
    }

    /// As JavaScript prints it once it is rounded to 15 significant digits.
    pub fn rounded(number: f64) -> Text {
        Text::of(significant(number))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    fn lay_out(&mut self, digits: &[u8], exponent: i32) {
        if !POSITIONAL.contains(&exponent) {
            let (first, rest) = digits.split_at(1);
            self.push(first);
            if !rest.is_empty() {
                self.push(b".");
                self.push(rest);
            }
            self.push(if exponent < 0 { b"e-" } else { b"e+" });
            self.push(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
        } else if exponent < 0 {
            self.push(b"0.");
            (1..-exponent).for_each(|_| self.push(b"0"));
            self.push(digits);
        } else {
            let whole = exponent as usize + 1;
            self.push(&digits[..whole.min(digits.len())]);
            (digits.len()..whole).for_each(|_| self.push(b"0"));
            if digits.len() > whole {
                self.push(b".");
                self.push(&digits[whole..]);
            }
        }
    }
}

/// The fewest digits that tell a positive number apart, their count, and the first one's power of
/// ten.
fn shortest(number: f64) -> ([u8; 20], usize, i32) {
    let mut buffer = [0; 40];
    let mut rest = &mut buffer[..];
    let _ = write!(rest, "{number:e}");
    let left = rest.len();
    let text = &buffer[..40 - left];
    let at = text.iter().position(|b| *b == b'e').unwrap_or(text.len());
    let (mut digits, mut count) = ([0; 20], 0);
    for digit in text[..at].iter().filter(|b| b.is_ascii_digit()) {
        digits[count] = *digit;
        count += 1;
    }
    let exponent = std::str::from_utf8(&text[at + 1..]).ok().and_then(|text| text.parse().ok());
    (digits, count, exponent.unwrap_or(0))
}

/// Rounded to 15 significant digits.
pub(super) fn significant(number: f64) -> f64 {
    if number.fract() == 0.0 && number.abs() < 1e15 || !number.is_finite() {
        return number;
    }
    let mut buffer = [0; 40];
    let mut rest = &mut buffer[..];
    let _ = write!(rest, "{number:.14e}");
    let left = rest.len();
    let text = std::str::from_utf8(&buffer[..40 - left]).unwrap_or_default();
    text.parse().unwrap_or(number)
}

/// Decimal places that mean anything to a binary64.
const PLACES_MAX: f64 = 400.0;

/// Rounded to `places` decimals, halves to the even neighbour.
pub(super) fn round(number: f64, places: f64) -> f64 {
    let places = places.clamp(-PLACES_MAX, PLACES_MAX).trunc() as i32;
    let scaled = shift(number, places);
    if !scaled.is_finite() {
        return number;
    }
    let mut whole = (scaled + 0.5).floor();
    if scaled.fract() == 0.0 || scaled.abs() >= 4_503_599_627_370_496.0 {
        whole = scaled;
    }
    if (whole - scaled).abs() == 0.5 && (whole % 2.0).abs() == 1.0 {
        whole -= 1.0;
    }
    let result = shift(whole, -places);
    if result == 0.0 { 0.0 } else { result }
}

/// Times a power of ten, as if in decimal.
fn shift(number: f64, places: i32) -> f64 {
    if places == 0 || !number.is_finite() {
        return number;
    }
    let mut buffer = [0; 48];
    let mut rest = &mut buffer[..];
    let _ = write!(rest, "{number:e}");
    let left = rest.len();
    let text = std::str::from_utf8(&buffer[..48 - left]).unwrap_or_default();
    let Some((mantissa, exponent)) = text.split_once('e') else { return number };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}", exponent + places).parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_as_javascript_does() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.5, "1.5"),
            (-12.0, "-12"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.000001, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (123456.789e3, "123456789"),
            (f64::INFINITY, "Infinity"),
        ] {
            assert_eq!(Text::of(number).as_str(), text);
        }
        assert_eq!(Text::rounded(0.1 + 0.2).as_str(), "0.3");
        assert_eq!(Text::rounded(1e22 / 3.0).as_str(), "3.33333333333333e+21");
    }

    #[test]
    fn halves_round_to_even() {
        for (number, places, result) in [
            (0.5, 0.0, 0.0),
            (1.5, 0.0, 2.0),
            (-0.5, 0.0, 0.0),
            (-1.5, 0.0, -2.0),
            (1.005, 2.0, 1.0),
            (1.015, 2.0, 1.02),
            (12345.0, -2.0, 12300.0),
            (1e300, 500.0, 1e300),
        ] {
            assert_eq!(round(number, places), result, "{number} {places}");
        }
    }
}
