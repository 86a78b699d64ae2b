//! Nowhere, as a sink: for pipelines whose work is done by their tasks. It must be written in the
//! configuration to be had.

use crate::record::Wake;
use crate::sinks::{Output, Receipt, Sink, SinkError, TopicId};

/// Takes everything, keeps nothing, and says so at once.
#[derive(Debug)]
pub struct Discard {
    wake: Wake,
    tags: Vec<u64>,
}

impl Discard {
    /// A sink; `wake` is called when it has receipts.
    pub fn new(wake: Wake) -> Discard {
        Discard { wake, tags: Vec::new() }
    }
}

impl Sink for Discard {
    fn topic(&mut self, _: &str) -> Result<TopicId, SinkError> {
        Ok(TopicId(0))
    }

    fn write(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        self.tags.push(output.tag);
        Ok(())
    }

    fn submit(&mut self) {
        if !self.tags.is_empty() {
            self.wake.wake();
        }
    }

    fn poll(&mut self, take: &mut dyn FnMut(Receipt)) {
        for tag in self.tags.drain(..) {
            take(Receipt { tag, result: Ok((-1, -1)) });
        }
    }

    fn in_flight(&self) -> usize {
        self.tags.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_gets_a_receipt() {
        let mut sink = Discard::new(Wake::new(|| {}));
        let topic = sink.topic("anything").expect("any topic will do");
        let output = Output { topic, key: None, value: None, headers: &[], tag: 7 };
        sink.write(output).expect("takes everything");
        assert_eq!(sink.in_flight(), 1);
        let mut tags = Vec::new();
        sink.poll(&mut |receipt| tags.push(receipt.tag));
        assert_eq!((tags, sink.in_flight()), (vec![7], 0));
    }
}
