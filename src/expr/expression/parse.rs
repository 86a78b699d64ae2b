//! Text to call. Arity is checked and constants are made here, once.

use super::{Argument, Invocation, NESTING_MAX};
use crate::expr::path::{Path, PathError};
use crate::intrinsics::{self, Pattern};
use crate::value::{Scratch, Value};

/// Reads calls from `text`, putting constants into `constants`.
struct Reader<'a, 'b> {
    text: &'a str,
    at: usize,
    constants: &'b mut Scratch,
}

pub(super) fn parse(text: &str, constants: &mut Scratch) -> Result<Invocation, PathError> {
    let mut reader = Reader { text, at: 0, constants };
    if text.starts_with(char::is_whitespace) {
        return Err(reader.error("begins with a space; a call begins with 'States.'"));
    }
    let call = reader.call(1)?;
    reader.spaces();
    match reader.rest() {
        "" => Ok(call),
        _ => Err(reader.error("goes on after the call")),
    }
}

impl<'a> Reader<'a, '_> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn spaces(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn error(&self, what: &str) -> PathError {
        let message = format!("'{}' {what} (byte {})", self.text, self.at);
        PathError { message, at: self.at }
    }

    fn call(&mut self, depth: usize) -> Result<Invocation, PathError> {
        if depth > NESTING_MAX {
            return Err(self.error(&format!("nests more than {NESTING_MAX} calls")));
        }
        let start = self.at;
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
        let name = &rest[..end];
        let Some(function) = intrinsics::find(name) else {
            return Err(
                self.error("is neither a path ('$...') nor a call of an intrinsic function")
            );
        };
        self.at += end;
        self.spaces();
        if !self.rest().starts_with('(') {
            return Err(self.error("needs '('"));
        }
        self.at += 1;
        let args = self.args(depth, name == "States.Format")?;
        let (least, most) = function.arity;
        if !(least..=most).contains(&args.len()) {
            let given = args.len();
            let wants = wants(least, most);
            return Err(self.error(&format!("gives {name} {given} arguments, not {wants}")));
        }
        let pattern = match (name, &*args) {
            ("States.Format", [Argument::Constant(template), values @ ..]) => {
                Pattern::new(*template, values.len(), self.constants)
            }
            _ => None,
        };
        let text = self.text[start..self.at].into();
        Ok(Invocation { text, function, args: args.into(), pattern })
    }

    /// Arguments and the closing bracket.
    fn args(&mut self, depth: usize, is_format: bool) -> Result<Vec<Argument>, PathError> {
        let mut args = Vec::new();
        loop {
            self.spaces();
            if args.is_empty() && self.rest().starts_with(')') {
                break;
            }
            let keeps_escapes = is_format && args.is_empty();
            args.push(self.argument(depth, keeps_escapes)?);
            self.spaces();
            match self.rest().as_bytes().first() {
                Some(b',') => self.at += 1,
                Some(b')') => break,
                _ => return Err(self.error("needs ',' or ')'")),
            }
        }
        self.at += 1;
        Ok(args)
    }

    fn argument(&mut self, depth: usize, keeps_escapes: bool) -> Result<Argument, PathError> {
        match self.rest().as_bytes().first() {
            Some(b'\'') => {
                let text = self.literal(keeps_escapes)?;
                Ok(Argument::Constant(self.constants.string(&text)))
            }
            Some(b'$') => {
                let text = &self.rest()[..path_len(self.rest())];
                let path = Path::parse(text.trim_end())
                    .map_err(|e| PathError { at: e.at + self.at, ..e })?;
                self.at += text.len();
                Ok(Argument::Path(path))
            }
            Some(b'S') => self.call(depth + 1).map(Argument::Call),
            _ => self.scalar().map(Argument::Constant),
        }
    }

    /// A text in single quotes; `\` takes one of `'`, `{`, `}` and `\` as it is. `States.Format`
    /// tells escaped braces from placeholders itself.
    fn literal(&mut self, keeps_escapes: bool) -> Result<String, PathError> {
        self.at += 1;
        let mut out = String::new();
        let mut chars = self.rest().char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => {
                    self.at += at + 1;
                    return Ok(out);
                }
                '\\' => {
                    let Some((_, escaped @ ('\'' | '{' | '}' | '\\'))) = chars.next() else {
                        break;
                    };
                    if keeps_escapes {
                        out.push('\\');
                    }
                    out.push(escaped);
                }
                c => out.push(c),
            }
        }
        Err(self.error("has a quote that is not closed, or a '\\' that escapes nothing"))
    }

    /// A number, `true`, `false` or `null`.
    fn scalar(&mut self) -> Result<Value, PathError> {
        let rest = self.rest();
        let end = rest.find([',', ')']).unwrap_or(rest.len());
        let text = rest[..end].trim_end();
        let is_scalar = !text.starts_with(['[', '{', '"']);
        match self.constants.parse(text.as_bytes()) {
            Ok(value) if is_scalar => {
                self.at += text.len();
                Ok(value)
            }
            _ => Err(self.error("needs a path, a call, a 'text', a number, true, false or null")),
        }
    }
}

fn wants(least: usize, most: usize) -> String {
    match most {
        usize::MAX => format!("{least} or more"),
        _ if least == most => least.to_string(),
        _ => format!("{least} to {most}"),
    }
}

/// How long the path at the start of `text` is: to a comma or closing bracket outside its own
/// brackets and quotes.
fn path_len(text: &str) -> usize {
    let (mut depth, mut quote) = (0, None);
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (quote, byte) {
            (Some(_), b'\\') => {
                bytes.next();
            }
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') if depth > 0 => quote = Some(byte),
            (None, b'(' | b'[') => depth += 1,
            (None, b')' | b',') if depth == 0 => return at,
            (None, b')' | b']') => depth -= 1,
            _ => {}
        }
    }
    text.len()
}
