//! Which key an event gets: evenly spread, a few hot ones (Zipf), or always the same.

use std::fmt;

use serde::Deserialize;

use super::figures::count as grouped;
use super::random::Random;
use super::shape::write_padded;

/// Digits of a key's number; keys have one length, so that sizes do not drift.
const KEY_DIGITS: usize = 5;
/// Distinct keys, at most.
const KEYS_MAX: u64 = 10_000_000;

/// How events get their keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum KeySettings {
    /// So many keys, each as often as any other.
    Uniform {
        /// How many.
        count: u64,
    },
    /// So many keys, the k-th in proportion to 1/k^exponent.
    Zipf {
        /// How many.
        count: u64,
        /// 0 is uniform, 1 is usual, above 1 is very uneven.
        exponent: f64,
    },
    /// One key for all.
    Fixed {
        /// Letters, digits, `-`, `_`, `.` or `:`.
        value: String,
    },
}

impl Default for KeySettings {
    fn default() -> KeySettings {
        KeySettings::Uniform { count: 10_000 }
    }
}

impl KeySettings {
    /// The distribution.
    pub fn load(&self) -> Keys {
        match self {
            KeySettings::Uniform { count } => Keys::Uniform(*count),
            KeySettings::Zipf { count, exponent } => Keys::zipf(*count, *exponent),
            KeySettings::Fixed { value } => Keys::Fixed(value.clone()),
        }
    }

    /// What is wrong with it, and in which field.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        match self {
            KeySettings::Uniform { count } | KeySettings::Zipf { count, .. }
                if !(1..=KEYS_MAX).contains(count) =>
            {
                Some(("count", format!("is not 1 to {}", KEYS_MAX)))
            }
            KeySettings::Zipf { exponent, .. } if !(0.0..=10.0).contains(exponent) => {
                Some(("exponent", "is not 0 to 10".to_string()))
            }
            KeySettings::Fixed { value } if value.is_empty() || !value.chars().all(plain) => {
                Some(("value", "must be letters, digits, '-', '_', '.' or ':'".to_string()))
            }
            _ => None,
        }
    }
}

impl fmt::Display for KeySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySettings::Uniform { count } => write!(f, "{} keys evenly", grouped(*count)),
            KeySettings::Zipf { count, exponent } => {
                write!(f, "{} keys by Zipf {exponent}", grouped(*count))
            }
            KeySettings::Fixed { value } => write!(f, "one key {value}"),
        }
    }
}

/// A distribution over keys.
#[derive(Clone, Debug)]
pub enum Keys {
    /// Every one of so many keys as often as any other.
    Uniform(u64),
    /// Key number k comes in proportion to 1/(k+1)^s: its cumulated shares.
    Zipf(Vec<f64>),
    /// One key.
    Fixed(String),
}

impl Keys {
    /// `count` keys (at least 1), the k-th in proportion to 1/(k+1)^`exponent`.
    pub fn zipf(count: u64, exponent: f64) -> Keys {
        let mut sum = 0.0;
        let mut shares: Vec<f64> = (1..=count.max(1))
            .map(|k| {
                sum += (k as f64).powf(-exponent);
                sum
            })
            .collect();
        shares.iter_mut().for_each(|share| *share /= sum);
        Keys::Zipf(shares)
    }

    /// Appends an event's key.
    pub fn write(&self, random: &mut Random, out: &mut Vec<u8>) {
        let number = match self {
            Keys::Fixed(key) => return out.extend_from_slice(key.as_bytes()),
            Keys::Uniform(count) => random.below(*count),
            Keys::Zipf(shares) => {
                let at = random.unit();
                shares.partition_point(|share| *share <= at).min(shares.len() - 1) as u64
            }
        };
        out.extend_from_slice(b"k-");
        write_padded(out, number, KEY_DIGITS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(keys: &Keys, events: u64, count: usize) -> Vec<u64> {
        let mut counts = vec![0; count];
        let mut key = Vec::new();
        for seq in 0..events {
            key.clear();
            keys.write(&mut Random::of(3, seq), &mut key);
            let text = std::str::from_utf8(&key[2..]).expect("digits");
            counts[text.parse::<usize>().expect("digits")] += 1;
        }
        counts
    }

    #[test]
    fn uniform_is_even() {
        assert!(counts(&Keys::Uniform(10), 100_000, 10).iter().all(|n| n.abs_diff(10_000) < 500));
    }

    #[test]
    fn zipf_follows_its_law() {
        let counts = counts(&Keys::zipf(1000, 1.0), 200_000, 1000);
        // The 1000th harmonic number is 7.485: key 0 gets 13.4 %, key 1 half, key 9 a tenth of it.
        for (key, expected) in [(0, 26_720), (1, 13_360), (9, 2_672)] {
            let got: u64 = counts[key];
            assert!(got.abs_diff(expected) < expected / 10, "key {key}: {got}, not {expected}");
        }
    }
}
