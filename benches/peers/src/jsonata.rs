//! jsonata-core, the fastest JSONata in Rust, compiled once.

use jsonata_core::Expression;
use jsonata_core::value::JValue;

use crate::Transform;
use crate::events::Case;

/// The transformation. What `meta` would add is never read, so it is left out.
pub fn transform(case: &Case) -> Transform {
    let Case { number, above, kind, flag, id, ts, .. } = *case;
    let source = format!(
        r#"( $k := {number} > {above} ? "hot" : type = "{kind}" ? "flagged" : {flag} = true ? "flagged" : "normal";
{{"kind": $k, "deviceId": {id}, "ts": {ts}, "msg": {id} & " reports " & {number}, "schema": 1}} )"#
    );
    let expression = Expression::compile(&source).expect("the expression compiles");
    Box::new(move |event, out| {
        let text = std::str::from_utf8(event).expect("events are UTF-8");
        let event = JValue::from_json_str(text).expect("events are JSON");
        let output = expression.evaluate(&event).expect("the expression never fails");
        out.clear();
        out.extend_from_slice(output.to_json_string().expect("JSON").as_bytes());
    })
}
