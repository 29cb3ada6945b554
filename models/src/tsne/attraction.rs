//! The attracting forces, from neighbours in the order in which points lie in the plane.
//!
//! Neighbours in the data are near each other in a good embedding. Where the points in memory follow the plane, most of a point's
//! neighbours are in the first-level cache; in the data's order nearly none would be.

use std::ops::Range;

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::student::{LANES, Springs, attract, cross_entropy};

use super::PIECE;
use super::affinities::Affinities;

/// Affinities, in an order of the points that can be changed.
#[derive(Debug, Default)]
pub struct Attraction {
    rows: Rows,
}

impl Attraction {
    /// Takes the affinities of points of which the i-th is `order[i]` of the affinities.
    pub fn arrange(&mut self, affinities: &Affinities, order: &[u32], team: &Team) {
        let mut places = vec![0u32; order.len()];
        order.iter().enumerate().for_each(|(place, &i)| places[i as usize] = place as u32);
        self.rows.lay_out(order.iter().map(|&i| affinities.row(i as usize).0.len()));
        let mut blocks = self.rows.blocks(PIECE);
        team.pieces([(&mut blocks, 1)], |piece, [block]| {
            for &i in order[piece * PIECE..].iter().take(PIECE) {
                let (columns, values) = affinities.row(i as usize);
                block[0].fill_row(columns.iter().map(|&column| places[column as usize]), values);
            }
        });
    }

    /// Σ p·q·Δ for each of the points from `piece` · [`PIECE`] on, that many at most.
    pub fn forces(&self, piece: usize, points: &[[f32; 2]], forces: &mut [[f32; 2]]) {
        let range = piece * PIECE..piece * PIECE + forces.len();
        attract(&points[range.clone()], self.rows.springs(range), points, forces);
    }

    /// Σ −p·ln q of each of these points.
    pub fn cross_entropy(&self, piece: usize, points: &[[f32; 2]], sums: &mut [f32]) {
        let range = piece * PIECE..piece * PIECE + sums.len();
        cross_entropy(&points[range.clone()], self.rows.springs(range), points, sums);
    }
}

/// The neighbours of points and their weights, each point's padded to whole lanes.
#[derive(Debug, Default)]
pub struct Rows {
    starts: Vec<usize>,
    neighbours: Vec<u32>,
    weights: Vec<f32>,
}

/// The part of some rows that is still to be filled.
#[derive(Default)]
struct Block<'a> {
    neighbours: &'a mut [u32],
    weights: &'a mut [f32],
}

impl Rows {
    /// The neighbours of one point.
    pub fn of_one(neighbours: &[u32], weights: &[f32]) -> Self {
        let mut rows = Rows::default();
        rows.lay_out([neighbours.len()].into_iter());
        rows.blocks(1)[0].fill_row(neighbours.iter().copied(), weights);
        rows
    }

    /// The rows of these points, as kernels take them.
    pub fn springs(&self, points: Range<usize>) -> Springs<'_, f32> {
        let starts = &self.starts[points.start..points.end + 1];
        Springs { starts, neighbours: &self.neighbours, weights: &self.weights }
    }

    /// Makes room for rows of these lengths.
    fn lay_out(&mut self, lengths: impl Iterator<Item = usize>) {
        self.starts.clear();
        self.starts.push(0);
        let mut end = 0;
        self.starts.extend(lengths.map(|len| {
            end += len.next_multiple_of(LANES);
            end
        }));
        self.neighbours.resize(end, 0);
        self.weights.resize(end, 0.0);
    }

    /// The rows of so many points each, to be filled.
    fn blocks(&mut self, points: usize) -> Vec<Block<'_>> {
        let Rows { starts, neighbours, weights } = self;
        let mut rest = Block { neighbours, weights };
        let ends = starts.iter().skip(points).step_by(points).chain(starts.last());
        let firsts = starts[..starts.len() - 1].iter().step_by(points);
        firsts.zip(ends).map(|(start, end)| rest.take(end - start)).collect()
    }
}

impl<'a> Block<'a> {
    /// Fills the next row with neighbours, as many as weights.
    fn fill_row(&mut self, neighbours: impl Iterator<Item = u32>, weights: &[f32]) {
        let len = weights.len();
        let row = self.take(len.next_multiple_of(LANES));
        row.neighbours.iter_mut().zip(neighbours).for_each(|(to, neighbour)| *to = neighbour);
        // Any neighbour will do where the weight is 0; one of the point's own is at hand.
        let own = row.neighbours.first().copied().unwrap_or(0);
        row.neighbours[len..].fill(own);
        row.weights[..len].copy_from_slice(weights);
        row.weights[len..].fill(0.0);
    }

    /// Cuts so many elements off the beginning.
    fn take(&mut self, len: usize) -> Block<'a> {
        let Block { neighbours, weights } = std::mem::take(self);
        let ((first, neighbours), (of_first, weights)) = (neighbours.split_at_mut(len), weights.split_at_mut(len));
        *self = Block { neighbours, weights };
        Block { neighbours: first, weights: of_first }
    }
}
