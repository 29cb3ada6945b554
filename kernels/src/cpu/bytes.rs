//! Numbers as files and digests have them, and small pictures of large ones: loops over every element, which stand here because tests
//! optimise this crate alone.

/// The little-endian bytes of numbers, in blocks: writing and hashing take several times as long number by number.
///
/// ```
/// use inkgrad_kernels::cpu::bytes::{from_little_endian, little_endian};
///
/// let bytes: Vec<u8> = little_endian(&[1.0, -2.5]).flatten().collect();
/// assert_eq!(bytes, [0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]);
/// assert_eq!(from_little_endian(&bytes), [1.0, -2.5]);
/// ```
pub fn little_endian(values: &[f32]) -> impl Iterator<Item = Vec<u8>> {
    values.chunks(1 << 14).map(to_bytes)
}

fn to_bytes(values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; size_of_val(values)];
    for (to, value) in bytes.as_chunks_mut().0.iter_mut().zip(values) {
        *to = value.to_le_bytes();
    }
    bytes
}

/// The numbers of little-endian bytes; up to three bytes at the end that make no number are left out.
pub fn from_little_endian(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect()
}

/// The mean of each square of 2 × 2 pixels of an RGB picture `width` pixels wide, rounded down; an odd row or column at the end is left
/// out.
///
/// # Panics
/// If `width` is 0.
pub fn halve(pixels: &[u8], width: usize) -> Vec<u8> {
    let width = 3 * width;
    let small = width / 6 * 3;
    let mut halved = Vec::with_capacity(pixels.len() / 4);
    for rows in pixels.chunks_exact(2 * width) {
        let (above, below) = rows.split_at(width);
        let row = (0..small).map(|to| {
            let at = to / 3 * 6 + to % 3;
            let sum = [above[at], above[at + 3], below[at], below[at + 3]].map(u16::from).iter().sum::<u16>();
            (sum / 4) as u8
        });
        halved.extend(row);
    }
    halved
}
