//! `"Type": "Parallel"` (specification, "Parallel State").

use super::ending::Ending;
use super::io::InputOutput;
use super::lowering::Payload;
use super::{Block, Listing, Lowering, StateType};
use crate::asl::fields::Fields;
use crate::asl::{codes, names};
use crate::fault::StateError;
use crate::step::{Exit, Fork, Frame, Stage, StepId, Transition};
use crate::value::Value;

/// Runs branches side by side, all on the same input.
#[derive(Debug)]
pub struct Parallel {
    io: InputOutput,
    parameters: Option<Payload>,
    branches: Box<[StepId]>,
    ending: Ending,
}

impl StateType for Parallel {
    fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Parallel> {
        let io = InputOutput::parse(fields, lowering);
        let parameters = lowering.either(fields, names::PARAMETERS, names::ARGUMENTS);
        let branches = parse_branches(fields, lowering);
        let ending = Ending::parse(fields, lowering);
        Some(Parallel { io, parameters, branches: branches?, ending })
    }

    fn enter(&self, frame: &mut Frame<'_>) -> Result<Transition, StateError> {
        let input = self.io.enter(frame)?;
        let input = match &self.parameters {
            Some(template) => {
                frame.with_input(input, |frame| template.make(frame, Stage::Parameters))?
            }
            None => input,
        };
        Ok(Transition::Fork(Fork::Branches(input)))
    }

    fn resume(&self, frame: &mut Frame<'_>, result: Value) -> Result<Transition, StateError> {
        self.ending.leave(&self.io, frame, result)
    }

    fn ending(&self) -> Option<&Ending> {
        Some(&self.ending)
    }

    fn branches(&self) -> &[StepId] {
        &self.branches
    }

    fn exits(&self, exits: &mut Vec<Exit>) {
        exits.push(self.ending.exit);
    }

    fn list(&self, out: &mut Listing) {
        self.io.list_input(out);
        if let Some(template) = &self.parameters {
            template.list("parameters", out);
        }
        for start in &self.branches {
            out.line("branch", start);
        }
        self.ending.list(&self.io, out);
    }
}

/// The first steps of all branches; `None` where one of them was wrong.
fn parse_branches(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Box<[StepId]>> {
    fields.required(names::BRANCHES);
    let branches = fields.objects(names::BRANCHES)?;
    if branches.is_empty() {
        fields.invalid(names::BRANCHES, codes::INVALID_VALUE, "must hold at least one branch.");
    }
    let mut starts = Vec::new();
    for mut branch in branches {
        branch.comment();
        let outer = lowering.scopes.enter(false);
        let block = Block::parse(&mut branch, lowering);
        lowering.scopes.leave(outer);
        branch.finish();
        starts.push(block.map(|block| block.start));
    }
    starts.into_iter().collect()
}
