//! The log, on standard error, its rate bounded: a line that repeats itself too often is counted, and
//! told of once its window is over. A fault that hits every record must not bury the line that
//! explains it, nor cost more than the records do.

use std::collections::HashMap;
use std::fmt;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Filter, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{self, Format};

/// The time that `log.lines_max` is counted over.
const WINDOW: Duration = Duration::from_secs(10);
/// The target of lines about other lines, which no bound holds back.
const ABOUT_LINES: &str = "expressway::log";

/// Starts the log as configured; what comes back is to be rolled over now and then.
pub(super) fn start(config: &config::Log) -> Rates {
    let rates = Rates::new(level(config.level), config.lines_max);
    let is_terminal = std::io::stderr().is_terminal();
    let lines = lines(config.format, is_terminal, std::io::stderr).with_filter(rates.clone());
    // A log that was set up before, by a test say, stays.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    rates
}

fn level(level: config::Level) -> Level {
    match level {
        config::Level::Error => Level::ERROR,
        config::Level::Warn => Level::WARN,
        config::Level::Info => Level::INFO,
        config::Level::Debug => Level::DEBUG,
        config::Level::Trace => Level::TRACE,
    }
}

/// What writes lines in that format.
fn lines<S, W>(format: Format, is_terminal: bool, to: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_ansi(is_terminal).with_writer(to);
    match format {
        Format::Text => layer.with_target(false).boxed(),
        Format::Json => layer.json().boxed(),
    }
}

/// How often each call site has written, and what was held back. Clones share it.
#[derive(Clone)]
pub(super) struct Rates {
    level: Level,
    /// Lines of a call site in a window; 0 for no bound.
    lines_max: u32,
    sites: Arc<Mutex<HashMap<Identifier, Site>>>,
}

/// What is known of a call site. There are as many as there are in the program.
struct Site {
    /// When its window began.
    since: Instant,
    /// What it has written in it.
    written: u32,
    /// What was held back and is not yet told, and the first of it.
    suppressed: u64,
    message: String,
    /// Some of that was held back in a window before.
    is_overdue: bool,
    metadata: &'static Metadata<'static>,
}

impl Site {
    fn new(metadata: &'static Metadata<'static>, since: Instant) -> Site {
        let message = String::new();
        Site { since, written: 0, suppressed: 0, message, is_overdue: false, metadata }
    }

    /// Is its window over?
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= WINDOW
    }
}

impl Rates {
    fn new(level: Level, lines_max: u32) -> Rates {
        Rates { level, lines_max, sites: Arc::default() }
    }

    /// Tells of what was held back in windows that are over by `now`; how many lines that were.
    pub(super) fn roll_over(&self, now: Instant) -> u64 {
        self.tell(|site| site.is_overdue || site.is_over(now))
    }

    /// Tells of all that was held back and not yet told.
    pub(super) fn finish(&self) -> u64 {
        self.tell(|_| true)
    }

    fn tell(&self, is_due: impl Fn(&Site) -> bool) -> u64 {
        let mut due = Vec::new();
        for site in self.sites().values_mut().filter(|site| site.suppressed > 0 && is_due(site)) {
            site.is_overdue = false;
            let told = (std::mem::take(&mut site.suppressed), std::mem::take(&mut site.message));
            due.push((told, site.metadata));
        }
        // The lock is free again: these lines come back to `event_enabled`.
        due.iter().for_each(|((lines, message), metadata)| tell(*lines, message, metadata));
        due.iter().map(|((lines, _), _)| lines).sum()
    }

    /// May this event be written?
    fn admits(&self, event: &Event<'_>, now: Instant) -> bool {
        let metadata = event.metadata();
        if self.lines_max == 0 || metadata.target() == ABOUT_LINES {
            return true;
        }
        let mut sites = self.sites();
        let site = sites.entry(metadata.callsite()).or_insert_with(|| Site::new(metadata, now));
        if site.is_over(now) {
            (site.since, site.written) = (now, 0);
            site.is_overdue = site.suppressed > 0;
        }
        if site.written < self.lines_max {
            site.written += 1;
            return true;
        }
        if site.suppressed == 0 {
            event.record(&mut Message(&mut site.message));
        }
        site.suppressed += 1;
        false
    }

    /// Counts, whole whatever their last holder did.
    fn sites(&self) -> MutexGuard<'_, HashMap<Identifier, Site>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line about those that were held back, as important as they were.
fn tell(lines: u64, message: &str, metadata: &Metadata<'_>) {
    let at = format!("{}:{}", metadata.file().unwrap_or("?"), metadata.line().unwrap_or(0));
    macro_rules! tell_at {
        ($level:ident) => {
            tracing::event!(
                target: ABOUT_LINES,
                Level::$level,
                lines,
                like = message,
                at,
                "lines were left out, more than log.lines_max in 10 s"
            )
        };
    }
    match *metadata.level() {
        Level::ERROR => tell_at!(ERROR),
        Level::WARN => tell_at!(WARN),
        Level::INFO => tell_at!(INFO),
        Level::DEBUG => tell_at!(DEBUG),
        Level::TRACE => tell_at!(TRACE),
    }
}

/// Takes down an event's message.
struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            *self.0 = format!("{value:?}");
        }
    }
}

impl<S> Filter<S> for Rates {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        *metadata.level() <= self.level
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.admits(event, Instant::now())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.level))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panics").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `say` writes at most `lines_max` of a call site.
    fn written(lines_max: u32, say: impl FnOnce(&Rates)) -> Vec<String> {
        let (rates, memory) = (Rates::new(Level::INFO, lines_max), Memory::default());
        let to = memory.clone();
        let layer = lines(Format::Text, false, move || to.clone()).with_filter(rates.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            say(&rates);
        });
        let bytes = memory.0.lock().expect("no writer panics");
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }

    fn repeat(times: u32) {
        for time in 0..times {
            tracing::warn!(time, "it went wrong");
        }
    }

    #[test]
    fn a_call_site_writes_so_many_lines_and_one_about_the_rest() {
        let lines = written(20, |rates| {
            repeat(1000);
            tracing::info!("another one");
            assert_eq!(rates.roll_over(Instant::now()), 0, "the window is not over");
            assert_eq!(rates.roll_over(Instant::now() + WINDOW), 980);
            assert_eq!(rates.roll_over(Instant::now() + WINDOW), 0, "it was told");
        });
        assert_eq!(lines.len(), 22, "{lines:#?}");
        assert!(lines[19].contains("it went wrong time=19"), "{}", lines[19]);
        assert!(lines[20].contains("another one"), "{}", lines[20]);
        let told = &lines[21];
        assert!(told.contains("WARN") && told.contains("lines=980"), "{told}");
        assert!(told.contains(r#"like="it went wrong""#) && told.contains("log.rs:"), "{told}");
    }

    #[test]
    fn every_window_begins_anew_however_long_it_goes_on_and_the_end_tells_the_rest() {
        let lines = written(2, |rates| {
            repeat(3);
            for site in rates.sites().values_mut() {
                site.since = Instant::now().checked_sub(WINDOW).expect("the machine is up longer");
            }
            repeat(4);
            assert_eq!(rates.roll_over(Instant::now()), 3, "one is of a window that is over");
            repeat(1);
            assert_eq!(rates.roll_over(Instant::now()), 0, "this one is not");
            assert_eq!(rates.finish(), 1);
        });
        assert_eq!(lines.len(), 6, "{lines:#?}");
        assert!(lines[2].contains("time=0") && lines[3].contains("time=1"), "{lines:#?}");
    }

    #[test]
    fn no_bound_and_levels() {
        let lines = written(0, |rates| {
            repeat(100);
            (0..100).for_each(|_| tracing::debug!("below the level"));
            assert_eq!(rates.finish(), 0);
        });
        assert_eq!(lines.len(), 100);
    }
}
