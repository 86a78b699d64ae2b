//! Query: `Action=Publish&Version=2010-03-31&Message=...`, nested members with dots.

use serde_json::Value as Json;

use super::{Request, encoded};
use crate::aws::members::text;
use crate::aws::services::Service;

pub(super) fn request(
    service: &Service,
    operation: &str,
    version: &str,
    members: &Json,
) -> Request {
    let mut pairs = vec![
        ("Action".to_owned(), operation.to_owned()),
        ("Version".to_owned(), version.to_owned()),
    ];
    push_structure(service, "", members, &mut pairs);
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    let body = pairs.collect::<Vec<_>>().join("&").into_bytes();
    let content_type = "application/x-www-form-urlencoded; charset=utf-8";
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Request { method: "POST", path: "/".to_owned(), query: String::new(), headers, body }
}

type Pairs = Vec<(String, String)>;

fn push_structure(service: &Service, prefix: &str, structure: &Json, pairs: &mut Pairs) {
    for (name, value) in structure.as_object().into_iter().flatten() {
        if !value.is_null() {
            push(service, name, &format!("{prefix}{name}"), value, pairs);
        }
    }
}

fn push(service: &Service, member: &str, name: &str, value: &Json, pairs: &mut Pairs) {
    match value {
        _ if service.has("texts", member) => pairs.push((name.to_owned(), text(value))),
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                push(service, member, &format!("{name}.member.{}", index + 1), item, pairs);
            }
        }
        Json::Object(entries) if service.has("maps", member) => {
            // SNS's message attributes name their entries' parts so; its other maps in lower case.
            let (key_name, value_name) =
                if member == "MessageAttributes" { ("Name", "Value") } else { ("key", "value") };
            for (index, (key, value)) in entries.iter().enumerate() {
                let entry = format!("{name}.entry.{}", index + 1);
                pairs.push((format!("{entry}.{key_name}"), key.clone()));
                push(service, "", &format!("{entry}.{value_name}"), value, pairs);
            }
        }
        Json::Object(_) => push_structure(service, &format!("{name}."), value, pairs),
        _ => pairs.push((name.to_owned(), text(value))),
    }
}
