//! What an expression reads of its input as a whole: Step Functions gives it none, only `$states` and
//! variables.

use super::ast::{Ast, Kind, StageKind};

/// What reads the input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// `$`, `$$`
    Dollar,
    /// `name`, `*`, `**`
    Name,
}

/// Where `$$` stands, or a `$` that is not within a path, a filter or the like: the first one.
pub(super) fn input_read(ast: &Ast) -> Option<u32> {
    Reader::Dollar.place(ast, true)
}

/// Where a name stands that is a member of the input, not of what stands before it.
pub(super) fn member_read(ast: &Ast) -> Option<u32> {
    Reader::Name.place(ast, true)
}

impl Reader {
    /// Where it reads; `is_top`: `$` is the input here.
    fn place(self, ast: &Ast, is_top: bool) -> Option<u32> {
        read(self, ast, is_top).or_else(|| attached(self, ast))
    }
}

fn read(reader: Reader, ast: &Ast, is_top: bool) -> Option<u32> {
    let read = |part: &Ast, is_top: bool| reader.place(part, is_top);
    let all = |parts: &[&Ast], is_top: bool| parts.iter().find_map(|part| read(part, is_top));
    let boxed = |part: &Option<Box<Ast>>| part.as_ref().and_then(|part| read(part, is_top));
    match &ast.kind {
        Kind::Variable(name) => {
            let is_input = name == "$" || is_top && name.is_empty();
            (is_input && reader == Reader::Dollar).then_some(ast.at)
        }
        Kind::Name(_) | Kind::Wildcard | Kind::Descendant => {
            (is_top && reader == Reader::Name).then_some(ast.at)
        }
        Kind::Path(steps) => {
            steps.iter().enumerate().find_map(|(at, step)| read(step, is_top && at == 0))
        }
        Kind::Sort(terms) => terms.iter().find_map(|term| read(&term.expression, false)),
        Kind::Binary(_, a, b) | Kind::Coalesce(a, b) | Kind::Default(a, b) | Kind::Apply(a, b) => {
            all(&[a, b], is_top)
        }
        Kind::Negate(inner) | Kind::Bind(_, inner) | Kind::Lambda { body: inner, .. } => {
            read(inner, is_top)
        }
        Kind::Array(parts) | Kind::Block(parts) => parts.iter().find_map(|it| read(it, is_top)),
        Kind::Object(pairs) => pairs.iter().find_map(|(key, value)| all(&[key, value], is_top)),
        Kind::Condition(condition, then, otherwise) => {
            all(&[condition, then], is_top).or_else(|| boxed(otherwise))
        }
        Kind::Call { procedure, args, .. } | Kind::Partial { procedure, args } => {
            read(procedure, is_top).or_else(|| args.iter().find_map(|arg| read(arg, is_top)))
        }
        Kind::Transform(pattern, update, delete) => {
            let delete = delete.as_ref().and_then(|delete| read(delete, false));
            all(&[pattern, update], false).or(delete)
        }
        _ => None,
    }
}

/// The same of filters and groupings, whose `$` is another.
fn attached(reader: Reader, ast: &Ast) -> Option<u32> {
    let filter = |kind: &StageKind| match kind {
        StageKind::Filter(filter) => reader.place(filter, false),
        StageKind::Index(_) => None,
    };
    let mut stages = ast.predicates.iter().chain(&ast.stages);
    let pairs = ast.group.iter().flat_map(|group| &group.pairs);
    let mut parts = pairs.flat_map(|(key, value)| [key, value]);
    stages
        .find_map(|stage| filter(&stage.kind))
        .or_else(|| parts.find_map(|part| reader.place(part, false)))
}
