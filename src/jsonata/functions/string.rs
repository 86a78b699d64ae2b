//! Strings: parts, case, padding, joining.

use super::super::eval::{Evaluation, Result};
use super::super::item::Item;
use super::Args;

/// `$string`
pub(super) fn string(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let arg = e.arg(args, 0);
    let is_pretty = matches!(e.arg(args, 1), Item::Json(it) if it.as_bool() == Some(true));
    match arg {
        Item::Nothing => Ok(arg),
        _ if is_pretty && (arg.is_array() || arg.is_object()) => {
            let mut text = Vec::new();
            e.write(e.context(arg), Some(0), &mut text)?;
            e.text(&text)
        }
        _ => e.stringify(arg),
    }
}

impl Evaluation<'_> {
    /// Replaces the first argument, a string, by what `with` makes of it.
    fn map_text(&mut self, args: Args, with: impl Fn(&str) -> String) -> Result<Item> {
        match self.text_arg(args, 0) {
            Some(text) => {
                let text = with(&text);
                self.string(&text)
            }
            None => Ok(Item::Nothing),
        }
    }
}

/// How many characters of `text` an index from its start or end stands for.
fn offset(index: f64, len: usize) -> usize {
    let index = if index.is_nan() { 0.0 } else { index.trunc() };
    let index = if index < 0.0 { index + len as f64 } else { index };
    index.clamp(0.0, len as f64) as usize
}

/// The characters from `start` up to `end`.
fn slice(text: &str, start: usize, end: usize) -> &str {
    let mut places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let from = places.nth(start).unwrap_or(text.len());
    let to = match end > start {
        true => places.nth(end - start - 1).unwrap_or(text.len()),
        false => from,
    };
    &text[from..to]
}

pub(super) fn substring(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let start = e.number_arg(args, 1).unwrap_or(0.0);
    let length = e.number_arg(args, 2);
    e.map_text(args, |text| {
        let len = text.chars().count();
        let start = if len as f64 + start < 0.0 { 0.0 } else { start };
        let end = match length {
            Some(length) if length <= 0.0 => return String::new(),
            Some(length) if start >= 0.0 => offset((start + length).max(0.0), len),
            Some(length) => offset((len as f64 + start + length).max(0.0), len),
            None => len,
        };
        slice(text, offset(start, len), end).to_string()
    })
}

pub(super) fn substring_before(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let mark = e.text_arg(args, 1);
    e.map_text(args, |text| {
        let found = mark.as_ref().and_then(|mark| text.split_once(mark.as_str()));
        found.map_or(text, |(before, _)| before).to_string()
    })
}

pub(super) fn substring_after(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let mark = e.text_arg(args, 1);
    e.map_text(args, |text| {
        let found = mark.as_ref().and_then(|mark| text.split_once(mark.as_str()));
        found.map_or(text, |(_, after)| after).to_string()
    })
}

pub(super) fn lowercase(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    e.map_text(args, str::to_lowercase)
}

pub(super) fn uppercase(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    e.map_text(args, str::to_uppercase)
}

pub(super) fn length(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    match e.arg(args, 0) {
        Item::Json(value) => {
            e.tick_bytes(value.size_max());
            Ok(Item::Number(e.scratch.str(value).chars().count() as f64))
        }
        _ => Ok(Item::Nothing),
    }
}

/// `$trim`: runs of white space become one space, none at either end.
pub(super) fn trim(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    e.map_text(args, |text| {
        let words = text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
    })
}

pub(super) fn pad(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(text) = e.text_arg(args, 0) else { return Ok(Item::Nothing) };
    let width = e.number_arg(args, 1).unwrap_or(0.0);
    let with = e.text_arg(args, 2).filter(|with| !with.is_empty()).unwrap_or_else(|| " ".into());
    let missing = width.abs() - text.chars().count() as f64;
    if missing < 1.0 || missing.is_nan() {
        return Ok(e.arg(args, 0));
    }
    // As many bytes as characters at least: a width that no string may have ends here.
    let missing = missing.min(usize::MAX as f64) as usize;
    e.allow_string(text.len().saturating_add(missing))?;
    e.spend(missing)?;
    let padding: String = with.chars().cycle().take(missing).collect();
    let padded = if width > 0.0 { text + &padding } else { padding + &text };
    e.string(&padded)
}

pub(super) fn join(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let array = e.arg(args, 0);
    if array.is_nothing() {
        return Ok(array);
    }
    let separator = e.text_arg(args, 1).unwrap_or_default();
    let separator_size = e.text_size(e.arg(args, 1));
    let mut walk = e.walk(array);
    let mut size: usize = 0;
    while let Some(item) = e.next(&mut walk) {
        size = size.saturating_add(e.text_size(item) + separator_size);
    }
    e.allow_string(size)?;
    e.tick_bytes(size);
    let mut walk = e.walk(array);
    let open = e.scratch.open_string();
    let mut is_first = true;
    while let Some(item) = e.next(&mut walk) {
        if !std::mem::take(&mut is_first) {
            e.scratch.push_plain(&separator);
        }
        if let Item::Json(value) = item {
            e.scratch.push_scalar(value);
        }
    }
    Ok(Item::Json(e.scratch.close_string(open)))
}
