//! What a distributed Map does beside its iterations: items that are read first, results that are
//! written last, call by call.

use super::execution::Execution;
use super::fork::Fork;
use super::thread::Phase;
use super::{Machine, Next, Observer, Suspension};
use crate::asl::retry::Raised;
use crate::expr::Timestamp;
use crate::fault::StateError;
use crate::states::{
    Destination, Map, READER_FAILED, Read, Step, Transformation, WRITER_FAILED, Writer,
};
use crate::step::TaskRequest;
use crate::value::{Kind, Scratch, TooDeep, Value};

impl Machine<'_> {
    /// The reader's call was answered: the iterations start.
    pub(super) fn was_read(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        reply: Result<&[u8], StateError>,
    ) -> Next {
        let known = std::mem::replace(&mut execution.thread.known, Value::NULL);
        match self.items_of(execution, scratch, reply, known) {
            Ok((Read::Items(items, sources), input)) => {
                self.iterate(execution, scratch, observer, (items, input), sources)
            }
            Ok((Read::More(known, request), _)) => {
                execution.thread.known = known;
                execution.suspend(Phase::Reading, i64::MAX);
                let wake_ms = execution.thread.wake_ms;
                Next::Suspend(Suspension::Call { request, wake_ms })
            }
            Err(error) => self.map_run_broke(execution, scratch, observer, error),
        }
    }

    /// The Map failed before or behind its iterations: as a run, where reader or writer failed.
    fn map_run_broke(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        error: StateError,
    ) -> Next {
        if !matches!(error.name(), Some(READER_FAILED | WRITER_FAILED)) {
            return self.broke(execution, scratch, observer, error);
        }
        // MapRunFailed
        execution.history.events += 1;
        self.fail(execution, scratch, observer, error, Raised::ByTask)
    }

    fn items_of(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        reply: Result<&[u8], StateError>,
        known: Value,
    ) -> Result<(Read, Value), StateError> {
        let text = reply.map_err(|e| StateError::new(READER_FAILED, told(&e)))?;
        let Step::Map(state) = self.program.step(execution.thread.step) else {
            return Err(StateError::runtime("Only a Map reads items; a defect."));
        };
        let mut nothing = Value::NULL;
        self.with_frame(execution, scratch, &mut nothing, &mut (), |frame| {
            state.read(frame, text, known, &self.limits.reads)
        })
    }

    /// What an iteration leaves behind: its output, or what a writer tells of it.
    pub(super) fn reported(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        fork: u32,
        ended: Result<Value, &StateError>,
    ) -> Value {
        let state = self.program.step(execution.parent(fork).step);
        let writer = if let Step::Map(state) = state { state.writer() } else { None };
        match (writer, ended) {
            (Some(writer), Ok(_)) if writer.transformation == Transformation::None => {}
            (Some(_), Err(_)) => {}
            (_, ended) => return ended.unwrap_or(Value::NULL),
        }
        let id = execution.random.bits();
        let name = format!("{id:016x}-{}", execution.thread.place);
        let texts = [
            ("ExecutionArn", format!("{}/{name}", self.identity.id())),
            ("Name", name),
            ("StartDate", Timestamp::from_ms(execution.started_ms).to_string()),
            ("StateMachineArn", self.identity.machine_id()),
            ("Status", if ended.is_ok() { "SUCCEEDED" } else { "FAILED" }.to_owned()),
            ("StopDate", Timestamp::from_ms(self.now_ms).to_string()),
        ];
        let mark = scratch.mark();
        for (name, text) in texts {
            push(scratch, name, &text);
        }
        push_json(scratch, "Input", execution.history.input);
        match ended {
            Ok(output) => push_json(scratch, "Output", output),
            Err(error) => {
                push(scratch, "Error", error.name().unwrap_or_default());
                push(scratch, "Cause", error.cause().unwrap_or_default());
            }
        }
        scratch.object(mark).unwrap_or(Value::NULL)
    }

    /// All iterations are over, and a writer takes their results.
    pub(super) fn write(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        fork: u32,
        (state, writer): (&Map, &Writer),
    ) -> Next {
        let mut nothing = Value::NULL;
        let destination = self.with_frame(execution, scratch, &mut nothing, &mut (), |frame| {
            state.destination(frame)
        });
        let made = match destination {
            Err(error) => Err(error),
            Ok(destination) => {
                let run = (execution.random.bits(), execution.random.bits());
                let run = uuid(run);
                let joint = &execution.forks[fork as usize];
                let made = match &destination {
                    None => shaped(scratch, joint, writer.transformation),
                    Some(to) => self.writes(scratch, joint, writer, (state, to, &run)),
                };
                let deep = |_| StateError::runtime("The results are nested too deeply.");
                made.map(|made| (made, destination.is_some())).map_err(deep)
            }
        };
        execution.close_fork(fork);
        match made {
            Ok((writes, true)) => {
                execution.thread.writes = writes;
                execution.thread.written = 0;
                self.write_next(execution, scratch, observer)
            }
            Ok((results, false)) => {
                // MapRunSucceeded, MapStateSucceeded
                execution.history.events += 2;
                self.leave(execution, scratch, observer, results)
            }
            Err(error) => self.map_run_broke(execution, scratch, observer, error),
        }
    }

    /// The arguments of every call, in their order, and last the state's result.
    fn writes(
        &self,
        scratch: &mut Scratch,
        joint: &Fork,
        writer: &Writer,
        (state, to, run): (&Map, &Destination, &str),
    ) -> Result<Value, TooDeep> {
        let machine = self.identity.machine_id().replace(":stateMachine:", ":mapRun:");
        let label = if state.label().is_empty() { &run[..8] } else { state.label() };
        let arn = format!("{machine}/{label}:{run}");
        let folder = match to.prefix.trim_end_matches('/') {
            "" => run.to_owned(),
            prefix => format!("{prefix}/{run}"),
        };
        let succeeded = shaped(scratch, joint, writer.transformation)?;
        let failed = failed(scratch, joint)?;
        let extension = if writer.is_lines { "jsonl" } else { "json" };
        let all = scratch.mark();
        let mut listed = [Value::NULL; 2];
        for (at, (kind, results)) in
            [("FAILED", failed), ("SUCCEEDED", succeeded)].iter().enumerate()
        {
            let mut file = None;
            if scratch.count(*results) > 0 {
                let key = format!("{folder}/{kind}_0.{extension}");
                let body = body(scratch, *results, writer.is_lines);
                push_put(scratch, &to.bucket, &key, &body)?;
                file = Some((key, body.len()));
            }
            listed[at] = files(scratch, file)?;
        }
        let key = format!("{folder}/manifest.json");
        let manifest = manifest(scratch, &to.bucket, &arn, listed)?;
        let manifest = body(scratch, manifest, false);
        push_put(scratch, &to.bucket, &key, &manifest)?;
        let details = scratch.mark();
        push(scratch, "Bucket", &to.bucket);
        push(scratch, "Key", &key);
        let details = scratch.object(details)?;
        let result = scratch.mark();
        push(scratch, "MapRunArn", &arn);
        scratch.push_member("ResultWriterDetails", details);
        let result = scratch.object(result)?;
        scratch.push(result);
        scratch.array(all)
    }

    /// Calls for what is still to be written; after the last the state goes on.
    fn write_next(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Next {
        let (writes, at) = (execution.thread.writes, execution.thread.written as usize);
        let next = scratch.item(writes, at).unwrap_or(Value::NULL);
        if at + 1 >= scratch.count(writes) {
            execution.thread.writes = Value::NULL;
            // MapRunSucceeded, MapStateSucceeded
            execution.history.events += 2;
            return self.leave(execution, scratch, observer, next);
        }
        let resource = match self.program.step(execution.thread.step) {
            Step::Map(state) => state.writer().and_then(Writer::resource),
            _ => None,
        };
        let Some(resource) = resource else {
            let error = StateError::runtime("Only a Map with a writer writes; a defect.");
            return self.fail(execution, scratch, observer, error, Raised::ByState);
        };
        execution.suspend(Phase::Writing, i64::MAX);
        let (credentials, timeout, heartbeat) = (None, None, None);
        let request = TaskRequest { resource, arguments: next, credentials, timeout, heartbeat };
        Next::Suspend(Suspension::Call { request, wake_ms: execution.thread.wake_ms })
    }

    /// A writer's call was answered.
    pub(super) fn was_written(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        reply: Result<&[u8], StateError>,
    ) -> Next {
        match reply {
            Ok(_) => {
                execution.thread.written += 1;
                self.write_next(execution, scratch, observer)
            }
            Err(e) => {
                execution.thread.writes = Value::NULL;
                let error = StateError::new(WRITER_FAILED, told(&e));
                self.map_run_broke(execution, scratch, observer, error)
            }
        }
    }
}

/// A driver's error as a cause.
fn told(error: &StateError) -> String {
    match (error.name(), error.cause()) {
        (_, Some(cause)) => cause.to_owned(),
        (Some(name), None) => name.to_owned(),
        (None, None) => "The call failed and says nothing of why".to_owned(),
    }
}

/// The results that are given out, in the shape that was asked for.
fn shaped(scratch: &mut Scratch, joint: &Fork, shape: Transformation) -> Result<Value, TooDeep> {
    let results = joint.joined(scratch)?;
    if shape != Transformation::Flatten {
        return Ok(results);
    }
    let mark = scratch.mark();
    let mut items = scratch.items(results);
    while let Some(result) = scratch.next_item(&mut items) {
        if result.kind() != Kind::Array {
            scratch.push(result);
            continue;
        }
        let mut inner = scratch.items(result);
        while let Some(item) = scratch.next_item(&mut inner) {
            scratch.push(item);
        }
    }
    scratch.array(mark)
}

/// What is told of iterations that failed.
fn failed(scratch: &mut Scratch, joint: &Fork) -> Result<Value, TooDeep> {
    let mark = scratch.mark();
    for (place, _) in &joint.failures {
        scratch.push(joint.results[*place as usize]);
    }
    scratch.array(mark)
}

/// A file's text.
fn body(scratch: &Scratch, results: Value, is_lines: bool) -> String {
    let mut text = Vec::new();
    if is_lines {
        let mut items = scratch.items(results);
        while let Some(item) = scratch.next_item(&mut items) {
            scratch.write(item, &mut text);
            text.push(b'\n');
        }
    } else {
        scratch.write(results, &mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// What a manifest lists of one kind of results: the file that holds them, if any.
fn files(scratch: &mut Scratch, file: Option<(String, usize)>) -> Result<Value, TooDeep> {
    let list = scratch.mark();
    if let Some((key, size)) = file {
        let entry = scratch.mark();
        push(scratch, "Key", &key);
        let size = scratch.integer(size as i64);
        scratch.push_member("Size", size);
        let entry = scratch.object(entry)?;
        scratch.push(entry);
    }
    scratch.array(list)
}

/// `{"DestinationBucket", "MapRunArn", "ResultFiles"}`
fn manifest(
    scratch: &mut Scratch,
    bucket: &str,
    arn: &str,
    [failed, succeeded]: [Value; 2],
) -> Result<Value, TooDeep> {
    let none = scratch.mark();
    let none = scratch.array(none)?;
    let files = scratch.mark();
    for (name, list) in [("FAILED", failed), ("SUCCEEDED", succeeded), ("PENDING", none)] {
        scratch.push_member(name, list);
    }
    let files = scratch.object(files)?;
    let manifest = scratch.mark();
    push(scratch, "DestinationBucket", bucket);
    push(scratch, "MapRunArn", arn);
    scratch.push_member("ResultFiles", files);
    scratch.object(manifest)
}

/// Pushes `{"Bucket", "Key", "Body"}`.
fn push_put(scratch: &mut Scratch, bucket: &str, key: &str, body: &str) -> Result<(), TooDeep> {
    let mark = scratch.mark();
    push(scratch, "Bucket", bucket);
    push(scratch, "Key", key);
    push(scratch, "Body", body);
    let arguments = scratch.object(mark)?;
    scratch.push(arguments);
    Ok(())
}

/// Pushes a member that is a string.
fn push(scratch: &mut Scratch, name: &str, text: &str) {
    let text = scratch.string(text);
    scratch.push_member(name, text);
}

/// Pushes a member that is a value's JSON text.
fn push_json(scratch: &mut Scratch, name: &str, value: Value) {
    let open = scratch.open_string();
    scratch.push_json(value);
    let text = scratch.close_string(open);
    scratch.push_member(name, text);
}

/// A version 4 UUID of random bits.
fn uuid((high, low): (u64, u64)) -> String {
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    let text = format!("{high:016x}{low:016x}");
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}
