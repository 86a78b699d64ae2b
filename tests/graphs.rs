//! Pictures of the definitions in `tests/graphs/` and `config/examples/`, held against those beside
//! them. `UPDATE_GRAPHS=1` rewrites them; look at them before you commit.

mod golden;

use std::path::{Path, PathBuf};
use std::process::Command;

fn draws(definition: &Path, format: &str) -> String {
    let drawn = Command::new(env!("CARGO_BIN_EXE_expressway"))
        .args(["graph", "--format", format])
        .arg(definition)
        .output()
        .expect("the binary starts");
    let complaint = String::from_utf8_lossy(&drawn.stderr).into_owned();
    assert!(drawn.status.success(), "{}: {complaint}", definition.display());
    String::from_utf8(drawn.stdout).expect("a picture is UTF-8")
}

#[test]
fn definitions_are_drawn_as_they_were() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/graphs");
    let mut definitions = golden::files(&folder, &[".asl.json", ".asl.yaml"]);
    definitions.push(root.join("config/examples/event-fan-out/definition.asl.json"));
    let golden = golden::Golden::new("UPDATE_GRAPHS");
    for definition in definitions {
        for (format, end) in [("svg", "svg"), ("mermaid", "mmd")] {
            golden.check(&beside(&folder, &definition, end), &draws(&definition, format));
        }
    }
    golden.finish();
}

/// The largest definitions there may be: long ways, wide choices, arrows over everything.
#[test]
fn large_definitions_are_drawn_in_time() {
    let long = |at: usize| {
        let (next, back) = (at + 1, at / 2);
        format!(
            r#""S{at}": {{"Type": "Task", "Resource": "r:x", "Next": "S{next}", "Catch": [
            {{"ErrorEquals": ["A"], "Next": "F"}}, {{"ErrorEquals": ["B"], "Next": "S{back}"}}]}},"#
        )
    };
    let rule = |at: usize| {
        format!(r#"{{"Variable": "$.a", "NumericEquals": {at}, "Next": "S{}"}}"#, at * 7 % 4_000)
    };
    let states: String = (0..4_000).map(long).collect();
    let rules: Vec<String> = (0..4_000).map(rule).collect();
    let text = format!(
        r#"{{"StartAt": "C", "States": {{"C": {{"Type": "Choice", "Choices": [{}]}},
        {states} "S4000": {{"Type": "Succeed"}}, "F": {{"Type": "Fail"}}}}}}"#,
        rules.join(",")
    );
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("large.asl.json");
    std::fs::write(&file, text).expect("it can be written");
    let start = std::time::Instant::now();
    for format in ["svg", "mermaid"] {
        let drawn = draws(&file, format);
        assert!(drawn.contains("S3999"), "{format}");
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

/// Where a definition's picture is kept; an example is named by its folder.
fn beside(folder: &Path, definition: &Path, end: &str) -> PathBuf {
    let name = definition.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = match name.split('.').next() {
        Some("definition") => definition.parent().and_then(Path::file_name).unwrap_or_default(),
        stem => Path::new(stem.unwrap_or_default()).as_os_str(),
    };
    folder.join(format!("{}.{end}", stem.to_string_lossy()))
}

/// A picture is one element that is closed, and needs no other file.
#[test]
fn pictures_stand_for_themselves() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graphs");
    for picture in golden::files(&folder, &[".svg"]) {
        let text = std::fs::read_to_string(&picture).expect("it can be read");
        let name = picture.display();
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"), "{name}");
        assert_eq!(text.matches("<g").count(), text.matches("</g>").count(), "{name}");
        assert!(!text.contains("href") && !text.contains("url("), "{name}");
        assert!(text.contains("prefers-color-scheme:dark"), "{name}");
    }
}
