//! Figures as people read them.

/// A count with thousands apart: `1,234,567`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate, as a count.
pub fn rate(value: f64) -> String {
    count(value.round() as u64)
}

/// Microseconds in the unit that reads best: `850 µs`, `12.3 ms`, `1.50 s`.
pub fn micros(us: f64) -> String {
    let (value, unit) = unit(us);
    let digits = match value {
        v if v >= 100.0 || unit == "µs" => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}")
}

fn unit(us: f64) -> (f64, &'static str) {
    match us {
        us if us < 1e3 => (us, "µs"),
        us if us < 1e6 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    }
}

/// The same for an axis, where values are round: `10 ms`.
pub fn micros_short(us: f64) -> String {
    let (value, unit) = unit(us);
    format!("{value} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        let counts = [0, 999, 1000, 1234567].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
        let times = [850.4, 1234.0, 12345.0, 123456.0, 1.5e6].map(micros);
        assert_eq!(rate(1999.5), "2,000");
        assert_eq!([1.0, 1e4, 1e6].map(micros_short), ["1 µs", "10 ms", "1 s"]);
        assert_eq!(times, ["850 µs", "1.23 ms", "12.3 ms", "123 ms", "1.50 s"]);
    }
}
