//! When events are due: open-loop, from absolute deadlines, so that a slow moment of the system (or
//! of the generator) makes events late but never fewer. Pure: it is told the time.

use std::time::Duration;

/// A rate, held for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStep {
    /// Events per second; 0 is as fast as it goes.
    pub rate: u64,
    /// For how long.
    pub duration: Duration,
}

/// What the schedule says at a given time. Times are nanoseconds since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// An event is due, and was due then (which is `now` where the rate is unbounded).
    Due {
        /// When it was to be sent.
        at_ns: u64,
        /// In which step.
        step: usize,
    },
    /// The next one is due then.
    Wait(u64),
    /// There are no more.
    Done,
}

const SECOND_NS: u64 = 1_000_000_000;

/// An arrival schedule: steps one after the other, each event taken once.
#[derive(Clone, Debug)]
pub struct Schedule {
    steps: Vec<RateStep>,
    step: usize,
    step_start_ns: u64,
    /// Events of the current step already taken.
    taken: u64,
}

impl Schedule {
    /// A schedule of these steps.
    pub fn new(steps: &[RateStep]) -> Schedule {
        Schedule { steps: steps.to_vec(), step: 0, step_start_ns: 0, taken: 0 }
    }

    /// Takes the next event where it is due at `now_ns`.
    pub fn next(&mut self, now_ns: u64) -> Arrival {
        while let Some(step) = self.steps.get(self.step) {
            let end_ns = self.step_start_ns + nanos(step.duration);
            let at_ns = match step.rate {
                0 => now_ns.max(self.step_start_ns),
                rate => self.step_start_ns + offset_ns(self.taken, rate),
            };
            if at_ns >= end_ns {
                self.step += 1;
                self.step_start_ns = end_ns;
                self.taken = 0;
            } else if at_ns > now_ns {
                return Arrival::Wait(at_ns);
            } else {
                self.taken += 1;
                return Arrival::Due { at_ns, step: self.step };
            }
        }
        Arrival::Done
    }
}

/// Which of the steps (at least one) a time belongs to; the last where it is later than all.
pub fn step_at(steps: &[RateStep], at_ns: u64) -> usize {
    let mut end_ns = 0;
    let ends = steps.iter().map(|step| {
        end_ns += nanos(step.duration);
        end_ns
    });
    ends.take_while(|end_ns| *end_ns <= at_ns).count().min(steps.len() - 1)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// When the `n`-th event of a step is due, from its start: never accumulated, so it can't drift.
fn offset_ns(n: u64, rate: u64) -> u64 {
    // The remainder is below the rate, and a scenario's rate (`RATE_MAX`) is below 10^9: it fits.
    n / rate * SECOND_NS + n % rate * SECOND_NS / rate
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(rate: u64, millis: u64) -> RateStep {
        RateStep { rate, duration: Duration::from_millis(millis) }
    }

    /// Takes everything, asking every `tick_ns`.
    fn arrivals(steps: &[RateStep], tick_ns: u64) -> Vec<(u64, usize)> {
        let mut schedule = Schedule::new(steps);
        let (mut now_ns, mut all) = (0, Vec::new());
        loop {
            match schedule.next(now_ns) {
                Arrival::Due { at_ns, step } => all.push((at_ns, step)),
                Arrival::Wait(until_ns) => now_ns = until_ns.max(now_ns + tick_ns),
                Arrival::Done => return all,
            }
        }
    }

    #[test]
    fn sends_what_the_rate_says() {
        let steps = [step(3, 2000), step(1000, 500), step(7, 1000)];
        let all = arrivals(&steps, 1);
        let in_step = |n| all.iter().filter(|(_, step)| *step == n).count();
        assert_eq!([in_step(0), in_step(1), in_step(2)], [6, 500, 7]);
        assert!(all.is_sorted());
        assert_eq!(all[1].0, 333_333_333);
        assert_eq!(all[6].0, 2_000_000_000);
        assert!(all.iter().all(|(at_ns, step)| step_at(&steps, *at_ns) == *step));
    }

    #[test]
    fn a_stalled_caller_catches_up_on_every_event() {
        let steps = [step(1000, 3000)];
        assert_eq!(arrivals(&steps, 1_700_000_000), arrivals(&steps, 1));
    }

    #[test]
    fn unbounded_is_due_until_its_step_ends() {
        let mut schedule = Schedule::new(&[step(0, 10), step(100, 20)]);
        for now_ns in [0, 5, 9_999_999] {
            assert_eq!(schedule.next(now_ns), Arrival::Due { at_ns: now_ns, step: 0 });
        }
        let at_ns = 10_000_000;
        assert_eq!(schedule.next(at_ns), Arrival::Due { at_ns, step: 1 });
        assert_eq!(schedule.next(at_ns), Arrival::Wait(20_000_000));
        assert_eq!(schedule.next(u64::MAX / 2), Arrival::Due { at_ns: 20_000_000, step: 1 });
        assert_eq!(schedule.next(u64::MAX / 2), Arrival::Done);
    }
}
