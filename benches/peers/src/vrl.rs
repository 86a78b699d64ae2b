//! VRL, the language of a widely used stream processor, compiled once. Its events are read by sonic-rs: by serde_json, which
//! that processor has, it would be slower, and the exact numbers that this crate has serde_json keep are none to VRL.

use vrl::compiler::state::RuntimeState;
use vrl::compiler::{Context, TargetValueRef, TimeZone, compile};
use vrl::value::{Secrets, Value};

use crate::Transform;
use crate::events::Case;

/// The transformation.
pub fn transform(case: &Case) -> Transform {
    let Case { number, above, kind, flag, id, ts, .. } = *case;
    let source = format!(
        r#".meta = {{"source": "ingest", "v": 1}}
kind = if to_float!(.{number}) > {above}.0 {{ "hot" }} else if .type == "{kind}" {{ "flagged" }} else if .{flag} == true {{ "flagged" }} else {{ "normal" }}
. = {{"kind": kind, "deviceId": .{id}, "ts": .{ts}, "msg": string!(.{id}) + " reports " + to_string!(.{number}), "schema": 1}}"#
    );
    let compiled = compile(&source, &vrl::stdlib::all());
    let program = compiled.unwrap_or_else(|e| panic!("{e:?}")).program;
    let (zone, mut state) = (TimeZone::default(), RuntimeState::default());
    Box::new(move |event, out| {
        let mut value: Value = sonic_rs::from_slice(event).expect("events are JSON");
        let (mut metadata, mut secrets) = (Value::Object(Default::default()), Secrets::default());
        let mut target =
            TargetValueRef { value: &mut value, metadata: &mut metadata, secrets: &mut secrets };
        let mut context = Context::new(&mut target, &mut state, &zone);
        program.resolve(&mut context).expect("the program never fails");
        state.clear();
        out.clear();
        serde_json::to_writer(out, &value).expect("writing to memory");
    })
}
