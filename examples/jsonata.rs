//! Runs a directory of JSONata cases and prints what becomes of each, one JSON object a line:
//! `cargo run --release --example jsonata -- DIR [2.1] [eval] > RESULTS.jsonl`.
//!
//! `DIR/*.jsonl` hold the cases (`id`, `expr`, `data` or `dataset`, `bindings`, `timelimit`,
//! `depth`), `DIR/datasets/NAME.json` the inputs. `2.1` turns on the operators of JSONata 2.1,
//! `eval` the function `$eval`.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use expressway::jsonata::{Environment, Expression, Limits, Memory, Options, Outcome, QueryError};
use expressway::value::{self, Scratch, Value};
use serde_json::{Value as Json, json};

/// `$now` in every case.
const NOW: i64 = 1_700_000_000_000;
/// Bytes of a dataset at most.
const DATASET_BYTES_MAX: usize = 64 << 20;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("name the directory of the cases")?;
    let words: Vec<String> = arguments.collect();
    let has = |word: &str| words.iter().any(|given| given == word);
    let options = Options { is_strict: !has("eval"), has_2_1: has("2.1") };
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .with_context(|| format!("reading the directory {folder}"))?
        .collect::<std::io::Result<Vec<_>>>()?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    files.sort();
    let mut out = std::io::stdout().lock();
    for file in files {
        for line in std::fs::read_to_string(&file)?.lines().filter(|line| !line.is_empty()) {
            let result = match serde_json::from_str(line) {
                Ok(case) => run(&case, Path::new(&folder), options)?,
                Err(e) => json!({"id": id(line), "skipped": format!("the case is not read: {e}")}),
            };
            writeln!(out, "{result}")?;
        }
    }
    Ok(())
}

/// The id of a case that could not be read as a whole.
fn id(line: &str) -> &str {
    line.split("\"id\": \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default()
}

fn run(case: &Json, folder: &Path, options: Options) -> Result<Json> {
    let input = match (case.get("data"), case["dataset"].as_str()) {
        (Some(data), _) => Some(data.to_string()),
        (None, Some(name)) => {
            let file = folder.join("datasets").join(format!("{name}.json"));
            Some(std::fs::read_to_string(&file).with_context(|| file.display().to_string())?)
        }
        (None, None) => None,
    };
    let mut limits = Limits { memory_max: 1 << 30, ..Limits::default() };
    if let Some(depth) = case["depth"].as_u64().filter(|_| case["code"] == "U1001") {
        limits.depth_max = depth as u32;
    }
    let id = &case["id"];
    Ok(match evaluate(case, input.as_deref(), options, limits) {
        Ok(Some(result)) => json!({"id": id, "result": result}),
        Ok(None) => json!({"id": id, "undefined": true}),
        Err(e) => json!({"id": id, "code": e.code().name(), "message": e.message()}),
    })
}

/// A result, if it is defined.
fn evaluate(
    case: &Json,
    input: Option<&str>,
    options: Options,
    limits: Limits,
) -> Result<Option<Json>, QueryError> {
    let mut scratch = Scratch::new(value::Limits {
        bytes_max: DATASET_BYTES_MAX,
        height_max: value::Limits::HEIGHT_CEILING,
    });
    let text = case["expr"].as_str().unwrap_or_default();
    let expression = Expression::parse(text, options, &mut scratch)?;
    let input = input.map(|text| parse(&mut scratch, text));
    let bindings = &case["bindings"];
    let mut variable = |scratch: &mut Scratch, at: usize| {
        let value = bindings.get(expression.name(at))?.to_string();
        Some(parse(scratch, &value))
    };
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
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

fn parse(scratch: &mut Scratch, text: &str) -> Value {
    scratch.parse(text.as_bytes()).expect("the cases' documents are JSON within the limits")
}
