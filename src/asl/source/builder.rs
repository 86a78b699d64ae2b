//! What both readers share: where they are in the tree, its limits, placeholders, the findings.

use std::collections::HashMap;

use crate::asl::diagnostics::Diagnostics;
use crate::asl::source::placeholders::fill;
use crate::asl::source::tree::{Member, Node, NodeKind, Span, pointer_token};
use crate::asl::source::{Limits, Mode};
use crate::asl::{codes, names};

/// A finding that leaves no tree has been reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// What both readers share: where they are in the tree, its limits, and the findings.
pub(super) struct Builder<'d> {
    mode: Mode<'d>,
    limits: Limits,
    diagnostics: &'d Diagnostics,
    pointer: String,
    depth: usize,
    expanded: usize,
}

impl<'d> Builder<'d> {
    pub(super) fn new(mode: Mode<'d>, limits: Limits, diagnostics: &'d Diagnostics) -> Builder<'d> {
        Builder { mode, limits, diagnostics, pointer: String::new(), depth: 0, expanded: 0 }
    }

    /// Reports what ends the reading.
    pub(super) fn broken(&self, code: &'static str, message: String, span: Span) -> Broken {
        self.diagnostics.error(code, message, span.at(self.pointer.clone()));
        Broken
    }

    /// Reports what does not.
    pub(super) fn warning(&self, code: &'static str, message: String, span: Span) {
        self.diagnostics.warning(code, message, span.at(self.pointer.clone()));
    }

    /// Goes into an object or array; [`Builder::leave`] comes out.
    pub(super) fn enter(&mut self, span: Span) -> Result<(), Broken> {
        if self.depth == self.limits.depth {
            let message = format!("Values are nested more than {} deep here.", self.limits.depth);
            return Err(self.broken(codes::NESTED_TOO_DEEP, message, span));
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Goes on with a member or element; `truncate` with what it returned comes back.
    pub(super) fn step(&mut self, token: &str) -> usize {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(token);
        length
    }

    pub(super) fn step_back(&mut self, length: usize) {
        self.pointer.truncate(length);
    }

    /// Is it a CloudFormation template that is read?
    pub(super) fn is_template(&self) -> bool {
        matches!(self.mode, Mode::Template)
    }

    /// Are placeholders filled?
    pub(super) fn fills(&self) -> bool {
        matches!(self.mode, Mode::Fill(_))
    }

    /// A text with its placeholders filled. One that has no value is reported and stays.
    pub(super) fn filled(&mut self, text: String, span: Span) -> Result<String, Broken> {
        let Mode::Fill(substitutions) = self.mode else { return Ok(text) };
        if !text.contains("${") {
            return Ok(text);
        }
        let mut unresolved = Vec::new();
        let filled = fill(&text, &mut |name| {
            let value = substitutions.get(name);
            if value.is_none() {
                unresolved.push(name.to_owned());
            }
            value.map(str::to_owned)
        });
        let filled = filled.into_owned();
        // A comment may say what it wants.
        if !self.pointer.ends_with("/Comment") {
            unresolved.iter().for_each(|name| self.unresolved(name, span));
        }
        self.grow(filled.len().saturating_sub(text.len()), span)?;
        Ok(filled)
    }

    /// A tree with the placeholders in its strings filled.
    pub(super) fn filled_tree(&mut self, node: Node) -> Result<Node, Broken> {
        let span = node.span;
        let kind = match node.kind {
            NodeKind::String(text) => NodeKind::String(self.filled(text, span)?),
            NodeKind::Array(elements) => {
                let mut filled = Vec::with_capacity(elements.len());
                for (at, element) in elements.into_iter().enumerate() {
                    let back = self.step(&at.to_string());
                    filled.push(self.filled_tree(element)?);
                    self.step_back(back);
                }
                NodeKind::Array(filled)
            }
            NodeKind::Object(members) => {
                let mut filled = Vec::with_capacity(members.len());
                for Member { name, name_span, value } in members {
                    let back = self.step(&pointer_token(&name));
                    let value = self.filled_tree(value)?;
                    self.step_back(back);
                    filled.push(Member { name, name_span, value });
                }
                NodeKind::Object(filled)
            }
            kind => kind,
        };
        Ok(Node { kind, span })
    }

    /// A placeholder's value where none stands in quotes.
    pub(super) fn value_of(&self, name: &str, span: Span) -> Option<&'d str> {
        let Mode::Fill(substitutions) = self.mode else { return None };
        let value = substitutions.get(name);
        if value.is_none() {
            self.unresolved(name, span);
        }
        value
    }

    fn unresolved(&self, name: &str, span: Span) {
        let message = format!(
            "The placeholder ${{{name}}} has no value; give it one with --set {name}=VALUE, the \
             environment variable {name}, or [pipeline.substitutions]. (Write ${{!{name}}} for the \
             text itself.)"
        );
        let location = span.at(self.pointer.clone());
        self.diagnostics.error(codes::UNRESOLVED_PLACEHOLDER, message, location);
    }

    /// Accounts for a copy that a YAML alias makes.
    pub(super) fn expand(&mut self, node: &Node, span: Span) -> Result<(), Broken> {
        self.grow(node.weight(), span)
    }

    fn grow(&mut self, by: usize, span: Span) -> Result<(), Broken> {
        self.expanded = self.expanded.saturating_add(by);
        if self.expanded <= self.limits.expanded_bytes {
            return Ok(());
        }
        let limit = self.limits.expanded_bytes;
        let message = format!("Aliases or placeholders expand to more than {limit} bytes here.");
        Err(self.broken(codes::DEFINITION_TOO_LARGE, message, span))
    }
}

/// The members of an object while it is read: the last of several with one name counts.
#[derive(Default)]
pub(super) struct Members {
    list: Vec<Member>,
    by_name: HashMap<String, usize>,
}

impl Members {
    pub(super) fn add(&mut self, member: Member, builder: &Builder<'_>) {
        let Some(&earlier) = self.by_name.get(&member.name) else {
            self.by_name.insert(member.name.clone(), self.list.len());
            return self.list.push(member);
        };
        let (name, line) = (&member.name, self.list[earlier].name_span.line);
        let pointer = format!("{}/{}", builder.pointer, pointer_token(name));
        let location = member.name_span.at(pointer);
        if holds_states(&builder.pointer) {
            let message = format!(
                "State name {name:?} stands twice in these \"States\" (first on line {line}); rename \
                 one."
            );
            builder.diagnostics.error(codes::DUPLICATE_STATE_NAME, message, location);
        } else {
            let message = format!(
                "Field {name:?} stands twice in this object (first on line {line}); the last one \
                 counts. Remove one of them."
            );
            builder.diagnostics.warning(codes::DUPLICATE_FIELD, message, location);
        }
        self.list[earlier] = member;
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    pub(super) fn into_list(self) -> Vec<Member> {
        self.list
    }
}

/// Does the object at `pointer` hold the states of a machine, a branch or an iteration? What is only
/// called so, somewhere in a state's data, does not.
fn holds_states(pointer: &str) -> bool {
    let mut tokens = pointer.split('/').skip(1);
    loop {
        if tokens.next() != Some(names::STATES) {
            return false;
        }
        let Some(_state) = tokens.next() else { return true };
        match tokens.next() {
            Some(names::BRANCHES) => drop(tokens.next()),
            Some(names::ITEM_PROCESSOR | names::ITERATOR) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_from_data() {
        assert!(holds_states("/States"));
        assert!(holds_states("/States/States/Branches/0/States"));
        assert!(holds_states("/States/A/Iterator/States/B/ItemProcessor/States"));
        assert!(!holds_states("/States/A"));
        assert!(!holds_states("/States/A/Parameters/States"));
        assert!(!holds_states(""));
    }
}
