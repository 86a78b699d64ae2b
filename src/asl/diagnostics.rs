//! The collector of findings: shared by everything that reads one definition, so that all findings
//! come at once.

use std::cell::RefCell;
use std::collections::HashSet;

use crate::asl::codes;
use crate::fault::{Diagnostic, Location};

/// How many findings are kept of one definition; the rest is only counted.
pub const FINDINGS_MAX: usize = 500;

/// The findings about one definition. Shared by reference: readers of nested parts report into the
/// same one.
#[derive(Debug, Default)]
pub struct Diagnostics {
    found: RefCell<Vec<Diagnostic>>,
    beyond: RefCell<Beyond>,
}

/// What came after the limit was reached.
#[derive(Debug, Default)]
struct Beyond {
    count: usize,
    errors: bool,
}

impl Diagnostics {
    /// An empty collector.
    pub fn new() -> Diagnostics {
        Diagnostics::default()
    }

    /// Adds a finding.
    pub fn report(&self, diagnostic: Diagnostic) {
        let mut found = self.found.borrow_mut();
        if found.len() < FINDINGS_MAX {
            return found.push(diagnostic);
        }
        let mut beyond = self.beyond.borrow_mut();
        beyond.count += 1;
        beyond.errors |= diagnostic.is_error();
    }

    /// Adds an error.
    pub fn error(&self, code: &'static str, message: impl Into<String>, location: Location) {
        self.report(Diagnostic::error(code, message, location));
    }

    /// Adds a warning.
    pub fn warning(&self, code: &'static str, message: impl Into<String>, location: Location) {
        self.report(Diagnostic::warning(code, message, location));
    }

    /// Is there any error so far?
    pub fn has_errors(&self) -> bool {
        self.beyond.borrow().errors || self.found.borrow().iter().any(Diagnostic::is_error)
    }

    /// Is there no finding so far?
    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// All findings in the order of the text.
    pub fn into_vec(self) -> Vec<Diagnostic> {
        let (mut found, beyond) = (self.found.into_inner(), self.beyond.into_inner());
        // What is wrong with a text that was not filled is no more than that.
        let is_unresolved = |finding: &Diagnostic| finding.code == codes::UNRESOLVED_PLACEHOLDER;
        let unresolved: HashSet<String> = found
            .iter()
            .filter(|finding| is_unresolved(finding))
            .map(|finding| finding.location.pointer.clone())
            .collect();
        found.retain(|it| is_unresolved(it) || !unresolved.contains(&it.location.pointer));
        found.sort_by_key(|finding| (finding.location.line, finding.location.column));
        // What is used twice is looked at twice.
        found.dedup();
        if beyond.count > 0 {
            let message = format!(
                "There are {} more findings; correct the first {FINDINGS_MAX}, then check again.",
                beyond.count
            );
            let of = if beyond.errors { Diagnostic::error } else { Diagnostic::warning };
            found.push(of(codes::TOO_MANY_FINDINGS, message, Location::default()));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32) -> Location {
        Location { line, ..Location::default() }
    }

    #[test]
    fn come_in_the_order_of_the_text() {
        let diagnostics = Diagnostics::new();
        diagnostics.warning(codes::UNREACHABLE_STATE, "b", at(9));
        assert!(!diagnostics.has_errors());
        diagnostics.error(codes::UNKNOWN_FIELD, "a", at(2));
        assert!(diagnostics.has_errors());
        diagnostics.warning(codes::UNREACHABLE_STATE, "b", at(9));
        let lines: Vec<_> = diagnostics.into_vec().iter().map(|d| d.location.line).collect();
        assert_eq!(lines, [2, 9]);
    }

    #[test]
    fn are_bounded() {
        let diagnostics = Diagnostics::new();
        let warn = |line| diagnostics.warning(codes::UNREACHABLE_STATE, "w", at(line));
        (0..FINDINGS_MAX as u32).for_each(warn);
        diagnostics.error(codes::UNKNOWN_FIELD, "e", at(1));
        assert!(diagnostics.has_errors());
        let all = diagnostics.into_vec();
        assert_eq!(
            (all.len(), all[FINDINGS_MAX].code),
            (FINDINGS_MAX + 1, codes::TOO_MANY_FINDINGS)
        );
        assert!(all[FINDINGS_MAX].is_error());
    }
}
