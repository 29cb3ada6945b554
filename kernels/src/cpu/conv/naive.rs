//! The three kernels as their formulas stand: what the fast ones are tested against.

use super::{Geometry, Store};
use crate::Float;

/// Calls `f(small element, big element, weight)` with the indices of every product.
fn products(geometry: &Geometry, mut f: impl FnMut(usize, usize, usize)) {
    let Geometry { batch, small: s, big: b, kernel, stride, padding } = *geometry;
    for image in 0..batch {
        for (sy, sx) in (0..s.height).flat_map(|y| (0..s.width).map(move |x| (y, x))) {
            for (ky, kx) in (0..kernel.0).flat_map(|y| (0..kernel.1).map(move |x| (y, x))) {
                let (by, bx) =
                    ((sy * stride.0 + ky).checked_sub(padding.0), (sx * stride.1 + kx).checked_sub(padding.1));
                let (Some(by), Some(bx)) = (by, bx) else { continue };
                if by >= b.height || bx >= b.width {
                    continue;
                }
                for (cs, cb) in (0..s.channels).flat_map(|cs| (0..b.channels).map(move |cb| (cs, cb))) {
                    f(
                        ((image * s.height + sy) * s.width + sx) * s.channels + cs,
                        ((image * b.height + by) * b.width + bx) * b.channels + cb,
                        ((cs * b.channels + cb) * kernel.0 + ky) * kernel.1 + kx,
                    );
                }
            }
        }
    }
}

/// Stores sums as a fast kernel would.
fn store<T: Float>(sums: &[T], bias: Option<&[T]>, store: Store, out: &mut [T]) {
    for (i, (out, &sum)) in out.iter_mut().zip(sums).enumerate() {
        let sum = sum + bias.map_or(T::ZERO, |bias| bias[i % bias.len()]);
        *out = match store {
            Store::Write => sum,
            Store::WriteRelu => T::ZERO.at_least(sum),
            Store::Add => *out + sum,
        };
    }
}

/// As [`super::down`].
pub fn down<T: Float>(geometry: &Geometry, big: &[T], w: &[T], bias: Option<&[T]>, how: Store, small: &mut [T]) {
    let mut sums = vec![T::ZERO; small.len()];
    products(geometry, |s, b, k| sums[s] += big[b] * w[k]);
    store(&sums, bias, how, small);
}

/// As [`super::up`].
pub fn up<T: Float>(geometry: &Geometry, small: &[T], w: &[T], bias: Option<&[T]>, how: Store, big: &mut [T]) {
    let mut sums = vec![T::ZERO; big.len()];
    products(geometry, |s, b, k| sums[b] += small[s] * w[k]);
    store(&sums, bias, how, big);
}

/// As [`super::weight_gradient`].
pub fn weight_gradient<T: Float>(geometry: &Geometry, small: &[T], big: &[T], dw: &mut [T], add: bool) {
    let mut sums = vec![T::ZERO; dw.len()];
    products(geometry, |s, b, k| sums[k] += small[s] * big[b]);
    store(&sums, None, if add { Store::Add } else { Store::Write }, dw);
}
