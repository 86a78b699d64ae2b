//! An object's fields, read by name: whoever reads takes what it knows, each wrong value is
//! reported where it stands, and [`Fields::finish`] reports what nobody took.

mod complaint;

use std::collections::HashSet;
use std::ops::RangeInclusive;

use crate::asl::diagnostics::Diagnostics;
use crate::asl::names;
use crate::asl::source::{Member, Node, NodeKind, Place, Span, pointer_token};
use crate::asl::{codes, suggest};
use crate::fault::Location;

/// The name of a state that a field leads to; whether it exists is known once all states are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The state's name.
    pub name: String,
    /// Where that is written.
    pub location: Location,
    /// `State "A" field "Next"`: how a message about it starts.
    pub subject: String,
}

/// The fields of one object. Reading a field takes it; a field that is absent, or whose value is
/// wrong (and so reported), reads as `None`.
#[derive(Debug)]
#[must_use = "call finish, which reports the fields that nobody took"]
pub struct Fields<'a> {
    owner: String,
    pointer: String,
    span: Span,
    members: &'a [Member],
    /// Names that were asked for, present or not.
    known: HashSet<&'static str>,
    /// Indexes of members that were taken without being known by a constant name.
    taken: HashSet<usize>,
    diagnostics: &'a Diagnostics,
}

impl<'a> Fields<'a> {
    /// The fields of the object at `place`. `owner` starts every message: `State "A"`. `None`, and
    /// a finding, if it is no object.
    pub fn new(
        place: &Place<'a>,
        owner: impl Into<String>,
        diagnostics: &'a Diagnostics,
    ) -> Option<Fields<'a>> {
        let owner = owner.into();
        let Some(members) = place.node.as_object() else {
            let message = format!("{owner} must be an object, not {}.", place.node.kind_name());
            let code =
                if place.pointer.is_empty() { codes::NOT_AN_OBJECT } else { codes::WRONG_TYPE };
            diagnostics.error(code, message, place.location());
            return None;
        };
        let (pointer, span) = (place.pointer.clone(), place.node.span);
        let (known, taken) = (HashSet::new(), HashSet::new());
        Some(Fields { owner, pointer, span, members, known, taken, diagnostics })
    }

    /// How messages about it start: `State "A"`.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The object's JSON pointer.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The collector that findings go to.
    pub fn diagnostics(&self) -> &'a Diagnostics {
        self.diagnostics
    }

    /// All members, taken or not, with their names. Members whose names are not ASL's (the states
    /// of `States`) are read through this and [`Fields::take_rest`].
    pub fn members(&self) -> &'a [Member] {
        self.members
    }

    /// Is the field there? Does not take it.
    pub fn has(&self, name: &str) -> bool {
        self.member(name).is_some()
    }

    /// The field's value, whatever it is.
    pub fn place(&mut self, name: &'static str) -> Option<Place<'a>> {
        self.known.insert(name);
        let node = &self.member(name)?.value;
        Some(Place { node, pointer: self.pointer_to(name) })
    }

    /// The field's value, whatever it is.
    pub fn node(&mut self, name: &'static str) -> Option<&'a Node> {
        self.known.insert(name);
        self.member(name).map(|member| &member.value)
    }

    /// A string.
    pub fn string(&mut self, name: &'static str) -> Option<&'a str> {
        let node = self.node(name)?;
        node.as_str().or_else(|| self.wrong_type(name, node, "a string"))
    }

    /// A string that must be there.
    pub fn required_string(&mut self, name: &'static str) -> Option<&'a str> {
        self.required(name);
        self.string(name)
    }

    /// A string or null, as paths are: `Some(None)` is null.
    pub fn nullable_string(&mut self, name: &'static str) -> Option<Option<&'a str>> {
        let node = self.node(name)?;
        match &node.kind {
            NodeKind::Null => Some(None),
            NodeKind::String(text) => Some(Some(text)),
            _ => self.wrong_type(name, node, "a string or null"),
        }
    }

    /// The name of a state to go to.
    pub fn target(&mut self, name: &'static str) -> Option<Target> {
        let text = self.string(name)?.to_owned();
        Some(Target { name: text, location: self.location(name), subject: self.subject(name) })
    }

    /// The name of a state to go to, which must be there.
    pub fn required_target(&mut self, name: &'static str) -> Option<Target> {
        self.required(name);
        self.target(name)
    }

    /// `true` or `false`.
    pub fn bool(&mut self, name: &'static str) -> Option<bool> {
        let node = self.node(name)?;
        match node.kind {
            NodeKind::Bool(value) => Some(value),
            _ => self.wrong_type(name, node, "true or false"),
        }
    }

    /// An integer within a range.
    pub fn integer(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let node = self.node(name)?;
        let NodeKind::Number(text) = &node.kind else {
            return self.wrong_type(name, node, "an integer");
        };
        match text.parse::<i64>() {
            Ok(value) if range.contains(&value) => Some(value),
            Err(_) if text.contains(['.', 'e', 'E']) => self.wrong_type(name, node, "an integer"),
            _ => self.out_of_range(name, range.start(), range.end()),
        }
    }

    /// A number within a range.
    pub fn number(&mut self, name: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let node = self.node(name)?;
        let NodeKind::Number(text) = &node.kind else {
            return self.wrong_type(name, node, "a number");
        };
        match text.parse::<f64>() {
            Ok(value) if range.contains(&value) => Some(value),
            _ => self.out_of_range(name, range.start(), range.end()),
        }
    }

    /// One of a few words.
    pub fn one_of(&mut self, name: &'static str, words: &[&'static str]) -> Option<&'static str> {
        let text = self.string(name)?;
        let found = words.iter().find(|word| **word == text).copied();
        if found.is_none() {
            let near = suggest::sentence(text, words.iter().copied());
            self.invalid(name, codes::INVALID_VALUE, format!("is none of {words:?}.{near}"));
        }
        found
    }

    /// An array's elements.
    pub fn array(&mut self, name: &'static str) -> Option<Vec<Place<'a>>> {
        let place = self.place(name)?;
        let Some(elements) = place.node.as_array() else {
            return self.wrong_type(name, place.node, "an array");
        };
        Some((0..elements.len()).filter_map(|index| place.element(index)).collect())
    }

    /// An array of strings.
    pub fn strings(&mut self, name: &'static str) -> Option<Vec<&'a str>> {
        let elements = self.array(name)?;
        let texts: Vec<_> = elements.iter().map_while(|element| element.node.as_str()).collect();
        match elements.get(texts.len()) {
            None => Some(texts),
            Some(wrong) => {
                let at = texts.len();
                let message = format!(
                    "{} element {at} must be a string, not {}.",
                    self.subject(name),
                    wrong.node.kind_name()
                );
                self.diagnostics.error(codes::WRONG_TYPE, message, wrong.location());
                None
            }
        }
    }

    /// An object, to be read further; its own `finish` must be called as well.
    pub fn object(&mut self, name: &'static str) -> Option<Fields<'a>> {
        let place = self.place(name)?;
        if place.node.as_object().is_none() {
            return self.wrong_type(name, place.node, "an object");
        }
        Fields::new(&place, format!("{} {name}", self.owner), self.diagnostics)
    }

    /// An array of objects, each to be read further and finished. Elements that are no objects are
    /// reported and left out.
    pub fn objects(&mut self, name: &'static str) -> Option<Vec<Fields<'a>>> {
        let elements = self.array(name)?;
        let owner = |index| format!("{} {name}[{index}]", self.owner);
        let read = elements.iter().enumerate();
        Some(read.filter_map(|(at, e)| Fields::new(e, owner(at), self.diagnostics)).collect())
    }

    /// Takes `Comment`, which says nothing to us.
    pub fn comment(&mut self) {
        self.string(names::COMMENT);
    }

    /// Takes all members that nobody took: objects whose member names are the user's.
    pub fn take_rest(&mut self) -> Vec<(&'a Member, Place<'a>)> {
        let known = &self.known;
        let rest =
            self.members.iter().enumerate().filter(|(at, member)| {
                !known.contains(member.name.as_str()) && self.taken.insert(*at)
            });
        let place = |name: &str| format!("{}/{}", self.pointer, pointer_token(name));
        rest.map(|(_, m)| (m, Place { node: &m.value, pointer: place(&m.name) })).collect()
    }

    fn member(&self, name: &str) -> Option<&'a Member> {
        self.members.iter().find(|member| member.name == name)
    }

    fn pointer_to(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, pointer_token(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asl::source::{Format, Limits, read};

    /// Reads `{"S": …}` with `reader` and returns the findings as `CODE pointer: message`.
    fn findings(text: &str, reader: impl FnOnce(Fields<'_>)) -> Vec<String> {
        let diagnostics = Diagnostics::new();
        let root = read(text.as_bytes(), Format::Json, Limits::default(), &diagnostics);
        let root = root.expect("valid JSON");
        let place = Place::root(&root).member("S").expect("a member S");
        if let Some(fields) = Fields::new(&place, "State \"S\"", &diagnostics) {
            reader(fields);
        }
        let found = diagnostics.into_vec().into_iter();
        found.map(|d| format!("{} {}: {}", d.code, d.location.pointer, d.message)).collect()
    }

    #[test]
    fn reads_what_is_right() {
        let text = r#"{"S": {"Comment": "c", "Next": "B", "End": true, "Seconds": 5,
            "BackoffRate": 1.5, "InputPath": null, "JitterStrategy": "FULL", "Retry": [{}],
            "Credentials": {"RoleArn": "r"}, "ErrorEquals": ["a"], "x/y": 1}}"#;
        let found = findings(text, |mut fields| {
            fields.comment();
            let next = fields.required_target("Next").expect("there");
            assert_eq!((next.name.as_str(), next.location.pointer.as_str()), ("B", "/S/Next"));
            assert_eq!(fields.bool("End"), Some(true));
            assert_eq!(fields.integer("Seconds", 1..=9), Some(5));
            assert_eq!(fields.number("BackoffRate", 1.0..=9.0), Some(1.5));
            assert_eq!(fields.nullable_string("InputPath"), Some(None));
            assert_eq!(fields.nullable_string("OutputPath"), None);
            assert_eq!(fields.one_of("JitterStrategy", &["FULL", "NONE"]), Some("FULL"));
            assert_eq!(fields.objects("Retry").map(|list| list.len()), Some(1));
            assert_eq!(fields.strings("ErrorEquals"), Some(vec!["a"]));
            assert_eq!(fields.exactly_one(&["Seconds", "SecondsPath"]), Some("Seconds"));
            let mut credentials = fields.object("Credentials").expect("there");
            assert_eq!(credentials.required_string("RoleArn"), Some("r"));
            credentials.finish();
            let rest = fields.take_rest();
            assert_eq!((rest.len(), rest[0].1.pointer.as_str()), (1, "/S/x~1y"));
            fields.finish();
        });
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn wrong_values_are_named_with_their_place() {
        let text = r#"{"S": {"Next": 1, "End": "yes", "Seconds": 1.5, "MaxAttempts": -1,
            "Mode": "Full", "Retry": [1], "ErrorEquals": ["a", null], "Credentials": []}}"#;
        let found = findings(text, |mut fields| {
            fields.string("Next");
            fields.bool("End");
            fields.integer("Seconds", 1..=9);
            fields.integer("MaxAttempts", 0..=9);
            fields.one_of("Mode", &["FULL", "NONE"]);
            fields.objects("Retry");
            fields.strings("ErrorEquals");
            fields.object("Credentials");
            fields.finish();
        });
        assert_eq!(
            found,
            [
                r#"WRONG_TYPE /S/Next: State "S" field "Next" must be a string, not 1."#,
                "WRONG_TYPE /S/End: State \"S\" field \"End\" must be true or false, not the \
                 string \"yes\".",
                r#"WRONG_TYPE /S/Seconds: State "S" field "Seconds" must be an integer, not 1.5."#,
                "OUT_OF_RANGE /S/MaxAttempts: State \"S\" field \"MaxAttempts\" value -1 is not \
                 within 0 to 9.",
                "INVALID_VALUE /S/Mode: State \"S\" field \"Mode\" value \"Full\" is none of \
                 [\"FULL\", \"NONE\"]. Did you mean \"FULL\"?",
                r#"WRONG_TYPE /S/Retry/0: State "S" Retry[0] must be an object, not a number."#,
                "WRONG_TYPE /S/ErrorEquals/1: State \"S\" field \"ErrorEquals\" element 1 must be \
                 a string, not null.",
                "WRONG_TYPE /S/Credentials: State \"S\" field \"Credentials\" must be an object, \
                 not an array.",
            ]
        );
    }

    #[test]
    fn missing_unknown_and_exclusive_fields() {
        let text =
            r#"{"S": {"Nxet": "B", "Owner": 1, "Error": "e", "ErrorPath": "$.e", "Result": 1}}"#;
        let found = findings(text, |mut fields| {
            fields.required_string("Next");
            fields.at_most_one(&["Error", "ErrorPath"]);
            fields.string("Error");
            fields.string("ErrorPath");
            fields.exactly_one(&["Seconds", "SecondsPath", "Timestamp"]);
            fields.refuse("Result", codes::FIELD_NOT_ALLOWED, "belongs to Pass states; remove it.");
            fields.finish();
        });
        assert_eq!(
            found,
            [
                "MISSING_FIELD /S: State \"S\" has no field \"Next\"; it is required. Is \"Nxet\" \
                 meant to be it?",
                "MISSING_FIELD /S: State \"S\" needs one of \"Seconds\", \"SecondsPath\" or \
                 \"Timestamp\".",
                r#"UNKNOWN_FIELD /S/Nxet: State "S" has no field "Nxet". Did you mean "Next"?"#,
                r#"UNKNOWN_FIELD /S/Owner: State "S" has no field "Owner"."#,
                "EXCLUSIVE_FIELDS /S/ErrorPath: State \"S\" has \"Error\" and \"ErrorPath\", \
                 which exclude each other; keep one of them.",
                "FIELD_NOT_ALLOWED /S/Result: State \"S\" field \"Result\" belongs to Pass \
                 states; remove it.",
            ]
        );
    }

    #[test]
    fn no_object_is_one_finding() {
        let found = findings(r#"{"S": "Pass"}"#, |_| panic!("there are no fields to read"));
        assert_eq!(found, [r#"WRONG_TYPE /S: State "S" must be an object, not a string."#]);
    }

    #[test]
    fn a_relative_pointer_is_located() {
        let text = b"{\"P\": {\"a/b.$\":\n [1, 2]}}";
        let root = read(text, Format::Json, Limits::default(), &Diagnostics::new());
        let root = root.expect("valid JSON");
        let place = Place::root(&root).member("P").expect("there");
        let at = place.locate("/a~1b.$/1");
        assert_eq!((at.pointer.as_str(), at.line, at.column), ("/P/a~1b.$/1", 2, 6));
        assert_eq!(place.locate("/gone/1").pointer, "/P");
    }

    #[test]
    fn an_expression_is_exactly_wrapped() {
        let expression = |text: &str| {
            let node = Node { kind: NodeKind::String(text.to_owned()), span: Span::default() };
            node.as_expression().map(str::to_owned)
        };
        assert_eq!(expression("{% $x %}").as_deref(), Some(" $x "));
        for text in [" {% $x %}", "{% $x %} ", "{%}", "{% $x"] {
            assert_eq!(expression(text), None);
        }
    }
}
