//! FNV-1a: names and seeds that must be the same everywhere and protect nothing.

/// Where a hash begins.
const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;

/// The hash so far, with these bytes behind what it is of.
#[inline]
pub fn hash_on(hash: u64, bytes: impl IntoIterator<Item = u8>) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    bytes.into_iter().fold(hash, mix)
}

/// The hash of these bytes.
#[inline]
pub fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    hash_on(HASH_START, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_fnv_1a() {
        assert_eq!(hash(*b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(*b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(hash_on(hash(*b"foo"), *b"bar"), hash(*b"foobar"));
    }
}
