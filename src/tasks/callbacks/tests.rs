//! One shard's callbacks, without a shard.

use std::time::Duration;

use super::*;
use crate::record::Wake;
use crate::step::CallSite;

const ACTIVITY: &str = "arn:aws:states:eu-west-1:111111111111:activity:pack";

fn token(offset: i64, visit: u32, attempt: u32) -> Token {
    let record = RecordId { stream: 1, partition: 2, offset, version: 3 };
    Token { record, site: CallSite { scope: 0, step: StepId(4), visit, attempt } }
}

fn callbacks(limits: Limits) -> Callbacks {
    let (desk, mut inboxes) = Desk::open(Key::shared("a key of the tests"), 4, &[Wake::new(|| {})]);
    desk.add_activity(ACTIVITY, true, 0);
    Callbacks::new(inboxes.remove(0), limits)
}

fn given(text: &str) -> Given {
    Ok(text.as_bytes().to_vec())
}

fn polled(callbacks: &mut Callbacks) -> Vec<(CallId, Result<String, StateError>)> {
    let mut all = Vec::new();
    callbacks.poll(false, &mut |call, answer| {
        all.push((call, answer.map(|text| String::from_utf8_lossy(text).into_owned())));
    });
    all
}

#[test]
fn a_token_is_waited_for_until_its_call_is_over() {
    let mut callbacks = callbacks(Limits::default());
    let (first, second) = (token(7, 1, 0), token(7, 1, 1));
    assert_eq!(callbacks.standing(&first), Standing::Unknown);
    assert!(callbacks.open(&first, CallId(1, 1), 0));
    assert_eq!(callbacks.standing(&first), Standing::Waiting(CallId(1, 1)));
    // That the driver was done is not for the execution, that it failed is.
    assert!(!callbacks.is_final(CallId(1, 1), false) && callbacks.is_final(CallId(9, 9), false));
    assert_eq!(callbacks.standing(&first), Standing::Waiting(CallId(1, 1)));
    assert!(callbacks.is_final(CallId(1, 1), true));
    assert_eq!((callbacks.standing(&first), callbacks.open_tokens()), (Standing::Over, 0));
    assert_eq!(callbacks.standing(&second), Standing::Unknown);
    assert!(callbacks.open(&second, CallId(1, 2), 0));
    assert_eq!(callbacks.standing(&first), Standing::Over);
    assert_eq!(callbacks.standing(&token(7, 2, 0)), Standing::Unknown, "the next visit");
    // The record is run again: the same tokens are to come.
    callbacks.close(CallId(1, 2));
    callbacks.forget(1, 2, Some(8));
    assert_eq!(callbacks.standing(&second), Standing::Over);
    callbacks.forget(1, 2, Some(7));
    assert_eq!(callbacks.standing(&second), Standing::Unknown);
}

#[test]
fn an_early_answer_is_there_when_its_call_is_made() {
    let limits = Limits { held_max: 2, held_for: Duration::from_secs(1), ..Limits::default() };
    let mut callbacks = callbacks(limits);
    let hold = |callbacks: &mut Callbacks, offset, text, now_ms| {
        callbacks.hold(&token(offset, 1, 0), given(text), now_ms)
    };
    assert_eq!(hold(&mut callbacks, 1, "1", 0), Ok(()));
    assert_eq!(hold(&mut callbacks, 1, "2", 0), Err(NotHeld::Twice));
    assert_eq!(hold(&mut callbacks, 2, "2", 500), Ok(()));
    assert_eq!(hold(&mut callbacks, 3, "3", 500), Err(NotHeld::Full));
    // No call is made for what is known; and it is known once.
    assert!(!callbacks.open(&token(1, 1, 0), CallId(1, 1), 999));
    assert!(callbacks.is_due(false));
    assert_eq!(polled(&mut callbacks), [(CallId(1, 1), Ok("1".to_owned()))]);
    assert_eq!(callbacks.standing(&token(1, 1, 0)), Standing::Over);
    assert_eq!((callbacks.expire(1_499), callbacks.held()), (0, 1));
    assert_eq!((callbacks.expire(1_500), callbacks.held()), (1, 0));
    assert!(callbacks.open(&token(2, 1, 0), CallId(2, 1), 1_500), "too old");
    let limits = Limits { held_bytes_max: 1_000, ..Limits::default() };
    let mut callbacks = self::callbacks(limits);
    let large = "x".repeat(1_000);
    assert_eq!(hold(&mut callbacks, 1, &large, 0), Err(NotHeld::Full));
    assert_eq!(hold(&mut callbacks, 1, "x", 0), Ok(()));
}

#[test]
fn tokens_have_a_bound() {
    let mut callbacks = callbacks(Limits { tokens_max: 1, ..Limits::default() });
    assert!(callbacks.open(&token(1, 1, 0), CallId(1, 1), 0));
    assert!(!callbacks.open(&token(2, 1, 0), CallId(2, 1), 0));
    let (call, error) = polled(&mut callbacks).remove(0);
    let error = error.expect_err("it was one too many");
    assert_eq!((call, error.name()), (CallId(2, 1), Some(names::TASK_FAILED)));
    assert!(error.cause().is_some_and(|cause| cause.contains("callbacks.tokens_max")));
    callbacks.close(CallId(1, 1));
    assert!(callbacks.open(&token(2, 1, 1), CallId(2, 2), 0));
    // What is over is forgotten in the end.
    for offset in 0..2 * CLOSED_KEPT as i64 {
        callbacks.close(CallId(2, 2));
        callbacks.open(&token(offset, 1, 0), CallId(2, 2), 0);
    }
    assert!(callbacks.places.len() <= CLOSED_KEPT + 1 && callbacks.closed.len() <= CLOSED_KEPT);
    callbacks.close_all(2);
    assert_eq!(callbacks.open_tokens(), 0);
}

#[test]
fn workers_take_each_task_once() {
    let mut callbacks = callbacks(Limits::default());
    let activity: Arc<str> = ACTIVITY.into();
    assert!(callbacks.take(ACTIVITY).is_none() && callbacks.take("another").is_none());
    for offset in 0..3 {
        let token = token(offset, 1, 0);
        callbacks.open(&token, CallId(offset as u64, 1), 0);
        callbacks.offer(&token, &activity, format!("{offset}").as_bytes());
    }
    let first = callbacks.take(ACTIVITY).expect("the first");
    assert_eq!((first.call, &first.input[..], first.has_more), (CallId(0, 1), &b"0"[..], true));
    assert_eq!(Key::shared("a key of the tests").read(&first.token), Some(token(0, 1, 0)));
    // Its worker has hung up; the second is over meanwhile.
    callbacks.put_back(CallId(0, 1));
    callbacks.close(CallId(1, 1));
    let inputs: Vec<_> = std::iter::from_fn(|| callbacks.take(ACTIVITY)).collect();
    let inputs: Vec<_> = inputs.iter().map(|it| (&it.input[..], it.has_more)).collect();
    assert_eq!(inputs, [(&b"0"[..], true), (&b"2"[..], false)]);
    // Offers that nobody takes do not pile up.
    for offset in 10..10_000 {
        callbacks.open(&token(offset, 1, 0), CallId(5, 5), 0);
        callbacks.offer(&token(offset, 1, 0), &activity, b"{}");
        callbacks.close(CallId(5, 5));
    }
    let queued = callbacks.offers[ACTIVITY].places.len();
    assert!(queued <= 2 * callbacks.open_tokens() + LEFT_OVER_MAX + 1, "{queued}");
}
