//! The gradient of the weights between points.

use std::ops::Range;

use super::super::super::LANES;
use super::super::product;
use super::{G, KINDS, POINTS, Pass, SLICE_ELEMENTS, TAPS, transform};
use crate::Float;
use crate::cpu::Team;
use crate::cpu::lanes::Lanes;
use crate::multiversion;

/// Small channels of a partial result.
const BLOCK_CHANNELS: usize = 64;

/// Partial results at most: each is a sum over a fixed share of the batch for a block of channels, and the shares are added in
/// order.
const MAX_PARTIAL: usize = 4;

/// How the work is cut; depends on the shapes alone.
struct Cut {
    /// Blocks of small channels.
    blocks: usize,
    /// Shares of the batch.
    shares: usize,
    images_per_share: usize,
    /// Images of a slice.
    slice: usize,
    /// Elements of a slice's points of the small side, a block of channels, and of the big side.
    small: usize,
    big: usize,
    /// Elements of one partial result, `[point][small channel of the block][big channel, padded]`.
    result: usize,
}

impl Cut {
    fn new(pass: &Pass) -> Cut {
        let channels = BLOCK_CHANNELS.min(pass.to.padded_channels());
        let (small, big) = (KINDS * pass.tiles() * channels, KINDS * pass.tiles() * pass.from.padded_channels());
        let slice = (SLICE_ELEMENTS / (small + big)).clamp(1, 16).min(pass.batch);
        let blocks = pass.to.channels.div_ceil(BLOCK_CHANNELS);
        let images_per_share = pass.batch.div_ceil((MAX_PARTIAL / blocks).max(1)).next_multiple_of(slice);
        Cut {
            blocks,
            shares: pass.batch.div_ceil(images_per_share),
            images_per_share,
            slice,
            small: slice * small,
            big: slice * big,
            result: KINDS * channels * pass.from.padded_channels(),
        }
    }

    /// Elements that a share of a block works on.
    fn memory(&self) -> usize {
        self.result + self.small + self.big
    }

    fn scratch(&self) -> usize {
        self.shares * self.blocks * self.memory()
    }

    /// The small channels of a block.
    fn channels(&self, pass: &Pass, block: usize) -> Range<usize> {
        block * BLOCK_CHANNELS..((block + 1) * BLOCK_CHANNELS).min(pass.to.channels)
    }
}

impl Pass {
    /// Partial results of a weight gradient: shares of the batch.
    pub(super) fn shares(&self) -> usize {
        Cut::new(self).shares
    }

    /// Elements of scratch that [`weight_gradient`] needs.
    pub(in crate::cpu::conv) fn weight_gradient_scratch(&self) -> usize {
        Cut::new(self).scratch()
    }
}

/// As [`super::super::super::weight_gradient`], of a pass down, with [`Pass::weight_gradient_scratch`] elements of scratch.
pub(in crate::cpu::conv) fn weight_gradient<T: Float>(
    team: &Team,
    pass: &Pass,
    small: &[T],
    big: &[T],
    dw: &mut [T],
    add: bool,
    scratch: &mut [T],
) {
    let cut = Cut::new(pass);
    let scratch = &mut scratch[..cut.scratch()];
    team.pieces([(&mut *scratch, cut.memory())], |task, [memory]| {
        let (share, channels) = (task / cut.blocks, cut.channels(pass, task % cut.blocks));
        let (result, rest) = memory.split_at_mut(cut.result);
        let (z, v) = rest.split_at_mut(cut.small);
        result.fill(T::ZERO);
        let images = share * cut.images_per_share..((share + 1) * cut.images_per_share).min(pass.batch);
        for first in images.clone().step_by(cut.slice) {
            let count = cut.slice.min(images.end - first);
            transform::to_to_points(pass, count, channels.clone(), &small[first * pass.to.len()..], z);
            transform::from_to_points(pass, count, &big[first * pass.from.len()..], v);
            multiply(pass, count, channels.len(), z, v, result);
        }
    });
    let scratch = &*scratch;
    team.pieces([(dw, pass.from.channels * TAPS)], |c, [dw]| taps(pass, &cut, scratch, c, dw, add));
}

multiversion! {
    /// `dU[point] += Z[point]ᵀ · V[point]` over the tiles of a slice, for `channels` small channels.
    fn multiply<T: Float, A: Arithmetic>(
        pass: &Pass,
        images: usize,
        channels: usize,
        z: &[T],
        v: &[T],
        result: &mut [T],
    ) {
        let (rows, small, big) = (pass.tiles() * images, channels.next_multiple_of(LANES), pass.from.padded_channels());
        for (point, result) in result.chunks_exact_mut(channels * big).enumerate().take(KINDS) {
            let (z, v) = ((&z[point * rows * small..], small), (&v[point * rows * big..], big));
            product::transposed::<T, A>(z, v, rows, (result, big), channels, big);
        }
    }
}

multiversion! {
    /// `dW = Gᵀ · dU · G` of one small channel, `(big channels, 3, 3)`, the shares added in order.
    fn taps<T: Float, A: Arithmetic>(pass: &Pass, cut: &Cut, partial: &[T], channel: usize, dw: &mut [T], add: bool) {
        let (big, block) = (pass.from.padded_channels(), channel / BLOCK_CHANNELS);
        let (channels, channel) = (cut.channels(pass, block).len(), channel % BLOCK_CHANNELS);
        for first in (0..pass.from.channels).step_by(LANES) {
            let mut taps = [[T::ZERO; LANES]; TAPS];
            let mut sums = [[A::Lanes::<T>::splat(T::ZERO); 3]; 3];
            for (py, gy) in G.iter().enumerate() {
                let mut row = [A::Lanes::<T>::splat(T::ZERO); 3];
                for (px, gx) in G.iter().enumerate() {
                    let at = ((py * POINTS + px) * channels + channel) * big + first;
                    let mut sum = A::Lanes::<T>::splat(T::ZERO);
                    for share in 0..cut.shares {
                        let of_share = &partial[(share * cut.blocks + block) * cut.memory() + at..][..LANES];
                        // SAFETY: a slice of `LANES` elements.
                        sum = sum.add(unsafe { A::Lanes::<T>::load(of_share.as_ptr()) });
                    }
                    for (row, &g) in row.iter_mut().zip(gx) {
                        *row = sum.mul_add(A::Lanes::<T>::splat(T::from_f64(g)), *row);
                    }
                }
                for (sums, &g) in sums.iter_mut().zip(gy) {
                    for (sum, row) in sums.iter_mut().zip(row) {
                        *sum = row.mul_add(A::Lanes::<T>::splat(T::from_f64(g)), *sum);
                    }
                }
            }
            for (to, sum) in taps.iter_mut().zip(sums.as_flattened()) {
                // SAFETY: an array of `LANES` elements.
                unsafe { sum.store(to.as_mut_ptr()) };
            }
            for (lane, dw) in dw[first * TAPS..].as_chunks_mut::<TAPS>().0.iter_mut().take(LANES).enumerate() {
                for (dw, tap) in dw.iter_mut().zip(&taps) {
                    *dw = if add { *dw + tap[lane] } else { tap[lane] };
                }
            }
        }
    }
}
