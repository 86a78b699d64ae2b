//! Durations, sizes and points in time as the file writes them: "250ms", "64MiB", a date.

use std::fmt;
use std::time::Duration;

use super::section::{Findings, Setting, Written};
use super::tree::{Data, Node};

const KIB: u64 = 1024;
const SIZES: [(&str, u64); 4] =
    [("GiB", KIB * KIB * KIB), ("MiB", KIB * KIB), ("KiB", KIB), ("B", 1)];
const DAY_MS: u64 = 86_400_000;
const DURATIONS: [(&str, u64); 5] =
    [("d", DAY_MS), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A number of bytes, written "64MiB".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// So many bytes.
    pub const fn new(bytes: u64) -> ByteSize {
        ByteSize(bytes)
    }

    /// So many times 1024 bytes.
    pub const fn kib(count: u64) -> ByteSize {
        ByteSize(count * KIB)
    }

    /// So many times 1024 * 1024 bytes.
    pub const fn mib(count: u64) -> ByteSize {
        ByteSize(count * KIB * KIB)
    }

    /// How many bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_unit(self.0, &SIZES))
    }
}

impl Setting for ByteSize {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<ByteSize> {
        let size = node.text().and_then(|text| parse(text, &SIZES)).map(ByteSize);
        size.or_else(|| findings.expected(node, "a size such as \"64MiB\" (B, KiB, MiB or GiB)"))
    }

    fn write(&self) -> Written {
        Written::Value(format!("\"{self}\""))
    }
}

impl Setting for Duration {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Duration> {
        let wanted = "a duration such as \"250ms\" (ms, s, m, h or d)";
        node.text().and_then(duration).or_else(|| findings.expected(node, wanted))
    }

    fn write(&self) -> Written {
        Written::Value(format!("{:?}", with_unit(self.as_millis() as u64, &DURATIONS)))
    }
}

/// A duration as settings have it: `250ms`, `2h`.
pub fn duration(text: &str) -> Option<Duration> {
    parse(text, &DURATIONS).map(Duration::from_millis)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

fn with_unit(amount: u64, units: &[(&str, u64)]) -> String {
    let exact = units.iter().find(|(_, scale)| amount >= *scale && amount.is_multiple_of(*scale));
    let zero = if units.len() == SIZES.len() { ("B", 1) } else { ("s", 1) };
    let (unit, scale) = exact.copied().unwrap_or(zero);
    format!("{}{unit}", amount / scale)
}

/// Milliseconds since 1970: an integer, or a date with a time and an offset (RFC 3339).
pub(super) fn timestamp_ms(node: &Node) -> Option<i64> {
    match &node.data {
        Data::Date(text) => date_ms(text),
        _ => node.integer().or_else(|| date_ms(node.text()?)).filter(|ms| *ms >= 0),
    }
}

fn date_ms(text: &str) -> Option<i64> {
    let parsed: toml::value::Datetime = text.parse().ok()?;
    let (date, time, offset) = (parsed.date?, parsed.time?, parsed.offset?);
    let offset_minutes = match offset {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes),
    };
    let minutes = i64::from(time.hour) * 60 + i64::from(time.minute) - offset_minutes;
    let days = days_since_1970(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let second_ms = i64::from(time.second.unwrap_or(0)) * 1000;
    let part_ms = i64::from(time.nanosecond.unwrap_or(0) / 1_000_000);
    Some(days * DAY_MS as i64 + minutes * 60_000 + second_ms + part_ms)
}

/// Days in the Gregorian calendar; the year starts in March, so that the leap day is its last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_read_back_as_written() {
        for text in ["0B", "1B", "1023B", "256KiB", "64MiB", "3GiB"] {
            assert_eq!(with_unit(parse(text, &SIZES).unwrap_or(u64::MAX), &SIZES), text);
        }
        for text in ["0s", "1ms", "1500ms", "90s", "5m", "1h", "2d"] {
            assert_eq!(with_unit(parse(text, &DURATIONS).unwrap_or(u64::MAX), &DURATIONS), text);
        }
    }

    #[test]
    fn units_are_not_guessed() {
        for text in ["", "5", "5MB", "-1KiB", "1.5MiB", "MiB", "99999999999999999GiB"] {
            assert_eq!(parse(text, &SIZES), None, "{text}");
        }
        assert_eq!(parse("5 sec", &DURATIONS), None);
    }

    #[test]
    fn dates_become_milliseconds() {
        assert_eq!(date_ms("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(date_ms("2024-02-29T12:00:00.250Z"), Some(1_709_208_000_250));
        assert_eq!(date_ms("2026-06-01T02:00:00+02:00"), Some(1_780_272_000_000));
        assert_eq!(date_ms("2026-06-01"), None);
    }
}
