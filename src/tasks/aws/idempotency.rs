//! Names and tokens that make starting things idempotent: where a record is run again, the service
//! answers with what it has started already.

use crate::step::CallSite;
use crate::value::hash;

/// Step Functions' limit on an execution's name.
const NAME_CHARS_MAX: usize = 80;

/// What names derive from: the same whenever the call is made again.
#[derive(Clone, Debug)]
pub(in crate::tasks) struct Names<'a> {
    pub(in crate::tasks) execution: &'a str,
    pub(in crate::tasks) site: CallSite,
}

impl Names<'_> {
    fn site(&self) -> u64 {
        let CallSite { scope, step, visit, attempt } = self.site;
        let numbers = [scope, step.0.into(), visit.into(), attempt.into()];
        hash(numbers.into_iter().flat_map(u64::to_le_bytes))
    }

    /// An execution's name.
    pub(in crate::tasks) fn name(&self) -> String {
        match self.execution.len() + 17 <= NAME_CHARS_MAX {
            true => format!("{}-{:016x}", self.execution, self.site()),
            false => self.token(),
        }
    }

    /// A token of 33 characters.
    pub(in crate::tasks) fn token(&self) -> String {
        format!("{:016x}-{:016x}", hash(self.execution.bytes()), self.site())
    }
}
