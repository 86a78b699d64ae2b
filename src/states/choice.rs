//! `"Type": "Choice"` (specification, "Choice State").

use super::assign::{Assign, assign};
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
    rules: Box<[Route]>,
    default: Option<StepId>,
    /// For the default's way.
    assign: Option<Assign>,
}

/// `{"Variable": "$.a", "IsNull": true, "Next": "A", "Assign": {}}`
#[derive(Debug)]
struct Route {
    rule: Rule,
    next: StepId,
    assign: Option<Assign>,
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
        let assign = Assign::parse(fields, lowering);
        Some(Choice { io, rules, default, assign })
    }

    #[inline]
    fn enter(&self, frame: &mut Frame<'_>) -> Result<Transition, StateError> {
        let input = self.io.enter(frame)?;
        let found = frame.with_input(input, |frame| self.choose(frame))?;
        let (step, chosen) = found.ok_or_else(no_choice_matched)?;
        assign(chosen, frame, input)?;
        Ok(Transition::Exit(Exit::Next(step), self.io.leave(frame, input)?))
    }

    fn exits(&self, exits: &mut Vec<Exit>) {
        exits.extend(self.rules.iter().map(|route| Exit::Next(route.next)));
        exits.extend(self.default.map(Exit::Next));
    }

    fn list(&self, out: &mut Listing) {
        self.io.list_input(out);
        for Route { rule, next, assign } in &self.rules {
            out.line("when", format_args!("{rule} -> {next}"));
            assign.iter().for_each(|assign| assign.list(out));
        }
        match self.default {
            Some(step) => out.line("otherwise", step),
            None => out.line("otherwise", errors::NO_CHOICE_MATCHED),
        }
        self.assign.iter().for_each(|assign| assign.list(out));
        self.io.list_output(out);
    }
}

/// Where to go, and what to assign on the way.
type Chosen<'a> = (StepId, &'a Option<Assign>);

impl Choice {
    fn choose(&self, frame: &mut Frame<'_>) -> Result<Option<Chosen<'_>>, StateError> {
        for route in &self.rules {
            if route.rule.holds(frame)? {
                return Ok(Some((route.next, &route.assign)));
            }
        }
        Ok(self.default.map(|step| (step, &self.assign)))
    }
}

fn no_choice_matched() -> StateError {
    StateError::new(
        errors::NO_CHOICE_MATCHED,
        "No choice rule matched the input, and the state has no Default.",
    )
}

/// A rule: its condition, `Next` and `Assign`.
fn parse_rule(mut rule: Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Route> {
    rule.comment();
    let target = rule.required_target(names::NEXT);
    let step = target.and_then(|target| lowering.step(&target));
    let assign = Assign::parse(&mut rule, lowering);
    let condition = lowering.condition(rule);
    Some(Route { rule: condition?, next: step?, assign })
}
