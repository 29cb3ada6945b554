//! Numbers as bytes, and halved pictures.

use inkgrad_kernels::cpu::bytes::{from_little_endian, halve, little_endian};

#[test]
fn blocks_are_the_numbers_in_order() {
    let values: Vec<f32> = (0..40_000u32).map(|i| f32::from_bits(i.wrapping_mul(0x9e37_79b9))).collect();
    let bytes: Vec<u8> = little_endian(&values).flatten().collect();
    assert!(bytes == values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
    assert_eq!(little_endian(&[]).count(), 0);
    let back = from_little_endian(&[&bytes[..], &[1, 2, 3]].concat());
    assert!(back.iter().map(|x| x.to_bits()).eq(values.iter().map(|x| x.to_bits())));
}

#[test]
fn squares_of_pixels_become_their_mean() {
    // Three pixels wide, three rows: the last row and column are left out.
    let pixels: Vec<u8> = (0..27).map(|i| i * 9).collect();
    let mean = |channel: u16| ((channel + channel + 3 + channel + 9 + channel + 12) * 9 / 4) as u8;
    assert_eq!(halve(&pixels, 3), [0, 1, 2].map(mean));
}
