//! What machines do, held against recordings of Step Functions (where their folder stands beside the
//! repository) and against cases of our own, `tests/cases/<topic>/<behaviour>/`.

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
use expressway::program::{Options, Program, compile_file};
use expressway::record::Wake;
use expressway::tasks::{Call, CallId, Mocks, Plan, Settings, TaskState, Tasks};
use serde_json::{Value as Json, json};
use tokio::task::LocalSet;

/// Recordings, beside the repository.
const RECORDINGS: &str = "../shared/conformance/asl";

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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDINGS);
    if !folder.is_dir() {
        println!("no recorded cases were run: there is no folder {}", folder.display());
        return;
    }
    let mut areas: BTreeMap<String, Tally> = BTreeMap::new();
    for case in conformance::cases(&folder).expect("the recordings can be read") {
        let result = answer(&case);
        if result.get("skipped").is_some() {
            continue;
        }
        let tally = areas.entry(text(&case["area"])).or_default();
        match compare(&case, &result) {
            Ok(()) => tally.passed += 1,
            Err(why) => drop(tally.failed.insert(text(&case["id"]), why)),
        }
    }
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
    let (_, (program, findings)) =
        compile_file(&case.join("definition.asl.json"), &Options::default()).expect("a definition");
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
        self.tasks.call(&Call {
            id: CallId(0, asked.call.to_bits()),
            plan: 0,
            resource: asked.request.resource.0 as usize,
            state: asked.state,
            attempt: asked.attempt,
            arguments: asked.arguments,
            timeout: None,
            execution: "case",
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
