//! REST: members in the path, the query and headers; the rest of them, or one alone, is the body.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value as Json};

use super::{Reply, Request, encoded, header, json, xml};
use crate::aws::members::{from_wire, text, to_wire};
use crate::aws::services::{Kind, Operation, Placed, Protocol, Service};

pub(super) fn request(
    service: &Service,
    operation: &str,
    members: &Json,
) -> Result<Request, String> {
    let Some(known) = service.operation(operation) else {
        return Err(format!("{operation:?} is no operation of {} that is known here", service.id));
    };
    let Json::Object(given) = members else {
        return Err("the parameters must be an object".to_owned());
    };
    let mut rest = Members { service, given: given.clone() };
    let (path, fixed) = known.path.split_once('?').unwrap_or((known.path, ""));
    let mut request = Request { method: known.method, ..Request::default() };
    request.path = rest.path(known, path)?;
    request.query = rest.query(known, fixed);
    request.headers = rest.headers(known);
    rest.body(known, &mut request);
    let left = rest.given.iter().find(|(_, value)| !value.is_null());
    match left {
        Some((name, _)) => Err(format!("the parameter {name:?} is none of {operation} here")),
        None => Ok(request),
    }
}

/// Members that have no place yet. A state machine's names are in Pascal case throughout.
struct Members<'a> {
    service: &'a Service,
    given: Map<String, Json>,
}

impl Members<'_> {
    fn take(&mut self, placed: &Placed) -> Option<Json> {
        let mut letters = placed.member.chars();
        let first = letters.next()?.to_ascii_uppercase();
        let name: String = std::iter::once(first).chain(letters).collect();
        let found = self.given.shift_remove(&name);
        found.or_else(|| self.given.shift_remove(placed.member)).filter(|value| !value.is_null())
    }

    fn path(&mut self, known: &Operation, path: &str) -> Result<String, String> {
        let mut filled = path.to_owned();
        for placed in known.places("path") {
            let value = self.take(&placed).map(|value| text(&value)).unwrap_or_default();
            if value.is_empty() {
                return Err(format!("the parameter {:?} is missing", placed.member));
            }
            let greedy = value.split('/').map(encoded).collect::<Vec<_>>().join("/");
            filled = filled
                .replace(&format!("{{{}+}}", placed.wire), &greedy)
                .replace(&format!("{{{}}}", placed.wire), &encoded(&value));
        }
        Ok(filled)
    }

    fn query(&mut self, known: &Operation, fixed: &str) -> String {
        let mut pairs: Vec<String> =
            fixed.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
        for placed in known.places("query") {
            let values = match self.take(&placed) {
                Some(Json::Array(items)) => items,
                Some(value) => vec![value],
                None => continue,
            };
            for value in values {
                pairs.push(format!("{}={}", encoded(placed.wire), encoded(&text(&value))));
            }
        }
        pairs.join("&")
    }

    fn headers(&mut self, known: &Operation) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        for placed in known.places("headers") {
            let Some(value) = self.take(&placed) else { continue };
            match (placed.kind, value) {
                (Kind::Map, Json::Object(entries)) => {
                    let prefix = placed.wire;
                    headers.extend(
                        entries.iter().map(|(key, value)| (format!("{prefix}{key}"), text(value))),
                    );
                }
                (Kind::List, Json::Array(items)) => {
                    let parts: Vec<_> = items.iter().map(text).collect();
                    headers.push((placed.wire.to_owned(), parts.join(",")));
                }
                (Kind::Time, Json::String(iso)) => {
                    headers.push((placed.wire.to_owned(), http_date(&iso).unwrap_or(iso)));
                }
                (_, value) => headers.push((placed.wire.to_owned(), text(&value))),
            }
        }
        headers
    }

    fn body(&mut self, known: &Operation, request: &mut Request) {
        let mut content_type = None;
        if let Some(member) = known.column("payload") {
            let placed = Placed { member, wire: member, kind: Kind::Text };
            if let Some(value) = self.take(&placed) {
                let is_structure = known.column("payload-structure").is_some();
                let value = if is_structure { to_wire(self.service, &value) } else { value };
                content_type = (!value.is_string()).then_some("application/json");
                request.body = text(&value).into_bytes();
            }
        } else if self.service.protocol == Protocol::RestJson && request.method != "GET" {
            let members = Json::Object(std::mem::take(&mut self.given));
            content_type = Some("application/json");
            request.body = to_wire(self.service, &members).to_string().into_bytes();
        }
        let has_type = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
        if let Some(content_type) = content_type
            && !request.headers.iter().any(has_type)
        {
            request.headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
    }
}

fn http_date(iso: &str) -> Option<String> {
    DateTime::from_str(iso, Format::DateTimeWithOffset).ok()?.fmt(Format::HttpDate).ok()
}

fn iso_date(http: &str) -> Option<String> {
    DateTime::from_str(http, Format::HttpDate).ok()?.fmt(Format::DateTime).ok()
}

pub(super) fn answer(service: &Service, operation: &str, reply: &Reply) -> Result<Json, String> {
    let known = service.operation(operation).ok_or("the operation is not known here")?;
    let mut members = Map::new();
    for placed in known.places("answer-headers") {
        if let Some(value) = placed_header(&placed, &reply.headers) {
            members.insert(pascal(placed.member), value);
        }
    }
    if let Some(member) = known.column("status") {
        members.insert(member.to_owned(), reply.status.into());
    }
    match (known.column("answer"), service.protocol) {
        (Some(member), protocol) if known.column("answer-structure").is_some() => {
            let body = match protocol {
                Protocol::RestXml => xml::members(service, &reply.body)?,
                _ => from_wire(service, json(&reply.body)?),
            };
            members.insert(pascal(member), body);
        }
        (Some(member), _) => {
            members.insert(pascal(member), Json::String(body_text(&reply.body)));
        }
        (None, Protocol::RestXml) => extend(&mut members, xml::members(service, &reply.body)?),
        (None, _) => extend(&mut members, from_wire(service, json(&reply.body)?)),
    }
    Ok(Json::Object(members))
}

fn pascal(member: &str) -> String {
    let mut letters = member.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// Bytes that are no text are shown in base64.
fn body_text(body: &[u8]) -> String {
    use base64::Engine as _;
    let encoded = |_| base64::engine::general_purpose::STANDARD.encode(body);
    std::str::from_utf8(body).map_or_else(encoded, str::to_owned)
}

fn extend(members: &mut Map<String, Json>, more: Json) {
    if let Json::Object(more) = more {
        members.extend(more);
    }
}

fn placed_header(placed: &Placed, headers: &HeaderMap) -> Option<Json> {
    if placed.kind == Kind::Map {
        let named = headers.iter().filter_map(|(name, value)| {
            let key = name.as_str().strip_prefix(&placed.wire.to_ascii_lowercase())?;
            Some((key.to_owned(), Json::String(String::from_utf8_lossy(value.as_bytes()).into())))
        });
        return Some(Json::Object(named.collect()));
    }
    let text = header(headers, placed.wire)?;
    let plain = || Json::String(text.to_owned());
    Some(match placed.kind {
        Kind::Number | Kind::Boolean => serde_json::from_str(text).unwrap_or_else(|_| plain()),
        Kind::Time => iso_date(text).map_or_else(plain, Json::String),
        _ => plain(),
    })
}
