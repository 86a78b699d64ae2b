//! The program as a shell runs it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Exit code, standard output, standard error.
pub type Said = (i32, String, String);

pub fn says(arguments: &[&str], input: &str) -> Said {
    let mut child = Command::new(env!("CARGO_BIN_EXE_expressway"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    // A command that reads nothing may have ended by now.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let ended = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("it is UTF-8");
    (ended.status.code().unwrap_or(-1), text(ended.stdout), text(ended.stderr))
}

pub fn written(folder: &Path, name: &str, text: &str) -> String {
    let file: PathBuf = folder.join(name);
    std::fs::write(&file, text).expect("the folder can be written");
    file.to_string_lossy().into_owned()
}

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder can be made")
}
