//! `StartAt` and `States`: a machine's body, and later a branch's or an iteration's.

use std::collections::HashMap;

use super::task::refuse_assign;
use super::{Lowering, Step, StepId};
use crate::asl::fields::Fields;
use crate::asl::source::{Node, Place};
use crate::asl::{codes, names, suggest};
use crate::step::Exit;

/// Characters that a state's name may have (Step Functions quotas).
pub const NAME_CHARS_MAX: usize = 80;
/// State types of the language that this version does not run yet.
const LATER_TYPES: [&str; 2] = ["Map", "Parallel"];

/// A compiled body: rows of the step table, in the order of the definition.
#[derive(Debug)]
pub struct Block {
    /// The first step.
    pub start: StepId,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A row of the step table.
#[derive(Debug)]
pub struct Row {
    /// The state's name.
    pub name: String,
    /// What it does.
    pub step: Step,
}

/// The names of a body's states and the steps they get; steps are numbered before any is read, so
/// that a field may name a state further down.
pub fn number(states: Option<&Node>) -> HashMap<&str, StepId> {
    let members = states.and_then(Node::as_object).unwrap_or_default();
    members.iter().enumerate().map(|(at, m)| (m.name.as_str(), StepId(at as u32))).collect()
}

impl Block {
    /// Reads `StartAt` and `States`; `None` where something in them was wrong.
    pub fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Block> {
        let start = fields.required_target(names::START_AT);
        let start = start.and_then(|target| lowering.step(&target));
        fields.required(names::STATES);
        let states = fields.place(names::STATES)?;
        let Some(members) = states.node.as_object() else {
            fields.object(names::STATES);
            return None;
        };
        if members.is_empty() {
            fields.invalid(names::STATES, codes::INVALID_VALUE, "must hold at least one state.");
        }
        let mut rows = Vec::new();
        for member in members {
            let place = states.member(&member.name)?;
            check_name(&member.name, &place, lowering);
            if let Some(step) = parse_state(&member.name, &place, lowering) {
                rows.push(Row { name: member.name.clone(), step });
            }
        }
        let is_whole = rows.len() == members.len() && !lowering.diagnostics.has_errors();
        let block = Block { start: start?, rows };
        if is_whole {
            block.check_flow(&states, lowering);
        }
        is_whole.then_some(block)
    }

    /// Every state must be reachable, and an end too.
    fn check_flow(&self, states: &Place<'_>, lowering: &Lowering<'_>) {
        let mut reached = vec![false; self.rows.len()];
        let mut waiting = vec![self.start];
        let mut ends = false;
        let mut exits = Vec::new();
        while let Some(StepId(at)) = waiting.pop() {
            if std::mem::replace(&mut reached[at as usize], true) {
                continue;
            }
            let step = &self.rows[at as usize].step;
            waiting.extend(step.catchers().iter().map(|catch| catch.next));
            exits.clear();
            step.exits(&mut exits);
            for exit in &exits {
                match exit {
                    Exit::Next(next) => waiting.push(*next),
                    Exit::End => ends = true,
                }
            }
        }
        for (row, _) in self.rows.iter().zip(&reached).filter(|(_, reached)| !**reached) {
            let place = states.member(&row.name).unwrap_or_else(|| states.clone());
            let message =
                format!("State {:?} is never reached; no transition leads to it.", row.name);
            lowering.diagnostics.error(codes::UNREACHABLE_STATE, message, place.location());
        }
        if !ends {
            let message = "No state ends the machine: one that can be reached needs \"End\": true, \
                           or the type Succeed or Fail.";
            lowering.diagnostics.error(codes::NO_TERMINAL_STATE, message, states.location());
        }
    }
}

fn check_name(name: &str, place: &Place<'_>, lowering: &Lowering<'_>) {
    if name.chars().count() > NAME_CHARS_MAX {
        let message =
            format!("State name {name:?} is longer than {NAME_CHARS_MAX} characters; shorten it.");
        lowering.diagnostics.error(codes::INVALID_STATE_NAME, message, place.location());
    }
}

fn parse_state(name: &str, place: &Place<'_>, lowering: &mut Lowering<'_>) -> Option<Step> {
    let owner = format!("State {name:?}");
    let mut fields = Fields::new(place, owner, lowering.diagnostics)?;
    fields.comment();
    let kind = fields.required_string(names::TYPE);
    let language = fields.one_of(names::QUERY_LANGUAGE, &["JSONPath", "JSONata"]);
    if language == Some("JSONata") {
        let why = "is JSONata, which is not in this version yet; write the state in JSONPath.";
        fields.invalid(names::QUERY_LANGUAGE, codes::NOT_IMPLEMENTED, why);
    }
    let Some(kind) = kind else {
        fields.abandon();
        return None;
    };
    if LATER_TYPES.contains(&kind) {
        let why = "is not in this version yet; Pass, Task, Choice, Wait, Succeed and Fail are.";
        fields.invalid(names::TYPE, codes::NOT_IMPLEMENTED, why);
    } else if !Step::TYPES.contains(&kind) {
        let near = suggest::sentence(kind, Step::TYPES.iter().chain(&LATER_TYPES).copied());
        let complaint = format!("is no state type.{near}");
        fields.invalid(names::TYPE, codes::UNKNOWN_STATE_TYPE, complaint);
    }
    if language == Some("JSONata") || !Step::TYPES.contains(&kind) {
        fields.abandon();
        return None;
    }
    refuse_assign(&mut fields);
    let why = "belongs to JSONata states, which are not in this version yet.";
    fields.refuse(names::ARGUMENTS, codes::NOT_IMPLEMENTED, why);
    fields.refuse(names::OUTPUT, codes::NOT_IMPLEMENTED, why);
    let step = Step::parse(kind, &mut fields, lowering);
    fields.finish();
    step
}
