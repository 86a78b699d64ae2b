//! A pipeline's transactions as its shard sees them, over a broker that does as it is told.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use expressway::record::{Assignment, AssignmentId, Position, Record};
use expressway::shard::{Transactions, Way};
use expressway::sinks::{
    Ended, Hitch, Output, Receipt, Sink, SinkError, SinkErrorKind, TopicId, Transactional,
};
use expressway::sources::{Arrival, Source, SourceError};

/// What a broker would have: outputs and offsets that count, and what was aborted.
#[derive(Default)]
struct Broker {
    open: Vec<(u64, String)>,
    /// How many of these have had their receipts made.
    sent: usize,
    /// How many have been asked for.
    answered: usize,
    receipts: Vec<Receipt>,
    counted: Vec<String>,
    offsets: Vec<(i32, i64)>,
    commits: usize,
    aborts: usize,
    /// What the next commit meets.
    hitch: Option<Hitch>,
    /// Outputs that are refused, alone or with all that are written with them.
    poison: Option<String>,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Broker>>);

impl Fake {
    fn broker(&self) -> MutexGuard<'_, Broker> {
        self.0.lock().expect("no test panics within")
    }
}

impl Transactional for Fake {
    fn topic(&mut self, _: &str) -> Result<TopicId, SinkError> {
        Ok(TopicId(0))
    }

    fn begin(&mut self) -> Result<(), Hitch> {
        Ok(())
    }

    fn write(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        let text = String::from_utf8_lossy(output.value.unwrap_or_default()).into_owned();
        self.broker().open.push((output.tag, text));
        Ok(())
    }

    fn submit(&mut self) {
        let mut broker = self.broker();
        let batch: Vec<(u64, String)> = broker.open[broker.sent..].to_vec();
        broker.sent = broker.open.len();
        let is_bad = batch.iter().any(|(_, text)| Some(text) == broker.poison.as_ref());
        for (tag, _) in batch {
            let (kind, code) = (SinkErrorKind::Record, "");
            let e = SinkError { kind, code, message: "too large".to_owned() };
            broker.receipts.push(Receipt { tag, result: if is_bad { Err(e) } else { Ok((0, 0)) } });
        }
    }

    fn poll(&mut self, take: &mut dyn FnMut(Receipt)) {
        let receipts: Vec<Receipt> = self.broker().receipts.drain(..).collect();
        self.broker().answered += receipts.len();
        receipts.into_iter().for_each(take);
    }

    fn in_flight(&self) -> usize {
        let broker = self.broker();
        broker.open.len() - broker.answered
    }

    fn commit(&mut self, offsets: &[(&str, i32, i64)]) -> Result<(), Hitch> {
        let mut broker = self.broker();
        if let Some(hitch) = broker.hitch.take() {
            return Err(hitch);
        }
        let open = std::mem::take(&mut broker.open);
        broker.counted.extend(open.into_iter().map(|(_, text)| text));
        broker.offsets = offsets.iter().map(|(_, number, offset)| (*number, *offset)).collect();
        (broker.commits, broker.sent, broker.answered) = (broker.commits + 1, 0, 0);
        Ok(())
    }

    fn abort(&mut self) -> Result<(), Hitch> {
        let mut broker = self.broker();
        broker.open.clear();
        broker.receipts.clear();
        (broker.aborts, broker.sent, broker.answered) = (broker.aborts + 1, 0, 0);
        Ok(())
    }
}

/// A source that hands over what the test puts into it, and notes what it is told.
#[derive(Default)]
struct Told {
    arrivals: Vec<(i32, Option<i64>)>,
    confirmed: Vec<(u32, i64)>,
    rewound: Vec<(u32, i64)>,
    released: Vec<u32>,
    lost: Vec<u32>,
}

#[derive(Clone, Default)]
struct Fountain(Arc<Mutex<Told>>);

impl Source for Fountain {
    fn poll(&mut self, _: usize, take: &mut dyn FnMut(Arrival<'_>)) -> Result<usize, SourceError> {
        let (arrivals, lost) = {
            let mut told = self.0.lock().expect("whole");
            (std::mem::take(&mut told.arrivals), std::mem::take(&mut told.lost))
        };
        lost.into_iter().for_each(|id| take(Arrival::Lost(AssignmentId(id))));
        for (partition, offset) in arrivals {
            let id = AssignmentId(partition as u32);
            match offset {
                None => take(Arrival::Assigned(Assignment { id, topic: "t".into(), partition })),
                Some(offset) => take(Arrival::Record(Record {
                    position: Position { assignment: id, offset },
                    timestamp_ms: 0,
                    key: None,
                    value: None,
                    headers: &[],
                    first: None,
                    id: None,
                })),
            }
        }
        Ok(0)
    }

    fn pause(&mut self, _: AssignmentId, _: bool) {}

    fn commit(&mut self, _: AssignmentId, _: i64) {
        panic!("offsets go with their outputs");
    }

    fn committed(&self, _: AssignmentId) -> Option<i64> {
        None
    }

    fn confirm(&mut self, id: AssignmentId, offset: i64) {
        self.0.lock().expect("whole").confirmed.push((id.0, offset));
    }

    fn rewind(&mut self, id: AssignmentId, offset: i64) -> bool {
        self.0.lock().expect("whole").rewound.push((id.0, offset));
        true
    }

    fn release(&mut self, id: AssignmentId) {
        self.0.lock().expect("whole").released.push(id.0);
    }
}

/// A shard's hands on it all.
struct Bench {
    fake: Fake,
    told: Fountain,
    source: Box<dyn Source>,
    sink: Box<dyn Sink>,
    letters: Box<dyn Sink>,
}

impl Bench {
    /// With partitions 0 and 1, whose records begin at 10.
    fn new() -> Bench {
        let (fake, told) = (Fake::default(), Fountain::default());
        let transactions = Transactions::new(Box::new(fake.clone()), Duration::ZERO);
        let source = transactions.source(Box::new(told.clone()));
        let (sink, letters) = (transactions.sink(Way::Output), transactions.sink(Way::Letter));
        let mut bench = Bench { fake, told, source, sink, letters };
        bench.put(&[(0, None), (1, None), (0, Some(10)), (1, Some(10))]);
        bench.polls();
        bench
    }

    fn put(&self, arrivals: &[(i32, Option<i64>)]) {
        self.told.0.lock().expect("whole").arrivals.extend(arrivals);
    }

    /// What the shard is handed.
    fn polls(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        let _ = self.source.poll(10, &mut |arrival| match arrival {
            Arrival::Record(record) => seen.push(format!("record {}", record.position.offset)),
            Arrival::Undone(it) => seen.push(match it.refused {
                None => format!("undone {} from {}", it.assignment.0, it.offset),
                Some(why) => format!("undone {} from {}, {why:?}", it.assignment.0, it.offset),
            }),
            _ => {}
        });
        seen
    }

    fn outputs(&mut self, partition: u32, offset: i64, text: &str) {
        self.sink.of(Position { assignment: AssignmentId(partition), offset });
        let (topic, value) = (TopicId(0), Some(text.as_bytes()));
        let output = Output { topic, key: None, value, headers: &[], tag: 9 };
        self.sink.write(output).expect("there is always room");
    }

    fn settled(&mut self, partition: u32, below: i64) {
        self.source.commit(AssignmentId(partition), below);
    }

    /// So many rounds of the shard.
    fn rounds(&mut self, count: usize) {
        for _ in 0..count {
            self.sink.poll(&mut |receipt| assert!(receipt.result.is_ok(), "staged"));
            self.letters.poll(&mut |_| {});
        }
    }

    /// As the sink counts them, since the last time.
    fn ended(&mut self) -> (u64, u64) {
        let Ended { committed, aborted } = self.sink.ended();
        (committed, aborted)
    }

    fn aborts(&self) -> usize {
        self.fake.broker().aborts
    }

    fn commits(&self) -> usize {
        self.fake.broker().commits
    }

    fn offsets(&self) -> Vec<(i32, i64)> {
        self.fake.broker().offsets.clone()
    }

    fn counted(&self) -> Vec<String> {
        self.fake.broker().counted.clone()
    }
}

#[test]
fn a_transaction_holds_what_is_below_its_offsets() {
    let mut bench = Bench::new();
    // 11 is done before 10 is.
    bench.outputs(0, 11, "b");
    bench.rounds(3);
    assert!(bench.counted().is_empty(), "10 is not done");
    bench.outputs(0, 10, "a");
    bench.outputs(0, 10, "aa");
    bench.outputs(1, 13, "late");
    bench.settled(0, 12);
    bench.rounds(3);
    assert_eq!(bench.counted(), ["a", "aa", "b"]);
    assert_eq!(bench.offsets(), [(0, 12)], "of the other nothing is done");
    assert_eq!(bench.source.committed(AssignmentId(0)), Some(12));
    bench.polls();
    assert_eq!(bench.told.0.lock().expect("whole").confirmed, [(0, 12)]);
    // Records that write nothing have offsets all the same.
    bench.settled(0, 20);
    bench.settled(1, 14);
    bench.rounds(3);
    assert_eq!(bench.offsets(), [(0, 20), (1, 14)]);
    assert_eq!(bench.counted(), ["a", "aa", "b", "late"]);
    assert_eq!(bench.sink.uncommitted(), 0);
    assert_eq!((bench.ended(), bench.ended()), ((2, 0), (0, 0)));
}

#[test]
fn an_abort_takes_back_all_and_nothing_else() {
    let mut bench = Bench::new();
    bench.outputs(0, 10, "a");
    bench.outputs(0, 12, "ahead");
    bench.outputs(1, 11, "other");
    bench.settled(0, 11);
    bench.fake.broker().hitch = Some(Hitch::Abort("fenced".to_owned()));
    bench.rounds(3);
    assert_eq!((bench.aborts(), bench.counted().len()), (1, 0));
    // What is behind it in the partition does not get in before it.
    bench.put(&[(0, Some(13)), (1, Some(12))]);
    assert_eq!(bench.polls(), ["undone 0 from 10", "record 12"]);
    assert!(bench.source.rewind(AssignmentId(0), 10));
    bench.put(&[(0, Some(10))]);
    assert_eq!(bench.polls(), ["record 10"]);
    bench.outputs(0, 10, "again");
    bench.settled(0, 11);
    bench.settled(1, 12);
    bench.rounds(3);
    assert_eq!(bench.counted(), ["again", "other"], "nothing of what was staged before");
    assert_eq!(bench.offsets(), [(0, 11), (1, 12)]);
    assert_eq!(bench.ended(), (1, 1));
}

#[test]
fn a_step_that_takes_long_is_taken_again() {
    let mut bench = Bench::new();
    bench.outputs(0, 10, "a");
    bench.settled(0, 11);
    bench.fake.broker().hitch = Some(Hitch::Wait);
    bench.rounds(2);
    assert!(bench.counted().is_empty());
    // What is done meanwhile is for the next transaction.
    bench.outputs(0, 11, "b");
    bench.settled(0, 12);
    bench.rounds(1);
    assert_eq!((bench.counted(), bench.offsets()), (vec!["a".to_owned()], vec![(0, 11)]));
    bench.rounds(2);
    assert_eq!((bench.counted().len(), bench.commits()), (2, 2));
}

#[test]
fn a_refused_output_is_found_among_others() {
    let mut bench = Bench::new();
    bench.fake.broker().poison = Some("b".to_owned());
    let write = |bench: &mut Bench| {
        for (offset, text) in [(10, "a"), (11, "b"), (12, "c")] {
            bench.outputs(0, offset, text);
        }
        bench.settled(0, 13);
        bench.rounds(12);
    };
    write(&mut bench);
    assert_eq!(bench.polls(), ["undone 0 from 10"], "it may be any of them");
    bench.source.rewind(AssignmentId(0), 10);
    write(&mut bench);
    let seen = bench.polls();
    assert!(seen[0].contains("undone 0 from 10") && seen[0].contains("offset: 11"), "{seen:?}");
    assert!(bench.counted().is_empty());
}

#[test]
fn a_partition_is_given_back_with_its_commit_and_a_lost_one_commits_nothing() {
    let mut bench = Bench::new();
    let released = |bench: &Bench| bench.told.0.lock().expect("whole").released.clone();
    bench.outputs(0, 10, "a");
    bench.settled(0, 11);
    bench.source.release(AssignmentId(0));
    assert!(released(&bench).is_empty(), "it has something to commit");
    bench.rounds(3);
    bench.polls();
    assert_eq!((released(&bench), bench.counted()), (vec![0], vec!["a".to_owned()]));
    bench.outputs(1, 10, "lost");
    bench.settled(1, 11);
    bench.fake.broker().hitch = Some(Hitch::Wait);
    bench.rounds(1);
    bench.told.0.lock().expect("whole").lost.push(1);
    assert!(bench.polls().is_empty());
    bench.rounds(2);
    assert_eq!((bench.aborts(), bench.counted().len()), (1, 1));
    assert!(bench.polls().is_empty(), "its next owner reads it");
    bench.source.release(AssignmentId(7));
    assert_eq!(released(&bench), [0, 7], "of what is not known nothing is waited for");
}
