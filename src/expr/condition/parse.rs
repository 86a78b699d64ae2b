//! JSON to condition.

use super::compare::{Pattern, Relation, Test};
use super::{Comparison, Condition};
use crate::expr::path::Path;
use crate::expr::problem::{Problem, Problems, all, at, wrong};
use crate::expr::template::constant;
use crate::expr::timestamp::Timestamp;
use crate::value::{Kind, Scratch, Value};

/// Fields of a rule that are no part of its condition.
const OUTER_FIELDS: [&str; 4] = ["Next", "Assign", "Output", "Comment"];
/// Rules within rules.
const NESTING_MAX: usize = 64;

const RELATIONS: [(&str, Relation); 5] = [
    ("Equals", Relation::Equal),
    ("LessThan", Relation::Less),
    ("GreaterThan", Relation::Greater),
    ("LessThanEquals", Relation::LessOrEqual),
    ("GreaterThanEquals", Relation::GreaterOrEqual),
];

pub(super) fn parse(json: &str, constants: &mut Scratch) -> Result<Condition, Problems> {
    let node = constant(json, constants).map_err(|problem| vec![problem])?;
    Reader { constants }.rule(node, 0)
}

struct Reader<'a> {
    constants: &'a Scratch,
}

impl Reader<'_> {
    fn rule(&self, node: Value, depth: usize) -> Result<Condition, Problems> {
        if node.kind() != Kind::Object {
            return wrong("A choice rule must be an object");
        }
        if depth > NESTING_MAX {
            return wrong(format!("Choice rules nest deeper than {NESTING_MAX}"));
        }
        let (mut variable, mut operators) = (None, Vec::new());
        let mut members = self.constants.members(node);
        while let Some((key, value)) = self.constants.next_member(&mut members) {
            match &*self.constants.str(key) {
                "Variable" => variable = Some(value),
                "Comment" => {}
                name if OUTER_FIELDS.contains(&name) && depth == 0 => {}
                "Next" => return at("Next", wrong("A choice rule within another has no 'Next'")),
                name => operators.push((name.to_owned(), value)),
            }
        }
        let [(name, operand)] = &operators[..] else {
            return self.not_one(&operators);
        };
        match name.as_str() {
            "And" => Ok(Condition::And(at(name, self.rules(*operand, depth))?)),
            "Or" => Ok(Condition::Or(at(name, self.rules(*operand, depth))?)),
            "Not" => {
                let rule = at(name, self.rule(*operand, depth + 1))?;
                Ok(Condition::Not(Box::new(rule)))
            }
            _ => self.comparison(variable, name, *operand).map(Condition::Comparison),
        }
    }

    fn not_one(&self, operators: &[(String, Value)]) -> Result<Condition, Problems> {
        if operators.is_empty() {
            return wrong("A choice rule needs one comparison operator, or 'And', 'Or' or 'Not'");
        }
        let names: Vec<_> = operators.iter().map(|(name, _)| format!("'{name}'")).collect();
        wrong(format!("A choice rule takes one operator; this one has {}", names.join(", ")))
    }

    fn rules(&self, node: Value, depth: usize) -> Result<Box<[Condition]>, Problems> {
        if node.kind() != Kind::Array || self.constants.count(node) == 0 {
            return wrong("This needs a list of at least one choice rule");
        }
        let mut items = self.constants.items(node);
        let items = std::iter::from_fn(|| self.constants.next_item(&mut items)).enumerate();
        all(items.map(|(index, item)| at(&index.to_string(), self.rule(item, depth + 1))))
    }

    fn comparison(
        &self,
        variable: Option<Value>,
        name: &str,
        operand: Value,
    ) -> Result<Comparison, Problems> {
        let variable = match variable {
            Some(variable) => at("Variable", self.path(variable)),
            None => wrong(format!("The comparison '{name}' needs a 'Variable'")),
        };
        let test = at(name, self.test(name, operand));
        match (variable, test) {
            (Ok(variable), Ok(test)) => Ok(Comparison { variable, test }),
            (Err(mut problems), Err(more)) => {
                problems.extend(more);
                Err(problems)
            }
            (Err(problems), _) | (_, Err(problems)) => Err(problems),
        }
    }

    fn test(&self, name: &str, operand: Value) -> Result<Test, Problems> {
        let (stem, is_path) = match name.strip_suffix("Path") {
            Some(stem) => (stem, true),
            None => (name, false),
        };
        for group in ["String", "Numeric", "Timestamp"] {
            let tail = stem.strip_prefix(group);
            let row = tail.and_then(|tail| RELATIONS.iter().find(|(name, _)| *name == tail));
            if let Some(&(_, relation)) = row {
                return self.relation(group, relation, is_path, operand);
            }
        }
        match name {
            "BooleanEquals" => self.bool(operand).map(Test::Bool),
            "BooleanEqualsPath" => self.path(operand).map(Test::BoolPath),
            "StringMatches" => self.text(operand).map(|text| Test::Matches(Pattern::new(&text))),
            "IsNull" => Ok(Test::Is(Kind::Null, self.bool(operand)?)),
            "IsString" => Ok(Test::Is(Kind::String, self.bool(operand)?)),
            "IsNumeric" => Ok(Test::Is(Kind::Number, self.bool(operand)?)),
            "IsBoolean" => Ok(Test::Is(Kind::Bool, self.bool(operand)?)),
            "IsTimestamp" => self.bool(operand).map(Test::IsTimestamp),
            "IsPresent" => self.bool(operand).map(Test::IsPresent),
            _ => wrong("This is no comparison operator of choice rules"),
        }
    }

    fn relation(
        &self,
        group: &str,
        relation: Relation,
        is_path: bool,
        operand: Value,
    ) -> Result<Test, Problems> {
        match (group, is_path) {
            ("String", false) => Ok(Test::Text(relation, self.text(operand)?.into())),
            ("String", true) => Ok(Test::TextPath(relation, self.path(operand)?)),
            ("Numeric", false) => match self.constants.f64(operand) {
                Some(number) => Ok(Test::Number(relation, number)),
                None => wrong("This needs a number"),
            },
            ("Numeric", true) => Ok(Test::NumberPath(relation, self.path(operand)?)),
            (_, true) => Ok(Test::TimePath(relation, self.path(operand)?)),
            (_, false) => match Timestamp::parse(&self.text(operand)?) {
                Some(time) => Ok(Test::Time(relation, time)),
                None => wrong("This needs a timestamp such as 2016-03-14T01:59:00Z"),
            },
        }
    }

    fn text(&self, node: Value) -> Result<String, Problems> {
        match node.kind() {
            Kind::String => Ok(self.constants.str(node).into_owned()),
            _ => wrong("This needs a string"),
        }
    }

    fn bool(&self, node: Value) -> Result<bool, Problems> {
        node.as_bool().map_or_else(|| wrong("This needs true or false"), Ok)
    }

    fn path(&self, node: Value) -> Result<Path, Problems> {
        Path::parse(&self.text(node)?).map_err(|e| vec![Problem::here(e.message)])
    }
}
