//! Several records as one input: the array that EventBridge Pipes passes, the envelope of a Lambda
//! event-source mapping, and the answer that tells which of them failed.
//!
//! What a record looks like in there is its source's [`Form`]: a file in `envelope/` for each.

mod kafka;
mod sqs;

use std::collections::HashSet;
use std::fmt;

pub use kafka::KafkaForm;
pub use sqs::SqsForm;

use super::batch::View;
use super::names::Origin;
use crate::fault::{StateError, names};
use crate::value::{Kind, Scratch, Value, hash};

/// The error name of a batch whose answer names records that are not in it.
pub const BATCH_FAILED: &str = "Record.BatchFailed";
/// The error name of a record that the answer names.
pub const ITEM_FAILED: &str = "Record.ItemFailed";

/// The answer's list of records that failed.
const FAILURES: &str = "batchItemFailures";
/// What names one of them.
const IDENTIFIER: &str = "itemIdentifier";

/// Records of one kind of source, as AWS passes them on.
pub trait Form: fmt::Debug + Send + Sync {
    /// An element of the array that EventBridge Pipes passes.
    fn piped(&self, origin: &Origin<'_>, scratch: &mut Scratch) -> Option<Value>;

    /// The envelope of a Lambda event-source mapping.
    fn mapped(&self, batch: &View<'_>, scratch: &mut Scratch) -> Option<Value>;

    /// Does an `itemIdentifier` name this record?
    fn is_named(&self, identifier: &str, origin: &Origin<'_>) -> bool;

    /// What an identifier names it by, where a batch may hold a record twice: then both are meant.
    fn identity<'a>(&self, origin: &Origin<'a>) -> Option<&'a str> {
        let _ = origin;
        None
    }

    /// About the bytes that a record takes in there; not less.
    fn bytes(&self, origin: &Origin<'_>) -> usize;
}

/// Which envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `pipes`
    Pipes,
    /// `lambda`
    Lambda,
}

/// The input of an execution over a batch. Its error is the records' own fault.
pub fn compose(
    form: &dyn Form,
    shape: Shape,
    batch: &View<'_>,
    scratch: &mut Scratch,
) -> Result<Value, StateError> {
    let made = match shape {
        Shape::Lambda => form.mapped(batch, scratch),
        Shape::Pipes => {
            let mark = scratch.mark();
            let pushed = batch.each(scratch, |origin, scratch| {
                let record = form.piped(origin, scratch)?;
                scratch.push(record);
                Some(())
            });
            pushed.and_then(|()| scratch.array(mark).ok())
        }
    };
    let input = made.expect("envelopes are a few levels deep");
    let most = scratch.limits().bytes_max.min(batch.plan.limits.data_bytes_max);
    if input.size_max() > most {
        let (bytes, count) = (input.size_max(), batch.members.len());
        let cause = format!(
            "The input made of {count} records has {bytes} bytes; engine.document_size_max and \
             engine.state_data_max allow {most}."
        );
        return Err(StateError::new(names::DATA_LIMIT_EXCEEDED, cause));
    }
    Ok(input)
}

/// Which records of a batch failed (their places, in order), by the execution's output: those that it
/// names in `batchItemFailures`; none where there is no such list, or it is empty or null. An error:
/// the list is not as it should be or names what is not there, and all of them have failed.
pub fn failures(
    form: &dyn Form,
    batch: &View<'_>,
    output: Value,
    scratch: &Scratch,
) -> Result<Vec<usize>, StateError> {
    if output.kind() != Kind::Object {
        return Ok(Vec::new());
    }
    let Some(list) = scratch.member(output, FAILURES).filter(|list| !list.is_null()) else {
        return Ok(Vec::new());
    };
    let wrong = |what: String| Err(StateError::new(BATCH_FAILED, what));
    if list.kind() != Kind::Array {
        return wrong(format!("{FAILURES} must be a list of objects with {IDENTIFIER}."));
    }
    let (mut failed, count) = (Vec::new(), batch.members.len());
    let mut items = scratch.items(list);
    while let Some(item) = scratch.next_item(&mut items) {
        let is_object = item.kind() == Kind::Object;
        let identifier = if is_object { scratch.member(item, IDENTIFIER) } else { None };
        let identifier = identifier.filter(|it| it.kind() == Kind::String);
        let identifier = identifier.map(|it| scratch.str(it)).filter(|it| !it.is_empty());
        let Some(identifier) = identifier else {
            return wrong(format!(
                "An element of {FAILURES} has no {IDENTIFIER}, or an empty one."
            ));
        };
        // They mostly come in the order of the records: the search goes on where the last one ended.
        let from = failed.last().map_or(0, |last| last + 1);
        let mut places = (0..count).map(|at| (from + at) % count);
        let is_it = |place: &usize| batch.lend(*place, |it| form.is_named(&identifier, it));
        match places.find(is_it) {
            Some(place) => failed.push(place),
            None => {
                let what = format!("{FAILURES} names {identifier:?}, which is not in the batch.");
                return wrong(what);
            }
        }
    }
    add_twins(form, batch, &mut failed);
    failed.sort_unstable();
    failed.dedup();
    Ok(failed)
}

/// Adds the places of records that are the same as those.
fn add_twins(form: &dyn Form, batch: &View<'_>, failed: &mut Vec<usize>) {
    let identity = |place: usize| {
        batch.lend(place, |it| form.identity(it).map(|identity| hash(identity.bytes())))
    };
    let named: HashSet<u64> = failed.iter().filter_map(|place| identity(*place)).collect();
    if !named.is_empty() {
        let places = 0..batch.members.len();
        failed
            .extend(places.filter(|place| identity(*place).is_some_and(|it| named.contains(&it))));
    }
}
