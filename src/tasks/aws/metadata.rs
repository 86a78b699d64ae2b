//! `SdkHttpMetadata` and `SdkResponseMetadata`, which results of optimized integrations have in AWS.

use serde_json::{Map, Value as Json, json};

use crate::aws::{Reply, request_id};

/// Headers that AWS's services spell in a way of their own; HTTP itself knows no case.
const SPELLINGS: [(&str, &str); 5] = [
    ("x-amz-executed-version", "X-Amz-Executed-Version"),
    ("x-amz-log-result", "X-Amz-Log-Result"),
    ("x-amzn-remapped-content-length", "x-amzn-Remapped-Content-Length"),
    ("x-amzn-requestid", "x-amzn-RequestId"),
    ("x-amzn-trace-id", "X-Amzn-Trace-Id"),
];

/// Adds both to a result, whose members are then in the order of their names.
pub(in crate::tasks) fn add(members: &mut Json, reply: &Reply) {
    let Json::Object(members) = members else { return };
    let (mut all, mut last) = (Map::new(), Map::new());
    for name in reply.headers.keys() {
        let values = reply.headers.get_all(name).iter();
        let values: Vec<String> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        let shown = spelled(name.as_str());
        last.insert(shown.clone(), values.last().cloned().unwrap_or_default().into());
        all.insert(shown, values.into());
    }
    let id = request_id(&reply.headers).unwrap_or_default();
    let http = json!({
        "AllHttpHeaders": all, "HttpHeaders": last, "HttpStatusCode": reply.status,
    });
    members.insert("SdkHttpMetadata".to_owned(), http);
    members.insert("SdkResponseMetadata".to_owned(), json!({ "RequestId": id }));
    members.sort_keys();
}

/// `Content-Type`, `x-amzn-RequestId`
pub(in crate::tasks) fn spelled(name: &str) -> String {
    if let Some((_, known)) = SPELLINGS.iter().find(|(lower, _)| *lower == name) {
        return (*known).to_owned();
    }
    if name.starts_with("x-") {
        return name.to_owned();
    }
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}
