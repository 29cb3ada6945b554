//! Winograd's algorithm for kernels of 4×4 and stride 2, and of 3×3 and stride 1: fewer multiplications, between points instead of pixels.
//!
//! A big pixel meets only the taps of its residue modulo the stride, so that a kernel of 4×4 is four kernels of 2×2 at stride 1,
//! one for each residue ρ; a kernel of stride 1 has one residue. In one direction these have a bilinear algorithm (`axis.rs`): with
//! matrices B, A, G of small constants
//!
//! ```text
//! big_ρ = Aᵀ · ((G·W_ρ) ⊙ (B·small))
//! ```
//!
//! where three outputs of two taps, or two of three, need four products instead of six; in two directions it is nested, 16 products
//! instead of 36. B does not depend on ρ. Summed over channels, each element of the product ⊙ is a matrix product, and so are those of
//! the map's two transposes:
//!
//! | kernel | products | transforms |
//! |---|---|---|
//! | [`up`] | `M_ρ[point] = V[point] · U_ρ[class]` | `V = B·small`, `big_ρ = Aᵀ·M_ρ` |
//! | [`down`] | `N[point] = Σ_ρ Z_ρ[point] · U_ρ[class]ᵀ` | `Z_ρ = A·big_ρ`, `small = Bᵀ·N` |
//! | [`weight_gradient`] | `dU_ρ[class] = Σ V[point]ᵀ · Z_ρ[point]` | `V = B·small`, `Z_ρ = A·big_ρ`, `dW_ρ = Gᵀ·dU_ρ` |
//!
//! with `U_ρ = G·W_ρ`. A slice of images is transformed, multiplied and transformed back in memory that stays in the L2 cache.
//!
//! Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, 2016; Huang et al., *DWM: A Decomposable Winograd Method
//! for Convolution Acceleration*, 2020.

mod axis;
mod gradient;
mod maps;
mod plan;
mod product;
mod transform;
mod weights;

use super::tile::{Steps, Taps};
use super::{LANES, Store};
use crate::Float;
use crate::cpu::Team;
use crate::multiversion;
use axis::CLASSES;
pub use gradient::weight_gradient;
pub use plan::Plan;
use weights::Side;

/// Elements of points that a slice of images may have.
const SLICE_ELEMENTS: usize = 128 << 10;

/// Slices that are worked on at the same time at most: each needs memory.
const MAX_WORKERS: usize = 8;

/// How images are cut and what memory a slice needs.
struct Slices {
    images: usize,
    memory: usize,
    workers: usize,
}

impl Slices {
    /// Of `per_image` elements and `fixed` ones.
    fn new(batch: usize, per_image: usize, fixed: usize) -> Slices {
        let images = (SLICE_ELEMENTS / per_image).clamp(1, 16).min(batch);
        Slices { images, memory: images * per_image + fixed, workers: batch.div_ceil(images).min(MAX_WORKERS) }
    }
}

impl Plan {
    /// Elements of transformed weights with lanes of one side.
    fn weights(&self, side: Side) -> usize {
        self.kinds()
            * match side {
                Side::Small => self.small_padded() * self.big_channels,
                Side::Big => self.big_padded() * self.small_channels,
            }
    }

    fn up_slices(&self) -> Slices {
        Slices::new(self.batch, self.points() * (self.small_padded() + self.big_padded()), 0)
    }

    fn down_slices(&self) -> Slices {
        let per_image = self.points() * (self.small_padded() + self.residues() * self.big_padded());
        Slices::new(self.batch, per_image, self.y.small * self.x.small * LANES)
    }

    /// Elements of scratch that [`up`] needs.
    pub fn up_scratch(&self) -> usize {
        let slices = self.up_slices();
        self.weights(Side::Big) + self.big_padded() + slices.workers * slices.memory
    }

    /// Elements of scratch that [`down`] needs.
    pub fn down_scratch(&self) -> usize {
        let slices = self.down_slices();
        self.weights(Side::Small) + self.small_padded() + slices.workers * slices.memory
    }
}

/// The bias in whole lanes, zeros if there is none.
fn pad_bias<T: Float>(bias: Option<&[T]>, padded: &mut [T]) {
    padded.fill(T::ZERO);
    if let Some(bias) = bias {
        padded[..bias.len()].copy_from_slice(bias);
    }
}

/// As [`super::up`], with [`Plan::up_scratch`] elements of scratch.
#[allow(clippy::too_many_arguments)]
pub fn up<T: Float>(
    team: &Team,
    plan: &Plan,
    small: &[T],
    w: &[T],
    bias: Option<&[T]>,
    how: Store,
    big: &mut [T],
    scratch: &mut [T],
) {
    let slices = plan.up_slices();
    let (u, rest) = scratch.split_at_mut(plan.weights(Side::Big));
    let (padded_bias, rest) = rest.split_at_mut(plan.big_padded());
    weights::transform(team, plan, Side::Big, w, u);
    pad_bias(bias, padded_bias);
    let (u, bias) = (&*u, &*padded_bias);
    let memory = (&mut rest[..slices.workers * slices.memory], slices.memory);
    team.pieces_in([(big, slices.images * plan.big_len())], memory, |slice, [big], memory| {
        let images = big.len() / plan.big_len();
        let small = &small[slice * slices.images * plan.small_len()..][..images * plan.small_len()];
        let (v, m) = memory.split_at_mut(slices.images * plan.points() * plan.small_padded());
        transform::small_to_points(plan, images, 0..plan.small_channels, small, v);
        for residue in 0..plan.residues() {
            let residue = (residue / plan.stride, residue % plan.stride);
            multiply_up(plan, images, residue, v, u, m);
            transform::points_to_big(plan, images, residue, m, bias, how, big);
        }
    });
}

multiversion! {
    #[fused]
    /// `M_ρ[point] = V[point] · U_ρ[class]`.
    fn multiply_up<T: Float, A: Arithmetic>(
        plan: &Plan,
        images: usize,
        residue: (usize, usize),
        v: &[T],
        u: &[T],
        m: &mut [T],
    ) {
        let (channels, small, big) = (plan.small_channels, plan.small_padded(), plan.big_padded());
        // [panel][class][residue][channel][LANES]
        let panel = plan.kinds() * channels * LANES;
        let none = Steps { count: 1, x: 0, w: 0 };
        let w = (residue.0 * plan.stride + residue.1) * channels;
        let taps = Taps { x: 0, w, len: channels, vertical: none, horizontal: none };
        for class in 0..CLASSES * CLASSES {
            let u = &u[class * plan.residues() * channels * LANES..];
            for block in plan.blocks(class) {
                let (first, rows) = (block.first * images, block.count * images);
                if rows > 0 && block.of(residue) {
                    product::rows::<T, A>(&v[first * small..], small, taps, u, panel, &mut m[first * big..], big, rows);
                }
            }
        }
    }
}

/// As [`super::down`], with [`Plan::down_scratch`] elements of scratch.
#[allow(clippy::too_many_arguments)]
pub fn down<T: Float>(
    team: &Team,
    plan: &Plan,
    big: &[T],
    w: &[T],
    bias: Option<&[T]>,
    how: Store,
    small: &mut [T],
    scratch: &mut [T],
) {
    let slices = plan.down_slices();
    let (u, rest) = scratch.split_at_mut(plan.weights(Side::Small));
    let (padded_bias, rest) = rest.split_at_mut(plan.small_padded());
    weights::transform(team, plan, Side::Small, w, u);
    pad_bias(bias, padded_bias);
    let (u, bias) = (&*u, &*padded_bias);
    let memory = (&mut rest[..slices.workers * slices.memory], slices.memory);
    team.pieces_in([(small, slices.images * plan.small_len())], memory, |slice, [small], memory| {
        let images = small.len() / plan.small_len();
        let big = &big[slice * slices.images * plan.big_len()..][..images * plan.big_len()];
        let (z, rest) = memory.split_at_mut(slices.images * plan.points() * plan.residues() * plan.big_padded());
        let (n, sums) = rest.split_at_mut(slices.images * plan.points() * plan.small_padded());
        transform::big_to_points(plan, images, big, z);
        multiply_down(plan, images, z, u, n);
        transform::points_to_small(plan, images, n, bias, how, small, sums);
    });
}

multiversion! {
    #[fused]
    /// `N[point] = Σ_ρ Z_ρ[point] · U_ρ[class]ᵀ`.
    fn multiply_down<T: Float, A: Arithmetic>(plan: &Plan, images: usize, z: &[T], u: &[T], n: &mut [T]) {
        let (channels, small, big) = (plan.big_channels, plan.small_padded(), plan.big_padded());
        let (panel, all) = (plan.kinds() * channels * LANES, plan.residues() * big);
        for class in 0..CLASSES * CLASSES {
            let u = &u[class * plan.residues() * channels * LANES..];
            for block in plan.blocks(class) {
                let (first, rows) = (block.first * images, block.count * images);
                if rows == 0 {
                    continue;
                }
                let residue = block.y.0 * plan.stride + block.x.0;
                let taps = Taps {
                    x: residue * big,
                    w: residue * channels,
                    len: channels,
                    vertical: Steps { count: block.y.1, x: (plan.stride * big) as isize, w: plan.stride * channels },
                    horizontal: Steps { count: block.x.1, x: big as isize, w: channels },
                };
                product::rows::<T, A>(&z[first * all..], all, taps, u, panel, &mut n[first * small..], small, rows);
            }
        }
    }
}
