//! Text to path.

use super::filter;
use super::{Path, PathError, Root, Step};
use crate::value::Key;

/// Bytes of a path.
const TEXT_MAX: usize = 16 << 10;
/// Steps of a path: following them recurses.
const STEPS_MAX: usize = 256;

/// A cursor over the text.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// Parentheses and filters open around here.
    pub(super) depth: usize,
}

pub(super) fn parse(text: &str) -> Result<Path, PathError> {
    let mut cursor = Cursor { text, at: 0, depth: 0 };
    if text.len() > TEXT_MAX {
        return Err(cursor.error(&format!("is longer than {TEXT_MAX} bytes")));
    }
    let root = cursor.root()?;
    let steps = cursor.steps()?;
    cursor.spaces();
    match cursor.peek() {
        None => Ok(Path::new(text, root, steps)),
        Some(_) => Err(cursor.error("goes on after the end of the path")),
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes `token` if it comes next.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        let is_next = self.rest().starts_with(token);
        if is_next {
            self.at += token.len();
        }
        is_next
    }

    pub(super) fn expect(&mut self, token: &str) -> Result<(), PathError> {
        self.spaces();
        if self.eat(token) {
            return Ok(());
        }
        Err(self.error(&format!("needs '{token}'")))
    }

    pub(super) fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    pub(super) fn error(&self, what: &str) -> PathError {
        let shown: String = self.text.chars().take(120).collect();
        PathError { message: format!("'{shown}' {what} (byte {})", self.at), at: self.at }
    }

    /// Takes the longest run of characters that `belongs`.
    pub(super) fn run(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn root(&mut self) -> Result<Root, PathError> {
        if !self.eat("$") {
            return Err(self.error("is no path: it must start with '$'"));
        }
        if self.eat("$") {
            return Ok(Root::Context);
        }
        let name = self.run(|c| c.is_alphanumeric() || c == '_');
        match name.chars().next() {
            None => Ok(Root::Input),
            Some(c) if c.is_alphabetic() || c == '_' => Ok(Root::Variable(name.into())),
            Some(_) => Err(self.error("names a variable that starts with no letter")),
        }
    }

    /// The steps that follow a root.
    pub(super) fn steps(&mut self) -> Result<Vec<Step>, PathError> {
        let mut steps = Vec::new();
        loop {
            if self.eat("..") {
                steps.push(Step::Descend);
                steps.push(if self.peek() == Some(b'[') { self.bracket()? } else { self.name()? });
            } else if self.eat(".") {
                steps.push(if self.peek() == Some(b'[') { self.bracket()? } else { self.name()? });
            } else if self.peek() == Some(b'[') {
                steps.push(self.bracket()?);
            } else {
                return Ok(steps);
            }
            if steps.len() > STEPS_MAX {
                return Err(self.error(&format!("has more than {STEPS_MAX} steps")));
            }
            if matches!(steps[..], [.., Step::Keys(_), _]) {
                return Err(self.error("names several members, which only its last step may"));
            }
            if matches!(steps[..], [.., Step::Length, _]) {
                return Err(self.error("goes on after a function"));
            }
        }
    }

    /// `name`, `*` or `length()`, after the dot.
    fn name(&mut self) -> Result<Step, PathError> {
        if self.eat("*") {
            return Ok(Step::All);
        }
        let is_outside = self.depth == 0;
        let name = self.run(|c| if is_outside { is_member(c) } else { is_name(c) });
        if name.is_empty() {
            return Err(self.error("needs a name after '.'"));
        }
        if !self.eat("(") {
            return Ok(Step::Key(Key::new(name)));
        }
        self.expect(")")?;
        if name == "length" {
            return Ok(Step::Length);
        }
        Err(self.error(&format!("calls {name}(): length() is the only function of paths")))
    }

    /// `[...]`
    fn bracket(&mut self) -> Result<Step, PathError> {
        self.expect("[")?;
        self.spaces();
        let step = match self.peek() {
            Some(b'*') => {
                self.at += 1;
                Step::All
            }
            Some(b'\'' | b'"') => self.keys()?,
            Some(b'?') => filter::parse(self)?,
            Some(b'0'..=b'9' | b'-' | b':') => self.numbers()?,
            _ => return Err(self.error("needs an index, a quoted name, '*' or '?' in brackets")),
        };
        self.expect("]")?;
        Ok(step)
    }

    fn keys(&mut self) -> Result<Step, PathError> {
        let mut keys = vec![Key::new(&self.quoted()?)];
        self.spaces();
        while self.eat(",") {
            self.spaces();
            keys.push(Key::new(&self.quoted()?));
            self.spaces();
        }
        Ok(match keys.len() {
            1 => Step::Key(keys.remove(0)),
            _ => Step::Keys(keys.into()),
        })
    }

    /// A quoted text. A backslash escapes the quote and itself; before anything else it stands for
    /// itself, as recorded.
    pub(super) fn quoted(&mut self) -> Result<String, PathError> {
        let quote = match self.peek() {
            Some(quote @ (b'\'' | b'"')) => char::from(quote),
            _ => return Err(self.error("needs a quoted name")),
        };
        self.at += 1;
        let mut out = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, c)) if c == quote || c == '\\' => out.push(c),
                    Some((_, c)) => out.extend(['\\', c]),
                    None => break,
                },
                c if c == quote => {
                    self.at += at + 1;
                    return Ok(out);
                }
                c => out.push(c),
            }
        }
        Err(self.error("has a quote that is not closed"))
    }

    /// `0`, `0,1`, `1:`, `:-1`, `0:2`
    fn numbers(&mut self) -> Result<Step, PathError> {
        let from = self.number()?;
        self.spaces();
        if self.eat(":") {
            self.spaces();
            let step = Step::Slice(from, self.number()?);
            return match self.peek() {
                Some(b':') => Err(self.error("has a slice with a step, which has no meaning here")),
                _ => Ok(step),
            };
        }
        let mut indexes: Vec<i64> = from.into_iter().collect();
        while self.eat(",") {
            self.spaces();
            indexes.extend(self.number()?);
            self.spaces();
        }
        match indexes[..] {
            [] => Err(self.error("needs an index")),
            [index] => Ok(Step::Index(index)),
            _ => Ok(Step::Indexes(indexes.into())),
        }
    }

    fn number(&mut self) -> Result<Option<i64>, PathError> {
        let digits = self.run(|c| c.is_ascii_digit() || c == '-');
        if digits.is_empty() {
            return Ok(None);
        }
        digits.parse().map(Some).map_err(|_| self.error("needs an index, a whole number"))
    }
}

/// May stand in a member's name inside a filter, where operators follow.
pub(super) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-' || c == '$'
}

/// May stand in a member's name after a dot.
fn is_member(c: char) -> bool {
    !matches!(c, '.' | '[' | ']' | '(' | ')' | ',' | '*' | '\'' | '"' | '@' | '?')
        && !c.is_whitespace()
}
