//! The calls of one driver. Those that may go out are futures on the shard; the others wait in a line
//! as what they are, which is far smaller: a hundred thousand executions may wait for an answer.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;

use rustc_hash::FxHashMap;
use tokio::task::{AbortHandle, LocalSet};

use super::{CallId, Place, Take};
use crate::fault::StateError;
use crate::record::Wake;
use crate::targets::Held;

/// What a call is at work on.
pub(super) type Work<O> = Pin<Box<dyn Future<Output = O>>>;

/// Calls that are made of a `J`, and come to an `O`. Where there is room one begins at once, with a
/// worker of its own; when that has its outcome it goes on with the next that waits, as long as there
/// is one. Where calls that were out wait for something else, more begin in their stead when the shard
/// asks for outcomes.
pub(super) struct Line<J, O> {
    local: Rc<LocalSet>,
    shared: Rc<Shared<J, O>>,
}

/// What the workers have in common; none keeps what it runs on.
struct Shared<J, O> {
    begin: Box<dyn Fn(J) -> Work<O>>,
    /// Calls that have begun and wait for nothing but their turn and their answer.
    begun_max: usize,
    begun: Cell<usize>,
    held: Held,
    wake: Wake,
    calls: RefCell<FxHashMap<CallId, Call<J>>>,
    /// Calls that have not begun; and in which order they are to, with some that are cancelled.
    waiting: Cell<usize>,
    order: RefCell<VecDeque<CallId>>,
    outcomes: RefCell<VecDeque<(CallId, O)>>,
}

/// A call that is not answered yet.
enum Call<J> {
    /// Until it begins.
    Waiting(J),
    /// From then on.
    Begun(Rc<Worker>),
}

/// What makes calls, one after the other.
#[derive(Default)]
struct Worker {
    /// Which call it is at.
    at: Cell<Option<CallId>>,
    /// What ends it, once it has been spawned.
    handle: OnceCell<AbortHandle>,
}

impl Worker {
    /// Ends it, if it is at this call still.
    fn end(&self, id: CallId) {
        if self.at.get() == Some(id) {
            self.handle.get().map(AbortHandle::abort);
        }
    }
}

impl<J: 'static, O: 'static> Line<J, O> {
    /// A line where so many have begun at once. `held` knows how many of these are kept waiting.
    pub(super) fn new(
        place: &Place,
        held: Held,
        begun_max: usize,
        begin: impl Fn(J) -> Work<O> + 'static,
    ) -> Line<J, O> {
        let shared = Shared {
            begin: Box::new(begin),
            begun_max: begun_max.max(1),
            begun: Cell::default(),
            held,
            wake: place.wake.clone(),
            calls: RefCell::default(),
            waiting: Cell::default(),
            order: RefCell::default(),
            outcomes: RefCell::default(),
        };
        Line { local: place.local.clone(), shared: Rc::new(shared) }
    }

    /// A call joins the line.
    pub(super) fn join(&self, id: CallId, job: J) {
        self.shared.calls.borrow_mut().insert(id, Call::Waiting(job));
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
        match self.shared.calls.borrow_mut().remove(&id) {
            Some(Call::Begun(worker)) => worker.end(id),
            Some(Call::Waiting(_)) => self.shared.waiting.update(|it| it - 1),
            None => {}
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
            let worker = Rc::new(Worker::default());
            let Some(first) = self.shared.take_next(&worker) else { return };
            let work = work(Begun::new(self.shared.clone()), worker.clone(), first);
            // It is new.
            let _ = worker.handle.set(self.local.spawn_local(work).abort_handle());
        }
    }
}

/// Makes calls one after the other while there are some that may begin, `first` first.
async fn work<J, O>(begun: Begun<J, O>, worker: Rc<Worker>, first: (CallId, J)) {
    let shared = &begun.0;
    let mut next = Some(first);
    while let Some((id, job)) = next {
        let mut work = (shared.begin)(job);
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
        shared.wake.wake();
        next = shared.may_go_on().then(|| shared.take_next(&worker)).flatten();
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
        self.shared.order.borrow_mut().clear();
        for (id, call) in &*self.shared.calls.borrow() {
            if let Call::Begun(worker) = call {
                worker.end(*id);
            }
        }
    }
}

impl<J, O> Shared<J, O> {
    fn at_work(&self) -> usize {
        self.begun.get().saturating_sub(self.held.waiting())
    }

    fn may_advance(&self) -> bool {
        self.at_work() < self.begun_max && self.waiting.get() > 0
    }

    /// May one that is at work take another call?
    fn may_go_on(&self) -> bool {
        self.at_work() <= self.begun_max && self.waiting.get() > 0
    }

    /// The next call that is still wanted begins, with this worker.
    fn take_next(&self, worker: &Rc<Worker>) -> Option<(CallId, J)> {
        let mut calls = self.calls.borrow_mut();
        loop {
            let id = self.order.borrow_mut().pop_front()?;
            let Some(call) = calls.get_mut(&id) else { continue };
            if let Call::Waiting(job) = std::mem::replace(call, Call::Begun(worker.clone())) {
                self.waiting.update(|it| it - 1);
                worker.at.set(Some(id));
                return Some((id, job));
            }
        }
    }
}

/// One that is at work, until it is over.
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
        assert_eq!((shard.begun(), shard.line.waiting(), shard.line.len()), (2, 2, 4));
        third.send(30).expect("it waits for its turn");
        shard.turn();
        assert!(shard.line.next().is_none(), "the third has not begun");
        first.send(10).expect("it has begun");
        shard.turn();
        assert!(shard.line.is_due());
        assert_eq!(shard.line.next(), Some((CallId(1, 0), 10)));
        assert_eq!(shard.line.next(), Some((CallId(3, 0), 30)), "it began when the first was over");
        assert!(shard.line.next().is_none());
        assert_eq!((shard.begun(), shard.line.waiting(), shard.line.len()), (2, 0, 2));
    }

    #[test]
    fn what_is_cancelled_when_it_is_over_ends_no_other() {
        let shard = Shard::new();
        let [first, _second, third] = [1, 2, 3].map(|id| shard.join(id));
        shard.turn();
        first.send(10).expect("it has begun");
        shard.turn();
        assert_eq!((shard.begun(), shard.line.waiting()), (2, 0), "the third has begun");
        shard.line.cancel(CallId(1, 0));
        shard.turn();
        third.send(30).expect("it is at work");
        shard.turn();
        assert_eq!(shard.line.next(), Some((CallId(3, 0), 30)), "nobody wants the first");
        assert_eq!((shard.begun(), shard.line.len()), (1, 1));
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
