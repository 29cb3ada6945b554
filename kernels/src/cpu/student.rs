//! Forces between points of a plane whose likeness is Student's t with one degree of freedom, q = 1 / (1 + ‖a − b‖²):
//! the two halves of t-SNE's gradient (van der Maaten 2014, "Accelerating t-SNE using tree-based algorithms", section 4).

use super::lanes::{Lanes, TO_L1, prefetch, sum_of_lanes};
use crate::multiversion;

/// Bodies side by side, and their numbers are padded to a multiple of this with bodies of no mass.
pub use super::lanes::LANES;

/// Bodies that repel, one after the other in each slice; all slices have the same length, a multiple of [`LANES`].
#[derive(Debug, Clone, Copy)]
pub struct Bodies<'a, T> {
    /// Their first coordinates.
    pub x: &'a [T],
    /// Their second coordinates.
    pub y: &'a [T],
    /// How many points each stands for.
    pub mass: &'a [T],
}

multiversion! {
    /// The forces of all bodies on each of `points`: (Σ m·q²·Δx, Σ m·q²·Δy, Σ m·q), with Δ from the body to the point.
    ///
    /// # Panics
    /// If the slices' lengths do not fit together.
    pub fn repel<T: Float, A: Arithmetic>(points: &[[T; 2]], bodies: Bodies<T>, forces: &mut [[T; 3]]) {
        assert_eq!(points.len(), forces.len(), "a force for each point");
        let ((xs, rest), (ys, _), (masses, _)) =
            (bodies.x.as_chunks::<LANES>(), bodies.y.as_chunks::<LANES>(), bodies.mass.as_chunks::<LANES>());
        assert!(rest.is_empty() && bodies.y.len() == bodies.x.len() && bodies.mass.len() == bodies.x.len());
        for (&[px, py], force) in points.iter().zip(forces) {
            let (mut fx, mut fy, mut sum) = ([T::ZERO; LANES], [T::ZERO; LANES], [T::ZERO; LANES]);
            for ((x, y), mass) in xs.iter().zip(ys).zip(masses) {
                for l in 0..LANES {
                    let (dx, dy) = (px - x[l], py - y[l]);
                    let q = T::ONE / A::mul_add(dx, dx, A::mul_add(dy, dy, T::ONE));
                    let mq = mass[l] * q;
                    let mq2 = mq * q;
                    sum[l] += mq;
                    fx[l] = A::mul_add(mq2, dx, fx[l]);
                    fy[l] = A::mul_add(mq2, dy, fy[l]);
                }
            }
            *force = [sum_of_lanes(fx), sum_of_lanes(fy), sum_of_lanes(sum)];
        }
    }
}

/// Neighbours that attract points, and how strongly.
#[derive(Debug, Clone, Copy)]
pub struct Springs<'a, T> {
    /// Where each point's begin, and the end of the last's; all are multiples of [`LANES`], and what is left of a point's is filled with
    /// neighbours of weight 0.
    pub starts: &'a [usize],
    /// The neighbours, as indices.
    pub neighbours: &'a [u32],
    /// The weight of each.
    pub weights: &'a [T],
}

/// Neighbours whose places are gathered before any is computed with: vectors loaded from what single stores have just left would
/// wait for them to reach the cache.
const GATHERED: usize = 256;
/// How far ahead neighbours and weights are asked for: some points' worth. Places are looked up all over the cache meanwhile, and the
/// processor does not foresee these two by itself.
const AHEAD: usize = 1024;

multiversion! {
    /// How neighbours among `points` attract each point of `at`: (Σ p·q·Δx, Σ p·q·Δy), with Δ from the neighbour to the point and its
    /// weight p.
    ///
    /// # Panics
    /// If an index has no point, or the slices' lengths do not fit together.
    pub fn attract<T: Float, A: Arithmetic>(
        at: &[[T; 2]],
        springs: Springs<T>,
        points: &[[T; 2]],
        forces: &mut [[T; 2]],
    ) {
        let Springs { starts, neighbours, weights } = springs;
        assert!(starts.len() == at.len() + 1 && forces.len() == at.len(), "neighbours and a force for each point");
        let mut near = [[T::ZERO; 2]; GATHERED];
        let (mut x, mut y) = ([T::ZERO; GATHERED], [T::ZERO; GATHERED]);
        let [zero, one, minus_one] = [T::ZERO, T::ONE, -T::ONE].map(A::Lanes::<T>::splat);
        for ((place, force), bounds) in at.iter().zip(forces).zip(starts.windows(2)) {
            let [at_x, at_y] = place.map(A::Lanes::<T>::splat);
            let (mut fx, mut fy) = (zero, zero);
            let row = bounds[0]..bounds[1];
            for at in row.clone().step_by(LANES) {
                prefetch::<TO_L1, u32>(neighbours.as_ptr().wrapping_add(at + AHEAD));
                prefetch::<TO_L1, T>(weights.as_ptr().wrapping_add(at + AHEAD));
            }
            for (indices, weights) in neighbours[row.clone()].chunks(GATHERED).zip(weights[row].chunks(GATHERED)) {
                for (near, &index) in near.iter_mut().zip(indices) {
                    *near = points[index as usize];
                }
                for ((x, y), near) in x.iter_mut().zip(&mut y).zip(&near[..indices.len()]) {
                    [*x, *y] = *near;
                }
                let (ps, rest) = weights.as_chunks::<LANES>();
                assert!(rest.is_empty(), "whole lanes of neighbours");
                for ((x, y), p) in x.as_chunks().0.iter().zip(y.as_chunks().0).zip(ps) {
                    let [x, y, p] = [x, y, p].map(A::Lanes::<T>::of);
                    let (dx, dy) = (x.mul_add(minus_one, at_x), y.mul_add(minus_one, at_y));
                    let pq = p.div(dx.mul_add(dx, dy.mul_add(dy, one)));
                    (fx, fy) = (pq.mul_add(dx, fx), pq.mul_add(dy, fy));
                }
            }
            *force = [fx.sum(), fy.sum()];
        }
    }
}
