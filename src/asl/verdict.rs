//! Findings in the words of AWS's `ValidateStateMachineDefinition` and `CreateStateMachine`, as far
//! as those were recorded. Other findings keep their own words under AWS's codes.

use super::codes;
use crate::fault::Diagnostic;

const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";
const TARGET: &str = "MISSING_TRANSITION_TARGET";
const DESCRIPTION: &str = "INVALID_JSON_DESCRIPTION";
/// Names the fields of an object in the order in which AWS lists missing ones.
const MISSING_FIRST: &str = "States";

/// Where a state says its language.
const QUERY_LANGUAGE: &str = "/QueryLanguage";

/// A finding as AWS words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `ERROR` or `WARNING`
    pub severity: &'static str,
    /// `SCHEMA_VALIDATION_FAILED`, say.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// `/States/A/Next`; a definition that is no object has none.
    pub location: Option<String>,
}

/// The verdicts on a definition: its errors, or its warnings where it has none.
pub fn verdicts(text: &str, findings: &[Diagnostic]) -> Vec<Verdict> {
    if text.trim().is_empty() {
        return vec![no_object()];
    }
    let mut verdicts: Vec<Verdict> = Vec::new();
    let mut missing: Vec<(&str, Vec<&str>)> = Vec::new();
    for finding in findings {
        match missing_field(finding) {
            Some(name) => {
                let pointer = finding.location.pointer.as_str();
                match missing.iter_mut().find(|(at, _)| *at == pointer) {
                    Some((_, names)) => names.push(name),
                    None => missing.push((pointer, vec![name])),
                }
            }
            None => verdicts.push(verdict(text, finding)),
        }
    }
    verdicts.extend(missing.into_iter().map(|(pointer, names)| lacking(pointer, names)));
    verdicts
}

fn no_object() -> Verdict {
    let message = "Definition must be a valid JSON object".to_owned();
    Verdict { severity: "ERROR", code: SCHEMA, message, location: None }
}

/// The field that a finding says is missing.
fn missing_field(finding: &Diagnostic) -> Option<&str> {
    if finding.code != codes::MISSING_FIELD {
        return None;
    }
    let (_, after) = finding.message.split_once(" has no field \"")?;
    after.split_once('"').map(|(name, _)| name)
}

fn lacking(pointer: &str, mut names: Vec<&str>) -> Verdict {
    names.sort_by_key(|name| *name != MISSING_FIRST);
    let message = match &names[..] {
        [name] => format!("The field '{name}' is required but was missing"),
        _ => format!("These fields are required: [{}]", names.join(", ")),
    };
    let location = if pointer.is_empty() { "/" } else { pointer };
    Verdict { severity: "ERROR", code: SCHEMA, message, location: Some(location.to_owned()) }
}

fn verdict(text: &str, finding: &Diagnostic) -> Verdict {
    let pointer = finding.location.pointer.as_str();
    let (code, message, location) = match finding.code {
        codes::NOT_AN_OBJECT => return no_object(),
        codes::INVALID_JSON => return syntax(text, finding),
        codes::INVALID_TIMESTAMP => {
            (SCHEMA, Some("String does not match RFC3339 timestamp".to_owned()), pointer)
        }
        codes::INVALID_TEMPLATE => {
            let (from, to) = ("The value for the field", "intrinsic function call");
            let message = between(&finding.message, from, to);
            let message = message.map(|middle| format!("{from}{middle}{to}"));
            // AWS names the object that holds the field.
            (SCHEMA, message, pointer.rsplit_once('/').map_or(pointer, |(object, _)| object))
        }
        codes::NOT_IN_EXPRESS => {
            let at = finding.message.find("Express state machine");
            let message = at.map(|at| finding.message[at..].trim_end_matches('.').to_owned());
            (SCHEMA, message, pointer)
        }
        codes::FIELD_NOT_ALLOWED if pointer.ends_with(QUERY_LANGUAGE) => {
            let message = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole \
                           state machine";
            // AWS names the state.
            (SCHEMA, Some(message.to_owned()), pointer.trim_end_matches(QUERY_LANGUAGE))
        }
        codes::UNKNOWN_FIELD | codes::FIELD_NOT_ALLOWED => {
            (SCHEMA, Some("Field is not supported".to_owned()), pointer)
        }
        codes::MISSING_TRANSITION_TARGET => {
            let field = pointer.rsplit('/').next().unwrap_or_default();
            let target = between(&finding.message, " value \"", "\" is not found");
            let message = target.map(|target| format!("Missing '{field}' target: {target}"));
            (TARGET, message, pointer)
        }
        _ => (SCHEMA, None, pointer),
    };
    let severity = if finding.is_error() { "ERROR" } else { "WARNING" };
    let message = message.unwrap_or_else(|| finding.message.clone());
    Verdict { severity, code, message, location: Some(location.to_owned()) }
}

/// What stands between two texts.
fn between<'t>(text: &'t str, from: &str, to: &str) -> Option<&'t str> {
    let (_, after) = text.split_once(from)?;
    after.split_once(to).map(|(middle, _)| middle)
}

/// JSON that can't be read: in the words of AWS's parser where it stops at a word, in ours elsewhere.
fn syntax(text: &str, finding: &Diagnostic) -> Verdict {
    let crate::fault::Location { line, column, .. } = finding.location;
    let wrong = text.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default();
    let rest: String = wrong.chars().skip(column.saturating_sub(1) as usize).collect();
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let word = &rest[..end];
    let is_word = word.starts_with(|c: char| c.is_alphabetic());
    let column = if is_word { column + word.chars().count() as u32 } else { column };
    let location = format!("[Source: (String)\"{text}\"; line: {line}, column: {column}]");
    let what = match is_word {
        true => format!(
            "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or \
             token 'null', 'true' or 'false')"
        ),
        false => finding.message.clone(),
    };
    let message = format!("{what}\n at {location}");
    Verdict { severity: "ERROR", code: DESCRIPTION, message, location: Some(location) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Location;

    #[track_caller]
    fn says(text: &str, code: &'static str, pointer: &str, message: &str, told: (&str, &str)) {
        let location = Location { pointer: pointer.to_owned(), line: 1, column: 1, width: 1 };
        let verdicts = verdicts(text, &[Diagnostic::error(code, message, location)]);
        let location = verdicts[0].location.as_deref().unwrap_or("nowhere");
        assert_eq!((verdicts[0].message.as_str(), location), told);
        assert_eq!(verdicts.len(), 1);
    }

    #[test]
    fn recorded_words_are_used() {
        let message = "State \"A\" field \"Next\" value \"B\" is not found in \"States\".";
        let told = ("Missing 'Next' target: B", "/States/A/Next");
        says("{}", codes::MISSING_TRANSITION_TARGET, "/States/A/Next", message, told);
        let message = "State \"A\" field \"Next\" value \" is\" is not found in \"States\".";
        let told = ("Missing 'Next' target:  is", "/States/A/Next");
        says("{}", codes::MISSING_TRANSITION_TARGET, "/States/A/Next", message, told);
        let message = "x: The value for the field 'a.$' must be a valid JSONPath or a valid \
                       intrinsic function call: why";
        let told = (&message[3..message.len() - 5], "/States/A/Parameters");
        says("{}", codes::INVALID_TEMPLATE, "/States/A/Parameters/a.$", message, told);
        let message = "State \"A\" Credentials has no field \"RoleArn\"; it is required.";
        let told = ("The field 'RoleArn' is required but was missing", "/A/Credentials");
        says("{}", codes::MISSING_FIELD, "/A/Credentials", message, told);
        says(
            " ",
            codes::INVALID_JSON,
            "",
            "x",
            ("Definition must be a valid JSON object", "nowhere"),
        );
    }

    #[test]
    fn missing_fields_of_an_object_are_one_verdict() {
        let missing = |name: &str| {
            let message = format!("The definition has no field {name:?}; it is required.");
            Diagnostic::error(codes::MISSING_FIELD, message, Location::default())
        };
        let verdicts = verdicts("{}", &[missing("StartAt"), missing("States")]);
        assert_eq!(verdicts.len(), 1);
        assert_eq!(verdicts[0].message, "These fields are required: [States, StartAt]");
        assert_eq!(verdicts[0].location.as_deref(), Some("/"));
    }
}
