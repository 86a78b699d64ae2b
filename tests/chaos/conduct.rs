//! The run: does what the plan says when it is due, brings back what it took away, and at the end
//! waits until everything has come through.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::Asked;
use crate::broker::Broker;
use crate::engine::{Setup, pipeline};
use crate::flow::Flow;
use crate::members::{Members, News};
use crate::plan::{Deed, Due, MEMBERS_MAX, plan};
use crate::story::{Lane, State, Story};
use crate::topics::Gauge;

/// Partitions of both topics.
const PARTITIONS: i32 = 12;
const BROKERS: u16 = 3;
/// Members at the start.
const MEMBERS: usize = 2;
const ROUND: Duration = Duration::from_millis(50);
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// So long without a new result, once nothing happens any more, and the rest is lost.
const PATIENCE: Duration = Duration::from_secs(90);
/// Copies of an output that must stand before it counts: of three, so that one broker may be away;
/// and while nothing is to be taken.
const COPIES: [&str; 2] = ["min.insync.replicas=2", "min.insync.replicas=3"];

/// Alarms wait a second, so that there is always something parked; the rest goes straight through.
const DEFINITION: &str = r#"{"StartAt": "Kind", "States": {
  "Kind": {"Type": "Choice", "Default": "Done", "Choices": [
    {"Variable": "$.type", "StringEquals": "alarm", "Next": "Hold"}]},
  "Hold": {"Type": "Wait", "Seconds": 1, "Next": "Done"},
  "Done": {"Type": "Pass", "End": true}}}"#;

/// What follows from a deed, later.
enum After {
    Start(usize),
    Thaw(usize, String),
    StartBroker(usize),
    ThawBroker(usize),
    Unstall(usize),
}

/// The script at work.
struct Running {
    what: String,
    child: Child,
    /// Whose end brings a broker back.
    broker: Option<usize>,
}

struct Stage {
    broker: Broker,
    members: Members,
    flow: Flow,
    story: Story,
    news: News,
    /// Members there are to be.
    target: usize,
    afters: Vec<(Duration, After)>,
    scripts: Vec<Running>,
    /// The broker that is not there, if one is; two at a time would stop every partition.
    away: Option<usize>,
    leaders: u64,
    sampled: Duration,
}

/// Runs it all. Logs are kept beside the timeline where something went wrong, or `keep` asks for it.
pub fn conduct(asked: &Asked, seed: u64, logs: &Path) -> Story {
    let Asked { window, rate, ahead, pace, keep, .. } = *asked;
    let span = Duration::from_secs(asked.seconds);
    let started = Instant::now();
    let broker = Broker::start(BROKERS, &[]);
    println!("{BROKERS} brokers at {} after {:.1?}", broker.address, started.elapsed());
    for topic in ["chaos.in", "chaos.out"] {
        broker.topic(topic, PARTITIONS, &[]);
    }
    let engine = format!("shards = 2\nwindow_records_max = {window}\n[log]\nlines_max = 0");
    let setup = Setup::new(&broker, "chaos", DEFINITION, &engine);
    let pipeline = pipeline("chaos", "chaos.in", "chaos.out", r#"on_failure = "stop""#);
    let flow = Flow::start(&broker.address, seed, (rate, span), ahead);
    let mut stage = Stage {
        members: Members::new(setup, pipeline),
        broker,
        flow,
        story: Story { seed, window, ..Story::default() },
        news: News::default(),
        target: MEMBERS,
        afters: Vec::new(),
        scripts: Vec::new(),
        away: None,
        leaders: 0,
        sampled: Duration::ZERO,
    };
    for n in 1..=BROKERS.into() {
        stage.story.note(Duration::ZERO, Lane::Broker(n), State::Up, format!("broker {n} serves"));
    }
    stage.scale(MEMBERS);
    stage.play(&plan(seed, span, pace), span);
    stage.settle();
    let story = stage.verdict();
    if (keep || !story.complaints().is_empty())
        && let Err(why) = stage.members.keep_logs(logs)
    {
        println!("the logs could not be kept: {why}");
    }
    story
}

impl Stage {
    fn note(&mut self, lane: Lane, state: State, what: impl Into<String>) {
        self.story.note(self.flow.now(), lane, state, what);
    }

    /// Until the events have been sent.
    fn play(&mut self, plan: &[Due], span: Duration) {
        let mut plan = plan.iter().copied().peekable();
        while self.flow.now() < span {
            while let Some(due) = plan.next_if(|it| it.at <= self.flow.now()) {
                self.act(due);
            }
            self.round(false);
        }
    }

    /// What there is to do all the time. `at_once`: what follows from deeds is not waited for.
    fn round(&mut self, at_once: bool) {
        let now = self.flow.now();
        let (due, later) =
            std::mem::take(&mut self.afters).into_iter().partition(|it| at_once || it.0 <= now);
        self.afters = later;
        for (_, after) in due {
            self.follow(after);
        }
        self.reap();
        for slot in self.members.listen(&mut self.news) {
            self.note(Lane::Member(slot), State::Killed, format!("member {} has ended", slot + 1));
            self.afters.push((now, After::Start(slot)));
        }
        if now >= self.sampled + SAMPLE_EVERY {
            self.sampled = now;
            self.story.samples.push(self.flow.sample());
        }
        std::thread::sleep(ROUND);
    }

    fn act(&mut self, due: Due) {
        let at_work = self.members.at_work();
        let of = |list: &[usize]| list.get(due.pick as usize % list.len().max(1)).copied();
        let broker = due.pick as usize % usize::from(BROKERS) + 1;
        match due.deed {
            Deed::KillMember(back) => {
                if let Some(slot) = of(&self.members.running()) {
                    self.kill(slot, back);
                }
            }
            Deed::FreezeMember(span) => {
                if let Some(slot) = of(&at_work)
                    && let Some(name) = self.members.freeze(slot)
                {
                    let what = format!("SIGSTOP of member {} for {span:.1?}", slot + 1);
                    self.note(Lane::Member(slot), State::Frozen, what);
                    self.later(span, After::Thaw(slot, name));
                }
            }
            Deed::Scale(target) => self.scale(target),
            Deed::KillBroker(span) if self.away.is_none() => {
                self.kill_broker(broker);
                self.later(span, After::StartBroker(broker));
            }
            Deed::StallSink(span) if self.away.is_none() => {
                self.kill_broker(broker);
                self.note(Lane::Sink, State::Frozen, "no output is taken");
                self.script(&["topic", "set", "chaos.out", COPIES[1]], None);
                self.later(span, After::Unstall(broker));
            }
            Deed::FreezeBroker(span) if self.away.is_none() => {
                let what = format!("SIGSTOP of broker {broker} for {span:.1?}");
                self.note(Lane::Broker(broker), State::Frozen, what);
                self.away = Some(broker);
                self.script(&["pause", &broker.to_string()], None);
                self.later(span, After::ThawBroker(broker));
            }
            // A broker is away already.
            Deed::KillBroker(_) | Deed::FreezeBroker(_) | Deed::StallSink(_) => {}
            Deed::MoveLeaders => self.move_leaders(),
        }
    }

    fn later(&mut self, span: Duration, after: After) {
        self.afters.push((self.flow.now() + span, after));
    }

    fn follow(&mut self, after: After) {
        match after {
            After::Start(slot) if slot < self.target => self.start(slot),
            After::Start(_) => {}
            After::Thaw(slot, name) => {
                if self.members.thaw(slot, &name) {
                    self.note(
                        Lane::Member(slot),
                        State::Up,
                        format!("member {} goes on", slot + 1),
                    );
                }
            }
            After::StartBroker(n) => {
                self.note(Lane::Broker(n), State::Down, format!("broker {n} is started"));
                self.script(&["restart", &n.to_string()], Some(n));
            }
            After::ThawBroker(n) => self.script(&["resume", &n.to_string()], Some(n)),
            After::Unstall(n) => {
                self.note(Lane::Sink, State::Up, "outputs are taken again");
                self.script(&["topic", "set", "chaos.out", COPIES[0]], None);
                self.follow(After::StartBroker(n));
            }
        }
    }

    fn kill_broker(&mut self, n: usize) {
        self.story.kills += 1;
        self.note(Lane::Broker(n), State::Killed, format!("kill -9 of broker {n}"));
        self.away = Some(n);
        self.script(&["kill", &n.to_string()], None);
    }

    fn start(&mut self, slot: usize) {
        if self.members.start(slot) {
            self.note(Lane::Member(slot), State::Up, format!("member {} starts", slot + 1));
        }
    }

    fn kill(&mut self, slot: usize, back: Duration) {
        self.story.kills += 1;
        self.members.kill(slot, &mut self.news);
        self.note(Lane::Member(slot), State::Killed, format!("kill -9 of member {}", slot + 1));
        self.later(back, After::Start(slot));
    }

    fn scale(&mut self, target: usize) {
        self.target = target;
        for slot in 0..target {
            self.start(slot);
        }
        for slot in target..MEMBERS_MAX {
            if self.members.leave(slot) {
                self.note(
                    Lane::Member(slot),
                    State::Stopping,
                    format!("SIGTERM to member {}", slot + 1),
                );
                self.note(Lane::Member(slot), State::Down, format!("{target} members from now on"));
            }
        }
    }

    fn move_leaders(&mut self) {
        self.leaders += 1;
        self.note(Lane::Leaders, State::Same, "every partition gets another leader");
        let (partitions, shift) = (PARTITIONS.to_string(), self.leaders.to_string());
        for topic in ["chaos.in", "chaos.out"] {
            self.script(&["topic", "lead", topic, &partitions, &shift], None);
        }
    }

    /// Starts the script; its end is looked for on every round.
    fn script(&mut self, words: &[&str], broker: Option<usize>) {
        let child = self.broker.ask(words).stderr(Stdio::piped()).spawn().expect("the script runs");
        self.scripts.push(Running { what: words.join(" "), child, broker });
    }

    fn reap(&mut self) {
        for mut it in std::mem::take(&mut self.scripts) {
            let Some(status) = it.child.try_wait().expect("a child") else {
                self.scripts.push(it);
                continue;
            };
            if let Some(n) = it.broker {
                self.away = None;
                self.note(Lane::Broker(n), State::Up, format!("broker {n} serves again"));
            }
            // Leaders can't all be moved while a broker is away; the rest must work.
            if !status.success() && !it.what.starts_with("topic lead") {
                self.news.troubles.push(format!("`kafka {}` failed: {status}", it.what));
            }
        }
    }

    /// Brings everything back and waits until all events have come through.
    fn settle(&mut self) {
        self.note(Lane::Leaders, State::Same, "the end of the plan: everything comes back");
        self.flow.stop_sending();
        self.scale(self.target.max(1));
        let (mut last, mut since) = (0, Instant::now());
        loop {
            self.round(true);
            let distinct = self.flow.sample().distinct;
            if distinct > last || !self.flow.is_sent() {
                (last, since) = (distinct, Instant::now());
            }
            let is_complete = self.flow.is_sent() && distinct >= self.flow.events().0;
            if (is_complete && self.scripts.is_empty()) || since.elapsed() > PATIENCE {
                break;
            }
        }
        self.await_commit();
        self.scale(0);
        while !self.members.has_left() {
            self.round(true);
        }
        self.await_reader();
    }

    /// Everything that was read has settled, so everything must be committed.
    fn await_commit(&mut self) {
        let gauge = Gauge::new(&self.broker, "chaos.in", "chaos");
        let until = Instant::now() + PATIENCE;
        while gauge.ends() != gauge.committed() {
            if Instant::now() > until {
                let (ends, committed) = (gauge.ends(), gauge.committed());
                let text = format!("committed {committed:?}, and the ends are {ends:?}");
                return self.news.troubles.push(text);
            }
            self.round(true);
        }
    }

    /// The reader must have seen everything that was written, or it could not tell.
    fn await_reader(&mut self) {
        let written = Gauge::new(&self.broker, "chaos.out", "x").count() as u64;
        let until = Instant::now() + PATIENCE;
        while self.flow.read() != written && Instant::now() < until {
            self.round(true);
        }
        let read = self.flow.read();
        if read != written {
            self.news.troubles.push(format!("{written} results were written, and {read} read"));
        }
    }

    fn verdict(&mut self) -> Story {
        self.flow.end();
        let (events, failed) = self.flow.events();
        if failed > 0 {
            println!("{failed} events were never taken by Kafka, and are not counted");
        }
        if self.flow.foreign() > 0 {
            let text = format!("{} results are of no event", self.flow.foreign());
            self.news.troubles.push(text);
        }
        let sample = self.flow.sample();
        let mut story = std::mem::take(&mut self.story);
        story.samples.push(sample);
        story.end = self.flow.now();
        (story.events, story.results) = (events, sample.distinct);
        story.duplicates = sample.duplicates;
        story.rebalances = self.news.rebalances;
        story.charges = std::mem::take(&mut self.news.charges);
        story.troubles = std::mem::take(&mut self.news.troubles);
        story
    }
}
