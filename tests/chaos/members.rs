//! The members of the group: started, killed, frozen, stopped; and what their logs tell.

use std::path::Path;

use crate::engine::{Engine, Setup};
use crate::plan::MEMBERS_MAX;
use crate::story::Charge;

/// What the logs tell of a member.
#[derive(Debug, Default)]
struct Told {
    /// Bytes of the log that were read.
    read: usize,
    /// Partitions it holds.
    held: u64,
}

struct Member {
    name: String,
    engine: Engine,
    told: Told,
    is_frozen: bool,
}

/// What there is to tell of members.
#[derive(Debug, Default)]
pub struct News {
    /// What may come twice.
    pub charges: Vec<Charge>,
    /// Times a member got partitions.
    pub rebalances: u64,
    /// What must not be.
    pub troubles: Vec<String>,
}

/// All members, by slot; those that were told to stop have left theirs.
pub struct Members {
    setup: Setup,
    pipeline: String,
    slots: [Option<Member>; MEMBERS_MAX],
    leaving: Vec<Member>,
    started: usize,
}

impl Members {
    /// None yet.
    pub fn new(setup: Setup, pipeline: String) -> Members {
        Members {
            setup,
            pipeline,
            slots: [const { None }; MEMBERS_MAX],
            leaving: Vec::new(),
            started: 0,
        }
    }

    /// Starts the member of a slot, unless it runs. Says whether it did.
    pub fn start(&mut self, slot: usize) -> bool {
        if self.slots[slot].is_some() {
            return false;
        }
        self.started += 1;
        let name = format!("member-{}-{}", slot + 1, self.started);
        let engine = self.setup.spawn(&name, &self.pipeline);
        self.slots[slot] = Some(Member { name, engine, told: Told::default(), is_frozen: false });
        true
    }

    /// The slots in use, those of members that are not frozen first.
    pub fn running(&self) -> Vec<usize> {
        let is_frozen = |slot: &usize| self.slots[*slot].as_ref().is_some_and(|it| it.is_frozen);
        let mut running: Vec<usize> =
            (0..MEMBERS_MAX).filter(|it| self.slots[*it].is_some()).collect();
        running.sort_by_key(is_frozen);
        running
    }

    /// The slots of members that are not frozen.
    pub fn at_work(&self) -> Vec<usize> {
        let works = |slot: &usize| self.slots[*slot].as_ref().is_some_and(|it| !it.is_frozen);
        (0..MEMBERS_MAX).filter(works).collect()
    }

    /// kill -9. What it held may come twice.
    pub fn kill(&mut self, slot: usize, news: &mut News) {
        let Some(mut member) = self.slots[slot].take() else { return };
        member.listen(news);
        member.engine.signal("KILL");
        member.engine.wait();
        let held = member.told.held;
        member.listen(news);
        let partitions = held.max(member.told.held);
        news.charges.push(Charge { what: format!("kill of {}", member.name), partitions });
    }

    /// SIGSTOP. Says which use of the slot it was, for [`Members::thaw`].
    pub fn freeze(&mut self, slot: usize) -> Option<String> {
        let member = self.slots[slot].as_mut().filter(|it| !it.is_frozen)?;
        member.engine.signal("STOP");
        member.is_frozen = true;
        Some(member.name.clone())
    }

    /// SIGCONT, where that member still is.
    pub fn thaw(&mut self, slot: usize, name: &str) -> bool {
        let Some(member) = self.slots[slot].as_mut().filter(|it| it.name == name) else {
            return false;
        };
        member.engine.signal("CONT");
        std::mem::take(&mut member.is_frozen)
    }

    /// SIGTERM, without waiting for what follows.
    pub fn leave(&mut self, slot: usize) -> bool {
        let Some(member) = self.slots[slot].take() else { return false };
        member.engine.signal("CONT");
        member.engine.signal("TERM");
        self.leaving.push(member);
        true
    }

    /// Reads what is new in the logs. Returns the slots of members that have ended by themselves.
    pub fn listen(&mut self, news: &mut News) -> Vec<usize> {
        let mut ended = Vec::new();
        for (slot, place) in self.slots.iter_mut().enumerate() {
            let Some(member) = place else { continue };
            member.listen(news);
            if member.engine.has_ended() {
                let (code, name) = (member.engine.wait(), &member.name);
                let why = member.last_words();
                news.troubles.push(format!("{name} ended by itself, exit code {code}: {why}"));
                let (what, partitions) = (format!("end of {name}"), member.told.held);
                news.charges.push(Charge { what, partitions });
                ended.push(slot);
                *place = None;
            }
        }
        self.leaving.retain_mut(|member| {
            member.listen(news);
            if !member.engine.has_ended() {
                return true;
            }
            let (code, name) = (member.engine.wait(), &member.name);
            if code != 0 {
                let why = member.last_words();
                news.troubles.push(format!("{name} did not stop well, exit code {code}: {why}"));
            }
            member.listen(news);
            false
        });
        ended
    }

    /// Has everybody left who was told to?
    pub fn has_left(&self) -> bool {
        self.leaving.is_empty()
    }

    /// Copies the logs away.
    pub fn keep_logs(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        for entry in std::fs::read_dir(&self.setup.folder)? {
            let entry = entry?;
            std::fs::copy(entry.path(), folder.join(entry.file_name()))?;
        }
        Ok(())
    }
}

impl Member {
    fn listen(&mut self, news: &mut News) {
        let log = self.engine.log();
        let fresh = log.get(self.told.read..).unwrap_or_default();
        // The last line may be half written.
        let Some(end) = fresh.rfind('\n') else { return };
        for line in fresh[..end].lines() {
            self.hear(line, news);
        }
        self.told.read += end + 1;
    }

    fn hear(&mut self, line: &str, news: &mut News) {
        let count = number_after(line, "partitions=").unwrap_or(0);
        let held = &mut self.told.held;
        let mut charge = |partitions| {
            let what = format!("{}: {}", self.name, line.split_once("  ").map_or(line, |it| it.1));
            news.charges.push(Charge { what: what.chars().take(160).collect(), partitions });
        };
        if line.contains("partitions assigned") {
            *held += count;
            news.rebalances += 1;
        } else if line.contains("partitions revoked") {
            *held = held.saturating_sub(count);
        } else if line.contains("assignment lost") {
            *held = held.saturating_sub(count);
            charge(count);
        } else if line.contains("its partition is read again") {
            charge(1);
        } else if line.contains("is read again") {
            charge(count);
        } else if line.contains("drain_timeout is over") {
            charge(*held);
        } else if line.contains("panicked") {
            news.troubles.push(format!("{}: {line}", self.name));
        }
    }

    fn last_words(&self) -> String {
        let log = self.engine.log();
        let words = log.lines().rev().find(|it| it.contains("ERROR"));
        words.or(log.lines().last()).unwrap_or_default().to_owned()
    }
}

fn number_after(line: &str, label: &str) -> Option<u64> {
    let rest = line.split_once(label)?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}
