//! The tree.

use std::fmt::Write;

use crate::fault::Location;

/// Where something stands in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// In characters, on that line; an object or array counts its first character only.
    pub width: u32,
}

impl Span {
    /// The location of what stands here and has this pointer.
    pub fn at(self, pointer: impl Into<String>) -> Location {
        let Span { line, column, width } = self;
        Location { pointer: pointer.into(), line, column, width }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub kind: NodeKind,
    /// Where it starts.
    pub span: Span,
}

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// `1.50`, spelled as it was (from YAML: as JSON spells it)
    Number(String),
    /// `"text"`, unescaped
    String(String),
    /// `[1, 2]`
    Array(Vec<Node>),
    /// `{"name": 1}`, in the order of the text; no name stands twice
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name, unescaped.
    pub name: String,
    /// Where the name stands.
    pub name_span: Span,
    /// Its value.
    pub value: Node,
}

/// How much of a value a message shows.
const SHOWN_CHARS_MAX: usize = 60;

impl Node {
    /// `a string`, `an object`: for messages.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            NodeKind::Null => "null",
            NodeKind::Bool(_) => "a boolean",
            NodeKind::Number(_) => "a number",
            NodeKind::String(_) => "a string",
            NodeKind::Array(_) => "an array",
            NodeKind::Object(_) => "an object",
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The JSONata between `{%` and `%}`, in a string that is exactly that: a space before or after
    /// makes it plain text.
    pub fn as_expression(&self) -> Option<&str> {
        self.as_str()?.strip_prefix("{%")?.strip_suffix("%}")
    }

    /// Where the character at `index` of a string's text stands, if that can be told: by the width
    /// one sees which characters were written with an escape.
    pub fn span_within(&self, index: usize) -> Option<Span> {
        let text = self.as_str()?;
        let styles: [Style; 3] =
            [(1, double_quoted_width), (1, |c| if c == '\'' { 2 } else { 1 }), (0, |_| 1)];
        let is_written_so = |(quote, width): &Style| {
            2 * quote + text.chars().map(width).sum::<usize>() == self.span.width as usize
        };
        let (quote, width) = styles.into_iter().find(is_written_so)?;
        let before: usize = text.chars().take(index).map(width).sum();
        let width = text.chars().nth(index).map_or(1, width) as u32;
        let column = self.span.column + (quote + before) as u32;
        Some(Span { line: self.span.line, column, width })
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&[Node]> {
        match &self.kind {
            NodeKind::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&[Member]> {
        match &self.kind {
            NodeKind::Object(members) => Some(members),
            _ => None,
        }
    }

    /// A member's value, in an object that has it.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.as_object()?.iter().find(|member| member.name == name).map(|member| &member.value)
    }

    /// The value as compact JSON.
    pub fn to_json_text(&self) -> String {
        let mut text = String::new();
        self.write_json(&mut text);
        text
    }

    /// The value as compact JSON, shortened for a message.
    pub fn shown(&self) -> String {
        let text = match &self.kind {
            NodeKind::Array(elements) if !elements.is_empty() => "[…]".to_owned(),
            NodeKind::Object(members) if !members.is_empty() => "{…}".to_owned(),
            _ => self.to_json_text(),
        };
        match text.char_indices().nth(SHOWN_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    fn write_json(&self, out: &mut String) {
        match &self.kind {
            NodeKind::Null => out.push_str("null"),
            NodeKind::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            NodeKind::Number(text) => out.push_str(text),
            NodeKind::String(text) => write_json_string(text, out),
            NodeKind::Array(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    element.write_json(out);
                }
                out.push(']');
            }
            NodeKind::Object(members) => {
                out.push('{');
                for (at, member) in members.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    write_json_string(&member.name, out);
                    out.push(':');
                    member.value.write_json(out);
                }
                out.push('}');
            }
        }
    }

    /// The same value, all of it at one place.
    pub(crate) fn moved_to(mut self, span: Span) -> Node {
        self.span = span;
        match &mut self.kind {
            NodeKind::Array(elements) => elements.iter_mut().for_each(|it| it.relocate(span)),
            NodeKind::Object(members) => members.iter_mut().for_each(|member| {
                member.name_span = span;
                member.value.relocate(span);
            }),
            _ => {}
        }
        self
    }

    fn relocate(&mut self, span: Span) {
        let kind = std::mem::replace(&mut self.kind, NodeKind::Null);
        *self = Node { kind, span }.moved_to(span);
    }

    /// Roughly the memory it takes, in bytes.
    pub(super) fn weight(&self) -> usize {
        size_of::<Node>()
            + match &self.kind {
                NodeKind::Null | NodeKind::Bool(_) => 0,
                NodeKind::Number(text) | NodeKind::String(text) => text.len(),
                NodeKind::Array(elements) => elements.iter().map(Node::weight).sum(),
                NodeKind::Object(members) => members
                    .iter()
                    .map(|m| size_of::<Member>() + m.name.len() + m.value.weight())
                    .sum(),
            }
    }
}

/// How a string may be written: characters before and behind it, and those that one of its own takes.
type Style = (usize, fn(char) -> usize);

/// How many characters one takes between double quotes, unless it is written as its number.
fn double_quoted_width(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\u{0}'..='\u{1f}' => 6,
        _ => 1,
    }
}

fn write_json_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0}'..='\u{1f}' => {
                write!(out, "\\u{:04x}", character as u32).expect("a String takes everything");
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// A member's name as a token of a JSON pointer (RFC 6901).
pub fn pointer_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A value in the tree together with its JSON pointer.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// The value.
    pub node: &'a Node,
    /// Its pointer.
    pub pointer: String,
}

impl<'a> Place<'a> {
    /// The root of a tree.
    pub fn root(node: &'a Node) -> Place<'a> {
        Place { node, pointer: String::new() }
    }

    /// Its location, for a diagnostic.
    pub fn location(&self) -> Location {
        self.node.span.at(self.pointer.clone())
    }

    /// The member of that name, in an object that has it.
    pub fn member(&self, name: &str) -> Option<Place<'a>> {
        Some(self.below(name, self.node.get(name)?))
    }

    /// A value that stands here under that name; looks nothing up, where all members are visited.
    pub fn below(&self, name: &str, node: &'a Node) -> Place<'a> {
        Place { node, pointer: format!("{}/{}", self.pointer, pointer_token(name)) }
    }

    /// The element at that index, in an array that has it.
    pub fn element(&self, index: usize) -> Option<Place<'a>> {
        let node = self.node.as_array()?.get(index)?;
        Some(Place { node, pointer: format!("{}/{index}", self.pointer) })
    }

    /// The location of what a pointer relative to this place leads to, as far as it leads.
    pub fn locate(&self, relative: &str) -> Location {
        let mut place = self.clone();
        for token in relative.split('/').skip(1) {
            let name = token.replace("~1", "/").replace("~0", "~");
            let next = place.member(&name);
            let next = next.or_else(|| name.parse().ok().and_then(|index| place.element(index)));
            match next {
                Some(next) => place = next,
                None => break,
            }
        }
        place.location()
    }
}
