//! What may stand beside the repository: corpora that tests use where they are at hand.

use std::io::Write;
use std::path::{Path, PathBuf};

/// A file or folder below `../shared`. Where it is absent that is said on standard error, past the
/// test's capture: a test that looked at nothing must not look like one that passed.
pub fn shared(place: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(place);
    if path.exists() {
        return Some(path);
    }
    say(&format!("not run: there is no {}", path.display()));
    None
}

/// Says something on standard error, past the test's capture.
pub fn say(line: &str) {
    // Where nobody listens there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}
