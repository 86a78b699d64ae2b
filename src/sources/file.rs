//! A file or standard input as a source: one record a line (NDJSON). A thread reads blocks of whole
//! lines; the shard's end cuts them up. Nothing is committed: a file is read from its start.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::thread;

use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};

use crate::record::{Assignment, AssignmentId, Position, Record, Wake};
use crate::sources::{Arrival, Source, SourceError};

/// Bytes read at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// Blocks that may wait; the reading thread sleeps when they are all full.
const BLOCKS_MAX: usize = 4;

/// What to read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A file's name, or `-` for standard input.
    pub file: String,
    /// The longest line there may be.
    pub line_bytes_max: usize,
    /// Names this source in its process: no other may have it.
    pub assignment: AssignmentId,
}

impl Settings {
    /// Reads this file, lines of 64 MiB at most.
    pub fn new(file: &str, assignment: AssignmentId) -> Settings {
        Settings { file: file.to_owned(), line_bytes_max: 64 * 1024 * 1024, assignment }
    }
}

/// A block of whole lines, or why there is no more.
type Block = Result<Vec<u8>, SourceError>;

/// The end for the one shard that reads the file.
pub struct FileSource {
    assignment: Assignment,
    blocks: Receiver<Block>,
    spent: Sender<Vec<u8>>,
    block: Vec<u8>,
    at: usize,
    line: i64,
    settled: Option<i64>,
    announced: bool,
    paused: bool,
    ended: bool,
}

impl FileSource {
    /// Opens the file and starts to read it; `wake` is called when there is something.
    pub fn open(settings: Settings, wake: Wake) -> Result<FileSource, SourceError> {
        let failed = |why: io::Error| SourceError {
            message: format!("{:?} could not be opened: {why}. Check the name", settings.file),
            retriable: false,
        };
        let input: Box<dyn Read + Send> = match settings.file.as_str() {
            "-" => Box::new(io::stdin()),
            name => Box::new(File::open(name).map_err(failed)?),
        };
        let (full, blocks) = bounded(BLOCKS_MAX);
        let (spent, empty) = bounded(BLOCKS_MAX);
        let assignment = Assignment {
            id: settings.assignment,
            topic: Arc::from(settings.file.as_str()),
            partition: 0,
        };
        let reader = Reader { input, full, empty, wake, settings };
        let started = thread::Builder::new().name("file-read".into()).spawn(move || reader.run());
        started.map_err(failed_to_start)?;
        Ok(FileSource {
            assignment,
            blocks,
            spent,
            block: Vec::new(),
            at: 0,
            line: 0,
            settled: None,
            announced: false,
            paused: false,
            ended: false,
        })
    }

    /// Makes the next block the current one. False if there is none now.
    fn next_block(&mut self) -> Result<bool, SourceError> {
        if self.ended {
            return Ok(false);
        }
        let block = match self.blocks.try_recv() {
            Ok(block) => block.inspect_err(|_| self.ended = true)?,
            Err(TryRecvError::Empty) => return Ok(false),
            Err(TryRecvError::Disconnected) => {
                self.ended = true;
                return Ok(false);
            }
        };
        let spent = std::mem::replace(&mut self.block, block);
        self.at = 0;
        // Full only if the reader has ended, and then nobody wants it.
        let _ = self.spent.try_send(spent);
        Ok(true)
    }

    /// Hands over the lines of the current block, at most `limit`.
    fn hand_over(&mut self, limit: usize, take: &mut dyn FnMut(Arrival<'_>)) -> usize {
        let mut handed = 0;
        while handed < limit && self.at < self.block.len() {
            let rest = &self.block[self.at..];
            let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
            self.at += end + 1;
            self.line += 1;
            let line = rest[..end].trim_ascii();
            if line.is_empty() {
                continue;
            }
            handed += 1;
            take(Arrival::Record(Record {
                position: Position { assignment: self.assignment.id, offset: self.line },
                timestamp_ms: -1,
                key: None,
                value: Some(line),
                headers: &[],
                first: None,
                id: None,
            }));
        }
        handed
    }
}

impl Source for FileSource {
    fn poll(
        &mut self,
        limit: usize,
        take: &mut dyn FnMut(Arrival<'_>),
    ) -> Result<usize, SourceError> {
        if !self.announced {
            self.announced = true;
            take(Arrival::Assigned(self.assignment.clone()));
        }
        let mut handed = 0;
        while handed < limit && !self.paused {
            handed += self.hand_over(limit - handed, take);
            let ended = self.ended;
            if handed < limit && !self.next_block()? {
                if self.ended && !ended {
                    take(Arrival::End);
                }
                break;
            }
        }
        Ok(handed)
    }

    fn pause(&mut self, _: AssignmentId, paused: bool) {
        self.paused = paused;
    }

    fn commit(&mut self, _: AssignmentId, offset: i64) {
        self.settled = Some(offset);
    }

    fn committed(&self, _: AssignmentId) -> Option<i64> {
        self.settled
    }

    fn release(&mut self, _: AssignmentId) {}
}

fn failed_to_start(why: io::Error) -> SourceError {
    SourceError {
        message: format!("a reading thread could not be started: {why}"),
        retriable: true,
    }
}

/// The reading thread.
struct Reader {
    input: Box<dyn Read + Send>,
    full: Sender<Block>,
    empty: Receiver<Vec<u8>>,
    wake: Wake,
    settings: Settings,
}

impl Reader {
    fn run(mut self) {
        let mut rest = Vec::new();
        loop {
            match self.fill(&mut rest) {
                Ok(block) if block.is_empty() => break,
                Ok(block) => {
                    if self.full.send(Ok(block)).is_err() {
                        return;
                    }
                    self.wake.wake();
                }
                Err(error) => {
                    let _ = self.full.send(Err(error));
                    break;
                }
            }
        }
        let Reader { full, wake, .. } = self;
        drop(full);
        wake.wake();
    }

    /// The next block of whole lines; what is left of its last line goes to `rest`. Empty at the
    /// end.
    fn fill(&mut self, rest: &mut Vec<u8>) -> Result<Vec<u8>, SourceError> {
        let mut block = self.empty.try_recv().unwrap_or_default();
        block.clear();
        block.append(rest);
        loop {
            let start = block.len();
            let room = (&mut self.input).take(BLOCK_BYTES as u64);
            let read = read_some(room, &mut block).map_err(|why| self.failed(&why.to_string()))?;
            if read == 0 {
                return Ok(block);
            }
            if let Some(end) = block[start..].iter().rposition(|&byte| byte == b'\n') {
                rest.extend_from_slice(&block[start + end + 1..]);
                block.truncate(start + end + 1);
                return Ok(block);
            }
            if block.len() > self.settings.line_bytes_max {
                let limit = self.settings.line_bytes_max;
                return Err(self.failed(&format!("a line is longer than {limit} bytes")));
            }
        }
    }

    fn failed(&self, why: &str) -> SourceError {
        let message = format!("{:?} could not be read on: {why}", self.settings.file);
        SourceError { message, retriable: false }
    }
}

/// One read, so that a terminal's line is not kept waiting for the block to fill.
fn read_some(mut input: impl Read, block: &mut Vec<u8>) -> io::Result<usize> {
    let start = block.len();
    block.resize(start + BLOCK_BYTES, 0);
    let read = loop {
        match input.read(&mut block[start..]) {
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            answer => break answer,
        }
    };
    block.truncate(start + read.as_ref().map_or(0, |&it| it));
    read
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::time::Duration;

    use super::*;

    fn reads(text: &[u8]) -> (Vec<(i64, Vec<u8>)>, bool) {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text).expect("written");
        let (wakes, woken) = bounded(64);
        let wake = Wake::new(move || wakes.try_send(()).unwrap_or_default());
        let name = file.path().to_str().expect("a plain name");
        let settings = Settings::new(name, AssignmentId(3));
        let mut source = FileSource::open(settings, wake).expect("opens");
        let (mut lines, mut ended) = (Vec::new(), false);
        while !ended && woken.recv_timeout(Duration::from_secs(10)).is_ok() {
            let mut more = true;
            while more {
                let handed = source.poll(2, &mut |arrival| match arrival {
                    Arrival::Record(it) => {
                        lines.push((it.position.offset, it.value.unwrap_or_default().to_vec()));
                    }
                    Arrival::End => ended = true,
                    _ => {}
                });
                more = handed.expect("reads") == 2;
            }
        }
        (lines, ended)
    }

    #[test]
    fn lines_are_records_and_the_last_needs_no_newline() {
        let (lines, ended) = reads(b"{\"a\":1}\n\n  \r\n2\r\n\"three\"");
        let expected: [(i64, &[u8]); 3] = [(1, b"{\"a\":1}"), (4, b"2"), (5, b"\"three\"")];
        assert!(ended);
        assert_eq!(lines, expected.map(|(line, text)| (line, text.to_vec())));
    }

    #[test]
    fn lines_may_cross_blocks() {
        let long = vec![b'7'; BLOCK_BYTES * 2 + 5];
        let text = [&b"1\n"[..], &long, b"\n3\n"].concat();
        let (lines, _) = reads(&text);
        assert_eq!(lines.len(), 3);
        assert_eq!((lines[1].1.len(), lines[2].1.as_slice()), (long.len(), &b"3"[..]));
    }
}
