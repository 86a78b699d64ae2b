//! Verdicts as JUnit XML, which CI systems read.

use std::fmt::Write;

use super::Verdict;

/// The whole file: a suite for each file of tests.
pub(super) fn report(suites: &[(String, Vec<Verdict>)]) -> String {
    let all = || suites.iter().flat_map(|(_, verdicts)| verdicts);
    let seconds: f64 = all().map(|it| it.took.as_secs_f64()).sum();
    let failures = all().filter(|it| !it.differences.is_empty()).count();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"expressway\" tests=\"{}\" \
         failures=\"{failures}\" time=\"{seconds:.6}\">\n",
        all().count()
    );
    for (file, verdicts) in suites {
        suite(file, verdicts, &mut out);
    }
    out.push_str("</testsuites>\n");
    out
}

fn suite(file: &str, verdicts: &[Verdict], out: &mut String) {
    let failures = verdicts.iter().filter(|it| !it.differences.is_empty()).count();
    let seconds: f64 = verdicts.iter().map(|it| it.took.as_secs_f64()).sum();
    let file = escaped(file);
    let _ = writeln!(
        out,
        "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{failures}\" time=\"{seconds:.6}\">",
        verdicts.len()
    );
    for verdict in verdicts {
        let (name, seconds) = (escaped(&verdict.name), verdict.took.as_secs_f64());
        let head = format!("<testcase name=\"{name}\" classname=\"{file}\" time=\"{seconds:.6}\"");
        let _ = match &verdict.differences[..] {
            [] => writeln!(out, "    {head}/>"),
            [first, ..] => writeln!(
                out,
                "    {head}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                escaped(first.lines().next().unwrap_or_default()),
                escaped(&verdict.differences.join("\n"))
            ),
        };
    }
    out.push_str("  </testsuite>\n");
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push(' '),
            _ => out.push(character),
        }
    }
    out
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
        let text = report(&[("a.test.yaml".to_owned(), verdicts)]);
        assert!(text.contains("tests=\"2\" failures=\"1\" time=\"0.004000\">"), "{text}");
        assert!(text.contains("<testcase name=\"b&lt;d\" classname=\"a.test.yaml\""), "{text}");
        assert!(
            text.contains(
                "<failure message=\"status: &quot;x&quot;\">status: &quot;x&quot;\nmore\npath:<"
            ),
            "{text}"
        );
    }
}
