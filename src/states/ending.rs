//! What Task, Parallel and Map do with a result, and with an error: `ResultSelector`, `ResultPath`,
//! `Assign`, `Retry`, `Catch`, and where the state leads.

use super::assign::{Assign, assign};
use super::io::{InputOutput, ResultPath, exit_of};
use super::lowering::Payload;
use super::{Listing, Lowering};
use crate::asl::fields::Fields;
use crate::asl::names;
use crate::asl::retry::{Catcher, ErrorEquals, Retrier};
use crate::fault::StateError;
use crate::step::{Exit, Frame, Stage, StepId, Transition};
use crate::value::Value;

/// How a state that has a result ends.
#[derive(Debug)]
pub struct Ending {
    selector: Option<Payload>,
    result_path: ResultPath,
    assign: Option<Assign>,
    pub(super) retriers: Vec<Retrier>,
    pub(super) catchers: Vec<Catch>,
    pub(super) exit: Exit,
}

/// `{"ErrorEquals": [...], "Next": "...", "ResultPath": "$.error", "Assign": {}}`
#[derive(Debug)]
pub struct Catch {
    /// Which errors it takes.
    pub errors: ErrorEquals,
    /// Where it leads.
    pub next: StepId,
    result_path: ResultPath,
    assign: Option<Assign>,
    /// `Output`, in JSONata.
    made: Option<Payload>,
}

impl Ending {
    pub(super) fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Ending {
        Ending {
            selector: lowering.template_only(fields, names::RESULT_SELECTOR),
            result_path: ResultPath::parse(fields, lowering),
            assign: Assign::parse(fields, lowering),
            retriers: Retrier::parse_all(fields),
            catchers: Catch::parse_all(fields, lowering),
            exit: exit_of(fields, lowering),
        }
    }

    /// Leaves the state with its result. `Assign` reads it as it came.
    pub(super) fn leave(
        &self,
        io: &InputOutput,
        frame: &mut Frame<'_>,
        result: Value,
    ) -> Result<Transition, StateError> {
        frame.states.result = Some(result);
        let selected = match &self.selector {
            Some(template) => {
                frame.with_input(result, |frame| template.make(frame, Stage::ResultSelector))?
            }
            None => result,
        };
        assign(&self.assign, frame, result)?;
        let output = self.result_path.put(frame, selected)?;
        Ok(Transition::Exit(self.exit, io.leave(frame, output)?))
    }

    pub(super) fn list(&self, io: &InputOutput, out: &mut Listing) {
        if let Some(template) = &self.selector {
            template.list("select", out);
        }
        self.result_path.list(out);
        self.assign.iter().for_each(|assign| assign.list(out));
        io.list_output(out);
        self.retriers.iter().for_each(|retrier| list_retrier(retrier, out));
        self.catchers.iter().for_each(|catch| catch.list(out));
    }
}

impl Catch {
    fn parse_all(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Vec<Catch> {
        let mut index = 0;
        let read = Catcher::parse_all(fields, |rest| {
            let field = format!("Catch[{index}]/Output");
            index += 1;
            let made = match lowering.is_jsonata() {
                true => lowering.template_at(rest, names::OUTPUT, &field),
                false => {
                    lowering.refuse(rest, names::OUTPUT);
                    None
                }
            };
            (ResultPath::parse(rest, lowering), Assign::parse(rest, lowering), made)
        });
        let lower = |(catcher, (result_path, assign, made)): (Catcher, _)| {
            let next = lowering.step(&catcher.next)?;
            Some(Catch { errors: catcher.errors, next, result_path, assign, made })
        };
        read.into_iter().filter_map(lower).collect()
    }

    /// The next state's input: the failed one's, with the error output put where it says.
    pub fn output(&self, frame: &mut Frame<'_>, error: Value) -> Result<Value, StateError> {
        frame.states.error_output = Some(error);
        assign(&self.assign, frame, error)?;
        match &self.made {
            Some(payload) => payload.make(frame, Stage::Output),
            None => self.result_path.put(frame, error),
        }
    }

    fn list(&self, out: &mut Listing) {
        let errors: Vec<_> = self.errors.names().collect();
        let at = match &self.result_path {
            ResultPath::Whole => "$",
            ResultPath::Discard => "nowhere",
            ResultPath::At(path) => path.text(),
        };
        out.line("catch", format_args!("{} at {at} -> {}", errors.join(", "), self.next));
        if let Some(payload) = &self.made {
            payload.list("output", out);
        }
        self.assign.iter().for_each(|assign| assign.list(out));
    }
}

fn list_retrier(retrier: &Retrier, out: &mut Listing) {
    let names: Vec<_> = retrier.errors.names().collect();
    let mut text = format!(
        "{} after {} s x{}, {} times",
        names.join(", "),
        retrier.interval.as_secs(),
        retrier.backoff_rate,
        retrier.max_attempts
    );
    if let Some(max) = retrier.max_delay {
        text.push_str(&format!(", at most {} s", max.as_secs()));
    }
    if retrier.full_jitter {
        text.push_str(", full jitter");
    }
    out.line("retry", text);
}
