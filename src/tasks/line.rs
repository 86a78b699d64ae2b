//! The calls of one driver. Those that may go out are futures on the shard; the others wait in a line
//! as what they are, which is far smaller: a hundred thousand executions may wait for an answer.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;

use tokio::task::{AbortHandle, LocalSet};

use super::{CallId, Place, Take};
use crate::fault::StateError;
use crate::record::Wake;
use crate::targets::Held;

/// What a call is at work on.
pub(super) type Work<O> = Pin<Box<dyn Future<Output = O>>>;

/// Calls that are made of a `J`, and come to an `O`. Where there is room one begins at once; those that
/// had to wait begin when the shard asks for outcomes: many that begin together are cheaper than one
/// for each answer.
pub(super) struct Line<J, O> {
    local: Rc<LocalSet>,
    begin: Box<dyn Fn(J) -> Work<O>>,
    shared: Rc<Shared<J, O>>,
}

/// What the futures have in common; none keeps what it runs on.
struct Shared<J, O> {
    /// Calls that have begun and wait for nothing but their turn and their answer.
    begun_max: usize,
    begun: Cell<usize>,
    held: Held,
    wake: Wake,
    calls: RefCell<HashMap<CallId, Call<J>>>,
    /// Calls that have not begun; and in which order they are to, with some that are cancelled.
    waiting: Cell<usize>,
    order: RefCell<VecDeque<CallId>>,
    outcomes: RefCell<VecDeque<(CallId, O)>>,
}

/// A call that is not answered yet.
struct Call<J> {
    /// Until it begins.
    job: Option<J>,
    /// From then on.
    handle: Option<AbortHandle>,
}

impl<J: 'static, O: 'static> Line<J, O> {
    /// A line where so many have begun at once. `held` knows how many of these are kept waiting.
    pub(super) fn new(
        place: &Place,
        held: Held,
        begun_max: usize,
        begin: impl Fn(J) -> Work<O> + 'static,
    ) -> Line<J, O> {
        let (begun, calls, waiting, order, outcomes) = Default::default();
        let (wake, begun_max) = (place.wake.clone(), begun_max.max(1));
        let shared = Shared { begun_max, begun, held, wake, calls, waiting, order, outcomes };
        Line { local: place.local.clone(), begin: Box::new(begin), shared: Rc::new(shared) }
    }

    /// A call joins the line.
    pub(super) fn join(&self, id: CallId, job: J) {
        self.shared.calls.borrow_mut().insert(id, Call { job: Some(job), handle: None });
        self.shared.waiting.update(|it| it + 1);
        self.shared.order.borrow_mut().push_back(id);
        self.advance();
    }

    /// The next outcome of a call that is still wanted. Who asks until there is none has the line go on.
    pub(super) fn next(&self) -> Option<(CallId, O)> {
        loop {
            let next = self.shared.outcomes.borrow_mut().pop_front();
            let Some((id, outcome)) = next else {
                self.advance();
                return None;
            };
            if self.shared.calls.borrow_mut().remove(&id).is_some() {
                return Some((id, outcome));
            }
        }
    }

    /// Forgets a call.
    pub(super) fn cancel(&self, id: CallId) {
        let Some(call) = self.shared.calls.borrow_mut().remove(&id) else { return };
        match call.handle {
            Some(handle) => handle.abort(),
            None => self.shared.waiting.update(|it| it - 1),
        }
    }

    /// Is there an outcome, or may a call begin?
    pub(super) fn is_due(&self) -> bool {
        !self.shared.outcomes.borrow().is_empty() || self.shared.may_advance()
    }

    /// Which targets keep its calls waiting.
    pub(super) fn held(&self) -> &Held {
        &self.shared.held
    }

    /// Calls that have not begun.
    pub(super) fn waiting(&self) -> usize {
        self.shared.waiting.get()
    }

    /// Calls that are neither answered nor cancelled.
    pub(super) fn len(&self) -> usize {
        self.shared.calls.borrow().len()
    }

    /// Has as many calls begin as may.
    fn advance(&self) {
        while self.shared.may_advance() {
            let Some(id) = self.shared.order.borrow_mut().pop_front() else { return };
            if let Some(call) = self.shared.calls.borrow_mut().get_mut(&id)
                && let Some(job) = call.job.take()
            {
                self.shared.waiting.update(|it| it - 1);
                call.handle = Some(self.spawn(id, job));
            }
        }
    }

    fn spawn(&self, id: CallId, job: J) -> AbortHandle {
        let (mut work, begun) = ((self.begin)(job), Begun::new(self.shared.clone()));
        let call = async move {
            let shared = &begun.0;
            let outcome = poll_fn(|context| {
                let polled = work.as_mut().poll(context);
                // It may wait for something else now, and others go out in its stead.
                if polled.is_pending() && shared.may_advance() {
                    shared.wake.wake();
                }
                polled
            });
            let outcome = outcome.await;
            shared.outcomes.borrow_mut().push_back((id, outcome));
        };
        self.local.spawn_local(call).abort_handle()
    }
}

impl<J: 'static> Line<J, Result<Vec<u8>, StateError>> {
    /// Hands over what has come: JSON texts, and errors.
    pub(super) fn hand_over(&self, take: &mut Take<'_>) {
        while let Some((id, outcome)) = self.next() {
            match outcome {
                Ok(text) => take(id, Ok(&text)),
                Err(error) => take(id, Err(error)),
            }
        }
    }
}

impl<J, O> Drop for Line<J, O> {
    fn drop(&mut self) {
        // Nothing begins any more.
        self.shared.waiting.set(0);
        let calls = self.shared.calls.borrow();
        calls.values().filter_map(|call| call.handle.as_ref()).for_each(AbortHandle::abort);
    }
}

impl<J, O> Shared<J, O> {
    fn may_advance(&self) -> bool {
        let at_work = self.begun.get().saturating_sub(self.held.waiting());
        at_work < self.begun_max && self.waiting.get() > 0
    }
}

/// A call that has begun, until it is over, answered or not.
struct Begun<J, O>(Rc<Shared<J, O>>);

impl<J, O> Begun<J, O> {
    fn new(shared: Rc<Shared<J, O>>) -> Begun<J, O> {
        shared.begun.set(shared.begun.get() + 1);
        Begun(shared)
    }
}

impl<J, O> Drop for Begun<J, O> {
    fn drop(&mut self) {
        self.0.begun.set(self.0.begun.get() - 1);
        self.0.wake.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::Semaphore;
    use tokio::sync::oneshot::{Receiver, Sender, channel};
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::targets::{Name, Rules, Settings, Targets};

    type Answer = Receiver<u32>;

    /// A shard with a line of two.
    struct Shard {
        runtime: Runtime,
        local: Rc<LocalSet>,
        line: Line<Answer, u32>,
    }

    impl Shard {
        fn new() -> Shard {
            let work = |answer: Answer| async { answer.await.unwrap_or(0) };
            Shard::with(Held::default(), move |answer| Box::pin(work(answer)))
        }

        fn with(held: Held, work: impl Fn(Answer) -> Work<u32> + 'static) -> Shard {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            let local = Rc::new(LocalSet::new());
            let place = Place::new(local.clone(), Wake::new(|| {}), Targets::default());
            let line = Line::new(&place, held, 2, work);
            Shard { runtime, local, line }
        }

        fn join(&self, id: u64) -> Sender<u32> {
            let (answer, asked) = channel();
            self.line.join(CallId(id, 0), asked);
            answer
        }

        fn turn(&self) {
            let pause = async { sleep(Duration::from_millis(1)).await };
            self.runtime.block_on(self.local.run_until(pause));
        }

        fn begun(&self) -> usize {
            self.line.shared.begun.get()
        }
    }

    #[test]
    fn calls_begin_in_their_order_and_as_many_as_may() {
        let shard = Shard::new();
        let [first, _second, third, _fourth] = [1, 2, 3, 4].map(|id| shard.join(id));
        shard.turn();
        assert_eq!((shard.begun(), shard.line.len()), (2, 4));
        third.send(30).expect("it waits for its turn");
        shard.turn();
        assert!(shard.line.next().is_none(), "the third has not begun");
        first.send(10).expect("it has begun");
        shard.turn();
        assert!(shard.line.is_due());
        assert_eq!(shard.line.next(), Some((CallId(1, 0), 10)));
        assert!(shard.line.next().is_none());
        shard.turn();
        assert_eq!(shard.line.next(), Some((CallId(3, 0), 30)));
        assert!(shard.line.next().is_none());
        assert_eq!((shard.begun(), shard.line.len()), (2, 2), "the fourth has begun");
    }

    #[test]
    fn what_is_cancelled_makes_room() {
        let shard = Shard::new();
        let [first, second, third] = [1, 2, 3].map(|id| shard.join(id));
        let fourth = shard.join(4);
        shard.turn();
        assert_eq!(shard.line.waiting(), 2);
        shard.line.cancel(CallId(1, 0));
        shard.line.cancel(CallId(3, 0));
        assert_eq!(shard.line.waiting(), 1);
        shard.turn();
        assert!(first.is_closed() && third.is_closed() && !second.is_closed());
        assert!(shard.line.is_due() && shard.line.next().is_none());
        assert_eq!((shard.begun(), shard.line.len()), (2, 2));
        fourth.send(40).expect("it is wanted");
        shard.turn();
        assert_eq!(shard.line.next(), Some((CallId(4, 0), 40)));
    }

    #[test]
    fn calls_that_their_target_keeps_waiting_take_no_room() {
        let general = Settings { calls_max: Some(1), ..Settings::default() };
        let targets = Targets::new(Rules { general, ..Rules::default() });
        let name = Name { service: None, host: "busy", port: 80 };
        let target = targets.find(&name).expect("there are rules");
        let (turns, held) = (Rc::new(Semaphore::new(2)), Held::default());
        let waits = held.clone();
        let shard = Shard::with(held, move |answer| {
            let (target, turns, held) = (target.clone(), turns.clone(), waits.clone());
            Box::pin(async move {
                let _pass = target.enter(&turns, Some(&held)).await.expect("it is not down");
                answer.await.unwrap_or(0)
            })
        });
        let [first, ..] = [1, 2, 3, 4].map(|id| shard.join(id));
        shard.turn();
        assert!(shard.line.is_due() && shard.line.next().is_none());
        shard.turn();
        assert!(shard.line.is_due() && shard.line.next().is_none());
        assert_eq!(shard.begun(), 4, "one is out, and three wait for the target");
        first.send(10).expect("it is out");
        shard.turn();
        assert_eq!(shard.line.next(), Some((CallId(1, 0), 10)));
    }

    #[test]
    fn a_line_that_is_gone_leaves_nothing_behind() {
        let shard = Shard::new();
        let answers = [1, 2, 3].map(|id| shard.join(id));
        shard.turn();
        let Shard { runtime, local, line } = shard;
        drop(line);
        let over = async {
            for mut answer in answers {
                answer.closed().await;
            }
        };
        let over = async { timeout(Duration::from_secs(10), over).await };
        runtime.block_on(local.run_until(over)).expect("all are dropped");
    }
}
