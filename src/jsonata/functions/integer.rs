//! `$formatInteger` and `$parseInteger`.

use super::super::eval::{Evaluation, Result};
use super::super::item::Item;
use super::Args;
use super::picture::Picture;

/// Separators of a picture that a digit is compared to in the time of a step.
const DIGITS_PER_STEP: usize = 16;

pub(super) fn format_integer(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(number) = e.number_arg(args, 0) else { return Ok(Item::Nothing) };
    let picture = Picture::parse(&e.picture_arg(args, 1)?.unwrap_or_default())?;
    let text = picture.format(e, number.floor())?;
    e.string(&text)
}

pub(super) fn parse_integer(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(text) = e.text_arg(args, 0) else { return Ok(Item::Nothing) };
    let picture = e.picture_arg(args, 1)?.unwrap_or_default();
    e.spend(text.len().saturating_mul(1 + picture.len() / DIGITS_PER_STEP))?;
    let picture = Picture::parse(&picture)?;
    Ok(Item::Number(picture.read(&text)?))
}
