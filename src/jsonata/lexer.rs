//! Text to tokens.

use super::error::{Code, QueryError};

/// A token, and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: TokenKind,
    pub at: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// The end of the text.
    End,
    /// `name`, `` `any name` ``
    Name(String),
    /// `$name`
    Variable(String),
    /// `+`, `and`
    Operator(&'static str),
    /// `"text"`
    String(String),
    /// `1.5`
    Number(f64),
    /// `true`, `false`
    Bool(bool),
    /// `null`
    Null,
    /// `/a+/i`
    Regex { pattern: String, flags: String },
}

impl TokenKind {
    /// As messages show it.
    pub fn text(&self) -> String {
        match self {
            TokenKind::End => "(end)".into(),
            TokenKind::Name(text) | TokenKind::Variable(text) | TokenKind::String(text) => {
                text.clone()
            }
            TokenKind::Operator(operator) => (*operator).into(),
            TokenKind::Number(number) => number.to_string(),
            TokenKind::Bool(value) => value.to_string(),
            TokenKind::Null => "null".into(),
            TokenKind::Regex { pattern, flags } => format!("/{pattern}/{flags}"),
        }
    }
}

/// The longer ones first; `!` and `~` only end names.
const OPERATORS: &[&str] = &[
    "..", ":=", "!=", ">=", "<=", "**", "~>", ".", "[", "]", "{", "}", "(", ")", ",", "@", "#",
    ";", ":", "?", "+", "-", "*", "/", "%", "|", "=", "<", ">", "^", "&", "!", "~",
];
/// Those that JSONata 2.1 added.
const OPERATORS_2_1: &[&str] = &["?:", "??"];

const SPACE: &[char] = &[' ', '\t', '\n', '\r', '\u{b}'];

fn ends_name(c: char) -> bool {
    SPACE.contains(&c) || ".[]{}(),@#;:?+-*/%|=<>^&!~".contains(c)
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    has_2_1: bool,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str, has_2_1: bool) -> Lexer<'a> {
        Lexer { text, at: 0, has_2_1 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn fail<T>(&self, code: Code, at: usize) -> Result<T, QueryError> {
        Err(QueryError::new(code).at(at as u32))
    }

    /// The next token; `after_operand`: a `/` divides, else it begins a regular expression.
    pub fn next(&mut self, after_operand: bool) -> Result<Token, QueryError> {
        self.skip_space()?;
        let at = self.at;
        let kind = self.kind(after_operand)?;
        Ok(Token { kind, at: at as u32 })
    }

    fn skip_space(&mut self) -> Result<(), QueryError> {
        loop {
            self.at += self.rest().len() - self.rest().trim_start_matches(SPACE).len();
            if !self.rest().starts_with("/*") {
                return Ok(());
            }
            match self.rest()[2..].find("*/") {
                Some(end) => self.at += end + 4,
                None => return self.fail(Code::S0106, self.at),
            }
        }
    }

    fn kind(&mut self, after_operand: bool) -> Result<TokenKind, QueryError> {
        let Some(first) = self.rest().chars().next() else { return Ok(TokenKind::End) };
        match first {
            '/' if !after_operand => return self.regex(),
            '"' | '\'' => return self.string(first),
            '0'..='9' => return self.number(),
            '`' => return self.quoted_name(),
            _ => {}
        }
        let added: &[&str] = if self.has_2_1 { OPERATORS_2_1 } else { &[] };
        let found = added.iter().chain(OPERATORS).find(|known| self.rest().starts_with(**known));
        if let Some(operator) = found {
            self.at += operator.len();
            return Ok(TokenKind::Operator(operator));
        }
        Ok(self.name())
    }

    fn name(&mut self) -> TokenKind {
        let rest = self.rest();
        let name = &rest[..rest.find(ends_name).unwrap_or(rest.len())];
        self.at += name.len();
        match name {
            "and" => TokenKind::Operator("and"),
            "or" => TokenKind::Operator("or"),
            "in" => TokenKind::Operator("in"),
            "true" => TokenKind::Bool(true),
            "false" => TokenKind::Bool(false),
            "null" => TokenKind::Null,
            _ => match name.strip_prefix('$') {
                Some(variable) => TokenKind::Variable(variable.into()),
                None => TokenKind::Name(name.into()),
            },
        }
    }

    fn quoted_name(&mut self) -> Result<TokenKind, QueryError> {
        let rest = &self.rest()[1..];
        let Some(end) = rest.find('`') else { return self.fail(Code::S0105, self.text.len()) };
        self.at += end + 2;
        Ok(TokenKind::Name(rest[..end].into()))
    }

    fn number(&mut self) -> Result<TokenKind, QueryError> {
        let bytes = self.rest().as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut end = if bytes[0] == b'0' { 1 } else { digits(0) };
        if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
            end += 1 + digits(end + 1);
        }
        if let Some(b'e' | b'E') = bytes.get(end) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let from = end + 1 + sign;
            if from <= bytes.len() && digits(from) > 0 {
                end = from + digits(from);
            }
        }
        let text = &self.rest()[..end];
        let number: f64 = text.parse().unwrap_or(f64::INFINITY);
        if !number.is_finite() {
            return Err(QueryError::new(Code::S0102).at(self.at as u32).text("token", text));
        }
        self.at += end;
        Ok(TokenKind::Number(number))
    }

    fn string(&mut self, quote: char) -> Result<TokenKind, QueryError> {
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        let start = self.at;
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at = start + at + 1;
                return Ok(TokenKind::String(out));
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            let Some((at, escaped)) = chars.next() else { break };
            match unescape(escaped) {
                Some(plain) => out.push(plain),
                None if escaped == 'u' => {
                    let (c, used) = self.unicode(start + at)?;
                    out.push(c);
                    chars.nth(used - 1);
                }
                None => {
                    let error = QueryError::new(Code::S0103).at((start + at) as u32);
                    return Err(error.text("token", escaped.to_string()));
                }
            }
        }
        self.fail(Code::S0101, self.text.len())
    }

    /// The character of the escape whose `u` stands at `at`, and how many characters follow the `u`.
    /// A surrogate without its other half is refused: no string of ours can hold it.
    fn unicode(&self, at: usize) -> Result<(char, usize), QueryError> {
        let unit = |at: usize| {
            let digits = self.text.get(at..at + 4)?;
            let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
            is_hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
        };
        let Some(high) = unit(at + 1) else { return self.fail(Code::S0104, at) };
        let is_pair = self.text.get(at + 5..at + 7) == Some("\\u");
        let low = if is_pair { unit(at + 7) } else { None };
        let units = [high, low.unwrap_or(0)];
        match char::decode_utf16(units).next() {
            Some(Ok(c)) => Ok((c, if c.len_utf16() == 2 { 10 } else { 4 })),
            _ => self.fail(Code::S0104, at),
        }
    }

    fn regex(&mut self) -> Result<TokenKind, QueryError> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let (mut at, mut depth) = (start, 0i32);
        while at < bytes.len() {
            let slashes = bytes[start..at].iter().rev().take_while(|b| **b == b'\\').count();
            let is_escaped = at > start && bytes[at - 1] == b'\\';
            match bytes[at] {
                b'/' if depth == 0 && slashes % 2 == 0 => return self.end_regex(start, at),
                b'(' | b'[' | b'{' if !is_escaped => depth += 1,
                b')' | b']' | b'}' if !is_escaped => depth -= 1,
                _ => {}
            }
            at += 1;
        }
        self.fail(Code::S0302, self.text.len())
    }

    fn end_regex(&mut self, start: usize, slash: usize) -> Result<TokenKind, QueryError> {
        if start == slash {
            return self.fail(Code::S0301, slash);
        }
        let after = &self.text[slash + 1..];
        let flags = &after[..after.len() - after.trim_start_matches(['i', 'm']).len()];
        self.at = slash + 1 + flags.len();
        Ok(TokenKind::Regex { pattern: self.text[start..slash].into(), flags: flags.into() })
    }
}

fn unescape(c: char) -> Option<char> {
    Some(match c {
        '"' | '\\' | '/' => c,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<TokenKind>, Code> {
        let mut lexer = Lexer::new(text, false);
        let mut found = Vec::new();
        loop {
            let after = matches!(found.last(), Some(TokenKind::Name(_) | TokenKind::Number(_)));
            match lexer.next(after).map_err(|e| e.code())?.kind {
                TokenKind::End => return Ok(found),
                kind => found.push(kind),
            }
        }
    }

    #[test]
    fn tokens_of_every_kind() {
        use TokenKind::{Name, Number, Operator, Regex, String, Variable};
        let name = |text: &str| Name(text.into());
        assert_eq!(tokens("a /* b */ . `c d`"), Ok(vec![name("a"), Operator("."), name("c d")]));
        let range = vec![Number(1.0), Operator(".."), Number(2.5e3)];
        assert_eq!(tokens("1..2.5e3"), Ok(range));
        assert_eq!(tokens(r#""\ud83d\ude00\n'""#), Ok(vec![String("😀\n'".into())]));
        assert_eq!(tokens("$x:=a/b"), {
            let x = Variable("x".into());
            Ok(vec![x, Operator(":="), name("a"), Operator("/"), name("b")])
        });
        let regex = Regex { pattern: r"[/]\/".into(), flags: "i".into() };
        assert_eq!(tokens(r"/[/]\//i"), Ok(vec![regex]));
    }

    #[test]
    fn malformed_tokens() {
        for (text, code) in [
            ("\"a", Code::S0101),
            ("1e400", Code::S0102),
            (r#""\q""#, Code::S0103),
            (r#""\u12g4""#, Code::S0104),
            (r#""\ud800""#, Code::S0104),
            ("`a", Code::S0105),
            ("/* a", Code::S0106),
            ("//", Code::S0301),
            ("/a(/", Code::S0302),
        ] {
            assert_eq!(tokens(text), Err(code), "{text}");
        }
    }
}
