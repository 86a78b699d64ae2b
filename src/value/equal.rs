//! Equality by value: what `States.ArrayContains` and Choice mean by equal.

use super::scratch::Scratch;
use super::value::{Kind, Value};

impl Scratch {
    /// Equal by value: numbers as binary64 (`1` is `1.0`), strings decoded, objects without order.
    pub fn equals(&self, a: Value, b: Value) -> bool {
        if a.kind() != b.kind() {
            return false;
        }
        match a.kind() {
            Kind::Null => true,
            Kind::Bool => a.as_bool() == b.as_bool(),
            Kind::Number => self.raw(a) == self.raw(b) || self.f64(a) == self.f64(b),
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
        let mut members = self.members(a);
        let mut count = 0;
        while let Some((key, value)) = self.next_member(&mut members) {
            count += 1;
            let other = self.member(b, &self.str(key));
            if !other.is_some_and(|other| self.equals(value, other)) {
                return false;
            }
        }
        count == self.count(b)
    }
}
