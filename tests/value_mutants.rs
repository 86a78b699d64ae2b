//! Millions of damaged documents against serde_json: the same verdict on each, the same value, and
//! every implementation says the same as every other, down to the error's reason and place.
//!
//! `VALUE_MUTANTS` sets how many (fewer under a sanitizer), `VALUE_SEED` where to start.

mod value_oracle;

use value_oracle::{Oracle, Random};

/// Small documents that hold every construct, in the neighbourhood of 64-byte borders too.
const SEEDS: [&str; 16] = [
    r#"{"id":"9f86d081884c7d65","type":"telemetry","device":{"id":"dev-4711","fw":"2.1.17"},"temp":21.5,"active":true,"ts":1718000000000,"loc":{"lat":48.13743,"lon":-11.57549},"tags":["a","b"]}"#,
    r#"{"orderId":"a1-b2","items":[{"sku":"S-1","qty":1,"price":10.50},{"sku":"S-2","qty":22,"price":0.99}],"note":"please \"ring\" twice","paid":false,"ref":null}"#,
    r#"{"a":1,"a":2,"\u0061":3,"b":{"c":[],"c":{}},"":0,"":1}"#,
    r#"[1,-1,0,-0,0.5,-0.0,1e5,1E+5,1e-5,12345678901234567890,1.7976931348623157e309,0.1e1]"#,
    r#"["\ud83d\ude00","\u00e9","\\\\\\","\"","\/\b\f\n\r\t","é€😀","\\\""]"#,
    "{ \"a\" : [ 1 , 2 ] ,\r\n\t\"b\" : { } , \"c\" : [ ] , \"d\" : \"x y\" , \"e\" : 1 }\n",
    r#"[[[[[[[[[[[[]]]]]]]]],{"a":{"a":{"a":{"a":[{}]}}}}]"#,
    r#"{"key-of-more-than-sixty-four-bytes-that-crosses-the-border-between-two-blocks":"value of more than sixty-four bytes, which crosses another border of blocks"}"#,
    r#"{"customer_id":1,"customer_no":2,"customer_it":3,"createdAt":4,"createdBy":5,"updatedAt":6}"#,
    r#""just a string""#,
    "-12.5e+10",
    "true",
    " null ",
    r#"{"k0":0,"k1":1,"k2":2,"k3":3,"k4":4,"k5":5,"k6":6,"k7":7,"k8":8,"k9":9,"ka":10,"kb":11,"kc":12}"#,
    r#"["\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\","\\\\\\\\\\\\\\\\\\\"x"]"#,
    r#"{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":{"j":[1,[2,[3,[4,[5]]]]]}}}}}}}}}}}"#,
];

/// Pieces that damage well.
const PIECES: [&[u8]; 42] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b" ",
    b"\n",
    b"\t",
    b"\r",
    b"0",
    b"1",
    b"9",
    b"-",
    b"+",
    b".",
    b"e",
    b"E",
    b"\\u0061",
    b"\\ud800",
    b"\\udc00",
    b"\\ud83d\\ude00",
    b"\\\"",
    b"\\\\",
    b"true",
    b"false",
    b"null",
    b"nul",
    b"\x00",
    b"\x1f",
    b"\x0c",
    b"\x1a",
    b"\x7f",
    b"\x80",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x98\x80",
    b"\xff",
    b"\"a\":1,",
];

/// A damaged copy of one of [`SEEDS`] in `text`.
fn mutate(random: &mut Random, text: &mut Vec<u8>) {
    text.clear();
    // Moves the document against the blocks' borders.
    text.resize(if random.below(4) == 0 { random.below(70) } else { 0 }, b' ');
    text.extend_from_slice(SEEDS[random.below(SEEDS.len())].as_bytes());
    for _ in 0..random.below(4) {
        let at = random.below(text.len() + 1);
        let end = (at + random.below(8)).min(text.len());
        match random.below(6) {
            0 => drop(text.drain(at..end)),
            1 => drop(text.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
            2 => drop(text.splice(at..end, PIECES[random.below(PIECES.len())].iter().copied())),
            3 if at < text.len() => text[at] = random.below(256) as u8,
            4 => {
                let piece = text[at..end].to_vec();
                let to = random.below(text.len() + 1);
                drop(text.splice(to..to, piece));
            }
            5 if random.below(8) == 0 => text.truncate(at),
            _ => {}
        }
    }
}

#[test]
fn mutants() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let count = setting("VALUE_MUTANTS").unwrap_or(2_000_000);
    let seed = setting("VALUE_SEED").unwrap_or(1);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let accepted: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let (mut oracle, mut text) = (Oracle::default(), Vec::new());
                    let mut accepted = 0;
                    for at in (thread..count).step_by(threads as usize) {
                        mutate(&mut Random::new(seed.wrapping_add(at)), &mut text);
                        accepted += u64::from(oracle.agrees(&text));
                    }
                    accepted
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker agrees")).sum()
    });
    // Mutants that are all refused, or all accepted, would test only half.
    assert!((count / 5..count * 4 / 5).contains(&accepted), "{accepted} of {count} are documents");
}
