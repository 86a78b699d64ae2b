//! Payload templates: JSON in which a key that ends in `.$` holds an expression. Whatever holds no
//! expression becomes one constant when the template is parsed.

use super::expression::Expression;
use super::laid_out::LaidOut;
use super::path::Path;
use super::problem::Problem;
use super::scope::Scope;
use crate::fault::StateError;
use crate::value::{Kind, Limits, Scratch, Value};

/// The mark of a key whose value is an expression.
const MARK: &str = ".$";

/// A parsed template.
#[derive(Clone, Debug)]
pub struct Template {
    root: Node,
    /// The same laid out as text, where that can be done.
    laid_out: Option<LaidOut>,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    /// JSON without expressions.
    Constant(Value),
    /// `"name.$": "..."`
    Field(Box<Field>),
    /// Keys without their marks, and what they hold.
    Object(Box<[(Value, Node)]>),
    /// `[...]`
    Array(Box<[Node]>),
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    /// With its mark.
    name: Box<str>,
    pub(super) expression: Expression,
}

impl Template {
    /// Parses a template from its JSON text; its constants go to `constants`. All problems are
    /// found at once.
    pub fn parse(json: &str, constants: &mut Scratch) -> Result<Template, Vec<Problem>> {
        let root = constant(json, constants).map_err(|problem| vec![problem])?;
        let mut problems = Vec::new();
        let root = parse(root, constants, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Template { laid_out: LaidOut::of(&root, constants), root })
    }

    /// The value, where the template holds no expression.
    pub fn as_constant(&self) -> Option<Value> {
        match self.root {
            Node::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// Every expression in it.
    pub fn expressions(&self) -> Vec<&Expression> {
        let mut found = Vec::new();
        self.root.collect(&mut found);
        found
    }

    /// The text that it is laid out as and the paths that fill its holes, if it is laid out.
    pub fn laid_out(&self) -> Option<(String, String)> {
        self.laid_out.as_ref().map(|laid_out| (laid_out.text(), laid_out.holes()))
    }

    /// May [`Template::glance`] give a value?
    pub fn is_laid_out(&self) -> bool {
        self.laid_out.is_some()
    }

    /// As [`Template::evaluate`] with `input` as `$`, where that takes plain paths that lead
    /// somewhere, and what they lead to is best copied; `None` otherwise.
    #[inline]
    pub fn glance(&self, scratch: &mut Scratch, input: Value) -> Option<Value> {
        self.laid_out.as_ref()?.fill(scratch, input)
    }

    /// The template with its expressions replaced by their values.
    pub fn evaluate(&self, scope: &mut Scope<'_>) -> Result<Value, StateError> {
        if let Some(value) = self.glance(scope.scratch, scope.input) {
            return Ok(value);
        }
        let mark = scope.scratch.mark();
        let result = self.root.evaluate(scope);
        if result.is_err() {
            scope.scratch.abandon(mark);
        }
        result
    }
}

/// The JSON text of a definition's part as a constant; the limits are those of values, not those
/// of events.
pub fn constant(json: &str, constants: &mut Scratch) -> Result<Value, Problem> {
    let limits = constants.limits();
    let (bytes_max, height_max) = (Limits::BYTES_CEILING, Limits::HEIGHT_CEILING);
    constants.set_limits(Limits { bytes_max, height_max });
    let value = constants.parse(json.as_bytes());
    constants.set_limits(limits);
    value.map_err(|e| Problem::here(format!("This is no JSON that can be a constant: {e}")))
}

fn has_expression(node: Value, constants: &Scratch) -> bool {
    let mut members = constants.members(node);
    while let Some((key, value)) = constants.next_member(&mut members) {
        if constants.str(key).ends_with(MARK) || has_expression(value, constants) {
            return true;
        }
    }
    let mut items = constants.items(node);
    std::iter::from_fn(|| constants.next_item(&mut items)).any(|i| has_expression(i, constants))
}

fn parse(node: Value, constants: &mut Scratch, problems: &mut Vec<Problem>) -> Node {
    if !has_expression(node, constants) {
        return Node::Constant(node);
    }
    if node.kind() == Kind::Object {
        let mut parsed = Vec::new();
        let mut members = constants.members(node);
        while let Some(pair) = constants.next_member(&mut members) {
            let from = problems.len();
            let name = constants.str(pair.0).into_owned();
            parsed.push(member(&name, pair, node, constants, problems));
            lift(&mut problems[from..], &name);
        }
        return Node::Object(parsed.into());
    }
    let mut parsed = Vec::new();
    let mut items = constants.items(node);
    while let Some(item) = constants.next_item(&mut items) {
        let from = problems.len();
        let index = parsed.len().to_string();
        parsed.push(parse(item, constants, problems));
        lift(&mut problems[from..], &index);
    }
    Node::Array(parsed.into())
}

/// A member of `object`; a key keeps its handle unless it loses its mark.
fn member(
    name: &str,
    (key, node): (Value, Value),
    object: Value,
    constants: &mut Scratch,
    problems: &mut Vec<Problem>,
) -> (Value, Node) {
    let Some(plain) = name.strip_suffix(MARK) else {
        return (key, parse(node, constants, problems));
    };
    if constants.member(object, plain).is_some() {
        let message = format!("The fields '{plain}' and '{name}' can't both be given");
        problems.push(Problem::here(message));
    }
    let node = match field(name, node, constants) {
        Ok(field) => Node::Field(Box::new(field)),
        Err(problem) => {
            problems.push(problem);
            Node::Constant(Value::NULL)
        }
    };
    (constants.string(plain), node)
}

fn field(name: &str, node: Value, constants: &mut Scratch) -> Result<Field, Problem> {
    let wrong = |why: &str| {
        let wants = "must be a valid JSONPath or a valid intrinsic function call";
        Problem::here(format!("The value for the field '{name}' {wants}: {why}"))
    };
    if node.kind() != Kind::String {
        return Err(wrong("it is no string"));
    }
    let text = constants.str(node).into_owned();
    match Expression::parse(&text, constants) {
        Ok(expression) => Ok(Field { name: name.into(), expression }),
        Err(e) => Err(wrong(&e.message)),
    }
}

fn lift(problems: &mut [Problem], token: &str) {
    for problem in problems {
        let inner = std::mem::replace(problem, Problem::here(""));
        *problem = inner.under(token);
    }
}

impl Node {
    fn collect<'a>(&'a self, found: &mut Vec<&'a Expression>) {
        match self {
            Node::Constant(_) => {}
            Node::Field(field) => found.push(&field.expression),
            Node::Object(members) => members.iter().for_each(|(_, node)| node.collect(found)),
            Node::Array(items) => items.iter().for_each(|node| node.collect(found)),
        }
    }

    fn evaluate(&self, scope: &mut Scope<'_>) -> Result<Value, StateError> {
        let mark = scope.scratch.mark();
        let made = match self {
            Node::Constant(value) => return Ok(*value),
            Node::Field(field) => return field.evaluate(scope),
            Node::Object(members) => {
                for (key, node) in members {
                    let value = match node {
                        Node::Constant(value) => *value,
                        Node::Field(field) => field.evaluate(scope)?,
                        node => node.evaluate(scope)?,
                    };
                    scope.scratch.push_pair(*key, value);
                }
                scope.scratch.object(mark)
            }
            Node::Array(items) => {
                for node in items {
                    let value = node.evaluate(scope)?;
                    scope.scratch.push(value);
                }
                scope.scratch.array(mark)
            }
        };
        made.map_err(|_| StateError::runtime("The payload template's result is nested too deeply"))
    }
}

impl Field {
    #[inline]
    fn evaluate(&self, scope: &mut Scope<'_>) -> Result<Value, StateError> {
        match self.expression.evaluate(scope)? {
            Ok(value) => Ok(value),
            Err(path) => Err(not_found(path, &self.name, scope)),
        }
    }
}

/// The name and words that the service's own histories show; its documentation names
/// `States.ParameterPathFailure`.
#[cold]
fn not_found(path: &Path, field: &str, scope: &mut Scope<'_>) -> StateError {
    let mut root = Vec::new();
    if let Some(value) = path.start(scope) {
        scope.scratch.write(value, &mut root);
    }
    StateError::runtime(format!(
        "The JSONPath '{}' specified for the field '{field}' could not be found in the input '{}'",
        path.text(),
        String::from_utf8_lossy(&root)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intrinsics::Random;

    fn made(template: &str, input: &str) -> Result<String, StateError> {
        let mut scratch = Scratch::new(Limits::default());
        let template = Template::parse(template, &mut scratch).expect("a template");
        scratch.seal();
        let input = scratch.parse(input.as_bytes()).expect("JSON");
        let (context, random) = (&mut Value::NULL.clone(), &mut Random::new(0));
        let mut scope = Scope { scratch: &mut scratch, input, context, random };
        let value = template.evaluate(&mut scope)?;
        let mut out = Vec::new();
        scratch.write(value, &mut out);
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    #[track_caller]
    fn gives(template: &str, input: &str, output: &str) {
        assert_eq!(made(template, input).as_deref(), Ok(output), "{template}");
    }

    #[test]
    fn fields_are_filled_at_any_depth() {
        gives(r#"{"a": 1.0, "b": [{}]}"#, "{}", r#"{"a":1.0,"b":[{}]}"#);
        gives(r#"{"a.$":"$.x","b":{"c.$":"$"}}"#, r#"{"x":1}"#, r#"{"a":1,"b":{"c":{"x":1}}}"#);
        gives(r#"[1,{"a.$":"$[0]"},["$[0]"]]"#, "[5]", r#"[1,{"a":5},["$[0]"]]"#);
        gives(
            r#"{"\u0061.$":"States.Format('{}', $)","$.$":"$","":2}"#,
            "7",
            r#"{"a":"7","$":7,"":2}"#,
        );
    }

    #[test]
    fn a_path_that_leads_nowhere_fails() {
        let cause = "The JSONPath '$.x' specified for the field 'y.$' could not be found in the \
                     input '{\"a\":1}'";
        let error = StateError::runtime(cause);
        for template in [r#"{"b.$":"$","n":[{"y.$":"$.x"}]}"#, r#"{"y.$":"States.Array($.x)"}"#] {
            assert_eq!(made(template, r#"{"a": 1}"#), Err(error.clone()), "{template}");
        }
    }

    #[test]
    fn constants_are_made_once() {
        let mut constants = Scratch::new(Limits::default());
        let parse = |json: &str, constants: &mut Scratch| Template::parse(json, constants);
        let constant = parse(r#"{"a":[1]}"#, &mut constants).expect("a template");
        assert!(constant.as_constant().is_some() && constant.expressions().is_empty());
        let filled = parse(r#"{"a.$":"$"}"#, &mut constants).expect("a template");
        assert!(filled.as_constant().is_none() && filled.expressions().len() == 1);
    }

    #[test]
    fn problems_are_all_found() {
        let template = r#"{"a.$":1,"b":[{"c/d.$":"x"}],"e":1,"e.$":"$","ok.$":"$.a"}"#;
        let problems = Template::parse(template, &mut Scratch::new(Limits::default()));
        let problems = problems.expect_err("problems");
        let pointers: Vec<_> = problems.iter().map(|p| &*p.pointer).collect();
        assert_eq!(pointers, ["/a.$", "/b/0/c~1d.$", "/e.$"]);
        let wants = "The value for the field 'a.$' must be a valid JSONPath or a valid intrinsic \
                     function call";
        assert!(problems[0].message.starts_with(wants), "{}", problems[0]);
    }
}
