//! The plans that a pipeline's records run on, on one shard: the current one, and those that waiting
//! records began with.

use std::sync::Arc;

use super::nested::SharedNested;
use super::plan::Plan;
use crate::metrics::Series;
use crate::tasks::Tasks;

/// A plan's place on a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanId(u16);

impl PlanId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0.into()
    }
}

/// A plan that a shard has made ready for.
#[derive(Debug)]
pub struct Adopted {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Where the shard's tasks know each of its versions.
    pub tasks: Box<[usize]>,
}

impl Adopted {
    /// Closes what it needed.
    pub fn close(&self, tasks: &mut Tasks, nested: &SharedNested) {
        self.tasks.iter().for_each(|number| tasks.remove(*number));
        nested.remove(&self.tasks);
    }
}

/// A plan that is to become a pipeline's, with what is counted for it.
#[derive(Clone, Debug)]
pub struct Successor {
    /// The plan.
    pub plan: Arc<Plan>,
    /// What is counted for it.
    pub series: Arc<Series>,
}

/// A pipeline's plans on one shard.
#[derive(Debug)]
pub struct Plans {
    list: Vec<Option<Adopted>>,
    current: PlanId,
}

impl Plans {
    /// With one plan, the current one.
    pub fn new(first: Adopted) -> Plans {
        Plans { list: vec![Some(first)], current: PlanId::default() }
    }

    /// The plan that new records run on.
    pub fn current(&self) -> PlanId {
        self.current
    }

    /// The plan there, which records are still on.
    #[inline]
    pub fn of(&self, id: PlanId) -> &Adopted {
        self.list[id.index()].as_ref().expect("a plan is kept as long as records are on it")
    }

    /// The current plan.
    pub fn now(&self) -> &Adopted {
        self.of(self.current)
    }

    /// Is a definition of this version run, by records to come or by some that wait?
    pub fn run(&self, version: u64) -> bool {
        let mut versions = self.list.iter().flatten().flat_map(|it| &it.plan.versions);
        versions.any(|it| it.program.version == version)
    }

    /// Is this so of any of them, by the numbers that the shard's tasks know their versions by?
    pub fn any(&self, is_it: impl Fn(usize) -> bool) -> bool {
        let mut numbers = self.list.iter().flatten().flat_map(|it| it.tasks.iter());
        numbers.any(|number| is_it(*number))
    }

    /// Are there any but the current one?
    pub fn has_old(&self) -> bool {
        self.list.iter().flatten().count() > 1
    }

    /// New records run on this from now on. Returns its place, which may have been another's.
    pub fn adopt(&mut self, next: Adopted) -> PlanId {
        let free = self.list.iter().position(Option::is_none).unwrap_or(self.list.len());
        if free == self.list.len() {
            self.list.push(None);
        }
        self.list[free] = Some(next);
        self.current = PlanId(free as u16);
        self.current
    }

    /// Takes out the plans that no record is on: those but the current one that `is_used` denies.
    pub fn retire(&mut self, is_used: impl Fn(PlanId) -> bool) -> Vec<Adopted> {
        let current = self.current;
        let is_done = |at: usize| {
            let id = PlanId(at as u16);
            id != current && !is_used(id)
        };
        let list = self.list.iter_mut().enumerate();
        list.filter(|(at, it)| it.is_some() && is_done(*at))
            .filter_map(|(_, it)| it.take())
            .collect()
    }
}

/// What the engine asks of a shard while it runs.
#[derive(Debug)]
pub enum Order {
    /// Make ready for these, pipeline by pipeline (by its index), and say whether that went well.
    Prepare(Vec<(usize, Successor)>, std::sync::mpsc::Sender<Result<(), String>>),
    /// New records run on what was made ready for.
    Adopt,
    /// Forget what was made ready for.
    Discard,
}
