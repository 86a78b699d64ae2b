//! What the engine tells its shards, and what they tell it: a few words, none of them per event.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::flow::Halt;
use super::plans::Order;

/// What shards are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Take records and run them.
    Run,
    /// Take no more; end when everything has settled.
    Drain,
    /// End now.
    Quit,
}

/// The engine's word to its shards, and theirs to it.
#[derive(Debug, Default)]
pub struct Control {
    phase: AtomicU8,
    halts: Mutex<BTreeMap<String, Halt>>,
    budget: AtomicUsize,
    orders: Mutex<VecDeque<Order>>,
    has_orders: AtomicBool,
}

impl Control {
    /// Tells shards what to do; they see it on their next round.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// What shards are to do.
    #[inline]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Run,
            1 => Phase::Drain,
            _ => Phase::Quit,
        }
    }

    /// A pipeline takes no more records. The first reason counts.
    pub fn halt(&self, pipeline: &str, halt: &Halt) {
        let mut halts = self.halts.lock().unwrap_or_else(PoisonError::into_inner);
        if !halts.contains_key(pipeline) {
            halts.insert(pipeline.to_owned(), halt.clone());
        }
    }

    /// Pipelines that take no more records, and why.
    pub fn halts(&self) -> BTreeMap<String, Halt> {
        self.halts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells the shard to do something once; it sees it on its next round.
    pub fn order(&self, order: Order) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push_back(order);
        self.has_orders.store(true, Ordering::Release);
    }

    /// Is there anything to do?
    #[inline]
    pub fn has_orders(&self) -> bool {
        self.has_orders.load(Ordering::Acquire)
    }

    /// What there is to do, in its order.
    pub fn take_orders(&self) -> VecDeque<Order> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        self.has_orders.store(false, Ordering::Release);
        std::mem::take(&mut *orders)
    }

    /// A shard's last word on the bytes its waiting executions hold.
    pub fn use_budget(&self, bytes: usize) {
        self.budget.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that a shard's waiting executions held when it was last heard of.
    pub fn budget_used(&self) -> usize {
        self.budget.load(Ordering::Relaxed)
    }
}
