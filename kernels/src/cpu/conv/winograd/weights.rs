//! The transform of the weights: from 16 taps to 4×4 classes of each of four residues, or from 9 to those of one.

use super::super::LANES;
use super::axis::CLASSES;
use super::plan::Plan;
use crate::Float;
use crate::cpu::Team;
use crate::multiversion;

/// Taps of a kernel at most, and of one residue in one direction.
pub(super) const TAPS: usize = 16;
pub(super) const MOST: usize = 3;

/// Which side's channels become the lanes of a panel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Small,
    Big,
}

/// Transformed weights, `[panel][class][residue][other side's channel][LANES]`, from `w: (small, big, side, side)`.
pub(super) fn transform<T: Float>(team: &Team, plan: &Plan, side: Side, w: &[T], out: &mut [T]) {
    let other = match side {
        Side::Small => plan.big_channels,
        Side::Big => plan.small_channels,
    };
    team.pieces([(out, plan.kinds() * other * LANES)], |p, [out]| one_panel(plan, side, p * LANES, w, out));
}

multiversion! {
    #[fused]
    /// The weights of the panel whose first lane is channel `first`.
    fn one_panel<T: Float, A: Arithmetic>(plan: &Plan, of: Side, first: usize, w: &[T], out: &mut [T]) {
        // A copy for each, whose loops have known lengths.
        match plan.stride {
            2 => panel::<T, 2>(plan, of, first, w, out),
            _ => panel::<T, 1>(plan, of, first, w, out),
        }
    }
}

#[inline(always)]
fn panel<T: Float, const STRIDE: usize>(plan: &Plan, of: Side, first: usize, w: &[T], out: &mut [T]) {
    let (stride, side, residues) = (STRIDE, STRIDE + 2, STRIDE * STRIDE);
    let square = side * side;
    let (lanes, lane_step, other, other_step) = match of {
        Side::Small => (plan.small_channels, plan.big_channels * square, plan.big_channels, square),
        Side::Big => (plan.big_channels, square, plan.small_channels, plan.big_channels * square),
    };
    let width = LANES.min(lanes - first);
    let out = out.as_chunks_mut::<LANES>().0;
    for c in 0..other {
        // [tap][lane]
        let mut taps = [[T::ZERO; LANES]; TAPS];
        for lane in 0..width {
            let at = (first + lane) * lane_step + c * other_step;
            for (tap, &w) in taps.iter_mut().zip(&w[at..at + square]) {
                tap[lane] = w;
            }
        }
        for residue in 0..residues {
            // The residue's taps, vertically and horizontally, a stride apart.
            let at = residue / stride * side + residue % stride;
            let mut rows = [[[T::ZERO; LANES]; CLASSES]; MOST];
            for (y, row) in rows.iter_mut().enumerate().take(side / stride) {
                let at = at + y * stride * side;
                *row = classes(stride, [taps[at], taps[at + stride], taps[at + side - stride]]);
            }
            for cx in 0..CLASSES {
                let column = [rows[0][cx], rows[1][cx], rows[side / stride - 1][cx]];
                for (cy, weights) in classes(stride, column).into_iter().enumerate() {
                    out[((cy * CLASSES + cx) * residues + residue) * other + c] = weights;
                }
            }
        }
    }
}

/// The four classes of a residue's taps as they lie in W ([`super::axis`]): of b and a, or of c, b and a.
#[inline(always)]
fn classes<T: Float>(stride: usize, [last, middle, first]: [[T; LANES]; MOST]) -> [[T; LANES]; CLASSES] {
    let half = T::from_f64(0.5);
    let mut classes = [first, first, first, last];
    for lane in 0..LANES {
        let (others, b) =
            if stride == 2 { (first[lane], last[lane]) } else { (first[lane] + last[lane], middle[lane]) };
        classes[1][lane] = (others + b) * half;
        classes[2][lane] = (others - b) * half;
    }
    classes
}
