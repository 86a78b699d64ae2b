//! State machines that executions may start in this process: those of `[machines]`, and the pipelines'
//! by the pipelines' names. Each pipeline that starts any gets all, with its own tasks' settings.

use std::path::Path as File;
use std::sync::Arc;

use super::callbacks::issuer;
use super::prepare::{Refused, Unanswered, document_limits, plan_for, substitutions_of};
use crate::config::{Config, Pipeline};
use crate::machine;
use crate::program::{Definition, Options, Program, unreadable};
use crate::shard::{LocalMachine, Version};
use crate::tasks::{Form, Settings};

/// The names that executions of the pipelines may start.
pub(super) fn names(config: &Config) -> Vec<String> {
    places(config).map(|(name, _)| name.to_owned()).collect()
}

fn places(config: &Config) -> impl Iterator<Item = (&str, &File)> {
    let machines = config.machines.0.iter().map(|(name, file)| (name.as_str(), file.as_path()));
    let is_new = |pipeline: &&Pipeline| !config.machines.0.contains_key(&pipeline.name);
    let pipelines = config.pipeline.iter().filter(is_new);
    // One that has only routes is no single machine.
    let pipelines = pipelines.filter_map(|it| Some((it.name.as_str(), it.definition.as_deref()?)));
    machines.chain(pipelines)
}

/// Does an execution of it start others?
fn starts_any(program: &Program) -> bool {
    let form = |resource: &crate::states::Resource| Form::of(&resource.parsed.without_token());
    program.resources.iter().any(|resource| form(resource).is_some())
}

/// The machines that a pipeline's executions may start: none, where they start none.
pub(super) fn machines_of(
    config: &Config,
    pipeline: &Pipeline,
    versions: &[Version],
    limits: machine::Limits,
    settings: &Settings,
) -> Result<Arc<[LocalMachine]>, Refused> {
    if !versions.iter().any(|version| starts_any(&version.program)) {
        return Ok(Arc::from([]));
    }
    let read = |(name, file)| machine(config, pipeline, (name, file), limits, settings);
    places(config).map(read).collect()
}

fn machine(
    config: &Config,
    pipeline: &Pipeline,
    (name, file): (&str, &File),
    limits: machine::Limits,
    settings: &Settings,
) -> Result<LocalMachine, Refused> {
    let refused = |shown: String, text, findings| Refused { file: shown, text, findings };
    let substitutions = substitutions_of(pipeline);
    let (documents, substitutions) = (document_limits(config), &substitutions);
    let options = Options { documents, substitutions, ..Options::default() };
    let definition = Definition::read(file, &options).map_err(|e| {
        refused(file.display().to_string(), String::new(), vec![unreadable(file, &e)])
    })?;
    let Definition { shown, text, program, findings } = definition;
    let Some(program) = program else { return Err(refused(shown, text, findings)) };
    let unanswered = |unanswered: Unanswered| unanswered.findings().collect();
    let tasks = plan_for(&program, settings.clone(), None)
        .map_err(|found| refused(shown, text, unanswered(found)))?;
    let (program, tasks) = (Arc::new(program), Arc::new(tasks));
    let issuer = issuer(&config.callbacks);
    Ok(LocalMachine { name: name.into(), program, limits, tasks, issuer })
}
