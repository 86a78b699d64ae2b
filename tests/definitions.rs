//! Definitions of others, held against what validators say of them (where their folder stands beside
//! the repository): what people really write compiles, what is wrong is refused at the right place.

use std::collections::BTreeMap;
use std::path::Path;

use expressway::asl::codes;
use expressway::asl::source::Format;
use expressway::fault::Diagnostic;
use expressway::program::{Options, compile};
use serde_json::Value as Json;

/// The corpus, beside the repository.
const CORPUS: &str = "../shared/conformance/definitions";
/// Validators that must accept a sample for it to count as right.
const VALIDATORS_MIN: usize = 2;

/// Samples that two validators accept and that are refused, with the reason.
const REFUSED: &[(&str, &str)] = &[];

/// Records that their source calls invalid and that are accepted, with the reason.
const ACCEPTED: &[(&str, &str)] = &[
    (
        "ChristopheBougere/asl-validator:src/__tests__/definitions/\
         invalid-json-surround-syntax-extra-spaces.json",
        "a text that is not exactly within {% and %} is text to the service, as it was recorded; a \
         space around them is warned of",
    ),
    (
        "ChristopheBougere/asl-validator:src/__tests__/definitions/\
         invalid-jsonata-surround-syntax-no-close.json",
        "the same",
    ),
    (
        "ChristopheBougere/asl-validator:src/__tests__/definitions/\
         invalid-jsonata-surround-syntax-no-spaces.json",
        "the same",
    ),
];

fn records(file: &str) -> Option<Vec<Json>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(CORPUS).join(file);
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("no definitions were looked at: there is no {}", file.display());
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).expect("a record a line")).collect())
}

fn id(record: &Json) -> &str {
    record["id"].as_str().expect("a record has an id")
}

/// The errors about a definition.
fn errors(definition: &Json) -> Vec<Diagnostic> {
    let text = serde_json::to_vec_pretty(definition).expect("JSON can be written");
    let (program, findings) = compile(&text, Format::Json, &Options::default());
    let errors: Vec<_> = findings.into_iter().filter(Diagnostic::is_error).collect();
    assert_eq!(program.is_none(), !errors.is_empty(), "a program or errors");
    errors
}

/// Does the definition need what a later version brings?
fn is_later(errors: &[Diagnostic]) -> bool {
    errors.iter().any(|error| error.code == codes::NOT_IMPLEMENTED)
}

fn shown(errors: &[Diagnostic]) -> String {
    let lines = errors.iter().map(|error| format!("\n    {error}"));
    lines.collect()
}

#[test]
fn what_people_write_compiles() {
    let Some(records) = records("definitions.jsonl") else { return };
    let (mut compiled, mut later, mut refused) = (0, 0, BTreeMap::new());
    for record in records.iter().filter(|record| record["kind"] == "sample") {
        let verdicts = record["lint"].as_object().into_iter().flatten();
        let accepts = verdicts.filter(|(_, verdict)| verdict["ok"] == true).count();
        let errors = errors(&record["definition"]);
        match () {
            () if accepts < VALIDATORS_MIN => {}
            () if errors.is_empty() => compiled += 1,
            () if is_later(&errors) => later += 1,
            () => drop(refused.insert(id(record), shown(&errors))),
        }
    }
    println!("samples: {compiled} compile, {later} need what is not implemented yet");
    compare("refused", refused, REFUSED);
    assert!(compiled > 0);
}

#[test]
fn what_is_wrong_is_refused_where_it_is_wrong() {
    let Some(records) = records("invalid.jsonl") else { return };
    let (mut found, mut later, mut accepted) = (BTreeMap::new(), 0, BTreeMap::new());
    for record in &records {
        let errors = errors(&record["definition"]);
        match () {
            () if errors.is_empty() => {
                accepted.insert(id(record), format!(" {}", record["expect"]["complaints"]));
            }
            // Where it is refused will be told once it is implemented.
            () if is_later(&errors) => later += 1,
            () => drop(found.insert(id(record), places(&errors))),
        }
    }
    println!("invalid: {} are refused, {later} need what is not implemented yet", found.len());
    compare("accepted", accepted, ACCEPTED);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/definitions/invalid.txt");
    if std::env::var_os("UPDATE_DEFINITIONS").is_some_and(|value| value == "1") {
        let text: String = found.iter().map(|(id, places)| format!("{id}\n{places}")).collect();
        std::fs::write(&file, text).expect("the file can be written");
    }
    let known = std::fs::read_to_string(&file).expect("what is known stands in the repository");
    for (id, places) in blocks(&known) {
        let now = found.get(id).map_or("(nothing)", String::as_str);
        let hint = "UPDATE_DEFINITIONS=1 rewrites what is expected";
        assert_eq!(now, places, "{id}: {hint}");
    }
}

/// `    CODE /pointer`, a line for each.
fn places(errors: &[Diagnostic]) -> String {
    let line = |error: &Diagnostic| format!("    {} {}\n", error.code, error.location.pointer);
    errors.iter().map(line).collect()
}

/// The records in the file of what is known: an id, and the indented lines that follow it.
fn blocks(text: &str) -> Vec<(&str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        match found.last_mut().filter(|_| line.starts_with(' ')) {
            Some((_, places)) => *places += &format!("{line}\n"),
            None => found.push((line, String::new())),
        }
    }
    found
}

/// What was found must be what is known, no more and no less.
fn compare(what: &str, found: BTreeMap<&str, String>, known: &[(&str, &str)]) {
    let is_known = |id: &str| known.iter().any(|(known, _)| *known == id);
    let new: Vec<_> = found.iter().filter(|(id, _)| !is_known(id)).collect();
    let new: String = new.iter().map(|(id, why)| format!("\n  {id}:{why}")).collect();
    assert!(new.is_empty(), "{what} without a known reason:{new}");
    let gone: Vec<_> = known.iter().filter(|(id, _)| !found.contains_key(id)).collect();
    assert!(gone.is_empty(), "no longer {what}: {gone:?}");
}
