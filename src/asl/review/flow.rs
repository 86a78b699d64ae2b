//! Whether every state can be reached, and an end.

use crate::asl::codes;
use crate::asl::diagnostics::Diagnostics;
use crate::asl::names;
use crate::asl::outline::{Outline, State};

/// Reports on a machine and on those within it.
pub(super) fn review(outline: &Outline<'_>, diagnostics: &Diagnostics) {
    for block in outline.states.iter().flat_map(|state| &state.blocks) {
        review(block, diagnostics);
    }
    // What leads to a state that is not there, or nowhere, has been reported, and may have been
    // meant to lead to any.
    let leads_astray = |state: &State<'_>| {
        let is_stuck = !state.is_end && state.ways.is_empty();
        is_stuck || state.ways.iter().any(|way| outline.state(way.to).is_none())
    };
    let has_start = outline.start.is_some_and(|name| outline.state(name).is_some());
    if !has_start || outline.states.iter().any(leads_astray) {
        return;
    }
    let reached = outline.reached();
    for (at, state) in outline.states.iter().enumerate() {
        if !reached.contains(&at) {
            let name = state.name;
            let message = format!("State {name:?} is never reached; no transition leads to it.");
            diagnostics.error(codes::UNREACHABLE_STATE, message, state.place.location());
        }
    }
    if !reached.iter().any(|at| outline.states[*at].is_end) {
        let message = "No state ends the machine: one that can be reached needs \"End\": true, \
                       or the type Succeed or Fail.";
        let states = outline.place.member(names::STATES).unwrap_or_else(|| outline.place.clone());
        diagnostics.error(codes::NO_TERMINAL_STATE, message, states.location());
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::finds;

    #[test]
    fn every_machine_is_followed_by_itself() {
        let found = finds(
            "P",
            r#""P": {"Type": "Parallel", "End": true, "Branches": [
                 {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "A"}}},
                 {"StartAt": "B", "States": {"B": {"Type": "Succeed"}, "C": {"Type": "Succeed"}}}]},
               "X": {"Type": "Succeed"}"#,
        );
        assert_eq!(
            found,
            [
                "NO_TERMINAL_STATE /States/P/Branches/0/States",
                "UNREACHABLE_STATE /States/P/Branches/1/States/C",
                "UNREACHABLE_STATE /States/X",
            ]
        );
    }

    #[test]
    fn what_follows_from_another_finding_is_none() {
        assert!(
            finds("A", r#""A": {"Type": "Pass", "Next": "Bee"}, "B": {"Type": "Succeed"}"#)
                .is_empty()
        );
        assert!(finds("A", r#""A": {"Type": "Pass"}, "B": {"Type": "Succeed"}"#).is_empty());
        assert!(finds("Aa", r#""A": {"Type": "Succeed"}"#).is_empty());
    }
}
