//! The rules of a Choice state: a comparison, or rules joined by `And`, `Or` and `Not`.

use super::path::Path;
use super::problem::Problem;
use super::scope::Scope;
use crate::fault::StateError;
use crate::value::{Scratch, Value};

mod compare;
mod parse;

use compare::Test;
pub(super) use compare::{Pattern, Relation};

/// A parsed rule.
#[derive(Clone, Debug)]
pub enum Condition {
    /// `"And": [...]`
    And(Box<[Condition]>),
    /// `"Or": [...]`
    Or(Box<[Condition]>),
    /// `"Not": {...}`
    Not(Box<Condition>),
    /// `"Variable": "$.a", "NumericEquals": 1`
    Comparison(Comparison),
}

/// A variable and what it is compared with.
#[derive(Clone, Debug)]
pub struct Comparison {
    variable: Path,
    test: Test,
}

impl Condition {
    /// Parses a rule from its JSON text; the fields of a rule that are no part of its condition
    /// (`Next`, `Assign`, `Comment`, `Output`) are left to whoever reads the state. All problems
    /// are found at once.
    pub fn parse(json: &str, constants: &mut Scratch) -> Result<Condition, Vec<Problem>> {
        parse::parse(json, constants)
    }

    /// Every path in it.
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        self.collect(&mut paths);
        paths
    }

    fn collect<'a>(&'a self, paths: &mut Vec<&'a Path>) {
        match self {
            Condition::And(rules) | Condition::Or(rules) => {
                rules.iter().for_each(|rule| rule.collect(paths));
            }
            Condition::Not(rule) => rule.collect(paths),
            Condition::Comparison(Comparison { variable, test }) => {
                paths.push(variable);
                paths.extend(test.path());
            }
        }
    }

    /// As [`Condition::evaluate`] with `input` as `$`, where that takes plain paths that lead
    /// somewhere; `None` otherwise.
    #[inline]
    pub fn glance(&self, scratch: &Scratch, input: Value) -> Option<bool> {
        match self {
            Condition::Comparison(comparison) => comparison.glance(scratch, input),
            _ => self.glance_within(scratch, input),
        }
    }

    fn glance_within(&self, scratch: &Scratch, input: Value) -> Option<bool> {
        let is_and = matches!(self, Condition::And(_));
        match self {
            Condition::Comparison(comparison) => comparison.glance(scratch, input),
            Condition::Not(rule) => Some(!rule.glance(scratch, input)?),
            Condition::And(rules) | Condition::Or(rules) => {
                for rule in rules {
                    if rule.glance(scratch, input)? != is_and {
                        return Some(!is_and);
                    }
                }
                Some(is_and)
            }
        }
    }

    /// As [`Condition::evaluate`], where what a path leads nowhere of does not hold: of events that are
    /// told apart by their shape.
    pub fn holds(&self, scope: &mut Scope<'_>) -> bool {
        match self {
            Condition::Comparison(comparison) => matches!(comparison.outcome(scope), Ok(Ok(true))),
            Condition::Not(rule) => !rule.holds(scope),
            Condition::And(rules) => rules.iter().all(|rule| rule.holds(scope)),
            Condition::Or(rules) => rules.iter().any(|rule| rule.holds(scope)),
        }
    }

    /// Does the rule hold? Values of another type than the operator's make it false; a path that
    /// leads nowhere fails with `States.Runtime`, but under `IsPresent`.
    pub fn evaluate(&self, scope: &mut Scope<'_>) -> Result<bool, StateError> {
        match self {
            Condition::Comparison(comparison) => comparison.evaluate(scope),
            Condition::Not(rule) => Ok(!rule.evaluate(scope)?),
            Condition::And(rules) => {
                for rule in rules {
                    if !rule.evaluate(scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::Or(rules) => {
                for rule in rules {
                    if rule.evaluate(scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

impl Comparison {
    #[inline]
    fn glance(&self, scratch: &Scratch, input: Value) -> Option<bool> {
        let variable = self.variable.glance(scratch, input);
        if let Test::IsPresent(wanted) = self.test {
            return self.variable.is_plain().then_some(variable.is_some() == wanted);
        }
        let comparand = match self.test.path() {
            Some(path) => {
                let found = path.glance(scratch, input);
                found.filter(|found| self.test.takes(scratch, *found))?
            }
            None => Value::NULL,
        };
        Some(self.test.holds(scratch, variable?, comparand))
    }

    fn evaluate(&self, scope: &mut Scope<'_>) -> Result<bool, StateError> {
        self.outcome(scope)?.map_err(invalid)
    }

    /// Does it hold? The inner error is the path that leads to nothing it can compare.
    fn outcome(&self, scope: &mut Scope<'_>) -> Result<Result<bool, &Path>, StateError> {
        let variable = self.variable.evaluate(scope)?;
        if let Test::IsPresent(wanted) = self.test {
            return Ok(Ok(variable.is_some() == wanted));
        }
        let Some(variable) = variable else { return Ok(Err(&self.variable)) };
        let comparand = match self.test.path() {
            Some(path) => {
                let found = path.evaluate(scope)?;
                match found.filter(|found| self.test.takes(scope.scratch, *found)) {
                    Some(found) => found,
                    None => return Ok(Err(path)),
                }
            }
            None => Value::NULL,
        };
        Ok(Ok(self.test.holds(scope.scratch, variable, comparand)))
    }
}

#[cold]
fn invalid(path: &Path) -> StateError {
    StateError::runtime(format!(
        "Invalid path '{}': The choice state's condition path references an invalid value.",
        path.text()
    ))
}

#[cfg(test)]
mod tests;
