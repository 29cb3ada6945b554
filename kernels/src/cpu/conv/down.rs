//! From the big side to the small one: a convolution's forward.

use super::pack::{self, Lanes};
use super::tile::{Steps, Taps, patch};
use super::winograd::{self, Plan};
use super::{Geometry, LANES, SLICE, Store, taps_of_small};
use crate::Float;
use crate::cpu::Team;
use crate::cpu::tiles::{Tiles, with_rows};
use crate::multiversion;

/// `small[s] = bias + Σₖ big[s · stride − padding + k] · W[k]`, stored as `store` says.
///
/// - `big`: `(batch, height, width, channels)` of the big side; `small` alike.
/// - `w`: `(small channels, big channels, kh, kw)`; `bias`: `(small channels)`.
/// - `scratch`: [`Geometry::down_scratch`] elements.
#[allow(clippy::too_many_arguments)]
pub fn down<T: Float>(
    team: &Team,
    geometry: &Geometry,
    big: &[T],
    w: &[T],
    bias: Option<&[T]>,
    store: Store,
    small: &mut [T],
    scratch: &mut [T],
) {
    geometry.check(small.len(), big.len(), w.len());
    match Plan::of_down(geometry) {
        Some(plan) => winograd::down(team, &plan, big, w, bias, store, small, scratch),
        None => down_direct(team, geometry, big, w, bias, store, small, scratch),
    }
}

/// [`down`] product by product.
#[allow(clippy::too_many_arguments)]
pub(super) fn down_direct<T: Float>(
    team: &Team,
    geometry: &Geometry,
    big: &[T],
    w: &[T],
    bias: Option<&[T]>,
    store: Store,
    small: &mut [T],
    scratch: &mut [T],
) {
    let (panels, bias) = pack::weights(team, geometry, Lanes::Small, w, bias, scratch);
    team.pieces([(small, SLICE * geometry.small.len())], |slice, [small]| {
        let images = small.len() / geometry.small.len();
        let first = slice * SLICE * geometry.big.len();
        let big = &big[first..first + images * geometry.big.len()];
        down_slice(geometry, images, big, panels, bias, store, small);
    });
}

multiversion! {
    fn down_slice<T: Float, A: Arithmetic>(
        geometry: &Geometry,
        images: usize,
        big: &[T],
        panels: &[T],
        bias: &[T],
        store: Store,
        small: &mut [T],
    ) {
        let Geometry { small: s, big: b, kernel, stride, padding, .. } = *geometry;
        let panel_len = geometry.taps() * b.channels * LANES;
        for (p, panel) in panels.chunks_exact(panel_len).enumerate() {
            let width = LANES.min(s.channels - p * LANES);
            let bias = &bias[p * LANES..][..LANES];
            for y in 0..s.height {
                let ky = taps_of_small(y, geometry.vertical());
                for x in 0..s.width {
                    let kx = taps_of_small(x, geometry.horizontal());
                    // A pixel whose taps all lie outside has none, and no place.
                    let row = (y * stride.0 + ky.start).saturating_sub(padding.0);
                    let column = (x * stride.1 + kx.start).saturating_sub(padding.1);
                    // A row of taps is contiguous on both sides: one run.
                    let taps = Taps {
                        x: (row * b.width + column) * b.channels,
                        w: (ky.start * kernel.1 + kx.start) * b.channels,
                        len: kx.len() * b.channels,
                        vertical: Steps {
                            count: ky.len(),
                            x: (b.width * b.channels) as isize,
                            w: kernel.1 * b.channels,
                        },
                        horizontal: Steps { count: 1, x: 0, w: 0 },
                    };
                    let pixel = (y * s.width + x) * s.channels + p * LANES;
                    for (image, rows) in Tiles::new::<A>(images) {
                        // SAFETY: `down` checked the lengths; images image..image + rows exist, runs lie inside one
                        // image and one panel, and the tile's channels inside the pixel.
                        unsafe {
                            let x = big.as_ptr().add(image * b.len());
                            let y = small.as_mut_ptr().add(image * s.len() + pixel);
                            let (w, bias) = (panel.as_ptr(), bias.as_ptr());
                            with_rows!(rows, A, patch::<T>(x, b.len(), taps, w, bias, y, s.len(), width, store));
                        }
                    }
                }
            }
        }
    }
}
