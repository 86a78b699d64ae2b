//! `"Type": "Fail"` (specification, "Fail State").

use super::given::Text;
use super::{Listing, Lowering, StateType};
use crate::asl::fields::Fields;
use crate::asl::names;
use crate::fault::StateError;
use crate::step::{Exit, Frame, Transition};

/// Ends the machine with an error.
#[derive(Debug)]
pub struct Fail {
    error: Option<Text>,
    cause: Option<Text>,
}

impl StateType for Fail {
    fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Fail> {
        let error = Text::parse(fields, lowering, (names::ERROR, names::ERROR_PATH));
        let cause = Text::parse(fields, lowering, (names::CAUSE, names::CAUSE_PATH));
        Some(Fail { error, cause })
    }

    fn enter(&self, frame: &mut Frame<'_>) -> Result<Transition, StateError> {
        let error = self.error.as_ref().map(|text| text.evaluate(frame)).transpose()?;
        let cause = self.cause.as_ref().map(|text| text.evaluate(frame)).transpose()?;
        Ok(Transition::Fail(StateError::from_parts(error.map(Into::into), cause)))
    }

    fn exits(&self, exits: &mut Vec<Exit>) {
        exits.push(Exit::End);
    }

    fn list(&self, out: &mut Listing) {
        for (name, text) in [("error", &self.error), ("cause", &self.cause)] {
            if let Some(text) = text {
                text.list(name, out);
            }
        }
    }
}
