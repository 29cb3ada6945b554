//! Numbers in fewer bytes: IEEE 754 binary16 and bytes with a scale, both as base64, for a page's script to read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The largest number that binary16 holds.
pub const LARGEST: f32 = 65504.0;

/// The nearest binary16 number, ties to even; what rounds above [`LARGEST`] becomes infinite.
pub fn f16(x: f32) -> u16 {
    let bits = x.to_bits();
    let (sign, magnitude) = ((bits >> 16) as u16 & 0x8000, bits & 0x7fff_ffff);
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00; // NaN
    }
    // f32 has an exponent bias of 127 and 23 bits of mantissa, f16 of 15 and 10.
    let exponent = (magnitude >> 23) as i32 - 127 + 15;
    let (value, dropped) = match exponent {
        31.. => return sign | 0x7c00,
        1.. => (magnitude - (112 << 23), 13),
        // Subnormal: the leading one becomes explicit, and the mantissa moves right.
        -10.. => (magnitude & 0x7f_ffff | 0x80_0000, (14 - exponent) as u32),
        _ => return sign,
    };
    let (kept, rest) = (value >> dropped, value & ((1 << dropped) - 1));
    let half = 1 << (dropped - 1);
    let up = rest > half || (rest == half && kept & 1 == 1);
    sign | (kept + u32::from(up)) as u16
}

/// The number that a binary16 stands for.
pub fn from_f16(half: u16) -> f32 {
    let (exponent, mantissa) = (i32::from(half >> 10 & 31), f32::from(half & 0x3ff));
    let magnitude = match exponent {
        0 => mantissa * 2f32.powi(-24),
        31 if mantissa == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + mantissa / 1024.0) * 2f32.powi(exponent - 15),
    };
    if half & 0x8000 == 0 { magnitude } else { -magnitude }
}

/// The factor by which bytes of −127 to 127 cover `values`.
pub fn byte_scale(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest: f32, value| largest.max(value.abs())) / 127.0
}

/// The byte whose multiple of `scale` is nearest.
pub fn byte(x: f32, scale: f32) -> i8 {
    if scale > 0.0 { (x / scale).round().clamp(-127.0, 127.0) as i8 } else { 0 }
}

/// Halves as base64, low byte first.
pub fn f16_base64(values: impl IntoIterator<Item = f32>) -> String {
    STANDARD.encode(values.into_iter().flat_map(|value| f16(value).to_le_bytes()).collect::<Vec<u8>>())
}

/// Bytes as base64.
pub fn bytes_base64(values: impl IntoIterator<Item = u8>) -> String {
    STANDARD.encode(values.into_iter().collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_comes_back() {
        for half in 0..=u16::MAX {
            let value = from_f16(half);
            assert!(value.is_nan() || f16(value) == half, "{half:#06x} {value}");
        }
    }

    #[test]
    fn the_nearest_half_is_taken_and_the_even_one_of_two() {
        let positive: Vec<f32> = (0..0x7c00).map(from_f16).collect();
        for (half, pair) in (0u16..).zip(positive.windows(2)) {
            let middle = (pair[0] + pair[1]) / 2.0; // exact: 24 bits of mantissa are plenty
            assert_eq!(f16(middle), half + (half & 1), "{middle}");
            assert_eq!(f16(middle.next_down()), half);
            assert_eq!(f16(-middle.next_up()), 0x8000 | (half + 1));
        }
        assert_eq!([65519.9, 65520.0, f32::INFINITY].map(f16), [0x7bff, 0x7c00, 0x7c00]);
        assert_eq!([1e-9, -1e-9].map(f16), [0, 0x8000]);
    }

    #[test]
    fn bytes_cover_the_largest_value() {
        let values = [0.5, -2.0, 0.01];
        let scale = byte_scale(&values);
        assert_eq!(values.map(|x| byte(x, scale)), [32, -127, 1]);
        assert_eq!(byte(0.0, byte_scale(&[0.0])), 0);
    }
}
