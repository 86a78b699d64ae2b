//! Text to dates and times.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use super::super::inapplicable;
use super::super::picture::{Grouping, leading_integer};
use super::calendar::{DAY_MILLIS, MILLIS_MAX, Moment, days_to};
use super::spec::{self, DAYS, MONTHS, Marker, Part};
use super::{Code, QueryError, Result};

/// Bytes that the pattern made of a picture may take when compiled.
const PATTERN_SIZE_MAX: usize = 1 << 18;

static ISO_8601: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?x)^([0-9]{4})(?:-([01][0-9]))?(?:-([0-3][0-9]))?
        (?:T([0-2][0-9]):([0-5][0-9]):([0-5][0-9]))?(\.[0-9]+)?
        (?:(Z)|([+-])([0-2][0-9]):?([0-5][0-9]))?$";
    Regex::new(pattern).expect("the pattern is well-formed")
});

/// Milliseconds since 1970 of `2018-03-27T14:03:00.123Z`; parts may be missing from the end.
pub(super) fn iso8601(text: &str) -> Option<f64> {
    let found = ISO_8601.captures(text)?;
    let number = |group: usize, missing: i64| {
        found.get(group).map_or(Some(missing), |part| part.as_str().parse().ok())
    };
    let (year, month, day) = (number(1, 0)?, number(2, 1)?, number(3, 1)?);
    let (hour, minute, second) = (number(4, 0)?, number(5, 0)?, number(6, 0)?);
    let fraction = found.get(7).map_or("0", |part| part.as_str());
    let millis = (fraction.parse::<f64>().unwrap_or(0.0) * 1000.0 + 1e-9).floor();
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 24 {
        return Some(f64::NAN);
    }
    let sign = if found.get(9).is_some_and(|sign| sign.as_str() == "-") { -1 } else { 1 };
    let offset = sign * (number(10, 0)? * 60 + number(11, 0)?);
    let days = days_to(year, month - 1) + day - 1;
    let seconds = (days * 24 + hour) * 3600 + (minute - offset) * 60 + second;
    Some(seconds as f64 * 1000.0 + millis)
}

/// The numbers found in a text, by component.
#[derive(Default)]
struct Found(Vec<(char, f64)>);

impl Found {
    fn get(&self, component: char) -> Option<f64> {
        let found = self.0.iter().rev().find(|(known, _)| *known == component);
        found.map(|(_, value)| *value).filter(|value| !value.is_nan())
    }

    /// Components that are there and not 0, one bit each, the first the highest.
    fn mask(&self, components: &str) -> u32 {
        components.chars().fold(0, |mask, component| {
            mask << 1 | u32::from(self.get(component).is_some_and(|value| value != 0.0))
        })
    }
}

/// Milliseconds since 1970 of a text in a picture; `None`: it is not in it.
pub(super) fn parse(text: &str, picture: &str, now: i64) -> Result<Option<f64>> {
    let parts = spec::parse(picture)?;
    let mut pattern = String::from("^");
    for part in &parts {
        pattern.push('(');
        pattern.push_str(&part_pattern(part)?);
        pattern.push(')');
    }
    pattern.push('$');
    let regex = RegexBuilder::new(&pattern)
        .case_insensitive(true)
        .size_limit(PATTERN_SIZE_MAX)
        .build()
        .map_err(|_| inapplicable("toMillis", "the picture is too large"))?;
    let Some(captures) = regex.captures(text) else { return Ok(None) };
    let mut found = Found::default();
    for (at, part) in parts.iter().enumerate() {
        if let (Part::Marker(marker), Some(text)) = (part, captures.get(at + 1)) {
            let value = part_value(marker, text.as_str())?;
            found.0.push((marker.component, value));
        }
    }
    if found.0.is_empty() {
        return Ok(None);
    }
    assemble(found, now).map(Some)
}

fn part_pattern(part: &Part) -> Result<String> {
    let marker = match part {
        Part::Literal(text) => return Ok(regex::escape(text)),
        Part::Marker(marker) => marker,
    };
    match (marker.component, &marker.integer) {
        ('Z' | 'z', _) => {
            let prefix = if marker.component == 'z' { "GMT" } else { "" };
            let minutes = separator(marker)
                .map(|c| format!("{}[0-9]+", regex::escape(c.encode_utf8(&mut [0; 4]))));
            Ok(format!("{prefix}[-+][0-9]+{}", minutes.unwrap_or_default()))
        }
        ('f', Some(_)) => Ok("[0-9]+".into()),
        (_, Some(picture)) => picture.pattern(),
        ('M' | 'x' | 'F' | 'P', None) => Ok("[a-zA-Z]+".into()),
        (other, None) => Err(QueryError::new(Code::D3133).text("value", other.to_string())),
    }
}

/// What stands between the hours and minutes of a zone.
fn separator(marker: &Marker) -> Option<char> {
    match marker.integer.as_ref()?.digits()?.grouping {
        Grouping::Regular(_, separator) => Some(separator),
        Grouping::Irregular(_) => None,
    }
}

/// The number a part of the text stands for; not a number, if it is a name that is unknown.
fn part_value(marker: &Marker, text: &str) -> Result<f64> {
    let width = marker.width_max.unwrap_or(usize::MAX);
    let place = |names: &[&str]| {
        let is_it = |name: &&str| &name[..width.min(name.len())] == text;
        names.iter().position(is_it).map_or(f64::NAN, |at| at as f64 + 1.0)
    };
    match (marker.component, &marker.integer) {
        ('Z' | 'z', _) => Ok(offset(marker, text)),
        ('f', Some(_)) => {
            let digits = &text[..text.len().min(3)];
            Ok((format!("0.{digits}").parse::<f64>().unwrap_or(0.0) * 1000.0).round())
        }
        (_, Some(picture)) => picture.read(text),
        ('M' | 'x', None) => Ok(place(&MONTHS)),
        ('F', None) => Ok(place(&DAYS)),
        (_, None) => Ok(match text {
            "am" | "AM" => 0.0,
            "pm" | "PM" => 1.0,
            _ => f64::NAN,
        }),
    }
}

/// Minutes from UTC.
fn offset(marker: &Marker, text: &str) -> f64 {
    let text = if marker.component == 'z' { text.get(3..).unwrap_or_default() } else { text };
    let (hours, minutes) = match separator(marker).and_then(|c| text.split_once(c)) {
        Some((hours, minutes)) => (hours, minutes),
        None if text.len() <= 3 => (text, "0"),
        None => text.split_at(3),
    };
    leading_integer(hours) * 60.0 + leading_integer(minutes)
}

/// Is every component of `set`, and none that it does without, in the mask?
fn is_type(mask: u32, set: u32) -> bool {
    !set & mask == 0 && set & mask != 0
}

/// The point in time: what is missing before the first component is now, after the last one zero.
fn assemble(mut found: Found, now: i64) -> Result<f64> {
    let date = found.mask("YXMxWwdD");
    let is_day_of_year = !is_type(date, 0b1010_0001) && is_type(date, 0b1000_0010);
    let is_week_of_month = is_type(date, 0b0101_0100);
    let is_week_of_year = !is_week_of_month && is_type(date, 0b0100_1000);
    let time = found.mask("PHhmsf");
    let is_half_day = !is_type(time, 0b01_0111) && is_type(time, 0b10_1111);
    let dates = match (is_day_of_year, is_week_of_month, is_week_of_year) {
        (true, ..) => "YD",
        (_, true, _) => "XxwF",
        (_, _, true) => "XWF",
        _ => "YMD",
    };
    let moment = Moment::of(now);
    let (mut has_started, mut has_ended) = (false, false);
    for component in dates.chars().chain(if is_half_day { "Phmsf" } else { "Hmsf" }.chars()) {
        if found.get(component).is_some() {
            has_started = true;
            if has_ended {
                return Err(QueryError::new(Code::D3136));
            }
            continue;
        }
        let value = match has_started {
            true if component == 'M' || component == 'D' => 1.0,
            true => 0.0,
            false => moment.component(component) as f64,
        };
        has_ended |= has_started;
        found.0.push((component, value));
    }
    if is_week_of_month || is_week_of_year {
        return Err(QueryError::new(Code::D3136));
    }
    Ok(to_millis(&found, is_day_of_year, is_half_day))
}

fn to_millis(found: &Found, is_day_of_year: bool, is_half_day: bool) -> f64 {
    let get = |component| found.get(component).unwrap_or(0.0);
    let year = get('Y');
    // Two digits are years of the 20th century, as in JavaScript.
    let year = if (0.0..=99.0).contains(&year) { year + 1900.0 } else { year };
    let (month, day) = match is_day_of_year {
        true => (0.0, get('d')),
        false => ((get('M') - 1.0).max(0.0), get('D')),
    };
    let hour = match (is_half_day, get('h') == 12.0, get('P') == 1.0) {
        (false, ..) => get('H'),
        (true, is_twelve, is_pm) => {
            let hour = if is_twelve { 0.0 } else { get('h') };
            hour + if is_pm { 12.0 } else { 0.0 }
        }
    };
    if year.abs() > 300_000.0 || month > 3_600_000.0 {
        return f64::NAN;
    }
    let days = days_to(year as i64, month as i64) as f64 + day - 1.0;
    let zone = found.get('Z').filter(|zone| *zone != 0.0).unwrap_or(get('z'));
    let seconds = hour * 3600.0 + (get('m') - zone) * 60.0 + get('s');
    let millis = days * DAY_MILLIS as f64 + seconds * 1000.0 + get('f');
    if millis.abs() <= MILLIS_MAX { millis } else { f64::NAN }
}
