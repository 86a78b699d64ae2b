//! What answers each Task of a definition: decided once, before anything runs.

use super::{Mocks, Settings, TASKS};
use crate::asl::resource::Resource;

/// A Task state of a definition.
#[derive(Clone, Copy, Debug)]
pub struct TaskState<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its resource's index in the program's table.
    pub resource: usize,
    /// Its `Resource` as written.
    pub text: &'a str,
    /// Its `Resource`, read.
    pub parsed: &'a Resource,
}

/// A Task that nothing can answer, or a mock that no Task asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The state, by its index in the list given; `None` where it is about the mocks.
    pub task: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

/// Which integration or mock answers each Task of one definition; shared by all shards.
#[derive(Debug)]
pub struct Plan {
    settings: Settings,
    mocks: Option<Mocks>,
    resources: Vec<Option<usize>>,
    called: Vec<Resource>,
}

impl Plan {
    /// Makes a plan, or says of every Task why it can't be answered.
    pub fn prepare(
        tasks: &[TaskState<'_>],
        settings: Settings,
        mocks: Option<Mocks>,
    ) -> Result<Plan, Vec<Refusal>> {
        let mut refusals = stray_mocks(tasks, mocks.as_ref());
        refusals.extend(stray_targets(tasks, &settings));
        let count = tasks.iter().map(|task| task.resource + 1).max().unwrap_or(0);
        let mut resources = vec![None; count];
        let mut called = vec![Resource::Other(String::new()); count];
        for (index, task) in tasks.iter().enumerate() {
            if mocks.as_ref().is_some_and(|mocks| mocks.of_state(task.name).is_some()) {
                continue;
            }
            match integration_of(task, &settings) {
                Ok(integration) => {
                    resources[task.resource] = Some(integration);
                    called[task.resource] = task.parsed.clone();
                }
                Err(message) => refusals.push(Refusal { task: Some(index), message }),
            }
        }
        if refusals.is_empty() {
            Ok(Plan { settings, mocks, resources, called })
        } else {
            Err(refusals)
        }
    }

    /// The integration (a row of [`TASKS`]) of each resource that needs one.
    pub(super) fn resources(&self) -> &[Option<usize>] {
        &self.resources
    }

    /// A resource that an integration answers.
    pub(super) fn called(&self, resource: usize) -> &Resource {
        &self.called[resource]
    }

    /// The integrations that are needed, each once.
    pub(super) fn integrations(&self) -> Vec<usize> {
        let is_used = |index: &usize| self.resources.contains(&Some(*index));
        (0..TASKS.len()).filter(is_used).collect()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn mocks(&self) -> Option<&Mocks> {
        self.mocks.as_ref()
    }
}

fn integration_of(task: &TaskState<'_>, settings: &Settings) -> Result<usize, String> {
    let TaskState { name, text, parsed, .. } = task;
    if settings.aws.as_ref().is_some_and(|aws| aws.is_mocked(name, parsed)) {
        return Err(format!(
            "State {name:?}: Resource {text:?} must be mocked (\"mock\" in the pipeline's aws), and \
             no mock answers the state; add one (--mocks FILE, or mocks = \"FILE\")."
        ));
    }
    let mut lack = None;
    for (index, row) in TASKS.iter().enumerate().filter(|(_, row)| (row.takes)(parsed)) {
        match (row.lacks)(settings) {
            None => return Ok(index),
            Some(why) => lack = lack.or(Some(why)),
        }
    }
    Err(match lack {
        Some(lack) => format!("State {name:?}: Resource {text:?} {lack}"),
        None => format!(
            "State {name:?}: Resource {text:?} has neither a driver nor a mock in this version; \
             add a mock for the state (--mocks FILE, or mocks = \"FILE\" in the pipeline)."
        ),
    })
}

/// Neither is where the calls of a state go that does not exist.
fn stray_targets(tasks: &[TaskState<'_>], settings: &Settings) -> Vec<Refusal> {
    let states = settings.aws.iter().flat_map(|aws| aws.states.keys());
    let strays = states.filter(|state| !tasks.iter().any(|task| task.name == **state));
    let refuse = |state: &String| Refusal {
        task: None,
        message: format!(
            "The pipeline's aws.states names state {state:?}, and the definition has no such Task."
        ),
    };
    strays.map(refuse).collect()
}

/// A mock of a state that does not exist is a slip that would call the real thing.
fn stray_mocks(tasks: &[TaskState<'_>], mocks: Option<&Mocks>) -> Vec<Refusal> {
    let states = mocks.into_iter().flat_map(Mocks::states);
    let strays = states.filter(|state| !tasks.iter().any(|task| task.name == *state));
    let refuse = |state: &str| Refusal {
        task: None,
        message: format!("The mocks name state {state:?}, and the definition has no such Task."),
    };
    strays.map(refuse).collect()
}
