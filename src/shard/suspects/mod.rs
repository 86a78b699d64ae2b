//! What ran when the process came down. Each shard marks the execution that it runs in a small
//! memory-mapped file: a few stores, no call of the system. A handler notes the signals of a crash
//! there; so the next start knows its suspects. Each of them is run alone, and what brings the process
//! down again is a failure of its record, without being run.

mod docket;
mod file;
mod signals;
mod slot;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use docket::Verdict;

use crate::record::AssignmentId;
use docket::{Docket, cases_of, write_down};
use file::Map;
use slot::standing;

/// Processes of one configuration on one machine: each has a file of its own.
const FILES_MAX: usize = 64;

/// The error name of a record whose execution brought the process down twice.
pub const CRASHED: &str = "Execution.Crashed";

/// What the shards of a process share of this.
pub struct Suspects {
    map: &'static Map,
    docket: Arc<Docket>,
    file: Option<PathBuf>,
}

impl Suspects {
    /// Without a file: nothing outlives a crash.
    pub fn unkept(shards: usize) -> io::Result<Suspects> {
        // For the threads, which may outlive everything else; there is one a process.
        let map = Box::leak(Box::new(Map::anonymous(shards)?));
        Ok(Suspects { map, docket: Arc::default(), file: None })
    }

    /// Over this file, or where another process has it, over the next with a number behind its name.
    /// Says in the log whom the last process has left under suspicion.
    pub fn open(path: &Path, shards: usize) -> io::Result<Suspects> {
        let numbered = |number: usize| match number {
            0 => path.to_owned(),
            _ => PathBuf::from(format!("{}.{number}", path.display())),
        };
        let taken = || io::Error::new(io::ErrorKind::ResourceBusy, "too many processes share it");
        for path in (0..FILES_MAX).map(numbered) {
            let Some(file) = file::open(&path)? else { continue };
            let left = Map::left_in(&file)?;
            let (cases, signal) = left.as_ref().map_or((Vec::new(), 0), |left| {
                (cases_of(left), left.crashed().load(Ordering::Acquire))
            });
            drop(left);
            for case in &cases {
                let place = case.place.shown();
                if case.is_convicted {
                    tracing::error!(place, "a record brought the process down twice: it fails");
                } else {
                    tracing::warn!(place, signal, "a record is under suspicion: it is run alone");
                }
            }
            let map: &'static Map = Box::leak(Box::new(Map::fresh(file, shards)?));
            write_down(&cases, map);
            signals::note_in(map);
            let docket = Arc::new(Docket::new(cases));
            return Ok(Suspects { map, docket, file: Some(path) });
        }
        Err(taken())
    }

    /// The file.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// A shard's marker.
    pub fn marker(&self, shard: usize) -> Marker {
        let (map, docket) = (self.map, self.docket.clone());
        Marker { map, shard, docket, named: None, alone: None, is_over: false }
    }

    /// What each shard has done so far; `None` for those that do nothing any more, or not yet.
    pub fn beats(&self) -> Vec<Option<u64>> {
        self.map.shards().map(slot::Slot::beats).collect()
    }

    /// What a shard runs just now, for the log.
    pub fn running(&self, shard: usize) -> Option<String> {
        let slot = self.map.shard(shard);
        (slot.standing() != standing::NONE).then(|| slot.place().shown())
    }
}

/// Whose record it is.
#[derive(Clone, Copy)]
pub struct Whose<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// The program's version.
    pub version: u64,
    /// The assignment.
    pub assignment: AssignmentId,
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
}

/// One shard's hand on its slot.
pub struct Marker {
    map: &'static Map,
    shard: usize,
    docket: Arc<Docket>,
    /// Whose records the slot names. An assignment is of one pipeline.
    named: Option<(AssignmentId, u64)>,
    /// Where the docket was asked: whether it runs alone.
    alone: Option<bool>,
    is_over: bool,
}

impl Marker {
    /// A shard's own, without a file; for shards that no engine runs.
    pub fn unkept() -> io::Result<Marker> {
        Ok(Suspects::unkept(1)?.marker(0))
    }

    /// The shard does something.
    #[inline]
    pub fn beat(&self) {
        self.map.shard(self.shard).beat();
    }

    /// An execution over the record at this offset is about to run; unless it is convicted. Waits
    /// while another runs alone.
    #[inline]
    pub fn enter(&mut self, whose: Whose<'_>, offset: i64) -> Verdict {
        let map = self.map;
        let slot = map.shard(self.shard);
        slot.beat();
        if self.named != Some((whose.assignment, whose.version)) {
            slot.name(whose.pipeline, whose.topic, whose.partition, whose.version);
            self.named = Some((whose.assignment, whose.version));
        }
        if self.docket.is_open() {
            return self.enter_court(whose, offset);
        }
        slot.mark(offset, standing::RUNNING);
        Verdict::Clear
    }

    #[cold]
    fn enter_court(&mut self, whose: Whose<'_>, offset: i64) -> Verdict {
        let Whose { pipeline, topic, partition, version, .. } = whose;
        let is_it =
            |place: &slot::Place| place.offset == offset && place.is_of(pipeline, topic, partition);
        let verdict = self.docket.verdict(is_it, version);
        if verdict == Verdict::Convicted {
            return verdict;
        }
        let is_alone = verdict == Verdict::Suspect;
        self.docket.enter(is_alone);
        self.alone = Some(is_alone);
        let how = if is_alone { standing::ALONE } else { standing::RUNNING };
        self.map.shard(self.shard).mark(offset, how);
        verdict
    }

    /// The execution that runs is done with: when it is left, nothing is suspected of it any more.
    #[inline]
    pub fn over(&mut self) {
        self.is_over = true;
    }

    /// What was entered does not run any more.
    #[inline]
    pub fn leave(&mut self) {
        let slot = self.map.shard(self.shard);
        slot.clear();
        let is_over = std::mem::take(&mut self.is_over);
        if let Some(was_alone) = self.alone.take() {
            if was_alone && is_over {
                let done = slot.place();
                tracing::info!(place = done.shown(), "a record under suspicion has run alone");
                self.docket.close(self.map, |place| *place == done);
            }
            self.docket.leave(was_alone);
        }
    }

    /// Is anything under suspicion?
    #[inline]
    pub fn is_open(&self) -> bool {
        self.docket.is_open()
    }

    /// Everything below this offset is settled for good.
    pub fn settled(&self, pipeline: &str, topic: &str, partition: i32, below: i64) {
        let is_it =
            |place: &slot::Place| place.offset < below && place.is_of(pipeline, topic, partition);
        self.docket.close(self.map, is_it);
    }

    /// The shard ends.
    pub fn end(&self) {
        self.map.shard(self.shard).end();
    }
}
