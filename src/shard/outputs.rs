//! From an execution's outcome to the sink, and back: which records wait for which receipts, and
//! outputs that the sink had no room for.

use std::collections::VecDeque;
use std::io::Write as _;

use super::names::Origin;
use super::plan::{Key, Place};
use super::slots::Passage;
use crate::expr::{Path, Scope};
use crate::fault::StateError;
use crate::machine::Identity;
use crate::record::Header;
use crate::sinks::{Output, Sink, SinkError, SinkErrorKind, TopicId};
use crate::value::{Kind, Scratch, Value};

/// The error name of an output that could not be made or written.
pub const OUTPUT_FAILED: &str = "Record.OutputFailed";

/// Headers of an output that are put together without allocating.
const HEADERS_INLINE: usize = 16;
/// Digits of a version in hexadecimal.
const VERSION_DIGITS: usize = 16;

/// Which sink an output goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The pipeline's output.
    Output,
    /// Its dead letters.
    Letter,
}

/// A record that waits for receipts.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// Its way so far.
    pub passage: Passage,
    /// Its offset.
    pub offset: i64,
    /// Which sink it waits for.
    pub way: Way,
    /// Its outputs share no batch with others: a refusal is their own.
    pub is_alone: bool,
    /// Receipts still to come.
    pub outstanding: u32,
}

/// Records that wait for receipts, by the tag that their outputs carry.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Vec<(u32, Option<Waiting>)>,
    free: Vec<u32>,
    used: usize,
}

impl Ledger {
    /// A record whose outputs are about to be written. Returns their tag.
    pub fn open(&mut self, waiting: Waiting) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push((0, None));
            self.entries.len() as u32 - 1
        });
        let entry = &mut self.entries[index as usize];
        entry.1 = Some(waiting);
        self.used += 1;
        u64::from(entry.0) << 32 | u64::from(index)
    }

    /// One of the outputs has its receipt; the record, if that was the last one.
    pub fn receipt(&mut self, tag: u64) -> Option<Waiting> {
        let waiting = self.entry(tag)?;
        waiting.outstanding -= 1;
        if waiting.outstanding > 0 { None } else { self.close(tag) }
    }

    /// The record waits no more, whatever else comes for it.
    pub fn close(&mut self, tag: u64) -> Option<Waiting> {
        self.entry(tag)?;
        let index = tag as u32;
        let entry = &mut self.entries[index as usize];
        entry.0 = entry.0.wrapping_add(1);
        self.free.push(index);
        self.used -= 1;
        entry.1.take()
    }

    fn entry(&mut self, tag: u64) -> Option<&mut Waiting> {
        let (generation, waiting) = self.entries.get_mut(tag as u32 as usize)?;
        waiting.as_mut().filter(|_| u64::from(*generation) == tag >> 32)
    }

    /// Records waiting.
    pub fn len(&self) -> usize {
        self.used
    }
}

/// An output that the sink had no room for.
#[derive(Debug)]
struct Held {
    topic: TopicId,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    tag: u64,
    is_alone: bool,
}

/// A sink with the outputs it had no room for, in order.
pub struct Outlet {
    /// The sink.
    pub sink: Box<dyn Sink>,
    held: VecDeque<Held>,
    bytes: usize,
}

impl Outlet {
    /// An outlet to `sink`.
    pub fn new(sink: Box<dyn Sink>) -> Outlet {
        Outlet { sink, held: VecDeque::new(), bytes: 0 }
    }

    /// Writes, or holds what there is no room for. An error is the record's own fault, or fatal.
    #[inline]
    pub fn write(&mut self, output: Output<'_>, is_alone: bool) -> Result<(), SinkError> {
        if self.held.is_empty() {
            match hand(self.sink.as_mut(), output, is_alone) {
                Err(e) if is_passing(e.kind) => {}
                result => return result,
            }
        }
        let held = Held {
            topic: output.topic,
            key: output.key.map(<[u8]>::to_vec),
            value: output.value.map(<[u8]>::to_vec),
            headers: output
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), header.value.map(<[u8]>::to_vec)))
                .collect(),
            tag: output.tag,
            is_alone,
        };
        self.bytes += held.bytes();
        self.held.push_back(held);
        Ok(())
    }

    /// Tries again what is held. An output that fails for its own sake, or for good, goes to
    /// `failed` with its tag.
    pub fn drain(&mut self, failed: &mut dyn FnMut(u64, SinkError)) {
        while let Some(held) = self.held.front() {
            let headers: Vec<_> = held
                .headers
                .iter()
                .map(|(name, value)| Header { name, value: value.as_deref() })
                .collect();
            let output = Output {
                topic: held.topic,
                key: held.key.as_deref(),
                value: held.value.as_deref(),
                headers: &headers,
                tag: held.tag,
            };
            match hand(self.sink.as_mut(), output, held.is_alone) {
                Ok(()) => {}
                Err(e) if is_passing(e.kind) => return,
                Err(e) => failed(held.tag, e),
            }
            let held = self.held.pop_front();
            self.bytes -= held.map_or(0, |held| held.bytes());
        }
    }

    /// Is anything held?
    pub fn is_stalled(&self) -> bool {
        !self.held.is_empty()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes + self.sink.held_bytes()
    }
}

impl Held {
    fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(n, v)| n.len() + v.as_ref().map_or(0, Vec::len));
        let key = self.key.as_ref().map_or(0, Vec::len);
        key + self.value.as_ref().map_or(0, Vec::len) + headers.sum::<usize>()
    }
}

#[inline]
fn hand(sink: &mut dyn Sink, output: Output<'_>, is_alone: bool) -> Result<(), SinkError> {
    if is_alone { sink.write_alone(output) } else { sink.write(output) }
}

fn is_passing(kind: SinkErrorKind) -> bool {
    matches!(kind, SinkErrorKind::Full | SinkErrorKind::Retriable)
}

/// What to write of a success: one value, or an array's elements.
pub fn part(
    output: Value,
    origin: &Origin<'_>,
    scratch: &mut Scratch,
) -> Result<Value, StateError> {
    let plan = &origin.plan.output;
    let value = match &plan.value {
        Some(path) => at(path, output, origin, scratch)?,
        None => output,
    };
    if plan.split && value.kind() != Kind::Array {
        let cause = "The output is to be split, and is no array.";
        return Err(StateError::new(OUTPUT_FAILED, cause));
    }
    Ok(value)
}

/// The topic's name, where it is read from the output.
pub fn topic_of<'a>(
    place: &'a Place,
    output: Value,
    origin: &Origin<'_>,
    scratch: &'a mut Scratch,
) -> Result<std::borrow::Cow<'a, str>, StateError> {
    match place {
        Place::Fixed(name) => Ok((**name).into()),
        Place::Path(path) => {
            let value = at(path, output, origin, scratch)?;
            if value.kind() != Kind::String {
                let cause = format!("{} names no topic: it must lead to a string.", path.text());
                return Err(StateError::new(OUTPUT_FAILED, cause));
            }
            Ok(scratch.str(value))
        }
    }
}

/// Puts the output's key into `out` where it is read from the output; see [`key_slice`].
pub fn key_into(
    output: Value,
    origin: &Origin<'_>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), StateError> {
    let Key::Path(path) = &origin.plan.output.key else { return Ok(()) };
    out.clear();
    let value = at(path, output, origin, scratch)?;
    match value.kind() {
        Kind::String => out.extend_from_slice(scratch.str(value).as_bytes()),
        _ => scratch.write(value, out),
    }
    Ok(())
}

/// The output's key: the source's, none, or what [`key_into`] has put into `buffer`.
pub fn key_slice<'a>(origin: &Origin<'a>, buffer: &'a [u8]) -> Option<&'a [u8]> {
    match origin.plan.output.key {
        Key::Source => origin.record.key,
        Key::None => None,
        Key::Path(_) => Some(buffer),
    }
}

/// Calls `write_to` with the output's headers: the source's, then the execution's name and the
/// definition's version. `name` is a buffer.
pub fn with_headers<T>(
    origin: &Origin<'_>,
    name: &mut String,
    write_to: impl FnOnce(&[Header<'_>]) -> T,
) -> T {
    origin.write_name(name);
    let mut version = [b'0'; VERSION_DIGITS];
    let number = origin.version.map_or(0, |version| version.program.version);
    // The digits fit: a version has 64 bits.
    let _ = write!(&mut version[..], "{number:016x}");
    let ours = [("expressway.execution", name.as_bytes()), ("expressway.version", &version[..])];
    let ours = ours.map(|(name, value)| Header { name, value: Some(value) });
    let own = origin.record.headers;
    let count = own.len() + ours.len();
    if count > HEADERS_INLINE {
        return write_to(&[own, &ours].concat());
    }
    let mut headers = [ours[0]; HEADERS_INLINE];
    headers[..own.len()].copy_from_slice(own);
    headers[own.len()..count].copy_from_slice(&ours);
    write_to(&headers[..count])
}

/// The value at a path of the output, or of the context object.
fn at(
    path: &Path,
    output: Value,
    origin: &Origin<'_>,
    scratch: &mut Scratch,
) -> Result<Value, StateError> {
    let mut context = Source { origin };
    let mut random = crate::intrinsics::Random::new(origin.seed());
    let mut scope = Scope { scratch, input: output, context: &mut context, random: &mut random };
    path.require(&mut scope).map_err(|e| {
        let cause = e.cause().unwrap_or_default().to_owned();
        StateError::new(OUTPUT_FAILED, cause)
    })
}

/// `$$.Source`, for paths of the pipeline's output.
struct Source<'a> {
    origin: &'a Origin<'a>,
}

impl crate::expr::Context for Source<'_> {
    fn object(&mut self, scratch: &mut Scratch) -> Value {
        let source = self.origin.source(scratch).unwrap_or(Value::NULL);
        let mark = scratch.mark();
        let key = scratch.string("Source");
        scratch.push_pair(key, source);
        scratch.object(mark).unwrap_or(Value::NULL)
    }
}
