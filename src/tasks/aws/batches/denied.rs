//! Places where the request for many is denied: who may make single calls need not have the right to
//! it. Calls go alone there for a while, rather than be refused together first each time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use crate::aws::Error;

/// Rights may be given at any time: a place is asked anew after this.
const ASKED_AGAIN: Duration = Duration::from_secs(60);

/// Those places, until when. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Denied(Rc<RefCell<HashMap<String, Instant>>>);

impl Denied {
    /// Is it one of them?
    pub(super) fn has(&self, place: &str) -> bool {
        self.0.borrow().get(place).is_some_and(|until| Instant::now() < *until)
    }

    /// Takes note of how a request failed.
    pub(super) fn note(&self, place: String, error: &Error) {
        if !matches!(
            error.code.as_str(),
            "AccessDenied" | "AccessDeniedException" | "AuthorizationError"
        ) {
            return;
        }
        tracing::warn!(%error, "calls go alone for a while: to share a request is denied");
        let now = Instant::now();
        let mut all = self.0.borrow_mut();
        all.retain(|_, until| now < *until);
        all.insert(place, now + ASKED_AGAIN);
    }
}
