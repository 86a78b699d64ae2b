//! What machines do, held against recordings of Step Functions (where their folder stands beside the
//! repository) and against cases of our own, `tests/cases/<topic>/<behaviour>/`.

mod beside;
#[allow(dead_code)]
#[path = "../examples/conformance.rs"]
mod conformance;
mod conformance_matcher;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use conformance::{Names, START_MS, answer, outcome, rehearse};
use conformance_matcher::compare;
use expressway::machine::{Answer, Asked, Ended};
use expressway::program::{Definition, Options, Program};
use expressway::record::Wake;
use expressway::step::{CallSite, StepId};
use expressway::tasks::{Call, CallId, Caller, Mocks, Plan, Settings, TaskState, Tasks};
use serde_json::{Value as Json, json};
use tokio::task::LocalSet;

/// Recordings, below the folder beside the repository.
const RECORDINGS: &str = "conformance/asl";
/// What other engines do, below the same.
const OTHERS: &str = "conformance/definitions/floe-cases.jsonl";

/// Recorded cases that fail, and why each is right to.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "scenarios/test_base_scenarios::test_lambda_invoke_with_retry_extended_input",
        "recorded in October 2023, before Standard executions' context object had RedriveCount; \
         newer recordings have it",
    ),
    (
        "scenarios/test_base_scenarios::test_lambda_service_invoke_with_retry_extended_input",
        "the same",
    ),
    (
        "callback/test_callback::test_sqs_wait_for_task_tok_with_heartbeat",
        "its placeholder for the token, <<task_token>:1>, is one within another, which only a token \
         in angle brackets would match",
    ),
    ("callback/test_callback::test_sqs_wait_for_task_token", "the same"),
    ("callback/test_callback::test_sqs_wait_for_task_token_timeout", "the same"),
];

/// Undisputed cases of other engines that we do otherwise, and why.
const OUR_OWN: &[(&str, &str)] = &[
    ("floe/choice_rule:601#0", "a variable of another type makes a rule false, as recorded"),
    ("floe/intrinsic_function:875#2", "States.MathAdd rounds what is no integer, as recorded"),
    ("floe/intrinsic_function:92#2", "States.Format takes objects and arrays, as recorded"),
    ("floe/intrinsic_function:92#3", "the same"),
];

/// Areas whose features are all there, but for cases with what later versions bring.
const COMPLETE: [&str; 7] = [
    "base",
    "choice_operators",
    "context_object",
    "error_handling",
    "intrinsic_functions",
    "scenarios",
    "timeouts",
];

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: BTreeMap<String, String>,
}

#[test]
fn recorded_cases_end_as_recorded() {
    let Some(folder) = beside::shared(RECORDINGS) else { return };
    let mut areas: BTreeMap<String, Tally> = BTreeMap::new();
    let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
    for case in conformance::cases(&folder).expect("the recordings can be read") {
        let result = answer(&case);
        if let Some(why) = result["skipped"].as_str() {
            *skipped.entry(why.to_owned()).or_default() += 1;
            continue;
        }
        let tally = areas.entry(text(&case["area"])).or_default();
        match compare(&case, &result) {
            Ok(()) => tally.passed += 1,
            Err(why) => drop(tally.failed.insert(text(&case["id"]), why)),
        }
    }
    let passed: usize = areas.values().map(|tally| tally.passed).sum();
    beside::say(&format!("recorded cases: {passed} pass, {} differ", DIFFERENT.len()));
    skipped.iter().for_each(|(why, count)| beside::say(&format!("  {count} skipped: {why}")));
    for area in COMPLETE {
        assert!(areas.get(area).is_some_and(|tally| tally.passed > 0), "{area}: none passed");
    }
    let failed = areas.values().flat_map(|tally| &tally.failed);
    let is_known = |id: &str| DIFFERENT.iter().any(|(known, _)| *known == id);
    let unknown: Vec<_> = failed.clone().filter(|(id, _)| !is_known(id)).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    let failed: Vec<_> = failed.map(|(id, _)| id.as_str()).collect();
    let passing: Vec<_> = DIFFERENT.iter().filter(|(id, _)| !failed.contains(id)).collect();
    assert!(passing.is_empty(), "no longer different: {passing:#?}");
}

#[test]
fn other_engines_agree() {
    let Some(file) = beside::shared(OTHERS) else { return };
    let cases = conformance::cases(&file).expect("the cases can be read");
    let mut differing = BTreeMap::new();
    let undisputed: Vec<_> = cases.iter().filter(|case| case["disputed"] != true).collect();
    for case in &undisputed {
        let (expect, result) = (&case["expect"], answer(case));
        let is_refused = result["status"] == "REFUSED";
        let is_as_expected = match expect["status"].as_str() {
            Some("SUCCEEDED") => {
                result["status"] == "SUCCEEDED" && same(&expect["output"], &result["output"])
            }
            _ if is_refused => expect["or_rejected"] == true,
            _ => {
                let is_the_error = |error: &Json| error.is_null() || *error == result["error"];
                result["status"] == expect["status"] && is_the_error(&expect["error"])
            }
        };
        if !is_as_expected {
            differing.insert(text(&case["id"]), format!("{expect}, got {result}"));
        }
    }
    let (count, total) = (undisputed.len() - differing.len(), undisputed.len());
    beside::say(&format!("cases of other engines: {count} of {total} agree"));
    let known: BTreeMap<_, _> = OUR_OWN.iter().copied().collect();
    let new: Vec<_> = differing.iter().filter(|(id, _)| !known.contains_key(id.as_str())).collect();
    assert!(new.is_empty(), "{new:#?}");
    let gone: Vec<_> = known.keys().filter(|id| !differing.contains_key(**id)).collect();
    assert!(gone.is_empty(), "no longer different: {gone:#?}");
}

/// Numbers by what they are.
fn same(wanted: &Json, found: &Json) -> bool {
    let case =
        json!({ "expect": { "status": "SUCCEEDED", "output": wanted }, "kind": "execution" });
    compare(&case, &json!({ "status": "SUCCEEDED", "output": found })).is_ok()
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn our_own_cases_end_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut complaints = Vec::new();
    let mut count = 0;
    for topic in folders(&folder) {
        for case in folders(&topic) {
            count += 1;
            let (expect, found) = (json_file(&case.join("expect.json")), run(&case));
            for (name, wanted) in expect.as_object().expect("expectations are an object") {
                if found[name] != *wanted {
                    let place = case.strip_prefix(&folder).unwrap_or(&case).display();
                    complaints.push(format!("{place} {name}: want {wanted}, got {}", found[name]));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(count > 0, "no cases in {}", folder.display());
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of cases can be read");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

fn json_file(file: &Path) -> Json {
    let text = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// `{"status", "output" or "error" and "cause", "states", "attempts", "elapsed_ms"}`
fn run(case: &Path) -> Json {
    let file = case.join("definition.asl.json");
    let definition = Definition::read(&file, &Options::default()).expect("a definition");
    let Definition { program, findings, .. } = definition;
    let Some(program) = program else { panic!("{}: {findings:#?}", case.display()) };
    let mut mocked = Mocked::of(case, &program);
    let mut scratch = program.scratch();
    let input = json_file(&case.join("input.json")).to_string();
    let input = scratch.parse(input.as_bytes()).expect("it is JSON");
    let names = Names { machine: "machine".to_owned(), is_express: true };
    let mut ask = |asked: &Asked<'_>| mocked.reply(asked);
    let (ended, states) = rehearse(&program, &names, &mut scratch, input, &mut ask);
    let Ok(Ended { outcome: ending, now_ms }) = ended else {
        return json!({ "status": "no end" });
    };
    let mut result = outcome(&scratch, ending);
    result["states"] = states.iter().map(|step| json!(program.state_name(*step))).collect();
    result["requests"] = Json::Array(mocked.requests);
    result["elapsed_ms"] = json!(now_ms - START_MS);
    result
}

/// Tasks as `mocks.json` answers them, on the execution's clock.
struct Mocked {
    tasks: Tasks,
    requests: Vec<Json>,
}

/// Mocks ask for nobody.
struct Nobody;

impl Caller for Nobody {
    fn machine_id(&self) -> String {
        String::new()
    }

    fn execution_id(&self) -> String {
        String::new()
    }
}

impl Mocked {
    fn of(case: &Path, program: &Program) -> Mocked {
        let file = case.join("mocks.json");
        let mocks = file.is_file().then(|| Mocks::load(&file.to_string_lossy(), "machine"));
        let mocks = mocks.transpose().expect("the mocks are well-formed");
        let mut states = Vec::new();
        for row in &program.rows {
            for id in row.step.resources() {
                let (resource, name) = (program.resource(id), row.name.as_str());
                let (text, parsed) = (resource.arn.as_str(), &resource.parsed);
                states.push(TaskState { name, resource: id.0 as usize, text, parsed });
            }
        }
        let plan = Plan::prepare(&states, Settings::default(), mocks).expect("all is mocked");
        let local = Rc::new(LocalSet::new());
        let tasks = Tasks::open(vec![Arc::new(plan)], local, Wake::new(|| {})).expect("no drivers");
        Mocked { tasks, requests: Vec::new() }
    }

    fn reply(&mut self, asked: &Asked<'_>) -> Result<Option<Answer>, String> {
        self.requests.push(serde_json::from_slice(asked.arguments).expect("arguments are JSON"));
        let (scope, step, visit, attempt) = (0, StepId(0), 1, asked.attempt);
        self.tasks.call(&Call {
            id: CallId(0, asked.call.to_bits()),
            plan: 0,
            resource: asked.request.resource.0 as usize,
            state: asked.state,
            attempt: asked.attempt,
            arguments: asked.arguments,
            timeout: None,
            role: None,
            site: CallSite { scope, step, visit, attempt },
            token: None,
            record: None,
            execution: "case",
            caller: &Nobody,
            now_ms: asked.now_ms,
        });
        let at_ms = self.tasks.next_due_ms().unwrap_or(asked.now_ms).max(asked.now_ms);
        let mut answer = None;
        self.tasks.poll(at_ms, &mut |_, result| {
            answer = Some(Answer { at_ms, result: result.map(<[u8]>::to_vec) });
        });
        Ok(answer)
    }
}
