//! The stream of events a scenario asks for: its mix of shapes, keys and sizes, event by event.
//! Event number n is the same whatever came before it, and goes into buffers that are used again.

use super::keys::Keys;
use super::random::Random;
use super::scenario::{Problems, Scenario};
use super::shape::{Facts, Shape};

/// A mix of events.
#[derive(Clone, Debug)]
pub struct Events {
    seed: u64,
    keys: Keys,
    kinds: Vec<Kind>,
    weights: u64,
}

#[derive(Clone, Debug)]
struct Kind {
    shape: Shape,
    weight: u64,
    size: usize,
}

/// Buffers for one event.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
    /// The key.
    pub key: Vec<u8>,
    /// The event.
    pub value: Vec<u8>,
}

const PAD_START: &[u8] = br#","pad":""#;
const PAD_END: &[u8] = br#""}"#;

impl Events {
    /// The events of a scenario.
    pub fn of(scenario: &Scenario) -> Result<Events, Problems> {
        let mut kinds = Vec::new();
        for (i, kind) in scenario.event.iter().enumerate() {
            let shape = kind
                .load(&scenario.folder)
                .map_err(|message| Problems(vec![(format!("event[{i}]"), message)]))?;
            kinds.push(Kind { shape, weight: u64::from(kind.weight), size: kind.size });
        }
        let weights = kinds.iter().map(|kind| kind.weight).sum();
        Ok(Events { seed: scenario.seed, keys: scenario.keys.load(), kinds, weights })
    }

    /// Writes event `seq` of run `run`, to be sent at `sent_ns`, over what the buffers held.
    pub fn write(&self, run: u32, seq: u64, sent_ns: u64, buffers: &mut Buffers) {
        let Buffers { key, value } = buffers;
        key.clear();
        value.clear();
        let mut random = Random::of(self.seed, seq);
        self.keys.write(&mut random, key);
        let kind = self.kind(&mut random);
        kind.shape.write(&mut random, &Facts { run, seq, sent_ns, key }, value);
        pad(value, kind.size);
    }

    fn kind(&self, random: &mut Random) -> &Kind {
        let mut at = if self.kinds.len() > 1 { random.below(self.weights) } else { 0 };
        for kind in &self.kinds {
            if at < kind.weight {
                return kind;
            }
            at -= kind.weight;
        }
        &self.kinds[0]
    }
}

/// Makes an object at least `size` bytes long.
fn pad(value: &mut Vec<u8>, size: usize) {
    if value.len() >= size || value.last() != Some(&b'}') {
        return;
    }
    value.pop();
    value.extend_from_slice(PAD_START);
    value.resize(value.len().max(size.saturating_sub(PAD_END.len())), b'x');
    value.extend_from_slice(PAD_END);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn events(kinds: &str) -> Events {
        let text = format!(
            "name = 't'\n{kinds}\n[keys]\nkind = 'fixed'\nvalue = 'k-1'\n[[step]]\nrate = 1\n\
             duration = '1s'\n[target]\nbootstrap = 'b'\ntopic = 't'"
        );
        let scenario = Scenario::parse(&text, Path::new(".")).expect("it is good");
        Events::of(&scenario).expect("it is good")
    }

    #[test]
    fn mixes_by_weight_and_pads_to_size() {
        let events =
            events("[[event]]\nshape='iot'\nweight=3\nsize=1000\n[[event]]\nshape='click'");
        let (mut buffers, mut iot) = (Buffers::default(), 0);
        for seq in 0..4000 {
            events.write(1, seq, 2, &mut buffers);
            let value: serde_json::Value = serde_json::from_slice(&buffers.value).expect("JSON");
            assert_eq!(buffers.key, b"k-1");
            if value.get("device").is_some() {
                iot += 1;
                assert_eq!(buffers.value.len(), 1000);
                assert_eq!(value["device"]["id"], "k-1");
            }
        }
        assert!((2900..3100).contains(&iot), "{iot} of 4000");
    }
}
