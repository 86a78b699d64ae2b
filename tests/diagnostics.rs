//! What people are told about malformed definitions: one of each kind in `tests/diagnostics/`, its
//! messages beside it. `UPDATE_DIAGNOSTICS=1` rewrites them; read the difference before you commit.

mod golden;

use std::path::Path;

use expressway::asl::excerpt::render;
use expressway::program::{Options, compile_file};

#[test]
fn malformed_definitions_get_these_messages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let golden = golden::Golden::new("UPDATE_DIAGNOSTICS");
    for definition in golden::files(&folder, &[".json", ".yaml"]) {
        let (text, (_, findings)) =
            compile_file(&definition, &Options::default()).expect("the definition can be read");
        let name = definition.file_name().unwrap_or_default().to_string_lossy().into_owned();
        assert!(!findings.is_empty(), "{name}: nothing was found");
        let stem = name.split('.').next().unwrap_or_default();
        golden.check(&folder.join(format!("{stem}.txt")), &render(&name, &text, &findings));
    }
    golden.finish();
}
