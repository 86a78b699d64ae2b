//! `"Type": "Map"` (specification, "Map State"; Developer Guide, "Map workflow state").

mod batcher;
mod count;
mod csv;
mod index;
mod reader;
mod writer;

pub use index::ReadLimits;
pub use reader::{READER_FAILED, Read, Sources};
pub use writer::{Destination, Transformation, WRITER_FAILED, Writer};

use super::ending::Ending;
use super::io::{InputOutput, shown, value_at};
use super::lowering::Payload;
use super::query::Query;
use super::{Block, Listing, Lowering, StateType};
use crate::asl::fields::Fields;
use crate::asl::{codes, names};
use crate::expr::Path;
use crate::fault::{StateError, names as errors};
use crate::step::{Exit, Fork, Frame, ResourceId, Stage, StepId, Terms, Tolerance, Transition};
use crate::value::{Kind, Value};
use batcher::Batcher;
use count::{Count, Percentage};
use reader::Reader;

/// The largest number that a Map's fields may name; the service names no limit for most.
const COUNT_MAX: i64 = 100_000_000;

/// Where a Map's items come from.
#[derive(Debug)]
enum Items {
    /// `"ItemsPath": "$.a"`
    Path(Path),
    /// `"Items": "{% ... %}"`
    Query(Query),
    /// `"Items": [...]`
    Made(Payload),
}

/// Runs a body for every item.
#[derive(Debug)]
pub struct Map {
    io: InputOutput,
    items: Option<Items>,
    selector: Option<Payload>,
    concurrency: Option<Count>,
    tolerated_count: Option<Count>,
    tolerated_percentage: Option<Percentage>,
    reader: Option<Reader>,
    batcher: Option<Batcher>,
    writer: Option<Writer>,
    label: Box<str>,
    processor: StepId,
    is_distributed: bool,
    is_jsonata: bool,
    ending: Ending,
}

impl Map {
    /// Where an iteration starts.
    pub fn processor(&self) -> StepId {
        self.processor
    }

    /// `"Mode": "DISTRIBUTED"`: iterations are executions of their own.
    pub fn is_distributed(&self) -> bool {
        self.is_distributed
    }

    /// An iteration's input: `ItemSelector` with the state's effective input as `$`, or the item.
    pub fn item(&self, frame: &mut Frame<'_>, item: Value) -> Result<Value, StateError> {
        match &self.selector {
            Some(template) => template.make(frame, Stage::ItemSelector),
            None => Ok(item),
        }
    }

    /// `ResultWriter`
    pub fn writer(&self) -> Option<&Writer> {
        self.writer.as_ref()
    }

    /// The items in what was read, or what is to be read next, and the state's effective input;
    /// `known` is what an earlier answer left.
    pub fn read(
        &self,
        frame: &mut Frame<'_>,
        text: &[u8],
        known: Value,
        limits: &ReadLimits,
    ) -> Result<(Read, Value), StateError> {
        let input = self.io.enter(frame)?;
        let read = frame.with_input(input, |frame| match &self.reader {
            Some(reader) => reader.read(frame, text, known, limits),
            None => self.items(frame).map(|items| Read::Items(items, Sources::new())),
        })?;
        Ok((read, input))
    }

    /// `Label`; empty without one.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Where results are written, if they are.
    pub fn destination(&self, frame: &mut Frame<'_>) -> Result<Option<Destination>, StateError> {
        let Some(writer) = &self.writer else { return Ok(None) };
        let input = self.io.enter(frame)?;
        frame.with_input(input, |frame| writer.destination(frame))
    }

    /// How the iterations run; `$` is the state's effective input.
    pub fn terms(&self, frame: &mut Frame<'_>) -> Result<Terms, StateError> {
        let batches = self.batcher.as_ref().map(|batcher| batcher.evaluate(frame)).transpose()?;
        let (concurrency, tolerance) = (self.concurrency(frame)?, self.tolerance(frame)?);
        Ok(Terms { concurrency, tolerance, batches })
    }

    fn tolerance(&self, frame: &mut Frame<'_>) -> Result<Tolerance, StateError> {
        let count = self.tolerated_count.as_ref().map(|count| count.evaluate(frame)).transpose()?;
        if count.is_some_and(|count| count < 0) {
            return Err(StateError::runtime("ToleratedFailureCount cannot be negative."));
        }
        let percentage = self.tolerated_percentage.as_ref();
        let percentage = percentage.map(|percentage| percentage.evaluate(frame)).transpose()?;
        Ok(Tolerance { count: count.map(i64::unsigned_abs), percentage })
    }

    fn concurrency(&self, frame: &mut Frame<'_>) -> Result<u32, StateError> {
        let count = self.concurrency.as_ref().map_or(Ok(0), |count| count.evaluate(frame))?;
        if count < 0 {
            return Err(StateError::runtime("MaxConcurrency cannot be negative."));
        }
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// The items in the state's effective input, `$`.
    fn items(&self, frame: &mut Frame<'_>) -> Result<Value, StateError> {
        match &self.items {
            None if self.is_jsonata => self.iterable_input(frame),
            None => self.iterable(frame.scope.input, "$"),
            Some(Items::Path(path)) => {
                let items = value_at(path, frame)?;
                frame.made(Stage::Items, items);
                self.iterable(items, path.text())
            }
            Some(Items::Query(query)) => {
                let items = query.evaluate(frame)?;
                frame.made(Stage::Items, items);
                match items.kind() {
                    Kind::Array => Ok(items),
                    Kind::Object if self.is_distributed => Ok(items),
                    _ => Err(query.unexpected(Kind::Array, items, frame)),
                }
            }
            Some(Items::Made(payload)) => payload.make(frame, Stage::Items),
        }
    }

    /// The state's input, in JSONata without `Items`.
    fn iterable_input(&self, frame: &Frame<'_>) -> Result<Value, StateError> {
        let input = frame.scope.input;
        match input.kind() {
            Kind::Array => Ok(input),
            Kind::Object if self.is_distributed => Ok(input),
            _ => {
                let cause =
                    format!("Map state input must be an array but was: {}", shown(input, frame));
                Err(StateError::new(errors::QUERY_EVALUATION_ERROR, cause))
            }
        }
    }

    fn iterable(&self, items: Value, path: &str) -> Result<Value, StateError> {
        match items.kind() {
            Kind::Array => Ok(items),
            Kind::Object if self.is_distributed => Ok(items),
            _ => {
                let cause = format!("Reference path \"{path}\" must point to array.");
                Err(StateError::runtime(cause))
            }
        }
    }
}

impl StateType for Map {
    fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Map> {
        let io = InputOutput::parse(fields, lowering);
        let items = parse_items(fields, lowering);
        fields.at_most_one(&[names::ITEM_SELECTOR, names::PARAMETERS]);
        let selector = lowering.template(fields, names::ITEM_SELECTOR);
        let selector = selector.or(lowering.template_only(fields, names::PARAMETERS));
        let pair = (names::MAX_CONCURRENCY, names::MAX_CONCURRENCY_PATH);
        let concurrency = Count::parse(fields, lowering, pair, 0..=COUNT_MAX);
        let pair = (names::TOLERATED_FAILURE_COUNT, names::TOLERATED_FAILURE_COUNT_PATH);
        let tolerated_count = Count::parse(fields, lowering, pair, 0..=COUNT_MAX);
        let pair = (names::TOLERATED_FAILURE_PERCENTAGE, names::TOLERATED_FAILURE_PERCENTAGE_PATH);
        let tolerated_percentage = Percentage::parse(fields, lowering, pair);
        let batcher = Batcher::parse(fields, lowering);
        let label = parse_label(fields);
        let reader = Reader::parse(fields, lowering);
        let writer = Writer::parse(fields, lowering);
        let processor = parse_processor(fields, lowering);
        warn_of_inline(fields, &processor);
        let ending = Ending::parse(fields, lowering);
        let (processor, is_distributed) = processor?;
        Some(Map {
            io,
            items,
            selector,
            concurrency,
            tolerated_count,
            tolerated_percentage,
            reader,
            batcher,
            writer,
            label,
            processor,
            is_distributed,
            is_jsonata: lowering.is_jsonata(),
            ending,
        })
    }

    fn enter(&self, frame: &mut Frame<'_>) -> Result<Transition, StateError> {
        let input = self.io.enter(frame)?;
        if let Some(reader) = &self.reader {
            let request = frame.with_input(input, |frame| reader.request(frame))?;
            return Ok(Transition::Fork(Fork::Read(request)));
        }
        let items = frame.with_input(input, |frame| self.items(frame))?;
        Ok(Transition::Fork(Fork::Iterations { items, input }))
    }

    fn resume(&self, frame: &mut Frame<'_>, result: Value) -> Result<Transition, StateError> {
        self.ending.leave(&self.io, frame, result)
    }

    fn ending(&self) -> Option<&Ending> {
        Some(&self.ending)
    }

    fn resources(&self, resources: &mut Vec<ResourceId>) {
        resources.extend(self.reader.iter().flat_map(Reader::resources));
        resources.extend(self.writer.as_ref().and_then(Writer::resource));
    }

    fn branches(&self) -> &[StepId] {
        std::slice::from_ref(&self.processor)
    }

    fn exits(&self, exits: &mut Vec<Exit>) {
        exits.push(self.ending.exit);
    }

    fn list(&self, out: &mut Listing) {
        self.io.list_input(out);
        self.reader.iter().for_each(|reader| reader.list(out));
        match &self.items {
            None => {}
            Some(Items::Path(path)) => out.line("items", path.text()),
            Some(Items::Query(query)) => out.line("items", query.text()),
            Some(Items::Made(payload)) => payload.list("items", out),
        }
        if let Some(template) = &self.selector {
            template.list("selector", out);
        }
        if let Some(count) = &self.concurrency {
            out.line("at once", count);
        }
        if let Some(count) = &self.tolerated_count {
            out.line("tolerate", count);
        }
        if let Some(percentage) = &self.tolerated_percentage {
            out.line("tolerate", format_args!("{percentage} %"));
        }
        self.batcher.iter().for_each(|batcher| batcher.list(out));
        let mode = if self.is_distributed { " as executions" } else { "" };
        out.line("each", format_args!("{}{mode}", self.processor));
        self.writer.iter().for_each(|writer| writer.list(out));
        self.ending.list(&self.io, out);
    }
}

/// Characters of a `Label`, and those that it may not have (Developer Guide, "Label").
const LABEL_CHARS_MAX: usize = 40;
const LABEL_REFUSED: &str = "?*<>{}[]\"#%\\^|~`$&,;:/";

fn parse_label(fields: &mut Fields<'_>) -> Box<str> {
    let label = fields.string(names::LABEL).unwrap_or_default();
    let is_refused = |c: char| c.is_whitespace() || c.is_control() || LABEL_REFUSED.contains(c);
    if label.chars().count() > LABEL_CHARS_MAX {
        let complaint = format!("is longer than {LABEL_CHARS_MAX} characters; shorten it.");
        fields.invalid(names::LABEL, codes::INVALID_VALUE, complaint);
    } else if let Some(refused) = label.chars().find(|c| is_refused(*c)) {
        let complaint = format!("has {refused:?}; it can have neither spaces nor {LABEL_REFUSED}");
        fields.invalid(names::LABEL, codes::INVALID_VALUE, complaint);
    }
    label.into()
}

/// `ItemsPath`, or `Items` in JSONata.
fn parse_items(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Items> {
    if !lowering.is_jsonata() {
        lowering.refuse(fields, names::ITEMS);
        return lowering.reference(fields, names::ITEMS_PATH).map(Items::Path);
    }
    lowering.refuse(fields, names::ITEMS_PATH);
    if lowering.is_query(fields, names::ITEMS) {
        return lowering.query(fields, names::ITEMS).map(Items::Query);
    }
    let node = fields.node(names::ITEMS)?;
    if node.as_array().is_none() && node.as_object().is_none() {
        let complaint = "must be an array, an object or an expression, \"{% ... %}\".";
        fields.invalid(names::ITEMS, codes::WRONG_TYPE, complaint);
        return None;
    }
    lowering.template(fields, names::ITEMS).map(Items::Made)
}

/// Fields that the service has for distributed Maps only; they do their work nevertheless.
fn warn_of_inline(fields: &mut Fields<'_>, processor: &Option<(StepId, bool)>) {
    if matches!(processor, Some((_, false))) {
        let why = "is for Maps whose ProcessorConfig has the Mode DISTRIBUTED; the service refuses \
                   it elsewhere.";
        for name in [names::ITEM_READER, names::ITEM_BATCHER, names::RESULT_WRITER] {
            if fields.has(name) {
                fields.warning(name, codes::FIELD_NOT_ALLOWED, why);
            }
        }
    }
}

/// `ItemProcessor` or `Iterator`: where it starts, and whether it is distributed.
fn parse_processor(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<(StepId, bool)> {
    let name = fields.exactly_one(&[names::ITEM_PROCESSOR, names::ITERATOR])?;
    let mut processor = fields.object(name)?;
    processor.comment();
    let is_distributed = parse_config(&mut processor);
    if is_distributed && lowering.is_strict_express {
        let complaint = "has the Mode DISTRIBUTED: Express state machine does not support \
                         Distributed Map.";
        processor.error(codes::NOT_IN_EXPRESS, complaint);
    }
    let outer = lowering.scopes.enter(is_distributed);
    let block = Block::parse(&mut processor, lowering);
    lowering.scopes.leave(outer);
    processor.finish();
    Some((block?.start, is_distributed))
}

/// `ProcessorConfig`: is the mode distributed?
fn parse_config(processor: &mut Fields<'_>) -> bool {
    let Some(mut config) = processor.object(names::PROCESSOR_CONFIG) else { return false };
    config.comment();
    let mode = config.one_of(names::MODE, &["INLINE", "DISTRIBUTED"]);
    let is_distributed = mode == Some("DISTRIBUTED");
    config.one_of(names::EXECUTION_TYPE, &["STANDARD", "EXPRESS"]);
    if is_distributed {
        config.required(names::EXECUTION_TYPE);
    }
    config.finish();
    is_distributed
}
