//! The indexer for AVX2.

use std::arch::x86_64::*;

use super::blocks::{Block, scan};
use super::walk::walk;
use super::{Indexed, Job, ParseError, Workspace};
use crate::value::value::Value;

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
}

#[target_feature(enable = "avx2,pclmulqdq,bmi1,bmi2,lzcnt,popcnt")]
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
#[target_feature(enable = "avx2")]
unsafe fn classify(from: *const u8) -> Block {
    // SAFETY: promised by the caller.
    let (low, high) =
        unsafe { (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())) };
    let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    Block {
        quotes: join(equal(low, b'"'), equal(high, b'"')),
        backslashes: join(equal(low, b'\\'), equal(high, b'\\')),
        structurals: join(structurals(low), structurals(high)),
        spaces: join(spaces(low), spaces(high)),
        controls: join(controls(low), controls(high)),
        wide: join(_mm256_movemask_epi8(low) as u32, _mm256_movemask_epi8(high) as u32),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn equal(v: __m256i, byte: u8) -> u32 {
    _mm256_movemask_epi8(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(byte as i8))) as u32
}

/// `{}[]` differ from each other in bits 0x20 and 0x06; `:` and `,` are looked for as they are.
#[inline]
#[target_feature(enable = "avx2")]
fn structurals(v: __m256i) -> u32 {
    let folded = _mm256_or_si256(v, _mm256_set1_epi8(0x20));
    equal(folded, b'{') | equal(folded, b'}') | equal(v, b':') | equal(v, b',')
}

#[inline]
#[target_feature(enable = "avx2")]
fn spaces(v: __m256i) -> u32 {
    equal(v, b' ') | equal(v, b'\n') | equal(v, b'\r') | equal(v, b'\t')
}

#[inline]
#[target_feature(enable = "avx2")]
fn controls(v: __m256i) -> u32 {
    let capped = _mm256_min_epu8(v, _mm256_set1_epi8(0x1f));
    _mm256_movemask_epi8(_mm256_cmpeq_epi8(capped, v)) as u32
}

#[inline]
#[target_feature(enable = "pclmulqdq")]
fn prefix_xor(bits: u64) -> u64 {
    let ones = _mm_set1_epi8(-1);
    _mm_cvtsi128_si64(_mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits as i64), ones)) as u64
}
