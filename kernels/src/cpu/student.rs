//! Forces between points of a plane whose likeness is Student's t with one degree of freedom, q = 1 / (1 + ‖a − b‖²):
//! the two halves of t-SNE's gradient (van der Maaten 2014, "Accelerating t-SNE using tree-based algorithms", section 4).

use super::lanes::{Lanes, TO_L1, prefetch, sum_of_lanes};
use crate::{Float, multiversion};

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

/// Calls `each` with the coordinates and weights of the neighbours `row` among `points`, [`LANES`] at a time.
#[inline(always)]
fn along<T: Float>(
    places: &mut [[T; 2]; GATHERED],
    springs: Springs<T>,
    row: &[usize],
    points: &[[T; 2]],
    mut each: impl FnMut([&[T; LANES]; 3]),
) {
    let row = row[0]..row[1];
    let (indices, weights) = (&springs.neighbours[row.clone()], &springs.weights[row]);
    for (indices, weights) in indices.chunks(LANES).zip(weights.chunks(LANES)) {
        prefetch::<TO_L1, u32>(indices.as_ptr().wrapping_add(AHEAD));
        prefetch::<TO_L1, T>(weights.as_ptr().wrapping_add(AHEAD));
    }
    for (indices, weights) in indices.chunks(GATHERED).zip(weights.chunks(GATHERED)) {
        for (place, &index) in places.iter_mut().zip(indices) {
            *place = points[index as usize];
        }
        let (ps, rest) = weights.as_chunks::<LANES>();
        assert!(rest.is_empty(), "whole lanes of neighbours");
        for (places, p) in places.as_chunks::<LANES>().0.iter().zip(ps) {
            let (x, y) = (places.map(|[x, _]| x), places.map(|[_, y]| y));
            each([&x, &y, p]);
        }
    }
}

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
        let rows = springs.starts.windows(2);
        assert!(rows.len() == at.len() && forces.len() == at.len(), "neighbours and a force for each point");
        let mut near = [[T::ZERO; 2]; GATHERED];
        let [zero, one, minus_one] = [T::ZERO, T::ONE, -T::ONE].map(A::Lanes::<T>::splat);
        for ((place, force), row) in at.iter().zip(forces).zip(rows) {
            let [at_x, at_y] = place.map(A::Lanes::<T>::splat);
            let (mut fx, mut fy) = (zero, zero);
            along(&mut near, springs, row, points, |lanes| {
                let [x, y, p] = lanes.map(A::Lanes::<T>::of);
                let (dx, dy) = (x.mul_add(minus_one, at_x), y.mul_add(minus_one, at_y));
                let pq = p.div(dx.mul_add(dx, dy.mul_add(dy, one)));
                (fx, fy) = (pq.mul_add(dx, fx), pq.mul_add(dy, fy));
            });
            *force = [fx.sum(), fy.sum()];
        }
    }
}

multiversion! {
    /// How unlikely its neighbours among `points` are to each point of `at`: Σ −p·ln q, of the weights p.
    ///
    /// # Panics
    /// As [`attract`].
    pub fn cross_entropy<T: Float, A: Arithmetic>(
        at: &[[T; 2]],
        springs: Springs<T>,
        points: &[[T; 2]],
        sums: &mut [T],
    ) {
        let rows = springs.starts.windows(2);
        assert!(rows.len() == at.len() && sums.len() == at.len(), "neighbours and a sum for each point");
        let mut near = [[T::ZERO; 2]; GATHERED];
        for ((&[at_x, at_y], sum), row) in at.iter().zip(sums).zip(rows) {
            let mut lanes = [T::ZERO; LANES];
            along(&mut near, springs, row, points, |[x, y, p]| {
                for l in 0..LANES {
                    let (dx, dy) = (at_x - x[l], at_y - y[l]);
                    let inverse_q = A::mul_add(dx, dx, A::mul_add(dy, dy, T::ONE));
                    lanes[l] = A::mul_add(p[l], inverse_q.ln_of_normal::<A>(), lanes[l]);
                }
            });
            *sum = sum_of_lanes(lanes);
        }
    }
}
