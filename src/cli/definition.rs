//! A definition's file as commands need it, and the arguments that say which one and what its
//! placeholders stand for.

use std::io;
use std::path::{Path, PathBuf};

use crate::asl::excerpt::render;
use crate::asl::source::Substitutions;
use crate::fault::Diagnostic;
use crate::program::{Compiled, Options, open};

/// A definition that was read and compiled.
pub(super) struct Definition {
    /// The file, or the template and the state machine in it, as findings name it.
    pub(super) shown: String,
    pub(super) text: String,
    pub(super) compiled: Compiled,
}

impl Definition {
    pub(super) fn read(place: &Path, options: &Options<'_>) -> io::Result<Definition> {
        let (shown, text, compiled) = open(place, options)?.compile(options);
        Ok(Definition { shown, text, compiled })
    }

    /// Its findings for a person.
    pub(super) fn findings(&self) -> String {
        self.render(&self.compiled.1)
    }

    /// Findings about it for a person.
    pub(super) fn render(&self, findings: &[Diagnostic]) -> String {
        render(&self.shown, &self.text, findings)
    }
}

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
