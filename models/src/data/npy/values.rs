//! Values as arrays have them: half precision, and planes of channels.

/// IEEE 754 half precision: a sign, five bits of exponent, ten of fraction.
pub(in crate::data) fn f32_from_f16(half: u16) -> f32 {
    let sign = if half >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(half >> 10 & 0x1f);
    let fraction = f32::from(half & 0x3ff);
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    sign * magnitude
}

/// Pictures of `channels` planes each, of `each` values, with the channels of a pixel side by side:
/// (N, C, H, W) to (N, H, W, C).
pub(in crate::data) fn interleave<T: Copy>(planes: &[T], channels: usize, each: usize) -> Vec<T> {
    let pixels = each / channels;
    let picture =
        |picture: &[T]| -> Vec<T> { (0..each).map(|i| picture[i % channels * pixels + i / channels]).collect() };
    planes.chunks_exact(each).flat_map(picture).collect()
}
