//! Whether a pipeline's window holds what comes while executions wait: an execution that waits holds
//! all that came behind it in its partition.

use std::fmt::Display;
use std::time::Duration;

use crate::config::{Config, Pipeline};
use crate::program::Program;
use crate::states::Step;

/// The code of findings about it.
pub const WINDOW_TOO_SMALL: &str = "WINDOW_TOO_SMALL";

/// What to do about it.
const ADVICE: &str = "Beyond that the partition stops until the oldest record has settled. Raise \
                      engine.window_records_max (records that may come twice after a crash), wait \
                      for less, or spread the topic over more partitions.";

/// Complaints about waits and timeouts that outlast the window at the source's expected rate. A
/// fixed Wait is judged by its seconds; what may take any time, a Task or a Wait whose end the input
/// tells, by the timeout that would end it.
pub fn window_warnings(config: &Config, pipeline: &Pipeline, program: &Program) -> Vec<String> {
    let Some(rate) = pipeline.source.expected_rate else { return Vec::new() };
    let window = config.engine.window_records_max;
    let (timeout, by) = timeout(config, pipeline, program);
    let mut warnings = Vec::new();
    let mut judge = |held: Duration, what: &dyn Display| {
        let records = held.as_secs_f64() * rate;
        if records > f64::from(window) {
            let name = &pipeline.name;
            warnings.push(format!(
                "Pipeline {name:?}: {what}; at source.expected_rate = {rate} records a second and \
                 partition that is {records:.0} records, and engine.window_records_max is \
                 {window}. {ADVICE}"
            ));
        }
    };
    for row in &program.rows {
        if let Some(seconds) = fixed_wait(&row.step) {
            let held = Duration::from_secs(seconds).min(timeout);
            judge(held, &format_args!("state {:?} waits {} s", row.name, held.as_secs_f64()));
        }
    }
    if let Some(row) = program.rows.iter().find(|row| is_open_ended(&row.step)) {
        let (kind, name, seconds) = (row.step.kind(), &row.name, timeout.as_secs_f64());
        let what =
            format!("state {name:?} ({kind}) may take as long as {by}, {seconds} s, lets it");
        judge(timeout, &what);
    }
    warnings
}

/// What executions a second a pipeline can come to, by each of its waits: those that wait at once are
/// bounded, in the process and in each partition's window.
pub fn ceilings(config: &Config, pipeline: &Pipeline, program: &Program) -> Vec<String> {
    let engine = &config.engine;
    let shards = engine.shards.count() as f64;
    let parked = f64::from(engine.parked_executions_max) * shards;
    let (timeout, by) = timeout(config, pipeline, program);
    let name = &pipeline.name;
    let line = |held: Duration, what: &dyn Display| {
        let seconds = held.as_secs_f64().max(f64::MIN_POSITIVE);
        let (all, partition) = (parked / seconds, f64::from(engine.window_records_max) / seconds);
        format!(
            "{name}: {what}, so at most {all:.0} a second in this process (max_parked / wait: \
             engine.parked_executions_max of {shards} shards) and {partition:.0} in a partition \
             (engine.window_records_max)"
        )
    };
    let of_row = |row: &crate::states::Row| {
        let state = &row.name;
        match fixed_wait(&row.step).filter(|seconds| *seconds > 0) {
            Some(seconds) => {
                let held = Duration::from_secs(seconds).min(timeout);
                let seconds = held.as_secs_f64();
                Some(line(held, &format_args!("state {state:?} waits {seconds} s")))
            }
            None if is_open_ended(&row.step) => {
                let seconds = timeout.as_secs_f64();
                let what =
                    format_args!("state {state:?} may take as long as {by}, {seconds} s, lets it");
                Some(line(timeout, &what))
            }
            None => None,
        }
    };
    program.rows.iter().filter_map(of_row).collect()
}

/// The shortest of the timeouts that hold for the pipeline, and what it is called.
fn timeout(config: &Config, pipeline: &Pipeline, program: &Program) -> (Duration, &'static str) {
    let ceiling = (config.engine.machine_timeout_max, "engine.machine_timeout_max");
    let own = program.timeout.map(|timeout| (timeout, "the definition's TimeoutSeconds"));
    let pipelines = pipeline.timeout.map(|timeout| (timeout, "the pipeline's timeout"));
    [own, pipelines]
        .into_iter()
        .flatten()
        .fold(ceiling, |shortest, other| if other.0 <= shortest.0 { other } else { shortest })
}

/// The seconds that the definition spells out.
fn fixed_wait(step: &Step) -> Option<u64> {
    match step {
        Step::Wait(wait) => wait.seconds().map(i64::unsigned_abs),
        _ => None,
    }
}

/// May it take any time?
fn is_open_ended(step: &Step) -> bool {
    match step {
        Step::Task(_) => true,
        Step::Wait(wait) => wait.seconds().is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asl::source::Format;
    use crate::config::{Origin, parse};
    use crate::program::{Options, compile};

    /// What is said of `state` at `rate` records a second, `settings` being the pipeline's.
    fn warns(state: &str, rate: &str, settings: &str) -> Vec<String> {
        let (config, program) = given(state, rate, settings);
        window_warnings(&config, &config.pipeline[0], &program)
    }

    fn given(state: &str, rate: &str, settings: &str) -> (Config, Program) {
        let text = format!(
            "[engine]\nshards = 2\nparked_executions_max = 100_000\n[[pipeline]]\nname = \"p\"\ndefinition = \"d.json\"\non_failure = \"drop\"\n\
             output = {{ discard = true }}\n{settings}\n\
             [pipeline.source]\ntopics = [\"t\"]\ngroup = \"g\"\n{rate}\n"
        );
        let environment = Default::default();
        let origin = Origin { folder: "".as_ref(), environment: &environment };
        let config = parse(&text, &origin).unwrap_or_else(|findings| panic!("{findings:#?}"));
        let machine = format!(r#"{{"StartAt": "S", "States": {{"S": {{{state}, "End": true}}}}}}"#);
        let (program, findings) = compile(machine.as_bytes(), Format::Json, &Options::default());
        (config, program.unwrap_or_else(|| panic!("{findings:#?}")))
    }

    const MINUTE: &str = r#""Type": "Wait", "Seconds": 60"#;

    #[test]
    fn a_wait_that_outlasts_the_window_is_told() {
        let said = warns(MINUTE, "expected_rate = 2000", "");
        assert_eq!(said.len(), 1);
        for part in
            ["\"p\"", "state \"S\" waits 60 s", "120000 records", "window_records_max is 100000"]
        {
            assert!(said[0].contains(part), "{part} is not in {}", said[0]);
        }
        assert!(warns(MINUTE, "", "").is_empty(), "nobody told a rate");
        assert!(warns(MINUTE, "expected_rate = 1666", "").is_empty(), "it just fits");
        // The timeout ends it before the window is full.
        assert!(warns(MINUTE, "expected_rate = 2000", "timeout = \"10s\"").is_empty());
    }

    #[test]
    fn the_ceiling_follows_from_what_may_wait_at_once() {
        let told = |state: &str, settings: &str| {
            let (config, program) = given(state, "", settings);
            ceilings(&config, &config.pipeline[0], &program)
        };
        let said = told(MINUTE, "");
        // 100,000 in each of two shards, for a minute each; and a window of 100,000.
        let parts =
            ["p: state \"S\" waits 60 s", "at most 3333 a second", "and 1667 in a partition"];
        assert!(said.len() == 1 && parts.iter().all(|part| said[0].contains(part)), "{said:?}");
        let said = told(r#""Type": "Wait", "SecondsPath": "$.s""#, "timeout = \"10s\"");
        assert!(
            said[0].contains("the pipeline's timeout, 10 s") && said[0].contains("20000 a second")
        );
        assert!(told(r#""Type": "Pass""#, "").is_empty());
    }

    #[test]
    fn what_may_take_any_time_is_judged_by_the_timeout() {
        let task = r#""Type": "Task", "Resource": "arn:aws:states:::http:invoke""#;
        let wait = r#""Type": "Wait", "SecondsPath": "$.s""#;
        for (state, kind) in [(task, "Task"), (wait, "Wait")] {
            let said = warns(state, "expected_rate = 400", "");
            let part =
                format!("state \"S\" ({kind}) may take as long as engine.machine_timeout_max");
            assert!(said.len() == 1 && said[0].contains(&part), "{said:?}");
            assert!(warns(state, "expected_rate = 400", "timeout = \"10s\"").is_empty());
            let said = warns(state, "expected_rate = 40_000", "timeout = \"10s\"");
            assert!(said[0].contains("the pipeline's timeout, 10 s"), "{said:?}");
        }
        assert!(warns(r#""Type": "Pass""#, "expected_rate = 1e9", "").is_empty());
    }
}
