//! Timestamps as the Amazon States Language writes them: RFC 3339 with upper-case `T` and `Z`.

use std::fmt;

/// A point in time, ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Since 1970, possibly negative.
    pub seconds: i64,
    /// Within the second.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// Parses `2016-03-14T01:59:00Z`, `2016-03-14T01:59:00.123+01:00`; `None` for all else.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let bytes = text.as_bytes();
        let (date, rest) = bytes.split_at_checked(19)?;
        let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if separators.iter().any(|&(at, byte)| date[at] != byte) {
            return None;
        }
        let year = digits(&date[..4])?;
        let (month, day) = (within(&date[5..7], 1, 12)?, within(&date[8..10], 1, 31)?);
        if day > days_in(year, month) {
            return None;
        }
        let (hour, minute) = (within(&date[11..13], 0, 23)?, within(&date[14..16], 0, 59)?);
        let second = within(&date[17..19], 0, 59)?;
        let (nanoseconds, zone) = fraction(rest)?;
        let local = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        Some(Timestamp { seconds: local - offset(zone)?, nanoseconds })
    }

    /// The point `ms` milliseconds after 1970.
    pub fn from_ms(ms: i64) -> Timestamp {
        let nanoseconds = ms.rem_euclid(1000) as u32 * 1_000_000;
        Timestamp { seconds: ms.div_euclid(1000), nanoseconds }
    }

    /// Milliseconds since 1970, the rest cut off.
    pub fn to_ms(self) -> i64 {
        self.seconds.saturating_mul(1000).saturating_add(i64::from(self.nanoseconds / 1_000_000))
    }
}

/// `2016-03-14T01:59:00.000Z`
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.seconds.div_euclid(86_400), self.seconds.rem_euclid(86_400));
        let (year, month, day) = date_of(days);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        let ms = self.nanoseconds / 1_000_000;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

/// Year, month and day of a day counted from 1970-01-01: `days_since_1970` backwards.
fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn within(text: &[u8], least: i64, most: i64) -> Option<i64> {
    digits(text).filter(|value| (least..=most).contains(value))
}

/// Nanoseconds of `.123`, if that is how `text` starts, and what follows. Digits past the ninth
/// are dropped.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else { return Some((0, text)) };
    let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, zone) = rest.split_at(len);
    if fraction.is_empty() {
        return None;
    }
    let nine = (0..9).map(|at| fraction.get(at).map_or(0, |byte| u32::from(byte - b'0')));
    Some((nine.fold(0, |sum, digit| sum * 10 + digit), zone))
}

/// Seconds east of UTC of `Z` or `+01:00`.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let seconds = within(&[*h1, *h2], 0, 23)? * 3600 + within(&[*m1, *m2], 0, 59)? * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, counting years from March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_timestamps() {
        for (text, seconds, nanoseconds) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2012-10-09T19:00:55Z", 1_349_809_255, 0),
            ("2012-10-09T19:00:55+01:00", 1_349_805_655, 0),
            ("2012-10-09T19:00:55.5-00:30", 1_349_811_055, 500_000_000),
            ("2000-02-29T00:00:00.0000000019Z", 951_782_400, 1),
            ("1969-12-31T23:59:59Z", -1, 0),
        ] {
            assert_eq!(Timestamp::parse(text), Some(Timestamp { seconds, nanoseconds }), "{text}");
        }
        for text in [
            "2012-10-09T19:00:55",
            "2023-02-24",
            "",
            "2012-10-09t19:00:55Z",
            "2012-10-09T19:00:55z",
            "2012-13-09T19:00:55Z",
            "2001-02-29T00:00:00Z",
            "2012-10-09T24:00:00Z",
            "2012-10-09T19:00:55.Z",
            "2012-10-09T19:00:55+1:00",
            "2012-10-09T19:00:5éZ",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
