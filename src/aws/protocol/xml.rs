//! Answers in XML: which elements are lists, maps, numbers is the model's to say.

use roxmltree::{Document, Node};
use serde_json::{Map, Value as Json};

use super::Failure;
use crate::aws::services::Service;

/// `<PublishResponse><PublishResult>...`: the result's members.
pub(super) fn answer(service: &Service, operation: &str, body: &[u8]) -> Result<Json, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    let document = Document::parse(text).map_err(|e| format!("it is no XML: {e}"))?;
    let result = format!("{operation}Result");
    let found = document.root_element().children().find(|it| it.has_tag_name_any(&result));
    Ok(found.map_or_else(|| Json::Object(Map::new()), |result| structure(service, result)))
}

/// The members of a body's root element.
pub(super) fn members(service: &Service, body: &[u8]) -> Result<Json, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    if text.trim().is_empty() {
        return Ok(Json::Object(Map::new()));
    }
    let document = Document::parse(text).map_err(|e| format!("it is no XML: {e}"))?;
    Ok(structure(service, document.root_element()))
}

/// Namespaces differ from service to service and say nothing.
trait LocalName {
    fn has_tag_name_any(&self, name: &str) -> bool;
}

impl LocalName for Node<'_, '_> {
    fn has_tag_name_any(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

fn structure(service: &Service, node: Node<'_, '_>) -> Json {
    let mut members = Map::new();
    for child in node.children().filter(Node::is_element) {
        let wire = child.tag_name().name();
        let name = service.renamed(wire).unwrap_or(wire).to_owned();
        if service.has("flat", wire) {
            let list = members.entry(name).or_insert_with(|| Json::Array(Vec::new()));
            if let Json::Array(items) = list {
                items.push(value(service, "", child));
            }
        } else {
            members.insert(name, value(service, wire, child));
        }
    }
    Json::Object(members)
}

fn value(service: &Service, wire: &str, node: Node<'_, '_>) -> Json {
    let children: Vec<_> = node.children().filter(Node::is_element).collect();
    if service.has("lists", wire) {
        return children.into_iter().map(|item| value(service, "", item)).collect();
    }
    if service.has("maps", wire) {
        let entry = |entry: &Node<'_, '_>| {
            let mut parts = entry.children().filter(Node::is_element);
            let (key, held) = (parts.next()?, parts.next()?);
            Some((text(key), value(service, "", held)))
        };
        return Json::Object(children.iter().filter_map(entry).collect());
    }
    if !children.is_empty() {
        return structure(service, node);
    }
    let text = text(node);
    let is_plain = service.has("numbers", wire) || service.has("booleans", wire);
    let plain = is_plain.then(|| serde_json::from_str(&text).ok()).flatten();
    plain.unwrap_or(Json::String(text))
}

fn text(node: Node<'_, '_>) -> String {
    node.text().unwrap_or_default().to_owned()
}

/// `<ErrorResponse><Error><Code>...`, or `<Error>` alone.
pub(super) fn failure(body: &[u8]) -> Option<Failure> {
    let document = Document::parse(std::str::from_utf8(body).ok()?).ok()?;
    let find = |name: &str| document.descendants().find(|it| it.has_tag_name_any(name)).map(text);
    let request_id = find("RequestId").or_else(|| find("RequestID")).unwrap_or_default();
    Some(Failure { code: find("Code")?, message: find("Message").unwrap_or_default(), request_id })
}
