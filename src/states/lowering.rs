//! What reading a state needs of its surroundings: names become indexes, expressions are compiled,
//! constants go to the bottom of the program's memory.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::Listing;
use super::assign::Scopes;
use super::block::Rows;
use super::query::{Language, Query, Tree};
use crate::asl::diagnostics::Diagnostics;
use crate::asl::fields::{Fields, Target};
use crate::asl::source::{Node, NodeKind, Place, Span};
use crate::asl::{codes, names, resource};
use crate::expr::{Condition, Expression, Path, Problem, ReferencePath, Template};
use crate::fault::{Location, StateError};
use crate::step::{Frame, Glance, ResourceId, Stage, StepId};
use crate::value::{Kind, Scratch, Value};

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

/// A payload and how it was written.
#[derive(Debug)]
pub struct Payload {
    form: Form,
    text: Box<str>,
    is_glanceable: bool,
}

#[derive(Debug)]
enum Form {
    /// With paths and intrinsics in fields that end in `.$`.
    Template(Template),
    /// With expressions in strings `{% ... %}`.
    Tree(Tree),
}

impl Payload {
    /// The value it makes: a template of the frame's input.
    #[inline]
    pub fn evaluate(&self, frame: &mut Frame<'_>) -> Result<Value, StateError> {
        match &self.form {
            Form::Template(template) => template.evaluate(&mut frame.scope),
            Form::Tree(tree) => tree.evaluate(frame),
        }
    }

    /// How it was written, and how it is laid out.
    pub fn list(&self, name: &'static str, out: &mut Listing) {
        out.line(name, &self.text);
        let Form::Template(template) = &self.form else { return };
        if let Some((text, holes)) = template.laid_out() {
            out.line("laid out", text);
            out.line("with", holes);
        }
    }

    /// As [`Payload::evaluate`] with `input` as `$` or `$states.input`, where nothing is needed but
    /// this and variables, and nothing fails; `None` otherwise.
    #[inline]
    pub fn glance(&self, at: &mut Glance<'_>, input: Value) -> Option<Value> {
        match &self.form {
            Form::Template(template) => template.glance(at.scratch, input),
            Form::Tree(tree) if self.is_glanceable => tree.glance(at, input),
            Form::Tree(_) => None,
        }
    }

    /// May [`Payload::glance`] make it?
    pub fn is_glanceable(&self) -> bool {
        self.is_glanceable
    }

    fn of_template(template: Template, text: String) -> Payload {
        let is_glanceable = template.is_laid_out();
        Payload { form: Form::Template(template), text: text.into(), is_glanceable }
    }

    fn of_tree(tree: Tree, text: String) -> Payload {
        let is_glanceable = tree.is_glanceable();
        Payload { form: Form::Tree(tree), text: text.into(), is_glanceable }
    }

    /// The same as a stage of a state's processing, which those who watch are told: the stage is
    /// JSONPath's, and JSONata's in its place where it has one of its own.
    #[inline]
    pub fn make(&self, frame: &mut Frame<'_>, stage: Stage) -> Result<Value, StateError> {
        let value = self.evaluate(frame)?;
        let stage = match (&self.form, stage) {
            (Form::Tree(_), Stage::Parameters) => Stage::Arguments,
            (Form::Tree(_), Stage::OutputPath) => Stage::Output,
            _ => stage,
        };
        frame.made(stage, value);
        Ok(value)
    }
}

/// A choice rule's condition and how it was written.
#[derive(Debug)]
pub struct Rule {
    condition: Test,
    text: Box<str>,
}

#[derive(Debug)]
enum Test {
    /// Operators on paths.
    Operators(Condition),
    /// `"Condition": "{% ... %}"`
    Query(Query),
    /// `"Condition": true`
    Constant(bool),
}

impl Rule {
    /// As [`Rule::holds`] of `input`, where nothing is needed but this and variables, and nothing
    /// fails; `None` otherwise.
    #[inline]
    pub fn glance(&self, at: &mut Glance<'_>, input: Value) -> Option<bool> {
        match &self.condition {
            Test::Operators(condition) => condition.glance(at.scratch, input),
            Test::Query(query) => query.glance(at, input)?.as_bool(),
            Test::Constant(holds) => Some(*holds),
        }
    }

    /// May [`Rule::glance`] tell?
    pub fn is_glanceable(&self) -> bool {
        match &self.condition {
            Test::Query(query) => query.is_glanceable(),
            Test::Operators(_) | Test::Constant(_) => true,
        }
    }

    /// Does it hold of the frame's input?
    #[inline]
    pub fn holds(&self, frame: &mut Frame<'_>) -> Result<bool, StateError> {
        match &self.condition {
            Test::Operators(condition) => condition.evaluate(&mut frame.scope),
            Test::Query(query) => Ok(query.expect(Kind::Bool, frame)?.as_bool() == Some(true)),
            Test::Constant(holds) => Ok(*holds),
        }
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
    /// What the service refuses in Express machines is refused.
    pub is_strict_express: bool,
    /// The findings.
    pub diagnostics: &'a Diagnostics,
    /// The query language of states that name none.
    pub default_language: Language,
    /// That of the state that is being read.
    pub language: Language,
}

/// What the service's Express machines do not have, in its words.
fn refused_in_express(resource: &resource::Resource) -> Option<String> {
    if matches!(resource, resource::Resource::Activity { .. }) {
        return Some("Activity ARN".to_owned());
    }
    let suffix = match resource.pattern() {
        resource::Pattern::RequestResponse => return None,
        resource::Pattern::Sync | resource::Pattern::Sync2 => ".sync",
        resource::Pattern::WaitForTaskToken => ".waitForTaskToken",
    };
    Some(format!("'{suffix}' service integration"))
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
            is_strict_express: false,
            diagnostics,
            default_language: Language::default(),
            language: Language::default(),
        }
    }

    /// Is the state that is being read in JSONata?
    pub fn is_jsonata(&self) -> bool {
        self.language == Language::Jsonata
    }

    /// Refuses a field that the state's query language does not have.
    pub fn refuse(&self, fields: &mut Fields<'_>, name: &'static str) {
        let why = match self.language {
            Language::JsonPath => "belongs to JSONata states; this one is in JSONPath.",
            Language::Jsonata => "belongs to JSONPath states; this one is in JSONata.",
        };
        fields.refuse(name, codes::FIELD_NOT_ALLOWED, why);
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

    /// A payload under one name in JSONPath, under another in JSONata.
    pub fn either(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
        jsonata_name: &'static str,
    ) -> Option<Payload> {
        let (name, other) =
            if self.is_jsonata() { (jsonata_name, name) } else { (name, jsonata_name) };
        self.refuse(fields, other);
        self.template(fields, name)
    }

    /// A payload that only JSONPath has.
    pub fn template_only(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
    ) -> Option<Payload> {
        if self.is_jsonata() {
            self.refuse(fields, name);
            return None;
        }
        self.template(fields, name)
    }

    /// A payload, in the state's query language.
    pub fn template(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<Payload> {
        self.template_at(fields, name, name)
    }

    /// As [`Lowering::template`], with the name that errors have for the field.
    pub fn template_at(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
        shown: &str,
    ) -> Option<Payload> {
        let place = fields.place(name)?;
        let text = place.node.to_json_text();
        if self.is_jsonata() {
            let tree = Tree::parse(&place, &fields.subject(name), shown, self)?;
            return Some(Payload::of_tree(tree, text));
        }
        match Template::parse(&text, self.constants) {
            Ok(template) => Some(Payload::of_template(template, text)),
            Err(problems) => {
                self.report(&place, &fields.subject(name), codes::INVALID_TEMPLATE, problems);
                None
            }
        }
    }

    /// Is the field an expression?
    pub fn is_query(&self, fields: &mut Fields<'_>, name: &'static str) -> bool {
        self.is_jsonata() && fields.node(name).is_some_and(|node| node.as_expression().is_some())
    }

    /// An expression that stands for the whole of a field; `None` where the field is something else.
    pub(super) fn query(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<Query> {
        if !self.is_jsonata() {
            return None;
        }
        let place = fields.place(name)?;
        let text = place.node.as_expression()?;
        Query::parse(text, &place, &fields.subject(name), name, self)
    }

    /// A choice rule's `Condition`.
    pub fn jsonata_condition(&mut self, mut fields: Fields<'_>, index: usize) -> Option<Rule> {
        fields.required(names::CONDITION);
        let found = fields.place(names::CONDITION);
        let condition = match found.as_ref().map(|place| &place.node.kind) {
            Some(NodeKind::Bool(holds)) => Some(Test::Constant(*holds)),
            Some(_) => match found.as_ref().and_then(|place| place.node.as_expression()) {
                Some(text) => {
                    let place = found.as_ref()?;
                    let subject = fields.subject(names::CONDITION);
                    let field = format!("Choices[{index}]/Condition");
                    Query::parse(text, place, &subject, &field, self).map(Test::Query)
                }
                None => {
                    let complaint = "must be an expression, \"{% ... %}\", true or false.";
                    fields.invalid(names::CONDITION, codes::INVALID_CHOICE_RULE, complaint);
                    None
                }
            },
            None => None,
        };
        let text = found.map(|place| place.node.to_json_text()).unwrap_or_default();
        fields.finish();
        Some(Rule { condition: condition?, text: text.into() })
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
                Some(Rule { condition: Test::Operators(condition), text: text.into() })
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
        if self.is_strict_express
            && let Some(what) = refused_in_express(&parsed)
        {
            let complaint = format!("is refused: Express state machine does not support {what}");
            fields.invalid(name, codes::NOT_IN_EXPRESS, complaint);
        }
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
