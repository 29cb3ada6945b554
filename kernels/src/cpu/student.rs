//! Forces between points of a plane whose likeness is Student's t with one degree of freedom, q = 1 / (1 + ‖a − b‖²):
//! the two halves of t-SNE's gradient (van der Maaten 2014, "Accelerating t-SNE using tree-based algorithms", section 4).

use super::lanes::sum_of_lanes;
use super::simd::Arithmetic;
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

/// Adds p·q·Δ to each lane's sums.
#[inline(always)]
fn pull<T: Float, A: Arithmetic>(
    dx: &[T; LANES],
    dy: &[T; LANES],
    p: &[T; LANES],
    fx: &mut [T; LANES],
    fy: &mut [T; LANES],
) {
    for l in 0..LANES {
        let pq = p[l] / A::mul_add(dx[l], dx[l], A::mul_add(dy[l], dy[l], T::ONE));
        fx[l] = A::mul_add(pq, dx[l], fx[l]);
        fy[l] = A::mul_add(pq, dy[l], fy[l]);
    }
}

multiversion! {
    /// How `neighbours`, indices into `points`, attract the point at `at`: (Σ p·q·Δx, Σ p·q·Δy), with Δ from the
    /// neighbour to the point and a weight p for each neighbour.
    ///
    /// # Panics
    /// If an index has no point, or there are fewer weights than neighbours.
    pub fn attract<T: Float, A: Arithmetic>(at: [T; 2], neighbours: &[u32], weights: &[T], points: &[[T; 2]]) -> [T; 2] {
        let weights = &weights[..neighbours.len()];
        let (mut fx, mut fy) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        let (indices, last_indices) = neighbours.as_chunks::<LANES>();
        let (ps, last_ps) = weights.as_chunks::<LANES>();
        let (mut dx, mut dy) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        for (indices, p) in indices.iter().zip(ps) {
            for l in 0..LANES {
                let [x, y] = points[indices[l] as usize];
                (dx[l], dy[l]) = (at[0] - x, at[1] - y);
            }
            pull::<T, A>(&dx, &dy, p, &mut fx, &mut fy);
        }
        let mut p = [T::ZERO; LANES];
        p[..last_ps.len()].copy_from_slice(last_ps);
        for (l, &index) in last_indices.iter().enumerate() {
            let [x, y] = points[index as usize];
            (dx[l], dy[l]) = (at[0] - x, at[1] - y);
        }
        pull::<T, A>(&dx, &dy, &p, &mut fx, &mut fy);
        [sum_of_lanes(fx), sum_of_lanes(fy)]
    }
}
