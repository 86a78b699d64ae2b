//! The same as `peers`, as a table of ratios that a busy machine does not bend: contenders take turns,
//! a round of all events each, and what counts is the fastest and the median round.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml --bench table -- [ROUNDS] [CASE] [PEER]`
//!
//! Instructions an event, on a machine that counts none: the difference between two such runs, of one
//! contender, under `valgrind --tool=callgrind`.

use std::hint::black_box;
use std::time::Instant;

use expressway_peers::events::{CASES, mean_len};
use expressway_peers::{check, events_of, peers};

/// The allocator that the binary has; everybody gets it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 200;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let rounds = args.first().and_then(|arg| arg.parse().ok()).unwrap_or(ROUNDS).max(1);
    let is_wanted = |at: usize, name: &str| args.get(at).is_none_or(|wanted| name == wanted);
    for case in CASES.into_iter().filter(|case| is_wanted(1, case.name)) {
        let events = events_of(&case);
        let mut peers = peers(&case);
        check(&case, &events, &mut peers);
        peers.retain(|peer| is_wanted(2, peer.name));
        let mut times = vec![Vec::with_capacity(rounds); peers.len()];
        let mut out = Vec::new();
        for _ in 0..rounds {
            for (peer, times) in peers.iter_mut().zip(&mut times) {
                let start = Instant::now();
                for event in &events {
                    (peer.transform)(black_box(event), &mut out);
                    black_box(out.len());
                }
                times.push(start.elapsed().as_nanos() as f64 / events.len() as f64);
            }
        }
        println!("{} ({} bytes)      fastest ns   x ours   median ns   x ours", case.name, mean_len(&events));
        times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
        let ours = (times[0][0], times[0][rounds / 2]);
        for (peer, times) in peers.iter().zip(&times) {
            let (fastest, median) = (times[0], times[rounds / 2]);
            let ratios = (fastest / ours.0, median / ours.1);
            println!("  {:<20} {fastest:>10.1} {:>8.2} {median:>11.1} {:>8.2}", peer.name, ratios.0, ratios.1);
        }
    }
}
