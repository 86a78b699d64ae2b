//! Dates and times to text.

use super::super::inapplicable;
use super::super::picture::{Case, Grouping, Picture, leading_integer};
use super::calendar::Moment;
use super::spec::{DAYS, MONTHS, Marker, Part, parse};
use super::{Code, Evaluation, QueryError, Result};

/// A zone's distance from UTC.
#[derive(Clone, Copy)]
struct Offset {
    hours: i64,
    minutes: i64,
}

pub(super) fn format(
    e: &mut Evaluation<'_>,
    millis: i64,
    picture: &str,
    zone: Option<&str>,
) -> Result<String> {
    let offset = match zone {
        None => Offset { hours: 0, minutes: 0 },
        Some(text) => offset(text)?,
    };
    let moment = Moment::of(millis + (60 * offset.hours + offset.minutes) * 60_000);
    let mut out = String::new();
    for part in parse(picture)? {
        match part {
            Part::Literal(text) => out.push_str(&text),
            Part::Marker(marker) => out.push_str(&component(e, moment, &marker, offset)?),
        }
    }
    Ok(out)
}

/// `+0530`
fn offset(text: &str) -> Result<Offset> {
    let number = leading_integer(text);
    if number.is_nan() || number.abs() > 9999.0 {
        return Err(inapplicable("fromMillis", format!("'{text}' is no time zone such as +0530")));
    }
    let number = number as i64;
    Ok(Offset { hours: number.div_euclid(100), minutes: number % 100 })
}

fn component(
    e: &Evaluation<'_>,
    moment: Moment,
    marker: &Marker,
    offset: Offset,
) -> Result<String> {
    match marker.component {
        'Z' | 'z' => return zone(e, marker, offset),
        'P' => {
            let text = if moment.component('P') == 1 { "pm" } else { "am" };
            let is_upper = marker.names == Some(Case::Upper);
            return Ok(if is_upper { text.to_uppercase() } else { text.into() });
        }
        'C' | 'E' => return Ok("ISO".into()),
        _ => {}
    }
    let mut number = moment.component(marker.component);
    if let (Some(digits), 'Y') = (marker.year_digits, marker.component) {
        number %= 10i64.pow(digits.min(18) as u32);
    }
    match (marker.names, &marker.integer) {
        (Some(case), _) => name(marker, case, number),
        (None, Some(picture)) => picture.format(e, number as f64),
        (None, None) => Ok(String::new()),
    }
}

fn name(marker: &Marker, case: Case, number: i64) -> Result<String> {
    let name = match marker.component {
        'M' | 'x' => MONTHS[(number - 1).clamp(0, 11) as usize],
        'F' => DAYS[(number - 1).clamp(0, 6) as usize],
        'f' => return Ok(number.to_string()),
        other => return Err(QueryError::new(Code::D3133).text("value", other.to_string())),
    };
    let name = &name[..marker.width_max.unwrap_or(usize::MAX).min(name.len())];
    Ok(match case {
        Case::Upper => name.to_uppercase(),
        Case::Lower => name.to_lowercase(),
        Case::Title => name.into(),
    })
}

fn zone(e: &Evaluation<'_>, marker: &Marker, offset: Offset) -> Result<String> {
    let number = offset.hours * 100 + offset.minutes;
    if number == 0 && marker.is_traditional {
        return Ok("Z".into());
    }
    let unfit = || QueryError::new(Code::D3134);
    let picture = marker.integer.as_ref().ok_or_else(unfit)?;
    let digits = picture.digits().ok_or_else(unfit)?;
    let text = match (&digits.grouping, digits.mandatory) {
        (Grouping::Regular(..), _) | (_, 3 | 4) => picture.format(e, number as f64)?,
        (_, 1 | 2) => {
            let hours = picture.format(e, offset.hours as f64)?;
            match offset.minutes {
                0 => hours,
                minutes => format!("{hours}:{}", Picture::parse("00")?.format(e, minutes as f64)?),
            }
        }
        (_, count) => return Err(unfit().json("value", count)),
    };
    let sign = if number >= 0 { "+" } else { "" };
    let prefix = if marker.component == 'z' { "GMT" } else { "" };
    Ok(format!("{prefix}{sign}{text}"))
}
