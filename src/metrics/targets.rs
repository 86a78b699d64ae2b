//! What is told of the targets of calls. Which ones there are may come from events, and they are
//! forgotten again; the exporter would forget no series.

use std::fmt::{self, Write};

use metrics_exporter_prometheus::formatting::sanitize_label_value;

use super::catalog::{Metric, TARGET_COUNTS, TARGET_LEVELS, TargetCounts, TargetLevels};

/// How a target of calls does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Just now.
    pub levels: TargetLevels,
    /// So far.
    pub counts: TargetCounts,
}

/// Writes them in Prometheus' text format.
pub(super) fn render(text: &mut String, targets: &[Target]) -> fmt::Result {
    let named = |target: &Target| sanitize_label_value(&target.name);
    for (at, metric) in TARGET_LEVELS.iter().enumerate() {
        let values = targets.iter().map(|it| (named(it), it.levels.values()[at]));
        series(text, (metric, "gauge"), values)?;
    }
    for (at, metric) in TARGET_COUNTS.iter().enumerate() {
        let values = targets.iter().map(|it| (named(it), it.counts.values()[at]));
        series(text, (metric, "counter"), values)?;
    }
    Ok(())
}

fn series(
    text: &mut String,
    (Metric { name, help, .. }, kind): (&Metric, &str),
    values: impl Iterator<Item = (String, u64)>,
) -> fmt::Result {
    for (at, (target, value)) in values.enumerate() {
        if at == 0 {
            write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n")?;
        }
        writeln!(text, "{name}{{target=\"{target}\"}} {value}")?;
    }
    Ok(())
}
