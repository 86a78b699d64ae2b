//! Calls that come to targets, on real but short times.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::*;

/// Turns of a caller who never has too many calls.
static FREE: Semaphore = Semaphore::const_new(10_000);
const MS: Duration = Duration::from_millis(1);
const API: Name<'static> = Name { service: None, host: "api.example.com", port: 443 };

fn settings(when_open: WhenOpen) -> Settings {
    let breaker = BreakerSettings {
        failures: 3,
        failure_ratio: None,
        probe_after: 40 * MS,
        probe_after_max: 80 * MS,
        when_open,
        doubt: 200 * MS,
        ..BreakerSettings::default()
    };
    Settings { breaker: Some(breaker), is_adaptive: true, ..Settings::default() }
}

fn target(general: Settings) -> Target {
    let targets = Targets::new(Rules { general, ..Rules::default() });
    targets.find(&API).expect("there are rules")
}

async fn call(target: &Target, held: &Held, verdict: Verdict) -> bool {
    let pass = target.enter(&FREE, Some(held)).await.expect("it may go out");
    pass.leave(verdict).settle().await
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("it ends")
}

#[test]
fn the_narrowest_name_counts() {
    let limited = |calls_max| Settings { calls_max: Some(calls_max), ..Settings::default() };
    let named = [
        ("sqs", limited(1)),
        ("sqs.eu-west-1.amazonaws.com", limited(2)),
        ("api.example.com:443", limited(3)),
        ("sqs@sqs.eu-west-1.amazonaws.com:443", limited(4)),
    ];
    let named = named.map(|(name, settings)| (name.to_owned(), settings)).into();
    let mut rules = Rules { named, ..Rules::default() };
    let calls_max =
        |rules: &Rules, service, host, port| rules.of(&Name { service, host, port }).calls_max;
    let sqs = "sqs.eu-west-1.amazonaws.com";
    assert_eq!(calls_max(&rules, Some("sqs"), sqs, 443), Some(4));
    assert_eq!(calls_max(&rules, Some("sqs"), sqs, 80), Some(2));
    assert_eq!(calls_max(&rules, Some("sqs"), "127.0.0.1", 9324), Some(1));
    assert_eq!(calls_max(&rules, None, "api.example.com", 443), Some(3));
    assert_eq!(calls_max(&rules, None, "api.example.com", 80), None);
    assert!(Targets::new(rules.clone()).find(&API).is_some());
    rules.named.clear();
    rules.general.retry_after_max = MS;
    assert!(Targets::new(rules).find(&API).is_none(), "nothing is to be held to");
}

#[test]
fn targets_that_nobody_calls_are_forgotten() {
    let general = settings(WhenOpen::Pause);
    let targets = Targets::new(Rules { general, kept_max: 2, ..Rules::default() });
    let kept = targets.find(&API).expect("there are rules");
    for port in 1..10 {
        targets.find(&Name { port, ..API });
    }
    let names: Vec<_> = targets.standings().into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["api.example.com:443", "api.example.com:9"]);
    assert!(kept.is(&targets.find(&API).expect("it is known")));
}

#[tokio::test]
async fn so_are_those_that_were_down_or_slowed_down_when_nobody_called_them_any_more() {
    let general = settings(WhenOpen::Pause);
    let targets = Targets::new(Rules { general, kept_max: 0, ..Rules::default() });
    let left = |port| targets.find(&Name { port, ..API }).expect("there are rules");
    for _ in 0..3 {
        drop(left(1).enter(&FREE, None).await.expect("it may go out").leave(Verdict::Failed));
    }
    left(2);
    let count = || targets.standings().len();
    assert_eq!(count(), 2, "one is down, one is new");
    // Its probe has been due for longer than probes ever wait.
    tokio::time::sleep(40 * MS + 90 * MS).await;
    left(3);
    assert_eq!(count(), 1);
}

#[tokio::test]
async fn calls_wait_while_a_target_is_down_and_go_on_when_it_answers() {
    let (target, held) = (target(settings(WhenOpen::Pause)), Held::default());
    // All three are in doubt until the third makes it certain.
    let three = tokio::join!(
        call(&target, &held, Verdict::Failed),
        call(&target, &held, Verdict::Failed),
        call(&target, &held, Verdict::Failed),
    );
    assert_eq!(three, (true, true, true));
    assert!(target.is_down() && !held.is_waiting());
    let waits = tokio::spawn({
        let (target, held) = (target.clone(), held.clone());
        async move {
            let begun = Instant::now();
            let probe = call(&target, &held, Verdict::Failed).await;
            (probe, call(&target, &held, Verdict::Answered).await, begun.elapsed())
        }
    });
    soon(async {
        while !held.is_waiting() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (probe, again, took) = soon(waits).await.expect("it does not panic");
    assert_eq!((probe, again), (true, false));
    assert!(took >= 115 * MS, "40 and then 80 ms: {took:?}");
    assert!(!target.is_down() && !held.is_waiting() && !held.is_down());
}

#[tokio::test]
async fn a_call_is_made_again_as_often_as_the_setting_says() {
    let mut settings = settings(WhenOpen::Pause);
    settings.breaker.as_mut().expect("it is on").troubled_max = 2;
    let targets = Targets::new(Rules { general: settings, ..Rules::default() });
    assert_eq!(targets.troubled_max(), 2);
    let target = targets.find(&API).expect("there are rules");
    let pass = target.enter(&FREE, None).await.expect("it may go out");
    let aftermath = pass.leave(Verdict::Troubled(1));
    assert_eq!([1, 2, 3].map(|troubled| aftermath.allows(troubled)), [true, true, false]);
}

#[tokio::test]
async fn where_they_are_not_to_wait_they_fail_at_once() {
    let (target, held) = (target(settings(WhenOpen::Fail)), Held::default());
    for _ in 0..3 {
        assert!(!call(&target, &held, Verdict::Failed).await, "its failure stands");
    }
    let begun = Instant::now();
    let refused = target.enter(&FREE, Some(&held)).await.expect_err("it is down");
    assert!(begun.elapsed() < 30 * MS && refused.to_string().starts_with("api.example.com:443 is"));
    tokio::time::sleep(50 * MS).await;
    assert!(!call(&target, &held, Verdict::Answered).await);
    assert!(target.enter(&FREE, Some(&held)).await.is_ok());
}

#[tokio::test]
async fn who_waits_for_a_turn_with_its_caller_hears_of_an_outage() {
    let turns = Semaphore::new(1);
    let (target, held) = (target(settings(WhenOpen::Fail)), Held::default());
    let call = async || {
        let pass = target.enter(&turns, Some(&held)).await?;
        tokio::time::sleep(2 * MS).await;
        drop(pass.leave(Verdict::Failed));
        Ok::<_, Refused>(())
    };
    let (a, b, c, d, e) = tokio::join!(call(), call(), call(), call(), call());
    assert!(a.is_ok() && b.is_ok() && c.is_ok() && d.is_err() && e.is_err());
    assert_eq!(target.standing().requests, 3);
    let _busy = turns.acquire().await;
    assert!(soon(call()).await.is_err(), "it fails at once, whoever has the turns");
}

#[tokio::test]
async fn who_waits_for_a_target_takes_no_turn_from_others() {
    let (turns, held) = (Semaphore::new(1), Held::default());
    let down = target(settings(WhenOpen::Pause));
    for _ in 0..3 {
        drop(down.enter(&turns, None).await.expect("it may go out").leave(Verdict::Failed));
    }
    let well = target(settings(WhenOpen::Pause));
    let others = async {
        while !held.is_waiting() {
            tokio::task::yield_now().await;
        }
        soon(well.enter(&turns, None))
            .await
            .expect("it is well")
            .leave(Verdict::Answered)
            .is_again()
    };
    let (probe, is_again) = tokio::join!(soon(down.enter(&turns, Some(&held))), others);
    assert!(probe.is_ok() && !is_again);
}

#[tokio::test]
async fn one_failure_among_others_stands() {
    let (target, held) = (target(settings(WhenOpen::Pause)), Held::default());
    let begun = Instant::now();
    let (failed, _) = tokio::join!(call(&target, &held, Verdict::Failed), async {
        tokio::time::sleep(20 * MS).await;
        call(&target, &held, Verdict::Answered).await
    });
    assert!(!failed && begun.elapsed() < 150 * MS, "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert!(!call(&target, &held, Verdict::Failed).await, "nothing more is heard");
    assert!(begun.elapsed() >= 190 * MS);
}

#[tokio::test]
async fn a_probe_that_is_dropped_is_no_answer() {
    let (target, held) = (target(settings(WhenOpen::Pause)), Held::default());
    for _ in 0..2 {
        drop(target.enter(&FREE, None).await.expect("it may go out").leave(Verdict::Failed));
    }
    assert!(call(&target, &held, Verdict::Failed).await);
    let probe = soon(target.enter(&FREE, None)).await.expect("it is due");
    let (next, ()) = tokio::join!(soon(target.enter(&FREE, None)), async {
        tokio::time::sleep(20 * MS).await;
        drop(probe);
    });
    assert!(!next.expect("it is a probe").leave(Verdict::Answered).is_again());
    assert!(!target.is_down());
}

#[tokio::test]
async fn no_more_than_so_many_are_under_way_and_those_who_wait_keep_their_order() {
    let target = target(Settings { calls_max: Some(3), ..Settings::default() });
    let (now, most, order) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<Mutex<Vec<_>>>)>::default();
    let calls = (0..30).map(|at| {
        let (target, now, most, order) = (target.clone(), now.clone(), most.clone(), order.clone());
        tokio::spawn(async move {
            let pass = target.enter(&FREE, None).await.expect("it may go out");
            lock(&order).push(at);
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(2 * MS).await;
            now.fetch_sub(1, Ordering::SeqCst);
            drop(pass.leave(Verdict::Answered));
        })
    });
    let mut calls: Vec<_> = calls.collect();
    // One that is given up while it waits takes nobody's turn.
    tokio::task::yield_now().await;
    calls.remove(10).abort();
    for one in calls {
        soon(one).await.expect("it ends");
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
    let expected: Vec<_> = (0..30).filter(|at| *at != 10).collect();
    assert_eq!(*lock(&order), expected);
}

#[tokio::test]
async fn a_rate_holds_across_callers() {
    let target = target(Settings { rate_max: Some(100.0), ..Settings::default() });
    let begun = Instant::now();
    let calls = (0..40).map(|_| {
        let target = target.clone();
        tokio::spawn(async move {
            drop(target.enter(&FREE, None).await.expect("it may go out").leave(Verdict::Answered));
        })
    });
    for one in calls.collect::<Vec<_>>() {
        soon(one).await.expect("it ends");
    }
    // Forty at 100 a second, ten of them at once.
    let took = begun.elapsed();
    assert!(took >= 280 * MS, "{took:?}");
    assert_eq!(target.standing().requests, 40);
}
