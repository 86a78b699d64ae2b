//! The indexer for AVX-512 (F, BW and VBMI2: Ice Lake, Zen 4 and what came after them).

use std::arch::x86_64::*;

use super::blocks::{Block, scan};
use super::walk::walk;
use super::{Indexed, Job, ParseError, Workspace, avx2};
use crate::value::value::Value;

pub(super) fn is_available() -> bool {
    avx2::is_available()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi2")
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx2,pclmulqdq,bmi1,bmi2,lzcnt,popcnt")]
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
    walk(
        job,
        traits,
        workspace,
        tape,
        |bytes| avx2::numeral(bytes),
        |word, count| _bzhi_u64(word, count),
    )
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
#[target_feature(enable = "avx512f,avx512vbmi2,popcnt")]
unsafe fn flatten(bits: u64, base: u32, to: *mut u32) {
    let all = _mm512_maskz_compress_epi8(bits, first_64());
    let base = _mm512_set1_epi32(base as i32);
    let quarter = |at: __m128i| _mm512_add_epi32(_mm512_cvtepu8_epi32(at), base);
    // SAFETY: promised by the caller.
    let store = |at, quarter| unsafe { _mm512_storeu_si512(to.add(at).cast(), quarter) };
    store(0, quarter(_mm512_castsi512_si128(all)));
    store(16, quarter(_mm512_extracti32x4_epi32::<1>(all)));
    if bits.count_ones() > 32 {
        store(32, quarter(_mm512_extracti32x4_epi32::<2>(all)));
        store(48, quarter(_mm512_extracti32x4_epi32::<3>(all)));
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn first_64() -> __m512i {
    const FIRST: [u8; 64] = {
        let mut first = [0; 64];
        let mut at = 0;
        while at < 64 {
            first[at] = at as u8;
            at += 1;
        }
        first
    };
    // SAFETY: 64 bytes are read from 64.
    unsafe { _mm512_loadu_si512(FIRST.as_ptr().cast()) }
}
