//! `$now`, `$millis`, `$fromMillis`, `$toMillis`.

mod calendar;
mod format;
mod parse;
mod spec;

use super::super::error::{Code, QueryError};
use super::super::eval::{Evaluation, Result};
use super::super::item::Item;
use super::{Args, inapplicable};
use calendar::{DAY_MILLIS, MILLIS_MAX};

/// Steps that making a regular expression of a picture costs, and of each byte of it.
const PATTERN_STEPS: usize = 1000;
const PATTERN_STEPS_PER_BYTE: usize = 50;
/// Steps that matching it costs, for each byte of the text.
const TEXT_STEPS_PER_BYTE: usize = 128;
/// No timestamp in ISO 8601 is longer.
const TIMESTAMP_BYTES_MAX: usize = 1000;

/// `$now([picture[, zone]])`
pub(super) fn now(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let (picture, zone) = (e.picture_arg(args, 0)?, e.text_arg(args, 1));
    formatted(e, e.now as f64, picture, zone)
}

pub(super) fn millis(e: &mut Evaluation<'_>, _: Args) -> Result<Item> {
    Ok(Item::Number(e.now as f64))
}

pub(super) fn from_millis(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(millis) = e.number_arg(args, 0) else { return Ok(Item::Nothing) };
    let (picture, zone) = (e.picture_arg(args, 1)?, e.text_arg(args, 2));
    formatted(e, millis, picture, zone)
}

fn formatted(
    e: &mut Evaluation<'_>,
    millis: f64,
    picture: Option<String>,
    zone: Option<String>,
) -> Result<Item> {
    if millis.is_nan() || millis.abs() > MILLIS_MAX - DAY_MILLIS as f64 {
        return Err(inapplicable("fromMillis", format!("{millis} is no point in time")));
    }
    let picture =
        picture.as_deref().unwrap_or("[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]");
    let text = format::format(e, millis as i64, picture, zone.as_deref())?;
    e.string(&text)
}

pub(super) fn to_millis(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(text) = e.text_arg(args, 0) else { return Ok(Item::Nothing) };
    match e.picture_arg(args, 1)? {
        Some(picture) => {
            e.spend(PATTERN_STEPS + picture.len() * PATTERN_STEPS_PER_BYTE)?;
            e.spend(text.len().saturating_mul(TEXT_STEPS_PER_BYTE))?;
            let millis = parse::parse(&text, &picture, e.now)?;
            Ok(millis.map_or(Item::Nothing, Item::Number))
        }
        None if text.len() > TIMESTAMP_BYTES_MAX => {
            Err(QueryError::new(Code::D3110).text("value", text))
        }
        None => match parse::iso8601(&text) {
            Some(millis) => Ok(Item::Number(millis)),
            None => Err(QueryError::new(Code::D3110).text("value", text)),
        },
    }
}
