//! A definition's text as a tree that knows where everything stands: JSON, or YAML that means the
//! same. Numbers keep their spelling. One bad byte ends the reading; what the tree means is checked
//! by others.

mod builder;
mod json;
pub(crate) mod placeholders;
mod tree;
mod yaml;

use crate::asl::codes;
use crate::asl::diagnostics::Diagnostics;
use crate::fault::Location;

use builder::Builder;
pub use placeholders::Substitutions;
pub use tree::{Member, Node, NodeKind, Place, Span, pointer_token};

/// AWS's limit on a definition's size, and our default.
pub const DEFINITION_BYTES_MAX: usize = 1 << 20;
/// The default limit on nesting.
pub const DEPTH_MAX: usize = 256;
/// The default limit on what YAML aliases may expand to.
pub const EXPANDED_BYTES_MAX: usize = 16 << 20;

/// How large a definition may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text.
    pub bytes: usize,
    /// Objects and arrays within each other; reading recurses, so a few hundred is much.
    pub depth: usize,
    /// Bytes, roughly, that YAML aliases may add.
    pub expanded_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: DEFINITION_BYTES_MAX, depth: DEPTH_MAX, expanded_bytes: EXPANDED_BYTES_MAX }
    }
}

/// What a definition is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON (RFC 8259).
    Json,
    /// YAML 1.2 with the core schema, and `<<` merges.
    Yaml,
}

impl Format {
    /// By the file's name, and by the text where that says nothing.
    pub fn of(file: &str, text: &[u8]) -> Format {
        Format::of_file(file).unwrap_or_else(|| Format::of_text(text))
    }

    /// By the file's name: `.yaml` and `.yml` are YAML, `.json` and `.asl` are JSON.
    pub fn of_file(name: &str) -> Option<Format> {
        let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
        match extension.as_str() {
            "yaml" | "yml" => Some(Format::Yaml),
            "json" | "asl" => Some(Format::Json),
            _ => None,
        }
    }

    /// By the text: what starts with `{` or `[` is JSON.
    pub fn of_text(text: &[u8]) -> Format {
        let text = text.strip_prefix(BOM).unwrap_or(text);
        match text.trim_ascii_start().first() {
            Some(b'{' | b'[') => Format::Json,
            _ => Format::Yaml,
        }
    }
}

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// How what stands for something else is read.
#[derive(Clone, Copy, Debug)]
pub enum Mode<'a> {
    /// As it stands.
    Plain,
    /// `${Name}` is filled, or reported.
    Fill(&'a Substitutions),
    /// As a CloudFormation template: `!Sub text` is `{"Fn::Sub": "text"}`.
    Template,
}

/// Reads a text as it stands. `None` after a finding that leaves no tree.
pub fn read(
    text: &[u8],
    format: Format,
    limits: Limits,
    diagnostics: &Diagnostics,
) -> Option<Node> {
    read_as(Mode::Plain, text, format, limits, diagnostics)
}

/// Reads a text. `None` after a finding that leaves no tree.
pub fn read_as(
    mode: Mode<'_>,
    text: &[u8],
    format: Format,
    limits: Limits,
    diagnostics: &Diagnostics,
) -> Option<Node> {
    if text.len() > limits.bytes {
        let message = format!(
            "The definition has more than {} bytes, the most it may have; make it smaller.",
            limits.bytes
        );
        diagnostics.error(codes::DEFINITION_TOO_LARGE, message, Location::default());
        return None;
    }
    let text = utf8(text.strip_prefix(BOM).unwrap_or(text), diagnostics)?;
    let builder = Builder::new(mode, limits, diagnostics);
    let read = match format {
        Format::Json => json::read(text, builder),
        Format::Yaml => yaml::read(text, builder),
    };
    // The finding is in `diagnostics`.
    read.ok()
}

/// Fills the placeholders in the strings of a tree.
pub fn fill_tree(
    root: Node,
    substitutions: &Substitutions,
    limits: Limits,
    diagnostics: &Diagnostics,
) -> Option<Node> {
    Builder::new(Mode::Fill(substitutions), limits, diagnostics).filled_tree(root).ok()
}

fn utf8<'t>(text: &'t [u8], diagnostics: &Diagnostics) -> Option<&'t str> {
    let error = match std::str::from_utf8(text) {
        Ok(text) => return Some(text),
        Err(error) => error,
    };
    let before = String::from_utf8_lossy(&text[..error.valid_up_to()]);
    let line = before.matches('\n').count() as u32 + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) as u32 + 1;
    let message = "The definition is not UTF-8 here; save it as UTF-8.";
    let location = Location { pointer: String::new(), line, column, width: 1 };
    diagnostics.error(codes::INVALID_UTF8, message, location);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        assert_eq!(Format::of_file("a/b.asl.json"), Some(Format::Json));
        assert_eq!(Format::of_file("b.asl.YML"), Some(Format::Yaml));
        assert_eq!(Format::of_file("definition"), None);
        assert_eq!(Format::of_text(b"\xEF\xBB\xBF \n{"), Format::Json);
        assert_eq!(Format::of("flow", b"[]"), Format::Json);
        assert_eq!(Format::of_text(b"StartAt: A"), Format::Yaml);
    }

    #[test]
    fn size_and_encoding_are_checked_first() {
        let found = |text: &[u8], limits| {
            let diagnostics = Diagnostics::new();
            assert!(read(text, Format::Json, limits, &diagnostics).is_none());
            diagnostics.into_vec().remove(0)
        };
        let small = Limits { bytes: 3, ..Limits::default() };
        assert_eq!(found(b"1234", small).code, codes::DEFINITION_TOO_LARGE);
        let bad = found(b"{\n \"\xFF\"}", Limits::default());
        assert_eq!((bad.code, bad.location.line, bad.location.column), (codes::INVALID_UTF8, 2, 3));
    }
}
