//! State machines inside CloudFormation and SAM templates: where they stand, and their definitions
//! with the template's functions resolved as far as can be told before deployment.

mod arn;
mod values;

use crate::asl::codes;
use crate::asl::diagnostics::Diagnostics;
use crate::asl::source::{Member, Node, Place, Substitutions};
use crate::fault::Location;

use values::Values;

/// The resource types that are state machines.
pub const TYPES: [&str; 2] = ["AWS::StepFunctions::StateMachine", "AWS::Serverless::StateMachine"];

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
    /// `DefinitionUri`, `DefinitionS3Location`: another file.
    File {
        /// Where it may be, relative to the template.
        places: Vec<String>,
        /// Where it is named.
        location: Location,
        /// What to say where it is not there.
        complaint: String,
    },
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
    let fields = ["DefinitionUri", "DefinitionS3Location"];
    if let Some(place) = fields.iter().find_map(|name| properties.member(name)) {
        return elsewhere(&place, values, diagnostics);
    }
    let message = format!(
        "State machine {name:?} needs Definition, DefinitionString, DefinitionUri or \
         DefinitionS3Location."
    );
    diagnostics.error(codes::INVALID_TEMPLATE_FILE, message, properties.location());
    None
}

/// A definition in a file beside the template, or in S3: `flow.asl.json`, `s3://bucket/key`,
/// `{"Bucket", "Key"}`. Nothing is fetched; what is in S3 is looked for in the bucket's folder beside
/// the template, and under its key there.
fn elsewhere(place: &Place<'_>, values: &Values<'_>, diagnostics: &Diagnostics) -> Option<Body> {
    let location = place.location();
    let text = |name: &str| values.text(&place.member(name)?);
    let parts = match place.node.as_object() {
        Some(_) if place.member("Bucket").is_some() => text("Bucket").zip(text("Key")),
        _ => {
            let path = values.text(place)?;
            match path.strip_prefix("s3://") {
                None => {
                    let complaint = format!("{path:?} names no file that can be read.");
                    return Some(Body::File { places: vec![path], location, complaint });
                }
                Some(rest) => rest.split_once('/').map(|(b, key)| (b.to_owned(), key.to_owned())),
            }
        }
    };
    let Some((bucket, key)) = parts else {
        let message = "A definition in S3 needs Bucket and Key, or s3://BUCKET/KEY.";
        diagnostics.error(codes::INVALID_TEMPLATE_FILE, message, location);
        return None;
    };
    let complaint = format!(
        "The definition is in S3, s3://{bucket}/{key}, and nothing is fetched; put it beside the \
         template as {bucket}/{key} or {key}."
    );
    Some(Body::File { places: vec![format!("{bucket}/{key}"), key], location, complaint })
}
