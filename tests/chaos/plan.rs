//! What happens when: the same seed, the same schedule.

use std::time::Duration;

use expressway::load::random::Random;

/// Members there may be.
pub const MEMBERS_MAX: usize = 4;
/// The group's session timeout; the tests' configurations say so.
pub const SESSION: Duration = Duration::from_secs(6);
/// Everybody is to be at work before the first thing happens.
const WARM_UP: Duration = Duration::from_secs(6);
/// Nothing new happens so long before the end.
const COOL_DOWN: Duration = Duration::from_secs(4);

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// kill -9 of a member, which is started again after so long.
    KillMember(Duration),
    /// SIGSTOP of a member for longer than its session.
    FreezeMember(Duration),
    /// So many members from now on.
    Scale(usize),
    /// kill -9 of a broker, which comes back after so long.
    KillBroker(Duration),
    /// SIGSTOP of a broker.
    FreezeBroker(Duration),
    /// Every partition gets another leader.
    MoveLeaders,
    /// kill -9 of a broker, and until it comes back the topic of the outputs asks for every copy:
    /// no output is taken.
    StallSink(Duration),
}

/// A [`Deed`] and when; `pick` says whom it befalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Since the start.
    pub at: Duration,
    /// What.
    pub deed: Deed,
    /// Any number.
    pub pick: u64,
}

/// Cards that are dealt again and again, so that each thing happens about as often in any run.
const DECK: &str = "kkkkkkssfblqm";

/// The schedule of a run; `pace` stretches the time from one thing to the next.
pub fn plan(seed: u64, span: Duration, pace: f64) -> Vec<Due> {
    let mut random = Random::of(seed, 0);
    let (mut plan, mut deck, mut at) = (Vec::new(), Vec::new(), WARM_UP);
    while at + COOL_DOWN < span {
        if deck.is_empty() {
            deck = DECK.chars().collect();
        }
        let card = deck.swap_remove(random.below(deck.len() as u64) as usize);
        let deed = deed(card, &mut random);
        plan.push(Due { at, deed, pick: random.bits() });
        at += seconds(&mut random, 2.5, 6.0).mul_f64(pace);
    }
    plan
}

fn deed(card: char, random: &mut Random) -> Deed {
    match card {
        'k' => Deed::KillMember(seconds(random, 0.2, 4.0)),
        's' => Deed::Scale(1 + random.below(MEMBERS_MAX as u64) as usize),
        'f' => Deed::FreezeMember(SESSION + seconds(random, 1.0, 4.0)),
        'b' => Deed::KillBroker(seconds(random, 1.0, 8.0)),
        'q' => Deed::FreezeBroker(seconds(random, 1.0, 8.0)),
        'l' => Deed::MoveLeaders,
        _ => Deed::StallSink(seconds(random, 5.0, 10.0)),
    }
}

fn seconds(random: &mut Random, from: f64, to: f64) -> Duration {
    Duration::from_secs_f64(from + random.unit() * (to - from))
}
