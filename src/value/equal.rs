//! Equality by value: what `States.ArrayContains` and Choice mean by equal.

use std::borrow::Cow;
use std::collections::HashMap;

use super::scratch::Scratch;
use super::value::{ESCAPED, Kind, Value};

/// Members that are looked up one by one: in more, that would take the square of their number.
const FEW: usize = 32;

impl Scratch {
    /// Equal by value: numbers as binary64 (`1` is `1.0`), strings decoded, objects without order.
    pub fn equals(&self, a: Value, b: Value) -> bool {
        if a.kind() != b.kind() {
            return false;
        }
        if a.is_same(b) {
            return true;
        }
        match a.kind() {
            Kind::Null => true,
            Kind::Bool => a.as_bool() == b.as_bool(),
            Kind::Number => self.raw(a) == self.raw(b) || self.f64(a) == self.f64(b),
            Kind::String if (a.flags | b.flags) & ESCAPED == 0 => self.inner(a) == self.inner(b),
            Kind::String => self.str(a) == self.str(b),
            Kind::Array => self.arrays_equal(a, b),
            Kind::Object => self.objects_equal(a, b),
        }
    }

    fn arrays_equal(&self, a: Value, b: Value) -> bool {
        let (mut left, mut right) = (self.items(a), self.items(b));
        loop {
            match (self.next_item(&mut left), self.next_item(&mut right)) {
                (None, None) => return true,
                (Some(x), Some(y)) if self.equals(x, y) => {}
                _ => return false,
            }
        }
    }

    fn objects_equal(&self, a: Value, b: Value) -> bool {
        let count = self.count(b);
        if self.count(a) != count {
            return false;
        }
        let by_name = (count > FEW).then(|| self.by_name(b));
        let mut members = self.members(a);
        while let Some((key, value)) = self.next_member(&mut members) {
            let name = self.str(key);
            let other = match &by_name {
                Some(by_name) => by_name.get(&name).copied(),
                None => self.member(b, &name),
            };
            if !other.is_some_and(|other| self.equals(value, other)) {
                return false;
            }
        }
        true
    }

    fn by_name(&self, object: Value) -> HashMap<Cow<'_, str>, Value> {
        let mut members = self.members(object);
        let next = || self.next_member(&mut members);
        std::iter::from_fn(next).map(|(key, value)| (self.str(key), value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Limits;

    #[test]
    fn large_objects_are_equal_in_any_order() {
        let members = |numbers: &mut dyn Iterator<Item = u32>| {
            let members: Vec<String> = numbers.map(|n| format!("\"k{n}\":[{n}]")).collect();
            format!("{{{}}}", members.join(","))
        };
        let mut scratch = Scratch::new(Limits::default());
        let [up, down, less] =
            [members(&mut (0..100)), members(&mut (0..100).rev()), members(&mut (1..101))]
                .map(|text| scratch.parse(text.as_bytes()).expect("it is JSON"));
        assert!(scratch.equals(up, down));
        assert!(!scratch.equals(up, less));
    }
}
