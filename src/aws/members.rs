//! Between members as a state machine has them (Pascal case, times in ISO 8601, bytes as text) and as
//! a JSON body has them. What is a map's key or a free document stays as it is.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};

use super::services::Service;

/// A structure as its service wants it. Members that are `null` are left out.
pub(super) fn to_wire(service: &Service, structure: &Json) -> Json {
    let Json::Object(members) = structure else { return structure.clone() };
    let present = members.iter().filter(|(_, value)| !value.is_null());
    let written = present.map(|(name, value)| {
        let wire = wire_name(service, name);
        let value = member_to_wire(service, &wire, value);
        (wire, value)
    });
    Json::Object(written.collect())
}

/// A member's name on the wire.
pub(super) fn wire_name(service: &Service, name: &str) -> String {
    let other = with_first(name, |first| first.to_ascii_lowercase());
    let is_odd = service.has("odd", if service.is_camel { name } else { &other });
    if service.is_camel != is_odd { other } else { name.to_owned() }
}

fn member_to_wire(service: &Service, wire: &str, value: &Json) -> Json {
    match value {
        _ if service.has("documents", wire) => value.clone(),
        _ if service.has("texts", wire) => Json::String(text(value)),
        Json::Array(items) => {
            items.iter().map(|item| member_to_wire(service, wire, item)).collect()
        }
        _ if service.has("blobs", wire) => Json::String(STANDARD.encode(text(value))),
        Json::String(iso) if service.has("times", wire) => epoch(iso).unwrap_or(value.clone()),
        Json::Object(entries) if service.has("maps", wire) => {
            let entries = entries.iter();
            let written = entries.map(|(key, value)| (key.clone(), to_wire(service, value)));
            Json::Object(written.collect())
        }
        _ => to_wire(service, value),
    }
}

/// A structure as a state machine sees it.
pub(super) fn from_wire(service: &Service, structure: Json) -> Json {
    let Json::Object(members) = structure else { return structure };
    let mut read = Map::with_capacity(members.len());
    for (wire, value) in members {
        if !value.is_null() {
            let value = member_from_wire(service, &wire, value);
            read.insert(with_first(&wire, |first| first.to_ascii_uppercase()), value);
        }
    }
    Json::Object(read)
}

fn member_from_wire(service: &Service, wire: &str, value: Json) -> Json {
    match value {
        _ if service.has("documents", wire) => value,
        Json::Array(items) => {
            items.into_iter().map(|item| member_from_wire(service, wire, item)).collect()
        }
        Json::String(encoded) if service.has("blobs", wire) => {
            let bytes = STANDARD.decode(&encoded).ok();
            let plain = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            // What is no text stays in base64: JSON can hold it no other way.
            Json::String(plain.unwrap_or(encoded))
        }
        Json::Number(seconds) if service.has("times", wire) => {
            seconds.as_f64().and_then(iso).unwrap_or(Json::Number(seconds))
        }
        Json::Object(entries) if service.has("maps", wire) => {
            let entries = entries.into_iter();
            let read = entries.map(|(key, value)| (key, from_wire(service, value)));
            Json::Object(read.collect())
        }
        _ => from_wire(service, value),
    }
}

/// What a value says as plain text: a string's text, anything else as JSON.
pub(super) fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn with_first(name: &str, change: impl Fn(char) -> char) -> String {
    let mut letters = name.chars();
    letters.next().map(change).into_iter().chain(letters).collect()
}

fn epoch(iso: &str) -> Option<Json> {
    let time = DateTime::from_str(iso, Format::DateTimeWithOffset).ok()?;
    let seconds = time.fmt(Format::EpochSeconds).ok()?;
    serde_json::from_str(&seconds).ok()
}

fn iso(seconds: f64) -> Option<Json> {
    let text = DateTime::from_secs_f64(seconds).fmt(Format::DateTime).ok()?;
    let Some((whole, fraction)) = text.trim_end_matches('Z').split_once('.') else {
        return Some(Json::String(text));
    };
    // As AWS shows them: milliseconds; what is finer is an artefact of the number.
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some(Json::String(format!("{whole}.{millis}Z")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn both(service: &str, asl: Json, wire: Json) {
        let service = Service::find(service).expect("it is there");
        assert_eq!(to_wire(service, &asl), wire);
        assert_eq!(from_wire(service, wire), asl);
    }

    #[test]
    fn camel_case_services_are_written_in_camel_case_but_for_keys() {
        let labels = json!({ "Team": "a", "cost": "b" });
        both(
            "ecs",
            json!({ "Overrides": { "ContainerOverrides": [{ "Name": "a", "Environment": [] }] },
                    "DockerLabels": labels }),
            json!({ "overrides": { "containerOverrides": [{ "name": "a", "environment": [] }] },
                    "dockerLabels": labels }),
        );
        // Lists of maps: the attributes of items.
        let items = json!({ "Items": [{ "id": { "S": "a" }, "Of": { "M": { "x": { "N": "1" } } } }],
                            "LastEvaluatedKey": { "id": { "S": "a" } } });
        both("dynamodb", items.clone(), items);
        let responses = json!({ "Responses": { "t": [{ "id": { "S": "a" } }] },
                                "UnprocessedKeys": { "t": { "Keys": [{ "id": { "S": "a" } }] } } });
        both("dynamodb", responses.clone(), responses);
        both("cloud9", json!({ "ResourceARN": "a" }), json!({ "ResourceARN": "a" }));
        both("sqs", json!({ "QueueUrl": "u", "Tags": {} }), json!({ "QueueUrl": "u", "Tags": {} }));
    }

    #[test]
    fn times_and_bytes_have_the_wires_form() {
        both(
            "sfn",
            json!({ "StartDate": "2026-01-02T03:04:05.250Z" }),
            json!({ "startDate": 1767323045.25 }),
        );
        both("kinesis", json!({ "Data": "{\"a\":1}" }), json!({ "Data": "eyJhIjoxfQ==" }));
        let kinesis = Service::find("kinesis").expect("it is there");
        let sent = to_wire(kinesis, &json!({ "Data": { "a": 1 } }));
        assert_eq!(sent, json!({ "Data": "eyJhIjoxfQ==" }));
    }

    #[test]
    fn absent_members_are_left_out_and_objects_that_must_be_text_are_text() {
        let sfn = Service::find("sfn").expect("it is there");
        let members = r#"{"Input":{"a":[1.50]},"Name":null}"#;
        let sent = to_wire(sfn, &serde_json::from_str(members).expect("JSON"));
        assert_eq!(sent, json!({ "input": "{\"a\":[1.50]}" }));
    }
}
