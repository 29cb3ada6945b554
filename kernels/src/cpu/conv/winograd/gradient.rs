//! The gradient of the weights between points: the third transpose of the algorithm.

use std::ops::Range;

use super::super::LANES;
use super::axis::CLASSES;
use super::plan::Plan;
use super::product;
use super::transform;
use super::weights::{MOST, TAPS};
use crate::Float;
use crate::cpu::Team;
use crate::cpu::lanes::Lanes;
use crate::cpu::simd::Arithmetic;
use crate::multiversion;

/// Elements of points that a slice of images may have. More of them than where points are multiplied with weights: the longer
/// the sums, the fewer times partial results are read and written.
const SLICE_ELEMENTS: usize = 192 << 10;

/// Small channels of a partial result: those of one block stay in the L2 cache beside a slice's points.
const BLOCK_CHANNELS: usize = 64;

/// Partial results at most: each is a sum over a fixed share of the batch for a block of channels, and the shares are added in
/// order. They are four times as large as the weights; eight of them would be a sixteenth of a cnn-vae's memory.
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
    /// Elements of one partial result, `[class][small channel of the block][residue][big channel, padded]`.
    result: usize,
}

impl Cut {
    fn new(plan: &Plan) -> Cut {
        let channels = BLOCK_CHANNELS.min(plan.small_padded());
        let (small, big) = (plan.points() * channels, plan.points() * plan.residues() * plan.big_padded());
        let slice = (SLICE_ELEMENTS / (small + big)).clamp(1, 16).min(plan.batch);
        let blocks = plan.small_channels.div_ceil(BLOCK_CHANNELS);
        let images_per_share = plan.batch.div_ceil((MAX_PARTIAL / blocks).max(1)).next_multiple_of(slice);
        Cut {
            blocks,
            shares: plan.batch.div_ceil(images_per_share),
            images_per_share,
            slice,
            small: slice * small,
            big: slice * big,
            result: plan.kinds() * channels * plan.big_padded(),
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
    fn channels(&self, plan: &Plan, block: usize) -> Range<usize> {
        block * BLOCK_CHANNELS..((block + 1) * BLOCK_CHANNELS).min(plan.small_channels)
    }
}

impl Plan {
    /// Partial results of a weight gradient: shares of the batch.
    pub fn shares(&self) -> usize {
        Cut::new(self).shares
    }

    /// Elements of scratch that [`weight_gradient`] needs.
    pub fn weight_gradient_scratch(&self) -> usize {
        Cut::new(self).scratch()
    }
}

/// As [`super::super::weight_gradient`], with [`Plan::weight_gradient_scratch`] elements of scratch.
pub fn weight_gradient<T: Float>(
    team: &Team,
    plan: &Plan,
    small: &[T],
    big: &[T],
    dw: &mut [T],
    add: bool,
    scratch: &mut [T],
) {
    let cut = Cut::new(plan);
    let scratch = &mut scratch[..cut.scratch()];
    team.pieces([(&mut *scratch, cut.memory())], |task, [memory]| {
        let (share, channels) = (task / cut.blocks, cut.channels(plan, task % cut.blocks));
        let (result, rest) = memory.split_at_mut(cut.result);
        let (v, z) = rest.split_at_mut(cut.small);
        result.fill(T::ZERO);
        let images = share * cut.images_per_share..((share + 1) * cut.images_per_share).min(plan.batch);
        for first in images.clone().step_by(cut.slice) {
            let count = cut.slice.min(images.end - first);
            transform::small_to_points(plan, count, channels.clone(), &small[first * plan.small_len()..], v);
            transform::big_to_points(plan, count, &big[first * plan.big_len()..], z);
            multiply(plan, count, channels.len(), v, z, result);
        }
    });
    let scratch = &*scratch;
    team.pieces([(dw, plan.big_channels * plan.side() * plan.side())], |c, [dw]| taps(plan, &cut, scratch, c, dw, add));
}

multiversion! {
    #[fused]
    /// `dU_ρ[class] += V[point]ᵀ · Z_ρ[point]` over the points of a slice, for `channels` small channels.
    fn multiply<T: Float, A: Arithmetic>(
        plan: &Plan,
        images: usize,
        channels: usize,
        v: &[T],
        z: &[T],
        result: &mut [T],
    ) {
        let (small, big) = (channels.next_multiple_of(LANES), plan.big_padded());
        let all = plan.residues() * big;
        for class in 0..CLASSES * CLASSES {
            let result = &mut result[class * channels * all..][..channels * all];
            for block in plan.blocks(class) {
                let (first, rows) = (block.first * images, block.count * images);
                let (v, z) = (&v[first * small..], &z[first * all..]);
                // The residues lie side by side: those of a row at least, all where both directions have both.
                let (y, x) = (block.y.1, block.x.1);
                let (runs, columns) = if y * x == plan.residues() { (1, all) } else { (y, x * big) };
                for run in 0..runs {
                    let at = ((block.y.0 + run) * plan.stride + block.x.0) * big;
                    if rows * columns > 0 {
                        let (v, z) = ((v, small), (&z[at..], all));
                        product::transposed::<T, A>(v, z, rows, (&mut result[at..], all), channels, columns);
                    }
                }
            }
        }
    }
}

multiversion! {
    #[fused]
    /// `dW_ρ = Gᵀ · dU_ρ` of one small channel, `(big channels, side, side)`, the shares added in order.
    fn taps<T: Float, A: Arithmetic>(plan: &Plan, cut: &Cut, partial: &[T], channel: usize, dw: &mut [T], add: bool) {
        // A copy for each, whose loops have known lengths.
        match plan.stride {
            2 => taps_by::<T, A, 2>(plan, cut, partial, channel, dw, add),
            _ => taps_by::<T, A, 1>(plan, cut, partial, channel, dw, add),
        }
    }
}

#[inline(always)]
fn taps_by<T: Float, A: Arithmetic, const STRIDE: usize>(
    plan: &Plan,
    cut: &Cut,
    partial: &[T],
    channel: usize,
    dw: &mut [T],
    add: bool,
) {
    let (stride, side, residues) = (STRIDE, STRIDE + 2, STRIDE * STRIDE);
    let (big, block) = (plan.big_padded(), channel / BLOCK_CHANNELS);
    let (channels, channel) = (cut.channels(plan, block).len(), channel % BLOCK_CHANNELS);
    for first in (0..plan.big_channels).step_by(LANES) {
        let mut taps = [[T::ZERO; LANES]; TAPS];
        for residue in 0..residues {
            let mut columns = [[A::Lanes::<T>::splat(T::ZERO); MOST]; CLASSES];
            for (cx, column) in columns.iter_mut().enumerate() {
                let mut classes = [A::Lanes::<T>::splat(T::ZERO); CLASSES];
                for (cy, sum) in classes.iter_mut().enumerate() {
                    let row = (cy * CLASSES + cx) * channels + channel;
                    let at = (row * residues + residue) * big + first;
                    for share in 0..cut.shares {
                        let of_share = &partial[(share * cut.blocks + block) * cut.memory() + at..][..LANES];
                        // SAFETY: a slice of `LANES` elements.
                        *sum = sum.add(unsafe { A::Lanes::<T>::load(of_share.as_ptr()) });
                    }
                }
                *column = taps_of(stride, classes);
            }
            let [c0, c1, c2, c3] = columns;
            // The residue's taps, vertically and horizontally, a stride apart.
            for y in 0..side / stride {
                let row = taps_of(stride, [c0[y], c1[y], c2[y], c3[y]]);
                for (x, tap) in row.into_iter().enumerate().take(side / stride) {
                    let to = &mut taps[(stride * y + residue / stride) * side + stride * x + residue % stride];
                    // SAFETY: an array of `LANES` elements.
                    unsafe { tap.store(to.as_mut_ptr()) };
                }
            }
        }
        let dw = dw[first * side * side..].chunks_exact_mut(side * side).take(LANES);
        for (lane, dw) in dw.enumerate() {
            for (dw, tap) in dw.iter_mut().zip(&taps) {
                *dw = if add { *dw + tap[lane] } else { tap[lane] };
            }
        }
    }
}

/// The gradients of a residue's taps from those of the four classes ([`super::axis`]): of b and a, or of c, b and a, as they lie in W.
#[inline(always)]
fn taps_of<T: Float, L: Lanes<T>>(stride: usize, classes: [L; CLASSES]) -> [L; MOST] {
    let (half, minus) = (L::splat(T::from_f64(0.5)), L::splat(-T::ONE));
    let [first, sum, difference, last] = classes;
    let (both, middle) = (sum.add(difference), difference.mul_add(minus, sum));
    if stride == 2 {
        return [middle.mul_add(half, last), both.mul_add(half, first), first];
    }
    [both.mul_add(half, last), middle.mul_add(half, L::splat(T::ZERO)), both.mul_add(half, first)]
}
