//! The indexer for AVX2, and what the one for AVX-512 takes over.

use std::arch::x86_64::*;

use super::blocks::{Block, flatten, scan};
use super::numbers::Numeral;
use super::walk::walk;
use super::{Indexed, Job, ParseError, Workspace};
use crate::value::value::Value;

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

#[target_feature(enable = "avx2,pclmulqdq,bmi1,bmi2,lzcnt,popcnt")]
pub(super) fn index(
    job: &Job<'_>,
    workspace: &mut Workspace,
    tape: &mut Vec<Value>,
) -> Result<Indexed, ParseError> {
    // SAFETY: the caller checked these CPU features (this function requires them).
    let classify = |bytes: &[u8; 64]| unsafe { classify(bytes.as_ptr()) };
    // SAFETY: `scan` made room for 64 positions.
    let flatten = |bits, base, to| unsafe { flatten(bits, base, to) };
    let traits = scan(job, workspace, classify, |bits| prefix_xor(bits), flatten)?;
    walk(job, traits, workspace, tape, |bytes| numeral(bytes), |word, count| _bzhi_u64(word, count))
}

/// By a byte's low half: the structural character that the byte, with bit 0x20 set, is equal to if
/// it is one. 0xff stands for none: a look-up by a byte beyond ASCII gives 0.
pub(super) const STRUCTURALS: [u8; 16] = {
    let mut table = [0xff; 16];
    (table[0xa], table[0xb], table[0xc], table[0xd]) = (b':', b'{', b',', b'}');
    table
};

/// By a byte's low half: the space that the byte is equal to if it is one.
pub(super) const SPACES: [u8; 16] = {
    let mut table = [0xff; 16];
    (table[0], table[0x9], table[0xa], table[0xd]) = (b' ', b'\t', b'\n', b'\r');
    table
};

/// # Safety
/// 64 bytes at `from` are readable.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn classify(from: *const u8) -> Block {
    // SAFETY: promised by the caller.
    let (low, high) =
        unsafe { (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())) };
    let join = |low: __m256i, high: __m256i| {
        let bits = |v| u64::from(_mm256_movemask_epi8(v) as u32);
        bits(low) | bits(high) << 32
    };
    let equal = |byte: u8| {
        let byte = _mm256_set1_epi8(byte as i8);
        join(_mm256_cmpeq_epi8(low, byte), _mm256_cmpeq_epi8(high, byte))
    };
    Block {
        quotes: equal(b'"'),
        backslashes: equal(b'\\'),
        structurals: join(structurals(low), structurals(high)),
        spaces: join(spaces(low), spaces(high)),
        controls: join(controls(low), controls(high)),
        wide: _mm256_movemask_epi8(_mm256_or_si256(low, high)) as u32 as u64,
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn table(entries: &[u8; 16]) -> __m256i {
    // SAFETY: an unaligned load of the 16 bytes of `entries`.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(entries.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx2")]
fn structurals(v: __m256i) -> __m256i {
    let folded = _mm256_or_si256(v, _mm256_set1_epi8(0x20));
    _mm256_cmpeq_epi8(folded, _mm256_shuffle_epi8(table(&STRUCTURALS), v))
}

#[inline]
#[target_feature(enable = "avx2")]
fn spaces(v: __m256i) -> __m256i {
    _mm256_cmpeq_epi8(v, _mm256_shuffle_epi8(table(&SPACES), v))
}

#[inline]
#[target_feature(enable = "avx2")]
fn controls(v: __m256i) -> __m256i {
    _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1f)), v)
}

/// Each bit is the parity of the bits up to it.
#[inline]
#[target_feature(enable = "pclmulqdq")]
pub(super) fn prefix_xor(bits: u64) -> u64 {
    let ones = _mm_set1_epi8(-1);
    _mm_cvtsi128_si64(_mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits as i64), ones)) as u64
}

/// The digits and points among the bytes.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn numeral(bytes: &[u8; 16]) -> Numeral {
    // SAFETY: an unaligned load of the 16 bytes of `bytes`.
    let v = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
    let above = _mm_sub_epi8(v, _mm_set1_epi8(b'0' as i8));
    let is_digit = _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8(9)), above);
    let is_point = _mm_cmpeq_epi8(v, _mm_set1_epi8(b'.' as i8));
    let bits = |v| _mm_movemask_epi8(v) as u32;
    Numeral { digits: bits(is_digit), points: bits(is_point) }
}
