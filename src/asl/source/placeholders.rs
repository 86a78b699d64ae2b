//! Placeholders of deployment: `${Name}` in a definition, filled while it is read. `${!Name}` is the
//! text `${Name}`, as in CloudFormation's `Fn::Sub`.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// What placeholders stand for, by name: what was given, and behind it the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Substitutions {
    given: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
}

impl Substitutions {
    /// None at all.
    pub const fn none() -> Substitutions {
        Substitutions { given: BTreeMap::new(), environment: BTreeMap::new() }
    }

    /// Those of an environment, which come last wherever others are added.
    pub fn of_environment(variables: impl Iterator<Item = (String, String)>) -> Substitutions {
        Substitutions { environment: variables.collect(), ..Substitutions::none() }
    }

    /// Gives a value; one that was given already is replaced.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.given.insert(name.into(), value.into());
    }

    /// Gives a value where none was given yet.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.given.entry(name.into()).or_insert_with(|| value.into());
    }

    /// The value that was given under that name.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    /// The value of that name: given, or the environment's.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.given(name).or_else(|| self.environment.get(name).map(String::as_str))
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
    fn the_environment_comes_last() {
        let variables = [("a", "e"), ("b", "e")].map(|(name, it)| (name.into(), it.into()));
        let mut substitutions = Substitutions::of_environment(variables.into_iter());
        substitutions.add("a", "template");
        substitutions.add("a", "later");
        assert_eq!(
            ["a", "b", "c"].map(|it| substitutions.get(it)),
            [Some("template"), Some("e"), None]
        );
        assert_eq!(substitutions.given("b"), None);
        substitutions.set("a", "set");
        assert_eq!(substitutions.get("a"), Some("set"));
    }

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
