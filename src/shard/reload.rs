//! What a pipeline runs on is exchanged while it runs: made ready for on all shards first, then
//! adopted by each between two ticks. Records stay with the plan that they came under.

use std::sync::Arc;

use super::nested::SharedNested;
use super::plan::Plan;
use super::plans::{Adopted, Order, Successor};
use super::{Running, Shard};
use crate::tasks::{OpenError, Tasks};

/// Opens what the plan's tasks need, and those of the machines that they may start.
pub(super) fn ready_for(
    plan: Arc<Plan>,
    tasks: &mut Tasks,
    nested: &SharedNested,
) -> Result<Adopted, OpenError> {
    let mut opened = Vec::new();
    let mut ready = || {
        for version in &plan.versions {
            opened.push(tasks.add(version.tasks.clone())?);
        }
        nested.add(&opened, &plan.machines)
    };
    let outcome = ready();
    let adopted = Adopted { plan, tasks: opened.into() };
    match outcome {
        Ok(()) => Ok(adopted),
        Err(e) => {
            adopted.close(tasks, nested);
            Err(e)
        }
    }
}

impl Shard {
    /// Does what the engine has ordered.
    #[cold]
    pub(super) fn obey(&mut self) {
        for order in self.control.take_orders() {
            match order {
                Order::Prepare(next, told) => {
                    let outcome = self.prepare(next);
                    if outcome.is_err() {
                        self.discard();
                    }
                    // An engine that does not listen any more is stopping.
                    let _ = told.send(outcome);
                }
                Order::Adopt => self.adopt(),
                Order::Discard => self.discard(),
            }
        }
    }

    fn prepare(&mut self, next: Vec<(usize, Successor)>) -> Result<(), String> {
        let runtime = self.runtime.handle().clone();
        let _guard = runtime.enter();
        for (lane, Successor { plan, series }) in next {
            let adopted =
                ready_for(plan, &mut self.core.tasks, &self.nested).map_err(|e| e.message)?;
            self.lanes[lane].next = Some((adopted, series));
        }
        Ok(())
    }

    fn adopt(&mut self) {
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            let Running { plans, next, flow, .. } = lane;
            let Some((adopted, series)) = next.take() else { continue };
            // What was gathered under the plan before comes before what is gathered under this one.
            flow.dispatch_all(plans, &mut self.core);
            let plan = adopted.plan.clone();
            let id = plans.adopt(adopted);
            flow.furnish(id, &plan);
            self.core.counters.pipelines[at].adopt(id.index(), series);
        }
    }

    fn discard(&mut self) {
        for lane in &mut self.lanes {
            let Some((adopted, _)) = lane.next.take() else { continue };
            adopted.close(&mut self.core.tasks, &self.nested);
        }
    }

    /// Lets go of plans that no record is on any more.
    pub(super) fn retire(&mut self) {
        for lane in &mut self.lanes {
            let Running { plans, flow, .. } = lane;
            if !plans.has_old() {
                continue;
            }
            for adopted in plans.retire(|id| flow.uses(&self.core, id)) {
                adopted.close(&mut self.core.tasks, &self.nested);
            }
        }
    }
}
