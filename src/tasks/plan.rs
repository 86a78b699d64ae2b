//! What answers each Task of a definition: decided once, before anything runs.

use std::sync::Arc;

use super::{Form, Mocks, Settings, TASKS};
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

impl Answerer {
    /// The integration it may take.
    pub(super) fn integration(&self) -> Option<usize> {
        match self {
            Answerer::Integration(index) | Answerer::Machine(_, Some(index)) => Some(*index),
            _ => None,
        }
    }
}

/// Which integration or mock answers each Task of one definition; shared by all shards.
#[derive(Debug)]
pub struct Plan {
    settings: Settings,
    mocks: Option<Mocks>,
    answerers: Vec<Answerer>,
    called: Vec<Resource>,
}

/// Who answers a resource's calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Answerer {
    /// Only mocks do.
    #[default]
    Mock,
    /// A row of [`TASKS`]; of opened tasks, a driver.
    Integration(usize),
    /// The activity's workers.
    Worker(Arc<str>),
    /// A state machine of this process, started so; one of another name is the integration's.
    Machine(Form, Option<usize>),
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
        let mut answerers = vec![Answerer::default(); count];
        let mut called = vec![Resource::Other(String::new()); count];
        for (index, task) in tasks.iter().enumerate() {
            if mocks.as_ref().is_some_and(|mocks| mocks.of_state(task.name).is_some()) {
                continue;
            }
            match answerer_of(task, &settings) {
                Ok(answerer) => {
                    answerers[task.resource] = answerer;
                    called[task.resource] = task.parsed.without_token();
                }
                Err(message) => refusals.push(Refusal { task: Some(index), message }),
            }
        }
        if refusals.is_empty() {
            Ok(Plan { settings, mocks, answerers, called })
        } else {
            Err(refusals)
        }
    }

    /// Who answers each resource.
    pub(super) fn answerers(&self) -> &[Answerer] {
        &self.answerers
    }

    /// The activities that are called.
    pub fn activities(&self) -> impl Iterator<Item = &Arc<str>> {
        self.answerers.iter().filter_map(|answerer| match answerer {
            Answerer::Worker(activity) => Some(activity),
            _ => None,
        })
    }

    /// A resource that an integration answers.
    pub(super) fn called(&self, resource: usize) -> &Resource {
        &self.called[resource]
    }

    /// The integrations that are needed, each once.
    pub(super) fn integrations(&self) -> Vec<usize> {
        let is_used =
            |index: &usize| self.answerers.iter().any(|it| it.integration() == Some(*index));
        (0..TASKS.len()).filter(is_used).collect()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn mocks(&self) -> Option<&Mocks> {
        self.mocks.as_ref()
    }
}

fn answerer_of(task: &TaskState<'_>, settings: &Settings) -> Result<Answerer, String> {
    let TaskState { name, text, parsed, .. } = task;
    if settings.aws.as_ref().is_some_and(|aws| aws.is_mocked(name, parsed)) {
        return Err(format!(
            "State {name:?}: Resource {text:?} must be mocked (\"mock\" in the pipeline's aws), and \
             no mock answers the state; add one (--mocks FILE, or mocks = \"FILE\")."
        ));
    }
    if parsed.has_token() && !settings.has_callbacks {
        return Err(format!(
            "State {name:?}: Resource {text:?} waits for an answer from outside, which only a \
             pipeline can take (expressway run, http.listen not \"off\"); add a mock for the state."
        ));
    }
    if let Resource::Activity { arn, .. } = parsed {
        return Ok(Answerer::Worker(arn.as_str().into()));
    }
    let called = parsed.without_token();
    let integration = integration_of(&called, settings);
    if let Some(form) = Form::of(&called).filter(|_| !settings.machines.is_empty()) {
        return Ok(Answerer::Machine(form, integration.ok()));
    }
    integration.map(Answerer::Integration).map_err(|lack| match lack {
        Some(lack) => format!("State {name:?}: Resource {text:?} {lack}"),
        None => format!(
            "State {name:?}: Resource {text:?} has neither a driver nor a mock in this version; \
             add a mock for the state (--mocks FILE, or mocks = \"FILE\" in the pipeline)."
        ),
    })
}

/// The integration that is ready for a resource, or what is missing; `None`: all of it.
fn integration_of(called: &Resource, settings: &Settings) -> Result<usize, Option<&'static str>> {
    let mut lack = None;
    for (index, row) in TASKS.iter().enumerate().filter(|(_, row)| (row.takes)(called)) {
        match (row.lacks)(settings) {
            None => return Ok(index),
            Some(why) => lack = lack.or(Some(why)),
        }
    }
    Err(lack)
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
