//! What only the whole machine can tell, and what is probably not meant: states that nothing reaches,
//! handlers that are never asked, texts that look like expressions, variables read before they are
//! assigned. Looks at the machine as written; what a state's own fields say is checked where they are
//! read.

mod flow;
mod texts;
mod variables;

use crate::asl::diagnostics::Diagnostics;
use crate::asl::outline::{Outline, State, elements};
use crate::asl::source::{Node, Place};
use crate::asl::{codes, names};
use crate::fault::names as errors;

/// Reports on the machine whose definition is at `root`.
pub fn review(root: &Place<'_>, diagnostics: &Diagnostics) {
    let outline = Outline::of(root);
    let states = outline.all_states();
    flow::review(&outline, diagnostics);
    for state in &states {
        for list in [names::RETRY, names::CATCH] {
            never_asked(state, list, diagnostics);
        }
        texts::review(state, diagnostics);
    }
    variables::review(&outline, diagnostics);
}

/// Warns of retriers and catchers whose errors all go to others before them.
fn never_asked(state: &State<'_>, list: &str, diagnostics: &Diagnostics) {
    let mut taken: Vec<&str> = Vec::new();
    for handler in elements(&state.place, list) {
        let Some(equals) = handler.member(names::ERROR_EQUALS) else { continue };
        let named = equals.node.as_array().unwrap_or_default().iter().filter_map(Node::as_str);
        let named: Vec<&str> = named.collect();
        if !named.is_empty() && named.iter().all(|name| takes(&taken, name)) {
            let message = format!(
                "State {:?}: this element of {list:?} is never asked: those before it take {}. \
                 Remove it, or put it before them.",
                state.name,
                named.join(", ")
            );
            diagnostics.warning(codes::NEVER_TAKEN, message, equals.location());
        }
        taken.extend(named);
    }
}

/// Do handlers that name `taken` leave nothing of `error` to later ones?
fn takes(taken: &[&str], error: &str) -> bool {
    let has = |name| taken.contains(&name);
    match error {
        errors::ALL => has(errors::ALL) || (has(errors::TASK_FAILED) && has(errors::TIMEOUT)),
        errors::TIMEOUT => has(errors::TIMEOUT),
        errors::HEARTBEAT_TIMEOUT => has(error) || has(errors::TIMEOUT) || has(errors::TASK_FAILED),
        _ => has(error) || has(errors::TASK_FAILED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asl::source::{Format, Limits, read};

    /// The findings about a machine of these states, as `CODE pointer`.
    pub(super) fn finds(start: &str, states: &str) -> Vec<String> {
        let text = format!("{{\"StartAt\": {start:?}, \"States\": {{{states}}}}}");
        let diagnostics = Diagnostics::new();
        let root = read(text.as_bytes(), Format::Json, Limits::default(), &diagnostics);
        review(&Place::root(&root.expect("valid JSON")), &diagnostics);
        let found = diagnostics.into_vec().into_iter();
        found.map(|finding| format!("{} {}", finding.code, finding.location.pointer)).collect()
    }

    #[test]
    fn handlers_that_nothing_reaches() {
        let catching = |lists: &[&str]| {
            let catchers: Vec<_> = lists
                .iter()
                .map(|names| format!("{{\"ErrorEquals\": [{names}], \"Next\": \"T\"}}"))
                .collect();
            let catch = catchers.join(",");
            finds(
                "T",
                &format!("\"T\": {{\"Type\": \"Task\", \"End\": true, \"Catch\": [{catch}]}}"),
            )
        };
        let taken = "NEVER_TAKEN /States/T/Catch/1/ErrorEquals";
        assert_eq!(catching(&["\"A\"", "\"A\""]), [taken]);
        assert_eq!(catching(&["\"States.TaskFailed\"", "\"A\", \"B\""]), [taken]);
        assert_eq!(
            catching(&["\"States.TaskFailed\", \"States.Timeout\"", "\"States.ALL\""]),
            [taken]
        );
        assert!(catching(&["\"A\"", "\"A\", \"B\""]).is_empty());
        assert!(catching(&["\"States.TaskFailed\"", "\"States.Timeout\""]).is_empty());
        assert!(catching(&["\"States.TaskFailed\"", "\"States.ALL\""]).is_empty());
    }
}
