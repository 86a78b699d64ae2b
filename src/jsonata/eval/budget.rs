//! What an evaluation has taken of its budget. Counting is cheap and can't fail: a walk over items
//! just ends when the budget is used up, and then so does the evaluation, with the limit's name,
//! whatever came out of the walk.

use std::cell::Cell;

use super::{Evaluation, Result, stack_now};
use crate::jsonata::error::QueryError;
use crate::jsonata::item::Item;
use crate::jsonata::{Limits, Memory};
use crate::value::Scratch;

/// Steps between two looks at the memory in use.
const CHECK_STEPS: u64 = 64;
/// Bytes that are copied or compared in the time of a step.
const BYTES_PER_STEP: usize = 64;
/// Bytes of an array or object that are passed over, looking for a member, in the time of a step.
const PASSED_PER_STEP: usize = 256;

/// Steps in the time that it takes to look a key up among many and to remember it, about.
pub(super) const KEY_STEPS: u64 = 30;

/// A limit that was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breach {
    Steps,
    Memory,
}

/// The counters of one evaluation.
pub(in crate::jsonata) struct Budget {
    pub limits: Limits,
    /// Nodes evaluated, and items that functions looked at.
    steps: Cell<u64>,
    /// How many steps there may be before the next look at the memory.
    due: Cell<u64>,
    /// Bytes that functions hold beside the arenas.
    held: Cell<usize>,
    breach: Cell<Option<Breach>>,
    depth: u32,
    /// Where the native stack stood at the start.
    stack_start: usize,
    /// Bytes of the scratch memory that were in use at the start.
    used_before: usize,
}

impl Budget {
    pub fn new(limits: Limits, scratch: &Scratch) -> Budget {
        Budget {
            limits,
            steps: Cell::new(0),
            due: Cell::new(CHECK_STEPS.min(limits.steps_max)),
            held: Cell::new(0),
            breach: Cell::new(None),
            depth: 0,
            stack_start: stack_now(),
            used_before: scratch.used(),
        }
    }

    fn used(&self, memory: &Memory, scratch: &Scratch) -> usize {
        memory.used() + scratch.used().saturating_sub(self.used_before) + self.held.get()
    }
}

impl Evaluation<'_> {
    /// Counts steps; `false`: the budget is used up.
    #[inline]
    pub fn tick(&self, steps: u64) -> bool {
        let count = self.budget.steps.get().saturating_add(steps);
        self.budget.steps.set(count);
        count <= self.budget.due.get() || self.look()
    }

    /// Counts the work of copying or comparing so many bytes.
    pub fn tick_bytes(&self, bytes: usize) -> bool {
        self.tick((bytes / BYTES_PER_STEP) as u64)
    }

    /// Counts the work of looking for something in an array or object.
    #[inline]
    pub fn tick_passed(&self, container: Item) {
        if let Item::Json(value) = container
            && value.size_max() >= PASSED_PER_STEP
        {
            self.tick((value.size_max() / PASSED_PER_STEP) as u64);
        }
    }

    /// Is the evaluation within its budget of steps and memory?
    #[cold]
    fn look(&self) -> bool {
        let budget = &self.budget;
        let breach = if budget.steps.get() > budget.limits.steps_max {
            Some(Breach::Steps)
        } else if budget.used(self.memory, self.scratch) > budget.limits.memory_max {
            Some(Breach::Memory)
        } else {
            None
        };
        if budget.breach.get().is_none() {
            budget.breach.set(breach);
        }
        let is_within = budget.breach.get().is_none();
        let next = budget.steps.get().saturating_add(CHECK_STEPS).min(budget.limits.steps_max);
        budget.due.set(if is_within { next } else { 0 });
        is_within
    }

    /// Has a walk ended for want of budget?
    pub fn check(&self) -> Result<()> {
        match self.budget.breach.get() {
            None => Ok(()),
            Some(breach) => Err(self.breached(breach)),
        }
    }

    #[cold]
    fn breached(&self, breach: Breach) -> QueryError {
        let limits = self.budget.limits;
        match breach {
            Breach::Steps => QueryError::limit(format_args!("{} steps", limits.steps_max)),
            Breach::Memory => {
                QueryError::limit(format_args!("{} bytes of memory", limits.memory_max))
            }
        }
    }

    /// Counts work that a function does without evaluating nodes.
    pub fn spend(&self, steps: usize) -> Result<()> {
        if self.tick(steps as u64) { Ok(()) } else { self.check() }
    }

    /// Counts a step and a level.
    #[inline]
    pub fn enter(&mut self) -> Result<()> {
        self.budget.depth += 1;
        if self.budget.depth > self.budget.limits.depth_max {
            return Err(self.too_deep());
        }
        if self.budget.stack_start.abs_diff(stack_now()) > self.budget.limits.stack_bytes_max {
            return Err(self.out_of_stack());
        }
        self.spend(1)
    }

    /// Takes the level back.
    #[inline]
    pub fn leave(&mut self) {
        self.budget.depth -= 1;
    }

    /// Levels entered, to be gone back to by [`Evaluation::leave_to`].
    pub fn depth(&self) -> u32 {
        self.budget.depth
    }

    pub fn leave_to(&mut self, depth: u32) {
        self.budget.depth = depth;
    }

    #[cold]
    fn too_deep(&self) -> QueryError {
        QueryError::limit(format_args!("{} levels of depth", self.budget.limits.depth_max))
    }

    #[cold]
    fn out_of_stack(&self) -> QueryError {
        QueryError::limit(format_args!("{} bytes of stack", self.budget.limits.stack_bytes_max))
    }

    /// May `bytes` more be taken?
    pub fn allow(&self, bytes: usize) -> Result<()> {
        let used = self.budget.used(self.memory, self.scratch);
        if used.saturating_add(bytes) > self.budget.limits.memory_max {
            return Err(self.breached(Breach::Memory));
        }
        Ok(())
    }

    /// Takes bytes beside the arenas, until [`Evaluation::hold_only`].
    pub fn hold(&self, bytes: usize) -> Result<()> {
        self.allow(bytes)?;
        self.budget.held.set(self.budget.held.get() + bytes);
        Ok(())
    }

    /// Bytes that are held beside the arenas.
    pub fn held(&self) -> usize {
        self.budget.held.get()
    }

    /// Takes what it takes to remember a key or value of so many bytes among others.
    pub fn remember(&self, bytes: usize) -> Result<()> {
        self.tick(KEY_STEPS);
        self.hold(bytes + size_of::<String>())
    }

    /// Gives back what was taken since [`Evaluation::held`] gave this number.
    pub fn hold_only(&self, bytes: usize) {
        self.budget.held.set(bytes);
    }

    /// May a string have this many bytes?
    pub fn allow_string(&self, bytes: usize) -> Result<()> {
        if bytes > self.budget.limits.string_bytes_max {
            return Err(self.too_long());
        }
        self.allow(bytes)
    }

    #[cold]
    pub fn too_long(&self) -> QueryError {
        let limit = self.budget.limits.string_bytes_max;
        QueryError::limit(format_args!("{limit} bytes in a string"))
    }

    /// May a list have this many items?
    pub fn allow_list(&self, len: usize) -> Result<()> {
        let limit = self.budget.limits.sequence_max;
        if len > limit as usize {
            return Err(QueryError::limit(format_args!("{limit} items in a sequence")));
        }
        self.allow(len * size_of::<Item>())
    }

    /// May the text of a value have this many bytes? Parts may be shared, so that it takes little
    /// memory, but much time to write or compare.
    pub fn allow_value(&self, bytes: usize) -> Result<()> {
        let limit = self.budget.limits.memory_max;
        if bytes > limit {
            return Err(QueryError::limit(format_args!("{limit} bytes in a value")));
        }
        Ok(())
    }
}
