//! One look at an item where it stands: what most items of an array take.

use crate::jsonata::program::{Arithmetic, Node, NodeId, Program};
use crate::value::{Key, Kind, Place, Scratch};

/// What one look at an item gives.
pub(super) enum Look {
    Number(f64),
    /// What stands there, and is no array.
    Place(Place),
    Nothing,
    /// It takes more than that.
    Unclear,
}

/// An operand of a computation with items.
#[derive(Clone, Copy)]
pub(super) enum Operand<'a> {
    Member(&'a Key),
    Number(f64),
}

impl<'a> Operand<'a> {
    /// A node, if that is all it takes.
    pub(super) fn new(program: &'a Program, id: NodeId) -> Option<Operand<'a>> {
        match program.nodes[id.index()] {
            Node::Field(key) | Node::Name(key, _) => {
                Some(Operand::Member(&program.keys[key.index()]))
            }
            Node::Number(number) => Some(Operand::Number(number)),
            _ => None,
        }
    }

    #[inline(always)]
    pub(super) fn of(self, scratch: &Scratch, item: Place) -> Option<f64> {
        match self {
            Operand::Member(key) => number_of(scratch, item, key),
            Operand::Number(number) => Some(number),
        }
    }
}

/// A member that is a number.
#[inline(always)]
pub(super) fn number_of(scratch: &Scratch, item: Place, key: &Key) -> Option<f64> {
    scratch.f64_at(scratch.place_of(item, key)?)
}

#[inline(always)]
pub(super) fn member_of(scratch: &Scratch, item: Place, key: &Key) -> Look {
    match scratch.place_of(item, key) {
        Some(found) if scratch.kind_at(found) != Kind::Array => Look::Place(found),
        _ => Look::Unclear,
    }
}

/// `a * b` of finite numbers.
#[inline(always)]
pub(super) fn calculate(operator: Arithmetic, a: Option<f64>, b: Option<f64>) -> Look {
    let (Some(a), Some(b)) = (a, b) else { return Look::Unclear };
    let number = operator.of(a, b);
    let is_finite = match operator {
        // What is finite is made of finite operands.
        Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply => number.is_finite(),
        Arithmetic::Divide | Arithmetic::Remainder => a.is_finite() && b.is_finite(),
    };
    if is_finite { Look::Number(number) } else { Look::Unclear }
}
