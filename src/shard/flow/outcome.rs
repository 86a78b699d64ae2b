//! From an execution's outcome to the sinks: outputs, and what becomes of a record that failed.

use super::{Flow, Halt, Run, Workbench};
use crate::ack::Settlement;
use crate::fault::StateError;
use crate::record::Header;
use crate::shard::core::Core;
use crate::shard::letters::Report;
use crate::shard::names::Origin;
use crate::shard::outputs::{self, OUTPUT_FAILED, Waiting, Way};
use crate::shard::plan::{Place, Policy};
use crate::sinks::{Output, SinkError, SinkErrorKind, TopicId};
use crate::value::Value;

impl Flow {
    /// Writes an execution's output. An error is the record's own fault.
    #[inline]
    pub(super) fn write(
        &mut self,
        core: &mut Core,
        run: Run<'_>,
        output: Value,
    ) -> Result<(), StateError> {
        if self.outlet.sink.counts_once() {
            if !self.windows.is_valid(run.passage.claim) {
                // It is handed over again, and only then it counts.
                return Ok(());
            }
            self.outlet.sink.of(run.origin.record.position);
        }
        let plan = &run.plan.output;
        let Some(place) = &plan.topic else {
            self.settle(core, run.passage, Settlement::Ack);
            return Ok(());
        };
        let value = outputs::part(output, run.origin, &mut self.bench.scratch)?;
        let topic = match self.fixed_topic {
            Some(topic) => topic,
            None => {
                let name = outputs::topic_of(place, output, run.origin, &mut self.bench.scratch)?;
                let topic = self.outlet.sink.topic(&name).map_err(output_failed)?;
                if matches!(place, Place::Fixed(_)) {
                    self.fixed_topic = Some(topic);
                }
                topic
            }
        };
        outputs::key_into(output, run.origin, &mut self.bench.scratch, &mut self.key)?;
        let count = if plan.split { self.bench.scratch.count(value) } else { 1 };
        if count == 0 {
            self.settle(core, run.passage, Settlement::Ack);
            return Ok(());
        }
        let offset = run.origin.record.position.offset;
        let mark = self.windows.mark(run.passage.claim.assignment(), offset);
        let is_alone = mark.is_some_and(|mark| mark.is_output_alone) || self.is_batch_alone(run);
        let tag = self.ledger.open(Waiting {
            passage: run.passage,
            offset,
            way: Way::Output,
            is_alone,
            outstanding: count as u32,
        });
        let written = self.write_parts(core, run, topic, value, (tag, is_alone));
        if let Err(e) = written {
            self.ledger.close(tag);
            if e.kind == SinkErrorKind::Fatal {
                self.halted = Some(Halt::Stopped(e.message));
                return Ok(());
            }
            return Err(output_failed(e));
        }
        Ok(())
    }

    fn write_parts(
        &mut self,
        core: &mut Core,
        run: Run<'_>,
        topic: TopicId,
        value: Value,
        (tag, is_alone): (u64, bool),
    ) -> Result<(), SinkError> {
        let Flow { bench: Workbench { scratch, .. }, outlet, key, value: buffer, index, .. } = self;
        let key = outputs::key_slice(run.origin, key);
        let counts = &mut core.counters.pipelines[*index].counts;
        let mut send = |value: Value, headers: &[Header<'_>]| {
            let text = scratch.text(value, buffer);
            counts.bytes_out += text.len() as u64;
            outlet.write(Output { topic, key, value: Some(text), headers, tag }, is_alone)
        };
        let mut each = |headers: &[Header<'_>]| {
            if !run.plan.output.split {
                return send(value, headers);
            }
            let mut items = scratch.items(value);
            while let Some(item) = scratch.next_item(&mut items) {
                send(item, headers)?;
            }
            Ok(())
        };
        if !run.plan.output.has_headers {
            return each(&[]);
        }
        outputs::with_headers(run.origin, &mut core.name, each)
    }

    /// A record failed: what becomes of it is the policy's to say.
    #[cold]
    pub(super) fn fail(
        &mut self,
        core: &mut Core,
        run: Run<'_>,
        error: StateError,
        state: Option<&str>,
    ) {
        if let Some(id) = run.passage.batch {
            return self.fail_batch(core, run, id, &error, state);
        }
        self.ratio.count(true);
        self.end_as(run.plan.policy, core, run, error, state);
    }

    /// A record comes to nothing, and this is what becomes of it.
    #[cold]
    pub(super) fn end_as(
        &mut self,
        policy: Policy,
        core: &mut Core,
        run: Run<'_>,
        error: StateError,
        state: Option<&str>,
    ) {
        match policy {
            // Of an earlier window, whose records are read again.
            _ if !self.windows.is_valid(run.passage.claim) => {}
            Policy::Drop => {
                core.counts(self.index).dropped += 1;
                self.settle(core, run.passage, Settlement::Dropped);
            }
            Policy::Redrive => {
                let (pipeline, id) = (&run.plan.name, run.origin.record.id);
                tracing::info!(%pipeline, id, %error, state, "a message goes back to its queue");
                self.settle(core, run.passage, Settlement::Nack);
            }
            Policy::Stop => {
                let Origin { topic, partition, record, .. } = run.origin;
                let offset = record.position.offset;
                let message = format!(
                    "the record at {topic}/{partition} offset {offset} failed with {error}, and \
                     on_failure is \"stop\". Mend the cause and restart: the record is read again"
                );
                self.halted.get_or_insert(Halt::Stopped(message));
            }
            Policy::DeadLetter => {
                let attempts = if state.is_some() { self.execution.attempt() + 1 } else { 0 };
                let runs = run.passage.runs;
                let routing = &run.plan.routing;
                let route = run.passage.route.filter(|_| routing.has_rules());
                let route = route.map(|route| routing.name(route.into()));
                let report = Report { error: &error, state, attempts, runs, route };
                let offset = run.origin.record.position.offset;
                let mark = self.windows.mark(run.passage.claim.assignment(), offset);
                let mark = mark.cloned().unwrap_or_default();
                let tag = self.ledger.open(Waiting {
                    passage: run.passage,
                    offset,
                    way: Way::Letter,
                    is_alone: mark.is_letter_alone,
                    outstanding: 1,
                });
                match self.letters.write(run.origin, &report, tag, &mark) {
                    Ok(fell_back) => {
                        core.counts(self.index).dead_letter_fallbacks += u64::from(fell_back);
                    }
                    Err(why) => {
                        self.ledger.close(tag);
                        self.pause(why);
                    }
                }
            }
        }
    }

    pub(super) fn pause(&mut self, why: String) {
        self.halted.get_or_insert(Halt::Paused(why));
    }
}

fn output_failed(e: SinkError) -> StateError {
    StateError::new(OUTPUT_FAILED, e.message)
}
