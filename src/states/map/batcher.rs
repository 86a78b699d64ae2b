//! `ItemBatcher`: several items as one iteration's input.

use super::count::Count;
use crate::asl::fields::Fields;
use crate::asl::{codes, names};
use crate::fault::StateError;
use crate::states::lowering::Payload;
use crate::states::{Listing, Lowering};
use crate::step::{Batches, Frame};

/// The largest batch, in bytes, that a definition may ask for (Developer Guide, "ItemBatcher").
const BYTES_MAX: i64 = 256 << 10;

/// `{"MaxItemsPerBatch": 10, "MaxInputBytesPerBatch": 1000, "BatchInput": {}}`
#[derive(Debug)]
pub(super) struct Batcher {
    items: Option<Count>,
    bytes: Option<Count>,
    input: Option<Payload>,
}

impl Batcher {
    pub(super) fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Batcher> {
        let mut batcher = fields.object(names::ITEM_BATCHER)?;
        batcher.comment();
        let pair = (names::MAX_ITEMS_PER_BATCH, names::MAX_ITEMS_PER_BATCH_PATH);
        let items = Count::parse(&mut batcher, lowering, pair, 1..=super::COUNT_MAX);
        let pair = (names::MAX_INPUT_BYTES_PER_BATCH, names::MAX_INPUT_BYTES_PER_BATCH_PATH);
        let bytes = Count::parse(&mut batcher, lowering, pair, 1..=BYTES_MAX);
        let input = lowering.template(&mut batcher, names::BATCH_INPUT);
        let forms = [
            names::MAX_ITEMS_PER_BATCH,
            names::MAX_ITEMS_PER_BATCH_PATH,
            names::MAX_INPUT_BYTES_PER_BATCH,
            names::MAX_INPUT_BYTES_PER_BATCH_PATH,
        ];
        if forms.iter().all(|name| !batcher.has(name)) {
            let complaint = "needs \"MaxItemsPerBatch\" or \"MaxInputBytesPerBatch\".";
            batcher.error(codes::MISSING_FIELD, complaint);
        }
        batcher.finish();
        Some(Batcher { items, bytes, input })
    }

    pub(super) fn evaluate(&self, frame: &mut Frame<'_>) -> Result<Batches, StateError> {
        let items_max = self.limit(&self.items, names::MAX_ITEMS_PER_BATCH, frame)?;
        let bytes_max = self.limit(&self.bytes, names::MAX_INPUT_BYTES_PER_BATCH, frame)?;
        let input = self.input.as_ref().map(|template| template.evaluate(frame)).transpose()?;
        Ok(Batches { items_max, bytes_max, input })
    }

    fn limit(
        &self,
        count: &Option<Count>,
        name: &str,
        frame: &mut Frame<'_>,
    ) -> Result<Option<u64>, StateError> {
        match count.as_ref().map(|count| count.evaluate(frame)).transpose()? {
            None => Ok(None),
            Some(limit @ 1..) => Ok(Some(limit.unsigned_abs())),
            Some(_) => Err(StateError::runtime(format!("{name} must be positive."))),
        }
    }

    pub(super) fn list(&self, out: &mut Listing) {
        if let Some(count) = &self.items {
            out.line("batch", format_args!("{count} items"));
        }
        if let Some(count) = &self.bytes {
            out.line("batch", format_args!("{count} bytes"));
        }
        if let Some(template) = &self.input {
            template.list("batch input", out);
        }
    }
}
