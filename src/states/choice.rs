//! `"Type": "Choice"` (specification, "Choice State").

use super::assign::{Assign, assign, glance};
use super::io::InputOutput;
use super::lowering::{Payload, Rule};
use super::{Listing, Lowering, StateType};
use crate::asl::fields::Fields;
use crate::asl::{codes, names};
use crate::fault::{StateError, names as errors};
use crate::step::{Exit, Frame, Glance, Stage, StepId, Transition};
use crate::value::Value;

/// Goes where the first matching rule says.
#[derive(Debug)]
pub struct Choice {
    io: InputOutput,
    rules: Box<[Route]>,
    default: Option<StepId>,
    /// For the default's way.
    assign: Option<Assign>,
    is_jsonata: bool,
    /// Nothing that it has asks for more than a glance.
    is_glanceable: bool,
}

/// `{"Variable": "$.a", "IsNull": true, "Next": "A", "Assign": {}}`
#[derive(Debug)]
struct Route {
    rule: Rule,
    next: StepId,
    assign: Option<Assign>,
    /// `Output`, in JSONata.
    made: Option<Payload>,
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
            rules.into_iter().enumerate().filter_map(|rule| parse_rule(rule, lowering)).collect();
        let default = fields.target(names::DEFAULT);
        let default = default.and_then(|target| lowering.step(&target));
        let assign = Assign::parse(fields, lowering);
        let is_jsonata = lowering.is_jsonata();
        let is_glanceable = io.is_glanceable()
            && assign.as_ref().is_none_or(Assign::is_glanceable)
            && rules.iter().all(Route::is_glanceable);
        Some(Choice { io, rules, default, assign, is_jsonata, is_glanceable })
    }

    #[inline]
    fn enter(&self, frame: &mut Frame<'_>) -> Result<Transition, StateError> {
        let input = self.io.enter(frame)?;
        let found = frame.with_input(input, |frame| self.choose(frame))?;
        let (step, route) = found.ok_or_else(no_choice_matched)?;
        assign(route.map_or(&self.assign, |route| &route.assign), frame, input)?;
        let output = match route.map(|route| &route.made) {
            Some(Some(payload)) => payload.make(frame, Stage::Output)?,
            // A rule's way has its own `Output` or none.
            Some(None) if self.is_jsonata => input,
            _ => self.io.leave(frame, input)?,
        };
        Ok(Transition::Exit(Exit::Next(step), output))
    }

    #[inline]
    fn glance(&self, at: &mut Glance<'_>, value: &mut Value) -> Option<Exit> {
        let mut output = *value;
        if !self.is_glanceable || !self.io.glance_in(at, &mut output) {
            return None;
        }
        let (mut next, mut taken) = (self.default, None);
        for route in &self.rules {
            if route.rule.glance(at, output)? {
                (next, taken) = (Some(route.next), Some(route));
                break;
            }
        }
        let exit = Exit::Next(next?);
        glance(taken.map_or(&self.assign, |route| &route.assign), at, output)?;
        match taken.map(|route| &route.made) {
            Some(Some(payload)) => output = payload.glance(at, output)?,
            // A rule's way has its own `Output` or none.
            Some(None) if self.is_jsonata => {}
            _ => self.io.glance_out(at, &mut output).then_some(())?,
        }
        *value = output;
        Some(exit)
    }

    fn exits(&self, exits: &mut Vec<Exit>) {
        exits.extend(self.rules.iter().map(|route| Exit::Next(route.next)));
        exits.extend(self.default.map(Exit::Next));
    }

    fn list(&self, out: &mut Listing) {
        self.io.list_input(out);
        for Route { rule, next, assign, made } in &self.rules {
            out.line("when", format_args!("{rule} -> {next}"));
            assign.iter().for_each(|assign| assign.list(out));
            made.iter().for_each(|payload| payload.list("output", out));
        }
        match self.default {
            Some(step) => out.line("otherwise", step),
            None => out.line("otherwise", errors::NO_CHOICE_MATCHED),
        }
        self.assign.iter().for_each(|assign| assign.list(out));
        self.io.list_output(out);
    }
}

impl Route {
    fn is_glanceable(&self) -> bool {
        self.rule.is_glanceable()
            && self.assign.as_ref().is_none_or(Assign::is_glanceable)
            && self.made.as_ref().is_none_or(Payload::is_glanceable)
    }
}

/// Where to go, and by which rule; none for the default's way.
type Chosen<'a> = (StepId, Option<&'a Route>);

impl Choice {
    fn choose(&self, frame: &mut Frame<'_>) -> Result<Option<Chosen<'_>>, StateError> {
        for route in &self.rules {
            if route.rule.holds(frame)? {
                return Ok(Some((route.next, Some(route))));
            }
        }
        Ok(self.default.map(|step| (step, None)))
    }
}

fn no_choice_matched() -> StateError {
    StateError::new(
        errors::NO_CHOICE_MATCHED,
        "No choice rule matched the input, and the state has no Default.",
    )
}

/// A rule: its condition, `Next` and `Assign`.
fn parse_rule(
    (index, mut rule): (usize, Fields<'_>),
    lowering: &mut Lowering<'_>,
) -> Option<Route> {
    rule.comment();
    let target = rule.required_target(names::NEXT);
    let step = target.and_then(|target| lowering.step(&target));
    let assign = Assign::parse(&mut rule, lowering);
    let (condition, made) = match lowering.is_jsonata() {
        true => {
            let field = format!("Choices[{index}]/Output");
            let made = lowering.template_at(&mut rule, names::OUTPUT, &field);
            (lowering.jsonata_condition(rule, index), made)
        }
        false => (lowering.condition(rule), None),
    };
    Some(Route { rule: condition?, next: step?, assign, made })
}
