//! Definitions and routes are exchanged while pipelines run: all shards make ready for the new ones,
//! and adopt them only if all could. What a restart alone can change is refused.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Engine, Prepared, Worker, callbacks};
use crate::config::{Config, Unmatched};
use crate::shard::{Order, Successor};

/// How long a shard may take to make ready.
const READY_BOUND: Duration = Duration::from_secs(10);

impl Engine {
    /// Has pipelines run on what was prepared of `config`: records that come from now on; those that
    /// came before stay with what they came under. An error says why nothing has changed.
    pub fn reload(&mut self, config: &Config, prepared: &[Prepared]) -> Result<(), String> {
        let outcome = self.exchange(config, prepared);
        self.metrics.count_reload(outcome.is_ok());
        outcome
    }

    fn exchange(&mut self, config: &Config, prepared: &[Prepared]) -> Result<(), String> {
        let fixed = differences(&self.config, config);
        if !fixed.is_empty() {
            return Err(format!(
                "{} changed, which takes a restart: a reload exchanges definitions, routes and what \
                 their tasks need. Restart, or take that back",
                fixed.join(", ")
            ));
        }
        let mut successors = Vec::new();
        for (index, it) in prepared.iter().enumerate() {
            let Some(series) = self.metrics.series(index, &it.plan.names()) else { continue };
            successors.push((index, Successor { plan: it.plan.clone(), series }));
        }
        let outcome = self.make_ready(&successors);
        for worker in &self.workers {
            worker.order(if outcome.is_ok() { Order::Adopt } else { Order::Discard });
        }
        outcome?;
        for (index, it) in successors {
            self.metrics.adopt(index, it.series);
        }
        callbacks::announce(&self.desk, prepared);
        self.config = config.clone();
        Ok(())
    }

    fn make_ready(&self, successors: &[(usize, Successor)]) -> Result<(), String> {
        let mut waiting = Vec::new();
        for (at, worker) in self.workers.iter().enumerate() {
            if worker.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                continue;
            }
            let (tell, told) = mpsc::channel();
            worker.order(Order::Prepare(successors.to_vec(), tell));
            waiting.push((at, told));
        }
        for (at, told) in waiting {
            match told.recv_timeout(READY_BOUND) {
                Ok(outcome) => outcome?,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("shard {at} is not ready within {READY_BOUND:?}"));
                }
                // It has ended meanwhile, and runs nothing any more.
                Err(RecvTimeoutError::Disconnected) => {}
            }
        }
        Ok(())
    }
}

impl Worker {
    pub(super) fn order(&self, order: Order) {
        self.control.order(order);
        self.wake.wake();
    }
}

/// The settings that differ and can't be exchanged, by their paths.
fn differences(now: &Config, next: &Config) -> Vec<String> {
    let (now, next) = (fixed(now), fixed(next));
    if now == next {
        return Vec::new();
    }
    let read = |config: &Config| config.resolved().parse::<toml::Table>().map(toml::Value::Table);
    let mut paths = Vec::new();
    if let (Ok(now), Ok(next)) = (read(&now), read(&next)) {
        compare(&now, &next, "", &mut paths);
    }
    if paths.is_empty() {
        paths.push("a secret".to_owned());
    }
    paths
}

/// The configuration without what can be exchanged.
fn fixed(config: &Config) -> Config {
    let mut config = config.clone();
    config.machines = Default::default();
    for pipeline in &mut config.pipeline {
        (pipeline.definition, pipeline.canary, pipeline.mocks) = (None, None, None);
        (pipeline.route, pipeline.unmatched) = (Vec::new(), Unmatched::Fail);
        (pipeline.substitutions, pipeline.strict_aws) = (Default::default(), false);
        (pipeline.timeout, pipeline.objects) = (None, None);
        (pipeline.http, pipeline.produce) = (Default::default(), Default::default());
        (pipeline.aws, pipeline.retry) = (Default::default(), Default::default());
        pipeline.jobs = Default::default();
    }
    config
}

fn compare(now: &toml::Value, next: &toml::Value, path: &str, paths: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (now, next) {
        (toml::Value::Table(now), toml::Value::Table(next)) => {
            for (key, value) in now {
                match next.get(key) {
                    Some(other) => compare(value, other, &below(key), paths),
                    None => paths.push(below(key)),
                }
            }
            paths.extend(next.keys().filter(|key| !now.contains_key(*key)).map(|it| below(it)));
        }
        (toml::Value::Array(now), toml::Value::Array(next))
            if now.len() == next.len() && now.iter().all(toml::Value::is_table) =>
        {
            for (index, (now, next)) in now.iter().zip(next).enumerate() {
                compare(now, next, &format!("{path}[{index}]"), paths);
            }
        }
        _ if now != next => paths.push(path.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Origin, parse};

    fn config(lines: &str, rest: &str) -> Config {
        let text = format!(
            "[[pipeline]]\nname = \"p\"\non_failure = \"drop\"\n{lines}\n\
             source = {{ topics = [\"t\"], group = \"g\" }}\noutput = {{ discard = true }}\n{rest}\n"
        );
        let environment = Default::default();
        let origin = Origin { folder: "".as_ref(), environment: &environment };
        parse(&text, &origin).unwrap_or_else(|findings| panic!("{findings:#?}"))
    }

    #[test]
    fn definitions_and_routes_are_exchanged_and_nothing_else() {
        let now = config("definition = \"a.json\"", "");
        let route = "[[pipeline.route]]\njsonata = \"true\"\naction = \"drop\"\n";
        let next = config("definition = \"b.json\"\ntimeout = \"3s\"", route);
        assert!(differences(&now, &next).is_empty());
        let other = config("definition = \"a.json\"\nordering = \"none\"", "[engine]\nshards = 3");
        assert_eq!(differences(&now, &other), ["engine.shards", "pipeline[0].ordering"]);
        let secret = |text: &str| {
            let line =
                format!("[kafka]\nproperties = {{ \"sasl.password\" = {{ env = \"{text}\" }} }}");
            let environment = [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())];
            let environment = environment.into();
            parse(&line, &Origin { folder: "".as_ref(), environment: &environment })
        };
        let (a, b) = (secret("A").expect("it is set"), secret("B").expect("it is set"));
        assert_eq!(differences(&a, &b), ["a secret"]);
    }
}
