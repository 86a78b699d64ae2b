//! JSON (RFC 8259) into the tree, by recursive descent: no extensions, and every error with its
//! place.

mod scalar;

use std::iter::Peekable;
use std::str::Chars;

use crate::asl::codes;
use crate::asl::diagnostics::Diagnostics;
use crate::asl::source::builder::{Broken, Builder, Members};
use crate::asl::source::placeholders::{Part, parts};
use crate::asl::source::tree::{Member, Node, NodeKind, Span, pointer_token};
use crate::asl::source::{Limits, Mode};

/// Reads one value and nothing after it.
pub(super) fn read(text: &str, builder: Builder<'_>) -> Result<Node, Broken> {
    let mut reader = Reader { rest: text.chars().peekable(), line: 1, column: 1, builder };
    reader.skip_space();
    let node = reader.value()?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(node),
        Some(found) => Err(reader.unexpected(Some(found), "nothing more after the definition")),
    }
}

struct Reader<'t, 'd> {
    rest: Peekable<Chars<'t>>,
    line: u32,
    column: u32,
    builder: Builder<'d>,
}

impl Reader<'_, '_> {
    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        if next == '\n' {
            (self.line, self.column) = (self.line + 1, 1);
        } else {
            self.column += 1;
        }
        Some(next)
    }

    fn here(&self) -> Span {
        Span { line: self.line, column: self.column, width: 1 }
    }

    /// From where `start` was taken to here.
    fn since(&self, start: Span) -> Span {
        Span { width: (self.column - start.column).max(1), ..start }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\r' | '\n')) {
            self.next();
        }
    }

    fn broken(&self, message: String) -> Broken {
        self.builder.broken(codes::INVALID_JSON, message, self.here())
    }

    /// `found` stands here, `wanted` should.
    fn unexpected(&self, found: Option<char>, wanted: &str) -> Broken {
        self.broken(match found {
            Some('\'') => format!("Expected {wanted}, found '; JSON's strings stand in \"…\"."),
            Some('/' | '#') => format!("Expected {wanted}; JSON has no comments, use \"Comment\"."),
            Some(found) => format!("Expected {wanted}, found {found:?}."),
            None => format!("Expected {wanted}, found the end of the text."),
        })
    }

    fn value(&mut self) -> Result<Node, Broken> {
        let start = self.here();
        let kind = match self.peek() {
            Some('{') => return self.object(start),
            Some('[') => return self.array(start),
            Some('"') => {
                let text = self.string()?;
                let span = self.since(start);
                NodeKind::String(self.builder.filled(text, span)?)
            }
            Some('$') if self.builder.fills() => return self.placeholder(start),
            Some('-' | '0'..='9') => NodeKind::Number(self.number()?),
            Some('a'..='z' | 'A'..='Z') => self.word(start)?,
            other => return Err(self.unexpected(other, "a value")),
        };
        Ok(Node { kind, span: self.since(start) })
    }

    /// `${Seconds}`, where no quotes are: its value as JSON, or as text where it is none.
    fn placeholder(&mut self, start: Span) -> Result<Node, Broken> {
        let mut text = String::new();
        while let Some(next) = self.peek().filter(|c| !matches!(c, ',' | '\n' | ']' | ' ')) {
            text.push(next);
            self.next();
            if next == '}' {
                break;
            }
        }
        let span = self.since(start);
        let [Part::Placeholder(name)] = parts(&text)[..] else {
            return Err(self.unexpected(Some('$'), "a value, or a placeholder ${Name}"));
        };
        let Some(value) = self.builder.value_of(name, span) else {
            return Ok(Node { kind: NodeKind::Null, span });
        };
        let unwanted = Diagnostics::new();
        let builder = Builder::new(Mode::Plain, Limits::default(), &unwanted);
        let read = read(value, builder).unwrap_or_else(|_| {
            let kind = NodeKind::String(value.to_owned());
            Node { kind, span }
        });
        self.builder.expand(&read, span)?;
        Ok(read.moved_to(span))
    }

    fn word(&mut self, start: Span) -> Result<NodeKind, Broken> {
        let mut word = String::new();
        while let Some(letter) = self.peek().filter(|c| c.is_alphanumeric() || *c == '_') {
            word.push(letter);
            self.next();
        }
        match word.as_str() {
            "null" => Ok(NodeKind::Null),
            "true" => Ok(NodeKind::Bool(true)),
            "false" => Ok(NodeKind::Bool(false)),
            _ => {
                let message = format!(
                    "Unknown word {word:?}: expected a string in quotes, a number, an array, an \
                     object, true, false or null."
                );
                Err(self.builder.broken(codes::INVALID_JSON, message, self.since(start)))
            }
        }
    }

    fn object(&mut self, span: Span) -> Result<Node, Broken> {
        self.builder.enter(span)?;
        self.next();
        let mut members = Members::default();
        self.skip_space();
        while self.peek() != Some('}') {
            let member = self.member()?;
            members.add(member, &self.builder);
            if !self.another('}')? {
                break;
            }
        }
        self.next();
        self.builder.leave();
        Ok(Node { kind: NodeKind::Object(members.into_list()), span })
    }

    fn member(&mut self) -> Result<Member, Broken> {
        let start = self.here();
        match self.peek() {
            Some('"') => {}
            other => return Err(self.unexpected(other, "a field's name in quotes")),
        }
        let name = self.string()?;
        let name_span = self.since(start);
        let name = self.builder.filled(name, name_span)?;
        self.skip_space();
        match self.peek() {
            Some(':') => self.next(),
            other => return Err(self.unexpected(other, &format!("':' after the name {name:?}"))),
        };
        self.skip_space();
        let back = self.builder.step(&pointer_token(&name));
        let value = self.value()?;
        self.builder.step_back(back);
        Ok(Member { name, name_span, value })
    }

    fn array(&mut self, span: Span) -> Result<Node, Broken> {
        self.builder.enter(span)?;
        self.next();
        let mut elements = Vec::new();
        self.skip_space();
        while self.peek() != Some(']') {
            let back = self.builder.step(&elements.len().to_string());
            elements.push(self.value()?);
            self.builder.step_back(back);
            if !self.another(']')? {
                break;
            }
        }
        self.next();
        self.builder.leave();
        Ok(Node { kind: NodeKind::Array(elements), span })
    }

    /// After a member or element: is there another one, or is `end` next?
    fn another(&mut self, end: char) -> Result<bool, Broken> {
        self.skip_space();
        match self.peek() {
            Some(',') => {}
            Some(found) if found == end => return Ok(false),
            other => return Err(self.unexpected(other, &format!("',' or {end:?}"))),
        }
        self.next();
        self.skip_space();
        match self.peek() {
            Some(found) if found == end => {
                Err(self.broken(format!("There is a comma too much before {end:?}; remove it.")))
            }
            _ => Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::asl::codes;
    use crate::asl::diagnostics::Diagnostics;
    use crate::asl::source::{Format, Limits, Node, read};

    fn reads(text: &str) -> Node {
        let diagnostics = Diagnostics::new();
        let node = read(text.as_bytes(), Format::Json, Limits::default(), &diagnostics);
        assert!(diagnostics.is_empty(), "{:?}", diagnostics.into_vec());
        node.expect("no finding")
    }

    fn rejects(text: &str, pointer: &str, line: u32, column: u32, part: &str) {
        let diagnostics = Diagnostics::new();
        assert!(read(text.as_bytes(), Format::Json, Limits::default(), &diagnostics).is_none());
        let found = diagnostics.into_vec().remove(0);
        let at = (found.location.pointer.as_str(), found.location.line, found.location.column);
        assert_eq!(at, (pointer, line, column), "{}", found.message);
        assert!(found.message.contains(part), "{}", found.message);
    }

    #[test]
    fn agrees_with_serde_json() {
        for text in [
            r#"{"a": [1, 2.50, -0, 1E+2, true, false, null]}"#,
            r#"{"b": {"c": "d\n\"\\\/\u00e9\ud83d\ude00"}}"#,
            "  [ ] ",
            "{}",
            "\"\"",
            "0",
            "[[],{}]",
            "123456789012345678901234567890",
        ] {
            let ours: serde_json::Value =
                serde_json::from_str(&reads(text).to_json_text()).expect("we write JSON");
            assert_eq!(ours, serde_json::from_str::<serde_json::Value>(text).expect("valid"));
        }
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{a:1}",
            "01",
            "1.",
            "1e",
            "-",
            "+1",
            ".5",
            "nul",
            "True",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"a\nb\"",
            "1 2",
            "'a'",
            "// x",
            "\"\\ud800\\u0041\"",
            "NaN",
        ] {
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
            let diagnostics = Diagnostics::new();
            let node = read(text.as_bytes(), Format::Json, Limits::default(), &diagnostics);
            assert!(node.is_none() && diagnostics.has_errors(), "{text}");
        }
    }

    #[test]
    fn numbers_keep_their_spelling() {
        let text = r#"{"a":[1.50,1E2,-0.0,123456789012345678901234567890]}"#;
        assert_eq!(reads(text).to_json_text(), text);
    }

    #[test]
    fn knows_where_everything_stands() {
        let root = reads("{\n  \"États\": \"x\",\n\t\"n\": [10, {}]\n}");
        let members = root.as_object().expect("object");
        let spans = [members[0].name_span, members[0].value.span, members[1].value.span];
        let places = spans.map(|span| (span.line, span.column, span.width));
        assert_eq!(places, [(2, 3, 7), (2, 12, 3), (3, 7, 1)]);
        let elements = members[1].value.as_array().expect("array");
        assert_eq!((elements[0].span.column, elements[0].span.width), (8, 2));
    }

    #[test]
    fn syntax_errors_say_where_and_what() {
        rejects("not a definition", "", 1, 1, "\"not\"");
        rejects("{\"States\": {\"A\": {\"End\": yes}}}", "/States/A/End", 1, 26, "\"yes\"");
        rejects("{\n \"a/b\": [1,\n 2,]}", "/a~1b", 3, 4, "comma too much");
        rejects("{\"a\": 1 \"b\"}", "", 1, 9, "',' or '}'");
        rejects("{'a': 1}", "", 1, 2, "\"…\"");
        rejects("{} x", "", 1, 4, "nothing more");
        rejects("{\"a\": \"b\nc\"}", "/a", 1, 9, "not closed");
        rejects("{\"a\": ", "/a", 1, 7, "end of the text");
        rejects("{ // c\n}", "", 1, 3, "comments");
    }

    #[test]
    fn the_last_duplicate_counts_and_is_warned_about() {
        let diagnostics = Diagnostics::new();
        let text = b"{\"a\": {\"x\": 1,\n \"x\": 2, \"y\": 3}}";
        let node = read(text, Format::Json, Limits::default(), &diagnostics).expect("a tree");
        assert_eq!(node.to_json_text(), r#"{"a":{"x":2,"y":3}}"#);
        let found = diagnostics.into_vec().remove(0);
        assert_eq!((found.code, found.is_error()), (codes::DUPLICATE_FIELD, false));
        assert_eq!((found.location.pointer.as_str(), found.location.line), ("/a/x", 2));
    }

    #[test]
    fn nesting_is_bounded() {
        let limits = Limits { depth: 3, ..Limits::default() };
        let diagnostics = Diagnostics::new();
        assert!(read(b"[[[1]]]", Format::Json, limits, &diagnostics).is_some());
        assert!(read(b"[[{\"a\":[]}]]", Format::Json, limits, &diagnostics).is_none());
        let found = diagnostics.into_vec().remove(0);
        assert_eq!(
            (found.code, found.location.pointer.as_str()),
            (codes::NESTED_TOO_DEEP, "/0/0/a")
        );
        let deep = "[".repeat(100_000);
        let diagnostics = Diagnostics::new();
        assert!(read(deep.as_bytes(), Format::Json, Limits::default(), &diagnostics).is_none());
    }
}
