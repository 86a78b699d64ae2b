//! Texts that look like expressions and are none: a path under a key without `.$`, JSONata with
//! something around its braces.

use crate::asl::diagnostics::Diagnostics;
use crate::asl::outline::State;
use crate::asl::source::{NodeKind, Place};
use crate::asl::{codes, names};

/// The fields whose values are the user's.
const TEMPLATES: [&str; 10] = [
    names::PARAMETERS,
    names::RESULT_SELECTOR,
    names::ITEM_SELECTOR,
    names::ITEM_READER,
    names::ITEM_BATCHER,
    names::RESULT_WRITER,
    names::CREDENTIALS,
    names::ASSIGN,
    names::ARGUMENTS,
    names::OUTPUT,
];
/// The mark of a key whose value is an expression.
const MARK: &str = ".$";

/// Warns of such texts in the state's templates.
pub(super) fn review(state: &State<'_>, diagnostics: &Diagnostics) {
    for name in TEMPLATES {
        if let Some(place) = state.place.member(name) {
            each_text(&place, "", &mut |place, key, text| {
                let owner = format!("State {:?} field {name:?}", state.name);
                let message = match state.is_jsonata {
                    true => spaced(text).then(|| of_spaces(&owner)),
                    false => looks_like_a_path(key, text).then(|| of_path(&owner, key, text)),
                };
                if let Some(message) = message {
                    let code = codes::LITERAL_EXPRESSION;
                    diagnostics.warning(code, message, place.location());
                }
            });
        }
    }
}

fn of_path(owner: &str, key: &str, text: &str) -> String {
    format!(
        "{owner}: {text:?} looks like an expression and is sent as text; name the key \
         \"{key}{MARK}\" if its value is meant."
    )
}

fn of_spaces(owner: &str) -> String {
    format!(
        "{owner}: this is sent as text: an expression begins exactly with \"{{%\" and ends exactly \
         with \"%}}\"."
    )
}

/// Visits every string below `place` with the key it stands under.
pub(super) fn each_text(
    place: &Place<'_>,
    key: &str,
    visit: &mut dyn FnMut(&Place<'_>, &str, &str),
) {
    match &place.node.kind {
        NodeKind::String(text) => visit(place, key, text),
        NodeKind::Array(elements) => {
            for element in (0..elements.len()).filter_map(|index| place.element(index)) {
                each_text(&element, key, visit);
            }
        }
        NodeKind::Object(members) => {
            for member in members {
                each_text(&place.below(&member.name, &member.value), &member.name, visit);
            }
        }
        _ => {}
    }
}

/// `$.a`, `$[0]`, `$$.Execution.Id`, `States.UUID()`; not `$LATEST`, which names a version.
fn looks_like_a_path(key: &str, text: &str) -> bool {
    let is_path = ["$.", "$[", "$$."].iter().any(|start| text.starts_with(start));
    let is_call = text.strip_prefix("States.").is_some_and(|call| {
        let name = call.find(|c: char| !c.is_ascii_alphanumeric()).map(|end| call.split_at(end));
        name.is_some_and(|(name, rest)| !name.is_empty() && rest.starts_with('('))
    });
    !key.ends_with(MARK) && (is_path || (is_call && text.ends_with(')')))
}

fn spaced(text: &str) -> bool {
    let trimmed = text.trim();
    trimmed.len() < text.len() && trimmed.starts_with("{%") && trimmed.ends_with("%}")
}

#[cfg(test)]
mod tests {
    use super::super::tests::finds;

    #[test]
    fn expressions_that_are_sent_as_text() {
        let found = finds(
            "A",
            r#""A": {"Type": "Pass", "Parameters": {"a": "$.x", "b.$": "$.x", "c": ["$$.State.Name"],
                 "d": "$LATEST", "e": "States.UUID()", "f": "States.TaskFailed", "g": "$1.50"},
                 "Next": "B"},
               "B": {"Type": "Pass", "QueryLanguage": "JSONata", "End": true,
                 "Output": {"a": " {% $x %}", "b": "{% 1 %}", "c": "$.x"}}"#,
        );
        assert_eq!(
            found,
            [
                "LITERAL_EXPRESSION /States/A/Parameters/a",
                "LITERAL_EXPRESSION /States/A/Parameters/c/0",
                "LITERAL_EXPRESSION /States/A/Parameters/e",
                "LITERAL_EXPRESSION /States/B/Output/a",
            ]
        );
    }
}
