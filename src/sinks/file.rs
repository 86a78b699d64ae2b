//! A file or standard output as a sink: one value a line (NDJSON), without keys and headers.
//! Lines of several shards go to the same file whole, in batches.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::record::Wake;
use crate::sinks::{Output, Receipt, Sink, SinkError, SinkErrorKind, TopicId};

/// Bytes of lines after which they are written without being asked to.
const PENDING_BYTES_MAX: usize = 256 * 1024;

/// A file that any number of sinks write to.
#[derive(Clone)]
pub struct Target {
    name: Arc<str>,
    file: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl Target {
    /// Opens a file to append to, made if it is not there; `-` is standard output.
    pub fn open(name: &str) -> Result<Target, SinkError> {
        let file: Box<dyn Write + Send> = match name {
            "-" => Box::new(io::stdout()),
            name => Box::new(append(name).map_err(|why| failed("opened", name, &why))?),
        };
        Ok(Target { name: Arc::from(name), file: Arc::new(Mutex::new(file)) })
    }
}

fn append(name: &str) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).append(true).open(name)?;
    if has_torn_line(name, &file)? {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

/// Does the file end amid a line, as a kill may leave it? The next one would be unreadable, too.
fn has_torn_line(name: &str, file: &File) -> io::Result<bool> {
    let about = file.metadata()?;
    if !about.is_file() || about.len() == 0 {
        return Ok(false);
    }
    let (mut last, mut reads) = ([0], File::open(name)?);
    reads.seek(SeekFrom::End(-1))?;
    reads.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn failed(what: &str, name: &str, why: &io::Error) -> SinkError {
    let message =
        format!("{name:?} could not be {what}: {why}. Check its rights and the free space");
    SinkError { kind: SinkErrorKind::Fatal, code: "", message }
}

/// One shard's end. A line counts as written once the system has taken it.
pub struct FileSink {
    target: Target,
    wake: Wake,
    lines: Vec<u8>,
    tags: Vec<u64>,
    // How many of `tags` are answered, and how the last write went.
    written: usize,
    failure: Option<SinkError>,
}

impl FileSink {
    /// A sink; `wake` is called when it has receipts.
    pub fn new(target: Target, wake: Wake) -> FileSink {
        let lines = Vec::with_capacity(PENDING_BYTES_MAX);
        FileSink { target, wake, lines, tags: Vec::new(), written: 0, failure: None }
    }

    fn put(&mut self) -> io::Result<()> {
        let mut file = self.target.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&self.lines)?;
        file.flush()
    }
}

impl Sink for FileSink {
    fn topic(&mut self, _: &str) -> Result<TopicId, SinkError> {
        Ok(TopicId(0))
    }

    fn write(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let value = output.value.unwrap_or(b"null");
        // A raw line break in JSON is whitespace, and would end the line.
        let flat =
            value.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte });
        self.lines.extend(flat);
        self.lines.push(b'\n');
        self.tags.push(output.tag);
        if self.lines.len() >= PENDING_BYTES_MAX {
            self.submit();
        }
        Ok(())
    }

    /// Writes the lines; a slow reader of a pipe is waited for, the back-pressure it wants.
    fn submit(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        if let Err(why) = self.put() {
            self.failure = Some(failed("written", &self.target.name, &why));
        }
        self.lines.clear();
        self.written = self.tags.len();
        self.wake.wake();
    }

    fn poll(&mut self, take: &mut dyn FnMut(Receipt)) {
        for tag in self.tags.drain(..std::mem::take(&mut self.written)) {
            let result = self.failure.clone().map_or(Ok((-1, -1)), Err);
            take(Receipt { tag, result });
        }
    }

    fn in_flight(&self) -> usize {
        self.tags.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(value: Option<&[u8]>, tag: u64) -> Output<'_> {
        Output { topic: TopicId(0), key: None, value, headers: &[], tag }
    }

    #[test]
    fn values_are_lines_and_receipts_follow_the_write() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let target = Target::open(file.path().to_str().expect("a plain name")).expect("opens");
        let mut sink = FileSink::new(target, Wake::new(|| {}));
        sink.write(output(Some(b"{\n \"a\": 1}"), 1)).expect("taken");
        sink.write(output(None, 2)).expect("taken");
        let mut tags = Vec::new();
        sink.poll(&mut |it| tags.push(it.tag));
        assert_eq!((tags.len(), sink.in_flight()), (0, 2));
        sink.submit();
        sink.poll(&mut |it| tags.push(it.result.map(|_| it.tag).expect("written")));
        assert_eq!((tags, sink.in_flight()), (vec![1, 2], 0));
        let text = std::fs::read_to_string(file.path()).expect("readable");
        assert_eq!(text, "{  \"a\": 1}\nnull\n");
    }

    #[test]
    fn what_a_kill_has_left_of_a_line_does_not_spoil_the_next() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        for (before, after) in [("", ""), ("1\n", "1\n"), ("1\n{\"a", "1\n{\"a\n")] {
            std::fs::write(file.path(), before).expect("writable");
            let opened = Target::open(file.path().to_str().expect("a plain name"));
            assert!(opened.is_ok());
            assert_eq!(std::fs::read_to_string(file.path()).expect("readable"), after);
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_the_operators_matter() {
        let error = Target::open("/nowhere/at/all").err().expect("no such folder");
        assert_eq!(error.kind, SinkErrorKind::Fatal);
        assert!(error.message.contains("/nowhere/at/all"), "{error}");
        let mut sink = FileSink::new(Target::open("/dev/full").expect("opens"), Wake::new(|| {}));
        sink.write(output(Some(b"1"), 9)).expect("taken");
        sink.submit();
        let mut kinds = Vec::new();
        sink.poll(&mut |it| kinds.push(it.result.map_err(|error| error.kind)));
        assert_eq!(kinds, [Err(SinkErrorKind::Fatal)]);
    }
}
