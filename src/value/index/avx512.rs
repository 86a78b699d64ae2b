//! The indexer for AVX-512 (F and BW).

use std::arch::x86_64::*;

use super::blocks::{Block, scan};
use super::walk::walk;
use super::{Indexed, Job, ParseError, Workspace};
use crate::value::value::Value;

pub(super) fn is_available() -> bool {
    super::avx2::is_available()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
}

#[target_feature(enable = "avx512f,avx512bw,avx2,pclmulqdq,bmi1,bmi2,lzcnt,popcnt")]
pub(super) fn index(
    job: &Job<'_>,
    workspace: &mut Workspace,
    tape: &mut Vec<Value>,
) -> Result<Indexed, ParseError> {
    // SAFETY: the caller checked these CPU features (this function requires them), and `index`
    // asserted that 64 bytes from any block's start are within `bytes`.
    let classify = |from: usize| unsafe { classify(job.bytes.as_ptr().add(from)) };
    let traits = scan(job, workspace, classify, |bits| prefix_xor(bits))?;
    walk(job, traits, workspace, tape)
}

/// # Safety
/// 64 bytes at `from` are readable.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn classify(from: *const u8) -> Block {
    // SAFETY: promised by the caller.
    let v = unsafe { _mm512_loadu_si512(from.cast()) };
    let folded = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
    let blank = _mm512_cmple_epu8_mask(v, _mm512_set1_epi8(0x20));
    let controls = _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20));
    Block {
        quotes: equal(v, b'"'),
        backslashes: equal(v, b'\\'),
        structurals: equal(folded, b'{') | equal(folded, b'}') | equal(v, b':') | equal(v, b','),
        spaces: (blank & !controls) | equal(v, b'\n') | equal(v, b'\r') | equal(v, b'\t'),
        controls,
        wide: _mm512_movepi8_mask(v),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn equal(v: __m512i, byte: u8) -> u64 {
    _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(byte as i8))
}

#[inline]
#[target_feature(enable = "pclmulqdq")]
fn prefix_xor(bits: u64) -> u64 {
    let ones = _mm_set1_epi8(-1);
    _mm_cvtsi128_si64(_mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits as i64), ones)) as u64
}
