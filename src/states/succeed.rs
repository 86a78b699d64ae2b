//! `"Type": "Succeed"` (specification, "Succeed State").

use super::io::InputOutput;
use super::{Listing, Lowering, StateType};
use crate::asl::fields::Fields;
use crate::fault::StateError;
use crate::step::{Exit, Frame, Glance, Transition};
use crate::value::Value;

/// Ends the machine well.
#[derive(Debug)]
pub struct Succeed {
    io: InputOutput,
}

impl StateType for Succeed {
    fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Succeed> {
        Some(Succeed { io: InputOutput::parse(fields, lowering) })
    }

    #[inline]
    fn enter(&self, frame: &mut Frame<'_>) -> Result<Transition, StateError> {
        let input = self.io.enter(frame)?;
        Ok(Transition::Exit(Exit::End, self.io.leave(frame, input)?))
    }

    #[inline]
    fn glance(&self, at: &mut Glance<'_>, value: &mut Value) -> Option<Exit> {
        let mut output = *value;
        if !self.io.glance_in(at, &mut output) || !self.io.glance_out(at, &mut output) {
            return None;
        }
        *value = output;
        Some(Exit::End)
    }

    fn exits(&self, exits: &mut Vec<Exit>) {
        exits.push(Exit::End);
    }

    fn list(&self, out: &mut Listing) {
        self.io.list_input(out);
        self.io.list_output(out);
    }
}
