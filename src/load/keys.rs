//! Which key an event gets: evenly spread, a few hot ones (Zipf), or always the same.

use super::random::Random;
use super::shape::write_padded;

/// Digits of a key's number; keys have one length, so that sizes do not drift.
const KEY_DIGITS: usize = 5;

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
        // The 1000th harmonic number is 7.485: key 0 gets 13.4 %, key 1 half of that, key 9 a tenth.
        for (key, expected) in [(0, 26_720), (1, 13_360), (9, 2_672)] {
            let got: u64 = counts[key];
            assert!(got.abs_diff(expected) < expected / 10, "key {key}: {got}, not {expected}");
        }
    }
}
