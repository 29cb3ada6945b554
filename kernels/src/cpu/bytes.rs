//! Numbers as files and digests have them.

/// The little-endian bytes of numbers, in blocks: writing and hashing take several times as long number by number.
pub(crate) fn little_endian(values: &[f32]) -> impl Iterator<Item = Vec<u8>> {
    values.chunks(1 << 14).map(|block| {
        let mut bytes = vec![0; size_of_val(block)];
        // No chain of iterators, of which little is put in line in builds for tests.
        for (to, value) in bytes.chunks_exact_mut(size_of::<f32>()).zip(block) {
            to.copy_from_slice(&value.to_le_bytes());
        }
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_the_numbers_in_order() {
        let values: Vec<f32> = (0..40_000u32).map(|i| f32::from_bits(i.wrapping_mul(0x9e37_79b9))).collect();
        let bytes: Vec<u8> = little_endian(&values).flatten().collect();
        assert!(bytes == values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        assert_eq!(little_endian(&[]).count(), 0);
    }
}
