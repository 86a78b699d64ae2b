//! `Assign`: variables that a state sets once it is left, and where each name may be set (Developer
//! Guide, "Passing data between states with variables").

use super::lowering::Payload;
use super::{Listing, Lowering};
use crate::asl::fields::Fields;
use crate::asl::source::Place;
use crate::asl::{codes, names};
use crate::fault::{Location, StateError};
use crate::step::{Frame, Glance, Stage};
use crate::value::Value;

/// Characters of a variable's name (Developer Guide).
const NAME_CHARS_MAX: usize = 80;
/// The name that the language keeps for itself.
const RESERVED: &str = "states";
/// The mark of a field that holds an expression.
const MARK: &str = ".$";

/// `"Assign": {"name": 1, "other.$": "$.a"}`
#[derive(Debug)]
pub struct Assign(Payload);

impl Assign {
    pub(super) fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Assign> {
        let place = fields.place(names::ASSIGN)?;
        if place.node.as_object().is_none() {
            fields.object(names::ASSIGN);
            return None;
        }
        let subject = fields.subject(names::ASSIGN);
        for member in place.node.as_object().unwrap_or_default() {
            let unmarked = member.name.strip_suffix(MARK).filter(|_| !lowering.is_jsonata());
            let name = unmarked.unwrap_or(&member.name);
            let at = place.member(&member.name).unwrap_or_else(|| place.clone());
            if let Some(complaint) = complaint(name) {
                let message = format!("{subject}: the variable {name:?} {complaint}");
                lowering.diagnostics.error(codes::INVALID_VARIABLE, message, at.location());
            }
            lowering.scopes.assign(name, &at);
        }
        lowering.template(fields, names::ASSIGN).map(Assign)
    }

    /// May [`glance`] make what it says?
    pub(super) fn is_glanceable(&self) -> bool {
        self.0.is_glanceable()
    }

    pub(super) fn list(&self, out: &mut Listing) {
        self.0.list("assign", out);
    }
}

/// What is wrong with a variable's name.
fn complaint(name: &str) -> Option<String> {
    let mut chars = name.chars();
    if !chars.next().is_some_and(|first| first.is_alphabetic() || first == '_') {
        return Some("must start with a letter or an underscore.".to_owned());
    }
    if !chars.all(|c| c.is_alphanumeric() || c == '_') {
        let why = "must be made of letters, digits and underscores; a part of a variable can't be \
                   assigned.";
        return Some(why.to_owned());
    }
    if name == RESERVED {
        return Some("is the language's own; take another name.".to_owned());
    }
    let is_long = name.chars().count() > NAME_CHARS_MAX;
    is_long.then(|| format!("is longer than {NAME_CHARS_MAX} characters; shorten it."))
}

/// Makes what `assign` says, with `dollar` as `$`, and leaves it in the frame.
#[inline]
pub(super) fn assign(
    assign: &Option<Assign>,
    frame: &mut Frame<'_>,
    dollar: Value,
) -> Result<(), StateError> {
    if let Some(Assign(template)) = assign {
        let assigned = frame.with_input(dollar, |frame| template.evaluate(frame))?;
        *frame.assigned = assigned;
        frame.made(Stage::Assign, assigned);
    }
    Ok(())
}

/// As [`assign`], at a glance; `None` where that takes more.
#[inline]
pub(super) fn glance(assign: &Option<Assign>, at: &mut Glance<'_>, dollar: Value) -> Option<()> {
    if let Some(Assign(template)) = assign {
        at.assigned = template.glance(at, dollar)?;
    }
    Some(())
}

/// The scopes of a machine: its own, and one for each branch and each Map's iterations. Inner ones
/// read the variables of outer ones, and can't set them.
#[derive(Debug)]
pub struct Scopes {
    list: Vec<Scope>,
    /// The one that is being read.
    current: usize,
}

#[derive(Debug)]
struct Scope {
    /// The scope whose variables are seen here.
    outer: Option<usize>,
    names: Vec<(String, Location)>,
}

impl Default for Scopes {
    fn default() -> Scopes {
        Scopes { list: vec![Scope { outer: None, names: Vec::new() }], current: 0 }
    }
}

impl Scopes {
    /// Starts a scope within the current one, which it sees unless it `is_apart`; returns the
    /// current one, for [`Scopes::leave`].
    pub fn enter(&mut self, is_apart: bool) -> usize {
        let outer = (!is_apart).then_some(self.current);
        self.list.push(Scope { outer, names: Vec::new() });
        std::mem::replace(&mut self.current, self.list.len() - 1)
    }

    /// Goes back to the scope around.
    pub fn leave(&mut self, outer: usize) {
        self.current = outer;
    }

    fn assign(&mut self, name: &str, place: &Place<'_>) {
        self.list[self.current].names.push((name.to_owned(), place.location()));
    }

    /// Assignments to names that an outer scope assigns too.
    pub fn shadowing(&self) -> impl Iterator<Item = &(String, Location)> {
        let names = |scope: &Scope| scope.names.iter().map(|(name, _)| name.clone()).collect();
        let known: Vec<std::collections::HashSet<String>> = self.list.iter().map(names).collect();
        self.list.iter().flat_map(move |scope| {
            let mut outer = std::collections::HashSet::new();
            let mut at = scope.outer;
            while let Some(index) = at {
                outer.extend(known[index].iter().cloned());
                at = self.list[index].outer;
            }
            scope.names.iter().filter(move |(name, _)| outer.contains(name))
        })
    }
}
