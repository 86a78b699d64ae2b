//! Truth, equality, text: what an item is as something else.

use super::{Evaluation, Result, size_of_text};
use crate::jsonata::error::{Code, EXCERPT_MAX, QueryError, shortened};
use crate::jsonata::item::{CONS, Closure, Function, Item, KEEP, OUTER};
use crate::jsonata::number::Text;
use crate::value::{Kind, Value};

/// Bytes after which no more is written for a message: as many characters at least.
const EXCERPT_BYTES_MAX: usize = 4 * EXCERPT_MAX;

/// Levels of indentation; `None`: all in one line.
type Indent = Option<usize>;

impl Evaluation<'_> {
    /// Is it true, as `$boolean` says? Nothing is false.
    pub fn truth(&self, item: Item) -> Result<bool> {
        match item {
            Item::Nothing | Item::Tuple(_) => Ok(false),
            Item::Function(function) => Ok(self.is_function_true(function)),
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

    /// In the reference implementation most functions are objects that have members; what matches a
    /// regular expression is none.
    fn is_function_true(&self, function: Function) -> bool {
        let Function::Closure(id) = function else { return true };
        let closure = self.memory.closures[id as usize];
        !matches!(closure, Closure::Regex(_) | Closure::NextMatch { .. })
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
        self.tick_bytes(size_of_text(a).min(size_of_text(b)));
        match (a, b) {
            (Item::Json(a), Item::Json(b)) => a.is_same(b) || self.scratch.equals(a, b),
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
                    let value = match item {
                        Item::Json(value) => value,
                        _ => self.value(item)?.unwrap_or(Value::NULL),
                    };
                    self.scratch.push(value);
                }
                let array = self.scratch.array(mark).map_err(|_| too_deep())?;
                self.allow_value(array.size_max())?;
                Ok(Some(array))
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
                let object = self.scratch.object(mark).map_err(|_| too_deep())?;
                self.allow_value(object.size_max())?;
                Ok(Some(object))
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
        match item {
            Item::Nothing | Item::Function(_) => Ok(Item::Json(self.scratch.string(""))),
            Item::Json(value) => match value.kind() {
                Kind::String => Ok(item),
                Kind::Array | Kind::Object => self.written(item),
                _ => self.scalar_text(value),
            },
            Item::Number(number) if number.is_finite() => {
                Ok(Item::Json(self.scratch.string(Text::rounded(number).as_str())))
            }
            Item::Number(_) => Err(self.error(Code::D3001, item)),
            _ => self.written(self.context(item)),
        }
    }

    /// The text of a number, `null` or a truth value, as a string.
    fn scalar_text(&mut self, value: Value) -> Result<Item> {
        let open = self.scratch.open_string();
        if self.push_scalar(value).is_none() {
            return Err(self.error(Code::D1001, Item::Json(value)));
        }
        Ok(Item::Json(self.scratch.close_string(open)))
    }

    /// The JSON text of an item, as a string.
    fn written(&mut self, item: Item) -> Result<Item> {
        let mut text = std::mem::take(&mut self.memory.text);
        text.clear();
        let written = self.write(item, None, &mut text);
        let string = written.and_then(|()| self.text(&text));
        self.memory.text = text;
        string
    }

    /// A string of text that was written.
    pub fn text(&mut self, text: &[u8]) -> Result<Item> {
        self.allow_string(text.len())?;
        self.tick_bytes(text.len());
        let text = std::str::from_utf8(text).expect("values are written as UTF-8");
        Ok(Item::Json(self.scratch.string(text)))
    }

    /// About the bytes of the text that [`Evaluation::stringify`] makes.
    pub fn text_size(&self, item: Item) -> usize {
        size_of_text(item)
    }

    /// Appends a scalar's text to the open string; `None`: it is an infinite number.
    #[inline]
    pub fn push_scalar(&mut self, value: Value) -> Option<()> {
        match value.kind() {
            Kind::Number => self.push_number_text(value),
            _ => {
                self.scratch.push_scalar(value);
                Some(())
            }
        }
    }

    fn push_number_text(&mut self, value: Value) -> Option<()> {
        let raw = self.scratch.raw(value);
        let is_plain =
            raw.len() <= 15 && raw != "-0" && raw.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if is_plain {
            self.scratch.push_scalar(value);
            return Some(());
        }
        let number = self.scratch.f64(value).filter(|number| number.is_finite())?;
        self.scratch.push_plain(Text::rounded(number).as_str());
        Some(())
    }

    /// Appends the JSON text of an item, `indent` levels deep if it is to be pretty. Functions are
    /// empty strings.
    pub fn write(&self, item: Item, indent: Option<usize>, out: &mut Vec<u8>) -> Result<()> {
        self.write_part(item, indent, self.budget.limits.string_bytes_max, out)
    }

    /// As [`Evaluation::write`], as long as there are no more than `max` bytes.
    fn write_part(&self, item: Item, indent: Indent, max: usize, out: &mut Vec<u8>) -> Result<()> {
        if out.len() > max {
            return Err(self.too_long());
        }
        match item {
            Item::Nothing | Item::Tuple(_) => out.extend_from_slice(b"null"),
            Item::Function(_) => out.extend_from_slice(b"\"\""),
            Item::Number(number) => self.write_number(number, out)?,
            _ if item.is_array() => self.write_items(item, indent, max, out)?,
            _ if item.is_object() => self.write_fields(item, indent, max, out)?,
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
        let text = Text::rounded(number);
        out.extend_from_slice(if number.is_nan() { b"null" } else { text.as_str().as_bytes() });
        Ok(())
    }

    fn write_items(
        &self,
        array: Item,
        indent: Indent,
        max: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let inner = indent.map(|levels| levels + 1);
        let mut walk = self.walk(array);
        let mut is_first = true;
        out.push(b'[');
        while let Some(item) = self.next(&mut walk) {
            separate(&mut is_first, inner, out);
            self.write_part(item, inner, max, out)?;
        }
        close(is_first, indent, b']', out);
        Ok(())
    }

    fn write_fields(
        &self,
        object: Item,
        indent: Indent,
        max: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let inner = indent.map(|levels| levels + 1);
        let mut fields = self.memory.fields(self.scratch, object);
        let mut is_first = true;
        out.push(b'{');
        while let Some((key, value)) = self.next_field(&mut fields) {
            separate(&mut is_first, inner, out);
            self.write_part(key, None, max, out)?;
            out.extend_from_slice(if indent.is_some() { b": " } else { b":" });
            self.write_part(value, inner, max, out)?;
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
                let _ = self.write_part(item, None, EXCERPT_BYTES_MAX, &mut text);
            }
        }
        shortened(String::from_utf8_lossy(&text).into_owned())
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
