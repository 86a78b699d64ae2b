//! Ours and its peers: each makes the same output of the same event, JSON in and JSON out, in the
//! way that its own documentation shows.

#[path = "../../events/mod.rs"]
pub mod events;

mod by_hand;
mod jsonata;
mod parse;
pub mod queries;
mod vrl;

use events::{Case, Runner};
use expressway::value::Implementation;

/// Takes an event and leaves its output in the buffer.
pub type Transform = Box<dyn FnMut(&[u8], &mut Vec<u8>)>;

/// A contender.
pub struct Peer {
    /// Its name and version.
    pub name: &'static str,
    /// Does it make the whole output? If not, it only shows what a part of the work costs.
    pub is_whole: bool,
    /// What it does.
    pub transform: Transform,
}

/// All contenders, ours first.
pub fn peers(case: &Case) -> Vec<Peer> {
    let whole = |name, transform| Peer { name, is_whole: true, transform };
    let part = |name, transform| Peer { name, is_whole: false, transform };
    let mut peers = vec![
        whole("expressway", expressway(case)),
        whole("serde_json-by-hand", by_hand::transform(case)),
        whole("vrl-0.38", vrl::transform(case)),
        whole("jsonata-core-2.2", jsonata::transform(case)),
        part("sonic-rs-0.5-parse", parse::sonic()),
    ];
    let available = Implementation::ALL.into_iter().filter(|i| i.is_available());
    peers.extend(available.map(|implementation| {
        let name = match implementation {
            Implementation::Avx512 => "our-index-avx512",
            Implementation::Avx2 => "our-index-avx2",
            Implementation::Portable => "our-index-portable",
        };
        part(name, parse::index(implementation))
    }));
    peers
}

fn expressway(case: &Case) -> Transform {
    let mut runner = Runner::new(case.program(), Implementation::best());
    Box::new(move |event, out| {
        out.clear();
        out.extend_from_slice(runner.run(event));
    })
}

/// Events whose numbers all contenders spell alike: some drop zeros behind the point.
pub fn events_of(case: &Case) -> Vec<Vec<u8>> {
    let mut events = case.events();
    events.retain(|event| {
        let text = std::str::from_utf8(event).expect("events are UTF-8");
        let (_, rest) = text.split_once(&format!("\"{}\":", case.number)).expect("it is there");
        let number = rest.split([',', '}']).next().unwrap_or_default();
        !number.ends_with('0')
    });
    events
}

/// Checks that all who make the whole output make the same.
pub fn check(case: &Case, events: &[Vec<u8>], peers: &mut [Peer]) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (first, rest) = peers.split_first_mut().expect("there are peers");
    for event in events {
        (first.transform)(event, &mut ours);
        let ours: serde_json::Value = serde_json::from_slice(&ours).expect("JSON");
        for peer in rest.iter_mut().filter(|peer| peer.is_whole) {
            (peer.transform)(event, &mut theirs);
            let theirs: serde_json::Value = serde_json::from_slice(&theirs).expect("JSON");
            assert_eq!(ours, theirs, "{} on {}", peer.name, case.name);
        }
    }
}
