//! Environment variables over the file: `EXPRESSWAY__ENGINE__SHARDS=2` sets `engine.shards`.
//!
//! Two underscores part the keys. A pipeline is named by its number from 0 or by its name, in
//! capitals with `_` for whatever is no letter or digit; so are librdkafka's properties
//! (`EXPRESSWAY__KAFKA__PROPERTIES__SASL_PASSWORD` sets `sasl.password`).

use std::collections::BTreeMap;

use super::tree::{Data, Node, Table, child};
use crate::fault::{Diagnostic, Location};

/// What every overriding variable begins with.
pub const PREFIX: &str = "EXPRESSWAY__";

/// Tables whose keys are librdkafka's, with dots where the variable has underscores.
const PROPERTY_TABLES: [&str; 3] = ["/kafka/properties", "/kafka/consumer", "/kafka/producer"];

/// Lays all overriding variables over the tree.
pub(super) fn apply(
    root: &mut Node,
    variables: &BTreeMap<String, String>,
    findings: &mut Vec<Diagnostic>,
) {
    for (variable, text) in variables {
        let Some(path) = variable.strip_prefix(PREFIX) else { continue };
        let segments: Vec<&str> = path.split("__").collect();
        if let Err(reason) = set(root, &segments, variable, text) {
            let message = format!("The environment variable {variable} can't be applied: {reason}");
            findings.push(Diagnostic::error("ENVIRONMENT", message, Location::default()));
        }
    }
}

fn set(node: &mut Node, segments: &[&str], variable: &str, text: &str) -> Result<(), String> {
    let pointer = node.value.pointer.clone();
    let Some((first, rest)) = segments.split_first() else {
        node.data = Node::environment(pointer, variable, text).data;
        let unplaced =
            |pointer: &str| Location { pointer: pointer.to_owned(), ..Location::default() };
        (node.key, node.value) = (unplaced(&node.key.pointer), unplaced(&node.value.pointer));
        return Ok(());
    };
    if first.is_empty() {
        return Err("a key between two \"__\" is empty.".to_owned());
    }
    match &mut node.data {
        Data::List(elements) => set(element(elements, first, &pointer)?, rest, variable, text),
        Data::Table(entries) => {
            set(entry(entries, first, &pointer, rest.is_empty()), rest, variable, text)
        }
        _ => Err(format!("{pointer:?} is no table, so it has no {:?}.", first.to_lowercase())),
    }
}

fn element<'a>(elements: &'a mut [Node], wanted: &str, list: &str) -> Result<&'a mut Node, String> {
    let names: Vec<String> = elements.iter().map(name).collect();
    let by_name = || names.iter().position(|name| capitals(name) == capitals(wanted));
    let index = wanted.parse::<usize>().ok().filter(|index| *index < names.len()).or_else(by_name);
    match index {
        Some(index) => Ok(&mut elements[index]),
        None => Err(format!(
            "{list:?} has no element {wanted:?}; write a number below {} or one of {names:?}.",
            names.len()
        )),
    }
}

fn name(node: &Node) -> String {
    let table = node.table();
    let name = table.as_ref().and_then(|entries| entries.get("name")).and_then(Node::text);
    name.unwrap_or_default().to_owned()
}

fn entry<'a>(entries: &'a mut Table, wanted: &str, pointer: &str, last: bool) -> &'a mut Node {
    let present = entries.keys().find(|key| capitals(key) == capitals(wanted)).cloned();
    let key = present.unwrap_or_else(|| {
        let lower = wanted.to_lowercase();
        let is_property = last && PROPERTY_TABLES.contains(&pointer);
        if is_property { lower.replace('_', ".") } else { lower }
    });
    let at = child(pointer, &key);
    entries.entry(key).or_insert_with(|| Node::empty(at))
}

fn capitals(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect()
}
