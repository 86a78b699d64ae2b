//! `"Type": "Pass"` (specification, "Pass State").

use super::assign::{Assign, assign, glance};
use super::io::{InputOutput, ResultPath, exit_of};
use super::lowering::Payload;
use super::{Listing, Lowering, StateType};
use crate::asl::fields::Fields;
use crate::asl::names;
use crate::fault::StateError;
use crate::step::{Exit, Frame, Glance, Stage, Transition};
use crate::value::Value;

/// Passes its input on, or a value made from it.
#[derive(Debug)]
pub struct Pass {
    io: InputOutput,
    make: Make,
    result_path: ResultPath,
    assign: Option<Assign>,
    /// Nothing that it has asks for more than a glance.
    is_glanceable: bool,
    exit: Exit,
}

/// What the state's result is.
#[derive(Debug)]
enum Make {
    /// Its effective input.
    Input,
    /// `Result`
    Result(Value, Box<str>),
    /// `Parameters`
    Parameters(Payload),
}

impl StateType for Pass {
    fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Pass> {
        let io = InputOutput::parse(fields, lowering);
        let template = lowering.template_only(fields, names::PARAMETERS);
        if lowering.is_jsonata() {
            lowering.refuse(fields, names::RESULT);
        }
        let result = fields.node(names::RESULT).map(|node| {
            let text = node.to_json_text();
            (lowering.constant(&text), text.into())
        });
        let result_path = ResultPath::parse(fields, lowering);
        let assign = Assign::parse(fields, lowering);
        let exit = exit_of(fields, lowering);
        // With both, Result is the task's stand-in, and so replaces what Parameters made.
        let make = match (result, template) {
            (Some((value, text)), _) => Make::Result(value, text),
            (None, Some(template)) => Make::Parameters(template),
            (None, None) => Make::Input,
        };
        let is_made = match &make {
            Make::Parameters(template) => template.is_glanceable(),
            Make::Input | Make::Result(..) => true,
        };
        let is_glanceable =
            is_made && io.is_glanceable() && assign.as_ref().is_none_or(Assign::is_glanceable);
        Some(Pass { io, make, result_path, assign, is_glanceable, exit })
    }

    #[inline]
    fn enter(&self, frame: &mut Frame<'_>) -> Result<Transition, StateError> {
        let input = self.io.enter(frame)?;
        let result = match &self.make {
            Make::Input => input,
            Make::Result(value, _) => {
                frame.made(Stage::Result, *value);
                *value
            }
            Make::Parameters(template) => {
                frame.with_input(input, |frame| template.make(frame, Stage::Parameters))?
            }
        };
        assign(&self.assign, frame, result)?;
        let output = self.result_path.put(frame, result)?;
        Ok(Transition::Exit(self.exit, self.io.leave(frame, output)?))
    }

    #[inline]
    fn glance(&self, at: &mut Glance<'_>, value: &mut Value) -> Option<Exit> {
        let mut output = *value;
        if !self.is_glanceable || !self.io.glance_in(at, &mut output) {
            return None;
        }
        match &self.make {
            Make::Input => {}
            Make::Result(result, _) => output = *result,
            Make::Parameters(template) => output = template.glance(at, output)?,
        }
        glance(&self.assign, at, output)?;
        let is_put = self.result_path.glance(at.scratch, *value, &mut output);
        if !is_put || !self.io.glance_out(at, &mut output) {
            return None;
        }
        *value = output;
        Some(self.exit)
    }

    fn exits(&self, exits: &mut Vec<Exit>) {
        exits.push(self.exit);
    }

    fn list(&self, out: &mut Listing) {
        self.io.list_input(out);
        match &self.make {
            Make::Input => {}
            Make::Result(_, text) => out.line("result", text),
            Make::Parameters(template) => template.list("parameters", out),
        }
        self.result_path.list(out);
        self.assign.iter().for_each(|assign| assign.list(out));
        self.io.list_output(out);
    }
}
