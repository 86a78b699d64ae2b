//! Queues of SQS as a sink: outputs leave in batches, several calls at a time, on a thread of this
//! shard's own; a receipt is SQS's answer for the message.
//!
//! A FIFO queue gets one call at a time with one message a group, so that nothing overtakes. What the
//! queue refuses for a passing reason is sent again here, in its place; meanwhile this sink fills up.

mod entry;
mod sender;

use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, unbounded};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::aws;
use crate::aws::sqs::{BATCH_MAX, Queue};
use crate::record::Wake;
use crate::sinks::{Output, Receipt, Sink, SinkError, SinkErrorKind, TopicId};

use entry::{Entry, Naming};
use sender::Batch;

/// Bytes of one call: SQS's limit for all messages of a batch together, in its older form.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// How to write.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How queues are reached.
    pub client: aws::Settings,
    /// Outputs that may be under way at once.
    pub in_flight_max: usize,
    /// Calls at the same time.
    pub calls_max: usize,
}

/// A queue and what is gathered for its next call.
struct Target {
    queue: Queue,
    pending: Vec<Entry>,
    bytes: usize,
}

/// One shard's end: see [`Sink`].
pub struct SqsSink {
    settings: Settings,
    targets: Vec<Target>,
    naming: Naming,
    batches: Option<UnboundedSender<Batch>>,
    receipts: Receiver<Receipt>,
    in_flight: usize,
    sender: Option<JoinHandle<()>>,
}

impl SqsSink {
    /// A sink; `wake` is called when there are receipts, and must not call the sink.
    pub fn open(mut settings: Settings, wake: Wake) -> Result<SqsSink, String> {
        settings.client.calls_max = settings.client.calls_max.max(settings.calls_max);
        let idle = settings.client.idle_connections_max.max(settings.calls_max);
        settings.client.idle_connections_max = idle;
        let (batches, orders) = unbounded_channel();
        let (report, receipts) = unbounded();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| format!("a runtime for SQS could not be made: {e}"))?;
        let calls_max = settings.calls_max.max(1);
        let work = move || runtime.block_on(sender::run(orders, report, wake, calls_max));
        let sender = std::thread::Builder::new().name("sqs-send".into()).spawn(work);
        let sender = sender.map_err(|e| format!("a thread for SQS could not be started: {e}"))?;
        Ok(SqsSink {
            settings,
            targets: Vec::new(),
            naming: Naming::default(),
            batches: Some(batches),
            receipts,
            in_flight: 0,
            sender: Some(sender),
        })
    }

    fn put(&mut self, output: Output<'_>, is_alone: bool) -> Result<(), SinkError> {
        if self.in_flight >= self.settings.in_flight_max {
            let (kind, code) = (SinkErrorKind::Full, "");
            return Err(SinkError { kind, code, message: String::new() });
        }
        let place = output.topic.0 as usize;
        let is_fifo = self.targets[place].queue.is_fifo();
        let entry = entry::of(&output, is_fifo.then_some(&mut self.naming))?;
        let target = &self.targets[place];
        let shares_group = is_fifo && target.pending.iter().any(|it| it.group == entry.group);
        let is_full =
            target.pending.len() >= BATCH_MAX || target.bytes + entry.bytes > BATCH_BYTES_MAX;
        if shares_group || is_full || is_alone {
            self.hand_on(place);
        }
        let target = &mut self.targets[place];
        target.bytes += entry.bytes;
        target.pending.push(entry);
        self.in_flight += 1;
        if is_alone {
            self.hand_on(place);
        }
        Ok(())
    }

    fn hand_on(&mut self, place: usize) {
        let target = &mut self.targets[place];
        if target.pending.is_empty() {
            return;
        }
        target.bytes = 0;
        let entries = std::mem::take(&mut target.pending);
        let batch = Batch { place, queue: target.queue.clone(), entries };
        if let Some(batches) = &self.batches {
            // The thread ends only after this sender.
            let _ = batches.send(batch);
        }
    }
}

impl Sink for SqsSink {
    fn topic(&mut self, name: &str) -> Result<TopicId, SinkError> {
        let known = |target: &Target| target.queue.url() == name;
        if let Some(place) = self.targets.iter().position(known) {
            return Ok(TopicId(place as u32));
        }
        let queue = Queue::open(self.settings.client.clone(), name).map_err(|message| {
            SinkError { kind: SinkErrorKind::Record, code: "InvalidQueueUrl", message }
        })?;
        self.targets.push(Target { queue, pending: Vec::new(), bytes: 0 });
        Ok(TopicId(self.targets.len() as u32 - 1))
    }

    fn write(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        self.put(output, false)
    }

    fn write_alone(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        self.put(output, true)
    }

    fn submit(&mut self) {
        (0..self.targets.len()).for_each(|place| self.hand_on(place));
    }

    fn poll(&mut self, take: &mut dyn FnMut(Receipt)) {
        while let Ok(receipt) = self.receipts.try_recv() {
            self.in_flight -= 1;
            take(receipt);
        }
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }
}

impl Drop for SqsSink {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(sender) = self.sender.take() {
            // What was under way is given up: nobody waits for its receipts.
            let _ = sender.join();
        }
    }
}
