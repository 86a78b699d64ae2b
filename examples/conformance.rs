//! Runs conformance cases and prints what came of each, one JSON object a line.
//!
//! `cargo run --release --example conformance -- CASES_DIR > RESULTS.jsonl`
//!
//! Every `*.jsonl` file under the directory holds cases recorded from Step Functions. Tasks answer
//! what the case says they did; waits pass in an instant, on a clock of the example's own. A case
//! that needs something this version does not have prints `{"id", "skipped"}` with the reason.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

use expressway::asl::source::Format;
use expressway::fault::{Diagnostic, StateError};
use expressway::machine::{Execution, Identity, Limits, Machine, Outcome, Suspension};
use expressway::program::{Options, Program, compile};
use expressway::step::Resume;
use expressway::value::{Scratch, Value};
use serde_json::{Value as Json, json};

/// Suspensions after which a case is given up: none of them comes near.
const SUSPENSIONS_MAX: usize = 10_000;
/// When every execution starts: 2024-01-01T00:00:00Z.
const START_MS: i64 = 1_704_067_200_000;
/// Standard executions may take a year.
const STANDARD_SECONDS_MAX: u64 = 31_536_000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: conformance CASES_DIR > RESULTS.jsonl")?;
    let mut files = Vec::new();
    collect(Path::new(&folder), &mut files)?;
    let mut out = std::io::stdout().lock();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let case: Json = serde_json::from_str(line)?;
            let mut result = answer(&case);
            result["id"] = case["id"].clone();
            writeln!(out, "{result}")?;
        }
    }
    Ok(())
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

fn answer(case: &Json) -> Json {
    let kind = case["kind"].as_str().unwrap_or_default();
    if kind != "execution" {
        return skipped(format!("cases of kind {kind:?} need the API, which this version has not"));
    }
    let flags: Vec<&str> =
        case["flags"].as_array().into_iter().flatten().flat_map(Json::as_str).collect();
    if flags.contains(&"no-task-script") {
        return skipped("the recording does not say what the tasks answered");
    }
    let text = match case["definition_text"].as_str() {
        Some(text) => text.to_owned(),
        None => case["definition"].to_string(),
    };
    let (program, findings) = compile(text.as_bytes(), Format::Json, &Options::default());
    match program {
        Some(program) => run(case, &program),
        None => refused(&findings),
    }
}

/// The definition was refused: skipped if it uses what this version has not, an error otherwise.
fn refused(findings: &[Diagnostic]) -> Json {
    if let Some(later) = findings.iter().find(|finding| finding.code == "NOT_IMPLEMENTED") {
        return skipped(later.message.clone());
    }
    let messages: Vec<_> = findings.iter().map(ToString::to_string).collect();
    json!({ "status": "REFUSED", "error": "InvalidDefinition", "cause": messages.join("; ") })
}

/// The execution's names, in the form of the recordings.
struct Names {
    machine: String,
    is_express: bool,
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

    fn redrive_count(&self) -> Option<i64> {
        (!self.is_express).then_some(0)
    }
}

/// One case on its way: the tasks still to answer, and what was seen.
struct Run<'a> {
    tasks: Vec<&'a Json>,
    requests: Vec<Json>,
    program: &'a Program,
}

fn run(case: &Json, program: &Program) -> Json {
    let names = Names {
        machine: case["context"]["stateMachineName"].as_str().unwrap_or("machine").to_owned(),
        is_express: case["type"] == "EXPRESS",
    };
    let mut limits = Limits::default();
    if !names.is_express {
        limits.duration_max = std::time::Duration::from_secs(STANDARD_SECONDS_MAX);
    }
    let mut scratch = program.scratch();
    let input = match scratch.parse(case["input"].to_string().as_bytes()) {
        Ok(input) => input,
        Err(e) => return skipped(format!("the input is {e}")),
    };
    let tasks = case["tasks"].as_array().into_iter().flatten().collect();
    let mut run = Run { tasks, requests: Vec::new(), program };
    let mut execution = Execution::default();
    let mut machine = Machine { program, limits: &limits, identity: &names, now_ms: START_MS };
    machine.start(&mut execution, input, 1);
    let mut suspension = machine.run(&mut execution, &mut scratch, Resume::Continue, &mut ());
    for _ in 0..SUSPENSIONS_MAX {
        suspension = match suspension {
            Suspension::Done(outcome) => return run.result(&scratch, outcome),
            Suspension::Yield => {
                machine.run(&mut execution, &mut scratch, Resume::Continue, &mut ())
            }
            Suspension::Wait { until_ms } => {
                machine.now_ms = until_ms;
                machine.run(&mut execution, &mut scratch, Resume::Timer, &mut ())
            }
            Suspension::Call { request, wake_ms } => {
                match run.reply(&execution, &scratch, request.arguments) {
                    Err(why) => return skipped(why),
                    Ok(None) => {
                        machine.now_ms = wake_ms;
                        machine.run(&mut execution, &mut scratch, Resume::Timer, &mut ())
                    }
                    Ok(Some(Ok(text))) => {
                        let reply = Resume::Reply(Ok(text.as_bytes()));
                        machine.run(&mut execution, &mut scratch, reply, &mut ())
                    }
                    Ok(Some(Err(error))) => machine.run(
                        &mut execution,
                        &mut scratch,
                        Resume::Reply(Err(error)),
                        &mut (),
                    ),
                }
            }
        };
    }
    json!({ "crashed": format!("no end after {SUSPENSIONS_MAX} suspensions") })
}

/// A task's answer; `None` where it never came.
type Reply = Option<Result<String, StateError>>;

impl Run<'_> {
    /// What the next recorded task of the state answered.
    fn reply(
        &mut self,
        execution: &Execution,
        scratch: &Scratch,
        arguments: Value,
    ) -> Result<Reply, String> {
        let state = self.program.state_name(execution.step());
        let request = json!({
            "state": state,
            "parameters": to_json(scratch, arguments),
            "attempt": execution.attempt(),
        });
        self.requests.push(request);
        let at = self.tasks.iter().position(|task| task["state"] == state);
        let Some(at) = at else { return Err(format!("no answer of state {state:?} is recorded")) };
        let task = self.tasks.remove(at);
        if task["timed_out"] == true || task["unfinished"] == true {
            return Ok(None);
        }
        if let Some(error) = task.get("error") {
            let text = |name: &str| error[name].as_str().map(str::to_owned);
            let error = StateError::from_parts(text("Error").map(Into::into), text("Cause"));
            return Ok(Some(Err(error)));
        }
        Ok(Some(Ok(task["result"].to_string())))
    }

    fn result(self, scratch: &Scratch, outcome: Outcome) -> Json {
        let mut result = match outcome {
            Outcome::Succeeded(output) => {
                json!({ "status": "SUCCEEDED", "output": to_json(scratch, output) })
            }
            Outcome::Failed(error) => {
                json!({ "status": "FAILED", "error": error.name(), "cause": error.cause() })
            }
            Outcome::TimedOut => json!({ "status": "TIMED_OUT" }),
        };
        result["requests"] = Json::Array(self.requests);
        result
    }
}

fn to_json(scratch: &Scratch, value: Value) -> Json {
    let mut text = Vec::new();
    scratch.write(value, &mut text);
    serde_json::from_slice(&text).unwrap_or(Json::Null)
}
