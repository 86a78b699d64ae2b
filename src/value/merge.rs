//! Two objects as one: `States.JsonMerge`, and variables that are assigned over others.

use std::collections::HashMap;

use super::scratch::{Scratch, TooDeep};
use super::value::Value;

/// Up to so many pairs of members are compared each with each.
const FEW: usize = 1024;

impl Scratch {
    /// The members of both objects, the second's where both have one. Members are replaced whole.
    pub fn merge(&mut self, first: Value, second: Value) -> Result<Value, TooDeep> {
        let mark = self.mark();
        match self.count(first) * self.count(second) {
            0..=FEW => self.push_few(first, second),
            _ => self.merged(first, second).into_iter().for_each(|value| self.push(value)),
        }
        self.object(mark)
    }

    fn push_few(&mut self, first: Value, second: Value) {
        let mut members = self.members(first);
        while let Some((key, value)) = self.next_member(&mut members) {
            let over = self.member(second, &self.str(key));
            self.push(key);
            self.push(over.unwrap_or(value));
        }
        let mut members = self.members(second);
        while let Some((key, value)) = self.next_member(&mut members) {
            if self.member(first, &self.str(key)).is_none() {
                self.push(key);
                self.push(value);
            }
        }
    }

    /// Keys and values in turn.
    fn merged(&self, first: Value, second: Value) -> Vec<Value> {
        let mut merged = Vec::new();
        let mut places = HashMap::new();
        for object in [first, second] {
            let mut members = self.members(object);
            while let Some((key, value)) = self.next_member(&mut members) {
                let place = *places.entry(self.str(key)).or_insert(merged.len());
                if place == merged.len() {
                    merged.extend([key, value]);
                }
                merged[place + 1] = value;
            }
        }
        merged
    }
}
