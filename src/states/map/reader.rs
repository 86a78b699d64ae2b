//! `ItemReader`: items that are read from an object or a listing, not from the state's input.

use super::count::Count;
use super::csv;
use crate::asl::fields::Fields;
use crate::asl::{codes, names};
use crate::fault::StateError;
use crate::states::io::value_at_pointer;
use crate::states::lowering::Payload;
use crate::states::{Listing, Lowering};
use crate::step::{Frame, ResourceId, TaskRequest};
use crate::value::{Kind, Limits, Scratch, Value};

/// The error of a reader that fails.
pub const READER_FAILED: &str = "States.ItemReaderFailed";

/// The most items that a reader takes (Developer Guide, "MaxItems").
const ITEMS_MAX: i64 = 100_000_000;
/// The input types that are read; PARQUET and MANIFEST need more than one text.
const INPUT_TYPES: [&str; 3] = ["CSV", "JSON", "JSONL"];
const LATER_TYPES: [&str; 2] = ["MANIFEST", "PARQUET"];

/// `{"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {...}, "Parameters": {...}}`
#[derive(Debug)]
pub(super) struct Reader {
    resource: ResourceId,
    arn: Box<str>,
    parameters: Option<Payload>,
    form: Form,
    /// A JSON pointer.
    pointer: Option<Box<str>>,
    max_items: Option<Count>,
}

/// How the text holds items.
#[derive(Debug)]
enum Form {
    /// `"InputType": "JSON"`
    Json,
    /// `"InputType": "JSONL"`
    JsonLines,
    /// `"InputType": "CSV"`
    Csv(csv::Form),
    /// `s3:listObjectsV2`: the answer's `Contents`.
    Contents,
}

impl Reader {
    pub(super) fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Reader> {
        let mut reader = fields.object(names::ITEM_READER)?;
        reader.comment();
        let resource = lowering.resource(&mut reader, names::RESOURCE);
        let parameters = lowering.either(&mut reader, names::PARAMETERS, names::ARGUMENTS);
        let arn = resource.map(|id| lowering.resources[id.0 as usize].arn.clone());
        let is_listing = arn.as_ref().is_some_and(|arn| arn.ends_with(":s3:listObjectsV2"));
        let mut config = reader.object(names::READER_CONFIG);
        let mut max_items = None;
        let mut pointer = None;
        let form = match (&mut config, is_listing) {
            (None, true) => Some(Form::Contents),
            (None, false) => {
                reader.required(names::READER_CONFIG);
                None
            }
            (Some(config), _) => {
                let pair = (names::MAX_ITEMS, names::MAX_ITEMS_PATH);
                max_items = Count::parse(config, lowering, pair, 0..=ITEMS_MAX);
                pointer = config.string(names::ITEMS_POINTER).map(Box::from);
                if is_listing { Some(Form::Contents) } else { parse_form(config) }
            }
        };
        config.into_iter().for_each(Fields::finish);
        reader.finish();
        let arn = arn?.into();
        Some(Reader { resource: resource?, arn, parameters, form: form?, pointer, max_items })
    }

    pub(super) fn resource(&self) -> ResourceId {
        self.resource
    }

    /// The call whose answer holds the items.
    pub(super) fn request(&self, frame: &mut Frame<'_>) -> Result<TaskRequest, StateError> {
        let arguments = match &self.parameters {
            Some(template) => template.evaluate(frame)?,
            None => frame.scope.scratch.empty_object(),
        };
        // A path that leads nowhere fails before anything is read.
        self.max_items.as_ref().map_or(Ok(0), |count| count.evaluate(frame))?;
        let (credentials, timeout, heartbeat) = (None, None, None);
        Ok(TaskRequest { resource: self.resource, arguments, credentials, timeout, heartbeat })
    }

    /// The items in the answer.
    pub(super) fn items(&self, frame: &mut Frame<'_>, text: &[u8]) -> Result<Value, StateError> {
        let max = self.max_items.as_ref().map_or(Ok(0), |count| count.evaluate(frame))?;
        if max < 0 {
            return Err(failed("field MaxItems must be positive"));
        }
        let max = if max == 0 { ITEMS_MAX } else { max.min(ITEMS_MAX) } as usize;
        let scratch = &mut *frame.scope.scratch;
        match &self.form {
            Form::Json => self.first(scratch, text, None, max),
            Form::Contents => self.first(scratch, text, Some("Contents"), max),
            Form::JsonLines => lines(scratch, text, max),
            Form::Csv(form) => form.read(scratch, text, max).map_err(failed),
        }
    }

    /// The first items of a JSON array or object.
    fn first(
        &self,
        scratch: &mut Scratch,
        text: &[u8],
        member: Option<&str>,
        max: usize,
    ) -> Result<Value, StateError> {
        let whole = parse(scratch, text)?;
        let found = match (member, &self.pointer) {
            (Some(name), _) => scratch.member(whole, name).or(Some(whole)),
            (None, Some(pointer)) => value_at_pointer(scratch, whole, pointer),
            (None, None) => Some(whole),
        };
        let found = found.filter(|found| matches!(found.kind(), Kind::Array | Kind::Object));
        let found = found.ok_or_else(|| failed("Attempting to map over non-iterable node."))?;
        if scratch.count(found) <= max {
            return Ok(found);
        }
        let mark = scratch.mark();
        let (mut items, mut members) = (scratch.items(found), scratch.members(found));
        for _ in 0..max {
            if let Some(item) = scratch.next_item(&mut items) {
                scratch.push(item);
            }
            if let Some((key, value)) = scratch.next_member(&mut members) {
                scratch.push(key);
                scratch.push(value);
            }
        }
        let first = match found.kind() {
            Kind::Array => scratch.array(mark),
            _ => scratch.object(mark),
        };
        first.map_err(|_| failed("The items are nested too deeply."))
    }

    pub(super) fn list(&self, out: &mut Listing) {
        out.line("read", &self.arn);
        if let Some(template) = &self.parameters {
            out.line("from", template);
        }
        let form = match &self.form {
            Form::Json => "JSON",
            Form::JsonLines => "JSON lines",
            Form::Csv(_) => "CSV",
            Form::Contents => "listed objects",
        };
        out.line("as", form);
        if let Some(count) = &self.max_items {
            out.line("at most", count);
        }
    }
}

fn parse_form(config: &mut Fields<'_>) -> Option<Form> {
    config.required(names::INPUT_TYPE);
    let known: Vec<_> = INPUT_TYPES.into_iter().chain(LATER_TYPES).collect();
    let form = match config.one_of(names::INPUT_TYPE, &known) {
        Some("CSV") => csv::Form::parse(config).map(Form::Csv),
        Some("JSON") => Some(Form::Json),
        Some("JSONL") => Some(Form::JsonLines),
        Some(_) => {
            let why = "can't be read yet; CSV, JSON and JSONL can.";
            config.invalid(names::INPUT_TYPE, codes::NOT_IMPLEMENTED, why);
            None
        }
        None => None,
    };
    config.string(names::MANIFEST_TYPE);
    if config.one_of(names::TRANSFORMATION, &["NONE", "LOAD_AND_FLATTEN"])
        == Some("LOAD_AND_FLATTEN")
    {
        let why = "can't be LOAD_AND_FLATTEN yet; read the objects in the iterations.";
        config.invalid(names::TRANSFORMATION, codes::NOT_IMPLEMENTED, why);
    }
    form
}

fn failed(cause: impl Into<String>) -> StateError {
    StateError::new(READER_FAILED, cause)
}

/// Objects that are read may be larger than a state's data.
fn parse(scratch: &mut Scratch, text: &[u8]) -> Result<Value, StateError> {
    let limits = scratch.limits();
    scratch.set_limits(Limits { bytes_max: Limits::BYTES_CEILING, ..limits });
    let parsed = scratch.parse(text);
    scratch.set_limits(limits);
    parsed.map_err(|e| failed(format!("What was read is {e}")))
}

/// One value a line.
fn lines(scratch: &mut Scratch, text: &[u8], max: usize) -> Result<Value, StateError> {
    let mark = scratch.mark();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    for line in lines.take(max) {
        match parse(scratch, line) {
            Ok(value) => scratch.push(value),
            Err(e) => {
                scratch.abandon(mark);
                return Err(e);
            }
        }
    }
    scratch.array(mark).map_err(|_| failed("The items are nested too deeply."))
}
