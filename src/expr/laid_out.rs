//! Templates laid out as text with holes, which the values of plain paths fill: one copy from the
//! event to the output, without a tree between.

use super::expression::Expression;
use super::path::Path;
use super::template::Node;
use crate::value::{Draft, Scratch, Stencil, Value};

/// A template whose expressions are plain paths and `States.Format` of plain paths.
#[derive(Clone, Debug)]
pub(super) struct LaidOut {
    stencil: Stencil,
    /// What fills the holes; each path once.
    holes: Box<[Path]>,
}

impl LaidOut {
    /// Lays out a template, if it can be done.
    pub(super) fn of(root: &Node, constants: &Scratch) -> Option<LaidOut> {
        let mut holes = Vec::new();
        let stencil = stencil(root, constants, &mut holes)?;
        Some(LaidOut { stencil, holes: holes.into() })
    }

    /// Its text, holes as `<0>`.
    pub(super) fn text(&self) -> String {
        self.stencil.to_string()
    }

    /// What fills the holes: `<0> $.device.id, <1> $.ts`.
    pub(super) fn holes(&self) -> String {
        let holes = self.holes.iter().enumerate();
        holes.map(|(at, path)| format!("<{at}> {}", path.text())).collect::<Vec<_>>().join(", ")
    }

    /// The template with `input` as `$`; `None` where a path leads nowhere, or to what is better
    /// pointed at.
    #[inline]
    pub(super) fn fill(&self, scratch: &mut Scratch, input: Value) -> Option<Value> {
        let mark = scratch.mark();
        for path in &self.holes {
            let Some(value) = path.glance(scratch, input) else {
                scratch.abandon(mark);
                return None;
            };
            scratch.push(value);
        }
        scratch.fill(&self.stencil, mark)
    }
}

fn stencil(node: &Node, constants: &Scratch, holes: &mut Vec<Path>) -> Option<Stencil> {
    let mut draft = match node {
        Node::Object(_) => Draft::object(),
        Node::Array(_) => Draft::array(),
        Node::Constant(_) | Node::Field(_) => return None,
    };
    let mut add = |name: Option<&str>, node: &Node| {
        draft.key(name);
        match node {
            Node::Constant(value) => draft.constant(*value, constants)?,
            Node::Field(field) => expression(&field.expression, &mut draft, holes)?,
            Node::Object(_) | Node::Array(_) => draft.within(stencil(node, constants, holes)?),
        }
        Some(())
    };
    match node {
        Node::Object(members) => {
            for (key, node) in members {
                add(Some(&constants.str(*key)), node)?;
            }
        }
        Node::Array(items) => items.iter().try_for_each(|node| add(None, node))?,
        Node::Constant(_) | Node::Field(_) => {}
    }
    Some(draft.finish())
}

fn expression(expression: &Expression, draft: &mut Draft, holes: &mut Vec<Path>) -> Option<()> {
    let mut hole_of = |path: &Path| {
        let known = holes.iter().position(|hole| hole.text() == path.text());
        known.unwrap_or_else(|| {
            holes.push(path.clone());
            holes.len() - 1
        })
    };
    if let Some((pieces, paths)) = expression.format() {
        let filled: Vec<_> = paths.into_iter().map(hole_of).collect();
        draft.text(pieces, &filled);
        return Some(());
    }
    match expression {
        Expression::Path(path) if path.is_plain() => draft.hole(hole_of(path)),
        _ => return None,
    }
    Some(())
}
