//! One pass over all pairs of rows for every score that is made of pairs: the neighbours' distances and KID's kernels come
//! from the same products, and a pair within a set is multiplied once. Blocks of rows are dealt to ranks, and within one to threads.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::linalg::Points;
use crate::Result;
use crate::ranks::{Ranks, all_gather_f64, any_of_many, deal};

/// Subsets of the rows of one set, for sums of KID's kernel.
pub(super) struct Subsets {
    /// The rows of each, ascending.
    members: Vec<Vec<usize>>,
    /// The subsets that each row is in.
    of_row: Vec<Vec<usize>>,
}

impl Subsets {
    /// None of `rows` rows.
    pub(super) fn none(rows: usize) -> Self {
        Self::new(Vec::new(), rows)
    }

    pub(super) fn new(mut members: Vec<Vec<usize>>, rows: usize) -> Self {
        let mut of_row = vec![Vec::new(); rows];
        for (s, members) in members.iter_mut().enumerate() {
            members.sort_unstable();
            members.iter().for_each(|&i| of_row[i].push(s));
        }
        Subsets { members, of_row }
    }

    /// Adds what the blocks found, in their order, to a sum for each subset.
    fn sums<'a>(&self, found: impl Iterator<Item = &'a [f64]>) -> Vec<f64> {
        let mut sums = vec![0.0; self.members.len()];
        for found in found {
            sums.iter_mut().zip(found).for_each(|(sum, x)| *sum += x);
        }
        sums
    }
}

/// The kernel (x·y/d + 1)³ of a product.
fn kernel(dot: f64, width: usize) -> f64 {
    (dot / width as f64 + 1.0).powi(3)
}

/// Σ values over some places, in four sums.
fn gather(values: &[f64], places: &[usize], first: usize) -> f64 {
    let mut sums = [0.0; 4];
    let (fours, rest) = places.as_chunks::<4>();
    for four in fours {
        for (sum, &j) in sums.iter_mut().zip(four) {
            *sum += values[j - first];
        }
    }
    rest.iter().for_each(|&j| sums[0] += values[j - first]);
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// The `k` smallest numbers so far, ascending.
fn insert(smallest: &mut [f64], x: f64) {
    let mut at = smallest.len();
    if x >= smallest[at - 1] {
        return;
    }
    while at > 1 && smallest[at - 2] > x {
        smallest[at - 1] = smallest[at - 2];
        at -= 1;
    }
    smallest[at - 1] = x;
}

/// Of pairs within one set: the squared distance of each row to its `k`-th neighbour (at least the first), not counting
/// itself, and for each subset Σ_{i≠j} of the kernel.
///
/// # Errors
/// If ranks do not go on together.
pub(super) fn within(points: &Points, k: usize, subsets: &Subsets, ranks: &dyn Ranks) -> Result<(Vec<f64>, Vec<f64>)> {
    let (n, height) = (points.len(), points.block());
    // A block of rows is multiplied with itself and the rows after it; to those it is what precedes them.
    let of_block = |block: usize| {
        let (first, end) = (block * height, n.min((block + 1) * height));
        let mut table = points.products(first..end, points, first..n);
        let mut nearest = vec![f64::INFINITY; (n - first) * k];
        let mut sums = vec![0.0; subsets.members.len()];
        let mut kernels = vec![0.0; n - first];
        for (i, row) in (first..end).zip(table.chunks_exact_mut(n - first)) {
            if !subsets.of_row[i].is_empty() {
                kernels.iter_mut().zip(&*row).for_each(|(value, &dot)| *value = kernel(dot, points.width));
                kernels[i - first] = 0.0;
            }
            for &s in &subsets.of_row[i] {
                let members = &subsets.members[s];
                let from = members.partition_point(|&j| j < first);
                let after = members.partition_point(|&j| j < end);
                let pairs = gather(&kernels, &members[from..after], first);
                sums[s] += pairs + 2.0 * gather(&kernels, &members[after..], first);
            }
            points.finish(i, points, first, row);
            row[i - first] = f64::INFINITY;
            row.iter().for_each(|&d| insert(&mut nearest[(i - first) * k..][..k], d));
            for (nearest, &d) in nearest.chunks_exact_mut(k).zip(&*row).skip(end - first) {
                insert(nearest, d);
            }
        }
        (nearest, sums)
    };
    let mut nearest = vec![f64::INFINITY; n * k];
    let blocks = deal(ranks, n.div_ceil(height), |own| {
        let (found, sums): (Vec<_>, Vec<_>) = own.par_iter().map(|&block| of_block(block)).unzip();
        own.iter().zip(&found).for_each(|(block, found)| merge(&mut nearest[block * height * k..], found, k));
        Ok(sums)
    })?;
    if ranks.size() > 1 {
        // The k smallest of all are the k smallest of those of each rank, in whichever order.
        let of_ranks = all_gather_f64(ranks, &nearest);
        nearest.fill(f64::INFINITY);
        of_ranks.iter().for_each(|found| merge(&mut nearest, found, k));
    }
    let radii = nearest.chunks_exact(k).map(|nearest| nearest[k - 1]).collect();
    Ok((radii, subsets.sums(blocks.iter().map(Vec::as_slice))))
}

/// Merges the `k` smallest numbers of some rows into those of the first rows of `all`.
fn merge(all: &mut [f64], found: &[f64], k: usize) {
    let rows = all.chunks_exact_mut(k).zip(found.chunks_exact(k));
    rows.for_each(|(all, found)| found.iter().for_each(|&d| insert(all, d)));
}

/// Findings of the pairs of a row of each set.
pub(super) struct Between {
    /// Generated rows within the ball of any real row, the border counting.
    pub(super) precise: usize,
    /// Real rows within the ball of any generated row, the border counting.
    pub(super) recalled: usize,
    /// Pairs of a ball of a real row and a generated row strictly within.
    pub(super) dense: usize,
    /// Real rows with a generated row strictly within their ball.
    pub(super) covered: usize,
    /// Σ of the kernel over the pairs of each two subsets.
    pub(super) kernels: Vec<f64>,
}

/// Of the pairs of generated and real rows, each side with its squared radii and its subsets.
///
/// # Errors
/// If ranks do not go on together.
pub(super) fn between(
    generated: (&Points, &[f64], &Subsets),
    real: (&Points, &[f64], &Subsets),
    ranks: &dyn Ranks,
) -> Result<Between> {
    let (points, radii, subsets) = generated;
    let (others, other_radii, other_subsets) = real;
    let (n, height) = (points.len(), points.block());
    let flags = || (0..others.len()).map(|_| AtomicBool::new(false)).collect::<Vec<_>>();
    let (recalled, covered) = (flags(), flags());
    // How many are precise, how many pairs are dense, and the sums of subsets.
    let of_block = |block: usize| {
        let (first, end) = (block * height, n.min((block + 1) * height));
        let mut table = points.products(first..end, others, 0..others.len());
        let mut kernels = vec![0.0; others.len()];
        let (mut precise, mut dense) = (0, 0);
        let mut sums = vec![0.0; subsets.members.len()];
        for (i, row) in (first..end).zip(table.chunks_exact_mut(others.len())) {
            if !subsets.of_row[i].is_empty() {
                kernels.iter_mut().zip(&*row).for_each(|(value, &dot)| *value = kernel(dot, points.width));
            }
            for &s in &subsets.of_row[i] {
                sums[s] += gather(&kernels, &other_subsets.members[s], 0);
            }
            points.finish(i, others, 0, row);
            let mut is_precise = false;
            for (j, (&d, &radius)) in row.iter().zip(other_radii).enumerate() {
                is_precise |= d <= radius;
                if d < radius {
                    dense += 1;
                    covered[j].store(true, Ordering::Relaxed);
                }
                if d <= radii[i] {
                    recalled[j].store(true, Ordering::Relaxed);
                }
            }
            precise += usize::from(is_precise);
        }
        [vec![precise as f64, dense as f64], sums].concat()
    };
    let work = |own: &[usize]| Ok(own.par_iter().map(|&block| of_block(block)).collect());
    let blocks = deal(ranks, n.div_ceil(height), work)?;
    let count = |flags: Vec<AtomicBool>| {
        let own = flags.into_iter().map(AtomicBool::into_inner).collect();
        any_of_many(ranks, own).into_iter().filter(|&flag| flag).count()
    };
    let sum = |at: usize| blocks.iter().map(|block| block[at] as usize).sum();
    Ok(Between {
        precise: sum(0),
        recalled: count(recalled),
        dense: sum(1),
        covered: count(covered),
        kernels: subsets.sums(blocks.iter().map(|block| &block[2..])),
    })
}
