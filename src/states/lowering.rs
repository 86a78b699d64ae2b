//! What reading a state needs of its surroundings: names become indexes, expressions are compiled,
//! constants go to the bottom of the program's memory.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::assign::Scopes;
use super::block::Rows;
use crate::asl::diagnostics::Diagnostics;
use crate::asl::fields::{Fields, Target};
use crate::asl::source::{Node, NodeKind, Place, Span};
use crate::asl::{codes, resource};
use crate::expr::{Condition, Expression, Path, Problem, ReferencePath, Template};
use crate::fault::{Location, StateError};
use crate::step::{Frame, ResourceId, StepId};
use crate::value::{Scratch, Value};

/// A task's `Resource`, and where it stands.
#[derive(Clone, Debug)]
pub struct Resource {
    /// As written.
    pub arn: String,
    /// Taken apart.
    pub parsed: resource::Resource,
    /// Where it stands.
    pub location: Location,
}

/// A payload template and how it was written.
#[derive(Debug)]
pub struct Payload {
    template: Template,
    text: Box<str>,
}

impl Payload {
    /// The value it makes of the frame's input.
    #[inline]
    pub fn evaluate(&self, frame: &mut Frame<'_>) -> Result<Value, StateError> {
        self.template.evaluate(&mut frame.scope)
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A choice rule's condition and how it was written.
#[derive(Debug)]
pub struct Rule {
    condition: Condition,
    text: Box<str>,
}

impl Rule {
    /// Does it hold of the frame's input?
    #[inline]
    pub fn holds(&self, frame: &mut Frame<'_>) -> Result<bool, StateError> {
        self.condition.evaluate(&mut frame.scope)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The surroundings of a state that is being read.
pub struct Lowering<'a> {
    /// The steps of the states that `Next` may name.
    pub targets: HashMap<String, StepId>,
    /// The step table so far.
    pub rows: Rows,
    /// The names of all states so far.
    pub names: HashSet<String>,
    /// Where which variables are assigned.
    pub scopes: Scopes,
    /// Memory of the program's constants.
    pub constants: &'a mut Scratch,
    /// The resources of all tasks, in their order.
    pub resources: &'a mut Vec<Resource>,
    /// The findings.
    pub diagnostics: &'a Diagnostics,
}

impl<'a> Lowering<'a> {
    /// The surroundings of a whole machine.
    pub fn new(
        constants: &'a mut Scratch,
        resources: &'a mut Vec<Resource>,
        diagnostics: &'a Diagnostics,
    ) -> Lowering<'a> {
        Lowering {
            targets: HashMap::new(),
            rows: Rows::default(),
            names: HashSet::new(),
            scopes: Scopes::default(),
            constants,
            resources,
            diagnostics,
        }
    }

    /// The step of the state a field leads to; one that does not exist is reported.
    pub fn step(&mut self, target: &Target) -> Option<StepId> {
        let step = self.targets.get(target.name.as_str()).copied();
        if step.is_none() {
            let Target { name, location, subject } = target;
            let message = format!("{subject} value {name:?} is not found in \"States\".");
            self.diagnostics.error(codes::MISSING_TRANSITION_TARGET, message, location.clone());
        }
        step
    }

    /// Reports variables that are assigned within a scope whose surroundings assign them too.
    pub fn check_variables(&self) {
        for (name, location) in self.scopes.shadowing() {
            let message = format!(
                "The variable {name:?} is assigned outside of this Map or Parallel state too; a \
                 branch or iteration can't set it: take another name."
            );
            self.diagnostics.error(codes::INVALID_VARIABLE, message, location.clone());
        }
    }

    /// A constant of the program.
    pub fn constant(&mut self, json: &str) -> Value {
        // The definition was read by a parser with narrower limits than these.
        self.constants.parse(json.as_bytes()).unwrap_or(Value::NULL)
    }

    /// A payload template.
    pub fn template(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<Payload> {
        let place = fields.place(name)?;
        let text = place.node.to_json_text();
        match Template::parse(&text, self.constants) {
            Ok(template) => Some(Payload { template, text: text.into() }),
            Err(problems) => {
                self.report(&place, &fields.subject(name), codes::INVALID_TEMPLATE, problems);
                None
            }
        }
    }

    /// A choice rule's condition: all fields that are left.
    pub fn condition(&mut self, mut fields: Fields<'_>) -> Option<Rule> {
        let owner = fields.owner().to_owned();
        let rest = fields.take_rest();
        let members = rest.iter().map(|(member, _)| (*member).clone()).collect();
        let rule = Node { kind: NodeKind::Object(members), span: Span::default() };
        let text = rule.to_json_text();
        match Condition::parse(&text, self.constants) {
            Ok(condition) => {
                fields.finish();
                Some(Rule { condition, text: text.into() })
            }
            Err(problems) => {
                for Problem { pointer, message } in problems {
                    let token = pointer.split('/').nth(1).unwrap_or_default().to_owned();
                    let inner = pointer.strip_prefix(&format!("/{token}")).unwrap_or_default();
                    let found = rest.iter().find(|(member, _)| member.name == token);
                    let location = found.map_or(fields.here(), |(_, place)| place.locate(inner));
                    let message = format!("{owner}: {message}");
                    self.diagnostics.error(codes::INVALID_CHOICE_RULE, message, location);
                }
                fields.abandon();
                None
            }
        }
    }

    /// A path that may select anything, from the input or the context object.
    pub fn path(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<Path> {
        let text = fields.string(name)?;
        let parsed = Path::parse(text);
        parsed
            .map_err(|e| {
                fields.invalid(name, codes::INVALID_PATH, format!("is no path: {}", e.message))
            })
            .ok()
    }

    /// A path that names one place.
    pub fn reference(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<Path> {
        let path = self.path(fields, name)?;
        if !path.is_definite() {
            let complaint =
                "may select more than one place; only names and indexes may stand here.";
            fields.invalid(name, codes::INVALID_REFERENCE_PATH, complaint);
            return None;
        }
        Some(path)
    }

    /// A path to write at.
    pub fn reference_path(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
    ) -> Option<ReferencePath> {
        let text = fields.nullable_string(name)??;
        let parsed = ReferencePath::parse(text);
        let report = |e: crate::expr::PathError| {
            fields.invalid(
                name,
                codes::INVALID_REFERENCE_PATH,
                format!("is refused: {}", e.message),
            );
        };
        parsed.map_err(report).ok()
    }

    /// A path or an intrinsic call.
    pub fn expression(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
    ) -> Option<Expression> {
        let text = fields.string(name)?;
        let parsed = Expression::parse(text, self.constants);
        let report = |e: crate::expr::PathError| {
            fields.invalid(name, codes::INVALID_EXPRESSION, format!("is refused: {}", e.message));
        };
        parsed.map_err(report).ok()
    }

    /// The task resource named by the field.
    pub fn resource(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<ResourceId> {
        let arn = fields.required_string(name)?;
        let parsed = resource::Resource::parse(arn);
        let parsed = parsed
            .map_err(|complaint| fields.invalid(name, codes::INVALID_RESOURCE, complaint))
            .ok()?;
        let location = fields.location(name);
        self.resources.push(Resource { arn: arn.to_owned(), parsed, location });
        Some(ResourceId(self.resources.len() as u32 - 1))
    }

    fn report(&self, place: &Place<'_>, subject: &str, code: &'static str, found: Vec<Problem>) {
        for Problem { pointer, message } in found {
            let message = format!("{subject}: {message}");
            self.diagnostics.error(code, message, place.locate(&pointer));
        }
    }
}
