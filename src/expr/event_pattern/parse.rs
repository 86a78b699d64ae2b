//! JSON to pattern.

use super::matcher::{Matcher, Network};
use super::{Field, Fields};
use crate::expr::condition::{Pattern, Relation};
use crate::expr::problem::{Problems, all, at, wrong};
use crate::expr::template::constant;
use crate::value::{Key, Kind, Scratch, Value};

/// Objects within objects.
const NESTING_MAX: usize = 64;
/// The field that holds alternatives.
const OR: &str = "$or";

pub(super) fn parse(json: &str, memory: &mut Scratch) -> Result<Fields, Problems> {
    let node = constant(json, memory).map_err(|problem| vec![problem])?;
    Reader { memory }.fields(node, 0)
}

struct Reader<'a> {
    memory: &'a Scratch,
}

impl Reader<'_> {
    fn fields(&self, node: Value, depth: usize) -> Result<Fields, Problems> {
        if node.kind() != Kind::Object || self.memory.count(node) == 0 {
            return wrong("A pattern is an object with at least one field");
        }
        if depth > NESTING_MAX {
            return wrong(format!("Patterns nest deeper than {NESTING_MAX}"));
        }
        let (mut fields, mut either, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        let mut members = self.memory.members(node);
        while let Some((key, value)) = self.memory.next_member(&mut members) {
            let name = self.memory.str(key);
            let result = match &*name {
                OR => self.either(value, depth).map(|of| either.push(of)),
                name => {
                    let field = self.field(value, depth);
                    field.map(|field| fields.push((Key::new(name), field)))
                }
            };
            problems.extend(at(&name, result).err().into_iter().flatten());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Fields { all: fields.into(), either: either.into() })
    }

    fn either(&self, node: Value, depth: usize) -> Result<Box<[Fields]>, Problems> {
        if node.kind() != Kind::Array || self.memory.count(node) < 2 {
            return wrong("$or needs a list of at least two patterns");
        }
        let items = self.items(node).into_iter().enumerate();
        all(items.map(|(index, item)| at(&index.to_string(), self.fields(item, depth + 1))))
    }

    fn field(&self, node: Value, depth: usize) -> Result<Field, Problems> {
        match node.kind() {
            Kind::Object => self.fields(node, depth + 1).map(Field::Object),
            Kind::Array if self.memory.count(node) > 0 => {
                let items = self.items(node).into_iter().enumerate();
                let matchers =
                    items.map(|(index, item)| at(&index.to_string(), self.matcher(item)));
                all(matchers).map(Field::Leaf)
            }
            _ => wrong("A field's pattern is a list of what it may be, or an object of fields"),
        }
    }

    fn items(&self, array: Value) -> Vec<Value> {
        let mut items = self.memory.items(array);
        std::iter::from_fn(|| self.memory.next_item(&mut items)).collect()
    }

    /// The items of a list, which is not empty, or what stands in place of one.
    fn one_or_more(&self, node: Value) -> Vec<Value> {
        match node.kind() {
            Kind::Array if self.memory.count(node) > 0 => self.items(node),
            _ => vec![node],
        }
    }

    /// A scalar to be equal to.
    fn literal(&self, node: Value) -> Option<Matcher> {
        Some(match node.kind() {
            Kind::String => Matcher::Text(self.memory.str(node).into()),
            Kind::Number => Matcher::Number(self.memory.f64(node)?),
            Kind::Null => Matcher::Null,
            Kind::Bool => Matcher::Bool(node.as_bool()?),
            Kind::Array | Kind::Object => return None,
        })
    }

    fn matcher(&self, node: Value) -> Result<Matcher, Problems> {
        if let Some(literal) = self.literal(node) {
            return Ok(literal);
        }
        let (name, operand) = self.single(node)?;
        at(
            &name,
            match &*name {
                "exists" => match operand.as_bool() {
                    Some(wanted) => Ok(Matcher::Exists(wanted)),
                    None => wrong("exists needs true or false"),
                },
                "numeric" => self.numeric(operand),
                "cidr" => match Network::parse(&self.text(operand)?) {
                    Some(network) => Ok(Matcher::Cidr(network)),
                    None => wrong("cidr needs a block of addresses such as 10.0.0.0/24"),
                },
                "anything-but" => self.anything_but(operand),
                name => self.of_text(name, operand),
            },
        )
    }

    /// The only member of an object.
    fn single(&self, node: Value) -> Result<(String, Value), Problems> {
        if node.kind() == Kind::Object && self.memory.count(node) == 1 {
            let mut members = self.memory.members(node);
            if let Some((key, value)) = self.memory.next_member(&mut members) {
                return Ok((self.memory.str(key).into_owned(), value));
            }
        }
        wrong("This is to be a string, a number, true, false, null, or an object of one matcher")
    }

    /// Matchers of strings.
    fn of_text(&self, name: &str, operand: Value) -> Result<Matcher, Problems> {
        let is_object = operand.kind() == Kind::Object;
        match name {
            "prefix" | "suffix" if is_object => {
                let (inner, operand) = self.single(operand)?;
                if inner != "equals-ignore-case" {
                    return wrong(format!("{name} takes a string, or equals-ignore-case in here"));
                }
                let text = at(&inner, self.text(operand))?.into();
                Ok(if name == "prefix" {
                    Matcher::Prefix(text, true)
                } else {
                    Matcher::Suffix(text, true)
                })
            }
            "prefix" => Ok(Matcher::Prefix(self.text(operand)?.into(), false)),
            "suffix" => Ok(Matcher::Suffix(self.text(operand)?.into(), false)),
            "equals-ignore-case" => Ok(Matcher::EqualsIgnoreCase(self.text(operand)?.into())),
            "wildcard" => {
                let text = self.text(operand)?;
                if text.replace("\\\\", "").replace("\\*", "").contains("**") {
                    return wrong("A wildcard has no two asterisks in a row");
                }
                Ok(Matcher::Wildcard(Pattern::new(&text)))
            }
            _ => wrong(
                "This is no matcher; there are prefix, suffix, equals-ignore-case, wildcard, \
                 anything-but, numeric, exists and cidr",
            ),
        }
    }

    fn anything_but(&self, operand: Value) -> Result<Matcher, Problems> {
        if operand.kind() == Kind::Object {
            let (name, operand) = self.single(operand)?;
            if !["prefix", "suffix", "equals-ignore-case", "wildcard"].contains(&&*name) {
                return wrong(
                    "anything-but takes scalars, prefix, suffix, equals-ignore-case or wildcard",
                );
            }
            let matchers = self.one_or_more(operand).into_iter().map(|it| self.of_text(&name, it));
            return at(&name, all(matchers)).map(Matcher::AnythingBut);
        }
        let literal = |it: Value| match self.literal(it) {
            Some(Matcher::Null | Matcher::Bool(_)) | None => {
                wrong("anything-but needs a string or a number, or a list of those")
            }
            Some(literal) => Ok(literal),
        };
        all(self.one_or_more(operand).into_iter().map(literal)).map(Matcher::AnythingBut)
    }

    fn numeric(&self, operand: Value) -> Result<Matcher, Problems> {
        let help = "numeric needs a relation and a number, or a range: [\">\", 0, \"<=\", 5]";
        let items = if operand.kind() == Kind::Array { self.items(operand) } else { Vec::new() };
        let bound = |pair: &[Value]| {
            let relation = (pair[0].kind() == Kind::String).then(|| self.memory.str(pair[0]))?;
            let relation = match &*relation {
                "=" => Relation::Equal,
                "<" => Relation::Less,
                ">" => Relation::Greater,
                "<=" => Relation::LessOrEqual,
                ">=" => Relation::GreaterOrEqual,
                _ => return None,
            };
            Some((relation, self.memory.f64(pair[1])?))
        };
        let is_even = items.len().is_multiple_of(2) && !items.is_empty();
        let bounds: Option<Vec<_>> = items.chunks_exact(2).map(bound).collect();
        match bounds.filter(|_| is_even).as_deref() {
            Some([one]) => Ok(Matcher::Numeric([*one].into())),
            Some([low, high]) if is_lower(low.0) && is_upper(high.0) => {
                Ok(Matcher::Numeric([*low, *high].into()))
            }
            _ => wrong(help),
        }
    }

    fn text(&self, node: Value) -> Result<String, Problems> {
        match node.kind() {
            Kind::String => Ok(self.memory.str(node).into_owned()),
            _ => wrong("This needs a string"),
        }
    }
}

fn is_lower(relation: Relation) -> bool {
    matches!(relation, Relation::Greater | Relation::GreaterOrEqual)
}

fn is_upper(relation: Relation) -> bool {
    matches!(relation, Relation::Less | Relation::LessOrEqual)
}
