//! Regular expressions. Matching takes linear time, whatever the text; so back references and
//! look-around are refused. The syntax is JavaScript's, of which the rest is translated.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use super::error::{Code, QueryError};

/// Bytes that a compiled pattern may take, and the steps that a byte of text costs in one that is no
/// larger: matching takes time in proportion to both.
const SIZES: [(usize, usize); 4] = [(2 << 10, 2), (8 << 10, 8), (32 << 10, 32), (128 << 10, 128)];
/// Bytes behind a match that are looked at in the time that finding one takes: a pattern that
/// repeats may look at all the rest of the text before it settles.
const AHEAD: usize = 256;
/// Groups within groups in a pattern.
const NESTING_MAX: u32 = 64;

const WORD: &str = "0-9A-Za-z_";

/// A compiled pattern, and what matching costs.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub regex: Regex,
    steps_per_byte: usize,
    /// Holds no repetition without end.
    is_bounded: bool,
}

impl Pattern {
    /// Steps that a search over so many bytes costs.
    pub fn steps(&self, bytes: usize) -> usize {
        1 + bytes.saturating_mul(self.steps_per_byte)
    }

    /// Steps that a search may cost beside, with so many bytes left.
    pub fn steps_ahead(&self, left: usize) -> usize {
        if self.is_bounded { 0 } else { left / AHEAD * self.steps_per_byte }
    }
}

/// Compiles a pattern in JavaScript's syntax.
pub(super) fn compile(pattern: &str, flags: &str) -> Result<Pattern, QueryError> {
    let refuse =
        |why: String| QueryError::new(Code::S0303).text("value", pattern).text("message", why);
    let mut translator =
        Translator { rest: pattern.chars().peekable(), out: String::new(), is_bounded: true };
    translator.run().map_err(|why| refuse(why.into()))?;
    let mut builder = RegexBuilder::new(&translator.out);
    builder
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .nest_limit(NESTING_MAX);
    let mut why = String::new();
    for (size, steps_per_byte) in SIZES {
        match builder.size_limit(size).build() {
            Ok(regex) => {
                let is_bounded = translator.is_bounded;
                return Ok(Pattern { regex, steps_per_byte, is_bounded });
            }
            Err(e @ regex::Error::CompiledTooBig(_)) => why = last_line(&e.to_string()),
            Err(e) => return Err(refuse(last_line(&e.to_string()))),
        }
    }
    Err(refuse(why))
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_string()
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    is_bounded: bool,
}

type Done = Result<(), &'static str>;

impl Translator<'_> {
    fn run(&mut self) -> Done {
        while let Some(c) = self.rest.next() {
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                '.' => self.out.push_str(r"[^\n\r\x{2028}\x{2029}]"),
                '{' => self.brace(),
                '}' | ']' => self.literal(c),
                '*' | '+' => {
                    self.is_bounded = false;
                    self.out.push(c);
                }
                _ => self.out.push(c),
            }
        }
        Ok(())
    }

    fn literal(&mut self, c: char) {
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }

    fn group(&mut self) -> Done {
        self.out.push('(');
        let mut ahead = self.rest.clone();
        if ahead.next() == Some('?') {
            match (ahead.next(), ahead.next()) {
                (Some('=' | '!'), _) | (Some('<'), Some('=' | '!')) => {
                    return Err("look-around can't be matched in linear time");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A `{` that begins no quantifier stands for itself.
    fn brace(&mut self) {
        let ahead: String = self.rest.clone().take_while(|c| *c != '}').collect();
        let is_closed = self.rest.clone().any(|c| c == '}');
        let mut bounds = ahead.splitn(2, ',');
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let first = bounds.next().unwrap_or_default();
        let is_quantifier =
            !first.is_empty() && is_number(first) && bounds.next().is_none_or(is_number);
        match is_closed && is_quantifier {
            true => {
                self.is_bounded &= !ahead.ends_with(',');
                self.out.push('{');
                self.out.push_str(&ahead);
                self.out.push('}');
                self.rest.nth(ahead.len());
            }
            false => self.literal('{'),
        }
    }

    fn escape(&mut self) -> Done {
        let Some(c) = self.rest.next() else { return Err("it ends in a backslash") };
        match c {
            'd' => self.out.push_str("[0-9]"),
            'D' => self.out.push_str("[^0-9]"),
            'w' => self.out.push_str("[0-9A-Za-z_]"),
            'W' => self.out.push_str("[^0-9A-Za-z_]"),
            'b' => self.out.push_str(r"(?-u:\b)"),
            'B' => self.out.push_str(r"(?-u:\B)"),
            's' | 'S' => self.out.extend(['\\', c]),
            '1'..='9' | 'k' => return Err("back references can't be matched in linear time"),
            _ => {
                let c = self.character(c);
                self.literal(c);
            }
        }
        Ok(())
    }

    /// The character that an escape stands for.
    fn character(&mut self, c: char) -> char {
        match c {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'v' => '\u{b}',
            'f' => '\u{c}',
            '0' => '\0',
            'u' => self.hexadecimal(4).unwrap_or('u'),
            'x' => self.hexadecimal(2).unwrap_or('x'),
            _ => c,
        }
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<char> {
        let text: String = self.rest.clone().take(digits).collect();
        let is_hex = text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
        let code = is_hex.then(|| u32::from_str_radix(&text, 16).ok()).flatten()?;
        self.rest.nth(digits - 1);
        char::from_u32(code)
    }

    fn class(&mut self) -> Done {
        let is_negated = self.rest.next_if_eq(&'^').is_some();
        if self.rest.next_if_eq(&']').is_some() {
            // `[^]` matches everything, `[]` nothing.
            self.out.push_str(if is_negated { r"(?s:.)" } else { r"[^\s\S]" });
            return Ok(());
        }
        self.out.push_str(if is_negated { "[^" } else { "[" });
        let mut after_set = true;
        while let Some(c) = self.rest.next() {
            let next = self.rest.peek().copied();
            let before_set = next == Some(']') || next == Some('\\') && self.set_follows();
            match c {
                ']' => {
                    self.out.push(']');
                    return Ok(());
                }
                '-' if after_set || before_set => self.out.push_str(r"\-"),
                '-' => {
                    self.out.push('-');
                    continue;
                }
                '\\' => {
                    after_set = self.class_escape();
                    continue;
                }
                '[' | '&' | '~' | '^' => self.out.extend(['\\', c]),
                _ => self.out.push(c),
            }
            after_set = false;
        }
        Err("a class of characters isn't closed")
    }

    /// Does an escape for a set of characters come next?
    fn set_follows(&self) -> bool {
        matches!(self.rest.clone().nth(1), Some('d' | 'D' | 'w' | 'W' | 's' | 'S'))
    }

    /// An escape within a class; does it stand for a set of characters?
    fn class_escape(&mut self) -> bool {
        let Some(c) = self.rest.next() else { return false };
        match c {
            'd' => self.out.push_str("0-9"),
            'D' => self.out.push_str("[^0-9]"),
            'w' => self.out.push_str(WORD),
            'W' => self.out.push_str("[^0-9A-Za-z_]"),
            's' | 'S' => self.out.extend(['\\', c]),
            _ => {
                let c = if c == 'b' { '\u{8}' } else { self.character(c) };
                self.literal(c);
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javascript_syntax_is_translated() {
        for (pattern, text, is_match) in [
            (r"^\d+$", "٣", false),
            (r"a\/b", "a/b", true),
            (r"[\w-.]+@", "a-b.c@", true),
            (r"[[a&&b]", "&", true),
            (r"x{", "x{", true),
            (r"x{2,3}y", "xxy", true),
            (r"\u0041\x42", "AB", true),
            (r"a.b", "a\rb", false),
            (r"[^]", "\n", true),
            (r"\bfoo\b", "a foo", true),
            (r"(?<year>\d{4})", "in 2024", true),
        ] {
            let regex = compile(pattern, "").expect(pattern);
            assert_eq!(regex.regex.is_match(text), is_match, "{pattern} {text}");
        }
        assert!(compile("ABC", "i").is_ok_and(|pattern| pattern.regex.is_match("abc")));
    }

    #[test]
    fn what_takes_more_than_linear_time_is_refused() {
        for pattern in [r"(a)\1", "(?=a)", "(?<!a)b", "(", "[a", "a{9999}{9999}"] {
            let code = compile(pattern, "").map_err(|e| e.code());
            assert_eq!(code.err(), Some(Code::S0303), "{pattern}");
        }
    }
}
