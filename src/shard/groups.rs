//! Groups of a FIFO queue whose messages share executions. A batch holds several groups, and several
//! messages of each; so batches run one after the other, each when all of the one before has settled,
//! and what came of a group behind a failure goes back to the queue unseen.

use std::collections::HashMap;

/// The messages of a shard that have not settled, by their numbers, and their groups.
#[derive(Debug, Default)]
pub struct Groups {
    messages: HashMap<i64, Message>,
    groups: HashMap<u64, Group>,
    /// Messages whose batch has begun.
    begun: usize,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    group: u64,
    has_begun: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Group {
    open: usize,
    has_failed: bool,
}

impl Groups {
    /// A message has come, of the group of this hash.
    pub fn enter(&mut self, number: i64, group: u64) {
        self.messages.insert(number, Message { group, has_begun: false });
        self.groups.entry(group).or_default().open += 1;
    }

    /// Its batch begins, or does so again.
    pub fn begin(&mut self, number: i64) {
        if let Some(message) = self.messages.get_mut(&number) {
            self.begun += usize::from(!std::mem::replace(&mut message.has_begun, true));
        }
    }

    /// The message has settled, or goes back to its queue: then so do those behind it.
    pub fn leave(&mut self, number: i64, is_final: bool) {
        let Some(Message { group, has_begun }) = self.messages.remove(&number) else { return };
        self.begun -= usize::from(has_begun);
        let Some(its) = self.groups.get_mut(&group) else { return };
        its.open -= 1;
        its.has_failed |= !is_final;
        if its.open == 0 {
            self.groups.remove(&group);
        }
    }

    /// The message's group.
    pub fn of(&self, number: i64) -> Option<u64> {
        self.messages.get(&number).map(|message| message.group)
    }

    /// Has a message of its group gone back to the queue?
    pub fn has_failed(&self, number: i64) -> bool {
        let group = self.of(number).and_then(|group| self.groups.get(&group));
        group.is_some_and(|group| group.has_failed)
    }

    /// Has all settled that had begun?
    pub fn is_idle(&self) -> bool {
        self.begun == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_its_groups_until_all_of_it_is_back() {
        let mut groups = Groups::default();
        for (number, group) in [(1, 7), (2, 8), (3, 7), (4, 7)] {
            groups.enter(number, group);
        }
        [1, 2, 3].into_iter().for_each(|number| groups.begin(number));
        groups.begin(3);
        groups.leave(1, true);
        assert!(!groups.has_failed(4));
        groups.leave(3, false);
        assert_eq!([2, 4].map(|number| groups.has_failed(number)), [false, true]);
        assert!(!groups.is_idle());
        groups.leave(2, true);
        assert!(groups.is_idle());
        groups.leave(4, false);
        groups.enter(5, 7);
        assert!(!groups.has_failed(5), "it has come anew");
        groups.leave(5, true);
        assert!(groups.messages.is_empty() && groups.groups.is_empty());
    }
}
