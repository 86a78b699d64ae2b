//! Pipelines that are delivered exactly once, and what of them is not.

use crate::config::{Config, DeadLetterTarget, Delivery, Pipeline};
use crate::program::Program;
use crate::states::Step;

/// The code of findings about it.
pub const NOT_COVERED: &str = "NOT_EXACTLY_ONCE";

/// Complaints about side effects that no transaction covers, and about settings that break it.
pub fn once_warnings(config: &Config, pipeline: &Pipeline, program: &Program) -> Vec<String> {
    if pipeline.delivery != Delivery::ExactlyOnce {
        return Vec::new();
    }
    let name = &pipeline.name;
    let mut warnings = Vec::new();
    let calls: Vec<&str> = program
        .rows
        .iter()
        .filter(|row| matches!(row.step, Step::Task(_)))
        .map(|row| &*row.name)
        .collect();
    if !calls.is_empty() {
        warnings.push(format!(
            "Pipeline {name:?}: its outputs count exactly once, the calls of its tasks do not: after a \
             failure those of {calls:?} may be made again. Make them idempotent; executions keep their \
             names"
        ));
    }
    let letters = pipeline.dead_letter.as_ref().map(|it| it.target());
    if let Some(DeadLetterTarget::File(file) | DeadLetterTarget::Topic(_, Some(file))) = letters {
        warnings.push(format!(
            "Pipeline {name:?}: its outputs count exactly once, dead letters in {} do not: after a \
             failure they may be there twice",
            file.display()
        ));
    }
    let isolation = super::consumer_properties(&config.kafka).get("isolation.level").cloned();
    if isolation.is_some_and(|level| level != "read_committed") {
        warnings.push(format!(
            "Pipeline {name:?}: with isolation.level = read_uncommitted it also reads records of \
             transactions that are aborted later. Remove the property"
        ));
    }
    warnings
}
