//! Pseudo-random numbers from a seed, so that a redelivered record repeats them: xoshiro256**.

/// A generator; never for secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    /// What the state is made of, until it is first needed: most executions never do.
    seed: Option<u64>,
    state: [u64; 4],
}

impl Random {
    /// The generator of `seed`.
    pub fn new(seed: u64) -> Random {
        Random { seed: Some(seed), state: [0; 4] }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        if let Some(mut seed) = self.seed.take() {
            self.state = std::array::from_fn(|_| splitmix(&mut seed));
        }
        let s = &mut self.state;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `end`, each as likely as the others but for one part in 2^64 / `end`; 0 for 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// A number in `0.0..1.0`.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// SplitMix64, which spreads a seed of few bits over the whole state.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_by_seed_and_stays_below() {
        let (mut a, mut b, mut c) = (Random::new(7), Random::new(7), Random::new(8));
        assert_eq!(a.bits(), b.bits());
        assert_ne!(a.bits(), c.bits());
        assert!((0..1000).all(|_| a.below(10) < 10 && a.fraction() < 1.0));
        assert_eq!(a.below(0), 0);
    }
}
