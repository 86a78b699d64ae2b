//! `expressway check FILE...`: all that is wrong with definitions and configurations.

mod configuration;

use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::definition::Filled;
use super::{FAILED, REFUSED, Run, SUCCEEDED, print};
use crate::asl::excerpt::{json_line, render};
use crate::fault::Diagnostic;
use crate::program::{Definition, Options, machines_in, parts_of};

/// Say all that is wrong with definitions and configurations
///
/// Reads definitions (Amazon States Language in JSON or YAML) and configurations (.toml), and reports
/// all findings at once: where each stands, what is wrong and what to do. Of a configuration the
/// definitions that it names are checked too, with its limits and its mocks: every task must have
/// something to answer it. librdkafka is asked about every Kafka property, and where a source has an
/// expected_rate, waits and timeouts that outlast the window are warned of. What the configuration
/// resolved to, defaults and environment included, is printed; secrets never are.
///
/// Examples:
///   expressway check orders.asl.json refunds.yaml
///   expressway check pipeline.toml
///   expressway check --format json *.asl.json | jq -c '.diagnostics[]'
///
/// With --format json, one object a line for each file: {"file", "diagnostics": [{"severity",
/// "code", "message", "pointer", "line", "column"}]}.
///
/// Exit code: 0 without errors (warnings are none); 1 with errors; 2 where a file could not be read.
#[derive(clap::Parser)]
#[command(name = "check", verbatim_doc_comment)]
pub(super) struct Check {
    /// Definitions (JSON, YAML), templates of CloudFormation or SAM, configurations (.toml)
    #[arg(required_unless_present = "template")]
    files: Vec<PathBuf>,
    /// A template of CloudFormation or SAM: all state machines in it, or the one named
    #[arg(long, value_name = "FILE[#NAME]")]
    template: Vec<PathBuf>,
    #[command(flatten)]
    filled: Filled,
    /// Refuse what Express state machines of Step Functions do not have, in its words; a
    /// configuration's pipelines say so themselves (strict_aws)
    #[arg(long)]
    strict_aws: bool,
    /// For people, or for tools
    #[arg(long, value_enum, default_value_t = Form::Human)]
    format: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Each finding with the line it is about
    Human,
    /// One JSON object a line for each file
    Json,
}

/// What was found in one file.
#[derive(Debug)]
struct Report {
    file: PathBuf,
    /// What excerpts are taken from.
    text: String,
    diagnostics: Vec<Diagnostic>,
    is_unreadable: bool,
    /// What a configuration resolved to.
    resolved: Option<String>,
}

impl Report {
    fn new(file: &Path, text: String, diagnostics: Vec<Diagnostic>) -> Report {
        let file = file.to_owned();
        Report { file, text, diagnostics, is_unreadable: false, resolved: None }
    }

    fn unreadable(file: &Path, error: &io::Error) -> Report {
        let finding = crate::program::unreadable(file, error);
        Report { is_unreadable: true, ..Report::new(file, String::new(), vec![finding]) }
    }

    fn json(&self) -> String {
        json_line(&self.file.to_string_lossy(), &self.diagnostics) + "\n"
    }

    /// The findings, then a line that sums them up.
    fn human(&self) -> String {
        let file = self.file.to_string_lossy();
        let mut text = render(&file, &self.text, &self.diagnostics);
        let errors = self.diagnostics.iter().filter(|finding| finding.is_error()).count();
        let warnings = self.diagnostics.len() - errors;
        text += &match (errors, warnings) {
            (0, 0) => format!("{file}: no findings\n"),
            _ => format!("{file}: {}, {}\n", count(errors, "error"), count(warnings, "warning")),
        };
        if let Some(resolved) = &self.resolved {
            text += &format!("\n# {file} resolved to:\n{resolved}\n");
        }
        text
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

impl Run for Check {
    fn run(self) -> anyhow::Result<u8> {
        let mut reports: Vec<Report> = Vec::new();
        let substitutions = self.filled.substitutions();
        let (substitutions, strict_express) = (&substitutions, self.strict_aws);
        let options = Options { substitutions, strict_express, ..Options::default() };
        for file in self.files.iter().chain(&self.template) {
            let is_configuration = file.extension().is_some_and(|extension| extension == "toml");
            let found = match is_configuration {
                true => configuration::check(file, &self.filled),
                false => definitions(file, &options),
            };
            found.into_iter().for_each(|report| add(report, &mut reports));
        }
        for report in &reports {
            print(&match self.format {
                Form::Human => report.human(),
                Form::Json => report.json(),
            })?;
        }
        let has_errors = |report: &Report| report.diagnostics.iter().any(Diagnostic::is_error);
        Ok(match () {
            () if reports.iter().any(|report| report.is_unreadable) => REFUSED,
            () if reports.iter().any(has_errors) => FAILED,
            () => SUCCEEDED,
        })
    }
}

/// Several pipelines may run one definition, and it may be named besides: it is reported once.
fn add(report: Report, reports: &mut Vec<Report>) {
    let Some(known) = reports.iter_mut().find(|known| known.file == report.file) else {
        return reports.push(report);
    };
    for finding in report.diagnostics {
        if !known.diagnostics.contains(&finding) {
            known.diagnostics.push(finding);
        }
    }
}

/// A definition's report, or those of all state machines in a template.
fn definitions(place: &Path, options: &Options<'_>) -> Vec<Report> {
    let machines = match parts_of(place) {
        (file, None) => machines_in(&file, options).unwrap_or_default(),
        (_, Some(_)) => Vec::new(),
    };
    if machines.len() > 1 {
        return machines.iter().map(|machine| definition(machine, options)).collect();
    }
    vec![definition(place, options)]
}

fn definition(place: &Path, options: &Options<'_>) -> Report {
    match Definition::read(place, options) {
        Ok(Definition { shown, text, findings, .. }) => {
            Report::new(Path::new(&shown), text, findings)
        }
        Err(error) => Report::unreadable(place, &error),
    }
}
