//! `ResultWriter`: results that are written to a store, or given out in another shape.

use crate::asl::fields::Fields;
use crate::asl::{codes, names};
use crate::fault::StateError;
use crate::states::lowering::Payload;
use crate::states::{Listing, Lowering};
use crate::step::{Frame, ResourceId};
use crate::value::{Kind, Value};

/// The error of a writer that fails.
pub const WRITER_FAILED: &str = "States.ResultWriterFailed";

/// `{"Resource": "arn:aws:states:::s3:putObject", "Parameters": {...}, "WriterConfig": {...}}`
#[derive(Debug)]
pub struct Writer {
    resource: Option<ResourceId>,
    parameters: Option<Payload>,
    /// What of an iteration is written.
    pub transformation: Transformation,
    /// `"OutputType": "JSONL"`: a line each.
    pub is_lines: bool,
}

/// `WriterConfig.Transformation`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transformation {
    /// The iteration with its input, its output and how it ended.
    None,
    /// Its output.
    Compact,
    /// Its output, or the items of that.
    Flatten,
}

/// Where results are written.
#[derive(Clone, Debug)]
pub struct Destination {
    /// `Bucket`
    pub bucket: String,
    /// `Prefix`
    pub prefix: String,
}

impl Writer {
    pub(super) fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Writer> {
        let mut writer = fields.object(names::RESULT_WRITER)?;
        writer.comment();
        let is_written = writer.has(names::RESOURCE);
        let resource =
            is_written.then(|| lowering.resource(&mut writer, names::RESOURCE)).flatten();
        let parameters = lowering.either(&mut writer, names::PARAMETERS, names::ARGUMENTS);
        let config = writer.object(names::WRITER_CONFIG);
        if !is_written && config.is_none() {
            writer.error(codes::MISSING_FIELD, "needs \"Resource\" or \"WriterConfig\".");
        }
        let (mut transformation, mut is_lines) = (Transformation::None, false);
        if let Some(mut config) = config {
            config.comment();
            let words = ["NONE", "COMPACT", "FLATTEN"];
            transformation = match config.one_of(names::TRANSFORMATION, &words) {
                Some("COMPACT") => Transformation::Compact,
                Some("FLATTEN") => Transformation::Flatten,
                _ => Transformation::None,
            };
            is_lines = config.one_of(names::OUTPUT_TYPE, &["JSON", "JSONL"]) == Some("JSONL");
            config.finish();
        }
        writer.finish();
        Some(Writer { resource, parameters, transformation, is_lines })
    }

    /// Whom to call for writing, if anybody.
    pub fn resource(&self) -> Option<ResourceId> {
        self.resource
    }

    /// Where results are written; `None` where they are given out.
    pub fn destination(&self, frame: &mut Frame<'_>) -> Result<Option<Destination>, StateError> {
        if self.resource.is_none() {
            return Ok(None);
        }
        let given =
            self.parameters.as_ref().map(|template| template.evaluate(frame)).transpose()?;
        let scratch = &frame.scope.scratch;
        let text = |name| {
            let value = scratch.member(given.unwrap_or(Value::NULL), name)?;
            (value.kind() == Kind::String).then(|| scratch.str(value).into_owned())
        };
        let Some(bucket) = text("Bucket") else {
            let cause = "The ResultWriter's Parameters give no Bucket.";
            return Err(StateError::new(WRITER_FAILED, cause));
        };
        Ok(Some(Destination { bucket, prefix: text("Prefix").unwrap_or_default() }))
    }

    pub(super) fn list(&self, out: &mut Listing) {
        if let Some(template) = &self.parameters {
            template.list("write", out);
        }
        let form = match self.transformation {
            Transformation::None => "iterations",
            Transformation::Compact => "outputs",
            Transformation::Flatten => "flattened outputs",
        };
        out.line(
            "results",
            format_args!("{form}{}", if self.is_lines { ", a line each" } else { "" }),
        );
    }
}
