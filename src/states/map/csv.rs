//! CSV as an `ItemReader` reads it: each row an object of texts. Fields may be quoted (RFC 4180);
//! what a row lacks is empty, and what it has beyond the headers is left out, as recorded.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::asl::fields::Fields;
use crate::asl::{codes, names};
use crate::value::{Scratch, Value};

/// Where the names of columns come from, and what parts fields.
#[derive(Debug)]
pub(super) struct Form {
    /// `CSVHeaders`; without them the first row.
    headers: Option<Box<[Box<str>]>>,
    delimiter: u8,
}

const DELIMITERS: [(&str, u8); 5] =
    [("COMMA", b','), ("PIPE", b'|'), ("SEMICOLON", b';'), ("SPACE", b' '), ("TAB", b'\t')];

impl Form {
    pub(super) fn parse(config: &mut Fields<'_>) -> Option<Form> {
        config.required(names::CSV_HEADER_LOCATION);
        let location = config.one_of(names::CSV_HEADER_LOCATION, &["FIRST_ROW", "GIVEN"]);
        let headers = config.strings(names::CSV_HEADERS);
        if location == Some("GIVEN") && headers.is_none() && !config.has(names::CSV_HEADERS) {
            config.error(codes::MISSING_FIELD, "needs \"CSVHeaders\" where they are \"GIVEN\".");
        }
        let words = DELIMITERS.map(|(word, _)| word);
        let word = config.one_of(names::CSV_DELIMITER, &words).unwrap_or("COMMA");
        let found = DELIMITERS.iter().find(|(delimiter, _)| *delimiter == word);
        let headers = headers.map(|headers| headers.into_iter().map(Box::from).collect());
        let headers = headers.filter(|_| location == Some("GIVEN"));
        Some(Form { headers, delimiter: found.map_or(b',', |(_, byte)| *byte) })
    }

    /// Columns of these names, parted by commas.
    pub(super) fn of_columns(names: Box<[Box<str>]>) -> Form {
        Form { headers: Some(names), delimiter: b',' }
    }

    /// The rows, up to `max`.
    pub(super) fn read(
        &self,
        scratch: &mut Scratch,
        text: &[u8],
        max: usize,
    ) -> Result<Value, String> {
        let text = std::str::from_utf8(text).map_err(|e| format!("The CSV is not UTF-8: {e}"))?;
        let mut rows =
            Rows { text: text.trim_start_matches('\u{feff}'), delimiter: self.delimiter };
        let mut fields = Vec::new();
        let headers: Vec<Cow<'_, str>> = match &self.headers {
            Some(headers) => headers.iter().map(|name| Cow::Borrowed(&**name)).collect(),
            None => {
                rows.next(&mut fields);
                std::mem::take(&mut fields)
            }
        };
        let mut known = HashSet::new();
        if !headers.iter().all(|name| known.insert(name)) {
            return Err("CSV headers cannot contain duplicates.".to_owned());
        }
        let keys: Vec<Value> = headers.iter().map(|name| scratch.string(name)).collect();
        let whole = scratch.mark();
        let mut count = 0;
        while count < max && rows.next(&mut fields) {
            count += 1;
            let row = scratch.mark();
            for (at, key) in keys.iter().enumerate() {
                let field = scratch.string(fields.get(at).map_or("", |field| field));
                scratch.push_pair(*key, field);
            }
            let object = scratch.object(row).map_err(|_| "A row is nested too deeply.")?;
            scratch.push(object);
        }
        scratch.array(whole).map_err(|_| "The rows are nested too deeply.".to_owned())
    }
}

/// What is left of a text.
struct Rows<'a> {
    text: &'a str,
    delimiter: u8,
}

impl<'a> Rows<'a> {
    /// Reads the next row that is not empty; false where there is none.
    fn next(&mut self, fields: &mut Vec<Cow<'a, str>>) -> bool {
        fields.clear();
        self.text = self.text.trim_start_matches(['\r', '\n']);
        if self.text.is_empty() {
            return false;
        }
        loop {
            let field = if self.text.starts_with('"') { self.quoted() } else { self.plain() };
            fields.push(field);
            if self.text.as_bytes().first() != Some(&self.delimiter) {
                return true;
            }
            self.text = &self.text[1..];
        }
    }

    fn plain(&mut self) -> Cow<'a, str> {
        let is_end = |c: char| matches!(c, '\r' | '\n') || c == char::from(self.delimiter);
        let end = self.text.find(is_end).unwrap_or(self.text.len());
        let (field, rest) = self.text.split_at(end);
        self.text = rest;
        Cow::Borrowed(field)
    }

    /// `"a ""quoted"" text"`; what follows the closing quote belongs to the field too.
    fn quoted(&mut self) -> Cow<'a, str> {
        let mut out = String::new();
        let mut rest = &self.text[1..];
        loop {
            let (part, after) = rest.split_once('"').unwrap_or((rest, ""));
            out.push_str(part);
            match after.strip_prefix('"') {
                Some(more) => {
                    out.push('"');
                    rest = more;
                }
                None => {
                    self.text = after;
                    out.push_str(&self.plain());
                    return Cow::Owned(out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Limits;

    #[track_caller]
    fn reads(headers: Option<&[&str]>, delimiter: u8, text: &str, rows: &str) {
        let headers = headers.map(|names| names.iter().map(|name| Box::from(*name)).collect());
        let form = Form { headers, delimiter };
        let mut scratch = Scratch::new(Limits::default());
        let read = form.read(&mut scratch, text.as_bytes(), 3);
        let text = match read {
            Err(e) => e,
            Ok(read) => {
                let mut out = Vec::new();
                scratch.write(read, &mut out);
                String::from_utf8(out).expect("UTF-8")
            }
        };
        assert_eq!(text, rows);
    }

    #[test]
    fn rows_are_objects_of_texts() {
        reads(
            None,
            b',',
            "a,b\n1,2\r\n,\n   \n",
            r#"[{"a":"1","b":"2"},{"a":"","b":""},{"a":"   ","b":""}]"#,
        );
        reads(Some(&["x"]), b'|', "1|2\n\n3\n4\n5", r#"[{"x":"1"},{"x":"3"},{"x":"4"}]"#);
        reads(None, b',', "", "[]");
        reads(None, b',', "a,a\n", "CSV headers cannot contain duplicates.");
    }

    #[test]
    fn quotes_keep_delimiters_and_lines() {
        reads(None, b';', "a;b\n\"x;\"\"y\"\"\nz\";2", r#"[{"a":"x;\"y\"\nz","b":"2"}]"#);
        reads(None, b',', "a\n\"open", r#"[{"a":"open"}]"#);
    }
}
