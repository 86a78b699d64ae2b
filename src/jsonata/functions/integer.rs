//! `$formatInteger` and `$parseInteger`.

use super::super::eval::{Evaluation, Result};
use super::super::item::Item;
use super::Args;
use super::picture::Picture;

pub(super) fn format_integer(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(number) = e.number_arg(args, 0) else { return Ok(Item::Nothing) };
    let picture = Picture::parse(&e.text_arg(args, 1).unwrap_or_default())?;
    let text = picture.format(e, number.floor())?;
    e.string(&text)
}

pub(super) fn parse_integer(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(text) = e.text_arg(args, 0) else { return Ok(Item::Nothing) };
    let picture = Picture::parse(&e.text_arg(args, 1).unwrap_or_default())?;
    e.spend(text.len())?;
    Ok(Item::Number(picture.read(&text)?))
}
