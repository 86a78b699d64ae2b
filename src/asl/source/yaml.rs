//! YAML 1.2 into the tree: the core schema decides what a plain scalar is; anchors, aliases and
//! `<<` merges are resolved. What JSON can't express (infinities, keys that are no scalars, several
//! documents, application tags such as `!Sub`) is refused with its place.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Range, StrInput, Tag};

use crate::asl::codes;
use crate::asl::source::builder::{Broken, Builder, Members};
use crate::asl::source::tree::{Member, Node, NodeKind, Span, pointer_token};

/// Reads the only document of a text; an empty one is null.
pub(super) fn read(text: &str, builder: Builder<'_>) -> Result<Node, Broken> {
    let parser = Parser::new_from_str(text);
    let mut reader = Reader { parser, anchors: HashMap::new(), builder };
    let mut document = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(_) if document.is_some() => {
                let message = "A second document starts here; a file holds one definition.";
                return Err(reader.broken(message, span));
            }
            Event::DocumentStart(_) => document = Some(reader.node()?),
            _ => {}
        }
    }
    Ok(document
        .unwrap_or(Node { kind: NodeKind::Null, span: Span { line: 1, column: 1, width: 1 } }))
}

struct Reader<'t, 'd> {
    parser: Parser<'t, StrInput<'t>>,
    /// By the parser's number; 0 is none.
    anchors: HashMap<usize, Node>,
    builder: Builder<'d>,
}

/// The key that merges the mapping, or mappings, which it stands before.
const MERGE: &str = "<<";

impl<'t> Reader<'t, '_> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Broken> {
        match self.parser.next_event() {
            Some(Ok((event, range))) => Ok((event, span_of(range))),
            Some(Err(error)) => Err(self.scan_error(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn scan_error(&self, error: &ScanError) -> Broken {
        let marker = *error.marker();
        let span = span_of(Range::empty(marker));
        self.broken(&format!("This is not YAML: {}.", error.info()), span)
    }

    fn broken(&self, message: &str, span: Span) -> Broken {
        self.builder.broken(codes::INVALID_YAML, message.to_owned(), span)
    }

    fn node(&mut self) -> Result<Node, Broken> {
        let (event, span) = self.next()?;
        self.node_from(event, span)
    }

    fn node_from(&mut self, event: Event<'t>, span: Span) -> Result<Node, Broken> {
        let (anchor, kind, span) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let short = self.short_form(tag.as_deref());
                let text = self.builder.filled(text.into_owned(), span)?;
                let kind = scalar(&text, style, tag.as_deref().filter(|_| short.is_none()));
                let kind = kind.map_err(|message| self.broken(&message, span))?;
                self.warn_of_zeros(&text, &kind, span);
                (anchor, wrapped(short, kind, span), span)
            }
            Event::SequenceStart(anchor, tag) => {
                let short = self.short_form(tag.as_deref());
                self.check_tag(tag.as_deref().filter(|_| short.is_none()), "seq", span)?;
                let kind = self.sequence(span)?;
                (anchor, wrapped(short, kind, span), Span { width: 1, ..span })
            }
            Event::MappingStart(anchor, tag) => {
                let short = self.short_form(tag.as_deref());
                self.check_tag(tag.as_deref().filter(|_| short.is_none()), "map", span)?;
                let kind = self.mapping(span)?;
                (anchor, wrapped(short, kind, span), Span { width: 1, ..span })
            }
            Event::Alias(anchor) => return self.alias(anchor, span),
            _ => return Err(self.broken("A value is missing here.", span)),
        };
        let node = Node { kind, span };
        if anchor > 0 {
            self.builder.expand(&node, span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// `0123` was octal in YAML 1.1, is 123 in 1.2, and is mostly meant as text.
    fn warn_of_zeros(&self, text: &str, kind: &NodeKind, span: Span) {
        if let NodeKind::Number(number) = kind
            && text.starts_with('0')
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text != number
        {
            let message = format!("{text} is the number {number}; quote it if text is meant.");
            self.builder.warning(codes::AMBIGUOUS_SCALAR, message, span);
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Broken> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(self.broken("This alias stands within its own anchor.", span));
        };
        self.builder.expand(node, span)?;
        Ok(Node { kind: node.kind.clone(), span })
    }

    /// The function that a template's tag is short for: `Fn::Sub` for `!Sub`.
    fn short_form(&self, tag: Option<&Tag>) -> Option<String> {
        let tag = tag.filter(|tag| self.builder.is_template() && tag.handle == "!")?;
        Some(match tag.suffix.as_str() {
            same @ ("Ref" | "Condition") => same.to_owned(),
            function => format!("Fn::{function}"),
        })
    }

    fn check_tag(&self, tag: Option<&Tag>, core: &str, span: Span) -> Result<(), Broken> {
        match tag {
            Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == core) => {
                Err(self.broken(&foreign_tag(tag), span))
            }
            _ => Ok(()),
        }
    }

    fn sequence(&mut self, span: Span) -> Result<NodeKind, Broken> {
        self.builder.enter(span)?;
        let mut elements = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                break;
            }
            let back = self.builder.step(&elements.len().to_string());
            elements.push(self.node_from(event, span)?);
            self.builder.step_back(back);
        }
        self.builder.leave();
        Ok(NodeKind::Array(elements))
    }

    fn mapping(&mut self, span: Span) -> Result<NodeKind, Broken> {
        self.builder.enter(span)?;
        let (mut members, mut merged) = (Members::default(), Vec::new());
        loop {
            let (event, name_span) = self.next()?;
            let (name, style) = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, style, _, None) => {
                    (self.builder.filled(text.into_owned(), name_span)?, style)
                }
                Event::Alias(anchor) => (self.alias_key(anchor, name_span)?, ScalarStyle::Literal),
                _ => return Err(self.broken("A key must be a plain or quoted string.", name_span)),
            };
            let back = self.builder.step(&pointer_token(&name));
            let value = self.node()?;
            self.builder.step_back(back);
            if name == MERGE && style == ScalarStyle::Plain {
                self.merge(value, &mut merged)?;
            } else {
                members.add(Member { name, name_span, value }, &self.builder);
            }
        }
        for member in merged {
            if !members.has(&member.name) {
                members.add(member, &self.builder);
            }
        }
        self.builder.leave();
        Ok(NodeKind::Object(members.into_list()))
    }

    fn alias_key(&self, anchor: usize, span: Span) -> Result<String, Broken> {
        let text = self.anchors.get(&anchor).and_then(|node| node.as_str());
        text.map(str::to_owned).ok_or_else(|| self.broken("A key must be a string.", span))
    }

    /// `<<: *mapping` or `<<: [*first, *second]`; the first that has a name gives its value.
    fn merge(&self, value: Node, merged: &mut Vec<Member>) -> Result<(), Broken> {
        let span = value.span;
        match value.kind {
            NodeKind::Object(members) => merged.extend(members),
            NodeKind::Array(list) if list.iter().all(|node| node.as_object().is_some()) => {
                for node in list {
                    self.merge(node, merged)?;
                }
            }
            _ => return Err(self.broken("\"<<\" merges a mapping or a list of mappings.", span)),
        }
        Ok(())
    }
}

/// The value as the only member of its function.
fn wrapped(function: Option<String>, kind: NodeKind, span: Span) -> NodeKind {
    match function {
        None => kind,
        Some(name) => {
            let value = Node { kind, span };
            NodeKind::Object(vec![Member { name, name_span: span, value }])
        }
    }
}

fn span_of(range: Range) -> Span {
    let one_line = range.start.line() == range.end.line();
    Span {
        line: range.start.line() as u32,
        column: range.start.col() as u32 + 1,
        width: if one_line { (range.len() as u32).max(1) } else { 1 },
    }
}

fn foreign_tag(tag: &Tag) -> String {
    format!(
        "The tag {tag} has no meaning in a definition; put the value itself here (deployment tools \
         resolve tags such as !Sub and !Ref first)."
    )
}

/// What a scalar means by the core schema (YAML 1.2.2, section 10.3).
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<NodeKind, String> {
    let wanted = match tag {
        None if style == ScalarStyle::Plain => return plain(text),
        None => "str",
        Some(tag) if tag.is_yaml_core_schema() => tag.suffix.as_str(),
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => "str",
        Some(tag) => return Err(foreign_tag(tag)),
    };
    let kind = if wanted == "str" { NodeKind::String(text.to_owned()) } else { plain(text)? };
    let fits = match kind {
        NodeKind::String(_) => wanted == "str",
        NodeKind::Null => wanted == "null",
        NodeKind::Bool(_) => wanted == "bool",
        NodeKind::Number(_) => matches!(wanted, "int" | "float"),
        _ => false,
    };
    if fits { Ok(kind) } else { Err(format!("{text:?} is not of the type that !!{wanted} says.")) }
}

fn plain(text: &str) -> Result<NodeKind, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => NodeKind::Null,
        "true" | "True" | "TRUE" => NodeKind::Bool(true),
        "false" | "False" | "FALSE" => NodeKind::Bool(false),
        _ if is_not_finite(text) => {
            return Err(format!("JSON has no {text}; quote it if text is meant."));
        }
        _ => match number(text) {
            Some(number) => NodeKind::Number(number),
            None => NodeKind::String(text.to_owned()),
        },
    })
}

fn is_not_finite(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

/// A number of the core schema, spelled as JSON spells it.
fn number(text: &str) -> Option<String> {
    let radix = |digits, radix| u64::from_str_radix(digits, radix).ok();
    let bare = |digits: &str| digits.starts_with(|first: char| first.is_ascii_alphanumeric());
    if let Some(digits) = text.strip_prefix("0x").filter(|digits| bare(digits)) {
        return radix(digits, 16).map(|number| number.to_string());
    }
    if let Some(digits) = text.strip_prefix("0o").filter(|digits| bare(digits)) {
        return radix(digits, 8).map(|number| number.to_string());
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let mut json = String::from(if text.starts_with('-') { "-" } else { "" });
    let whole = whole.trim_start_matches('0');
    json.push_str(if whole.is_empty() { "0" } else { whole });
    if mantissa.contains('.') {
        json.push('.');
        json.push_str(if fraction.is_empty() { "0" } else { fraction });
    }
    if let Some(exponent) = exponent {
        let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if power.is_empty() || !digits(power) {
            return None;
        }
        json.push('e');
        json.push_str(exponent);
    }
    Some(json)
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Limits, read};
    use crate::asl::codes;
    use crate::asl::diagnostics::Diagnostics;

    fn reads(text: &str, json: &str) {
        let diagnostics = Diagnostics::new();
        let node = read(text.as_bytes(), Format::Yaml, Limits::default(), &diagnostics);
        let found = diagnostics.into_vec();
        assert_eq!(node.map(|node| node.to_json_text()).as_deref(), Some(json), "{found:?}");
    }

    fn rejects(text: &str, line: u32, part: &str) {
        let diagnostics = Diagnostics::new();
        assert!(read(text.as_bytes(), Format::Yaml, Limits::default(), &diagnostics).is_none());
        let found = diagnostics.into_vec().remove(0);
        assert_eq!((found.code, found.location.line), (codes::INVALID_YAML, line), "{found}");
        assert!(found.message.contains(part), "{found}");
    }

    #[test]
    fn reads_a_definition() {
        let text = "StartAt: A\nStates:\n  A:\n    Type: Task # fast\n    Resource: arn:aws:x\n    \
                    End: true\n    Comment: >-\n      2\n      lines\n    Retry:\n    - \
                    {ErrorEquals: [States.ALL], BackoffRate: 1.50}\n";
        let json = concat!(
            r#"{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:x","End":true,"#,
            r#""Comment":"2 lines","Retry":[{"ErrorEquals":["States.ALL"],"BackoffRate":1.50}]}}}"#
        );
        reads(text, json);
        reads(json, json);
        reads("", "null");
    }

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        reads("[null, ~, Null, true, FALSE, yes, on]", r#"[null,null,null,true,false,"yes","on"]"#);
        reads("[1, +2, -3, 007, 0x1F, 0o17, 0b1]", r#"[1,2,-3,7,31,15,"0b1"]"#);
        reads("[.5, 5., -1.50, 1e3, +1E-3, 1_000]", r#"[0.5,5.0,-1.50,1e3,1e-3,"1_000"]"#);
        reads(
            "['1', \"true\", 2016-03-14T01:59:00Z, 12:30, +, -x]",
            r#"["1","true","2016-03-14T01:59:00Z","12:30","+","-x"]"#,
        );
        reads("[!!str 1, !!int '7', ! 2, !!str , 0x, 0x+1]", r#"["1",7,"2","","0x","0x+1"]"#);
        reads("1: a\ntrue: b\n", r#"{"1":"a","true":"b"}"#);
    }

    #[test]
    fn leading_zeros_are_warned_about() {
        let diagnostics = Diagnostics::new();
        let text = b"a: 012345678901\nb: '012'\nc: 0\nd: 0x1F\ne: 0.50";
        let root = read(text, Format::Yaml, Limits::default(), &diagnostics).expect("valid");
        assert_eq!(root.to_json_text(), r#"{"a":12345678901,"b":"012","c":0,"d":31,"e":0.50}"#);
        let found = diagnostics.into_vec();
        assert_eq!((found.len(), found[0].code), (1, codes::AMBIGUOUS_SCALAR));
        assert_eq!(found[0].location.pointer, "/a");
    }

    #[test]
    fn aliases_and_merges_are_resolved() {
        reads(
            "a: &x {k: [1]}\nb: *x\nc: &t t\n*t : 1",
            r#"{"a":{"k":[1]},"b":{"k":[1]},"c":"t","t":1}"#,
        );
        reads("a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}", r#"{"a":{"k":1,"l":2},"b":{"k":3,"l":2}}"#);
        reads(
            "[&x {k: 1}, &y {k: 2, l: 3}, {<<: [*x, *y]}]",
            r#"[{"k":1},{"k":2,"l":3},{"k":1,"l":3}]"#,
        );
        rejects("a: 1\n<<: 2", 2, "merges");
    }

    #[test]
    fn says_where_everything_stands() {
        let diagnostics = Diagnostics::new();
        let text = b"States:\n  A:\n    Type: Pass\n";
        let root = read(text, Format::Yaml, Limits::default(), &diagnostics).expect("valid");
        let state = &root.get("States").and_then(|s| s.as_object()).expect("states")[0];
        assert_eq!(
            (state.name_span.line, state.name_span.column, state.name_span.width),
            (2, 3, 1)
        );
        let span = state.value.get("Type").expect("type").span;
        assert_eq!((span.line, span.column, span.width), (3, 11, 4));
    }

    #[test]
    fn what_json_cannot_express_is_refused() {
        rejects("a:\n  b: .inf", 2, ".inf");
        rejects("a: 1\nb: !Sub '${x}'", 2, "!Sub");
        rejects("a: !Ref [x]", 1, "!Ref");
        rejects("? [a]\n: 1", 1, "key");
        rejects("a: 1\n---\nb: 2", 2, "second document");
        rejects("a: [1, 2", 2, "not YAML");
        rejects("a: *x", 1, "not YAML");
        rejects("a: !!int x", 1, "!!int");
    }

    #[test]
    fn aliases_cannot_explode() {
        let mut text = String::from("a0: &a0 [lol]\n");
        for level in 1..30 {
            let below = format!("*a{}", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", [below.as_str(); 9].join(", "));
        }
        let diagnostics = Diagnostics::new();
        assert!(read(text.as_bytes(), Format::Yaml, Limits::default(), &diagnostics).is_none());
        assert_eq!(diagnostics.into_vec()[0].code, codes::DEFINITION_TOO_LARGE);
        let deep = "[".repeat(100_000);
        let diagnostics = Diagnostics::new();
        assert!(read(deep.as_bytes(), Format::Yaml, Limits::default(), &diagnostics).is_none());
    }
}
