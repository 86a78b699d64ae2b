//! Damage that keeps to the grammar: other ways, other paths, fields added and taken away, states put
//! in between, machines within machines. Most of what comes of it compiles.

use serde_json::{Map, Value as Json, json};

use super::{Random, any};

/// Paths and calls where an expression may stand.
const EXPRESSIONS: [&str; 16] = [
    "$",
    "$.a",
    "$['a'].b[0]",
    "$.items",
    "$.a.b[*]",
    "$..id",
    "$.items[?(@.id > 1)]",
    "$.items[-1:]",
    "$$.Execution.Id",
    "$$.Map.Item.Value",
    "$kept",
    "States.Array($.a, 1, null)",
    "States.Format('{} {}', $.a, $$.State.Name)",
    "States.ArrayRange(1, 900, 7)",
    "States.JsonMerge($, $.a, false)",
    "States.MathAdd($.n, -1)",
];
/// Paths that lead to one place.
const REFERENCES: [&str; 6] = ["$", "$.a", "$.a.b", "$['x y']", "$.items[2]", "$.deep.er.still"];

/// Changes a definition somewhere, in a way that its grammar allows.
pub fn machine(random: &mut Random, definition: &mut Json) {
    if random.below(12) == 0 && definition.is_object() {
        return nest(random, definition);
    }
    let inner = machines(definition);
    let at = random.below(inner.len());
    let Some(machine) = inner.get(at).and_then(|pointer| definition.pointer_mut(pointer)) else {
        return;
    };
    let Some(states) = machine.get_mut("States").and_then(Json::as_object_mut) else { return };
    let names: Vec<String> = states.keys().cloned().collect();
    let Some(name) = names.get(random.below(names.len())) else { return };
    match random.below(6) {
        0 => between(random, states, name),
        1 => {
            let target = json!(names[random.below(names.len())]);
            each(&mut states[name], &mut |key, value| {
                if (key == "Next" || key == "Default") && random.below(2) == 0 {
                    *value = target.clone();
                }
            });
        }
        2 | 3 => each(&mut states[name], &mut |key, value| field(random, key, value)),
        4 => add(random, &mut states[name], &names),
        _ => take(random, &mut states[name]),
    }
}

/// Where machines stand: the whole, branches, what items run through.
fn machines(definition: &Json) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut at = 0;
    while at < found.len() {
        let pointer = found[at].clone();
        let machine = definition.pointer(&pointer).unwrap_or(&Json::Null);
        for (name, state) in machine["States"].as_object().into_iter().flatten() {
            let state_at =
                format!("{pointer}/States/{}", name.replace('~', "~0").replace('/', "~1"));
            let branches = state["Branches"].as_array().map_or(0, Vec::len);
            found.extend((0..branches).map(|branch| format!("{state_at}/Branches/{branch}")));
            let processors = ["ItemProcessor", "Iterator"].iter();
            let here = processors.filter(|name| state[**name].is_object());
            found.extend(here.map(|name| format!("{state_at}/{name}")));
        }
        at += 1;
    }
    found
}

/// The whole machine becomes a branch, or what every item runs through.
fn nest(random: &mut Random, definition: &mut Json) {
    let mut inner = definition.take();
    let language = inner.get("QueryLanguage").cloned().unwrap_or(json!("JSONPath"));
    for name in ["QueryLanguage", "Version", "TimeoutSeconds"] {
        inner.as_object_mut().map(|members| members.remove(name));
    }
    let name = format!("Around {}", random.below(1_000_000));
    let state = match random.below(3) {
        0 => json!({"Type": "Parallel", "Branches": [inner], "End": true}),
        1 => json!({"Type": "Map", "ItemProcessor": inner, "MaxConcurrency": 2, "End": true}),
        _ => {
            inner["ProcessorConfig"] = json!({"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"});
            json!({"Type": "Map", "ItemProcessor": inner, "End": true,
                "ToleratedFailurePercentage": 50})
        }
    };
    *definition =
        json!({"QueryLanguage": language, "StartAt": name.clone(), "States": {name: state}});
}

/// A state before the one that `name` leads to.
fn between(random: &mut Random, states: &mut Map<String, Json>, name: &str) {
    let added = format!("Added {}", random.below(1_000_000));
    let Some(next) = states[name].get_mut("Next") else { return };
    let (state, next) = (
        match random.below(3) {
            0 => json!({"Type": "Pass", "Next": next.take()}),
            1 => json!({"Type": "Wait", "Seconds": random.below(3), "Next": next.take()}),
            _ => json!({"Type": "Parallel", "Next": next.take(), "Branches": [{
                "StartAt": format!("{added} B"),
                "States": {format!("{added} B"): {"Type": "Pass", "End": true}}}]}),
        },
        next,
    );
    *next = json!(added);
    states.insert(added, state);
}

/// Another value of a field, by its name.
fn field(random: &mut Random, key: &str, value: &mut Json) {
    if random.below(2) == 0 {
        return;
    }
    let one_of = |random: &mut Random, list: &[&str]| json!(list[random.below(list.len())]);
    match key {
        "InputPath" | "OutputPath" | "Variable" => {
            *value = one_of(random, &EXPRESSIONS[..11]);
        }
        "ResultPath" if random.below(4) == 0 => *value = Json::Null,
        "ResultPath" | "ItemsPath" => *value = one_of(random, &REFERENCES),
        _ if key.ends_with(".$") => *value = one_of(random, &EXPRESSIONS),
        _ if key.ends_with("Path") => *value = one_of(random, &REFERENCES),
        "Result" => *value = any(random),
        "MaxAttempts" | "IntervalSeconds" | "MaxConcurrency" | "Seconds" | "TimeoutSeconds" => {
            *value = json!(1 + random.below(5));
        }
        "BackoffRate" => *value = json!(1.0 + random.below(30) as f64 / 10.0),
        _ => {}
    }
}

/// A field that the state's type has.
fn add(random: &mut Random, state: &mut Json, names: &[String]) {
    let is_running = ["Task", "Parallel", "Map"].iter().any(|kind| state["Type"] == *kind);
    let is_path = state["QueryLanguage"] != "JSONata" && state.get("Output").is_none();
    let Some(fields) = state.as_object_mut() else { return };
    let next = &names[random.below(names.len())];
    let (name, value) = match random.below(6) {
        0 => ("Comment", json!("added")),
        1 if is_running => ("Retry", json!([{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}])),
        2 if is_running => ("Catch", json!([{"ErrorEquals": ["States.ALL"], "Next": next}])),
        3 if is_running && is_path => ("ResultPath", json!("$.added.here")),
        4 if is_running && is_path => ("ResultSelector", json!({"added.$": "$", "n": 1})),
        _ if is_path => ("Assign", json!({"kept": any(random)})),
        _ => return,
    };
    fields.insert(name.to_owned(), value);
}

/// A field that need not be there.
fn take(random: &mut Random, state: &mut Json) {
    const OPTIONAL: [&str; 9] = [
        "Comment",
        "Retry",
        "Catch",
        "ResultPath",
        "ResultSelector",
        "InputPath",
        "OutputPath",
        "Parameters",
        "Assign",
    ];
    let name = OPTIONAL[random.below(OPTIONAL.len())];
    state.as_object_mut().map(|fields| fields.remove(name));
}

/// Visits every member below, but for those of machines within.
fn each(value: &mut Json, visit: &mut dyn FnMut(&str, &mut Json)) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(|item| each(item, visit)),
        Json::Object(members) => {
            for (key, value) in members {
                if !["Branches", "ItemProcessor", "Iterator"].contains(&key.as_str()) {
                    visit(key, value);
                    each(value, visit);
                }
            }
        }
        _ => {}
    }
}
