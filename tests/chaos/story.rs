//! What happened, for the verdict and the timeline.

use std::time::Duration;

/// Whose lane of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A member of the group, from 0.
    Member(usize),
    /// A broker, from 1.
    Broker(usize),
    /// The members' outputs.
    Sink,
    /// The topics' leaders.
    Leaders,
}

/// How it is from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// At work.
    Up,
    /// Told to stop, and settling.
    Stopping,
    /// Stopped by SIGSTOP, or by a quota.
    Frozen,
    /// Not there.
    Down,
    /// Not there, after kill -9.
    Killed,
    /// Only something to note.
    Same,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Since the start.
    pub at: Duration,
    /// To whom.
    pub lane: Lane,
    /// How it is from then on.
    pub state: State,
    /// What.
    pub what: String,
}

/// The flow at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Since the start, in seconds.
    pub at_s: f64,
    /// Events sent.
    pub sent: u64,
    /// Events with a result.
    pub distinct: u64,
    /// Results beyond an event's first.
    pub duplicates: u64,
}

/// What may come twice, and why.
#[derive(Clone, Debug)]
pub struct Charge {
    /// What happened.
    pub what: String,
    /// Whole windows of partitions.
    pub partitions: u64,
}

/// A run from start to end.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Repeats the schedule.
    pub seed: u64,
    /// `engine.window_records_max` of all members.
    pub window: u64,
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// The flow over time.
    pub samples: Vec<Sample>,
    /// What may come twice.
    pub charges: Vec<Charge>,
    /// When the last deed was over and the flow had ended.
    pub end: Duration,
    /// Events that Kafka has taken.
    pub events: u64,
    /// Of those, with a result.
    pub results: u64,
    /// Results beyond an event's first.
    pub duplicates: u64,
    /// Processes that were ended by kill -9.
    pub kills: u64,
    /// Times a member got partitions.
    pub rebalances: u64,
    /// What went wrong otherwise.
    pub troubles: Vec<String>,
}

impl Story {
    /// Notes something, and says it.
    pub fn note(&mut self, at: Duration, lane: Lane, state: State, what: impl Into<String>) {
        let what = what.into();
        println!("{:7.1} s  {what}", at.as_secs_f64());
        self.entries.push(Entry { at, lane, state, what });
    }

    /// The most that may come twice: for each charge the whole windows of its partitions.
    pub fn bound(&self) -> u64 {
        self.charges.iter().map(|it| it.partitions).sum::<u64>() * self.window
    }

    /// Events without a result.
    pub fn lost(&self) -> u64 {
        self.events.saturating_sub(self.results)
    }

    /// What a pass has none of.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.troubles.clone();
        if self.lost() > 0 {
            complaints.push(format!("{} events have no result", self.lost()));
        }
        if self.duplicates > self.bound() {
            let (duplicates, bound) = (self.duplicates, self.bound());
            complaints.push(format!("{duplicates} results came twice, and at most {bound} may"));
        }
        complaints
    }

    /// What is printed last.
    pub fn last_line(&self) -> String {
        let Story { events, duplicates, kills, rebalances, .. } = self;
        let lost = self.lost();
        format!(
            "events {events} lost {lost} duplicated {duplicates} kills {kills} rebalances {rebalances}"
        )
    }
}
