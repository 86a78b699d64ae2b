//! What a leaf of a pattern may ask of a scalar.

use std::net::IpAddr;

use crate::expr::condition::{Pattern, Relation};
use crate::value::{Kind, Scratch, Value};

/// One of a leaf's list.
#[derive(Clone, Debug)]
pub(super) enum Matcher {
    /// `"text"`
    Text(Box<str>),
    /// `5`
    Number(f64),
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// `{"prefix": "a"}`; `true`: whatever its case.
    Prefix(Box<str>, bool),
    /// `{"suffix": "a"}`; `true`: whatever its case.
    Suffix(Box<str>, bool),
    /// `{"equals-ignore-case": "a"}`
    EqualsIgnoreCase(Box<str>),
    /// `{"wildcard": "a*"}`
    Wildcard(Pattern),
    /// `{"numeric": [">", 0, "<=", 5]}`
    Numeric(Box<[(Relation, f64)]>),
    /// `{"cidr": "10.0.0.0/24"}`
    Cidr(Network),
    /// `{"exists": true}`
    Exists(bool),
    /// `{"anything-but": ["a", "b"]}`
    AnythingBut(Box<[Matcher]>),
}

impl Matcher {
    /// Does the scalar match?
    pub(super) fn matches(&self, scratch: &Scratch, value: Value) -> bool {
        let text = |is_it: &dyn Fn(&str) -> bool| {
            value.kind() == Kind::String && is_it(&scratch.str(value))
        };
        match self {
            Matcher::Text(wanted) => value.kind() == Kind::String && scratch.says(value, wanted),
            Matcher::Number(wanted) => scratch.f64(value) == Some(*wanted),
            Matcher::Null => value.is_null(),
            Matcher::Bool(wanted) => value.as_bool() == Some(*wanted),
            Matcher::Prefix(wanted, false) => text(&|it| it.starts_with(&**wanted)),
            Matcher::Prefix(wanted, true) => text(&|it| begins(lower(it), lower(wanted))),
            Matcher::Suffix(wanted, false) => text(&|it| it.ends_with(&**wanted)),
            Matcher::Suffix(wanted, true) => text(&|it| {
                let back = |text| str::chars(text).rev().flat_map(|c| c.to_lowercase().rev());
                begins(back(it), back(wanted))
            }),
            Matcher::EqualsIgnoreCase(wanted) => text(&|it| lower(it).eq(lower(wanted))),
            Matcher::Wildcard(pattern) => text(&|it| pattern.matches(it)),
            Matcher::Numeric(bounds) => scratch.f64(value).is_some_and(|number| {
                let within = |(relation, bound): &(Relation, f64)| {
                    number.partial_cmp(bound).is_some_and(|it| relation.holds(it))
                };
                bounds.iter().all(within)
            }),
            Matcher::Cidr(network) => text(&|it| network.holds(it)),
            Matcher::Exists(wanted) => *wanted,
            Matcher::AnythingBut(these) => !these.iter().any(|it| it.matches(scratch, value)),
        }
    }
}

fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

fn begins(mut text: impl Iterator<Item = char>, mut with: impl Iterator<Item = char>) -> bool {
    with.all(|wanted| text.next() == Some(wanted))
}

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    bits: u128,
    mask: u128,
    is_v6: bool,
}

impl Network {
    /// `10.0.0.0/24`, `2001:db8::/32`, or a single address.
    pub(super) fn parse(text: &str) -> Option<Network> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let (bits, is_v6) = bits_of(address)?;
        let width = if is_v6 { 128 } else { 32 };
        let len = len.unwrap_or(width);
        let free = width.checked_sub(len)?;
        // Shifting by all 128 bits is no shift.
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        Some(Network { bits: bits & mask, mask, is_v6 })
    }

    fn holds(&self, address: &str) -> bool {
        bits_of(address)
            .is_some_and(|(bits, is_v6)| is_v6 == self.is_v6 && bits & self.mask == self.bits)
    }
}

fn bits_of(address: &str) -> Option<(u128, bool)> {
    Some(match address.parse().ok()? {
        IpAddr::V4(v4) => (u32::from(v4).into(), false),
        IpAddr::V6(v6) => (v6.into(), true),
    })
}
