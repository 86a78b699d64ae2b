//! Runs conformance cases and prints what came of each, one JSON object a line.
//!
//! `cargo run --release --example conformance -- CASES_DIR > RESULTS.jsonl`
//!
//! Every `*.jsonl` file under the directory holds cases recorded from Step Functions. Tasks answer
//! what the case says they did; waits pass in an instant, on a clock of the example's own. A case
//! that needs something this version does not have prints `{"id", "skipped"}` with the reason.

use std::collections::HashSet;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use expressway::asl::source::Format;
use expressway::asl::verdict::{Verdict, verdicts};
use expressway::fault::{Diagnostic, StateError};
use expressway::machine::{
    Answer, Ask, Asked, Ended, GivenUp, Identity, Limits, Observer, Outcome, Rehearsal,
};
use expressway::program::{Options, Program, compile};
use expressway::states::Step;
use expressway::step::{Exit, StepId};
use expressway::value::{Scratch, Value};
use serde_json::{Value as Json, json};

/// Suspensions after which a case is given up: none of them comes near.
const SUSPENSIONS_MAX: usize = 10_000;
/// When every execution starts: 2024-01-01T00:00:00Z.
pub const START_MS: i64 = 1_704_067_200_000;
/// Standard executions may take a year.
const STANDARD_SECONDS_MAX: u64 = 31_536_000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: conformance CASES_DIR > RESULTS.jsonl")?;
    let mut out = std::io::stdout().lock();
    for case in cases(Path::new(&folder))? {
        writeln!(out, "{}", answer(&case))?;
    }
    Ok(())
}

/// The cases of every `*.jsonl` file under the folder.
pub fn cases(folder: &Path) -> Result<Vec<Json>, Box<dyn Error>> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    let mut cases = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            cases.push(serde_json::from_str(line)?);
        }
    }
    Ok(cases)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if folder.is_file() {
        files.push(folder.to_owned());
        return Ok(());
    }
    let mut entries: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            collect(&entry, files)?;
        } else if entry.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(entry);
        }
    }
    Ok(())
}

fn skipped(why: impl Into<String>) -> Json {
    json!({ "skipped": why.into() })
}

/// What came of a case.
pub fn answer(case: &Json) -> Json {
    // Cases of other engines say no kind: all of them are executions.
    let mut result = match case["kind"].as_str().unwrap_or("execution") {
        "execution" => execution(case),
        "create_error" => creation(case),
        "validate" => validation(case),
        kind => skipped(format!("cases of kind {kind:?} need the API, which this version has not")),
    };
    result["id"] = case["id"].clone();
    result
}

fn execution(case: &Json) -> Json {
    let flags: Vec<&str> =
        case["flags"].as_array().into_iter().flatten().flat_map(Json::as_str).collect();
    if flags.contains(&"no-task-script") {
        return skipped("the recording does not say what the tasks answered");
    }
    if case["expect"]["status"] == "ABORTED" {
        return skipped("it was stopped from outside, which needs the API");
    }
    match compiled(case) {
        (Some(program), _) => run(case, &program),
        (None, findings) => refused(&findings),
    }
}

fn definition_text(case: &Json) -> String {
    match case["definition_text"].as_str() {
        Some(text) => text.to_owned(),
        None => case["definition"].to_string(),
    }
}

/// Compiles as AWS would have it.
fn compiled(case: &Json) -> (Option<Program>, Vec<Diagnostic>) {
    let options = Options { strict_express: case["type"] == "EXPRESS", ..Options::default() };
    compile(definition_text(case).as_bytes(), Format::Json, &options)
}

/// Was the definition refused, as Step Functions did when the machine was to be created?
fn creation(case: &Json) -> Json {
    let (program, findings) = compiled(case);
    if program.is_some() {
        return json!({ "accepted": true });
    }
    if let Some(why) = later(&findings) {
        return why;
    }
    let says = |verdict: Verdict| {
        let location = verdict.location.unwrap_or_default();
        format!("{}: {} at {location}", verdict.code, verdict.message)
    };
    let errors: Vec<_> = findings.into_iter().filter(Diagnostic::is_error).collect();
    let verdicts: Vec<_> =
        verdicts(&definition_text(case), &errors).into_iter().map(says).collect();
    let message = format!("Invalid State Machine Definition: '{}'", verdicts.join(", "));
    json!({ "create_error": { "code": "InvalidDefinition", "message": message } })
}

/// What AWS says of the definition without creating a machine.
fn validation(case: &Json) -> Json {
    let (program, findings) = compiled(case);
    if let Some(why) = later(&findings) {
        return why;
    }
    let verdicts = verdicts(&definition_text(case), &findings);
    let told = |verdict: &Verdict| {
        let Verdict { severity, code, message, location } = verdict;
        let mut told = json!({ "severity": severity, "code": code, "message": message });
        if let Some(location) = location {
            told["location"] = json!(location);
        }
        told
    };
    let diagnostics: Vec<_> = verdicts.iter().map(told).collect();
    let result = if program.is_some() { "OK" } else { "FAIL" };
    json!({ "validate": { "result": result, "diagnostics": diagnostics } })
}

/// The definition uses what this version has not.
fn later(findings: &[Diagnostic]) -> Option<Json> {
    let later = findings.iter().find(|finding| finding.code == "NOT_IMPLEMENTED")?;
    Some(skipped(later.message.clone()))
}

/// The definition was refused: skipped if it uses what this version has not, an error otherwise.
fn refused(findings: &[Diagnostic]) -> Json {
    let messages: Vec<_> = findings.iter().map(ToString::to_string).collect();
    let refusal =
        json!({ "status": "REFUSED", "error": "InvalidDefinition", "cause": messages.join("; ") });
    later(findings).unwrap_or(refusal)
}

/// The execution's names, in the form of the recordings.
pub struct Names {
    /// The state machine's name.
    pub machine: String,
    /// Its type.
    pub is_express: bool,
}

const ACCOUNT: &str = "us-east-1:111111111111";

impl Identity for Names {
    fn id(&self) -> String {
        let Names { machine, .. } = self;
        match self.is_express {
            true => format!("arn:aws:states:{ACCOUNT}:express:{machine}:execution:run"),
            false => format!("arn:aws:states:{ACCOUNT}:execution:{machine}:{}", self.name()),
        }
    }

    fn name(&self) -> String {
        "conformance-run".to_owned()
    }

    fn role_arn(&self) -> String {
        "arn:aws:iam::111111111111:role/conformance".to_owned()
    }

    fn machine_id(&self) -> String {
        format!("arn:aws:states:{ACCOUNT}:stateMachine:{}", self.machine)
    }

    fn machine_name(&self) -> String {
        self.machine.clone()
    }

    fn seed(&self) -> u64 {
        1
    }

    fn redrive_count(&self) -> Option<i64> {
        (!self.is_express).then_some(0)
    }
}

#[derive(Default)]
struct Entered(Vec<StepId>);

impl Observer for Entered {
    fn entered(&mut self, step: StepId) {
        self.0.push(step);
    }
}

/// Runs an execution on a clock of its own; the states that it entered come back too.
pub fn rehearse(
    program: &Program,
    names: &Names,
    scratch: &mut Scratch,
    input: Value,
    ask: &mut Ask<'_>,
) -> (Result<Ended, GivenUp>, Vec<StepId>) {
    let mut limits = Limits::default();
    if !names.is_express {
        limits.duration_max = Duration::from_secs(STANDARD_SECONDS_MAX);
    }
    let rehearsal = Rehearsal {
        program,
        limits: &limits,
        identity: names,
        started_ms: START_MS,
        suspensions_max: SUSPENSIONS_MAX,
    };
    let mut entered = Entered::default();
    let ended = rehearsal.run(scratch, input, &mut entered, ask);
    (ended, entered.0)
}

fn run(case: &Json, program: &Program) -> Json {
    let names = Names {
        machine: case["context"]["stateMachineName"].as_str().unwrap_or("machine").to_owned(),
        is_express: case["type"] == "EXPRESS",
    };
    let mut scratch = program.scratch();
    let input = match scratch.parse(case["input"].to_string().as_bytes()) {
        Ok(input) => input,
        Err(e) => return skipped(format!("the input is {e}")),
    };
    let mut script = Script::of(case);
    let (ended, states) =
        rehearse(program, &names, &mut scratch, input, &mut |asked| script.reply(asked));
    match ended {
        Ok(ended) => {
            let mut result = outcome(&scratch, ended.outcome);
            let apart = apart(program);
            let own = states.iter().filter(|step| !apart.contains(&step.0));
            result["states"] = own.map(|step| json!(program.state_name(*step))).collect();
            result["requests"] = Json::Array(script.requests);
            result
        }
        Err(GivenUp::Unanswered(why)) => skipped(why),
        Err(GivenUp::Endless) => {
            json!({ "crashed": format!("no end after {SUSPENSIONS_MAX} suspensions") })
        }
    }
}

/// The steps of distributed Maps' iterations: executions of their own, which the history of the one
/// that runs them does not show.
fn apart(program: &Program) -> HashSet<u32> {
    let starts = program.rows.iter().filter_map(|row| match &row.step {
        Step::Map(map) if map.is_distributed() => Some(map.processor()),
        _ => None,
    });
    let mut ahead: Vec<StepId> = starts.collect();
    let mut apart = HashSet::new();
    while let Some(id) = ahead.pop() {
        if apart.insert(id.0) {
            let step = program.step(id);
            let mut exits = Vec::new();
            step.exits(&mut exits);
            ahead.extend(exits.into_iter().filter_map(|exit| match exit {
                Exit::Next(next) => Some(next),
                Exit::End => None,
            }));
            ahead.extend(step.catchers().iter().map(|catch| catch.next));
            ahead.extend(step.branches());
        }
    }
    apart
}

/// What a case's tasks answer, and what they were asked.
struct Script<'a> {
    tasks: Vec<&'a Json>,
    /// What lies in S3 beforehand.
    objects: Vec<&'a Json>,
    requests: Vec<Json>,
}

impl<'a> Script<'a> {
    fn of(case: &'a Json) -> Script<'a> {
        let tasks = case["tasks"].as_array().into_iter().flatten().collect();
        let objects = case["fixtures"]["s3"].as_array().into_iter().flatten().collect();
        Script { tasks, objects, requests: Vec::new() }
    }

    /// What the next recorded task of the state answered.
    fn reply(&mut self, asked: &Asked<'_>) -> Result<Option<Answer>, String> {
        if let Some(result) = self.stored(asked) {
            return Ok(Some(Answer { at_ms: asked.now_ms, result }));
        }
        let state = asked.state;
        let parameters: Json = serde_json::from_slice(asked.arguments).unwrap_or(Json::Null);
        let request = json!({ "state": state, "parameters": parameters, "attempt": asked.attempt });
        self.requests.push(request);
        let is_it = |task: &&Json| {
            let is_there = scope_of(task).is_none_or(|scope| scope.iter().eq(asked.scope));
            task["state"] == state && is_there
        };
        let at = self.tasks.iter().position(is_it);
        let Some(at) = at else { return Err(format!("no answer of state {state:?} is recorded")) };
        let task = self.tasks.remove(at);
        if task["timed_out"] == true || task["unfinished"] == true {
            return Ok(None);
        }
        let result = match task.get("error") {
            Some(error) => {
                let text = |name: &str| error[name].as_str().map(str::to_owned);
                Err(StateError::from_parts(text("Error").map(Into::into), text("Cause")))
            }
            None => Ok(task["result"].to_string().into_bytes()),
        };
        Ok(Some(Answer { at_ms: asked.now_ms, result }))
    }

    /// What S3 answers a Map's reader or writer.
    fn stored(&self, asked: &Asked<'_>) -> Option<Result<Vec<u8>, StateError>> {
        let action = asked.resource.strip_prefix("arn:aws:states:::s3:")?;
        let at: Json = serde_json::from_slice(asked.arguments).unwrap_or(Json::Null);
        let here = |object: &&&Json| object["bucket"] == at["Bucket"];
        let mut objects = self.objects.iter().filter(here);
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        Some(match action {
            "getObject" => match objects.find(|object| object["key"] == at["Key"]) {
                Some(object) => Ok(text(&object["body"]).into_bytes()),
                None => Err(StateError::new("S3.NoSuchKey", "The specified key does not exist.")),
            },
            "listObjectsV2" => {
                let prefix = text(&at["Prefix"]);
                let found = objects.filter(|object| text(&object["key"]).starts_with(&prefix));
                let entry = |object: &&Json| json!({ "Key": object["key"], "Size": text(&object["body"]).len() });
                Ok(json!({ "Contents": found.map(entry).collect::<Vec<_>>() }).to_string().into())
            }
            _ => Ok(b"{}".to_vec()),
        })
    }
}

/// The iterations that a recorded task was in. Where an iteration was left through a catcher the
/// recorder went on to count it: of several of one Map the last counts.
fn scope_of(task: &Json) -> Option<Vec<&str>> {
    let mut scope: Vec<&str> = Vec::new();
    for iteration in task["scope"].as_array()?.iter().filter_map(Json::as_str) {
        let map = |iteration: &str| iteration.split('[').next().map(str::to_owned);
        scope.retain(|known| map(known) != map(iteration));
        scope.push(iteration);
    }
    Some(scope)
}

/// How it ended, in the words of the recordings.
pub fn outcome(scratch: &Scratch, outcome: Outcome) -> Json {
    match outcome {
        Outcome::Succeeded(output) => {
            let mut text = Vec::new();
            scratch.write(output, &mut text);
            let output: Json = serde_json::from_slice(&text).unwrap_or(Json::Null);
            json!({ "status": "SUCCEEDED", "output": output })
        }
        Outcome::Failed(error) => {
            json!({ "status": "FAILED", "error": error.name(), "cause": error.cause() })
        }
        Outcome::TimedOut => json!({ "status": "TIMED_OUT" }),
    }
}
