//! `[callbacks]`: task tokens, activities and approval links.

use std::time::Duration;

use super::secret::Secret;
use super::section::{Check, Findings, section};
use super::tree::Node;
use super::units::ByteSize;

/// The shortest key, in characters.
const KEY_CHARACTERS_MIN: usize = 16;

section! {
    /// Answers from outside: task tokens (.waitForTaskToken), activities and approval links. They
    /// are taken at http.listen.
    default Callbacks {
        /// What tokens and links are signed with, the same for all processes of a group; 16
        /// characters at least. Without it a key is drawn at every start, and no token outlives the
        /// process that made it.
        key: Option<Secret> = None, example r#"{ env = "CALLBACK_KEY" }"#;
        /// The base URLs of the group's processes, this one's may be among them. An answer that
        /// another process waits for is passed on to it; without peers it is refused.
        peers: Vec<String> = Vec::new(),
            example r#"["http://10.0.0.11:9644", "http://10.0.0.12:9644"]"#;
        /// Tasks of one shard that may wait for an answer at once; a further one fails.
        tokens_max: u32 = 100_000;
        /// Answers of one shard held for tasks that are not there yet: after a crash, while records
        /// are run again. A further one is refused, and may be tried again.
        held_max: u32 = 1_000;
        /// Their bytes.
        held_size_max: ByteSize = ByteSize::mib(16);
        /// How long one is held.
        held_for: Duration = Duration::from_secs(300);
        /// Requests that may wait for one shard; further ones are refused, and may be tried again.
        queue_max: u32 = 1_024;
        /// Polls for the tasks of one activity at once.
        pollers_max: u32 = 1_000;
        /// How long a poll waits for a task. 60s as AWS has it.
        poll_timeout: Duration = Duration::from_secs(60);
        /// The URL that people reach http.listen under. With it $$.Task.ApproveUrl and
        /// $$.Task.RejectUrl are there, and /approve answers.
        approval_url: Option<String> = None, example r#""https://approvals.example.com""#;
        /// How long such a link is good for; the task may be over before.
        approval_valid_for: Duration = Duration::from_secs(24 * 3600);
        /// A click on such a link answers at once, without a page that asks. Mail scanners click,
        /// too.
        approval_one_click: bool = false;
    }
}

impl Check for Callbacks {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        if self.key.as_ref().is_some_and(|key| key.expose().chars().count() < KEY_CHARACTERS_MIN) {
            let message = format!("callbacks.key needs {KEY_CHARACTERS_MIN} characters at least.");
            findings.refuse(node, "key", message);
        }
        for (name, is_zero) in [
            ("tokens_max", self.tokens_max == 0),
            ("queue_max", self.queue_max == 0),
            ("pollers_max", self.pollers_max == 0),
            ("poll_timeout", self.poll_timeout.is_zero()),
            ("approval_valid_for", self.approval_valid_for.is_zero()),
        ] {
            if is_zero {
                findings.refuse(node, name, format!("callbacks.{name} must be above 0."));
            }
        }
        let urls = self.peers.iter().map(|url| ("peers", url));
        for (name, url) in urls.chain(self.approval_url.iter().map(|url| ("approval_url", url))) {
            let is_url = reqwest::Url::parse(url)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if !is_url {
                let message = format!(
                    "callbacks.{name}: {url:?} is no URL; write \"http://HOST:PORT\" or \
                     \"https://HOST\"."
                );
                findings.refuse(node, name, message);
            }
        }
    }
}
