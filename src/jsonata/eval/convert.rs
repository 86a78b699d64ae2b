//! Truth, equality, text: what an item is as something else.

use super::{Evaluation, Result};
use crate::jsonata::error::{Code, QueryError};
use crate::jsonata::item::{CONS, Item, KEEP, OUTER};
use crate::jsonata::number::{Text, significant};
use crate::value::{Kind, Value};

/// Characters of a value that an error message shows.
const EXCERPT_MAX: usize = 1000;
/// The longest text of a number.
const NUMBER_TEXT_MAX: usize = 32;

impl Evaluation<'_> {
    /// Is it true, as `$boolean` says? Nothing is false.
    pub fn truth(&self, item: Item) -> Result<bool> {
        match item {
            Item::Nothing | Item::Function(_) | Item::Tuple(_) => Ok(false),
            Item::Number(_) => Ok(self.is_number(item)? && self.number(item) != Some(0.0)),
            Item::Record(record) => Ok(record.len > 0),
            Item::List(_) => self.any_truth(item),
            Item::Json(value) => match value.kind() {
                Kind::Null => Ok(false),
                Kind::Bool => Ok(value.as_bool() == Some(true)),
                Kind::Number => Ok(self.is_number(item)? && self.number(item) != Some(0.0)),
                Kind::String => Ok(!self.scratch.inner(value).is_empty()),
                Kind::Array => self.any_truth(item),
                Kind::Object => {
                    Ok(self.scratch.next_member(&mut self.scratch.members(value)).is_some())
                }
            },
        }
    }

    fn any_truth(&self, array: Item) -> Result<bool> {
        let mut walk = self.walk(array);
        while let Some(item) = self.next(&mut walk) {
            if self.truth(item)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Equal by value.
    pub fn equal(&self, a: Item, b: Item) -> bool {
        match (a, b) {
            (Item::Json(a), Item::Json(b)) => self.scratch.equals(a, b),
            (Item::Function(a), Item::Function(b)) => a == b,
            _ if a.is_number() => self.number(a) == self.number(b),
            _ if a.is_array() && b.is_array() => {
                let (mut left, mut right) = (self.walk(a), self.walk(b));
                loop {
                    match (self.next(&mut left), self.next(&mut right)) {
                        (None, None) => return true,
                        (Some(x), Some(y)) if self.equal(x, y) => {}
                        _ => return false,
                    }
                }
            }
            _ if a.is_object() && b.is_object() => self.objects_equal(a, b),
            _ => false,
        }
    }

    fn objects_equal(&self, a: Item, b: Item) -> bool {
        let mut fields = self.memory.fields(self.scratch, a);
        let mut count = 0;
        while let Some((key, value)) = self.next_field(&mut fields) {
            count += 1;
            let Item::Json(key) = key else { return false };
            if !self.equal(value, self.member(b, &self.scratch.str(key))) {
                return false;
            }
        }
        count == self.field_count(b)
    }

    pub fn field_count(&self, object: Item) -> usize {
        match object {
            Item::Json(value) => self.scratch.count(value),
            Item::Record(record) => record.len as usize,
            _ => 0,
        }
    }

    /// As a JSON value; `None`: there is none for it.
    pub fn value(&mut self, item: Item) -> Result<Option<Value>> {
        match item {
            Item::Nothing | Item::Function(_) | Item::Tuple(_) => Ok(None),
            Item::Json(value) => Ok(Some(value)),
            Item::Number(number) => Ok(Some(self.scratch.float(number))),
            Item::List(list) if list.is(OUTER) => self.value(self.memory.item(list, 0)),
            Item::List(list) => {
                self.allow(list.len as usize * size_of::<Value>())?;
                let mark = self.scratch.mark();
                let mut walk = self.walk(item);
                while let Some(item) = self.next(&mut walk) {
                    let value = self.value(item)?.unwrap_or(Value::NULL);
                    self.scratch.push(value);
                }
                self.scratch.array(mark).map(Some).map_err(|_| too_deep())
            }
            Item::Record(_) => {
                let mark = self.scratch.mark();
                let mut fields = self.memory.fields(self.scratch, item);
                while let Some((key, value)) = self.next_field(&mut fields) {
                    if let (Item::Json(key), Some(value)) = (key, self.value(value)?) {
                        self.scratch.push(key);
                        self.scratch.push(value);
                    }
                }
                self.scratch.object(mark).map(Some).map_err(|_| too_deep())
            }
        }
    }

    /// Is there a JSON value that is the same in every respect?
    pub fn is_json(&self, item: Item) -> bool {
        match item {
            Item::Json(_) => true,
            Item::Number(number) => number.is_finite(),
            Item::List(list) => {
                let mut walk = self.walk(item);
                list.flags & (KEEP | CONS | OUTER) == 0
                    && std::iter::from_fn(|| self.next(&mut walk)).all(|item| self.is_json(item))
            }
            _ => false,
        }
    }

    /// As a string, as `&` and `$string` make one.
    pub fn stringify(&mut self, item: Item) -> Result<Item> {
        if item.is_string() {
            return Ok(item);
        }
        let mut text = Vec::new();
        match item {
            Item::Nothing | Item::Function(_) => {}
            Item::Number(number) if !number.is_finite() => {
                return Err(self.error(Code::D3001, item));
            }
            _ => self.write(self.context(item), None, &mut text)?,
        }
        self.text(&text)
    }

    /// A string of text that was written.
    pub fn text(&mut self, text: &[u8]) -> Result<Item> {
        self.allow_string(text.len())?;
        let text = std::str::from_utf8(text).expect("values are written as UTF-8");
        Ok(Item::Json(self.scratch.string(text)))
    }

    /// About the bytes of the text that [`Evaluation::stringify`] makes.
    pub fn text_size(&self, item: Item) -> usize {
        match item {
            Item::Json(value) => value.size_max(),
            Item::Number(_) => NUMBER_TEXT_MAX,
            _ => 0,
        }
    }

    /// Appends a number's text to the open string.
    pub fn push_number_text(&mut self, value: Value) {
        let raw = self.scratch.raw(value);
        let is_plain =
            raw.len() <= 15 && raw != "-0" && raw.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if is_plain {
            self.scratch.push_scalar(value);
        } else {
            let text = Text::rounded(self.scratch.f64(value).unwrap_or(f64::NAN));
            self.scratch.push_plain(text.as_str());
        }
    }

    /// Appends the JSON text of an item, `indent` levels deep if it is to be pretty. Functions are
    /// empty strings.
    pub fn write(&self, item: Item, indent: Option<usize>, out: &mut Vec<u8>) -> Result<()> {
        if out.len() > self.limits.string_bytes_max {
            return self.allow_string(out.len());
        }
        match item {
            Item::Nothing | Item::Tuple(_) => out.extend_from_slice(b"null"),
            Item::Function(_) => out.extend_from_slice(b"\"\""),
            Item::Number(number) => self.write_number(number, out)?,
            _ if item.is_array() => self.write_items(item, indent, out)?,
            _ if item.is_object() => self.write_fields(item, indent, out)?,
            Item::Json(value) if value.kind() == Kind::Number => {
                self.write_number(self.scratch.f64(value).unwrap_or(f64::NAN), out)?;
            }
            Item::Json(value) => self.scratch.write(value, out),
            Item::List(_) | Item::Record(_) => {}
        }
        Ok(())
    }

    fn write_number(&self, number: f64, out: &mut Vec<u8>) -> Result<()> {
        if number.is_infinite() {
            return Err(self.error(Code::D1001, Item::Number(number)));
        }
        let text = Text::of(significant(number));
        out.extend_from_slice(if number.is_nan() { b"null" } else { text.as_str().as_bytes() });
        Ok(())
    }

    fn write_items(&self, array: Item, indent: Option<usize>, out: &mut Vec<u8>) -> Result<()> {
        let inner = indent.map(|levels| levels + 1);
        let mut walk = self.walk(array);
        let mut is_first = true;
        out.push(b'[');
        while let Some(item) = self.next(&mut walk) {
            separate(&mut is_first, inner, out);
            self.write(item, inner, out)?;
        }
        close(is_first, indent, b']', out);
        Ok(())
    }

    fn write_fields(&self, object: Item, indent: Option<usize>, out: &mut Vec<u8>) -> Result<()> {
        let inner = indent.map(|levels| levels + 1);
        let mut fields = self.memory.fields(self.scratch, object);
        let mut is_first = true;
        out.push(b'{');
        while let Some((key, value)) = self.next_field(&mut fields) {
            separate(&mut is_first, inner, out);
            self.write(key, None, out)?;
            out.extend_from_slice(if indent.is_some() { b": " } else { b":" });
            self.write(value, inner, out)?;
        }
        close(is_first, indent, b'}', out);
        Ok(())
    }

    /// The beginning of an item's JSON text, for messages.
    #[cold]
    pub fn excerpt(&self, item: Item) -> String {
        let mut text = Vec::new();
        match item {
            Item::Number(number) if !number.is_finite() => text.extend_from_slice(b"null"),
            Item::Nothing => text.extend_from_slice(b"undefined"),
            _ => {
                let _ = self.write(item, None, &mut text);
            }
        }
        let text = String::from_utf8_lossy(&text);
        match text.char_indices().nth(EXCERPT_MAX) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text.into_owned(),
        }
    }
}

pub(super) fn too_deep() -> QueryError {
    QueryError::limit(format_args!("{} levels in a value", crate::value::Limits::HEIGHT_CEILING))
}

fn separate(is_first: &mut bool, indent: Option<usize>, out: &mut Vec<u8>) {
    if !std::mem::take(is_first) {
        out.push(b',');
    }
    new_line(indent, out);
}

fn new_line(indent: Option<usize>, out: &mut Vec<u8>) {
    if let Some(levels) = indent {
        out.push(b'\n');
        out.resize(out.len() + 2 * levels, b' ');
    }
}

fn close(is_empty: bool, indent: Option<usize>, bracket: u8, out: &mut Vec<u8>) {
    if !is_empty {
        new_line(indent, out);
    }
    out.push(bracket);
}
