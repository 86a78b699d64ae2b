//! Reference paths: where `ResultPath` writes. Keys and indexes only, so they name one place.

use super::path::{Path, PathError, Root, Step};
use crate::value::Segment;

/// `$.a['b'][0]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferencePath {
    text: Box<str>,
    segments: Box<[Segment]>,
}

impl ReferencePath {
    /// Parses a path that names one place in the input.
    pub fn parse(text: &str) -> Result<ReferencePath, PathError> {
        let path = Path::parse(text)?;
        if *path.root() != Root::Input {
            return Err(refused(text, "must start at the input with '$'"));
        }
        let segments: Option<_> = path.steps().iter().map(segment).collect();
        match segments {
            Some(segments) => Ok(ReferencePath { text: text.into(), segments }),
            None => Err(refused(text, "may hold only names and indexes from 0")),
        }
    }

    /// Its steps from the root; none for `$`.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn segment(step: &Step) -> Option<Segment> {
    match step {
        Step::Key(key) => Some(Segment::Key(key.clone())),
        Step::Index(index) => usize::try_from(*index).ok().map(Segment::Index),
        _ => None,
    }
}

fn refused(text: &str, why: &str) -> PathError {
    PathError { message: format!("'{text}' is no reference path: it {why}"), at: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_one_place() {
        let path = ReferencePath::parse("$.a['b'][2]").expect("a reference path");
        assert_eq!(path.segments().len(), 3);
        assert_eq!(ReferencePath::parse("$").expect("the root").segments(), []);
        for text in ["$$.a", "$.a[*]", "$.a[-1]", "$..a", "$.a[0:1]", "$.a[?(@.x)]", "$v.a", "a"] {
            assert!(ReferencePath::parse(text).is_err(), "{text}");
        }
    }
}
