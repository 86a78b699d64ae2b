//! The reference implementation's suite, where its cases lie beside the checkout: whatever its
//! release 2.0.6 passes must pass here, values and error codes, and all of it with what later
//! releases added.

mod beside;

use std::path::Path;

use expressway::jsonata::{Environment, Expression, Limits, Memory, Options, Outcome, QueryError};
use expressway::value::{self, Scratch, Value};
use serde_json::Value as Json;

const NOW: i64 = 1_700_000_000_000;
/// The last one has half a surrogate pair in its text, which is no Unicode string.
const MAY_BE_UNREADABLE: usize = 1;

fn parse(scratch: &mut Scratch, text: &str) -> Value {
    scratch.parse(text.as_bytes()).expect("the cases' documents are JSON")
}

fn evaluate(case: &Json, folder: &Path, options: Options) -> Result<Option<Json>, QueryError> {
    let input = match (case.get("data"), case["dataset"].as_str()) {
        (Some(data), _) => Some(data.to_string()),
        (None, name) => name.map(|name| {
            let file = folder.join(format!("datasets/{name}.json"));
            std::fs::read_to_string(file).expect("a dataset can be read")
        }),
    };
    let mut limits = Limits { memory_max: 1 << 30, ..Limits::default() };
    if let Some(depth) = case["depth"].as_u64().filter(|_| case["code"] == "U1001") {
        limits.depth_max = depth as u32;
    }
    let height_max = value::Limits::HEIGHT_CEILING;
    let mut scratch = Scratch::new(value::Limits { bytes_max: 64 << 20, height_max });
    let text = case["expr"].as_str().expect("a case has an expression");
    let expression = Expression::parse(text, options, &mut scratch)?;
    let input = input.map(|text| parse(&mut scratch, &text));
    let mut variable = |scratch: &mut Scratch, at: usize| {
        let value = case["bindings"].get(expression.name(at))?.to_string();
        Some(parse(scratch, &value))
    };
    let mut counter = 0u64;
    let mut random = || {
        counter += 1;
        counter.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    };
    let mut memory = Memory::default();
    let environment = Environment { now: NOW, random: &mut random, limits, memory: &mut memory };
    let outcome = expression.evaluate(&mut scratch, input, &mut variable, environment)?;
    Ok(match outcome {
        Outcome::Value(value) => {
            let mut text = Vec::new();
            scratch.write(value, &mut text);
            Some(serde_json::from_slice(&text).expect("values are written as JSON"))
        }
        Outcome::Undefined | Outcome::Function => None,
    })
}

/// Equal, numbers as binary64; array order counts unless told otherwise.
fn is_same(a: &Json, b: &Json, is_ordered: bool) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) if is_ordered => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b, true))
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().all(|a| b.iter().any(|b| is_same(a, b, true)))
        }
        (Json::Object(a), Json::Object(b)) => {
            let has = |(key, a)| b.get(key).is_some_and(|b| is_same(a, b, true));
            a.len() == b.len() && a.iter().all(has)
        }
        _ => a == b,
    }
}

/// What is wrong with the outcome of a case, if anything is.
fn complaint(case: &Json, folder: &Path, options: Options) -> Option<String> {
    let found = evaluate(case, folder, options);
    let is_ordered = case["unordered"] != true;
    let is_good = match (&found, case["code"].as_str()) {
        (Err(e), code) => code == Some(e.code().name()),
        (Ok(None), None) => case["undefinedResult"] == true,
        (Ok(Some(result)), None) => {
            case.get("result").is_some_and(|wanted| is_same(wanted, result, is_ordered))
        }
        (Ok(_), Some(_)) => false,
    };
    (!is_good).then(|| format!("{}: {} gives {found:?}", case["id"], case["expr"]))
}

fn cases(folder: &Path) -> Vec<Json> {
    let mut cases = Vec::new();
    let mut unreadable = 0;
    for name in ["cases.jsonl", "lone-surrogate.jsonl"] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        for line in text.lines() {
            match serde_json::from_str(line) {
                Ok(case) => cases.push(case),
                Err(_) => unreadable += 1,
            }
        }
    }
    assert!(unreadable <= MAY_BE_UNREADABLE, "{unreadable} cases can't be read");
    cases
}

#[test]
fn the_reference_suite_passes() {
    let Some(folder) = beside::shared("conformance/jsonata") else { return };
    let cases = cases(&folder);
    let strict = Options::default();
    let lenient = Options { is_strict: false, has_2_1: true };
    let is_eval = |case: &&Json| case["expr"].as_str().is_some_and(|text| text.contains("$eval"));
    let (of_2_0_6, later): (Vec<&Json>, Vec<&Json>) =
        cases.iter().partition(|case| case["js_2_0_6"] == "pass");
    let in_strict = of_2_0_6.iter().copied().filter(|case| !is_eval(case));
    let in_lenient = later.iter().copied().chain(of_2_0_6.iter().copied().filter(is_eval));
    let failed: Vec<String> = in_strict
        .filter_map(|case| complaint(case, &folder, strict))
        .chain(in_lenient.filter_map(|case| complaint(case, &folder, lenient)))
        .collect();
    assert!(failed.is_empty(), "{} cases fail:\n{}", failed.len(), failed.join("\n"));
    assert!(cases.len() > 1000, "only {} cases were found", cases.len());
}
