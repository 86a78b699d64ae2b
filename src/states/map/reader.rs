//! `ItemReader`: items that are read from an object or a listing, not from the state's input.

use super::count::Count;
use super::csv;
use super::index::{
    Index, KNOWN, ReadLimits, begun, bytes_with, flat, inventory_form, items_in, longer, place,
    sources, unpacked,
};
use crate::asl::fields::Fields;
use crate::asl::{codes, names};
use crate::fault::StateError;
use crate::states::io::value_at_pointer;
use crate::states::lowering::Payload;
use crate::states::{Listing, Lowering, Resource};
use crate::step::{Frame, ResourceId, TaskRequest};
use crate::value::{Kind, Limits, Scratch, Value};

/// The error of a reader that fails.
pub const READER_FAILED: &str = "States.ItemReaderFailed";

/// The most items that a reader takes (Developer Guide, "MaxItems").
const ITEMS_MAX: i64 = 100_000_000;
const INPUT_TYPES: [&str; 5] = ["CSV", "JSON", "JSONL", "MANIFEST", "PARQUET"];

/// `{"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {...}, "Parameters": {...}}`
#[derive(Debug)]
pub(super) struct Reader {
    resource: ResourceId,
    arn: Box<str>,
    parameters: Option<Payload>,
    form: Form,
    /// What names the objects, where there are several, and the resource that reads one.
    index: Option<(Index, ResourceId)>,
    /// A JSON pointer.
    pointer: Option<Box<str>>,
    max_items: Option<Count>,
}

/// Where items come from, `$$.Map.Item.Source`: up to which item, and the place. Items of the state's
/// own data have none.
pub type Sources = Vec<(u32, Value)>;

/// What came of an answer.
#[derive(Clone, Debug)]
pub enum Read {
    /// All items, and where they come from.
    Items(Value, Sources),
    /// There is more to read: what is known so far, and the next call.
    More(Value, TaskRequest),
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
    /// The files of an inventory: CSV, whose columns its manifest names.
    Inventory,
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
        let (mut max_items, mut pointer, mut index) = (None, None, None);
        let form = match (&mut config, is_listing) {
            (None, true) => Some(Form::Contents),
            (None, false) => {
                reader.required(names::READER_CONFIG);
                None
            }
            (Some(config), _) => {
                config.comment();
                let pair = (names::MAX_ITEMS, names::MAX_ITEMS_PATH);
                max_items = Count::parse(config, lowering, pair, 0..=ITEMS_MAX);
                pointer = config.string(names::ITEMS_POINTER).map(Box::from);
                index = Index::parse(config, is_listing);
                match index {
                    None if is_listing => Some(Form::Contents),
                    Some(Index::Inventory) => Some(parse_inventory(config)),
                    _ => parse_form(config),
                }
            }
        };
        config.into_iter().for_each(Fields::finish);
        reader.finish();
        let (arn, resource) = (arn?, resource?);
        let index = match index {
            Some(Index::Listing) => Some((Index::Listing, object_of(resource, lowering)?)),
            index => index.map(|index| (index, resource)),
        };
        let (arn, form) = (arn.into(), form?);
        Some(Reader { resource, arn, parameters, form, index, pointer, max_items })
    }

    /// Whom it calls.
    pub(super) fn resources(&self) -> impl Iterator<Item = ResourceId> {
        let object = self.index.map(|(_, resource)| resource);
        std::iter::once(self.resource).chain(object.filter(|object| *object != self.resource))
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

    /// The items in the answer, or what is to be read next; `known` is what an earlier answer left.
    pub(super) fn read(
        &self,
        frame: &mut Frame<'_>,
        text: &[u8],
        known: Value,
        limits: &ReadLimits,
    ) -> Result<Read, StateError> {
        let max = self.most(frame)?;
        let Some((index, resource)) = self.index else {
            let items = self.items(frame.scope.scratch, text, max)?;
            let source = self.source(frame)?;
            return Ok(Read::Items(items, vec![(u32::MAX, source)]));
        };
        let text = unpacked(text, limits.object_bytes_max).map_err(failed)?;
        let known = match known.is_null() {
            true => {
                let bucket = self.argument("Bucket", frame)?;
                let scratch = &mut *frame.scope.scratch;
                let objects = index.objects(scratch, &text, &bucket, limits.objects_max);
                begun(scratch, objects.map_err(failed)?)?
            }
            false => {
                let scratch = &mut *frame.scope.scratch;
                let bytes = bytes_with(scratch, known, text.len(), limits.bytes_max)?;
                let items = self.items_of_object(scratch, &text, known, max)?;
                longer(scratch, known, bytes, items)?
            }
        };
        let scratch = &mut *frame.scope.scratch;
        let done = scratch.count(known) - KNOWN;
        let taken: usize = items_in(scratch, known).map(|items| scratch.count(items)).sum();
        let objects = scratch.item(known, 0).unwrap_or(Value::NULL);
        match scratch.item(objects, done).filter(|_| taken < max) {
            None => {
                let sources = sources(scratch, known);
                flat(scratch, known, max).map(|items| Read::Items(items, sources))
            }
            Some(arguments) => {
                let (credentials, timeout, heartbeat) = (None, None, None);
                let next = TaskRequest { resource, arguments, credentials, timeout, heartbeat };
                Ok(Read::More(known, next))
            }
        }
    }

    /// A text among the arguments, `Bucket` say.
    fn argument(&self, name: &str, frame: &mut Frame<'_>) -> Result<String, StateError> {
        let Some(template) = &self.parameters else { return Ok(String::new()) };
        let arguments = template.evaluate(frame)?;
        let scratch = &frame.scope.scratch;
        let text = scratch.member(arguments, name).filter(|it| it.kind() == Kind::String);
        Ok(text.map(|text| scratch.str(text).into_owned()).unwrap_or_default())
    }

    /// The object that is read, or the bucket that is listed.
    fn source(&self, frame: &mut Frame<'_>) -> Result<Value, StateError> {
        let bucket = self.argument("Bucket", frame)?;
        let key = match self.form {
            Form::Contents => String::new(),
            _ => self.argument("Key", frame)?,
        };
        Ok(place(frame.scope.scratch, &bucket, &key))
    }

    /// The items in one of several objects, as an array.
    fn items_of_object(
        &self,
        scratch: &mut Scratch,
        text: &[u8],
        known: Value,
        max: usize,
    ) -> Result<Value, StateError> {
        if let Form::Inventory = self.form {
            let columns = scratch.item(known, 2).unwrap_or(Value::NULL);
            let form = inventory_form(&scratch.str(columns));
            return form.read(scratch, text, max).map_err(failed);
        }
        let items = self.items(scratch, text, max)?;
        if items.kind() == Kind::Array {
            return Ok(items);
        }
        let mark = scratch.mark();
        scratch.push(items);
        scratch.array(mark).map_err(|_| too_deep())
    }

    /// `MaxItems`
    fn most(&self, frame: &mut Frame<'_>) -> Result<usize, StateError> {
        let max = self.max_items.as_ref().map_or(Ok(0), |count| count.evaluate(frame))?;
        if max < 0 {
            return Err(failed("field MaxItems must be positive"));
        }
        Ok(if max == 0 { ITEMS_MAX } else { max.min(ITEMS_MAX) } as usize)
    }

    /// The items in a text.
    fn items(&self, scratch: &mut Scratch, text: &[u8], max: usize) -> Result<Value, StateError> {
        match &self.form {
            // Its files are read by what its manifest says.
            Form::Inventory => Err(failed("An inventory is no list of items.")),
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
        let whole = parse(scratch, text).map_err(failed)?;
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
                scratch.push_pair(key, value);
            }
        }
        let first = match found.kind() {
            Kind::Array => scratch.array(mark),
            _ => scratch.object(mark),
        };
        first.map_err(|_| too_deep())
    }

    pub(super) fn list(&self, out: &mut Listing) {
        out.line("read", &self.arn);
        if let Some(template) = &self.parameters {
            template.list("from", out);
        }
        let form = match &self.form {
            Form::Json => "JSON",
            Form::JsonLines => "JSON lines",
            Form::Csv(_) => "CSV",
            Form::Contents => "listed objects",
            Form::Inventory => "its columns",
        };
        match self.index {
            Some((index, _)) => out.line("as", format_args!("{form} in {}", index.name())),
            None => out.line("as", form),
        }
        if let Some(count) = &self.max_items {
            out.line("at most", count);
        }
    }
}

fn parse_form(config: &mut Fields<'_>) -> Option<Form> {
    config.required(names::INPUT_TYPE);
    match config.one_of(names::INPUT_TYPE, &INPUT_TYPES) {
        Some("CSV") => csv::Form::parse(config).map(Form::Csv),
        Some("JSON") => Some(Form::Json),
        Some("JSONL") => Some(Form::JsonLines),
        Some("PARQUET") => {
            let why = "can't be read yet; CSV, JSON and JSONL can.";
            config.invalid(names::INPUT_TYPE, codes::NOT_IMPLEMENTED, why);
            None
        }
        Some(_) => {
            let why = "says nothing of the objects' form; CSV, JSON and JSONL do.";
            config.invalid(names::INPUT_TYPE, codes::INVALID_VALUE, why);
            None
        }
        None => None,
    }
}

/// `{"InputType": "MANIFEST"}`, or CSV with its `ManifestType`.
fn parse_inventory(config: &mut Fields<'_>) -> Form {
    config.required(names::INPUT_TYPE);
    config.one_of(names::INPUT_TYPE, &["MANIFEST", "CSV"]);
    for name in [names::CSV_HEADERS, names::CSV_HEADER_LOCATION, names::CSV_DELIMITER] {
        let why = "has no place with an inventory, whose manifest names the columns.";
        config.refuse(name, codes::FIELD_NOT_ALLOWED, why);
    }
    Form::Inventory
}

/// The resource that reads what another one lists.
fn object_of(listing: ResourceId, lowering: &mut Lowering<'_>) -> Option<ResourceId> {
    let Resource { arn, location, .. } = &lowering.resources[listing.0 as usize];
    let arn = arn.replace(":s3:listObjectsV2", ":s3:getObject");
    let parsed = crate::asl::resource::Resource::parse(&arn).ok()?;
    let location = location.clone();
    lowering.resources.push(Resource { arn, parsed, location });
    Some(ResourceId(lowering.resources.len() as u32 - 1))
}

pub(super) fn too_deep() -> StateError {
    failed("The items are nested too deeply.")
}

pub(super) fn failed(cause: impl Into<String>) -> StateError {
    StateError::new(READER_FAILED, cause)
}

/// Objects that are read may be larger than a state's data.
pub(super) fn parse(scratch: &mut Scratch, text: &[u8]) -> Result<Value, String> {
    let limits = scratch.limits();
    scratch.set_limits(Limits { bytes_max: Limits::BYTES_CEILING, ..limits });
    let parsed = scratch.parse(text);
    scratch.set_limits(limits);
    parsed.map_err(|e| format!("What was read is {e}"))
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
                return Err(failed(e));
            }
        }
    }
    scratch.array(mark).map_err(|_| too_deep())
}
