//! A sink with little room that stalls for a while, refuses at random, and answers in any order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use expressway::intrinsics::Random;
use expressway::sinks::{Output, Receipt, Sink, SinkError, SinkErrorKind, TopicId};

use crate::world::{Place, Shared};

/// Polls that a stall lasts, at most.
const STALL_MAX: u64 = 40;

pub struct FakeSink {
    world: Shared,
    random: Random,
    /// What was taken and not answered: its tag, and its number in the world's log.
    waiting: VecDeque<(u64, usize)>,
    /// Nothing goes wrong any more.
    calm: Arc<AtomicBool>,
    room: usize,
    is_for_letters: bool,
    /// Polls until it answers again.
    stalled: u64,
}

impl FakeSink {
    pub fn new(
        world: Shared,
        random: Random,
        calm: Arc<AtomicBool>,
        room: usize,
        is_for_letters: bool,
    ) -> FakeSink {
        FakeSink { world, random, waiting: VecDeque::new(), calm, room, is_for_letters, stalled: 0 }
    }

    /// An execution that fails runs twice before its record is a dead letter.
    fn check_runs(&self, output: &Output<'_>) {
        let says = |name: &str, text: &[u8]| {
            output.headers.iter().any(|it| it.name == name && it.value == Some(text))
        };
        if says("expressway.error", b"Bad") && !says("expressway.runs", b"2") {
            let problem = "a dead letter whose execution was not tried again".to_owned();
            self.world.lock().problem.get_or_insert(problem);
        }
    }

    fn fate(&mut self) -> Option<SinkErrorKind> {
        match self.random.below(60) {
            _ if self.calm.load(Ordering::Relaxed) => None,
            0 => Some(SinkErrorKind::Retriable),
            1 => Some(SinkErrorKind::Record),
            _ => None,
        }
    }
}

/// `"at":[partition,number]` of an output.
pub fn place_of(value: &[u8]) -> Option<Place> {
    let text = std::str::from_utf8(value).ok()?;
    let (partition, rest) = text.split_once(r#""at":["#)?.1.split_once(',')?;
    Some((partition.parse().ok()?, rest.split_once(']')?.0.parse().ok()?))
}

impl Sink for FakeSink {
    fn topic(&mut self, _: &str) -> Result<TopicId, SinkError> {
        Ok(TopicId(0))
    }

    fn write(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        if self.stalled > 0 || self.waiting.len() >= self.room {
            let (kind, message) = (SinkErrorKind::Full, "full".to_owned());
            return Err(SinkError { kind, code: "", message });
        }
        if self.is_for_letters {
            self.check_runs(&output);
        }
        let place = place_of(output.value.unwrap_or_default()).expect("outputs say where from");
        let written = self.world.lock().write(place, self.is_for_letters);
        self.waiting.push_back((output.tag, written));
        Ok(())
    }

    fn submit(&mut self) {}

    fn poll(&mut self, take: &mut dyn FnMut(Receipt)) {
        if self.stalled > 0 {
            self.stalled -= 1;
            return;
        }
        if !self.calm.load(Ordering::Relaxed) && self.random.below(100) == 0 {
            self.stalled = self.random.below(STALL_MAX);
        }
        for _ in 0..self.random.below(12) {
            if self.waiting.is_empty() {
                return;
            }
            // Receipts come in any order.
            let place = self.random.below(self.waiting.len() as u64) as usize;
            let Some((tag, written)) = self.waiting.remove(place) else { return };
            let refused = |kind| SinkError { kind, code: "", message: "refused".to_owned() };
            let result = match self.fate() {
                Some(kind) => Err(refused(kind)),
                None => {
                    self.world.lock().arrive(written);
                    Ok((0, 0))
                }
            };
            take(Receipt { tag, result });
        }
    }

    fn in_flight(&self) -> usize {
        self.waiting.len()
    }
}

/// In a crash some of what was on its way still arrives: the first of it, because a partition's
/// outputs arrive in order.
impl Drop for FakeSink {
    fn drop(&mut self) {
        let arriving = self.random.below(self.waiting.len() as u64 + 1) as usize;
        let mut waiting: Vec<usize> = self.waiting.iter().map(|it| it.1).collect();
        waiting.sort_unstable();
        let mut world = self.world.lock();
        waiting.into_iter().take(arriving).for_each(|it| world.arrive(it));
    }
}
