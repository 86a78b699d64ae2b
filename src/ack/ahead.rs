//! What has settled ahead of the commit point, as a text that is kept beside the commit, so that it is
//! not done again after a restart. It only ever saves work: what can't be read, or is left out because
//! it would be too long, is done again.
//!
//! `1:BASE:RUNS`, where the runs are numbers in base64, seven bits a byte: how far from the end of the last
//! run (at first from BASE) to the beginning of the next, and how long that is.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Bytes of a text, at most: brokers take 4096 by default (`offset.metadata.max.bytes`).
const TEXT_BYTES_MAX: usize = 4000;
/// What a text begins with: its form. Others are not ours to read.
const FORM: &str = "1:";
/// Bytes of the runs before they are base64, so that all fits; a number takes ten at most.
const RUNS_BYTES_MAX: usize = (TEXT_BYTES_MAX - FORM.len() - 21) / 4 * 3;

/// The text of these runs of offsets, which come in order and above `base`; none where there are none.
pub fn write(base: i64, runs: impl Iterator<Item = Range<i64>>) -> String {
    let (mut bytes, mut end) = (Vec::new(), base);
    for run in runs {
        let mut both = Vec::new();
        if run.start < end || run.end <= run.start {
            // A log that was cut begins again lower.
            break;
        }
        for number in [run.start - end, run.end - run.start] {
            push(number as u64, &mut both);
        }
        if bytes.len() + both.len() > RUNS_BYTES_MAX {
            break;
        }
        bytes.extend(both);
        end = run.end;
    }
    if bytes.is_empty() {
        return String::new();
    }
    format!("{FORM}{base}:{}", STANDARD_NO_PAD.encode(bytes))
}

fn push(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// The runs in a text, in order; none where it is no such text, or anything about it is odd.
pub fn read(text: &str) -> Vec<Range<i64>> {
    runs_in(text).unwrap_or_default()
}

fn runs_in(text: &str) -> Option<Vec<Range<i64>>> {
    let (base, runs) = text.strip_prefix(FORM)?.split_once(':')?;
    let mut end: i64 = base.parse().ok().filter(|base| *base >= 0)?;
    let bytes = STANDARD_NO_PAD.decode(runs).ok()?;
    let (mut rest, mut runs) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let start = end.checked_add(pop(&mut rest)?)?;
        end = start.checked_add(pop(&mut rest)?).filter(|end| *end > start)?;
        runs.push(start..end);
    }
    Some(runs)
}

fn pop(rest: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, others) = rest.split_first()?;
        *rest = others;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return i64::try_from(number).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ack::tests::Numbers;

    #[test]
    fn what_is_written_is_read() {
        let mut numbers = Numbers(11);
        for _ in 0..500 {
            let base = numbers.below(1 << 40) as i64;
            let mut end = base;
            let count = numbers.below(40);
            let runs: Vec<Range<i64>> = (0..count)
                .map(|_| {
                    let start = end + 1 + numbers.below(1000) as i64;
                    end = start + 1 + numbers.below(300) as i64;
                    start..end
                })
                .collect();
            assert_eq!(read(&write(base, runs.iter().cloned())), runs);
        }
        assert_eq!(write(7, std::iter::empty()), "");
    }

    #[test]
    fn a_text_is_never_longer_than_a_broker_takes() {
        let runs = (0..1_000_000).map(|at| (1 << 40) + at * 1000..(1 << 40) + at * 1000 + 500);
        let text = write(5, runs.clone());
        assert!((3000..=TEXT_BYTES_MAX).contains(&text.len()), "{}", text.len());
        let found = read(&text);
        assert!(found.len() > 700 && found.into_iter().eq(runs.take(read(&text).len())));
    }

    #[test]
    fn what_is_odd_is_nothing() {
        let text = write(10, [12..15, 20..21].into_iter());
        assert_eq!(read(&text), [12..15, 20..21]);
        let cut = &text[..text.len() - 1];
        for odd in ["", "x", "2:10:AgMFAQ", "1:-1:AgMFAQ", "1:10", "1:10:!", "1:10:AgA", cut] {
            assert!(read(odd).is_empty(), "{odd}");
        }
    }
}
