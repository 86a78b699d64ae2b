//! `States.Format(template, value, ...)`: the template with each `{}` replaced by a value. Strings
//! stand without quotes, objects and arrays as Java prints them: `{Arg1=1, Arg2=[]}`, as recorded.
//! `\{`, `\}`, `\'` and `\\` stand for the second character.

use super::{Call, failure};
use crate::fault::StateError;
use crate::value::{Kind, Literal, Scratch, Value};

/// A template read once: the text around its places.
#[derive(Clone, Debug)]
pub struct Pattern(Box<[Literal]>);

impl Pattern {
    /// Reads the template, a string, if it has a place for each of `places` values and no brace that
    /// stands alone; what is wrong otherwise shows when it is used.
    pub fn new(template: Value, places: usize, scratch: &Scratch) -> Option<Pattern> {
        let mut rest = scratch.inner(template);
        let (mut pieces, mut piece) = (Vec::new(), String::new());
        loop {
            let (len, mark, mark_len) = next(rest);
            piece.push_str(&rest[..len]);
            match mark {
                Mark::Place => pieces.push(Literal::new(&std::mem::take(&mut piece))),
                Mark::Escape(skipped) => piece.push_str(&rest[len + skipped..len + mark_len]),
                Mark::Brace => return None,
                Mark::End => break,
            }
            rest = &rest[len + mark_len..];
        }
        pieces.push(Literal::new(&piece));
        (pieces.len() == places + 1).then(|| Pattern(pieces.into()))
    }

    /// The text around its places: a piece more than there are places.
    pub fn pieces(&self) -> &[Literal] {
        &self.0
    }

    fn fill(&self, scratch: &mut Scratch, values: &[Value]) -> Value {
        let open = scratch.open_string();
        let mut values = values.iter();
        for piece in &self.0 {
            scratch.push_literal(piece);
            if let Some(value) = values.next() {
                print(scratch, *value);
            }
        }
        scratch.close_string(open)
    }
}

/// What follows a piece of plain text in a template.
enum Mark {
    /// `{}`
    Place,
    /// An escape, and where in it the character starts that it stands for.
    Escape(usize),
    /// A brace that is neither: a failure.
    Brace,
    /// The end.
    End,
}

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    call.check_size()?;
    if let Some(pattern) = call.pattern {
        return Ok(pattern.fill(call.scratch, &call.args[1..]));
    }
    let (template, values) = (call.string(0)?, &call.args[1..]);
    let open = call.scratch.open_string();
    let (mut at, mut used) = (0, 0);
    loop {
        let (len, mark, mark_len) = next(&call.scratch.inner(template)[at..]);
        call.scratch.push_part(template, at..at + len);
        at += len;
        match mark {
            Mark::Place => {
                if let Some(&value) = values.get(used) {
                    print(call.scratch, value);
                }
                used += 1;
            }
            Mark::Escape(skipped) => {
                call.scratch.push_part(template, at + skipped..at + mark_len);
            }
            Mark::Brace => return Err(failure("A brace stands alone; write it as '\\{' or '\\}'")),
            Mark::End => break,
        }
        at += mark_len;
    }
    let text = call.scratch.close_string(open);
    if used != values.len() {
        let given = values.len();
        return Err(failure(format!(
            "The template has {used} '{{}}' but {given} values are given"
        )));
    }
    Ok(text)
}

/// How long the plain text at the start of JSON string text is, what follows it, and how long that
/// is. A backslash of the template is two in JSON.
fn next(text: &str) -> (usize, Mark, usize) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, &bytes[at + 1..]) {
            (b'{', [b'}', ..]) => return (at, Mark::Place, 2),
            (b'{' | b'}', _) => return (at, Mark::Brace, 1),
            (b'\\', [b'\\', b'{' | b'}' | b'\'', ..]) => return (at, Mark::Escape(2), 3),
            (b'\\', [b'\\', b'\\', b'\\', ..]) => return (at, Mark::Escape(2), 4),
            (b'\\', _) => at += 2,
            _ => at += 1,
        }
    }
    (bytes.len(), Mark::End, 0)
}

/// Appends `value` to the open string.
#[inline]
fn print(scratch: &mut Scratch, value: Value) {
    match value.kind() {
        Kind::Array | Kind::Object => print_container(scratch, value),
        _ => scratch.push_scalar(value),
    }
}

fn print_container(scratch: &mut Scratch, value: Value) {
    match value.kind() {
        Kind::Array => {
            let mut items = scratch.items(value);
            let mut before = "[";
            while let Some(item) = scratch.next_item(&mut items) {
                scratch.push_plain(before);
                print(scratch, item);
                before = ", ";
            }
            scratch.push_plain(if before == "[" { "[]" } else { "]" });
        }
        Kind::Object => {
            let mut members = scratch.members(value);
            let mut before = "{";
            while let Some((key, value)) = scratch.next_member(&mut members) {
                scratch.push_plain(before);
                scratch.push_scalar(key);
                scratch.push_plain("=");
                print(scratch, value);
                before = ", ";
            }
            scratch.push_plain(if before == "{" { "{}" } else { "}" });
        }
        _ => scratch.push_scalar(value),
    }
}
