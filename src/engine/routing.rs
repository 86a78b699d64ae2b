//! What a pipeline's rules and definitions are, from its settings: rules are compiled, and each
//! definition is named once, however many routes lead to it.

use std::path::Path as File;

use crate::asl::codes;
use crate::config::{Canary, Condition, Pipeline, RouteAction, Unmatched};
use crate::expr::{self, EventPattern, Problem};
use crate::jsonata::{Expression, Options};
use crate::shard::{Destination, Routing, Rule, When};
use crate::value::{Limits, Scratch};

/// What is wrong with a pipeline's setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The keys that lead to it, from the pipeline's table.
    pub keys: Vec<String>,
    /// Its code.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub message: String,
    /// Which character of the setting's text it is about, where that is known.
    pub within: Option<usize>,
}

/// Why a condition is refused, and at which character of its text, where that is known.
struct Refusal {
    problems: Vec<Problem>,
    within: Option<usize>,
}

impl From<Vec<Problem>> for Refusal {
    fn from(problems: Vec<Problem>) -> Refusal {
        Refusal { problems, within: None }
    }
}

/// A definition that a pipeline names, and the keys that lead to where it does so first.
pub type Named<'a> = (&'a File, Vec<String>);

/// The definitions that a pipeline names, each once, in the order of its versions.
pub fn definitions_of(pipeline: &Pipeline) -> Vec<Named<'_>> {
    let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    let mut all = vec![
        (pipeline.definition.as_ref(), owned(&["definition"])),
        (pipeline.canary.as_ref().map(|it| &it.definition), owned(&["canary", "definition"])),
    ];
    for (index, route) in pipeline.route.iter().enumerate() {
        let index = index.to_string();
        let canary = route.canary.as_ref().map(|it| &it.definition);
        all.push((route.definition.as_ref(), owned(&["route", &index, "definition"])));
        all.push((canary, owned(&["route", &index, "canary", "definition"])));
    }
    let mut named: Vec<Named<'_>> = Vec::new();
    for (file, keys) in all {
        if let Some(file) = file.filter(|file| named.iter().all(|it| it.0 != **file)) {
            named.push((file, keys));
        }
    }
    named
}

/// A pipeline's routing, or all that is wrong with its rules.
pub fn routing_of(pipeline: &Pipeline, documents: Limits) -> Result<Routing, Vec<Complaint>> {
    let named = definitions_of(pipeline);
    let version = |file: &File| named.iter().position(|it| it.0 == file).unwrap_or(0);
    let run = |file: &File, canary: &Option<Canary>| match canary {
        None => Destination::Run(version(file)),
        Some(Canary { definition, weight }) => {
            let (stable, canary) = (version(file), version(definition));
            Destination::Split { stable, canary, weight: *weight }
        }
    };
    let mut constants = Scratch::new(documents);
    let (mut rules, mut texts, mut complaints) = (Vec::new(), Vec::new(), Vec::new());
    for (index, route) in pipeline.route.iter().enumerate() {
        let (condition, key) = route.condition();
        let (when, text) = match compile(condition, &mut constants) {
            Ok(compiled) => compiled,
            Err(Refusal { problems, within }) => {
                let label = route.label(index);
                let found = problems.iter().map(|it| complaint(it, index, key, &label));
                complaints.extend(found.map(|it| Complaint { within, ..it }));
                continue;
            }
        };
        let destination = match (&route.definition, route.action) {
            (Some(file), _) => run(file, &route.canary),
            (None, Some(RouteAction::Drop)) => Destination::Drop,
            (None, _) => Destination::DeadLetter,
        };
        rules.push(Rule { name: route.label(index).into(), when, destination });
        texts.push(text);
    }
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let otherwise = match (&pipeline.definition, pipeline.unmatched) {
        (Some(file), _) => run(file, &pipeline.canary),
        (None, Unmatched::Fail) => Destination::Fail,
        (None, Unmatched::Drop) => Destination::Drop,
        (None, Unmatched::DeadLetter) => Destination::DeadLetter,
    };
    constants.seal();
    Ok(Routing::new(rules, &texts, otherwise, constants))
}

/// A condition as shards evaluate it, and its text.
fn compile<'a>(
    condition: Condition<'a>,
    constants: &mut Scratch,
) -> Result<(When, &'a str), Refusal> {
    // What only reading needs is not to lie among the constants.
    let mut memory = Scratch::new(constants.limits());
    match condition {
        Condition::Always => Ok((When::Always, "")),
        Condition::Choice(rule) => {
            let parsed = expr::Condition::parse(rule, &mut memory)?;
            Ok((When::Choice(parsed), rule))
        }
        Condition::Pattern(pattern) => {
            let parsed = EventPattern::parse(pattern, &mut memory)?;
            Ok((When::Pattern(parsed), pattern))
        }
        Condition::Jsonata(whole) => {
            let text = whole.trim();
            let inner = text.strip_prefix("{%").and_then(|text| text.strip_suffix("%}"));
            let text = inner.unwrap_or(text).trim();
            let parsed = Expression::parse(text, Options::default(), constants);
            let parsed = parsed.map_err(|e| {
                let start = whole.find(text).unwrap_or(0);
                let before = e.position().and_then(|position| whole.get(..start + position));
                let problems = vec![Problem::here(e.to_string())];
                Refusal { problems, within: before.map(|before| before.chars().count()) }
            })?;
            Ok((When::Query(Box::new(parsed)), text))
        }
    }
}

fn complaint(problem: &Problem, index: usize, key: &str, label: &str) -> Complaint {
    let inner = problem.pointer.split('/').skip(1);
    let inner = inner.map(|token| token.replace("~1", "/").replace("~0", "~"));
    let keys = ["route".to_owned(), index.to_string(), key.to_owned()];
    let place = match problem.pointer.as_str() {
        "" => String::new(),
        pointer => format!(" at {pointer}"),
    };
    Complaint {
        keys: keys.into_iter().chain(inner).collect(),
        code: if key == "jsonata" { codes::INVALID_EXPRESSION } else { INVALID_ROUTE },
        message: format!("{label}: {key} is refused{place}: {}.", problem.message),
        within: None,
    }
}

/// The code of findings about routes.
pub const INVALID_ROUTE: &str = "INVALID_ROUTE";
