//! Placeholders of deployment: `${Name}` in a definition, filled while it is read. `${!Name}` is the
//! text `${Name}`, as in CloudFormation's `Fn::Sub`.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// What placeholders stand for, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Substitutions {
    values: BTreeMap<String, String>,
}

impl Substitutions {
    /// None at all.
    pub const fn none() -> Substitutions {
        Substitutions { values: BTreeMap::new() }
    }

    /// Adds a value; one that is there already is replaced.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), value.into());
    }

    /// Adds a value where there is none yet.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.entry(name.into()).or_insert_with(|| value.into());
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'t> {
    /// As it stands.
    Text(&'t str),
    /// `${Name}`
    Placeholder(&'t str),
}

/// Takes a text apart.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, after) = rest.split_at(start);
        if !before.is_empty() {
            found.push(Part::Text(before));
        }
        let name = after.find('}').map(|end| (&after[2..end], &after[end + 1..], end));
        match name {
            Some((name, behind, _)) if is_name(name) => {
                found.push(Part::Placeholder(name));
                rest = behind;
            }
            Some((name, behind, end)) if name.strip_prefix('!').is_some_and(is_name) => {
                found.extend([Part::Text("${"), Part::Text(&after[3..=end])]);
                rest = behind;
            }
            _ => {
                found.push(Part::Text("${"));
                rest = &after[2..];
            }
        }
    }
    if !rest.is_empty() {
        found.push(Part::Text(rest));
    }
    found
}

/// `Name`, `Function.Arn`, `AWS::Region`
fn is_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(legal)
}

/// The text with its placeholders filled; those that `value_of` does not know stay.
pub(crate) fn fill<'t>(
    text: &'t str,
    value_of: &mut dyn FnMut(&str) -> Option<String>,
) -> Cow<'t, str> {
    if !text.contains("${") {
        return Cow::Borrowed(text);
    }
    let mut filled = String::new();
    for part in parts(text) {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Placeholder(name) => match value_of(name) {
                Some(value) => filled.push_str(&value),
                None => filled.extend(["${", name, "}"]),
            },
        }
    }
    Cow::Owned(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_filled_where_they_are_known() {
        let mut value_of = |name: &str| (name != "No").then(|| name.to_uppercase());
        let mut filled = |text| fill(text, &mut value_of).into_owned();
        assert_eq!(filled("a ${b}-${c.Arn}${AWS::Region} d"), "a B-C.ARNAWS::REGION d");
        assert_eq!(filled("${No} ${!b} ${ b } ${"), "${No} ${b} ${ b } ${");
        assert_eq!(filled("{% ${'a': 1} %} $b"), "{% ${'a': 1} %} $b");
        assert_eq!(filled("${${b}}"), "${B}");
    }
}
