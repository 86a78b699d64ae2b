//! Signals that bring the process down: noted in the file on the way. SIGKILL and a loss of power
//! note nothing, and so nobody is suspected of them.

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::file::Map;

const SIGNALS: [libc::c_int; 5] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT];

/// Where the signal is noted.
static CRASHED: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());
/// What was done about these signals before, in the same order.
static BEFORE: OnceLock<[libc::sigaction; SIGNALS.len()]> = OnceLock::new();

/// Notes crashes in this map from now on; it lives until the process ends.
pub(super) fn note_in(map: &'static Map) {
    CRASHED.store(ptr::from_ref(map.crashed()).cast_mut(), Ordering::Release);
    BEFORE.get_or_init(|| SIGNALS.map(action_of));
    for signal in SIGNALS {
        // SAFETY: all zeros are an action (no flags, an empty mask, the default handler).
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_crash as *const () as usize;
        // A stack that has overflown has no room for a handler.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the action is complete, and its handler does only what a handler may.
        unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
    }
}

fn action_of(signal: libc::c_int) -> libc::sigaction {
    // SAFETY: as in `note_in`; the call fills the action in.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, ptr::null(), &mut action);
        action
    }
}

/// Notes the signal and hands it on to whoever was there before. Async-signal-safe: an atomic store,
/// `sigaction` and `raise`.
unsafe extern "C" fn on_crash(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _: *mut libc::c_void,
) {
    let crashed = CRASHED.load(Ordering::Acquire);
    if !crashed.is_null() {
        // SAFETY: of a map that lives until the process ends.
        unsafe { (*crashed).store(signal as u32, Ordering::Release) };
    }
    // SAFETY: the system gives a live pointer, as SA_SIGINFO asks.
    let was_sent = unsafe { (*info).si_code } <= 0;
    // SAFETY: as in `note_in`.
    let mut next: libc::sigaction = unsafe { std::mem::zeroed() };
    if !was_sent
        && let Some(before) = BEFORE.get()
        && let Some(at) = SIGNALS.iter().position(|it| *it == signal)
    {
        next = before[at];
    }
    // SAFETY: an action that was in force before, or the default one.
    unsafe { libc::sigaction(signal, &next, ptr::null_mut()) };
    if was_sent {
        // What was sent does not come again by itself, as a fault does when this returns.
        // SAFETY: no memory is touched.
        unsafe { libc::raise(signal) };
    }
}
