//! A definition's file as commands need it: text, program, and the tasks that something must answer.

use std::io;
use std::path::{Path, PathBuf};

use crate::asl::codes;
use crate::asl::diagnostics::Diagnostics;
use crate::asl::excerpt::render;
use crate::asl::source::{self, Format, Place, pointer_token};
use crate::fault::{Diagnostic, Location};
use crate::program::{Compiled, Options, Program, compile_file};
use crate::states::{Resource, Step};
use crate::tasks::{Mocks, Plan, Refusal, Settings, TaskState};

/// A definition that was read and compiled.
pub(super) struct Definition {
    pub(super) file: PathBuf,
    pub(super) text: String,
    pub(super) compiled: Compiled,
}

impl Definition {
    pub(super) fn read(file: &Path, options: &Options) -> io::Result<Definition> {
        let (text, compiled) = compile_file(file, options)?;
        Ok(Definition { file: file.to_owned(), text, compiled })
    }

    /// Its findings for a person.
    pub(super) fn findings(&self) -> String {
        self.render(&self.compiled.1)
    }

    /// Findings about it for a person.
    pub(super) fn render(&self, findings: &[Diagnostic]) -> String {
        render(&self.file.to_string_lossy(), &self.text, findings)
    }

    /// Who answers each task of its program, or what to write about those that nobody does.
    pub(super) fn plan(
        &self,
        program: &Program,
        settings: Settings,
        mocks: Option<Mocks>,
    ) -> Result<Plan, Unanswered> {
        let tasks = task_states(program);
        Plan::prepare(&tasks, settings, mocks).map_err(|refusals| {
            let mut unanswered = Unanswered::default();
            for Refusal { task, message } in refusals {
                match task {
                    Some(index) => {
                        let at = self.resource_location(tasks[index].name);
                        let finding = Diagnostic::error(codes::UNSUPPORTED_RESOURCE, message, at);
                        unanswered.definition.push(finding);
                    }
                    None => unanswered.mocks.push(message),
                }
            }
            unanswered
        })
    }

    /// Where the state's `Resource` stands. Programs do not keep it, so the text is read again.
    fn resource_location(&self, state: &str) -> Location {
        let pointer = format!("/States/{}/Resource", pointer_token(state));
        let text = self.text.as_bytes();
        let format = Format::of(&self.file.to_string_lossy(), text);
        // It was within the limits when it was compiled.
        let limits = source::Limits { bytes: usize::MAX, ..source::Limits::default() };
        match source::read(text, format, limits, &Diagnostics::new()) {
            Some(root) => Place::root(&root).locate(&pointer),
            None => Location { pointer, ..Location::default() },
        }
    }
}

/// Why a definition can't be run here: findings about it, and complaints about the mocks.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    pub(super) definition: Vec<Diagnostic>,
    pub(super) mocks: Vec<String>,
}

/// The machine's name: the file's, without extensions.
pub(super) fn machine_name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').find(|part| !part.is_empty()).unwrap_or("definition").to_owned()
}

fn task_states(program: &Program) -> Vec<TaskState<'_>> {
    let mut tasks = Vec::new();
    for row in &program.rows {
        let Step::Task(task) = &row.step else { continue };
        let id = task.resource();
        let Resource { arn, parsed, .. } = program.resource(id);
        tasks.push(TaskState { name: &row.name, resource: id.0 as usize, text: arn, parsed });
    }
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::compile;

    #[test]
    fn machines_are_named_by_their_files() {
        assert_eq!(machine_name(Path::new("a/orders.asl.json")), "orders");
        assert_eq!(machine_name(Path::new("orders")), "orders");
        assert_eq!(machine_name(Path::new(".hidden.yaml")), "hidden");
    }

    #[test]
    fn unanswered_tasks_are_located() {
        let text = "StartAt: A/B\nStates:\n  A/B:\n    Type: Task\n    \
                    Resource: arn:aws:states:::sqs:sendMessage\n    End: true\n";
        let compiled = compile(text.as_bytes(), Format::Yaml, &Options::default());
        let definition = Definition { file: "a.yaml".into(), text: text.to_owned(), compiled };
        let program = definition.compiled.0.as_ref().expect("it is well-formed");
        let refused = definition.plan(program, Settings::default(), None).expect_err("no driver");
        let location = &refused.definition[0].location;
        assert_eq!((location.line, location.pointer.as_str()), (5, "/States/A~1B/Resource"));
    }
}
