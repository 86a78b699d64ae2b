//! `"Type": "Choice"` (specification, "Choice State").

use super::io::InputOutput;
use super::lowering::Rule;
use super::{Listing, Lowering, StateType};
use crate::asl::fields::Fields;
use crate::asl::{codes, names};
use crate::fault::{StateError, names as errors};
use crate::step::{Exit, Frame, StepId, Transition};

/// Goes where the first matching rule says.
#[derive(Debug)]
pub struct Choice {
    io: InputOutput,
    rules: Box<[(Rule, StepId)]>,
    default: Option<StepId>,
}

impl StateType for Choice {
    fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Choice> {
        let io = InputOutput::parse(fields, lowering);
        fields.required(names::CHOICES);
        let rules = fields.objects(names::CHOICES).unwrap_or_default();
        if rules.is_empty() && fields.has(names::CHOICES) {
            fields.invalid(names::CHOICES, codes::INVALID_VALUE, "must hold at least one rule.");
        }
        let rules: Box<[_]> =
            rules.into_iter().filter_map(|rule| parse_rule(rule, lowering)).collect();
        let default = fields.target(names::DEFAULT);
        let default = default.and_then(|target| lowering.step(&target));
        Some(Choice { io, rules, default })
    }

    #[inline]
    fn enter(&self, frame: &mut Frame<'_>) -> Result<Transition, StateError> {
        let input = self.io.enter(frame)?;
        let found = frame.with_input(input, |frame| self.choose(frame))?;
        let step = found.ok_or_else(no_choice_matched)?;
        Ok(Transition::Exit(Exit::Next(step), self.io.leave(frame, input)?))
    }

    fn exits(&self, exits: &mut Vec<Exit>) {
        exits.extend(self.rules.iter().map(|(_, step)| Exit::Next(*step)));
        exits.extend(self.default.map(Exit::Next));
    }

    fn list(&self, out: &mut Listing) {
        self.io.list_input(out);
        for (rule, step) in &self.rules {
            out.line("when", format_args!("{rule} -> {step}"));
        }
        match self.default {
            Some(step) => out.line("otherwise", step),
            None => out.line("otherwise", errors::NO_CHOICE_MATCHED),
        }
        self.io.list_output(out);
    }
}

impl Choice {
    fn choose(&self, frame: &mut Frame<'_>) -> Result<Option<StepId>, StateError> {
        for (rule, step) in &self.rules {
            if rule.holds(frame)? {
                return Ok(Some(*step));
            }
        }
        Ok(self.default)
    }
}

fn no_choice_matched() -> StateError {
    StateError::new(
        errors::NO_CHOICE_MATCHED,
        "No choice rule matched the input, and the state has no Default.",
    )
}

/// A rule: its condition, and `Next`.
fn parse_rule(mut rule: Fields<'_>, lowering: &mut Lowering<'_>) -> Option<(Rule, StepId)> {
    rule.comment();
    let target = rule.required_target(names::NEXT);
    let step = target.and_then(|target| lowering.step(&target));
    let condition = lowering.condition(rule);
    Some((condition?, step?))
}
