//! From the configuration to what answers from outside need.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::prepare::Prepared;
use crate::config::{Callbacks, Config, Listen};
use crate::program::Program;
use crate::shard::Issuer;
use crate::tasks::callbacks::{Desk, Key, Limits, Links};

/// The code of findings about them.
pub const CALLBACK_SETTINGS: &str = "CALLBACK_SETTINGS";

/// What tokens and links are made with.
pub fn issuer(callbacks: &Callbacks) -> Issuer {
    let key = callbacks.key.as_ref().map_or_else(Key::drawn, |key| Key::shared(key.expose()));
    let links = callbacks.approval_url.as_ref().map(|url| Links {
        base_url: url.trim_end_matches('/').to_owned(),
        valid_ms: milliseconds(callbacks.approval_valid_for),
    });
    Issuer { key, links }
}

/// Lets workers know the activities that definitions call.
pub fn announce(desk: &Desk, prepared: &[Prepared]) {
    let versions = prepared.iter().flat_map(|it| &it.plan.versions).map(|it| &it.tasks);
    let machines = prepared.iter().flat_map(|it| it.plan.machines.iter()).map(|it| &it.tasks);
    for activity in versions.chain(machines).flat_map(|tasks| tasks.activities()) {
        desk.add_activity(activity, true, now_ms());
    }
}

/// What one shard may take of them.
pub fn limits(callbacks: &Callbacks) -> Limits {
    Limits {
        tokens_max: callbacks.tokens_max as usize,
        held_max: callbacks.held_max as usize,
        held_bytes_max: callbacks.held_size_max.bytes() as usize,
        held_for: callbacks.held_for,
    }
}

/// Complaints about settings that a definition, this program of this text, would want.
pub fn callback_warnings(config: &Config, program: &Program, text: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    if !program.has_tokens || config.http.listen == Listen::Off {
        return warnings;
    }
    if config.callbacks.key.is_none() {
        let warning = "Tasks wait for tokens or for workers, and callbacks.key is not set: a key is \
                       drawn at every start, so answers that come after a restart, or to another \
                       process, are refused. Set it to a secret that all processes of the group \
                       share.";
        warnings.push(warning.to_owned());
    }
    let names = ["Task.ApproveUrl", "Task.RejectUrl"].into_iter();
    let named: Vec<&str> = names.filter(|name| text.contains(name)).collect();
    if !named.is_empty() && config.callbacks.approval_url.is_none() {
        warnings.push(format!(
            "The definition reads $$.{}, and without callbacks.approval_url there is no such link: \
             set it to the URL that people reach http.listen under.",
            named.join(" and $$.")
        ));
    }
    warnings
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    milliseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
