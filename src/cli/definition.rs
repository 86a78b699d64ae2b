//! The arguments that say which definition is meant, and what its placeholders stand for.

use std::path::{Path, PathBuf};

use crate::asl::source::Substitutions;

/// What a definition's placeholders stand for.
#[derive(clap::Args, Debug, Default)]
pub(super) struct Filled {
    /// What the placeholder ${NAME} stands for; otherwise the environment's variable of that name
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Filled {
    /// What was given, and the environment behind it.
    pub(super) fn substitutions(&self) -> Substitutions {
        let mut substitutions = crate::engine::environment();
        self.given().for_each(|(name, value)| substitutions.set(name, value));
        substitutions
    }

    /// What was given.
    pub(super) fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// One definition.
#[derive(clap::Args, Debug)]
pub(super) struct Named {
    /// A definition in Amazon States Language, JSON or YAML
    #[arg(required_unless_present = "template")]
    definition: Option<PathBuf>,
    /// Take the definition from a CloudFormation or SAM template
    #[arg(long, value_name = "FILE[#NAME]", conflicts_with = "definition")]
    template: Option<PathBuf>,
    #[command(flatten)]
    pub(super) filled: Filled,
}

impl Named {
    /// Where it is: a file, or a template and the name of a state machine in it.
    pub(super) fn place(&self) -> &Path {
        let given = self.definition.as_deref().or(self.template.as_deref());
        given.expect("clap asks for one of them")
    }
}
