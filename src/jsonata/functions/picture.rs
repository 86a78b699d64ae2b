//! Pictures of whole numbers: `#,##0`, `w`, `I`, `a;o`.

use super::super::error::{Code, QueryError};
use super::super::eval::{Evaluation, Result};
use super::super::number::Text;
use super::words;

/// The first digits of Unicode's decimal digit groups.
const DIGIT_GROUPS: [u32; 37] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
    0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Lower,
    Title,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Primary {
    /// `a`, `A`
    Letters,
    /// `i`, `I`
    Roman,
    /// `w`, `W`, `Ww`
    Words,
    /// `#,##0`
    Decimal(Digits),
    /// Anything else: not supported.
    Sequence(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Digits {
    /// What 0 is written as.
    pub zero: u32,
    pub mandatory: usize,
    pub optional: usize,
    pub grouping: Grouping,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Grouping {
    /// The separator stands after every so many digits.
    Regular(usize, char),
    /// Separators and the digits to their right.
    Irregular(Vec<(usize, char)>),
}

/// A picture, analysed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    pub primary: Primary,
    pub case: Case,
    pub is_ordinal: bool,
    /// Digits to parse exactly.
    pub parse_width: Option<usize>,
}

impl Picture {
    pub fn parse(text: &str) -> Result<Picture> {
        let (primary, modifier) = text.rsplit_once(';').unwrap_or((text, ""));
        let (primary, case) = match primary {
            "A" => (Primary::Letters, Case::Upper),
            "a" => (Primary::Letters, Case::Lower),
            "I" => (Primary::Roman, Case::Upper),
            "i" => (Primary::Roman, Case::Lower),
            "W" => (Primary::Words, Case::Upper),
            "Ww" => (Primary::Words, Case::Title),
            "w" => (Primary::Words, Case::Lower),
            other => (digits(other)?, Case::Lower),
        };
        Ok(Picture { primary, case, is_ordinal: modifier.starts_with('o'), parse_width: None })
    }

    pub fn digits(&self) -> Option<&Digits> {
        match &self.primary {
            Primary::Decimal(digits) => Some(digits),
            _ => None,
        }
    }

    pub fn digits_mut(&mut self) -> Option<&mut Digits> {
        match &mut self.primary {
            Primary::Decimal(digits) => Some(digits),
            _ => None,
        }
    }

    fn unsupported(&self) -> QueryError {
        let Primary::Sequence(token) = &self.primary else { return QueryError::new(Code::D3130) };
        QueryError::new(Code::D3130).text("value", token.clone())
    }

    /// A whole number in this picture.
    pub fn format(&self, e: &Evaluation<'_>, number: f64) -> Result<String> {
        if !number.is_finite() {
            return Err(e.error(Code::D1001, super::Item::Number(number)));
        }
        let magnitude = number.abs();
        let text = match &self.primary {
            Primary::Letters if self.case == Case::Upper => words::letters(magnitude, 'A'),
            Primary::Letters => words::letters(magnitude, 'a'),
            Primary::Roman => {
                e.allow_string(words::roman_size(magnitude))?;
                self.cased(words::roman(magnitude))
            }
            Primary::Words => self.cased(words::words(magnitude, self.is_ordinal)),
            Primary::Decimal(digits) => {
                e.allow_string(digits.mandatory.saturating_mul(2))?;
                self.decimal(digits, magnitude)
            }
            Primary::Sequence(_) => return Err(self.unsupported()),
        };
        Ok(if number < 0.0 { format!("-{text}") } else { text })
    }

    fn cased(&self, text: String) -> String {
        match self.case {
            Case::Upper => text.to_uppercase(),
            Case::Lower => text.to_lowercase(),
            Case::Title => text,
        }
    }

    fn decimal(&self, digits: &Digits, number: f64) -> String {
        let plain = Text::of(number);
        let missing = digits.mandatory.saturating_sub(plain.as_str().len());
        let padded = std::iter::repeat_n('0', missing).chain(plain.as_str().chars());
        let shift = |c: char| char::from_u32(c as u32 + digits.zero - 0x30).unwrap_or(c);
        let mut text: Vec<char> = padded.map(shift).collect();
        match &digits.grouping {
            Grouping::Regular(every, separator) => {
                for group in (1..=(text.len() - 1) / every).rev() {
                    text.insert(text.len() - group * every, *separator);
                }
            }
            Grouping::Irregular(separators) => {
                for (position, separator) in separators.iter().rev() {
                    if *position <= text.len() {
                        text.insert(text.len() - position, *separator);
                    }
                }
            }
        }
        if self.is_ordinal {
            text.extend(ordinal_suffix(&text).chars());
        }
        text.into_iter().collect()
    }

    /// The number that `text` spells in this picture; not a number, if it spells none.
    pub fn read(&self, text: &str) -> Result<f64> {
        let is_upper = self.case == Case::Upper;
        Ok(match &self.primary {
            Primary::Letters => words::from_letters(text, if is_upper { 'A' } else { 'a' }),
            Primary::Roman if is_upper => words::from_roman(text),
            Primary::Roman => words::from_roman(&text.to_uppercase()),
            Primary::Words => words::number(&text.to_lowercase()),
            Primary::Decimal(digits) => self.read_digits(digits, text),
            Primary::Sequence(_) => return Err(self.unsupported()),
        })
    }

    fn read_digits(&self, digits: &Digits, text: &str) -> f64 {
        let mut rest: Vec<char> = text.chars().collect();
        if self.is_ordinal {
            rest.truncate(rest.len().saturating_sub(2));
        }
        let is_separator = |c: char| match &digits.grouping {
            Grouping::Regular(..) => c == ',',
            Grouping::Irregular(separators) => separators.iter().any(|known| known.1 == c),
        };
        let unshift = |c: char| (c as u32 + 0x30).checked_sub(digits.zero).and_then(char::from_u32);
        let plain: String =
            rest.into_iter().filter(|c| !is_separator(*c)).filter_map(unshift).collect();
        leading_integer(&plain)
    }

    /// A regular expression for what [`Picture::read`] understands.
    pub fn pattern(&self) -> Result<String> {
        let is_upper = self.case == Case::Upper;
        Ok(match &self.primary {
            Primary::Letters => if is_upper { "[A-Z]+" } else { "[a-z]+" }.into(),
            Primary::Roman => if is_upper { "[MDCLXVI]+" } else { "[mdclxvi]+" }.into(),
            Primary::Words => words::words_pattern(),
            Primary::Decimal(_) => {
                let count = self.parse_width.map_or("+".into(), |width| format!("{{{width}}}"));
                let suffix = if self.is_ordinal { "(?:th|st|nd|rd)" } else { "" };
                format!("[0-9]{count}{suffix}")
            }
            Primary::Sequence(_) => return Err(self.unsupported()),
        })
    }
}

/// The integer a text begins with, as JavaScript's `parseInt` reads it.
pub(super) fn leading_integer(text: &str) -> f64 {
    let text = text.trim_start();
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    text[..sign + digits].trim_start_matches('+').parse().unwrap_or(f64::NAN)
}

fn ordinal_suffix(text: &[char]) -> &'static str {
    let is_teen = text.len() > 1 && text[text.len() - 2] == '1';
    match text.last() {
        Some('1') if !is_teen => "st",
        Some('2') if !is_teen => "nd",
        Some('3') if !is_teen => "rd",
        _ => "th",
    }
}

/// The picture of decimal digits, read from the right.
fn digits(text: &str) -> Result<Primary> {
    let (mut zero, mut mandatory, mut optional) = (None, 0, 0);
    let mut separators: Vec<(usize, char)> = Vec::new();
    for c in text.chars().rev() {
        let code = c as u32;
        let group = DIGIT_GROUPS.iter().find(|group| (**group..**group + 10).contains(&code));
        match group {
            Some(group) if *zero.get_or_insert(*group) != *group => {
                return Err(QueryError::new(Code::D3131));
            }
            Some(_) => mandatory += 1,
            None if c == '#' => optional += 1,
            None => separators.push((mandatory + optional, c)),
        }
    }
    let Some(zero) = zero else { return Ok(Primary::Sequence(text.into())) };
    let grouping = match regular(&separators) {
        Some((every, separator)) => Grouping::Regular(every, separator),
        None => Grouping::Irregular(separators),
    };
    Ok(Primary::Decimal(Digits { zero, mandatory, optional, grouping }))
}

/// The distance of separators that are the same and equally far apart.
fn regular(separators: &[(usize, char)]) -> Option<(usize, char)> {
    let separator = separators.first()?.1;
    let positions: Vec<usize> = separators.iter().map(|known| known.0).collect();
    let factor = repeat(&positions)?;
    separators.iter().all(|known| known.1 == separator).then_some((factor, separator))
}

/// The number of which the positions are all the first multiples.
pub(super) fn repeat(positions: &[usize]) -> Option<usize> {
    let gcd = |a: usize, b: usize| {
        let (mut a, mut b) = (a, b);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let factor = positions.iter().copied().reduce(gcd).filter(|factor| *factor > 0)?;
    (1..=positions.len()).all(|at| positions.contains(&(at * factor))).then_some(factor)
}
