//! `serde_json::Value` and plain Rust: what a service written for this one task would do.

use serde_json::{Value, json};

use crate::Transform;
use crate::events::Case;

fn at<'a>(event: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(event, |value, key| &value[key])
}

/// The transformation.
pub fn transform(case: &Case) -> Transform {
    let case = *case;
    Box::new(move |event, out| {
        let mut event: Value = serde_json::from_slice(event).expect("events are JSON");
        event["meta"] = json!({ "source": "ingest", "v": 1 });
        let is_hot = event[case.number].as_f64().is_some_and(|n| n > f64::from(case.above));
        let is_flagged = event["type"] == case.kind || event[case.flag] == true;
        let kind = if is_hot {
            "hot"
        } else if is_flagged {
            "flagged"
        } else {
            "normal"
        };
        let id = at(&event, case.id);
        let text = id.as_str().expect("ids are strings");
        let output = json!({
            "kind": kind,
            "deviceId": id,
            "ts": at(&event, case.ts),
            "msg": format!("{text} reports {}", event[case.number]),
            "schema": 1,
        });
        out.clear();
        serde_json::to_writer(out, &output).expect("writing to memory");
    })
}
