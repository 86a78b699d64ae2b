//! Shards that end by a panic: a defect of ours outside of executions, whose panics are caught. What such a
//! shard had is nobody's from then on, so the process has to end, and say so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crate::fault::panic_text;

/// The panics that shards have ended by.
#[derive(Clone, Debug, Default)]
pub struct Panics(Arc<Mutex<Vec<String>>>);

impl Panics {
    /// Does a shard's work, and notes a panic that ends it.
    pub(super) fn watch(&self, shard: usize, work: impl FnOnce()) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(work)) else { return };
        let text = panic_text(panic.as_ref());
        let why = format!(
            "shard {shard} panicked: {text}. That is a defect: please report it. What the shard had in hand \
             is read again after a restart"
        );
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(why);
    }

    /// The first of them: which shard, and why.
    pub fn first(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use crate::config::{Origin, parse};
    use crate::engine::{Engine, prepare};
    use crate::kafka::Broker;
    use crate::shard::{Order, Successor};

    const PASS: &str = r#"{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}"#;

    #[test]
    fn a_shard_that_panics_ends_the_process_by_name() {
        let broker = Broker::start(1).expect("the broker starts");
        broker.create_topic("in", 2).expect("the topic is made");
        let folder = tempfile::tempdir().expect("a folder can be made");
        std::fs::write(folder.path().join("d.json"), PASS).expect("it can be written");
        let text = format!(
            "[http]\nlisten = \"off\"\n[engine]\nshards = 2\n[kafka]\nbootstrap_servers = [\"{}\"]\n\
             [[pipeline]]\nname = \"p\"\ndefinition = \"d.json\"\non_failure = \"stop\"\n\
             source = {{ topics = [\"in\"], group = \"g\" }}\noutput = {{ discard = true }}\n",
            broker.bootstrap()
        );
        let environment = Default::default();
        let origin = Origin { folder: folder.path(), environment: &environment };
        let config = parse(&text, &origin).unwrap_or_else(|findings| panic!("{findings:#?}"));
        let (prepared, _) = prepare(&config).unwrap_or_else(|refused| panic!("{refused:#?}"));
        let mut engine = Engine::start(&config, &prepared).expect("it starts");
        assert_eq!(engine.stopped(), None);
        // An order that no engine gives: there is no such pipeline.
        let plan = prepared[0].plan.clone();
        let series = engine.metrics.series(0, &plan.names()).expect("there is a pipeline");
        let (told, _hears) = mpsc::channel();
        engine.workers[1].order(Order::Prepare(vec![(99, Successor { plan, series })], told));
        let end = Instant::now() + Duration::from_secs(30);
        while engine.stopped().is_none() {
            assert!(Instant::now() < end, "it does not show");
            std::thread::sleep(Duration::from_millis(5));
        }
        engine.look_after();
        assert!(engine.health.reasons().iter().any(|(_, why)| why.contains("shard 1 panicked")));
        let panics = engine.panics();
        engine.stop();
        let why = panics.first().expect("it was noted");
        assert!(why.starts_with("shard 1 panicked: index out of bounds"), "{why}");
    }
}
