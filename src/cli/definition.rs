//! A definition's file as commands need it: text and program.

use std::io;
use std::path::{Path, PathBuf};

use crate::asl::excerpt::render;
use crate::fault::Diagnostic;
use crate::program::{Compiled, Options, compile_file};

/// A definition that was read and compiled.
pub(super) struct Definition {
    pub(super) file: PathBuf,
    pub(super) text: String,
    pub(super) compiled: Compiled,
}

impl Definition {
    pub(super) fn read(file: &Path, options: &Options) -> io::Result<Definition> {
        let (text, compiled) = compile_file(file, options)?;
        Ok(Definition { file: file.to_owned(), text, compiled })
    }

    /// Its findings for a person.
    pub(super) fn findings(&self) -> String {
        self.render(&self.compiled.1)
    }

    /// Findings about it for a person.
    pub(super) fn render(&self, findings: &[Diagnostic]) -> String {
        render(&self.file.to_string_lossy(), &self.text, findings)
    }
}
