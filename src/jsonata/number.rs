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
        Text::with(number, shortest)
    }

    /// As JavaScript prints it once it is rounded to 15 significant digits.
    pub fn rounded(number: f64) -> Text {
        Text::with(number, significant)
    }

    fn with(number: f64, digits: impl FnOnce(f64) -> Digits) -> Text {
        let mut text = Text { bytes: [0; 40], len: 0 };
        if number.fract() == 0.0 && number.abs() < 1e15 {
            text.push(itoa::Buffer::new().format(number as i64).as_bytes());
            return text;
        }
        text.push(if number < 0.0 { b"-" } else { b"" });
        if !number.is_finite() {
            text.push(if number.is_nan() { b"NaN" } else { b"Infinity" });
            return text;
        }
        let digits = digits(number.abs());
        text.lay_out(&digits.digits[..digits.count], digits.exponent);
        text
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

/// A positive number in decimal.
struct Digits {
    digits: [u8; 20],
    count: usize,
    /// The first digit's power of ten.
    exponent: i32,
}

impl Digits {
    /// Reads `0.015`, `15`, `1.5e-2`.
    fn read(text: &str) -> Digits {
        let (mantissa, power) = text.split_once('e').unwrap_or((text, "0"));
        let mut read = Digits { digits: [0; 20], count: 0, exponent: power.parse().unwrap_or(0) };
        let mut is_whole = true;
        for byte in mantissa.bytes() {
            match byte {
                b'.' => is_whole = false,
                // Zeros at the start only count behind the point.
                b'0' if read.count == 0 => read.exponent -= i32::from(!is_whole),
                digit if read.count < read.digits.len() => {
                    read.exponent += i32::from(is_whole && read.count > 0);
                    read.exponent -= i32::from(!is_whole && read.count == 0);
                    read.digits[read.count] = digit;
                    read.count += 1;
                }
                _ => read.exponent += i32::from(is_whole),
            }
        }
        while read.count > 1 && read.digits[read.count - 1] == b'0' {
            read.count -= 1;
        }
        read
    }
}

/// The fewest digits that tell a positive number apart.
fn shortest(number: f64) -> Digits {
    Digits::read(zmij::Buffer::new().format_finite(number))
}

/// Significant digits that a number is shown with at most: as many as survive being a binary64.
const SIGNIFICANT: usize = 15;

/// A positive number, rounded to 15 significant digits.
fn significant(number: f64) -> Digits {
    let digits = shortest(number);
    if digits.count <= SIGNIFICANT {
        return digits;
    }
    let mut buffer = [0; 40];
    let mut rest = &mut buffer[..];
    let _ = write!(rest, "{number:.*e}", SIGNIFICANT - 1);
    let left = rest.len();
    Digits::read(std::str::from_utf8(&buffer[..40 - left]).unwrap_or_default())
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
            (0.00123, "0.00123"),
            (1234.5, "1234.5"),
            (5e-324, "5e-324"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (123456789012345680000.0, "123456789012345680000"),
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
