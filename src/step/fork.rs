//! What a state that runs others asks for.

use super::TaskRequest;
use crate::value::Value;

/// What is to run before the state goes on.
#[derive(Clone, Copy, Debug)]
pub enum Fork {
    /// Parallel: every branch, on this input.
    Branches(Value),
    /// Map: an iteration for each item.
    Iterations {
        /// An array, or an object whose members are the items.
        items: Value,
        /// `$` of `ItemSelector`: the state's effective input.
        input: Value,
    },
    /// Map with an `ItemReader`: this call first, whose answer holds the items.
    Read(TaskRequest),
}

/// How a Map's iterations run; apart from [`Fork`], which every state's answer has room for.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// `MaxConcurrency`; 0 for as many as the machine allows.
    pub concurrency: u32,
    /// `ToleratedFailureCount`, `ToleratedFailurePercentage`
    pub tolerance: Tolerance,
    /// `ItemBatcher`
    pub batches: Option<Batches>,
}

/// How many items of a distributed Map may fail: no more than the stricter of both says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tolerance {
    /// `ToleratedFailureCount`
    pub count: Option<u64>,
    /// `ToleratedFailurePercentage`
    pub percentage: Option<f64>,
}

/// How items are put together.
#[derive(Clone, Copy, Debug)]
pub struct Batches {
    /// `MaxItemsPerBatch`
    pub items_max: Option<u64>,
    /// `MaxInputBytesPerBatch`
    pub bytes_max: Option<u64>,
    /// `BatchInput`
    pub input: Option<Value>,
}

impl Tolerance {
    /// Are `failed` of `total` items too many? Without any limit one is.
    pub fn is_exceeded(&self, failed: u64, total: u64) -> bool {
        let too_many = |count: u64| failed > count;
        let too_much = |percentage: f64| failed as f64 * 100.0 > percentage * total as f64;
        match (self.count, self.percentage) {
            (None, None) => failed > 0,
            (count, percentage) => count.is_some_and(too_many) || percentage.is_some_and(too_much),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_limit_may_be_exceeded() {
        let of = |count, percentage| Tolerance { count, percentage };
        assert!(of(None, None).is_exceeded(1, 100) && !of(None, None).is_exceeded(0, 100));
        assert!(!of(Some(2), None).is_exceeded(2, 2) && of(Some(2), None).is_exceeded(3, 100));
        assert!(!of(None, Some(50.0)).is_exceeded(1, 2) && of(None, Some(49.9)).is_exceeded(1, 2));
        assert!(of(Some(1), Some(100.0)).is_exceeded(2, 2));
        assert!(!of(None, Some(100.0)).is_exceeded(2, 2));
    }
}
