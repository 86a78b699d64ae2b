//! What of an execution outlives a step: its roots. All else in the scratch memory is garbage once
//! the step is over; roots move together when there is much of it, and out when the execution parks.

use super::execution::{Execution, History};
use super::fork::Fork;
use super::thread::{Phase, Thread};
use crate::value::{Block, Scratch, Value};

/// Bytes of each of JSONata's lists that are kept for the next evaluations.
const QUERY_BYTES_KEPT: usize = 64 << 10;

impl Execution {
    /// Moves what is live together. The limit grows with it, so that the work stays proportional.
    pub(super) fn compact(&mut self, scratch: &mut Scratch, garbage_max: usize) {
        if self.open_forks == 0 {
            let Thread { state_input, variables, writes, .. } = self.thread;
            let mut roots = [self.history.input, state_input, variables, writes];
            scratch.compact(&mut roots);
            self.set_roots(roots);
        } else {
            let mut roots = self.take_roots(scratch);
            scratch.compact(&mut roots);
            self.put_roots(scratch, roots);
        }
        self.garbage_limit = garbage_max + 2 * scratch.used();
    }

    /// Copies what is live into `block`, so that the scratch memory can serve others.
    pub fn park(&mut self, scratch: &mut Scratch, block: &mut Block) {
        self.queries.shrink_to(QUERY_BYTES_KEPT);
        if self.open_forks == 0 {
            let Thread { state_input, variables, writes, .. } = self.thread;
            return scratch.park(&[self.history.input, state_input, variables, writes], block);
        }
        let roots = self.take_roots(scratch);
        scratch.park(&roots, block);
        self.roots = roots;
    }

    /// Trades places with an execution that waits, or is to. The working memory stays here, where
    /// executions run, so that none is made anew after each wait.
    pub fn trade_places(&mut self, other: &mut Execution) {
        std::mem::swap(self, other);
        std::mem::swap(&mut self.queries, &mut other.queries);
    }

    /// Brings back what [`Execution::park`] put there.
    pub fn unpark(&mut self, scratch: &mut Scratch, block: &Block) {
        if self.open_forks == 0 {
            let mut roots = [Value::NULL; 4];
            scratch.resume(block, &mut roots);
            return self.set_roots(roots);
        }
        let mut roots = std::mem::take(&mut self.roots);
        scratch.resume(block, &mut roots);
        self.put_roots(scratch, roots);
    }

    /// Is anything forked? Such an execution may hold much that is costly to move.
    pub fn is_forked(&self) -> bool {
        self.open_forks > 0
    }

    fn set_roots(&mut self, [input, state_input, variables, writes]: [Value; 4]) {
        self.history.input = input;
        self.thread.state_input = state_input;
        self.thread.variables = variables;
        self.thread.writes = writes;
    }

    fn take_roots(&mut self, scratch: &mut Scratch) -> Vec<Value> {
        let open = self.forks.iter_mut().filter(|fork| fork.is_open());
        open.for_each(|fork| fork.pack(scratch));
        let mut roots = std::mem::take(&mut self.roots);
        roots.clear();
        self.each_root(&mut |root| roots.push(*root));
        roots
    }

    fn put_roots(&mut self, scratch: &Scratch, roots: Vec<Value>) {
        let mut next = roots.iter();
        self.each_root(&mut |root| {
            if let Some(moved) = next.next() {
                *root = *moved;
            }
        });
        let open = self.forks.iter_mut().filter(|fork| fork.is_open());
        open.for_each(|fork| fork.unpack(scratch));
        self.roots = roots;
    }

    /// Every root, in an order that stays the same.
    fn each_root(&mut self, visit: &mut dyn FnMut(&mut Value)) {
        visit(&mut self.history.input);
        for History { input, .. } in &mut self.histories {
            visit(input);
        }
        self.thread.each_root(visit);
        for (index, thread) in (0..).zip(&mut self.threads) {
            if index != self.current && thread.phase != Phase::Over {
                thread.each_root(visit);
            }
        }
        self.forks.iter_mut().filter(|fork| fork.is_open()).for_each(|fork: &mut Fork| {
            fork.each_root(visit);
        });
    }
}
