//! What is reported about fields, and where: the sentences that start with the owner's name.

use crate::asl::fields::Fields;
use crate::asl::source::{Member, Node, NodeKind};
use crate::asl::{codes, suggest};
use crate::fault::Location;

impl<'a> Fields<'a> {
    /// Reports the field if it is missing.
    pub fn required(&mut self, name: &'static str) -> bool {
        self.known.insert(name);
        let here = self.has(name);
        if !here {
            let others = self.unknown().map(|member| member.name.as_str());
            let near = match suggest::nearest(name, others) {
                Some(near) => format!(" Is {near:?} meant to be it?"),
                None => String::new(),
            };
            let message = format!("{} has no field {name:?}; it is required.{near}", self.owner);
            self.diagnostics.error(codes::MISSING_FIELD, message, self.here());
        }
        here
    }

    /// Reports fields that exclude each other: at most one of `names` may be there.
    pub fn at_most_one(&mut self, names: &[&'static str]) -> bool {
        let here: Vec<_> = names.iter().copied().filter(|name| self.has(name)).collect();
        if let [_, second, ..] = here[..] {
            let message = format!(
                "{} has {}, which exclude each other; keep one of them.",
                self.owner,
                quoted(&here, "and")
            );
            let at = self.name_location(second);
            self.diagnostics.error(codes::EXCLUSIVE_FIELDS, message, at);
        }
        here.len() < 2
    }

    /// The one of `names` that is there; none, or several, are reported.
    pub fn exactly_one(&mut self, names: &[&'static str]) -> Option<&'static str> {
        self.known.extend(names);
        if !self.at_most_one(names) {
            return None;
        }
        let here = names.iter().copied().find(|name| self.has(name));
        if here.is_none() {
            let message = format!("{} needs one of {}.", self.owner, quoted(names, "or"));
            self.diagnostics.error(codes::MISSING_FIELD, message, self.here());
        }
        here
    }

    /// Takes a field that may not stand here, if it does, and says why: `reason` goes on after
    /// `State "A" field "Next"`.
    pub fn refuse(&mut self, name: &'static str, code: &'static str, reason: &str) -> bool {
        self.known.insert(name);
        let here = self.has(name);
        if here {
            let message = format!("{} {reason}", self.subject(name));
            self.diagnostics.error(code, message, self.name_location(name));
        }
        here
    }

    /// Reports the field's value: `complaint` goes on after `State "A" field "Next" value "B"`.
    pub fn invalid(&self, name: &str, code: &'static str, complaint: impl AsRef<str>) {
        let shown = self.member(name).map(|member| member.value.shown()).unwrap_or_default();
        let message = format!("{} value {shown} {}", self.subject(name), complaint.as_ref());
        self.diagnostics.error(code, message, self.location(name));
    }

    /// Reports something about the object as a whole: `complaint` goes on after `State "A"`.
    pub fn error(&self, code: &'static str, complaint: impl AsRef<str>) {
        let message = format!("{} {}", self.owner, complaint.as_ref());
        self.diagnostics.error(code, message, self.here());
    }

    /// Warns about the field: `complaint` goes on after `State "A" field "Next"`.
    pub fn warning(&self, name: &str, code: &'static str, complaint: impl AsRef<str>) {
        let message = format!("{} {}", self.subject(name), complaint.as_ref());
        self.diagnostics.warning(code, message, self.location(name));
    }

    /// Where the object stands.
    pub fn here(&self) -> Location {
        self.span.at(self.pointer.clone())
    }

    /// Where the field's value stands; where the object does, if the field is absent.
    pub fn location(&self, name: &str) -> Location {
        match self.member(name) {
            Some(member) => member.value.span.at(self.pointer_to(name)),
            None => self.here(),
        }
    }

    /// Where the field's name stands; where the object does, if the field is absent.
    pub fn name_location(&self, name: &str) -> Location {
        match self.member(name) {
            Some(member) => member.name_span.at(self.pointer_to(name)),
            None => self.here(),
        }
    }

    /// `State "A" field "Next"`: how a message about the field starts.
    pub fn subject(&self, name: &str) -> String {
        format!("{} field {name:?}", self.owner)
    }

    /// Refuses fields that nobody took and that `why` knows a reason against: it goes on after
    /// `State "A" field "Retry"`.
    pub fn refuse_rest(&mut self, why: impl Fn(&str) -> Option<String>) {
        let refused: Vec<_> = self.unknown().filter_map(|it| Some((it, why(&it.name)?))).collect();
        for (member, reason) in refused {
            let message = format!("{} {reason}", self.subject(&member.name));
            let at = self.name_location(&member.name);
            self.diagnostics.error(codes::FIELD_NOT_ALLOWED, message, at);
            let index = self.members.iter().position(|it| std::ptr::eq(it, member));
            self.taken.extend(index);
        }
    }

    /// Reports the fields that nobody took.
    pub fn finish(self) {
        for member in self.unknown() {
            // Only what is missing can have been meant.
            let missing = self.known.iter().copied().filter(|name| !self.has(name));
            let near = suggest::sentence(&member.name, missing);
            let message = format!("{} has no field {:?}.{near}", self.owner, member.name);
            let at = self.name_location(&member.name);
            self.diagnostics.error(codes::UNKNOWN_FIELD, message, at);
        }
    }

    /// Gives up on the rest without a word: something worse has been reported.
    pub fn abandon(self) {}

    fn unknown(&self) -> impl Iterator<Item = &'a Member> {
        let members = self.members.iter().enumerate();
        let unknown = members
            .filter(|(at, m)| !self.known.contains(m.name.as_str()) && !self.taken.contains(at));
        unknown.map(|(_, member)| member)
    }

    pub(super) fn wrong_type<T>(&self, name: &str, node: &Node, wanted: &str) -> Option<T> {
        let message = format!("{} must be {wanted}, not {}.", self.subject(name), describe(node));
        self.diagnostics.error(codes::WRONG_TYPE, message, self.location(name));
        None
    }

    pub(super) fn out_of_range<T>(
        &self,
        name: &str,
        low: &impl std::fmt::Display,
        high: &impl std::fmt::Display,
    ) -> Option<T> {
        self.invalid(name, codes::OUT_OF_RANGE, format!("is not within {low} to {high}."));
        None
    }
}

/// `the number 1.5`, `an object`.
fn describe(node: &Node) -> String {
    match node.kind {
        NodeKind::String(_) => format!("the string {}", node.shown()),
        NodeKind::Number(_) | NodeKind::Bool(_) => node.shown(),
        _ => node.kind_name().to_owned(),
    }
}

/// `"a", "b" and "c"`
fn quoted(names: &[&str], joint: &str) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {joint} {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
