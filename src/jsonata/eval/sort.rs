//! Sorting: `items^(price, >name)`, and the merge that `$sort` shares.

use std::cmp::Ordering;

use super::{Evaluation, Result};
use crate::jsonata::error::Code;
use crate::jsonata::item::{Frame, Item, SEQUENCE, TUPLES};
use crate::jsonata::program::{Sort, SortId};

/// Must the first of two items, by index, come after the second?
pub(in crate::jsonata) type Swaps<'f> =
    dyn FnMut(&mut Evaluation<'_>, usize, usize) -> Result<bool> + 'f;

impl Evaluation<'_> {
    pub(super) fn sort(&mut self, id: SortId, input: Item, frame: Frame) -> Result<Item> {
        let sort = self.program.sorts[id.index()];
        let count = self.len(input);
        if count <= 1 {
            // An array of a document stands for the sequence that the step before made of it.
            return match input {
                Item::Json(_) if input.is_array() => {
                    let item = self.at(input, 0);
                    self.singleton(item, SEQUENCE)
                }
                _ => Ok(input),
            };
        }
        let terms = sort.terms.len as usize;
        let held = self.held();
        self.hold(count.saturating_mul(terms * size_of::<Item>()))?;
        let keys = self.sort_keys(sort, input, frame)?;
        let order = self.merge_sort(count, &mut |e: &mut Evaluation<'_>, a, b| {
            e.sorts_after(sort, &keys[a * terms..][..terms], &keys[b * terms..][..terms])
        })?;
        self.hold_only(held);
        let flags = if input.has(TUPLES) { TUPLES } else { 0 };
        self.arrange(input, &order, flags)
    }

    /// The array's items in another order.
    pub fn arrange(&mut self, array: Item, order: &[u32], flags: u8) -> Result<Item> {
        let mark = self.mark();
        self.push_all(array)?;
        let end = self.mark();
        for index in order {
            let item = self.memory.stack[mark + *index as usize];
            self.push(item);
        }
        let list = self.list(end, flags)?;
        self.memory.stack.truncate(mark);
        Ok(list)
    }

    /// The terms of every item.
    fn sort_keys(&mut self, sort: Sort, input: Item, frame: Frame) -> Result<Vec<Item>> {
        let mut keys = Vec::new();
        let mut walk = self.walk(input);
        while let Some(item) = self.next(&mut walk) {
            let (context, inner) = match item {
                Item::Tuple(tuple) => self.tuple_frame(tuple, frame),
                _ => (item, frame),
            };
            for at in sort.terms.indexes() {
                let node = self.program.terms[at].node;
                keys.push(self.eval(node, context, inner)?);
            }
        }
        self.check()?;
        Ok(keys)
    }

    fn sorts_after(&self, sort: Sort, a: &[Item], b: &[Item]) -> Result<bool> {
        for (at, (x, y)) in sort.terms.indexes().zip(a.iter().zip(b)) {
            let order = match (x.is_nothing(), y.is_nothing()) {
                (true, true) => continue,
                // Nothing comes last, whatever the direction.
                (true, false) => return Ok(true),
                (false, true) => return Ok(false),
                (false, false) => self.sort_order(sort, *x, *y)?,
            };
            if order != Ordering::Equal {
                let is_descending = self.program.terms[at].is_descending;
                return Ok((order == Ordering::Greater) != is_descending);
            }
        }
        Ok(false)
    }

    fn sort_order(&self, sort: Sort, x: Item, y: Item) -> Result<Ordering> {
        let fits = |item: Item| item.is_number() || item.is_string();
        if !fits(x) || !fits(y) {
            let culprit = if fits(x) { y } else { x };
            return Err(self.error(Code::T2008, culprit).at(sort.at));
        }
        self.compare(x, y)
            .ok_or_else(|| self.error(Code::T2007, x).json("value2", self.excerpt(y)).at(sort.at))
    }

    /// The stable order of `count` items.
    pub fn merge_sort(&mut self, count: usize, swaps: &mut Swaps<'_>) -> Result<Vec<u32>> {
        self.allow_list(count)?;
        let held = self.held();
        self.hold(2 * count * size_of::<u32>())?;
        let mut order: Vec<u32> = (0..count as u32).collect();
        let mut spare = order.clone();
        self.merge_runs(&mut order, &mut spare, swaps)?;
        self.hold_only(held);
        Ok(order)
    }

    fn merge_runs(
        &mut self,
        order: &mut [u32],
        spare: &mut [u32],
        swaps: &mut Swaps<'_>,
    ) -> Result<()> {
        let middle = order.len() / 2;
        if middle == 0 {
            return Ok(());
        }
        self.merge_runs(&mut order[..middle], &mut spare[..middle], swaps)?;
        self.merge_runs(&mut order[middle..], &mut spare[middle..], swaps)?;
        spare.copy_from_slice(order);
        let (mut left, mut right) = (0, middle);
        for place in order.iter_mut() {
            let takes_right = if left == middle {
                true
            } else if right == spare.len() {
                false
            } else {
                self.spend(1)?;
                swaps(self, spare[left] as usize, spare[right] as usize)?
            };
            let from = if takes_right { &mut right } else { &mut left };
            *place = spare[*from];
            *from += 1;
        }
        Ok(())
    }
}
