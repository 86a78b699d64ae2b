//! The stages of a state's input and output processing, for those who watch a run.

use crate::value::{Scratch, Value};

/// A stage that makes a value, named by its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// `InputPath`
    InputPath,
    /// `Parameters`
    Parameters,
    /// `Result`
    Result,
    /// `ResultSelector`
    ResultSelector,
    /// `ResultPath`
    ResultPath,
    /// `OutputPath`
    OutputPath,
    /// `Arguments`
    Arguments,
    /// `Output`
    Output,
    /// `Assign`: an object of the variables it sets.
    Assign,
    /// `ItemsPath` or `Items`
    Items,
    /// `ItemSelector`
    ItemSelector,
}

impl Stage {
    /// The field's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::InputPath => "InputPath",
            Stage::Parameters => "Parameters",
            Stage::Result => "Result",
            Stage::ResultSelector => "ResultSelector",
            Stage::ResultPath => "ResultPath",
            Stage::OutputPath => "OutputPath",
            Stage::Arguments => "Arguments",
            Stage::Output => "Output",
            Stage::Assign => "Assign",
            Stage::Items => "Items",
            Stage::ItemSelector => "ItemSelector",
        }
    }
}

/// Told what each stage made. A stage that its state does not have is not told.
pub trait Stages {
    /// `stage` made this.
    fn made(&mut self, stage: Stage, value: Value, scratch: &Scratch);
}
