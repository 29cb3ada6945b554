//! The transform of the weights: from 16 taps to 4×4 classes of each of four residues.

use super::super::LANES;
use super::axis::{CLASSES, RESIDUES};
use super::plan::Plan;
use crate::Float;
use crate::cpu::Team;
use crate::multiversion;

/// Taps of a kernel.
pub(super) const TAPS: usize = 16;
/// Residues times classes.
pub(super) const KINDS: usize = RESIDUES * RESIDUES * CLASSES * CLASSES;

/// Which side's channels become the lanes of a panel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Small,
    Big,
}

/// Transformed weights, `[panel][class][residue][other side's channel][LANES]`, from `w: (small, big, 4, 4)`.
pub(super) fn transform<T: Float>(team: &Team, plan: &Plan, side: Side, w: &[T], out: &mut [T]) {
    let other = match side {
        Side::Small => plan.big_channels,
        Side::Big => plan.small_channels,
    };
    team.pieces([(out, KINDS * other * LANES)], |p, [out]| one_panel(plan, side, p * LANES, w, out));
}

multiversion! {
    #[fused]
    /// The weights of the panel whose first lane is channel `first`.
    fn one_panel<T: Float, A: Arithmetic>(plan: &Plan, side: Side, first: usize, w: &[T], out: &mut [T]) {
        let (lanes, lane_step, other, other_step) = match side {
            Side::Small => (plan.small_channels, plan.big_channels * TAPS, plan.big_channels, TAPS),
            Side::Big => (plan.big_channels, TAPS, plan.small_channels, plan.big_channels * TAPS),
        };
        let width = LANES.min(lanes - first);
        let out = out.as_chunks_mut::<LANES>().0;
        for c in 0..other {
            // [tap][lane]
            let mut taps = [[T::ZERO; LANES]; TAPS];
            for lane in 0..width {
                let at = (first + lane) * lane_step + c * other_step;
                for (tap, &w) in taps.iter_mut().zip(&w[at..at + TAPS]) {
                    tap[lane] = w;
                }
            }
            for residue in 0..RESIDUES * RESIDUES {
                // The residue's taps b and a, vertically and horizontally.
                let at = residue / RESIDUES * 4 + residue % RESIDUES;
                let (b, a) = (classes(taps[at + 2], taps[at]), classes(taps[at + 10], taps[at + 8]));
                for cx in 0..CLASSES {
                    for (cy, weights) in classes(a[cx], b[cx]).into_iter().enumerate() {
                        out[((cy * CLASSES + cx) * RESIDUES * RESIDUES + residue) * other + c] = weights;
                    }
                }
            }
        }
    }
}

/// a, (a + b)/2, (a − b)/2 and b.
#[inline(always)]
fn classes<T: Float>(a: [T; LANES], b: [T; LANES]) -> [[T; LANES]; CLASSES] {
    let half = T::from_f64(0.5);
    let mut classes = [a, a, b, b];
    for lane in 0..LANES {
        classes[1][lane] = (a[lane] + b[lane]) * half;
        classes[2][lane] = (a[lane] - b[lane]) * half;
    }
    classes
}
