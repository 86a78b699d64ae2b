//! What people are told about malformed definitions: one of each kind in `tests/diagnostics/`, its
//! messages beside it. `UPDATE_DIAGNOSTICS=1` rewrites them; read the difference before you commit.

mod golden;

use std::path::Path;

use expressway::asl::codes;
use expressway::asl::excerpt::render;
use expressway::program::{Definition, Options};

#[test]
fn malformed_definitions_get_these_messages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let golden = golden::Golden::new("UPDATE_DIAGNOSTICS");
    for definition in golden::files(&folder, &[".json", ".yaml"]) {
        let read = Definition::read(&definition, &Options::default());
        let Definition { text, findings, .. } = read.expect("the definition can be read");
        let name = definition.file_name().unwrap_or_default().to_string_lossy().into_owned();
        assert!(!findings.is_empty(), "{name}: nothing was found");
        let stem = name.split('.').next().unwrap_or_default();
        golden.check(&folder.join(format!("{stem}.txt")), &render(&name, &text, &findings));
    }
    golden.finish();
}

/// Tools match on codes: one that nothing reports would be a promise that is not kept.
#[test]
fn every_code_is_reported_somewhere() {
    fn sources(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).expect("the sources can be read") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => sources(&path, text),
                false => *text += &std::fs::read_to_string(&path).expect("it can be read"),
            }
        }
    }
    let mut text = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
    for (code, _) in codes::ALL {
        assert!(text.contains(&format!("codes::{code}")), "nothing reports {code}");
    }
}
