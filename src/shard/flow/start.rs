//! From a record to its execution: what keeps it from running, its route, its input.

use super::{Flow, Run};
use crate::ack::Settlement;
use crate::fault::StateError;
use crate::machine::Identity;
use crate::record::Record;
use crate::shard::core::Core;
use crate::shard::input;
use crate::shard::names::Origin;
use crate::shard::outputs::OUTPUT_FAILED;
use crate::shard::plan::{Input, NullValue, Policy};
use crate::shard::plans::{Adopted, Plans};
use crate::shard::route::{Asking, Destination, NO_ROUTE, ROUTED};
use crate::shard::slots::Passage;
use crate::shard::suspects::{CRASHED, Verdict};
use crate::step::Resume;
use crate::value::Value;

/// What is known of a record once its route is.
struct Routed {
    route: usize,
    destination: Destination,
    /// Its value, where a rule has looked at it.
    value: Option<Value>,
}

impl Flow {
    /// Does what is to be done with a record, or with the batch that it stands for.
    #[inline]
    pub(super) fn start(
        &mut self,
        plans: &Plans,
        core: &mut Core,
        record: &Record<'_>,
        passage: Passage,
    ) {
        match passage.batch {
            Some(id) if self.windows.groups.is_some() => {
                let Some(passage) = self.line_up(core, passage, id) else { return };
                // Its first may have gone back.
                let name = self.batches.get(id).lead_id();
                let lead = self.batches.get(id).lead(name.as_deref());
                self.start_now(plans, core, &lead, passage);
            }
            _ => self.start_now(plans, core, record, passage),
        }
    }

    #[inline]
    fn start_now(
        &mut self,
        plans: &Plans,
        core: &mut Core,
        record: &Record<'_>,
        mut passage: Passage,
    ) {
        passage.runs += 1;
        let Adopted { plan, tasks } = plans.of(passage.plan);
        let position = record.position;
        let window = self.windows.get(position.assignment).expect("it gave a claim");
        let (topic, partition) = (window.topic.clone(), window.assignment.partition);
        let mark = self.windows.mark(position.assignment, position.offset);
        let condemned = mark.and_then(|mark| mark.condemned.clone());
        let origin = Origin::new(plan, &topic, partition, record);
        let run = Run { plan, tasks, origin: &origin, passage };
        if core.marker.enter(run.whose(&topic, partition), position.offset) == Verdict::Convicted {
            return self.convicted(core, run);
        }
        match passage.batch {
            Some(id) => self.begin_batch(core, run, id),
            None => self.start_marked(core, run, condemned),
        }
        core.marker.leave();
        // What a record completes starts when nothing else is marked.
        self.dispatch_ready(plans, core);
    }

    #[inline]
    fn start_marked(&mut self, core: &mut Core, run: Run<'_>, condemned: Option<String>) {
        let (plan, record) = (run.plan, run.origin.record);
        if record.value.is_none() && plan.null_value != NullValue::Null {
            self.tombstone(core, run);
        } else if let Some(why) = condemned {
            self.fail(core, run, StateError::new(OUTPUT_FAILED, why), None);
        } else {
            return self.begin(core, run);
        }
        self.pass_on(core, run);
    }

    /// The record has brought the process down, alone: it fails without being run.
    #[cold]
    fn convicted(&mut self, core: &mut Core, run: Run<'_>) {
        let cause = "The process came down while this record's execution ran, and again when it ran \
                     alone.";
        self.fail(core, run, StateError::new(CRASHED, cause), None);
        self.pass_on(core, run);
    }

    fn tombstone(&mut self, core: &mut Core, run: Run<'_>) {
        if run.plan.null_value == NullValue::Skip {
            core.counts(self.index).nulls_skipped += 1;
            return self.settle(core, run.passage, Settlement::Ack);
        }
        let error = StateError::new(input::DECODE_FAILED, "The record has no value.");
        self.ratio.count(true);
        self.end_as(Policy::DeadLetter, core, run, error, None);
    }

    /// Starts an execution, or does what the record's route says instead.
    #[inline]
    fn begin(&mut self, core: &mut Core, run: Run<'_>) {
        self.slot = None;
        self.work_on(run.passage.plan);
        self.bench.clear();
        let Routed { route, destination, value } = match self.route(core, run) {
            Ok(routed) => routed,
            Err(error) => {
                self.fail(core, run, error, None);
                return self.pass_on(core, run);
            }
        };
        let mut passage = Passage { route: Some(route as u16), ..run.passage };
        let Some(version) = destination.version(run.origin) else {
            self.divert(core, Run { passage, ..run }, destination);
            return self.pass_on(core, run);
        };
        passage.version = version as u16;
        let origin = Origin { version: run.plan.versions.get(version), ..*run.origin };
        let run = Run { origin: &origin, passage, ..run };
        if let Input::Batch(_) = run.plan.input {
            return self.gather(core, run);
        }
        let input = match input::read(&origin, value, &mut self.bench.scratch) {
            Ok(input) => input,
            Err(error) => {
                self.fail(core, run, error, None);
                return self.pass_on(core, run);
            }
        };
        core.version_counts(self.index, &passage).started += 1;
        let machine = super::machine(run, core.now_ms);
        machine.start(&mut self.execution, input, origin.seed());
        self.advance(core, run, Resume::Continue);
    }

    /// Finds the record's route.
    #[inline]
    fn route(&mut self, core: &mut Core, run: Run<'_>) -> Result<Routed, StateError> {
        let routing = &run.plan.routing;
        let scratch = &mut self.bench.scratch;
        let value = match routing.reads_value() {
            true => Some(input::value(run.origin, scratch)?),
            false => None,
        };
        let (limits, memory) = (run.plan.limits.queries, &mut self.queries);
        let asking = Asking { now_ms: core.now_ms, limits, memory };
        let (route, destination) = routing.choose(run.origin, value, scratch, asking)?;
        if run.passage.runs == 1 {
            let plan = &mut core.counters.pipelines[self.index].plans[run.passage.plan.index()];
            if let Some(count) = plan.routes.get_mut(route) {
                *count += 1;
            }
        }
        Ok(Routed { route, destination, value })
    }

    /// Ends a record that its route keeps from running.
    #[cold]
    fn divert(&mut self, core: &mut Core, run: Run<'_>, destination: Destination) {
        match destination {
            Destination::Drop => {
                core.counts(self.index).dropped += 1;
                self.settle(core, run.passage, Settlement::Dropped);
            }
            Destination::DeadLetter => {
                let route =
                    run.passage.route.map_or("", |route| run.plan.routing.name(route.into()));
                let cause = format!("Route {route:?} sends it to the dead letters.");
                self.end_as(Policy::DeadLetter, core, run, StateError::new(ROUTED, cause), None);
            }
            _ => {
                let cause = "No route matches the record. Add one, or set unmatched.";
                self.fail(core, run, StateError::new(NO_ROUTE, cause), None);
            }
        }
    }
}
