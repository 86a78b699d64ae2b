//! `expressway exec DEFINITION`: one execution in real time, its output on standard output.

mod driver;
mod record;
mod trace;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context;
use tokio::task::LocalSet;

use super::definition::Filled;
use super::{FAILED, INTERRUPTED, REFUSED, Run, SUCCEEDED, complain, print};
use crate::aws::{self, Endpoint};
use crate::engine::{machine_name, plan_for};
use crate::fault::StateError;
use crate::machine::{Limits, Outcome};
use crate::program::{Definition, Options, Program};
use crate::tasks::{AwsSettings, Mocks, Plan, Settings};
use crate::value::Scratch;
use driver::{Alone, Clock, Driver, Ended};
use record::Place;
use trace::Form;

/// Characters an execution's name may have, as in Step Functions.
const NAME_CHARS_MAX: usize = 80;

/// Run a definition once
///
/// Runs one execution of a state machine and prints its output, one line of JSON, to standard
/// output. Time is real: a Wait state waits, a retrier's interval passes. Tasks are really called
/// (those of AWS where --aws says); where there is no driver for one, or it must not be called, mocks
/// answer: a file in Step Functions Local's MockConfigFile format (FILE#TestCase names one of several
/// test cases).
///
/// With --from or --dead-letter, one real record is run as its pipeline would run it: decoded, under
/// the name that its execution has there; where several records share an execution, as a batch of one.
/// No group is joined, nothing is committed, and its output is printed, not written; but tasks are
/// called, unless mocks answer.
///
/// Examples:
///   expressway exec orders.asl.json --input order.json
///   echo '{"id": 7}' | expressway exec orders.yaml --input - --mocks mocks.json#Happy --trace
///   expressway exec --config pipeline.toml --from orders:3:4711 --trace
///   expressway exec --config pipeline.toml --dead-letter dead.ndjson --number 2 --trace
///   expressway exec orders.asl.json --from orders:3:4711 --bootstrap localhost:9092
///
/// Exit code: 0 where the execution succeeded; 1 where it failed, with its error and cause on
/// standard error; 2 where it could not start: arguments, input, definition or mocks are at fault.
/// Ctrl-C ends it (130).
#[derive(clap::Parser)]
#[command(name = "exec", verbatim_doc_comment)]
pub(super) struct Exec {
    /// A definition in Amazon States Language, JSON or YAML; with --config, instead of its own
    #[arg(required_unless_present_any = ["template", "config"])]
    definition: Option<PathBuf>,
    /// Take the definition from a CloudFormation or SAM template
    #[arg(long, value_name = "FILE[#NAME]", conflicts_with = "definition")]
    template: Option<PathBuf>,
    #[command(flatten)]
    filled: Filled,
    /// The input, a JSON document: a file, or - for standard input [default: {}]
    #[arg(long, short, value_name = "FILE|-")]
    input: Option<PathBuf>,
    /// Answers instead of calls, for the states that they name
    #[arg(long, short, value_name = "FILE[#CASE]")]
    mocks: Option<String>,
    /// A folder that stands for S3 where a Map's ItemReader reads and its ResultWriter writes: a bucket
    /// is a folder in it, a key a file in that
    #[arg(long, value_name = "DIR")]
    objects: Option<PathBuf>,
    /// Where AWS is: the URL of an emulator, or "aws" for AWS itself, called with the credentials and
    /// the region that its own tools find
    #[arg(long, value_name = "URL|aws", value_parser = aws_endpoint)]
    aws: Option<Endpoint>,
    /// The execution's name, from which its random numbers derive [default: by the time]
    #[arg(long, value_parser = execution_name)]
    name: Option<String>,
    /// Run the record of Kafka that stands there
    #[arg(long, value_name = "TOPIC:PARTITION:OFFSET", conflicts_with_all = ["input", "name"])]
    from: Option<Place>,
    /// Run the record that is in a dead letter: a file of them, one JSON object a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["input", "name", "from"])]
    dead_letter: Option<PathBuf>,
    /// Which of the file's dead letters, counted from 1
    #[arg(long, value_name = "N", requires = "dead_letter")]
    number: Option<usize>,
    /// The configuration whose pipeline the record is for
    #[arg(long)]
    config: Option<PathBuf>,
    /// Which of its pipelines, where there are several
    #[arg(long, value_name = "NAME", requires = "config")]
    pipeline: Option<String>,
    /// The brokers, where there is no configuration [default: 127.0.0.1:9092]
    #[arg(long, value_name = "HOST:PORT,...", requires = "from", conflicts_with = "config")]
    bootstrap: Option<String>,
    /// Tell on standard error what happens, state by state: input, each stage of its processing,
    /// calls and answers, waits, errors, retries, catches, what comes next
    #[arg(long, short)]
    trace: bool,
    /// Whom the trace is for [default: human]
    #[arg(long, value_enum, requires = "trace")]
    format: Option<Form>,
}

fn execution_name(name: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(legal) {
        let what = "letters, digits, \"-\", \"_\" and \".\"";
        return Err(format!("a name has 1 to {NAME_CHARS_MAX} {what}"));
    }
    Ok(name.to_owned())
}

fn aws_endpoint(text: &str) -> Result<Endpoint, String> {
    match text {
        "aws" => Ok(Endpoint::Aws),
        url if ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) => {
            Ok(Endpoint::Url(url.to_owned()))
        }
        _ => Err("it is a URL or \"aws\"".to_owned()),
    }
}

impl Run for Exec {
    fn run(self) -> anyhow::Result<u8> {
        if self.from.is_some() || self.dead_letter.is_some() {
            return self.run_record();
        }
        let Some(place) = self.place() else {
            anyhow::bail!("--config is for a record of its pipeline: add --from or --dead-letter");
        };
        let substitutions = self.filled.substitutions();
        let options = Options { substitutions: &substitutions, ..Options::default() };
        let definition = Definition::read(place, &options)
            .with_context(|| format!("could not read {}", place.display()))?;
        if !definition.findings.is_empty() {
            complain(&definition.render(&definition.findings));
        }
        let Some(program) = &definition.program else { return Ok(REFUSED) };
        let Some(plan) = self.plan(&definition, program)? else { return Ok(REFUSED) };
        let input = self.read_input()?;
        let mut scratch = program.scratch();
        let value = scratch
            .parse(&input)
            .map_err(|error| anyhow::anyhow!("the input {} is {error}", self.input_shown()))?;
        let clock = Clock::start();
        let name = self.name.clone().unwrap_or_else(|| format!("exec-{}", clock.now_ms()));
        let alone = Alone { machine: machine_name(place), name: name.clone() };
        let driver = Driver {
            program,
            limits: Limits::default(),
            identity: &alone,
            name,
            clock,
            trace: self.form(),
        };
        let ended = block_on(&driver, Arc::new(plan), &mut scratch, value)?;
        report(ended, &scratch, &driver)
    }
}

impl Exec {
    /// Where the definition is, if it was named: a file, or a template and a state machine in it.
    fn place(&self) -> Option<&Path> {
        self.definition.as_deref().or(self.template.as_deref())
    }

    fn form(&self) -> Option<Form> {
        self.trace.then(|| self.format.unwrap_or(Form::Human))
    }

    /// Who answers the tasks; `None` where that was complained about.
    fn plan(&self, definition: &Definition, program: &Program) -> anyhow::Result<Option<Plan>> {
        let machine = self.place().map(machine_name).unwrap_or_default();
        let mocks = self.mocks.as_ref().map(|place| Mocks::load(place, &machine)).transpose()?;
        let objects = self.objects.clone();
        let aws = self.aws.clone().map(|endpoint| AwsSettings {
            client: aws::Settings { endpoint, ..aws::Settings::default() },
            fills_in: true,
            ..AwsSettings::default()
        });
        let settings = Settings { objects, aws, ..Settings::default() };
        Ok(match plan_for(program, settings, mocks) {
            Ok(plan) => Some(plan),
            Err(unanswered) => {
                complain(&definition.render(&unanswered.definition));
                if !unanswered.definition.is_empty() {
                    complain("Answer them with --mocks FILE, or run the definition in a pipeline.");
                }
                unanswered.mocks.iter().for_each(|message| complain(&format!("error: {message}")));
                None
            }
        })
    }

    fn read_input(&self) -> anyhow::Result<Vec<u8>> {
        let Some(file) = &self.input else { return Ok(b"{}".to_vec()) };
        let read = if file.as_os_str() == "-" {
            let mut text = Vec::new();
            std::io::stdin().lock().read_to_end(&mut text).map(|_| text)
        } else {
            std::fs::read(file)
        };
        read.with_context(|| format!("could not read the input {}", self.input_shown()))
    }

    fn input_shown(&self) -> String {
        match &self.input {
            Some(file) if file.as_os_str() == "-" => "(standard input)".to_owned(),
            Some(file) => file.display().to_string(),
            None => "{}".to_owned(),
        }
    }
}

/// Drives the execution on this thread, until it has ended or Ctrl-C is pressed.
fn block_on(
    driver: &Driver<'_>,
    plan: Arc<Plan>,
    scratch: &mut Scratch,
    input: crate::value::Value,
) -> anyhow::Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let local = Rc::new(LocalSet::new());
    let interrupted = async {
        // Where the signal can't be listened to, it ends the process by itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let running = driver.run(plan, local.clone(), scratch, input);
    runtime.block_on(local.run_until(async {
        tokio::select! {
            ended = running => ended,
            () = interrupted => Ok(Ended::Interrupted),
        }
    }))
}

fn report(ended: Ended, scratch: &Scratch, driver: &Driver<'_>) -> anyhow::Result<u8> {
    match ended {
        Ended::By(Outcome::Succeeded(output)) => {
            let mut text = Vec::new();
            scratch.write(output, &mut text);
            text.push(b'\n');
            print(&String::from_utf8(text).context("the output is not UTF-8; a defect")?)?;
            Ok(SUCCEEDED)
        }
        Ended::By(Outcome::Failed(error)) => Ok(failed(&error)),
        Ended::By(Outcome::TimedOut) => {
            let seconds = driver.time_limit().as_secs();
            complain("Error: States.Timeout");
            complain(&format!(
                "Cause: The execution took longer than the {seconds} s it may take (its \
                 definition's TimeoutSeconds, and at most five minutes as in Express)."
            ));
            Ok(FAILED)
        }
        Ended::Interrupted => {
            complain("Interrupted; the execution was given up. Tasks it had called may go on.");
            Ok(INTERRUPTED)
        }
    }
}

fn failed(error: &StateError) -> u8 {
    complain(&format!("Error: {}", error.name().unwrap_or("(none)")));
    complain(&format!("Cause: {}", error.cause().unwrap_or("(none)")));
    error.note().into_iter().flat_map(str::lines).for_each(|it| complain(&format!("  {it}")));
    FAILED
}
