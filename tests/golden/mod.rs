//! Files that hold what is expected, rewritten where an environment variable asks for it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// The files of a folder whose names end like that, in order.
pub fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| endings.iter().any(|ending| file.to_string_lossy().ends_with(ending)));
    files.sort();
    assert!(!files.is_empty(), "no files in {}", folder.display());
    files
}

/// Compares texts with files, all before it complains.
pub struct Golden {
    variable: &'static str,
    rewrites: bool,
    complaints: RefCell<Vec<String>>,
}

impl Golden {
    pub fn new(variable: &'static str) -> Golden {
        let rewrites = std::env::var_os(variable).is_some_and(|value| value == "1");
        Golden { variable, rewrites, complaints: RefCell::default() }
    }

    pub fn check(&self, file: &Path, text: &str) {
        if self.rewrites {
            return std::fs::write(file, text).expect("the file can be written");
        }
        let expected = std::fs::read_to_string(file).unwrap_or_default();
        if expected == text {
            return;
        }
        let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), text.lines().collect());
        let first = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
        let line = |lines: &[&str]| lines.get(first).unwrap_or(&"(end)").to_string();
        self.complaints.borrow_mut().push(format!(
            "{}, line {}:\n  expected {}\n  got      {}",
            file.display(),
            first + 1,
            line(&old),
            line(&new)
        ));
    }

    pub fn finish(self) {
        let complaints = self.complaints.into_inner();
        let (variable, list) = (self.variable, complaints.join("\n"));
        assert!(complaints.is_empty(), "{list}\n({variable}=1 rewrites what is expected)");
    }
}
