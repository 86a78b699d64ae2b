//! Numbers as English words, Roman numerals and letters, and back.

const UNITS: [&str; 20] = [
    "Zero",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
    "Thirteen",
    "Fourteen",
    "Fifteen",
    "Sixteen",
    "Seventeen",
    "Eighteen",
    "Nineteen",
];
const ORDINALS: [&str; 20] = [
    "Zeroth",
    "First",
    "Second",
    "Third",
    "Fourth",
    "Fifth",
    "Sixth",
    "Seventh",
    "Eighth",
    "Ninth",
    "Tenth",
    "Eleventh",
    "Twelfth",
    "Thirteenth",
    "Fourteenth",
    "Fifteenth",
    "Sixteenth",
    "Seventeenth",
    "Eighteenth",
    "Nineteenth",
];
const TENS: [&str; 9] =
    ["Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety", "Hundred"];
const MAGNITUDES: [&str; 4] = ["Thousand", "Million", "Billion", "Trillion"];

const ROMAN: [(f64, &str); 13] = [
    (1000.0, "m"),
    (900.0, "cm"),
    (500.0, "d"),
    (400.0, "cd"),
    (100.0, "c"),
    (90.0, "xc"),
    (50.0, "l"),
    (40.0, "xl"),
    (10.0, "x"),
    (9.0, "ix"),
    (5.0, "v"),
    (4.0, "iv"),
    (1.0, "i"),
];

/// A whole number that is not negative, in words.
pub(super) fn words(number: f64, is_ordinal: bool) -> String {
    let mut out = String::new();
    say(number, false, is_ordinal, &mut out);
    out
}

fn say(number: f64, follows: bool, is_ordinal: bool, out: &mut String) {
    if number < 100.0 {
        out.push_str(if follows { " and " } else { "" });
        return say_tens(number as usize, is_ordinal, out);
    }
    out.push_str(if follows { ", " } else { "" });
    let rest = if number < 1000.0 {
        out.push_str(UNITS[(number / 100.0) as usize]);
        out.push_str(" Hundred");
        number % 100.0
    } else {
        // There is no word beyond the last: a thousand trillion is said as that.
        let magnitude = ((number.log10() / 3.0).floor() as usize).clamp(1, MAGNITUDES.len());
        let factor = 1000f64.powi(magnitude as i32);
        let count = (number / factor).floor();
        say(count, false, false, out);
        out.push(' ');
        out.push_str(MAGNITUDES[magnitude - 1]);
        number - count * factor
    };
    if rest > 0.0 {
        say(rest, true, is_ordinal, out);
    } else if is_ordinal {
        out.push_str("th");
    }
}

fn say_tens(number: usize, is_ordinal: bool, out: &mut String) {
    let names = if is_ordinal { &ORDINALS } else { &UNITS };
    if number < 20 {
        return out.push_str(names[number]);
    }
    let tens = TENS[number / 10 - 2];
    match (number % 10, is_ordinal) {
        (0, false) => out.push_str(tens),
        (0, true) => {
            out.push_str(&tens[..tens.len() - 1]);
            out.push_str("ieth");
        }
        (rest, _) => {
            out.push_str(tens);
            out.push('-');
            out.push_str(names[rest]);
        }
    }
}

/// The number that words in lower case say; not a number, if they say none.
pub(super) fn number(text: &str) -> f64 {
    let mut segments = vec![0.0];
    for word in split(text) {
        let value = word_value(word);
        let last: f64 = segments.pop().unwrap_or(0.0);
        match value {
            Some(value) if value < 100.0 && last >= 1000.0 => segments.extend([last, value]),
            Some(value) if value < 100.0 => segments.push(last + value),
            value => segments.push(last * value.unwrap_or(f64::NAN)),
        }
    }
    segments.iter().sum()
}

/// Words are separated by a comma and a space, ` and `, a space, or a hyphen.
fn split(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        let separator = rest.char_indices().find_map(|(at, c)| {
            let after = &rest[at..];
            let len = match c {
                ',' if after[1..].starts_with(char::is_whitespace) => 2,
                _ if c.is_whitespace() && after[c.len_utf8()..].starts_with("and ") => 5,
                _ if c.is_whitespace() || c == '-' || c == '\\' => c.len_utf8(),
                _ => return None,
            };
            Some((at, at + len))
        });
        let Some((at, next)) = separator.filter(|(_, next)| rest.is_char_boundary(*next)) else {
            words.push(rest);
            return words;
        };
        words.push(&rest[..at]);
        rest = &rest[next..];
    }
}

fn word_value(word: &str) -> Option<f64> {
    let place = |names: &[&str]| names.iter().position(|name| name.eq_ignore_ascii_case(word));
    if let Some(at) = place(&UNITS).or_else(|| place(&ORDINALS)) {
        return Some(at as f64);
    }
    let tens = word.strip_suffix("ieth").map(|stem| format!("{stem}y"));
    let tens = tens.as_deref().unwrap_or(word);
    if let Some(at) = TENS.iter().position(|name| name.eq_ignore_ascii_case(tens)) {
        return Some((at as f64 + 2.0) * 10.0);
    }
    let cardinal = word.strip_suffix("th").unwrap_or(word);
    if cardinal.eq_ignore_ascii_case("hundred") {
        return Some(100.0);
    }
    let at = MAGNITUDES.iter().position(|name| name.eq_ignore_ascii_case(cardinal))?;
    Some(1000f64.powi(at as i32 + 1))
}

/// All words that a number may be spelled with, as a regular expression.
pub(super) fn words_pattern() -> String {
    let ties: Vec<String> =
        TENS.iter().map(|name| format!("{}ieth", &name[..name.len() - 1])).collect();
    let ths: Vec<String> = MAGNITUDES.iter().map(|name| format!("{name}th")).collect();
    let mut all: Vec<&str> = Vec::new();
    // The longer ones first, so that none is cut short.
    all.extend(ORDINALS.iter().chain(ties.iter().map(String::as_str).collect::<Vec<_>>().iter()));
    all.extend(ths.iter().map(String::as_str));
    all.push("Hundredth");
    all.extend(UNITS.iter().rev());
    all.extend(TENS.iter().chain(&MAGNITUDES));
    format!("(?:{}|and|[\\-, ])+", all.join("|"))
}

/// A Roman numeral in lower case.
pub(super) fn roman(number: f64) -> String {
    let (mut rest, mut out) = (number, String::new());
    for (value, letters) in ROMAN {
        let count = (rest / value).floor();
        out.push_str(&letters.repeat(count as usize));
        rest -= count * value;
    }
    out
}

/// How many letters [`roman`] would take at most.
pub(super) fn roman_size(number: f64) -> usize {
    ((number / 1000.0) as usize).saturating_add(16)
}

/// The number a Roman numeral in upper case says.
pub(super) fn from_roman(text: &str) -> f64 {
    let (mut sum, mut most) = (0.0, 1.0);
    for letter in text.chars().rev() {
        let value = match letter {
            'M' => 1000.0,
            'D' => 500.0,
            'C' => 100.0,
            'L' => 50.0,
            'X' => 10.0,
            'V' => 5.0,
            'I' => 1.0,
            _ => f64::NAN,
        };
        if value < most {
            sum -= value;
        } else {
            most = value;
            sum += value;
        }
    }
    sum
}

/// `a` to `z`, then `aa`.
pub(super) fn letters(number: f64, first: char) -> String {
    let (mut rest, mut out) = (number, Vec::new());
    while rest > 0.0 {
        let letter = ((rest - 1.0) % 26.0) as u8;
        out.push(char::from(first as u8 + letter));
        rest = ((rest - 1.0) / 26.0).floor();
    }
    out.iter().rev().collect()
}

pub(super) fn from_letters(text: &str, first: char) -> f64 {
    let values = text.encode_utf16().map(|unit| f64::from(unit) - f64::from(first as u32) + 1.0);
    values.fold(0.0, |sum, value| sum * 26.0 + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_there_and_back() {
        for (value, text) in [
            (0.0, "Zero"),
            (21.0, "Twenty-One"),
            (342.0, "Three Hundred and Forty-Two"),
            (1_003_010.0, "One Million, Three Thousand and Ten"),
        ] {
            assert_eq!(words(value, false), text);
            assert_eq!(number(&text.to_lowercase()), value);
        }
        assert_eq!(words(1_000_020.0, true), "One Million and Twentieth");
        assert_eq!(number("twenty-first"), 21.0);
        assert_eq!(words(1e15, false), "One Thousand Trillion");
        assert!(number("foo").is_nan());
    }

    #[test]
    fn numerals_there_and_back() {
        assert_eq!((roman(1999.0), from_roman("MCMXCIX")), ("mcmxcix".into(), 1999.0));
        assert_eq!((letters(28.0, 'a'), from_letters("ab", 'a')), ("ab".into(), 28.0));
    }
}
