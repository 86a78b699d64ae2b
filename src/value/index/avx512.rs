//! The indexer for AVX-512 (F and BW).

use std::arch::x86_64::*;

use super::blocks::{Block, scan};
use super::walk::walk;
use super::{Indexed, Job, ParseError, Workspace, avx2};
use crate::value::value::Value;

pub(super) fn is_available() -> bool {
    avx2::is_available()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
}

#[target_feature(enable = "avx512f,avx512bw,avx2,pclmulqdq,bmi1,bmi2,lzcnt,popcnt")]
pub(super) fn index(
    job: &Job<'_>,
    workspace: &mut Workspace,
    tape: &mut Vec<Value>,
) -> Result<Indexed, ParseError> {
    // SAFETY: the caller checked these CPU features (this function requires them).
    let classify = |bytes: &[u8; 64]| unsafe { classify(bytes.as_ptr()) };
    // SAFETY: `scan` made room for 64 positions.
    let flatten = |bits, base, to| unsafe { flatten(bits, base, to) };
    let traits = scan(job, workspace, classify, |bits| avx2::prefix_xor(bits), flatten)?;
    walk(job, traits, workspace, tape, |bytes| avx2::digits(bytes))
}

/// # Safety
/// 64 bytes at `from` are readable.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn classify(from: *const u8) -> Block {
    // SAFETY: promised by the caller.
    let v = unsafe { _mm512_loadu_si512(from.cast()) };
    let table = |entries: &[u8; 16]| {
        // SAFETY: an unaligned load of the 16 bytes of `entries`.
        _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(entries.as_ptr().cast()) })
    };
    let folded = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
    let structural = _mm512_shuffle_epi8(table(&avx2::STRUCTURALS), v);
    let space = _mm512_shuffle_epi8(table(&avx2::SPACES), v);
    Block {
        quotes: _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(b'"' as i8)),
        backslashes: _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(b'\\' as i8)),
        structurals: _mm512_cmpeq_epi8_mask(folded, structural),
        spaces: _mm512_cmpeq_epi8_mask(v, space),
        controls: _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20)),
        wide: _mm512_movepi8_mask(v),
    }
}

/// # Safety
/// 64 positions at `to` are writable.
#[inline]
#[target_feature(enable = "avx512f,popcnt")]
unsafe fn flatten(bits: u64, base: u32, to: *mut u32) {
    let first = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let mut index = _mm512_add_epi32(first, _mm512_set1_epi32(base as i32));
    let mut to = to;
    for quarter in 0..4 {
        let mask = (bits >> (16 * quarter)) as u16;
        // SAFETY: at most 16 * quarter positions are written so far, 16 more fit.
        unsafe {
            _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi32(mask, index));
            to = to.add(mask.count_ones() as usize);
        }
        index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
    }
}
