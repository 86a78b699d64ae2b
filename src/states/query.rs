//! JSONata in states: strings `{% ... %}`, what `$states` shows them, and the errors that
//! evaluations raise (Developer Guide, "Transforming data with JSONata").

use super::Lowering;
use super::io::shown;
use crate::asl::codes;
use crate::asl::excerpt::excerpt;
use crate::asl::source::{NodeKind, Place};
use crate::expr::Scope;
use crate::fault::{Location, StateError, names as errors};
use crate::jsonata::{Environment, Expression, Options, Outcome};
use crate::step::{Frame, Glance, States};
use crate::value::{Key, Kind, Scratch, Value};

/// The variable that shows the state's data.
const STATES: &str = "states";

/// The query language of a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// `"QueryLanguage": "JSONPath"`
    #[default]
    JsonPath,
    /// `"QueryLanguage": "JSONata"`
    Jsonata,
}

/// Where an expression's variable comes from.
#[derive(Debug)]
enum Source {
    /// `$states`, as a whole.
    States,
    /// `$states.input`
    Input,
    /// `$states.result`
    Result,
    /// `$states.errorOutput`
    ErrorOutput,
    /// `$states.context`
    Context,
    /// What nobody reads, and no member of `$states`.
    Nowhere,
    /// `$name`
    Variable(Key),
}

/// The members of `$states`.
const MEMBERS: [&str; 4] = ["input", "result", "errorOutput", "context"];

impl Source {
    /// What the variable `name` stands for.
    fn of(name: &str) -> Source {
        match name.split_once('.') {
            _ if name == STATES => Source::States,
            Some((STATES, "input")) => Source::Input,
            Some((STATES, "result")) => Source::Result,
            Some((STATES, "errorOutput")) => Source::ErrorOutput,
            Some((STATES, "context")) => Source::Context,
            Some(_) => Source::Nowhere,
            None if name.is_empty() => Source::Nowhere,
            // Not remembered as the members of that name are.
            None => Source::Variable(Key::new(name).within(&Key::new(STATES))),
        }
    }

    /// What comes from it; `None` where nothing does, or only the context object could tell.
    #[inline]
    fn known(&self, states: &States, variables: Value, scratch: &Scratch) -> Option<Value> {
        match self {
            Source::Input => Some(states.input),
            Source::Result => states.result,
            Source::ErrorOutput => states.error_output,
            Source::Variable(_) if variables.is_null() => None,
            Source::Variable(key) => scratch.get(variables, key),
            Source::States | Source::Context | Source::Nowhere => None,
        }
    }
}

/// One expression.
#[derive(Debug)]
pub(super) struct Query {
    expression: Expression,
    /// `Output/total`, as errors name the field.
    field: Box<str>,
    /// Of its variables, by their indexes.
    sources: Box<[Source]>,
    /// The names of the members of `$states`, where it reads that as a whole.
    members: Option<[Value; MEMBERS.len()]>,
    is_glanceable: bool,
}

impl Query {
    /// Compiles the expression of the string at `place`, whose messages start with `subject`.
    pub(super) fn parse(
        text: &str,
        place: &Place<'_>,
        subject: &str,
        field: &str,
        lowering: &mut Lowering<'_>,
    ) -> Option<Query> {
        match Expression::parse(text.trim(), Options::default(), lowering.constants) {
            Ok(expression) if expression.input_read().is_some() => {
                let message = format!(
                    "{subject}: \"$\" and \"$$\" stand for no input here; read $states.input, or a \
                     variable."
                );
                let location = located(text, place, expression.input_read()).0;
                lowering.diagnostics.error(codes::INVALID_EXPRESSION, message, location);
                None
            }
            Ok(mut expression) => {
                if let Some(at) = expression.member_read() {
                    let message = format!(
                        "{subject}: a name with nothing before it reads nothing, for there is no \
                         input here; read $states.input, or a variable."
                    );
                    let location = located(text, place, Some(at)).0;
                    lowering.diagnostics.warning(codes::UNQUALIFIED_NAME, message, location);
                }
                expression.split(STATES);
                let sources: Box<[_]> = expression.names().map(Source::of).collect();
                let is_whole = sources.iter().any(|source| matches!(source, Source::States));
                let members = is_whole.then(|| MEMBERS.map(|name| lowering.constants.string(name)));
                let needs_more =
                    |source: &Source| matches!(source, Source::States | Source::Context);
                let is_glanceable = expression.is_glanceable() && !sources.iter().any(needs_more);
                Some(Query { expression, field: field.into(), sources, members, is_glanceable })
            }
            Err(e) => {
                let (location, at) = located(text, place, e.position());
                let message = format!("{subject}: the expression is refused: {e}{at}.");
                lowering.diagnostics.error(codes::INVALID_EXPRESSION, message, location);
                None
            }
        }
    }

    /// As it was written.
    pub(super) fn text(&self) -> &str {
        self.expression.text()
    }

    /// Its value, which there must be.
    #[inline]
    pub(super) fn evaluate(&self, frame: &mut Frame<'_>) -> Result<Value, StateError> {
        match self.followed(frame) {
            Some(value) => Ok(value),
            None => self.evaluate_all(frame),
        }
    }

    /// May [`Query::glance`] find its value?
    pub(super) fn is_glanceable(&self) -> bool {
        self.is_glanceable
    }

    /// As [`Query::evaluate`] with `input` as `$states.input`, where that takes no more than this and
    /// variables, and nothing fails; `None` otherwise. It must be glanceable.
    pub(super) fn glance(&self, at: &mut Glance<'_>, input: Value) -> Option<Value> {
        let Glance { scratch, variables, queries, query_limits, .. } = at;
        let (states, variables) = (States::of(input), **variables);
        let known =
            |scratch: &Scratch, at: usize| self.sources[at].known(&states, variables, scratch);
        if let Some((source, keys)) = self.expression.path() {
            let found = scratch.follow(known(scratch, source)?, keys);
            if found.is_some() {
                return found;
            }
        }
        self.expression.glance(scratch, known, query_limits, queries)
    }

    /// Its value, where it is a path of names and leads somewhere.
    #[inline]
    fn followed(&self, frame: &mut Frame<'_>) -> Option<Value> {
        let (source, keys) = self.expression.path()?;
        let scratch = &mut *frame.scope.scratch;
        let context = &mut *frame.scope.context;
        if let (Source::Context, [group, field, rest @ ..]) = (&self.sources[source], keys) {
            let field = context.field(scratch, group.name(), field.name())?;
            return scratch.follow(field, rest);
        }
        let start = self.sources[source].known(&frame.states, context.variables(), scratch)?;
        scratch.follow(start, keys)
    }

    #[inline(never)]
    fn evaluate_all(&self, frame: &mut Frame<'_>) -> Result<Value, StateError> {
        let Frame { scope, now_ms, states, queries, query_limits, .. } = frame;
        let Scope { scratch, context, random, .. } = scope;
        let mut bits = || random.bits();
        let (states, variables) = (*states, context.variables());
        let mut variable = |scratch: &mut Scratch, at: usize| match &self.sources[at] {
            Source::Context => Some(context.object(scratch)),
            Source::States => Some(self.states(states, scratch, *context)),
            source => source.known(&states, variables, scratch),
        };
        let environment =
            Environment { now: *now_ms, random: &mut bits, limits: *query_limits, memory: queries };
        let outcome = self.expression.evaluate(scratch, None, &mut variable, environment);
        match outcome {
            Ok(Outcome::Value(value)) => Ok(value),
            Ok(Outcome::Undefined) => Err(self.failed("returned nothing (undefined).")),
            Ok(Outcome::Function) => Err(self.failed("returned an unsupported result type.")),
            Err(e) => {
                let failed = self.failed(&format!("threw an error during evaluation. {e}"));
                Err(failed.with_note(self.excerpt(e.position())))
            }
        }
    }

    /// Its value, which must be of `kind`.
    pub(super) fn expect(&self, kind: Kind, frame: &mut Frame<'_>) -> Result<Value, StateError> {
        let value = self.evaluate(frame)?;
        match value.kind() == kind {
            true => Ok(value),
            false => Err(self.unexpected(kind, value, frame)),
        }
    }

    /// The error of a value that is not of `kind`.
    #[cold]
    pub(super) fn unexpected(&self, kind: Kind, value: Value, frame: &mut Frame<'_>) -> StateError {
        let (wanted, found) = (kind.name(), value.kind().name());
        self.failed(&format!(
            "returned an unexpected result type. Expected '{wanted}', but was '{found}' for value: \
             {}",
            shown(value, frame)
        ))
    }

    /// A string that it must give.
    pub(super) fn string(&self, frame: &mut Frame<'_>) -> Result<String, StateError> {
        let value = self.expect(Kind::String, frame)?;
        Ok(frame.scope.scratch.str(value).into_owned())
    }

    /// An integer that it must give, within a range.
    pub(super) fn integer(
        &self,
        range: std::ops::RangeInclusive<i64>,
        frame: &mut Frame<'_>,
    ) -> Result<i64, StateError> {
        let value = self.expect(Kind::Number, frame)?;
        let integer = frame.scope.scratch.i64(value);
        integer.filter(|integer| range.contains(integer)).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            let shown = shown(value, frame);
            self.failed(&format!(
                "returned a value that is no integer from {least} to {most}: {shown}"
            ))
        })
    }

    /// The line of the expression with the place where it failed, for people.
    #[cold]
    fn excerpt(&self, position: Option<usize>) -> Option<String> {
        let (before, after) = self.text().split_at_checked(position?)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = after.find('\n').map_or(self.text().len(), |at| before.len() + at);
        let column = before[line_start..].chars().count() + 1;
        let (shown, caret) = excerpt(&self.text()[line_start..line_end], column, 1);
        Some(format!("{shown}\n{caret}"))
    }

    #[cold]
    pub(super) fn failed(&self, what: &str) -> StateError {
        let (text, field) = (self.text(), &self.field);
        let cause =
            format!("The JSONata expression '{text}' specified for the field '{field}' {what}");
        StateError::new(errors::QUERY_EVALUATION_ERROR, cause)
    }

    /// `$states` as a whole.
    #[cold]
    fn states(
        &self,
        states: States,
        scratch: &mut Scratch,
        context: &mut dyn crate::expr::Context,
    ) -> Value {
        let context = Some(context.object(scratch));
        let members = [Some(states.input), states.result, states.error_output, context];
        let mark = scratch.mark();
        for (name, value) in self.members.iter().flatten().zip(members) {
            if let Some(value) = value.filter(|value| value.can_nest()) {
                scratch.push_pair(*name, value);
            }
        }
        scratch.object(mark).unwrap_or(Value::NULL)
    }
}

/// Where byte `position` of an expression stands, and what a message says of it where the text does
/// not tell.
fn located(text: &str, place: &Place<'_>, position: Option<usize>) -> (Location, String) {
    let leading = text.len() - text.trim_start().len();
    let before = position.and_then(|position| text.get(..leading + position));
    let Some(before) = before else { return (place.location(), String::new()) };
    let opening = "{%".len();
    if let Some(span) = place.node.span_within(opening + before.chars().count()) {
        return (span.at(place.pointer.clone()), String::new());
    }
    let index = before.chars().count() + 1 - text[..leading].chars().count();
    (place.location(), format!(" (at character {index} of it)"))
}

/// JSON with expressions in it, at any depth.
#[derive(Debug)]
pub(super) enum Tree {
    /// JSON without expressions.
    Constant(Value),
    /// `"{% ... %}"`
    Query(Query),
    /// `{...}`
    Object(Box<[(Value, Tree)]>),
    /// `[...]`
    Array(Box<[Tree]>),
}

impl Tree {
    /// Compiles what stands at `place`; all problems are reported.
    pub(super) fn parse(
        place: &Place<'_>,
        subject: &str,
        field: &str,
        lowering: &mut Lowering<'_>,
    ) -> Option<Tree> {
        if let Some(text) = place.node.as_expression() {
            let query = Query::parse(text, place, subject, field, lowering)?;
            return Some(Tree::Query(query));
        }
        match &place.node.kind {
            NodeKind::Object(members) => {
                let mut parsed = Vec::with_capacity(members.len());
                for member in members {
                    let inner = place.below(&member.name, &member.value);
                    let field = format!("{field}/{}", member.name);
                    let name = lowering.constants.string(&member.name);
                    parsed.push((name, Tree::parse(&inner, subject, &field, lowering)));
                }
                let whole: Option<Vec<_>> =
                    parsed.into_iter().map(|(name, tree)| Some((name, tree?))).collect();
                Some(Tree::object(whole?, place, lowering))
            }
            NodeKind::Array(elements) => {
                let mut parsed = Vec::with_capacity(elements.len());
                for index in 0..elements.len() {
                    let inner = place.element(index)?;
                    let field = format!("{field}[{index}]");
                    parsed.push(Tree::parse(&inner, subject, &field, lowering));
                }
                let whole: Option<Vec<_>> = parsed.into_iter().collect();
                Some(Tree::array(whole?, place, lowering))
            }
            _ => Some(Tree::Constant(lowering.constant(&place.node.to_json_text()))),
        }
    }

    fn object(members: Vec<(Value, Tree)>, place: &Place<'_>, lowering: &mut Lowering<'_>) -> Tree {
        match members.iter().all(|(_, tree)| matches!(tree, Tree::Constant(_))) {
            true => Tree::Constant(lowering.constant(&place.node.to_json_text())),
            false => Tree::Object(members.into()),
        }
    }

    fn array(elements: Vec<Tree>, place: &Place<'_>, lowering: &mut Lowering<'_>) -> Tree {
        match elements.iter().all(|tree| matches!(tree, Tree::Constant(_))) {
            true => Tree::Constant(lowering.constant(&place.node.to_json_text())),
            false => Tree::Array(elements.into()),
        }
    }

    /// May [`Tree::glance`] make it?
    pub(super) fn is_glanceable(&self) -> bool {
        match self {
            Tree::Constant(_) => true,
            Tree::Query(query) => query.is_glanceable(),
            Tree::Object(members) => members.iter().all(|(_, tree)| tree.is_glanceable()),
            Tree::Array(elements) => elements.iter().all(Tree::is_glanceable),
        }
    }

    /// As [`Tree::evaluate`], at a glance; all of it must be glanceable. What it has pushed before it
    /// finds that it takes more is left on the scratch memory's stack.
    pub(super) fn glance(&self, at: &mut Glance<'_>, input: Value) -> Option<Value> {
        let mark = at.scratch.mark();
        match self {
            Tree::Constant(value) => Some(*value),
            Tree::Query(query) => query.glance(at, input),
            Tree::Object(members) => {
                for (name, tree) in members {
                    let value = tree.glance(at, input)?;
                    at.scratch.push_pair(*name, value);
                }
                at.scratch.object(mark).ok()
            }
            Tree::Array(elements) => {
                for tree in elements {
                    let value = tree.glance(at, input)?;
                    at.scratch.push(value);
                }
                at.scratch.array(mark).ok()
            }
        }
    }

    /// The JSON with the expressions replaced by their values.
    pub(super) fn evaluate(&self, frame: &mut Frame<'_>) -> Result<Value, StateError> {
        let mark = frame.scope.scratch.mark();
        let made = match self {
            Tree::Constant(value) => return Ok(*value),
            Tree::Query(query) => return query.evaluate(frame),
            Tree::Object(members) => push_members(members, frame)
                .and_then(|()| frame.scope.scratch.object(mark).map_err(|_| too_deep())),
            Tree::Array(elements) => push_elements(elements, frame)
                .and_then(|()| frame.scope.scratch.array(mark).map_err(|_| too_deep())),
        };
        if made.is_err() {
            frame.scope.scratch.abandon(mark);
        }
        made
    }
}

fn push_members(members: &[(Value, Tree)], frame: &mut Frame<'_>) -> Result<(), StateError> {
    for (name, tree) in members {
        let value = tree.evaluate(frame)?;
        frame.scope.scratch.push_pair(*name, value);
    }
    Ok(())
}

fn push_elements(elements: &[Tree], frame: &mut Frame<'_>) -> Result<(), StateError> {
    for tree in elements {
        let value = tree.evaluate(frame)?;
        frame.scope.scratch.push(value);
    }
    Ok(())
}

fn too_deep() -> StateError {
    StateError::runtime("The result is nested too deeply.")
}
