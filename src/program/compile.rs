//! From a definition's text to a program, or to all that is wrong with it.

use std::path::Path;
use std::time::Duration;

use super::{Constants, Program};
use crate::asl::diagnostics::Diagnostics;
use crate::asl::fields::Fields;
use crate::asl::review::review;
use crate::asl::source::{self, Format, Mode, Node, Place, Substitutions};
use crate::asl::{codes, names};
use crate::fault::{Diagnostic, Location};
use crate::states::{Block, Language, Lowering, TIMEOUT_SECONDS_MAX};
use crate::value::{Limits, Scratch, hash};

/// What compiling depends on beside the definition.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Limits of the definition's text.
    pub source: source::Limits,
    /// Limits of the documents the program will run on.
    pub documents: Limits,
    /// What the placeholders in the definition stand for.
    pub substitutions: &'a Substitutions,
    /// What the service's Express machines do not have is refused.
    pub strict_express: bool,
    /// Constants to lay the program's own upon, so that all those run in one memory: the one of the
    /// last that was compiled.
    pub constants: Option<&'a Scratch>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        static NONE: Substitutions = Substitutions::none();
        let (source, documents) = Default::default();
        Options { source, documents, substitutions: &NONE, strict_express: false, constants: None }
    }
}

/// A program, if there are no errors, and the findings.
pub type Compiled = (Option<Program>, Vec<Diagnostic>);

/// Compiles a definition.
pub fn compile(text: &[u8], format: Format, options: &Options<'_>) -> Compiled {
    let diagnostics = Diagnostics::new();
    let mode = Mode::Fill(options.substitutions);
    let root = source::read_as(mode, text, format, options.source, &diagnostics);
    compile_tree(root.as_ref(), version(&[text]), options, diagnostics)
}

/// Compiles what was read; `diagnostics` has what was found in that.
pub(super) fn compile_tree(
    root: Option<&Node>,
    version: u64,
    options: &Options<'_>,
    diagnostics: Diagnostics,
) -> Compiled {
    let root = root.map(Place::root);
    let program = root.as_ref().and_then(|root| lower(root, options, &diagnostics));
    if let Some(root) = &root {
        review(root, &diagnostics);
    }
    let has_errors = diagnostics.has_errors();
    let program = program.map(|program| Program { version, ..program });
    let findings = diagnostics.into_vec();
    debug_assert!(program.is_some() || has_errors, "no program, and no reason why");
    (program.filter(|_| !has_errors), findings)
}

fn lower(root: &Place<'_>, options: &Options<'_>, diagnostics: &Diagnostics) -> Option<Program> {
    let mut fields = Fields::new(root, "The definition", diagnostics)?;
    fields.comment();
    fields.one_of(names::VERSION, &["1.0"]);
    let language = fields.one_of(names::QUERY_LANGUAGE, &["JSONPath", "JSONata"]);
    let timeout = fields.integer(names::TIMEOUT_SECONDS, 1..=TIMEOUT_SECONDS_MAX);
    // Constants may be as large as the definition; the documents' limits hold from then on.
    let limits = Limits {
        bytes_max: options.source.bytes.max(options.documents.bytes_max),
        height_max: Limits::HEIGHT_CEILING,
    };
    let mut constants = options.constants.map_or_else(|| Scratch::new(limits), Scratch::clone);
    constants.set_limits(limits);
    let mut resources = Vec::new();
    let mut lowering = Lowering::new(&mut constants, &mut resources, diagnostics);
    if language == Some("JSONata") {
        lowering.default_language = Language::Jsonata;
    }
    lowering.is_strict_express = options.strict_express;
    let block = Block::parse(&mut fields, &mut lowering);
    fields.finish();
    lowering.check_variables();
    let rows = std::mem::take(&mut lowering.rows).into_table();
    let (block, rows) = (block?, rows?);
    constants.seal();
    constants.set_limits(options.documents);
    let has_tokens = resources.iter().any(|resource| resource.parsed.has_token());
    let counts_visits = resources.iter().any(|resource| resource.parsed.is_named_by_site());
    Some(Program {
        start: block.start,
        counts_visits,
        has_tokens,
        rows,
        resources: resources.into(),
        timeout: timeout.map(|seconds| Duration::from_secs(seconds.unsigned_abs())),
        version: 0,
        constants: Constants(constants),
    })
}

/// What names the version of a definition that was made of these texts.
pub(super) fn version(texts: &[&[u8]]) -> u64 {
    hash(texts.iter().copied().flatten().copied())
}

/// A finding that a file can't be read.
pub fn unreadable(file: &Path, e: &std::io::Error) -> Diagnostic {
    let message = format!("{} can't be read: {e}.", file.display());
    Diagnostic::error(codes::UNREADABLE_FILE, message, Location::default())
}
