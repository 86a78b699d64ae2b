//! Definitions of others, held against what validators say of them (where their folder stands beside
//! the repository): what people really write compiles, what is wrong is refused at the right place.

mod beside;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use expressway::asl::codes;
use expressway::asl::source::Format;
use expressway::fault::Diagnostic;
use expressway::program::{Options, compile};
use regex::Regex;
use serde_json::Value as Json;

/// The corpus, below the folder beside the repository.
const CORPUS: &str = "conformance/definitions";
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

/// Records that are refused elsewhere than where their source says, with the reason.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "ChristopheBougere/asl-validator:src/__tests__/definitions/\
         invalid-jsonata-path-fields.asl.json",
        "its schema blames the query language; refused is the field that does not go with it",
    ),
    (
        "aws/amazon-states-language-service:src/asl-utils/utils/tests/\
         assignVariableTestData.ts#block3:mockManualLoopAsl",
        "its schema asks for JSONata's Condition; the rule is JSONPath's and has no operator",
    ),
];

/// `SCHEMA_VALIDATION_FAILED: /States/X/Type is invalid`
static POINTER: LazyLock<Regex> = LazyLock::new(|| regex(r"(?:^|: )(/.+) is invalid\."));
/// `"Next"`, `'StartAt'`
static QUOTED: LazyLock<Regex> = LazyLock::new(|| regex(r#""([^"]+)"|'([^']+)'"#));
/// `States.Choice1.Choices.0`
static DOTTED: LazyLock<Regex> = LazyLock::new(|| regex(r"\bStates\.([\w.-]+)"));
/// `"Next": "b"`
static MEMBER: LazyLock<Regex> = LazyLock::new(|| regex(r#"^"([^"]+)":"#));

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is well-formed")
}

fn records(file: &str) -> Option<Vec<Json>> {
    let text = std::fs::read_to_string(beside::shared(&format!("{CORPUS}/{file}"))?);
    let text = text.expect("the corpus can be read");
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
    beside::say(&format!("samples: {compiled} compile, {later} need what is not implemented"));
    compare("refused", refused, REFUSED);
    assert!(compiled > 0);
}

#[test]
fn what_is_wrong_is_refused_where_it_is_wrong() {
    let Some(records) = records("invalid.jsonl") else { return };
    let (mut met, mut placeless, mut later) = (0, 0, 0);
    let (mut accepted, mut elsewhere) = (BTreeMap::new(), BTreeMap::new());
    for record in &records {
        let errors = errors(&record["definition"]);
        let complaints = || format!("\n    {}{}", record["expect"]["complaints"], shown(&errors));
        let claims = claims(record);
        let is_met = |claim: &Claim| errors.iter().any(|error| claim.is_met_by(error));
        match () {
            () if errors.is_empty() => drop(accepted.insert(id(record), complaints())),
            // Where it is refused will be told once it is implemented.
            () if is_later(&errors) => later += 1,
            () if claims.is_empty() => placeless += 1,
            () if claims.iter().any(is_met) => met += 1,
            () => drop(elsewhere.insert(id(record), complaints())),
        }
    }
    beside::say(&format!(
        "invalid: {met} are refused where their source says, {placeless} where it does not say, \
         {later} need what is not implemented"
    ));
    compare("accepted", accepted, ACCEPTED);
    compare("refused elsewhere", elsewhere, ELSEWHERE);
    assert!(met > placeless);
}

/// Where a validator sees something wrong.
enum Claim {
    /// `/States/X/Type`
    At(String),
    /// Names of fields and states, under one of which the finding must stand, or all of which it must
    /// say.
    Naming(Vec<String>),
}

impl Claim {
    fn of(complaint: &str) -> Option<Claim> {
        if let Some(found) = POINTER.captures(complaint) {
            return Some(Claim::At(found[1].to_owned()));
        }
        let words = QUOTED.captures_iter(complaint).filter_map(|it| it.get(1).or(it.get(2)));
        let dotted = DOTTED.captures_iter(complaint).filter_map(|it| it.get(1));
        let words = words.chain(dotted).flat_map(|it| it.as_str().split('.')).map(str::to_owned);
        let words: Vec<String> = words.collect();
        (!words.is_empty()).then_some(Claim::Naming(words))
    }

    fn is_met_by(&self, error: &Diagnostic) -> bool {
        let ours = &error.location.pointer;
        match self {
            Claim::At(theirs) => ours.starts_with(theirs) || theirs.starts_with(ours.as_str()),
            Claim::Naming(words) => {
                let is_below = |word: &String| ours.split('/').any(|token| token == word);
                let is_said = |word: &String| error.message.contains(word.as_str());
                words.iter().any(is_below) || words.iter().all(is_said)
            }
        }
    }
}

/// What is said by whoever calls the record invalid, as far as it says where.
fn claims(record: &Json) -> Vec<Claim> {
    let complaints = record["expect"]["complaints"].as_array().into_iter().flatten();
    let texts: Vec<&str> = complaints.filter_map(Json::as_str).collect();
    // The language service quotes the line instead.
    let service = record["lint"]["asl_language_service"]["errors"].as_array();
    let quoted = service.into_iter().flatten().filter_map(|error| {
        let is_said = texts.contains(&error["message"].as_str()?);
        let member = MEMBER.captures(error["at"].as_str()?)?;
        is_said.then(|| Claim::Naming(vec![member[1].to_owned()]))
    });
    let quoted: Vec<Claim> = quoted.collect();
    if !quoted.is_empty() {
        return quoted;
    }
    texts.into_iter().filter_map(Claim::of).collect()
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
