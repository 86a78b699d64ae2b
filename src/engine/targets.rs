//! What calls to targets are held to, from the configuration; and how targets do, for metrics and
//! readiness.

use std::collections::BTreeSet;

use super::Engine;
use crate::config::{self, TargetLimits};
use crate::metrics::{Target, TargetCounts, TargetLevels};
use crate::targets::{BreakerSettings, Rules, Settings, Standing, WhenOpen};

/// What calls are held to.
pub(super) fn rules(targets: &config::Targets) -> Rules {
    let general = general(targets);
    let named = targets.named.0.iter();
    let named = named.map(|(name, own)| (name.clone(), narrowed(&general, own)));
    Rules { named: named.collect(), general, kept_max: targets.kept_max as usize }
}

fn general(targets: &config::Targets) -> Settings {
    let breaker = &targets.breaker;
    let is_on = breaker.failures > 0 || breaker.failure_ratio > 0.0;
    let breaker = is_on.then(|| BreakerSettings {
        failures: breaker.failures,
        failure_ratio: Some(breaker.failure_ratio).filter(|ratio| *ratio > 0.0),
        calls_min: breaker.calls_min,
        window: breaker.window,
        probe_after: breaker.probe_after,
        probe_after_max: breaker.probe_after_max,
        when_open: when_open(breaker.open),
        doubt: breaker.doubt,
        troubled_max: breaker.troubled_max,
    });
    Settings {
        calls_max: targets.calls_max.map(|max| max as usize),
        rate_max: targets.rate_max,
        is_adaptive: targets.adaptive,
        retry_after_max: targets.retry_after_max,
        breaker,
    }
}

/// The general settings with what is said of one target.
fn narrowed(general: &Settings, own: &TargetLimits) -> Settings {
    let mut settings = general.clone();
    settings.calls_max = own.calls_max.map(|max| max as usize).or(settings.calls_max);
    settings.rate_max = own.rate_max.or(settings.rate_max);
    settings.is_adaptive = own.adaptive.unwrap_or(settings.is_adaptive);
    if let (Some(breaker), Some(open)) = (&mut settings.breaker, own.open) {
        breaker.when_open = when_open(open);
    }
    settings
}

fn when_open(open: config::WhenOpen) -> WhenOpen {
    match open {
        config::WhenOpen::Pause => WhenOpen::Pause,
        config::WhenOpen::Fail => WhenOpen::Fail,
    }
}

fn figures(standing: Standing) -> Target {
    let Standing { name, under_way, waiting, requests, failures, throttled, .. } = standing;
    let rate = standing.rate.unwrap_or_default().ceil() as u64;
    let levels = TargetLevels { down: u64::from(standing.is_down), under_way, waiting, rate };
    Target { name, levels, counts: TargetCounts { requests, failures, throttled } }
}

impl Engine {
    /// How the targets do that tasks call.
    pub(super) fn look_at_targets(&mut self) {
        let standings = self.targets.standings();
        let known: BTreeSet<_> = standings.iter().map(|it| it.name.clone()).collect();
        for name in std::mem::replace(&mut self.standing, known).difference(&self.standing) {
            // Nobody calls it any more.
            self.health.ready(&format!("target {name}"));
        }
        for it in &standings {
            let part = format!("target {}", it.name);
            // Nobody waits where the last who called has given up: it is tried by whoever calls next.
            match it.is_down && it.pauses && (it.waiting > 0 || it.under_way > 0) {
                true => {
                    let why = format!("it is down: {} calls wait until it recovers", it.waiting);
                    self.health.not_ready(&part, &why);
                }
                false => self.health.ready(&part),
            }
        }
        self.metrics.set_targets(standings.into_iter().map(figures).collect());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Config, Origin, parse};

    fn rules_of(text: &str) -> Rules {
        let environment = Default::default();
        let origin = Origin { folder: "".as_ref(), environment: &environment };
        let config = parse(text, &origin).unwrap_or_else(|findings| panic!("{findings:#?}"));
        rules(&config.targets)
    }

    #[test]
    fn the_defaults_are_those_of_the_breaker() {
        let rules = rules(&Config::default().targets);
        let breaker = Some(BreakerSettings::default());
        let general = Settings { is_adaptive: true, breaker, ..Settings::default() };
        assert_eq!(rules, Rules { general, ..Rules::default() });
    }

    #[test]
    fn what_is_set_arrives_and_what_is_said_of_one_target_wins() {
        let rules = rules_of(
            "[targets]\ncalls_max = 9\nadaptive = false\nretry_after_max = \"5s\"\n\
             named = { sqs = { rate_max = 2.5, open = \"fail\" }, \"a:1\" = { calls_max = 3 } }\n\
             [targets.breaker]\nfailures = 7\nfailure_ratio = 0.0\nprobe_after = \"2s\"\n\
             troubled_max = 3",
        );
        let breaker = rules.general.breaker.clone().expect("it is on");
        assert_eq!((breaker.failures, breaker.failure_ratio), (7, None));
        assert_eq!(breaker.troubled_max, 3);
        assert_eq!(rules.general.retry_after_max, Duration::from_secs(5));
        assert_eq!((rules.general.calls_max, rules.general.is_adaptive), (Some(9), false));
        let sqs = &rules.named["sqs"];
        assert_eq!((sqs.calls_max, sqs.rate_max), (Some(9), Some(2.5)));
        let own = sqs.breaker.clone().expect("it is on");
        assert_eq!(own, BreakerSettings { when_open: WhenOpen::Fail, ..breaker });
        assert_eq!(rules.named["a:1"].calls_max, Some(3));
        let off = rules_of(
            "[targets]\nadaptive = false\n[targets.breaker]\nfailures = 0\nfailure_ratio = 0.0",
        );
        assert_eq!(off.general, Settings::default());
    }
}
