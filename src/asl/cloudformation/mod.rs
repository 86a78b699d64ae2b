//! State machines inside CloudFormation and SAM templates: where they stand, and their definitions
//! with the template's functions resolved as far as can be told before deployment.

mod arn;
mod values;

use crate::asl::codes;
use crate::asl::diagnostics::Diagnostics;
use crate::asl::source::{Member, Node, NodeKind, Place, Substitutions};
use crate::fault::Location;

use values::Values;

/// The resource types that are state machines.
const TYPES: [&str; 2] = ["AWS::StepFunctions::StateMachine", "AWS::Serverless::StateMachine"];

/// A state machine of a template.
#[derive(Debug)]
pub struct Machine {
    /// Its logical id.
    pub name: String,
    /// Its definition.
    pub body: Body,
    /// What its definition's placeholders stand for.
    pub substitutions: Substitutions,
}

/// How a template gives a definition.
#[derive(Debug)]
pub enum Body {
    /// `Definition`: within the template.
    Tree(Node),
    /// `DefinitionString`: text, functions resolved.
    Text(String),
    /// `DefinitionUri`: another file, relative to the template.
    File(String, Location),
}

/// Is it a template and no definition?
pub fn is_template(root: &Node) -> bool {
    root.get("Resources").is_some() && root.get("States").is_none()
}

/// The logical ids of the state machines in a template.
pub fn names(root: &Node) -> Vec<&str> {
    let resources = root.get("Resources").and_then(Node::as_object).unwrap_or_default();
    let is_machine = |node: &Node| {
        node.get("Type").and_then(Node::as_str).is_some_and(|kind| TYPES.contains(&kind))
    };
    let machines = resources.iter().filter(|member| is_machine(&member.value));
    machines.map(|member| member.name.as_str()).collect()
}

/// The state machine of that name, or the only one where it is empty. `given` wins over what the
/// template says; what has no value is reported.
pub fn machine(
    root: &Node,
    name: &str,
    given: &Substitutions,
    diagnostics: &Diagnostics,
) -> Option<Machine> {
    let root = Place::root(root);
    let name = choose(&root, name, diagnostics)?;
    let place = root.member("Resources")?.member(name)?;
    let properties = place.member("Properties").unwrap_or_else(|| place.clone());
    let values = Values::new(root.node, given, diagnostics);
    let body = body(&properties, name, &values, diagnostics)?;
    let mut substitutions = given.clone();
    if let Some(map) = properties.member("DefinitionSubstitutions") {
        for Member { name, value, .. } in map.node.as_object().unwrap_or_default() {
            if given.given(name).is_none()
                && let Some(text) = values.text(&map.below(name, value))
            {
                substitutions.add(name.as_str(), text);
            }
        }
    }
    Some(Machine { name: name.to_owned(), body, substitutions })
}

fn choose<'a>(root: &Place<'a>, name: &str, diagnostics: &Diagnostics) -> Option<&'a str> {
    let found = names(root.node);
    let complaint = match (&found[..], name) {
        ([], _) => format!("The template has no state machine (a resource of {TYPES:?})."),
        ([only], "") => return Some(only),
        (_, "") => format!(
            "The template has several state machines: {}; name one as FILE#NAME.",
            found.join(", ")
        ),
        _ => match found.iter().find(|id| **id == name) {
            Some(id) => return Some(id),
            None => {
                format!("The template has no state machine {name:?}; it has {}.", found.join(", "))
            }
        },
    };
    diagnostics.error(codes::INVALID_TEMPLATE_FILE, complaint, root.location());
    None
}

fn body(
    properties: &Place<'_>,
    name: &str,
    values: &Values<'_>,
    diagnostics: &Diagnostics,
) -> Option<Body> {
    if let Some(tree) = properties.member("Definition") {
        return Some(Body::Tree(values.tree(&tree)));
    }
    if let Some(text) = properties.member("DefinitionString") {
        return match text.node.as_object() {
            // What a function can't be told is reported; an object may be the definition itself.
            Some(_) if text.member("StartAt").is_some() => Some(Body::Tree(values.tree(&text))),
            _ => values.text(&text).map(Body::Text),
        };
    }
    if let Some(file) = properties.member("DefinitionUri")
        && let NodeKind::String(path) = &file.node.kind
        && !path.starts_with("s3://")
    {
        return Some(Body::File(path.clone(), file.location()));
    }
    let message = format!(
        "State machine {name:?} needs Definition, DefinitionString, or DefinitionUri with a local \
         file; a definition in S3 is not fetched."
    );
    diagnostics.error(codes::INVALID_TEMPLATE_FILE, message, properties.location());
    None
}
