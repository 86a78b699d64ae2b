//! JSON's numbers and strings.

use crate::asl::source::builder::Broken;
use crate::asl::source::json::Reader;

impl Reader<'_, '_> {
    pub(super) fn number(&mut self) -> Result<String, Broken> {
        let mut text = String::new();
        self.take_if('-', &mut text);
        if self.peek() == Some('0') {
            self.take_if('0', &mut text);
            if let Some(digit @ '0'..='9') = self.peek() {
                return Err(self.unexpected(Some(digit), "no digit after a leading 0"));
            }
        } else {
            self.digits(&mut text)?;
        }
        if self.take_if('.', &mut text) {
            self.digits(&mut text)?;
        }
        if self.take_if('e', &mut text) || self.take_if('E', &mut text) {
            let _ = self.take_if('+', &mut text) || self.take_if('-', &mut text);
            self.digits(&mut text)?;
        }
        Ok(text)
    }

    fn take_if(&mut self, wanted: char, text: &mut String) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            text.push(wanted);
            self.next();
        }
        found
    }

    fn digits(&mut self, text: &mut String) -> Result<(), Broken> {
        let before = text.len();
        while let Some(digit @ '0'..='9') = self.peek() {
            text.push(digit);
            self.next();
        }
        if text.len() > before {
            return Ok(());
        }
        let found = self.peek();
        Err(self.unexpected(found, "a digit"))
    }

    pub(super) fn string(&mut self) -> Result<String, Broken> {
        self.next();
        let mut text = String::new();
        loop {
            match self.peek() {
                Some('"') => break,
                Some('\\') => text.push(self.escape()?),
                Some('\u{0}'..='\u{1f}') => {
                    let message = "A string is not closed on its line; end it with '\"', or write \
                                   \\n for a line break and \\t for a tab.";
                    return Err(self.broken(message.to_owned()));
                }
                Some(character) => {
                    text.push(character);
                    self.next();
                }
                None => return Err(self.unexpected(None, "'\"' at the string's end")),
            }
        }
        self.next();
        Ok(text)
    }

    fn escape(&mut self) -> Result<char, Broken> {
        self.next();
        let character = match self.peek() {
            Some(same @ ('"' | '\\' | '/')) => same,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => return self.unicode_escape(),
            other => return Err(self.unexpected(other, "one of \" \\ / b f n r t u after '\\'")),
        };
        self.next();
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char, Broken> {
        let first = self.four_digits()?;
        let code = match first {
            0xD800..=0xDBFF if self.peek() == Some('\\') => {
                self.next();
                let second = if self.peek() == Some('u') { self.four_digits()? } else { 0 };
                match second {
                    0xDC00..=0xDFFF => 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                    _ => first,
                }
            }
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| {
            self.broken(format!("\\u{first:04x} is half of a surrogate pair; write both halves."))
        })
    }

    fn four_digits(&mut self) -> Result<u32, Broken> {
        self.next();
        let mut code = 0;
        for _ in 0..4 {
            let found = self.peek();
            let Some(digit) = found.and_then(|digit| digit.to_digit(16)) else {
                return Err(self.unexpected(found, "four hexadecimal digits after \\u"));
            };
            code = code * 16 + digit;
            self.next();
        }
        Ok(code)
    }
}
