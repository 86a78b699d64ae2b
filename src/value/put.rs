//! Writing at a path: nothing is mutated, the value is rebuilt along the path. On a raw object that
//! costs an overlay of one pair; overlays are replaced, never chained, and flatten when they grow.

use super::read::Key;
use super::scratch::{Limits, Scratch, TooDeep};
use super::value::{DISJOINT, SPACED, Shape, Tag, UNUSUAL, Value};

/// Pairs that an overlay holds at most; one more makes it an object of its own.
const OVERLAY_MAX: u32 = 8;

/// One step of a reference path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// `.name`
    Key(Key),
    /// `[0]`
    Index(usize),
}

/// Why nothing could be put there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutError {
    /// The path leads through a scalar, or an array that has no such item.
    Mismatch,
    /// The result would be nested too deeply.
    TooDeep,
}

impl From<TooDeep> for PutError {
    fn from(_: TooDeep) -> PutError {
        PutError::TooDeep
    }
}

impl Scratch {
    /// `target` with `value` at `path`; missing members are made on the way.
    pub fn put(
        &mut self,
        target: Value,
        path: &[Segment],
        value: Value,
    ) -> Result<Value, PutError> {
        match path {
            [] => Ok(value),
            [Segment::Key(key), rest @ ..] => self.put_key(target, key, rest, value),
            [Segment::Index(index), rest @ ..] => self.put_index(target, *index, rest, value),
        }
    }

    fn put_key(
        &mut self,
        target: Value,
        key: &Key,
        rest: &[Segment],
        value: Value,
    ) -> Result<Value, PutError> {
        if rest.is_empty() && target.shape() == Shape::RawObject && self.lacks(target, key.hash()) {
            return Ok(self.lay_one(target, key, value)?);
        }
        let old = self.get(target, key);
        let inner = match (rest, old) {
            ([], _) => value,
            ([Segment::Index(_), ..], None) => return Err(PutError::Mismatch),
            (_, None) => {
                let mark = self.mark();
                let empty = self.object(mark)?;
                self.put(empty, rest, value)?
            }
            (_, Some(old)) => self.put(old, rest, value)?,
        };
        match target.shape() {
            Shape::RawObject => Ok(self.lay(target, &[], key, inner, old.is_none())?),
            Shape::Overlay if target.len < OVERLAY_MAX => {
                let base = self.nodes[target.offset as usize];
                let is_disjoint = target.flags & DISJOINT != 0
                    && (old.is_none() || self.member(base, key.name()).is_none());
                let from = target.offset as usize + 1;
                let pairs = from..from + 2 * target.len as usize;
                let kept: smallpairs::Pairs = smallpairs::copy(&self.nodes[pairs]);
                Ok(self.lay(base, kept.as_slice(), key, inner, is_disjoint)?)
            }
            Shape::Object | Shape::Overlay => Ok(self.rebuild(target, key, inner)?),
            _ => Err(PutError::Mismatch),
        }
    }

    /// An overlay of one pair on the raw object `base`, which has no such member.
    fn lay_one(&mut self, base: Value, key: &Key, value: Value) -> Result<Value, TooDeep> {
        let height = base.height.max(value.height + 1);
        if height > Limits::HEIGHT_CEILING {
            return Err(TooDeep);
        }
        let name = self.key(key);
        let offset = self.nodes.len() as u32;
        self.nodes.extend_from_slice(&[base, name, value]);
        // A colon and a comma.
        let size = base.size_max() + name.size_max() + value.size_max() + 2;
        let link = u32::try_from(size).unwrap_or(u32::MAX);
        let flags = (base.flags | name.flags | value.flags) & (UNUSUAL | SPACED) | DISJOINT;
        let tag = Tag::of(Shape::Overlay);
        Ok(Value { offset, len: 1, link, tag, flags, height }.in_one_piece())
    }

    /// An overlay on the raw object `base`: `kept` pairs, with `key` replaced or added.
    fn lay(
        &mut self,
        base: Value,
        kept: &[Value],
        key: &Key,
        value: Value,
        is_disjoint: bool,
    ) -> Result<Value, TooDeep> {
        let offset = self.nodes.len();
        self.nodes.push(base);
        let mut is_new = true;
        for pair in kept.chunks_exact(2) {
            let is_it = self.says(pair[0], key.name());
            is_new &= !is_it;
            self.nodes.extend([pair[0], if is_it { value } else { pair[1] }]);
        }
        if is_new {
            let name = self.key(key);
            self.nodes.extend([name, value]);
        }
        let pairs = &self.nodes[offset + 1..];
        let (mut height, mut flags) = (base.height, base.flags & (UNUSUAL | SPACED));
        // A colon and a comma each.
        let mut size = base.size_max() + pairs.len();
        for part in pairs {
            size += part.size_max();
            height = height.max(part.height + 1);
            flags |= part.flags & (UNUSUAL | SPACED);
        }
        if height > Limits::HEIGHT_CEILING {
            self.nodes.truncate(offset);
            return Err(TooDeep);
        }
        let len = pairs.len() as u32 / 2;
        let link = u32::try_from(size).unwrap_or(u32::MAX);
        let flags = flags | if is_disjoint { DISJOINT } else { 0 };
        let tag = Tag::of(Shape::Overlay);
        Ok(Value { offset: offset as u32, len, link, tag, flags, height })
    }

    /// The object's members as pairs of its own, with `key` replaced or added.
    fn rebuild(&mut self, target: Value, key: &Key, value: Value) -> Result<Value, TooDeep> {
        let mark = self.mark();
        let mut members = self.members(target);
        let mut is_new = true;
        while let Some((name, old)) = self.next_member(&mut members) {
            let is_it = self.says(name, key.name());
            is_new &= !is_it;
            self.push_pair(name, if is_it { value } else { old });
        }
        if is_new {
            let name = self.key(key);
            self.push_pair(name, value);
        }
        self.object(mark)
    }

    fn put_index(
        &mut self,
        target: Value,
        index: usize,
        rest: &[Segment],
        value: Value,
    ) -> Result<Value, PutError> {
        let old = self.item(target, index).ok_or(PutError::Mismatch)?;
        let inner = self.put(old, rest, value)?;
        let mark = self.mark();
        let mut items = self.items(target);
        let mut at = 0;
        while let Some(item) = self.next_item(&mut items) {
            self.push(if at == index { inner } else { item });
            at += 1;
        }
        Ok(self.array(mark)?)
    }
}

/// The pairs of an overlay on the stack, so that copying them borrows nothing.
mod smallpairs {
    use super::{OVERLAY_MAX, Value};

    pub(super) struct Pairs {
        values: [Value; 2 * OVERLAY_MAX as usize],
        len: usize,
    }

    impl Pairs {
        pub(super) fn as_slice(&self) -> &[Value] {
            &self.values[..self.len]
        }
    }

    pub(super) fn copy(values: &[Value]) -> Pairs {
        let mut pairs = Pairs { values: [Value::NULL; 16], len: values.len() };
        pairs.values[..values.len()].copy_from_slice(values);
        pairs
    }
}
