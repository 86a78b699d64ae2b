//! A record that is run again makes the same calls with the same tokens, whatever answers came when.

use std::collections::BTreeMap;

use expressway::asl::source::Format;
use expressway::machine::{Answer, Asked, Identity, Limits, Outcome, Rehearsal};
use expressway::program::{Options, compile};
use serde_json::{Value, json};

struct Nobody;

impl Identity for Nobody {
    fn name(&self) -> String {
        "n".to_owned()
    }

    fn machine_name(&self) -> String {
        "m".to_owned()
    }

    fn seed(&self) -> u64 {
        7
    }
}

/// Runs it with answers that take as long as `latency` says. Returns each call's token by what it
/// was asked for; calls whose `fails` counts their attempt fail.
fn tokens(definition: &Value, latency: impl Fn(usize) -> i64) -> BTreeMap<String, Vec<String>> {
    let text = definition.to_string();
    let (program, findings) = compile(text.as_bytes(), Format::Json, &Options::default());
    let program = program.unwrap_or_else(|| panic!("{findings:?}"));
    let (limits, started_ms, suspensions_max) = (Limits::default(), 0, 10_000);
    let rehearsal = Rehearsal {
        program: &program,
        limits: &limits,
        identity: &Nobody,
        started_ms,
        suspensions_max,
    };
    let mut scratch = program.scratch();
    let input = scratch.parse(b"{\"items\":[1,2,3],\"n\":0}").expect("it is JSON");
    let (mut found, mut count) = (BTreeMap::<String, Vec<String>>::new(), 0);
    let mut ask = |asked: &Asked<'_>| {
        let sent: Value = serde_json::from_slice(asked.arguments).expect("it is JSON");
        count += 1;
        let at_ms = asked.now_ms + latency(count);
        let Some(token) = sent["token"].as_str() else {
            return Ok(Some(Answer { at_ms, result: Ok(b"{}".to_vec()) }));
        };
        let what = format!("{} {:?} {}", asked.state, asked.scope, sent["what"]);
        found.entry(what).or_default().push(token.to_owned());
        let result = match sent["fails"].as_u64().is_some_and(|n| u64::from(asked.attempt) < n) {
            true => Err(expressway::fault::StateError::new("Again", "")),
            false => Ok(b"{}".to_vec()),
        };
        Ok(Some(Answer { at_ms, result }))
    };
    let ended = rehearsal.run(&mut scratch, input, &mut (), &mut ask).expect("it ends");
    assert!(matches!(ended.outcome, Outcome::Succeeded(_)), "{:?}", ended.outcome);
    found
}

fn waiting(what: &Value, next: &Value) -> Value {
    let mut state = json!({
        "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"token.$": "$$.Task.Token", "what": what, "fails": 1},
        "ResultPath": null,
        "Retry": [{"ErrorEquals": ["Again"], "IntervalSeconds": 1}],
    });
    match next {
        Value::String(_) => state["Next"] = next.clone(),
        _ => state["End"] = json!(true),
    }
    state
}

#[test]
fn every_call_has_a_token_of_its_own_that_stays_the_same() {
    let polled = json!({"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "ResultPath": null,
        "Parameters": {}, "End": true});
    let branch = json!({"StartAt": "B", "States": {"B": waiting(&json!("branch"), &json!(null))}});
    let definition = json!({"StartAt": "Loop", "States": {
        // Twice through everything, so that visits count.
        "Loop": {"Type": "Pass", "Parameters": {"items.$": "$.items", "n.$": "States.MathAdd($.n, 1)"},
            "Next": "Both"},
        "Both": {"Type": "Parallel", "ResultPath": null, "Next": "Each", "Branches": [
            branch, {"StartAt": "P", "States": {"P": polled}},
            {"StartAt": "C", "States": {
                "C": waiting(&json!("first"), &json!("D")), "D": waiting(&json!("second"), &json!(null))}}]},
        "Each": {"Type": "Map", "ItemsPath": "$.items", "ResultPath": null, "Next": "More",
            "Retry": [{"ErrorEquals": ["Again"]}],
            "ItemProcessor": {"StartAt": "E", "States": {"E": waiting(&json!("item"), &json!(null))}}},
        "More": {"Type": "Choice", "Default": "End", "Choices": [
            {"Variable": "$.n", "NumericLessThan": 2, "Next": "Loop"}]},
        "End": waiting(&json!("end"), &json!(null)),
    }});
    let first = tokens(&definition, |_| 1);
    let all: Vec<&String> = first.values().flatten().collect();
    // Two rounds of three branches' calls and three items, each tried twice; the end, tried twice.
    assert_eq!(all.len(), 2 * (3 + 3) * 2 + 2, "{first:#?}");
    let distinct: std::collections::BTreeSet<&String> = all.iter().copied().collect();
    assert_eq!(distinct.len(), all.len(), "{first:#?}");
    for latency in [|count| (count as i64 * 7919) % 13, |count| 1_000 - count as i64, |_| 0] {
        assert_eq!(tokens(&definition, latency), first);
    }
}
