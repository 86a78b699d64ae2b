//! Places where the request for many is denied, though single calls may not be: it needs a right of
//! its own. Calls go alone there for a while, rather than be refused together first each time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use crate::aws::Error;

/// Rights may be given at any time: a place is asked anew after this.
const ASKED_AGAIN: Duration = Duration::from_secs(60);

/// Those places. Cheap to clone.
#[derive(Clone)]
pub(super) struct Denied(Rc<Noted>);

struct Noted {
    /// Until when.
    until: RefCell<HashMap<String, Instant>>,
    /// So many are kept: which ones there are may come from events.
    places_max: usize,
}

impl Denied {
    pub(super) fn new(places_max: usize) -> Denied {
        Denied(Rc::new(Noted { until: RefCell::default(), places_max }))
    }

    /// Is it one of them?
    pub(super) fn has(&self, place: &str, now: Instant) -> bool {
        self.0.until.borrow().get(place).is_some_and(|until| now < *until)
    }

    /// Takes note of a place.
    pub(super) fn note(&self, place: String, now: Instant) {
        let mut all = self.0.until.borrow_mut();
        all.retain(|_, until| now < *until);
        if all.len() >= self.0.places_max && !all.contains_key(&place) {
            let first = all.iter().min_by_key(|(_, until)| **until);
            if let Some(first) = first.map(|(place, _)| place.clone()) {
                all.remove(&first);
            }
        }
        all.insert(place, now + ASKED_AGAIN);
    }
}

/// Was the right missing?
pub(super) fn is_denial(error: &Error) -> bool {
    matches!(error.code.as_str(), "AccessDenied" | "AccessDeniedException")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_kept_as_the_setting_says_and_for_a_while() {
        let denied = Denied::new(2);
        let mut now = Instant::now();
        for place in ["a", "b", "a", "c"] {
            now += Duration::from_secs(1);
            denied.note(place.to_owned(), now);
        }
        let has = |now| ["a", "b", "c"].map(|place| denied.has(place, now));
        assert_eq!(has(now), [true, false, true], "the one that was noted first has gone");
        now += ASKED_AGAIN;
        assert_eq!(has(now), [false; 3]);
        denied.note("d".to_owned(), now);
        assert_eq!(denied.0.until.borrow().len(), 1, "what is over is not kept");
    }
}
