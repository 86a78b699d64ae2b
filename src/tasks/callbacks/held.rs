//! Answers that came before anybody waited for them: after a crash, while the record is still to be
//! run again.

use std::collections::{HashMap, VecDeque};

use super::{Given, Limits, Token};

/// Why an answer is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHeld {
    /// There are as many as may be, or as large.
    Full,
    /// The call has one.
    Twice,
}

/// What is held, bounded in number, bytes and age.
#[derive(Default)]
pub(super) struct Held {
    answers: HashMap<Token, (Given, i64)>,
    /// Oldest first; some may be gone.
    order: VecDeque<(Token, i64)>,
    bytes: usize,
}

fn bytes_of(answer: &Given) -> usize {
    let text = match answer {
        Ok(text) => text.len(),
        Err(error) => error.name().map_or(0, str::len) + error.cause().map_or(0, str::len),
    };
    text + size_of::<(Token, Given)>()
}

impl Held {
    pub(super) fn put(
        &mut self,
        token: &Token,
        answer: Given,
        now_ms: i64,
        limits: &Limits,
    ) -> Result<(), NotHeld> {
        self.expire(now_ms);
        if self.answers.contains_key(token) {
            return Err(NotHeld::Twice);
        }
        let bytes = bytes_of(&answer);
        let has_room = self.answers.len() < limits.held_max
            && self.bytes.saturating_add(bytes) <= limits.held_bytes_max;
        if !has_room {
            return Err(NotHeld::Full);
        }
        let until_ms = now_ms.saturating_add(limits.held_for.as_millis() as i64);
        self.bytes += bytes;
        self.answers.insert(*token, (answer, until_ms));
        self.order.push_back((*token, until_ms));
        Ok(())
    }

    pub(super) fn take(&mut self, token: &Token, now_ms: i64) -> Option<Given> {
        if self.answers.is_empty() {
            return None;
        }
        self.expire(now_ms);
        let (answer, _) = self.answers.remove(token)?;
        self.bytes -= bytes_of(&answer);
        if self.answers.is_empty() {
            self.order.clear();
        }
        Some(answer)
    }

    /// Forgets what is too old. Returns how many.
    pub(super) fn expire(&mut self, now_ms: i64) -> usize {
        let mut count = 0;
        while let Some((token, until_ms)) = self.order.pop_front_if(|(_, until)| *until <= now_ms) {
            // It may have been taken and put again.
            if self.answers.get(&token).is_some_and(|(_, until)| *until == until_ms)
                && let Some((answer, _)) = self.answers.remove(&token)
            {
                self.bytes -= bytes_of(&answer);
                count += 1;
            }
        }
        count
    }

    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }
}
