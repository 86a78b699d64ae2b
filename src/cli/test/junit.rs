//! Verdicts as JUnit XML, which CI systems read.

use std::fmt::Write;

use super::{Outcome, Verdict};
use crate::load::xml::escaped;

/// The whole file: a suite for each file of tests; a file that could not be run is one error.
pub(super) fn report(outcomes: &[(String, Outcome)]) -> String {
    let all = || outcomes.iter().flat_map(|(_, outcome)| outcome.iter().flatten());
    let errors = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).count();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"expressway\" {}>\n",
        counts(all(), errors)
    );
    for (file, outcome) in outcomes {
        suite(file, outcome, &mut out);
    }
    out.push_str("</testsuites>\n");
    out
}

/// `tests="2" failures="1" errors="0" time="0.004"`
fn counts<'v>(verdicts: impl Iterator<Item = &'v Verdict>, errors: usize) -> String {
    let (mut tests, mut failures, mut seconds) = (errors, 0, 0.0);
    for verdict in verdicts {
        tests += 1;
        failures += usize::from(!verdict.differences.is_empty());
        seconds += verdict.took.as_secs_f64();
    }
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{seconds:.6}\"")
}

fn suite(file: &str, outcome: &Outcome, out: &mut String) {
    let counts = counts(outcome.iter().flatten(), outcome.is_err().into());
    let file = escaped(file);
    let _ = writeln!(out, "  <testsuite name=\"{file}\" {counts}>");
    match outcome {
        Ok(verdicts) => verdicts.iter().for_each(|verdict| case(&file, verdict, out)),
        Err(why) => {
            let head = format!("<testcase name=\"{file}\" classname=\"{file}\"");
            told(&head, "error", why, out);
        }
    }
    out.push_str("  </testsuite>\n");
}

fn case(file: &str, verdict: &Verdict, out: &mut String) {
    let (name, seconds) = (escaped(&verdict.name), verdict.took.as_secs_f64());
    let head = format!("<testcase name=\"{name}\" classname=\"{file}\" time=\"{seconds:.6}\"");
    if verdict.differences.is_empty() {
        let _ = writeln!(out, "    {head}/>");
    } else {
        told(&head, "failure", &verdict.differences.join("\n"), out);
    }
}

fn told(head: &str, what: &str, why: &str, out: &mut String) {
    let first = escaped(why.lines().next().unwrap_or_default());
    let _ = writeln!(
        out,
        "    {head}>\n      <{what} message=\"{first}\">{}</{what}>\n    </testcase>",
        escaped(why)
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn failures_are_told() {
        let verdict = |name: &str, differences: &[&str]| Verdict {
            name: name.to_owned(),
            took: Duration::from_millis(2),
            differences: differences.iter().map(|it| (*it).to_owned()).collect(),
        };
        let verdicts =
            vec![verdict("good", &[]), verdict("b<d", &["status: \"x\"\nmore", "path:"])];
        let text = report(&[
            ("a.test.yaml".to_owned(), Ok(verdicts)),
            ("b.test.yaml".to_owned(), Err("error: \"b\"\nline 2".to_owned())),
        ]);
        let counts = "tests=\"3\" failures=\"1\" errors=\"1\" time=\"0.004000\">";
        assert!(text.contains(counts), "{text}");
        assert!(text.contains("<error message=\"error: &quot;b&quot;\">error: "), "{text}");
        assert!(text.contains("<testcase name=\"b&lt;d\" classname=\"a.test.yaml\""), "{text}");
        assert!(
            text.contains(
                "<failure message=\"status: &quot;x&quot;\">status: &quot;x&quot;\nmore\npath:<"
            ),
            "{text}"
        );
    }
}
