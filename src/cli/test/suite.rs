//! A file of tests, read: every problem located.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::IgnoredAny;
use serde_json::Value as Json;

use crate::asl::codes;
use crate::asl::diagnostics::Diagnostics;
use crate::asl::fields::Fields;
use crate::asl::source::{self, Format, Node, Place};
use crate::config;
use crate::engine::machine_name;
use crate::expr::Timestamp;
use crate::fault::Location;
use crate::machine::Limits;
use crate::tasks::Mocks;

/// The tests of one definition.
#[derive(Debug)]
pub(super) struct Suite {
    /// A file, or a state machine in a template.
    pub(super) definition: PathBuf,
    /// What the file says that placeholders stand for.
    pub(super) substitutions: Vec<(String, String)>,
    pub(super) tests: Vec<Test>,
}

/// One execution, and what is expected of it.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) name: String,
    /// JSON, spelled as it was given.
    pub(super) input: String,
    pub(super) mocks: Mocks,
    /// States whose mocks go by call of the execution, not by attempt of the visit.
    pub(super) by_call: BTreeSet<String>,
    /// When it starts, in milliseconds since 1970.
    pub(super) start_ms: i64,
    /// The longest it may take, whatever the definition says.
    pub(super) duration_max: Duration,
    pub(super) expect: Expect,
}

/// What is expected; what is not given is not looked at.
#[derive(Debug, Default)]
pub(super) struct Expect {
    pub(super) status: Option<&'static str>,
    pub(super) output: Option<Json>,
    /// Pointers into the output that are not compared.
    pub(super) ignore: Vec<String>,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    /// The states entered.
    pub(super) path: Option<Vec<String>>,
    pub(super) calls: Option<Vec<Call>>,
}

/// A call of a task.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) state: String,
    /// What it was sent, where that is looked at.
    pub(super) arguments: Option<Json>,
}

/// How executions end.
pub(super) const SUCCEEDED: &str = "SUCCEEDED";
pub(super) const FAILED: &str = "FAILED";
pub(super) const TIMED_OUT: &str = "TIMED_OUT";

/// The input where none is given.
const EMPTY: &str = "{}";
/// When executions start where the test does not say: 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;
/// What comes before the format in the name of a test file.
const MARK: &str = ".test";
/// The formats a definition beside a test file may have.
const BESIDE: [&str; 6] = [".asl.json", ".asl.yaml", ".asl.yml", ".json", ".yaml", ".yml"];

impl Suite {
    /// Reads a file's text. `None` where something is wrong, which is reported.
    pub(super) fn parse(file: &Path, text: &[u8], diagnostics: &Diagnostics) -> Option<Suite> {
        let format = Format::of(&file.to_string_lossy(), text);
        let root = source::read(text, format, source::Limits::default(), diagnostics)?;
        let place = Place::root(&root);
        let reader = Reader { folder: file.parent().unwrap_or(Path::new("")), diagnostics };
        let suite = match root.get("StateMachines") {
            Some(_) => reader.mock_config(file, &place),
            None => reader.suite(file, &place),
        };
        suite.filter(|_| !diagnostics.has_errors())
    }
}

struct Reader<'a> {
    folder: &'a Path,
    diagnostics: &'a Diagnostics,
}

impl<'a> Reader<'a> {
    fn suite(&self, file: &Path, root: &Place<'a>) -> Option<Suite> {
        let mut fields = Fields::new(root, "The test file", self.diagnostics)?;
        let definition = fields.string("definition").map(|name| self.folder.join(name));
        let definition = definition.or_else(|| beside(file, MARK));
        if definition.is_none() {
            let why = "names no \"definition\", and there is none of its name beside it.";
            fields.error(codes::MISSING_FIELD, why);
        }
        let mut substitutions = Vec::new();
        if let Some(mut given) = fields.object("substitutions") {
            for (member, place) in given.take_rest() {
                let text = place.node.as_str().map(str::to_owned);
                let value = text.unwrap_or_else(|| place.node.to_json_text());
                substitutions.push((member.name.clone(), value));
            }
        }
        let duration_max = duration_max(&mut fields);
        let mocks = fields.string("mocks").map(|file| self.folder.join(file));
        fields.required("tests");
        let listed = fields.objects("tests").unwrap_or_default();
        if listed.is_empty() && fields.has("tests") {
            fields.invalid("tests", codes::INVALID_VALUE, "must hold at least one test.");
        }
        let place = definition.clone().unwrap_or_default();
        let test = |test| self.test(test, mocks.as_deref(), &place, duration_max);
        let tests: Vec<_> = listed.into_iter().map(test).collect();
        fields.finish();
        Some(Suite {
            definition: definition?,
            substitutions,
            tests: tests.into_iter().collect::<Option<_>>()?,
        })
    }

    /// Step Functions Local's own file: each of its test cases is to succeed with the input beside it.
    fn mock_config(&self, file: &Path, root: &Place<'a>) -> Option<Suite> {
        let machines = root.member("StateMachines")?;
        let beside = self.definition_beside(file, &machines);
        let Some((definition, machine)) = beside else {
            let message = "No definition of a state machine that this file names stands beside it; \
                           write a test file with \"definition\", \"mocks\" and \"tests\".";
            self.error(message, machines.location());
            return None;
        };
        let input = self.folder.join("input.json");
        let input = match input.exists() {
            true => self.input_in(&input, machines.location())?,
            false => EMPTY.to_owned(),
        };
        let cases = machine.member("TestCases")?;
        let test = |name: &str| {
            let mocks = self.mocks(file, Some(name), &definition, cases.location())?;
            let expect = Expect { status: Some(SUCCEEDED), ..Expect::default() };
            let (name, input, by_call) = (name.to_owned(), input.clone(), BTreeSet::new());
            let (start_ms, duration_max) = (START_MS, Limits::default().duration_max);
            Some(Test { name, input, mocks, by_call, start_ms, duration_max, expect })
        };
        let names = cases.node.as_object().unwrap_or_default().iter();
        let tests: Option<Vec<_>> = names.map(|member| test(&member.name)).collect();
        Some(Suite { definition, substitutions: Vec::new(), tests: tests? })
    }

    fn definition_beside(&self, file: &Path, machines: &Place<'a>) -> Option<(PathBuf, Place<'a>)> {
        let members = machines.node.as_object().unwrap_or_default();
        let named = members.iter().find_map(|member| {
            let found = BESIDE.iter().map(|end| self.folder.join(format!("{}{end}", member.name)));
            let found = found.into_iter().find(|place| place.is_file() && place != file)?;
            Some((found, machines.member(&member.name)?))
        });
        named.or_else(|| {
            let found = BESIDE.iter().map(|end| self.folder.join(format!("definition{end}")));
            let found = found.into_iter().find(|place| place.is_file())?;
            let [only] = members else { return None };
            Some((found, machines.member(&only.name)?))
        })
    }

    fn test(
        &self,
        mut fields: Fields<'a>,
        mocks: Option<&Path>,
        definition: &Path,
        duration_max: Duration,
    ) -> Option<Test> {
        let name = fields.required_string("name").map(str::to_owned);
        fields.at_most_one(&["input", "input_file"]);
        let input = match (fields.node("input"), fields.string("input_file")) {
            (Some(node), _) => Some(node.to_json_text()),
            (None, Some(file)) => {
                self.input_in(&self.folder.join(file), fields.location("input_file"))
            }
            (None, None) => Some(EMPTY.to_owned()),
        };
        let case = fields.string("case");
        let at = fields.location("case");
        let mut answers = match mocks {
            Some(file) => self.mocks(file, case, definition, at),
            None => {
                if case.is_some() {
                    let why = "needs the file's \"mocks\", whose test case it names.";
                    fields.invalid("case", codes::INVALID_VALUE, why);
                }
                Some(Mocks::default())
            }
        };
        let mut by_call = BTreeSet::new();
        if let Some(place) = fields.place("mocks")
            && let (Some(own), Some(answers)) = (self.own_mocks(&place, &mut by_call), &mut answers)
        {
            answers.overlay(own);
        }
        let start_ms = match fields.string("now").map(Timestamp::parse) {
            Some(Some(now)) => now.to_ms(),
            Some(None) => {
                fields.invalid("now", codes::INVALID_TIMESTAMP, "is no RFC 3339 timestamp.");
                START_MS
            }
            None => START_MS,
        };
        fields.required("expect");
        let expect = fields.object("expect").map(|expect| self.expect(expect));
        fields.finish();
        let (name, input, mocks, expect) = (name?, input?, answers?, expect?);
        Some(Test { name, input, mocks, by_call, start_ms, duration_max, expect })
    }

    fn expect(&self, mut fields: Fields<'a>) -> Expect {
        let error = fields.string("error").map(str::to_owned);
        let output = fields.node("output").and_then(json);
        // An output says that it succeeds, as an error says that it fails.
        let implied = error.as_ref().map(|_| FAILED).or(output.as_ref().map(|_| SUCCEEDED));
        let expect = Expect {
            status: fields.one_of("status", &[SUCCEEDED, FAILED, TIMED_OUT]).or(implied),
            output,
            ignore: owned(fields.strings("ignore")).unwrap_or_default(),
            error,
            cause: fields.string("cause").map(str::to_owned),
            path: owned(fields.strings("path")),
            calls: fields
                .objects("calls")
                .map(|calls| calls.into_iter().filter_map(|call| self.call(call)).collect()),
        };
        if expect.status.is_none() && expect.output.is_none() && expect.path.is_none() {
            let why =
                "says nothing of how it ends; give \"status\", \"output\", \"error\" or \"path\".";
            fields.error(codes::MISSING_FIELD, why);
        }
        fields.finish();
        expect
    }

    fn call(&self, mut fields: Fields<'a>) -> Option<Call> {
        let state = fields.required_string("state").map(str::to_owned);
        let arguments = fields.node("arguments").and_then(json);
        fields.finish();
        Some(Call { state: state?, arguments })
    }

    /// `{"State": {"0": {"Return": ..}}}`, or a list for the first, second ... call: as a
    /// MockConfigFile has it.
    fn own_mocks(&self, place: &Place<'a>, by_call: &mut BTreeSet<String>) -> Option<Mocks> {
        let mut fields = Fields::new(place, "The test's \"mocks\"", self.diagnostics)?;
        let (mut case, mut responses) = (Vec::new(), Vec::new());
        for (member, place) in fields.take_rest() {
            let answers = match place.node.as_array() {
                None => place.node.to_json_text(),
                Some(calls) => {
                    by_call.insert(member.name.clone());
                    let calls = calls.iter().enumerate();
                    let calls = calls.map(|(at, it)| format!("\"{at}\":{}", it.to_json_text()));
                    format!("{{{}}}", calls.collect::<Vec<_>>().join(","))
                }
            };
            let state = Json::from(member.name.as_str());
            case.push(format!("{state}:{state}"));
            responses.push(format!("{state}:{answers}"));
        }
        // Put together as text: numbers keep their spelling.
        let config = format!(
            r#"{{"StateMachines":{{"machine":{{"TestCases":{{"test":{{{}}}}}}}}},"MockedResponses":{{{}}}}}"#,
            case.join(","),
            responses.join(",")
        );
        self.known(Mocks::parse(config.as_bytes(), "machine", None), place.location())
    }

    fn mocks(
        &self,
        file: &Path,
        case: Option<&str>,
        definition: &Path,
        at: Location,
    ) -> Option<Mocks> {
        let place = match case {
            Some(case) => format!("{}#{case}", file.display()),
            None => file.display().to_string(),
        };
        let loaded = Mocks::load(&place, &machine_name(definition));
        self.known(loaded.map_err(|error| vec![error.to_string()]), at)
    }

    fn known(&self, mocks: Result<Mocks, Vec<String>>, at: Location) -> Option<Mocks> {
        mocks.map_err(|problems| self.error(&problems.join(" "), at)).ok()
    }

    /// A file's text, which must be JSON.
    fn input_in(&self, file: &Path, at: Location) -> Option<String> {
        let wrong = |why: String| self.error(&format!("{} {why}.", file.display()), at);
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                wrong(format!("can't be read: {error}"));
                return None;
            }
        };
        match serde_json::from_str::<IgnoredAny>(&text) {
            Ok(_) => Some(text),
            Err(error) => {
                wrong(format!("is no JSON: {error}"));
                None
            }
        }
    }

    fn error(&self, message: &str, at: Location) {
        self.diagnostics.error(codes::INVALID_VALUE, message, at);
    }
}

/// As `engine.machine_timeout_max`: five minutes where nothing is said.
fn duration_max(fields: &mut Fields<'_>) -> Duration {
    let default = Limits::default().duration_max;
    match fields.string("machine_timeout_max").map(config::duration) {
        Some(None) => {
            let why = "is no duration such as \"30s\" or \"2h\".";
            fields.invalid("machine_timeout_max", codes::INVALID_VALUE, why);
            default
        }
        given => given.flatten().unwrap_or(default),
    }
}

/// A value that was read without a finding is JSON.
fn json(node: &Node) -> Option<Json> {
    serde_json::from_str(&node.to_json_text()).ok()
}

fn owned(texts: Option<Vec<&str>>) -> Option<Vec<String>> {
    texts.map(|texts| texts.into_iter().map(str::to_owned).collect())
}

/// The definition of the same name: `orders.test.yaml` and `orders.asl.json`.
fn beside(file: &Path, mark: &str) -> Option<PathBuf> {
    let name = file.file_name()?.to_string_lossy().into_owned();
    let stem = &name[..name.find(mark)?];
    let places = BESIDE.iter().map(|end| file.with_file_name(format!("{stem}{end}")));
    places.into_iter().find(|place| place.is_file())
}

/// The states that a definition has not, of those that tests name.
pub(super) fn strays<'t>(test: &'t Test, known: &BTreeSet<&str>) -> Vec<&'t str> {
    let expected = test.expect.path.iter().flatten().map(String::as_str);
    let called = test.expect.calls.iter().flatten().map(|call| call.state.as_str());
    let mut named: Vec<&str> = test.mocks.states().chain(expected).chain(called).collect();
    named.retain(|name| !known.contains(name));
    named.sort_unstable();
    named.dedup();
    named
}
