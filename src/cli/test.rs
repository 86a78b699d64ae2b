//! `expressway test FILE...`: whole executions against what is expected of them.

mod junit;
mod run;
mod suite;
mod verdict;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::definition::Filled;
use super::demo::paint::Paint;
use super::{FAILED, REFUSED, Run, SUCCEEDED, complain, print};
use crate::asl::diagnostics::Diagnostics;
use crate::asl::excerpt::render;
use crate::engine::machine_name;
use crate::program::{Definition, Options, Program};

use run::Ran;
use suite::{Suite, strays};

/// Run the tests of definitions
///
/// Runs executions from files of tests, in YAML or JSON, and compares how they end, what comes out,
/// which states they entered and what their tasks were sent. Tasks are answered by mocks alone, and
/// waits take no time, so a test takes milliseconds and nothing real is called.
///
/// A file of tests, orders.test.yaml beside orders.asl.json, say:
///   definition: orders.asl.json      # may be left out where the names agree
///   mocks: MockConfigFile.json       # Step Functions Local's; tests choose with "case"
///   substitutions: {TopicArn: arn:aws:sns:us-east-1:123456789012:orders}
///   machine_timeout_max: 2h          # as engine.machine_timeout_max; 5m where it is not said
///   tests:
///     - name: a paid order is shipped
///       input: {id: 7, isPaid: true}           # or input_file: order.json
///       mocks:
///         Charge: {"0": {Throw: {Error: Card.Busy}}, "1": {Return: {id: 3}}}   # by attempt
///         Notify: [{Return: {}}]                                               # by call
///       expect:
///         status: SUCCEEDED                    # FAILED with error and cause, TIMED_OUT
///         output: {id: 7, charge: 3}
///         ignore: [/at]                        # pointers into the output not compared
///         path: [IsPaid, Charge, Notify]
///         calls: [{state: Charge, arguments: {order: 7}}, {state: Charge}, {state: Notify}]
///
/// A MockConfigFile is taken too: each of its test cases must succeed, with the definition and the
/// input.json beside it. Of a folder, all files named *.test.yaml, *.test.yml and *.test.json are run.
///
/// Examples:
///   expressway test config/examples
///   expressway test orders.test.yaml --junit report.xml
///
/// Exit code: 0 where all pass; 1 where one does not; 2 where a file or definition is at fault.
#[derive(clap::Parser)]
#[command(name = "test", verbatim_doc_comment)]
pub(super) struct Tests {
    /// Files of tests, or folders of them
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Run only tests whose names hold this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Write the verdicts as JUnit XML too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    filled: Filled,
}

/// What came of a test.
#[derive(Debug)]
struct Verdict {
    name: String,
    took: Duration,
    /// Between what was expected and what came; none where it passed.
    differences: Vec<String>,
}

/// What came of a file of tests: verdicts, or why it could not be run.
type Outcome = Result<Vec<Verdict>, String>;

impl Run for Tests {
    fn run(self) -> anyhow::Result<u8> {
        let start = Instant::now();
        let mut outcomes: Vec<(String, Outcome)> = Vec::new();
        for place in &self.files {
            let mut files = Vec::new();
            let found = collect(place, &mut files);
            for file in files {
                outcomes.push((file.display().to_string(), self.suite(&file)?));
            }
            if let Err(why) = found {
                outcomes.push((place.display().to_string(), Err(why)));
            }
        }
        let refusals = || outcomes.iter().filter_map(|(_, outcome)| outcome.as_ref().err());
        refusals().for_each(|why| complain(why));
        if let Some(file) = &self.junit {
            std::fs::write(file, junit::report(&outcomes))
                .with_context(|| format!("could not write {}", file.display()))?;
        }
        let verdicts = || outcomes.iter().flat_map(|(_, outcome)| outcome.iter().flatten());
        let failed = verdicts().filter(|verdict| !verdict.differences.is_empty()).count();
        let (count, refused) = (verdicts().count(), refusals().count());
        print(&summary(count - failed, failed, refused, start.elapsed()))?;
        if refused == 0 && count == 0 {
            complain("error: no test was run.");
            return Ok(REFUSED);
        }
        Ok(match () {
            () if refused > 0 => REFUSED,
            () if failed > 0 => FAILED,
            () => SUCCEEDED,
        })
    }
}

fn summary(passed: usize, failed: usize, refused: usize, took: Duration) -> String {
    let paint = Paint::on(&std::io::stdout());
    let mut parts = vec![paint.good(&format!("{passed} passed"))];
    if failed > 0 {
        parts.push(paint.bad(&format!("{failed} failed")));
    }
    if refused > 0 {
        let files = if refused == 1 { "file" } else { "files" };
        parts.push(paint.bad(&format!("{refused} {files} at fault")));
    }
    format!("\n{} in {:.1} ms\n", parts.join(", "), took.as_secs_f64() * 1000.0)
}

/// The file, or the files of tests in a folder, in the order of their names.
fn collect(place: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if !place.is_dir() {
        files.push(place.to_owned());
        return Ok(());
    }
    let failed = |error| format!("error: could not read the folder {}: {error}", place.display());
    let entries = std::fs::read_dir(place).map_err(failed)?;
    let entries: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut entries = entries.map_err(failed)?;
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_test =
            [".test.yaml", ".test.yml", ".test.json"].iter().any(|end| name.ends_with(end));
        // A link may lead back to where it stands.
        if is_test || (entry.is_dir() && !entry.is_symlink()) {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

impl Tests {
    /// Runs a file's tests, telling each as it ends.
    fn suite(&self, file: &Path) -> anyhow::Result<Outcome> {
        let (suite, program) = match self.prepared(file) {
            Ok(prepared) => prepared,
            Err(why) => return Ok(Err(why)),
        };
        let states: BTreeSet<&str> = program.rows.iter().map(|row| row.name.as_str()).collect();
        let machine = machine_name(&suite.definition);
        let paint = Paint::on(&std::io::stdout());
        print(&format!("{}\n", paint.bold(&file.display().to_string())))?;
        let mut verdicts = Vec::new();
        let is_wanted =
            |name: &str| self.filter.as_ref().is_none_or(|text| name.contains(text.as_str()));
        for test in suite.tests.into_iter().filter(|test| is_wanted(&test.name)) {
            let start = Instant::now();
            let ran = match &strays(&test, &states)[..] {
                [] => run::run(&program, &machine, &test),
                strays => {
                    Ran::of_trouble(format!("The definition has no states named {strays:?}."))
                }
            };
            let took = start.elapsed();
            let told = |paint| verdict::differences(&test.expect, &ran, paint);
            print(&line(&test.name, took, &told(paint), paint))?;
            // Reports have no colours.
            let differences = told(Paint::none());
            verdicts.push(Verdict { name: test.name, took, differences });
        }
        Ok(Ok(verdicts))
    }

    /// What is needed to run a file's tests, or what is wrong with it.
    fn prepared(&self, file: &Path) -> Result<(Suite, Program), String> {
        let unreadable =
            |file: &Path, error| format!("error: could not read {}: {error}", file.display());
        let text = std::fs::read(file).map_err(|error| unreadable(file, error))?;
        let findings = Diagnostics::new();
        let suite = Suite::parse(file, &text, &findings);
        let findings = findings.into_vec();
        let told = render(&file.to_string_lossy(), &String::from_utf8_lossy(&text), &findings);
        let Some(suite) = suite else { return Err(told) };
        if !findings.is_empty() {
            complain(&told);
        }
        let mut substitutions = self.filled.substitutions();
        for (name, value) in &suite.substitutions {
            substitutions.add(name, value);
        }
        let options = Options { substitutions: &substitutions, ..Options::default() };
        let definition = Definition::read(&suite.definition, &options)
            .map_err(|error| unreadable(&suite.definition, error))?;
        match definition.program {
            Some(program) => Ok((suite, program)),
            None => Err(definition.render(&definition.findings)),
        }
    }
}

/// `  ✓ a paid order is shipped  0.4 ms`, or what is not as expected.
fn line(name: &str, took: Duration, differences: &[String], paint: Paint) -> String {
    let took = paint.dim(&format!("{:.1} ms", took.as_secs_f64() * 1000.0));
    if differences.is_empty() {
        return format!("  {} {name}  {took}\n", paint.good("✓"));
    }
    let told: Vec<_> = differences.iter().map(|it| verdict::indented(it)).collect();
    format!("  {} {}  {took}\n{}\n", paint.bad("✗"), paint.bold(name), told.join("\n"))
}
