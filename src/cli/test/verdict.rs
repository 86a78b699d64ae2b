//! What an execution was and what was expected of it, compared: every difference in words that a
//! person can read.

use serde_json::Value as Json;
use similar::{ChangeTag, TextDiff};

use super::run::Ran;
use super::suite::{Call, Expect};
use crate::cli::demo::paint::Paint;

/// Lines of agreement shown around a difference.
const AROUND: usize = 3;
/// Characters of a line that holds a whole list or object.
const LINE_CHARS_MAX: usize = 72;

/// The differences, a text of one or more lines each; none where it is as expected.
pub(super) fn differences(expect: &Expect, ran: &Ran, paint: Paint) -> Vec<String> {
    if let Some(trouble) = &ran.trouble {
        let entered = format!("\n    it had entered: {}", ran.path.join(" -> "));
        return vec![format!("{trouble}{}", if ran.path.is_empty() { "" } else { &entered })];
    }
    let mut found = Vec::new();
    if let Some(status) = expect.status.filter(|status| *status != ran.status) {
        let (name, cause) = (ran.error.as_deref(), ran.cause.as_deref());
        let why = match (name, cause) {
            (None, None) => String::new(),
            _ => {
                format!("\n    {}: {}", name.unwrap_or("(no name)"), cause.unwrap_or("(no cause)"))
            }
        };
        found.push(format!("status: expected {status}, but it was {}{why}", ran.status));
    }
    for (what, wanted, got) in
        [("error", &expect.error, &ran.error), ("cause", &expect.cause, &ran.cause)]
    {
        let Some(wanted) = wanted.as_ref().filter(|wanted| Some(*wanted) != got.as_ref()) else {
            continue;
        };
        let got = got.as_deref().unwrap_or("(none)");
        found.push(format!("{what}:{}", diff(wanted, got, paint)));
    }
    if let Some(wanted) = &expect.output {
        found.extend(output_difference(wanted, ran, &expect.ignore, paint));
    }
    if let Some(wanted) = expect.path.as_ref().filter(|wanted| **wanted != ran.path) {
        found.push(format!("path:{}", diff(&wanted.join("\n"), &ran.path.join("\n"), paint)));
    }
    if let Some(wanted) = expect.calls.as_ref().filter(|wanted| !as_called(wanted, &ran.calls)) {
        let got = ran.calls.iter().enumerate().map(|(at, call)| Call {
            // What is not looked at is no difference.
            arguments: call
                .arguments
                .clone()
                .filter(|_| wanted.get(at).is_none_or(|wanted| wanted.arguments.is_some())),
            ..call.clone()
        });
        let got: Vec<Call> = got.collect();
        found.push(format!("calls:{}", diff(&listed(wanted), &listed(&got), paint)));
    }
    found
}

fn output_difference(wanted: &Json, ran: &Ran, ignore: &[String], paint: Paint) -> Option<String> {
    let wanted = without(wanted, ignore);
    let got = match &ran.output {
        Some(got) => without(got, ignore),
        None => return Some(format!("output:{}", diff(&pretty(&wanted), "(none)", paint))),
    };
    (!same(&wanted, &got))
        .then(|| format!("output:{}", diff(&pretty(&wanted), &pretty(&got), paint)))
}

fn as_called(wanted: &[Call], got: &[Call]) -> bool {
    let is_same = |(wanted, got): (&Call, &Call)| {
        wanted.state == got.state
            && match (&wanted.arguments, &got.arguments) {
                (None, _) => true,
                (Some(wanted), Some(got)) => same(wanted, got),
                (Some(_), None) => false,
            }
    };
    wanted.len() == got.len() && wanted.iter().zip(got).all(is_same)
}

fn listed(calls: &[Call]) -> String {
    let shown = calls.iter().map(|call| match &call.arguments {
        Some(arguments) => format!("{}: {}", call.state, pretty(arguments)),
        None => call.state.clone(),
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// Are they the same value? Numbers by what they are, not by how they are spelled.
fn same(one: &Json, two: &Json) -> bool {
    match (one, two) {
        (Json::Number(one), Json::Number(two)) => match (integer(one), integer(two)) {
            (Some(one), Some(two)) => one == two,
            _ => one == two || one.as_f64() == two.as_f64(),
        },
        (Json::Array(one), Json::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
        }
        (Json::Object(one), Json::Object(two)) => {
            one.len() == two.len()
                && one.iter().all(|(key, one)| two.get(key).is_some_and(|two| same(one, two)))
        }
        _ => one == two,
    }
}

/// All digits of a whole number that has them.
fn integer(number: &serde_json::Number) -> Option<i128> {
    number.as_i64().map(i128::from).or(number.as_u64().map(i128::from))
}

/// The value without what stands at these pointers.
fn without(value: &Json, pointers: &[String]) -> Json {
    let mut value = value.clone();
    for pointer in pointers {
        let Some((parent, last)) = pointer.rsplit_once('/') else { continue };
        let last = last.replace("~1", "/").replace("~0", "~");
        match value.pointer_mut(parent) {
            Some(Json::Object(members)) => drop(members.shift_remove(&last)),
            Some(Json::Array(items)) => {
                if let Some(item) = last.parse::<usize>().ok().and_then(|at| items.get_mut(at)) {
                    *item = Json::Null;
                }
            }
            _ => {}
        }
    }
    value
}

/// The value with its members in the order of their names, so that order makes no difference; what
/// fits on a line stands on one.
fn pretty(value: &Json) -> String {
    let mut text = String::new();
    write(&sorted(value), 0, &mut text);
    text
}

fn write(value: &Json, depth: usize, out: &mut String) {
    let (open, close, parts): (_, _, Vec<(String, &Json)>) = match value {
        Json::Array(items) => ('[', ']', items.iter().map(|it| (String::new(), it)).collect()),
        Json::Object(members) => {
            let part = |(name, it)| (format!("{}: ", Json::from(name as &str)), it);
            ('{', '}', members.iter().map(|(name, it)| part((name, it))).collect())
        }
        _ => return *out += &value.to_string(),
    };
    let compact = value.to_string();
    // The outermost value is taken apart all the same: a difference is one of its parts.
    if parts.is_empty() || (depth > 0 && depth * 2 + compact.len() <= LINE_CHARS_MAX) {
        return *out += &compact;
    }
    out.push(open);
    for (at, (name, part)) in parts.iter().enumerate() {
        *out += if at > 0 { ",\n" } else { "\n" };
        *out += &"  ".repeat(depth + 1);
        *out += name;
        write(part, depth + 1, out);
    }
    *out += &format!("\n{}{close}", "  ".repeat(depth));
}

fn sorted(value: &Json) -> Json {
    match value {
        Json::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            Json::Object(
                names.into_iter().map(|name| (name.clone(), sorted(&members[name]))).collect(),
            )
        }
        Json::Array(items) => Json::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// The lines that differ, `-` what was expected and `+` what came, with a few lines around.
fn diff(wanted: &str, got: &str, paint: Paint) -> String {
    let diff = TextDiff::from_lines(wanted, got);
    let mut text = format!("   {} {}", paint.bad("- expected"), paint.good("+ got"));
    for (at, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if at > 0 {
            text += &format!("\n{}", paint.dim("      ⋮"));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let line = change.value().trim_end_matches('\n');
            text += "\n    ";
            text += &match change.tag() {
                ChangeTag::Delete => paint.bad(&format!("- {line}")),
                ChangeTag::Insert => paint.good(&format!("+ {line}")),
                ChangeTag::Equal => format!("  {line}"),
            };
        }
    }
    text
}

/// The text with every line moved in.
pub(super) fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| format!("    {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLAIN: Paint = Paint::none();

    #[test]
    fn values_are_compared_by_what_they_are() {
        assert!(same(&json!({"a": 1, "b": [2.0]}), &json!({"b": [2], "a": 1.0})));
        assert!(!same(&json!({"a": 1}), &json!({"a": 1, "b": null})));
        assert!(!same(&json!([1, 2]), &json!([2, 1])));
        assert!(!same(&json!(9_007_199_254_740_993_i64), &json!(9_007_199_254_740_992_i64)));
        let value = json!({"a": {"b/c": 1, "d": 2}, "e": [1, 2]});
        let ignored = ["/a/b~1c".to_owned(), "/e/0".to_owned(), "/gone/x".to_owned()];
        assert_eq!(without(&value, &ignored), json!({"a": {"d": 2}, "e": [null, 2]}));
    }

    #[test]
    fn what_fits_on_a_line_stands_on_one() {
        let value = json!({"b": [1, {"x": 2}], "a": {}, "c": ["x".repeat(40), "y".repeat(40)]});
        let (x, y) = ("x".repeat(40), "y".repeat(40));
        let expected = format!(
            "{{\n  \"a\": {{}},\n  \"b\": [1,{{\"x\":2}}],\n  \"c\": [\n    \"{x}\",\n    \"{y}\"\n  ]\n}}"
        );
        assert_eq!(pretty(&value), expected);
    }

    #[test]
    fn only_what_differs_is_shown() {
        let wanted = json!({"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8});
        let mut got = wanted.clone();
        got["h"] = json!(9);
        let expect = Expect { output: Some(wanted), ..Expect::default() };
        let ran = Ran { output: Some(got), ..Ran::default() };
        let told = differences(&expect, &ran, PLAIN).join("\n");
        assert!(
            told.contains("\n    -   \"h\": 8\n    +   \"h\": 9\n") && !told.contains("\"a\""),
            "{told}"
        );
    }

    #[test]
    fn an_output_that_did_not_come_is_a_difference() {
        let expect = Expect { output: Some(json!({"a": 1})), ..Expect::default() };
        let told = differences(&expect, &Ran { status: "FAILED", ..Ran::default() }, PLAIN);
        assert!(told.len() == 1 && told[0].contains("+ (none)"), "{told:?}");
    }

    #[test]
    fn everything_expected_is_looked_at() {
        let call = |state: &str, arguments| Call { state: state.to_owned(), arguments };
        let ran = Ran {
            status: "FAILED",
            error: Some("E".to_owned()),
            cause: Some("why".to_owned()),
            path: vec!["A".to_owned(), "B".to_owned()],
            calls: vec![call("A", Some(json!({"x": 1})))],
            ..Ran::default()
        };
        let right = Expect {
            status: Some("FAILED"),
            error: Some("E".to_owned()),
            path: Some(vec!["A".to_owned(), "B".to_owned()]),
            calls: Some(vec![call("A", None)]),
            ..Expect::default()
        };
        assert!(differences(&right, &ran, PLAIN).is_empty());
        let wrong = Expect {
            status: Some("SUCCEEDED"),
            error: Some("F".to_owned()),
            cause: Some("other".to_owned()),
            path: Some(vec!["A".to_owned()]),
            calls: Some(vec![call("A", Some(json!({"x": 2})))]),
            ..Expect::default()
        };
        let told = differences(&wrong, &ran, PLAIN);
        let starts = [
            "status: expected SUCCEEDED, but it was FAILED\n    E: why",
            "error:",
            "cause:",
            "path:",
            "calls:",
        ];
        assert_eq!(told.len(), starts.len(), "{told:?}");
        assert!(told.iter().zip(starts).all(|(told, start)| told.starts_with(start)), "{told:?}");
    }
}
