//! Numbers: sums, extremes, rounding, conversion.

use super::super::error::Code;
use super::super::eval::{Evaluation, Result};
use super::super::item::Item;
use super::super::number as decimal;
use super::Args;

impl Evaluation<'_> {
    /// Folds the numbers of the first argument; nothing, if it is nothing.
    fn fold(
        &mut self,
        args: Args,
        start: f64,
        mut with: impl FnMut(f64, f64) -> f64,
    ) -> Result<Option<(f64, usize)>> {
        let array = self.arg(args, 0);
        if array.is_nothing() {
            return Ok(None);
        }
        if let Item::List(list) = array
            && !Self::is_range(array)
        {
            self.spend(list.len as usize)?;
            let items = &self.memory.items[list.start as usize..][..list.len as usize];
            let numbers = items.iter().map(|item| self.number(*item).unwrap_or(f64::NAN));
            return Ok(Some((numbers.fold(start, with), items.len())));
        }
        let mut walk = self.walk(array);
        let (mut result, mut count) = (start, 0);
        while let Some(item) = self.next(&mut walk) {
            result = with(result, self.number(item).unwrap_or(f64::NAN));
            count += 1;
        }
        Ok(Some((result, count)))
    }

    fn map_number(&self, args: Args, with: impl Fn(f64) -> f64) -> Result<Item> {
        Ok(self.number_arg(args, 0).map_or(Item::Nothing, |number| Item::Number(with(number))))
    }
}

pub(super) fn sum(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let sum = e.fold(args, 0.0, |sum, number| sum + number)?;
    Ok(sum.map_or(Item::Nothing, |(sum, _)| Item::Number(sum)))
}

pub(super) fn max(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    extreme(e, args, f64::NEG_INFINITY, f64::max)
}

pub(super) fn min(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    extreme(e, args, f64::INFINITY, f64::min)
}

fn extreme(
    e: &mut Evaluation<'_>,
    args: Args,
    start: f64,
    with: fn(f64, f64) -> f64,
) -> Result<Item> {
    let found = e.fold(args, start, with)?;
    Ok(found.filter(|(_, count)| *count > 0).map_or(Item::Nothing, |(it, _)| Item::Number(it)))
}

pub(super) fn average(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let sum = e.fold(args, 0.0, |sum, number| sum + number)?;
    let sum = sum.filter(|(_, count)| *count > 0);
    Ok(sum.map_or(Item::Nothing, |(sum, count)| Item::Number(sum / count as f64)))
}

pub(super) fn floor(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    e.map_number(args, f64::floor)
}

pub(super) fn ceil(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    e.map_number(args, f64::ceil)
}

pub(super) fn abs(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    e.map_number(args, f64::abs)
}

pub(super) fn round(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let places = e.number_arg(args, 1).unwrap_or(0.0);
    e.map_number(args, |number| decimal::round(number, places))
}

pub(super) fn sqrt(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    match e.number_arg(args, 0) {
        Some(number) if number < 0.0 => {
            Err(e.error(Code::D3060, Item::Number(number)).json("index", 1))
        }
        _ => e.map_number(args, f64::sqrt),
    }
}

pub(super) fn power(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(base) = e.number_arg(args, 0) else { return Ok(Item::Nothing) };
    let exponent = e.number_arg(args, 1).unwrap_or(f64::NAN);
    // Not even 1 has a power that is no number, as JavaScript sees it.
    let result = if exponent.is_finite() { base.powf(exponent) } else { f64::NAN };
    if !result.is_finite() {
        let error = e.error(Code::D3061, Item::Number(base)).json("index", 1);
        return Err(error.json("exp", e.excerpt(Item::Number(exponent))));
    }
    Ok(Item::Number(result))
}

/// `$number`: of a string, what JSON or `0x`, `0o`, `0b` spells.
pub(super) fn number(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let arg = e.arg(args, 0);
    match arg {
        Item::Nothing | Item::Number(_) => return Ok(arg),
        Item::Json(value) if arg.is_number() => return Ok(Item::Json(value)),
        Item::Json(value) => {
            if let Some(truth) = value.as_bool() {
                return Ok(Item::Number(f64::from(u8::from(truth))));
            }
            if arg.is_string()
                && let Some(number) = parse(&e.scratch.str(value))
            {
                return Ok(Item::Number(number));
            }
        }
        _ => {}
    }
    Err(e.error(Code::D3030, arg).json("index", 1))
}

fn parse(text: &str) -> Option<f64> {
    for (prefixes, radix) in [(["0x", "0X"], 16), (["0o", "0O"], 8), (["0b", "0B"], 2)] {
        if let Some(digits) = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)) {
            return from_radix(digits, radix);
        }
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.find(|c: char| !c.is_ascii_digit()) {
        Some(end) => digits.split_at(end),
        None => (digits, ""),
    };
    let is_spelled = !whole.is_empty() && is_fraction(fraction);
    is_spelled.then(|| text.parse().ok()).flatten().filter(|number: &f64| number.is_finite())
}

/// `.5e-3`, either part or none.
fn is_fraction(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (decimals, exponent) = match text.split_once(['e', 'E']) {
        Some((decimals, exponent)) => (decimals, Some(exponent)),
        None => (text, None),
    };
    let is_exponent =
        exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)));
    is_exponent && (decimals.is_empty() || decimals.strip_prefix('.').is_some_and(digits))
}

fn from_radix(digits: &str, radix: u32) -> Option<f64> {
    let sum = digits
        .chars()
        .try_fold(0.0, |sum, c| Some(sum * f64::from(radix) + f64::from(c.to_digit(radix)?)));
    sum.filter(|_| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_that_spell_numbers() {
        for (text, number) in [
            ("12", Some(12.0)),
            ("-1.5e+2", Some(-150.0)),
            ("007", Some(7.0)),
            ("0x1F", Some(31.0)),
            ("0b101", Some(5.0)),
            ("0o17", Some(15.0)),
            ("", None),
            (".5", None),
            ("1.", None),
            ("1e", None),
            ("1e400", None),
            ("0xg", None),
            (" 1", None),
            ("inf", None),
        ] {
            assert_eq!(parse(text), number, "{text:?}");
        }
    }
}
