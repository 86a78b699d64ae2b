//! `$formatNumber`, whose pictures are XPath's, and `$formatBase`.

use super::super::error::{Code, QueryError};
use super::super::eval::{Evaluation, Result};
use super::super::item::Item;
use super::super::number::round;
use super::Args;
use super::picture::repeat;

/// Decimal places that a number has at most.
const PLACES_MAX: usize = 400;

/// The characters that pictures and results are made of.
struct Symbols {
    decimal: char,
    grouping: char,
    exponent: char,
    minus: String,
    percent: String,
    per_mille: String,
    zero: char,
    digit: char,
    pattern: char,
}

impl Symbols {
    fn new() -> Symbols {
        Symbols {
            decimal: '.',
            grouping: ',',
            exponent: 'e',
            minus: "-".into(),
            percent: "%".into(),
            per_mille: "‰".into(),
            zero: '0',
            digit: '#',
            pattern: ';',
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        let Some(first) = value.chars().next() else { return };
        match name {
            "decimal-separator" => self.decimal = first,
            "grouping-separator" => self.grouping = first,
            "exponent-separator" => self.exponent = first,
            "minus-sign" => self.minus = value.into(),
            "percent" => self.percent = value.into(),
            "per-mille" => self.per_mille = value.into(),
            "zero-digit" => self.zero = first,
            "digit" => self.digit = first,
            "pattern-separator" => self.pattern = first,
            _ => {}
        }
    }

    fn is_decimal(&self, c: char) -> bool {
        (self.zero as u32..self.zero as u32 + 10).contains(&(c as u32))
    }

    fn is_digit(&self, c: char) -> bool {
        self.is_decimal(c) || c == self.digit
    }

    fn is_active(&self, c: char) -> bool {
        let others = [self.decimal, self.exponent, self.grouping, self.digit, self.pattern];
        self.is_decimal(c) || others.contains(&c)
    }

    fn decimals(&self, part: &[char]) -> usize {
        part.iter().filter(|c| self.is_decimal(**c)).count()
    }

    fn digits(&self, part: &[char]) -> usize {
        part.iter().filter(|c| self.is_digit(**c)).count()
    }
}

/// One of the two parts of a picture, taken apart.
struct Parts {
    whole: Vec<char>,
    prefix: String,
    suffix: String,
    active: Vec<char>,
    mantissa: Vec<char>,
    exponent: Option<Vec<char>>,
    integer: Vec<char>,
    fraction: Vec<char>,
}

impl Parts {
    fn new(text: &str, symbols: &Symbols) -> Parts {
        let whole: Vec<char> = text.chars().collect();
        let is_edge = |c: &char| symbols.is_active(*c) && *c != symbols.exponent;
        let start = whole.iter().position(is_edge).unwrap_or(0);
        let end = whole.iter().rposition(is_edge).map_or(whole.len(), |at| at + 1);
        let active = whole[start..end].to_vec();
        let at = active.iter().position(|c| *c == symbols.exponent);
        // Right behind the active part it counts as well: an exponent without digits.
        let is_bare = at.is_none() && whole.get(end) == Some(&symbols.exponent);
        let mantissa = active[..at.unwrap_or(active.len())].to_vec();
        let exponent = at.map(|at| active[at + 1..].to_vec()).or(is_bare.then(Vec::new));
        let suffix: Vec<char> = whole[end..].to_vec();
        let (integer, fraction) = match mantissa.iter().position(|c| *c == symbols.decimal) {
            Some(at) => (mantissa[..at].to_vec(), mantissa[at + 1..].to_vec()),
            None => (mantissa.clone(), suffix.clone()),
        };
        let prefix = whole[..start].iter().collect();
        let suffix = suffix.into_iter().collect();
        Parts { whole, prefix, suffix, active, mantissa, exponent, integer, fraction }
    }

    /// The last rule that is broken.
    fn check(&self, symbols: &Symbols) -> Option<Code> {
        let text: String = self.whole.iter().collect();
        let count = |c: char| self.whole.iter().filter(|found| **found == c).count();
        let percents = text.matches(&symbols.percent).count();
        let per_milles = text.matches(&symbols.per_mille).count();
        let decimal = self.whole.iter().position(|c| *c == symbols.decimal);
        let is_grouping = |at: Option<usize>| {
            at.and_then(|at| self.whole.get(at)).is_some_and(|c| *c == symbols.grouping)
        };
        let optional = self.integer.iter().position(|c| *c == symbols.digit).unwrap_or(0);
        let last_optional = self.fraction.iter().rposition(|c| *c == symbols.digit);
        let after = last_optional.map_or(&[][..], |at| &self.fraction[at..]);
        let exponent = self.exponent.as_deref();
        let rules = [
            (count(symbols.decimal) > 1, Code::D3081),
            (percents > 1, Code::D3082),
            (per_milles > 1, Code::D3083),
            (percents > 0 && per_milles > 0, Code::D3084),
            (symbols.digits(&self.mantissa) == 0, Code::D3085),
            (self.active.iter().any(|c| !symbols.is_active(*c)), Code::D3086),
            (
                decimal
                    .is_some_and(|at| is_grouping(at.checked_sub(1)) || is_grouping(Some(at + 1))),
                Code::D3087,
            ),
            (decimal.is_none() && self.integer.last() == Some(&symbols.grouping), Code::D3088),
            (self.whole.windows(2).any(|pair| pair == [symbols.grouping; 2]), Code::D3089),
            (symbols.decimals(&self.integer[..optional]) > 0, Code::D3090),
            (symbols.decimals(after) > 0, Code::D3091),
            (
                exponent.is_some_and(|part| !part.is_empty()) && percents + per_milles > 0,
                Code::D3092,
            ),
            (
                exponent.is_some_and(|part| part.is_empty() || symbols.decimals(part) < part.len()),
                Code::D3093,
            ),
        ];
        rules.into_iter().rev().find(|(is_broken, _)| *is_broken).map(|(_, code)| code)
    }

    /// The digits right of every separator of the integer part.
    fn integer_groups(&self, symbols: &Symbols) -> Vec<usize> {
        let places = self.integer.iter().enumerate().filter(|(_, c)| **c == symbols.grouping);
        places.map(|(at, _)| symbols.digits(&self.integer[at..])).collect()
    }

    /// The digits left of every separator of the fraction.
    fn fraction_groups(&self, symbols: &Symbols) -> Vec<usize> {
        let places = self.fraction.iter().enumerate().filter(|(_, c)| **c == symbols.grouping);
        places.map(|(at, _)| symbols.digits(&self.fraction[..at])).collect()
    }
}

/// How many digits a number gets.
struct Sizes {
    integer_min: usize,
    fraction_min: usize,
    fraction_max: usize,
    exponent_min: usize,
    scaling: usize,
}

impl Sizes {
    fn new(parts: &Parts, symbols: &Symbols) -> Sizes {
        let scaling = symbols.decimals(&parts.integer);
        let mut integer_min = scaling;
        let mut fraction_min = symbols.decimals(&parts.fraction);
        let mut fraction_max = symbols.digits(&parts.fraction);
        let has_exponent = parts.exponent.is_some();
        if integer_min == 0 && fraction_max == 0 {
            if has_exponent {
                (fraction_min, fraction_max) = (1, 1);
            } else {
                integer_min = 1;
            }
        }
        if has_exponent && integer_min == 0 && parts.integer.contains(&symbols.digit) {
            integer_min = 1;
        }
        if integer_min == 0 && fraction_min == 0 {
            fraction_min = 1;
        }
        let exponent_min = parts.exponent.as_ref().map_or(0, |part| symbols.decimals(part));
        let fraction_max = fraction_max.min(PLACES_MAX);
        Sizes { integer_min, fraction_min, fraction_max, exponent_min, scaling }
    }
}

pub(super) fn format_number(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(number) = e.number_arg(args, 0) else { return Ok(Item::Nothing) };
    if !number.is_finite() {
        return Err(e.error(Code::D1001, Item::Number(number)));
    }
    let picture = e.picture_arg(args, 1)?.unwrap_or_default();
    let mut symbols = Symbols::new();
    let mut fields = e.memory.fields(e.scratch, e.arg(args, 2));
    while let Some((key, value)) = e.next_field(&mut fields) {
        if let (Item::Json(key), Item::Json(value)) = (key, value) {
            e.spend(value.size_max())?;
            symbols.set(&e.scratch.str(key), &e.scratch.str(value));
        }
    }
    let parts: Vec<Parts> =
        picture.split(symbols.pattern).map(|text| Parts::new(text, &symbols)).collect();
    if parts.len() > 2 {
        return Err(QueryError::new(Code::D3080));
    }
    if let Some(code) = parts.iter().find_map(|part| part.check(&symbols)) {
        return Err(QueryError::new(code));
    }
    let (part, sign) = match (number < 0.0, parts.get(1)) {
        (false, _) => (&parts[0], ""),
        (true, Some(negative)) => (negative, ""),
        (true, None) => (&parts[0], symbols.minus.as_str()),
    };
    let text = render(part, number, &symbols);
    e.string(&format!("{sign}{}{text}{}", part.prefix, part.suffix))
}

fn render(part: &Parts, number: f64, symbols: &Symbols) -> String {
    let sizes = Sizes::new(part, symbols);
    let text: String = part.whole.iter().collect();
    let mut mantissa = number.abs();
    if text.contains(&symbols.percent) {
        mantissa *= 100.0;
    } else if text.contains(&symbols.per_mille) {
        mantissa *= 1000.0;
    }
    let mut exponent = None;
    if sizes.exponent_min > 0 {
        let (scaled, power) = scale(mantissa, sizes.scaling as i32);
        mantissa = scaled;
        exponent = Some(power);
    }
    let rounded = round(mantissa, sizes.fraction_max as f64).abs();
    let digits = format!("{rounded:.*}", sizes.fraction_max);
    let mut out = lay_out(part, &digits, &sizes, symbols);
    if let Some(power) = exponent {
        let digits = power.unsigned_abs().to_string();
        out.push(symbols.exponent);
        out.push_str(if power < 0 { &symbols.minus } else { "" });
        let missing = sizes.exponent_min.saturating_sub(digits.len());
        out.extend(std::iter::repeat_n(symbols.zero, missing));
        out.extend(digits.chars().map(|digit| localized(digit, symbols)));
    }
    out
}

/// The number with so many digits before the point, and the power of ten it was divided by.
fn scale(number: f64, digits: i32) -> (f64, i32) {
    let (least, most) = (10f64.powi(digits - 1), 10f64.powi(digits));
    let (mut mantissa, mut power) = (number, 0);
    while mantissa != 0.0 && mantissa < least {
        mantissa *= 10.0;
        power -= 1;
    }
    while mantissa > most {
        mantissa /= 10.0;
        power += 1;
    }
    (mantissa, power)
}

fn localized(digit: char, symbols: &Symbols) -> char {
    let value = digit.to_digit(10).unwrap_or(0);
    char::from_u32(symbols.zero as u32 + value).unwrap_or(digit)
}

/// The digits of a number without sign, grouped and padded.
fn lay_out(part: &Parts, digits: &str, sizes: &Sizes, symbols: &Symbols) -> String {
    let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let integer = integer.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let mut left: Vec<char> = Vec::new();
    left.extend(std::iter::repeat_n('0', sizes.integer_min.saturating_sub(integer.len())));
    left.extend(integer.chars());
    let mut right: Vec<char> = fraction.chars().collect();
    right.extend(std::iter::repeat_n('0', sizes.fraction_min.saturating_sub(fraction.len())));
    for c in left.iter_mut().chain(&mut right) {
        *c = localized(*c, symbols);
    }
    group(&mut left, &part.integer_groups(symbols), symbols.grouping);
    for at in part.fraction_groups(symbols) {
        if at <= right.len() {
            right.insert(at, symbols.grouping);
        }
    }
    let mut out: String = left.into_iter().collect();
    if part.whole.contains(&symbols.decimal) && !right.is_empty() {
        out.push(symbols.decimal);
        out.extend(right);
    }
    out
}

/// Puts separators into the integer part, counted from its right end.
fn group(digits: &mut Vec<char>, positions: &[usize], separator: char) {
    let len = digits.len();
    let places: Vec<usize> = match repeat(positions) {
        Some(every) => (1..).map(|at| at * every).take_while(|place| *place < len).collect(),
        None => positions.iter().rev().copied().filter(|place| *place <= len).collect(),
    };
    for (inserted, place) in places.iter().enumerate() {
        let at = digits.len() - place - inserted;
        digits.insert(at, separator);
    }
}

/// `$formatBase(number, radix)`: a whole number in another base.
pub(super) fn format_base(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(number) = e.number_arg(args, 0) else { return Ok(Item::Nothing) };
    let radix = e.number_arg(args, 1).map_or(10.0, |radix| round(radix, 0.0));
    if !(2.0..=36.0).contains(&radix) {
        return Err(e.error(Code::D3100, Item::Number(radix)));
    }
    if !number.is_finite() {
        return Err(e.error(Code::D1001, Item::Number(number)));
    }
    let whole = round(number, 0.0);
    let (mut rest, mut digits) = (whole.abs(), Vec::new());
    while rest >= 1.0 || digits.is_empty() {
        digits.push(char::from_digit((rest % radix) as u32, radix as u32).unwrap_or('0'));
        rest = (rest / radix).floor();
    }
    digits.extend((whole < 0.0).then_some('-'));
    e.string(&digits.iter().rev().collect::<String>())
}
