//! What benches of the machine run: a thousand events of each shape that the load generator knows,
//! so that the CPU learns none by heart, and the machine of `config/examples/benchmark`, which reads
//! in each shape what stands for a temperature, a device and so on.
#![allow(dead_code)]

use expressway::asl::source::Format;
use expressway::load::random::Random;
use expressway::load::shape::{Facts, Shape};
use expressway::machine::{Execution, Identity, Limits, Machine, Outcome, Suspension};
use expressway::program::{Options, Program, compile};
use expressway::step::Resume;
use expressway::value::{Implementation, Scratch};

/// Events of each shape.
pub const EVENTS: u64 = 1000;
/// When every execution starts: 2024-01-01T00:00:00Z.
pub const NOW_MS: i64 = 1_704_067_200_000;

const DEFINITION: &str = include_str!("../../config/examples/benchmark/definition.asl.json");

/// A shape, and what of it the machine reads.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    /// The number that makes an event `hot`.
    pub number: &'static str,
    pub above: u32,
    /// The `type` that makes it `flagged`; so does the flag.
    pub kind: &'static str,
    pub flag: &'static str,
    pub id: &'static str,
    pub ts: &'static str,
}

pub const CASES: [Case; 3] = [
    Case {
        name: "iot",
        number: "temp",
        above: 40,
        kind: "alarm",
        flag: "active",
        id: "device.id",
        ts: "ts",
    },
    Case {
        name: "click",
        number: "durationMs",
        above: 9000,
        kind: "scroll",
        flag: "loggedIn",
        id: "user.id",
        ts: "ts",
    },
    Case {
        name: "order",
        number: "total",
        above: 800,
        kind: "return",
        flag: "paid",
        id: "customer.id",
        ts: "orderId",
    },
];

impl Case {
    /// The events, the same every time.
    pub fn events(&self) -> Vec<Vec<u8>> {
        let shape = Shape::named(self.name).expect("it comes along");
        let event = |seq| {
            let mut text = Vec::new();
            let key = format!("dev-{}", 10_000 + seq * 7 % 90_000);
            let facts =
                Facts { run: 1, seq, sent_ns: 1_718_000_000_000_000_000, key: key.as_bytes() };
            shape.write(&mut Random::of(1, seq), &facts, &mut text);
            text
        };
        (0..EVENTS).map(event).collect()
    }

    /// The machine.
    pub fn program(&self) -> Program {
        let mut text = DEFINITION.to_owned();
        for (from, to) in [
            ("$.temp", format!("$.{}", self.number)),
            ("\"NumericGreaterThan\": 40", format!("\"NumericGreaterThan\": {}", self.above)),
            ("\"alarm\"", format!("{:?}", self.kind)),
            ("$.active", format!("$.{}", self.flag)),
            ("$.device.id", format!("$.{}", self.id)),
            ("\"$.ts\"", format!("\"$.{}\"", self.ts)),
        ] {
            assert!(text.contains(from), "the benchmark's definition has no {from}");
            text = text.replace(from, &to);
        }
        program(&text)
    }
}

/// Bytes of an event, on average.
pub fn mean_len(events: &[Vec<u8>]) -> usize {
    events.iter().map(Vec::len).sum::<usize>() / events.len()
}

/// Compiles a definition without findings.
pub fn program(text: &str) -> Program {
    let (program, findings) = compile(text.as_bytes(), Format::Json, &Options::default());
    assert!(findings.is_empty(), "{findings:?}");
    program.expect("no findings")
}

/// Nobody reads `$$` here.
pub struct Nobody;

impl Identity for Nobody {
    fn name(&self) -> String {
        String::new()
    }

    fn machine_name(&self) -> String {
        String::new()
    }

    fn seed(&self) -> u64 {
        0
    }
}

/// Runs executions as a shard does: JSON in, JSON out.
pub struct Runner {
    program: Program,
    limits: Limits,
    scratch: Scratch,
    execution: Execution,
    out: Vec<u8>,
}

impl Runner {
    pub fn new(program: Program, implementation: Implementation) -> Runner {
        let mut scratch = program.scratch();
        scratch.set_implementation(implementation);
        let (limits, execution) = (Limits::default(), Execution::default());
        Runner { program, limits, scratch, execution, out: Vec::new() }
    }

    /// The output of an execution that calls no task.
    #[inline]
    pub fn run(&mut self, event: &[u8]) -> &[u8] {
        let Runner { program, limits, scratch, execution, out } = self;
        scratch.reset();
        let input = scratch.parse(event).expect("events are JSON");
        let machine = Machine { program, limits, identity: &Nobody, now_ms: NOW_MS };
        machine.start(execution, input, 1);
        match machine.run(execution, scratch, Resume::Continue, &mut ()) {
            Suspension::Done(Outcome::Succeeded(output)) => scratch.text(output, out),
            other => panic!("the execution should have succeeded: {other:?}"),
        }
    }
}
