//! `expressway test FILE...`: whole executions against what is expected of them.

mod junit;
mod run;
mod suite;
mod verdict;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::definition::{Definition, Filled};
use super::demo::paint::Paint;
use super::{FAILED, REFUSED, Run, SUCCEEDED, complain, print};
use crate::asl::diagnostics::Diagnostics;
use crate::asl::excerpt::render;
use crate::engine::machine_name;
use crate::program::{Options, Program};

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

impl Run for Tests {
    fn run(self) -> anyhow::Result<u8> {
        let mut files = Vec::new();
        for file in &self.files {
            collect(file, &mut files)?;
        }
        let start = Instant::now();
        let (mut suites, mut refused) = (Vec::new(), 0);
        for file in &files {
            match self.suite(file)? {
                Some(verdicts) => suites.push((file.display().to_string(), verdicts)),
                None => refused += 1,
            }
        }
        if let Some(file) = &self.junit {
            std::fs::write(file, junit::report(&suites))
                .with_context(|| format!("could not write {}", file.display()))?;
        }
        let verdicts = || suites.iter().flat_map(|(_, verdicts)| verdicts);
        let failed = verdicts().filter(|verdict| !verdict.differences.is_empty()).count();
        print(&summary(verdicts().count() - failed, failed, refused, start.elapsed()))?;
        if refused == 0 && verdicts().count() == 0 {
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
        parts.push(paint.bad(&format!("{refused} files at fault")));
    }
    format!("\n{} in {:.1} ms\n", parts.join(", "), took.as_secs_f64() * 1000.0)
}

/// The file, or the files of tests in a folder, in the order of their names.
fn collect(place: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !place.is_dir() {
        files.push(place.to_owned());
        return Ok(());
    }
    let failed = || format!("could not read the folder {}", place.display());
    let entries = std::fs::read_dir(place).with_context(failed)?;
    let entries: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut entries = entries.with_context(failed)?;
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
    /// Runs a file's tests, telling each as it ends; `None` where the file is at fault, which is said.
    fn suite(&self, file: &Path) -> anyhow::Result<Option<Vec<Verdict>>> {
        let text = match std::fs::read(file) {
            Ok(text) => text,
            Err(error) => {
                complain(&format!("error: could not read {}: {error}", file.display()));
                return Ok(None);
            }
        };
        let findings = Diagnostics::new();
        let suite = Suite::parse(file, &text, &findings);
        let findings = findings.into_vec();
        if !findings.is_empty() {
            let text = String::from_utf8_lossy(&text);
            complain(&render(&file.to_string_lossy(), &text, &findings));
        }
        let Some(suite) = suite else { return Ok(None) };
        let Some(program) = self.program(&suite)? else { return Ok(None) };
        let states: BTreeSet<&str> = program.rows.iter().map(|row| row.name.as_str()).collect();
        let machine = machine_name(&suite.definition);
        let paint = Paint::on(&std::io::stdout());
        print(&format!("{}\n", paint.bold(&file.display().to_string())))?;
        let mut verdicts = Vec::new();
        let is_wanted =
            |name: &str| self.filter.as_ref().is_none_or(|text| name.contains(text.as_str()));
        for test in suite.tests.iter().filter(|test| is_wanted(&test.name)) {
            let start = Instant::now();
            let strays = strays(test, &states);
            let differences = |paint| match &strays[..] {
                [] => {
                    verdict::differences(&test.expect, &run::run(&program, &machine, test), paint)
                }
                _ => vec![format!("The definition has no states named {strays:?}.")],
            };
            let told = differences(paint);
            let took = start.elapsed();
            print(&line(&test.name, took, &told, paint))?;
            // Reports have no colours.
            let told = if told.is_empty() { told } else { differences(Paint::none()) };
            verdicts.push(Verdict { name: test.name.clone(), took, differences: told });
        }
        Ok(Some(verdicts))
    }

    fn program(&self, suite: &Suite) -> anyhow::Result<Option<Program>> {
        let mut substitutions = suite.substitutions.clone();
        let given = self.filled.substitutions();
        self.filled.given().for_each(|(name, value)| substitutions.set(name, value));
        for name in given.names() {
            substitutions.add(name, given.get(name).unwrap_or_default());
        }
        let options = Options { substitutions: &substitutions, ..Options::default() };
        let definition = Definition::read(&suite.definition, &options)
            .with_context(|| format!("could not read {}", suite.definition.display()))?;
        if definition.compiled.0.is_none() {
            complain(&definition.findings());
        }
        Ok(definition.compiled.0)
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
