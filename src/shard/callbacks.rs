//! Answers from outside, as they come from the HTTP endpoint: each to the execution that waits for
//! it, held where that is still to come, or refused where it is over.

use super::slots::SlotId;
use super::window::Whereabouts;
use super::{Running, Shard};
use crate::step::{CallNumber, Resume};
use crate::tasks::CallId;
use crate::tasks::callbacks::{Ask, Asked, Given, NotHeld, Reply, Standing, Token};

/// Questions from outside that are answered in one tick.
const ASKS_PER_TICK_MAX: usize = 256;

/// Where a token's call is.
enum Found {
    /// It waits, in this slot.
    Waiting(SlotId, CallNumber),
    /// It waits, a nested execution's; its record is in this lane.
    Nested(usize, CallId),
    /// It is over.
    Over,
    /// It is still to come, in this lane.
    ToCome(usize),
    /// The record is another shard's.
    Elsewhere,
}

impl Shard {
    /// Answers what was asked from outside. Returns how much there was.
    pub(super) fn hear(&mut self) -> usize {
        let now_ms = self.core.now_ms;
        let dropped = self.core.tasks.callbacks().expire(now_ms);
        if dropped > 0 {
            // What is held is counted for the shard, as its slots are.
            if let Some(first) = self.core.counters.pipelines.first_mut() {
                first.counts.answers_dropped += dropped as u64;
            }
            tracing::warn!(dropped, "answers to tasks came early and were held in vain");
        }
        for count in 0..ASKS_PER_TICK_MAX {
            let Some(asked) = self.core.tasks.callbacks().next_ask() else { return count };
            self.attend(asked);
        }
        ASKS_PER_TICK_MAX
    }

    fn attend(&mut self, Asked { ask, reply }: Asked) {
        let answer = match ask {
            Ask::Take(activity) => {
                let taken = self.core.tasks.callbacks().take(&activity);
                let Some(taken) = taken else { return drop(reply.send(Reply::Nothing)) };
                let call = taken.call;
                return match reply.send(Reply::Task(taken)) {
                    Ok(()) => self.beat(call),
                    // The worker has hung up.
                    Err(_) => self.core.tasks.callbacks().put_back(call),
                };
            }
            Ask::Look(token) => match self.find(&token) {
                Found::Waiting(..) | Found::Nested(..) | Found::ToCome(_) => Reply::Done,
                Found::Over => Reply::TimedOut,
                Found::Elsewhere => Reply::NotHere,
            },
            // What is to come has not begun to wait for heartbeats.
            Ask::Heartbeat(token) => match self.find(&token) {
                Found::Waiting(slot, call) => {
                    self.resume(slot, Resume::Heartbeat(call));
                    Reply::Done
                }
                Found::Nested(_, call) => {
                    self.beat(call);
                    Reply::Done
                }
                Found::ToCome(_) => Reply::Done,
                Found::Over => Reply::TimedOut,
                Found::Elsewhere => Reply::NotHere,
            },
            Ask::Answer(token, given) => self.give(&token, given),
        };
        // Whoever has gone meanwhile needs no answer.
        let _ = reply.send(answer);
    }

    /// Hands an answer to the execution that waits for it, or holds it.
    fn give(&mut self, token: &Token, given: Given) -> Reply {
        match self.find(token) {
            Found::Waiting(slot, call) => {
                let Some(lane) = self.core.slots.get(slot).map(|slot| slot.lane) else {
                    return Reply::TimedOut;
                };
                let counts = self.core.counts(lane);
                counts.answers += 1;
                counts.task_failures += u64::from(given.is_err());
                self.core.tasks.cancel(CallId(slot.to_bits(), call.to_bits()));
                let given = given.as_deref().map_err(Clone::clone);
                self.resume(slot, Resume::Reply(call, given));
                Reply::Done
            }
            Found::Nested(lane, call) => {
                let counts = self.core.counts(lane);
                counts.answers += 1;
                counts.task_failures += u64::from(given.is_err());
                let given = given.as_deref().map_err(Clone::clone);
                self.nested.give(call, given, self.core.now_ms);
                Reply::Done
            }
            Found::ToCome(lane) => {
                let now_ms = self.core.now_ms;
                let held = self.core.tasks.callbacks().hold(token, given, now_ms);
                match held {
                    Ok(()) => {
                        self.core.counts(lane).answers_held += 1;
                        Reply::Done
                    }
                    Err(NotHeld::Full) => Reply::Busy,
                    Err(NotHeld::Twice) => Reply::TimedOut,
                }
            }
            Found::Over => Reply::TimedOut,
            Found::Elsewhere => Reply::NotHere,
        }
    }

    /// A worker has taken this call: its heartbeats are waited for from now on.
    fn beat(&mut self, call: CallId) {
        if call.is_nested() {
            return self.nested.beat(call, self.core.now_ms);
        }
        let number = CallNumber::from_bits(call.1);
        self.resume(SlotId::from_bits(call.0), Resume::Heartbeat(number));
    }

    fn find(&mut self, token: &Token) -> Found {
        let standing = self.core.tasks.callbacks().standing(token);
        if let Standing::Waiting(id) = standing
            && !id.is_nested()
        {
            let (slot, call) = (SlotId::from_bits(id.0), CallNumber::from_bits(id.1));
            let waits =
                self.core.slots.get(slot).is_some_and(|it| it.memory.execution.waits_for(call));
            return if waits { Found::Waiting(slot, call) } else { Found::Over };
        }
        for (lane, Running { plans, flow, .. }) in self.lanes.iter().enumerate() {
            match flow.windows.whereabouts(&plans.now().plan.name, &token.record) {
                Whereabouts::Elsewhere => {}
                Whereabouts::Settled => return Found::Over,
                Whereabouts::Here => {
                    return match standing {
                        Standing::Waiting(id) if self.nested.waits(id) => Found::Nested(lane, id),
                        // Executions of other versions make no such call.
                        Standing::Unknown if plans.run(token.record.version) => Found::ToCome(lane),
                        _ => Found::Over,
                    };
                }
            }
        }
        Found::Elsewhere
    }
}
