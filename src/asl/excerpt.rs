//! Findings for people (the line they are about, with a caret) and for tools (one JSON line a
//! file).

use std::fmt::Write;

use serde_json::json;

use crate::fault::Diagnostic;

/// How much of a long line is shown around the finding.
const SHOWN_CHARS_MAX: usize = 100;
/// How much of it stands before the finding at most.
const BEFORE_CHARS_MAX: usize = 60;

/// Findings about one file, each with the line it is about:
///
/// ```text
/// error[UNKNOWN_FIELD]: State "A" has no field "Nxet". Did you mean "Next"?
///   --> flow.asl.json:4:7 at /States/A/Nxet
///    |
///  4 |       "Nxet": "B"
///    |       ^^^^^^
/// ```
pub fn render(file: &str, text: &str, diagnostics: &[Diagnostic]) -> String {
    let lines: Vec<&str> = text.strip_prefix('\u{feff}').unwrap_or(text).lines().collect();
    let mut out = String::new();
    for diagnostic in diagnostics {
        let wrote = render_one(file, &lines, diagnostic, &mut out);
        wrote.expect("a String takes everything");
    }
    out
}

fn render_one(
    file: &str,
    lines: &[&str],
    diagnostic: &Diagnostic,
    out: &mut String,
) -> std::fmt::Result {
    let Diagnostic { severity, code, message, location } = diagnostic;
    writeln!(out, "{}[{code}]: {message}", severity.as_str())?;
    write!(out, "  --> {file}")?;
    if location.line > 0 {
        write!(out, ":{}:{}", location.line, location.column)?;
    }
    if !location.pointer.is_empty() {
        write!(out, " at {}", location.pointer)?;
    }
    out.push('\n');
    let index = (location.line as usize).checked_sub(1);
    let line = index.and_then(|index| lines.get(index));
    // A line may have been emptied because it holds a secret.
    if let Some(line) = line.filter(|line| !line.trim().is_empty()) {
        let (shown, caret) = excerpt(line, location.column as usize, location.width as usize);
        let number = location.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(out, " {margin} |\n {number} | {shown}\n {margin} | {caret}")?;
    }
    out.push('\n');
    Ok(())
}

/// The part of a line around a column, and the carets to put under it. Control characters and tabs
/// are shown as one space, so that the columns agree.
pub(crate) fn excerpt(line: &str, column: usize, width: usize) -> (String, String) {
    let column = column.max(1) - 1;
    let from = column.saturating_sub(BEFORE_CHARS_MAX);
    let mut rest = line.chars().skip(from).map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = rest.by_ref().take(SHOWN_CHARS_MAX).collect();
    let length = shown.chars().count();
    let mut indent = column - from;
    if rest.next().is_some() {
        shown.push('…');
    }
    if from > 0 {
        shown.insert(0, '…');
        indent += 1;
    }
    let room = length.saturating_sub(column - from).max(1);
    (shown.trim_end().to_owned(), " ".repeat(indent) + &"^".repeat(width.clamp(1, room)))
}

/// `{"file", "diagnostics": [{"severity", "code", "message", "pointer", "line", "column"}]}`,
/// without a line break.
pub fn json_line(file: &str, diagnostics: &[Diagnostic]) -> String {
    let rows = diagnostics.iter().map(|diagnostic| {
        json!({
            "severity": diagnostic.severity.as_str(),
            "code": diagnostic.code,
            "message": diagnostic.message,
            "pointer": diagnostic.location.pointer,
            "line": diagnostic.location.line,
            "column": diagnostic.location.column,
        })
    });
    json!({ "file": file, "diagnostics": rows.collect::<Vec<_>>() }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asl::codes;
    use crate::fault::Location;

    fn found(line: u32, column: u32, width: u32) -> Diagnostic {
        let location = Location { pointer: "/States/A/Nxet".to_owned(), line, column, width };
        Diagnostic::error(codes::UNKNOWN_FIELD, "State \"A\" has no field \"Nxet\".", location)
    }

    #[test]
    fn points_at_the_place() {
        let text = "{\n\t\"A\": {\"Nxet\": 1}\n}";
        let expected = [
            r#"error[UNKNOWN_FIELD]: State "A" has no field "Nxet"."#,
            "  --> a.json:2:8 at /States/A/Nxet",
            "   |",
            r#" 2 |  "A": {"Nxet": 1}"#,
            "   |        ^^^^^^",
            "",
        ];
        let rendered = render("a.json", text, &[found(2, 8, 6)]);
        assert_eq!(rendered.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_finding_without_a_place_has_no_excerpt() {
        let whole = Diagnostic::warning(codes::NOT_AN_OBJECT, "No.", Location::default());
        assert_eq!(render("a", "x", &[whole]), "warning[NOT_AN_OBJECT]: No.\n  --> a\n\n");
    }

    #[test]
    fn long_lines_are_cut_around_it() {
        let line = "x".repeat(500);
        let (shown, caret) = excerpt(&line, 200, 400);
        assert_eq!(shown.chars().count(), SHOWN_CHARS_MAX + 2);
        assert_eq!(caret, " ".repeat(BEFORE_CHARS_MAX + 1) + &"^".repeat(40));
        assert_eq!(excerpt("ab", 9, 1), ("ab".to_owned(), " ".repeat(8) + "^"));
    }

    #[test]
    fn tools_get_one_line() {
        let line = json_line("a\n.json", &[found(2, 8, 6)]);
        let back: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert!(!line.contains('\n'));
        assert_eq!(back["diagnostics"][0]["pointer"], "/States/A/Nxet");
        assert_eq!(
            (&back["file"], &back["diagnostics"][0]["line"]),
            (&json!("a\n.json"), &json!(2))
        );
    }
}
