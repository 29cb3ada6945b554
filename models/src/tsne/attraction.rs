//! The attracting forces, from neighbours in the order in which points lie in the plane.
//!
//! Neighbours in the data are near each other in a good embedding. Where the points in memory follow the plane, most of a point's
//! neighbours are in the first-level cache; in the data's order nearly none would be.

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::student::{LANES, Springs, attract};

use super::PIECE;
use super::affinities::Affinities;

/// Affinities in blocks of [`PIECE`] points.
#[derive(Debug, Default)]
pub struct Attraction {
    blocks: Vec<Rows>,
}

impl Attraction {
    /// Takes the affinities of points of which the i-th is `order[i]` of the affinities.
    pub fn arrange(&mut self, affinities: &Affinities, order: &[u32], team: &Team) {
        let mut places = vec![0u32; order.len()];
        order.iter().enumerate().for_each(|(place, &i)| places[i as usize] = place as u32);
        self.blocks.resize_with(order.len().div_ceil(PIECE), Rows::default);
        team.pieces([(&mut self.blocks, 1)], |piece, [block]| {
            let rows = &mut block[0];
            rows.clear();
            for &i in order[piece * PIECE..].iter().take(PIECE) {
                let (columns, values) = affinities.row(i as usize);
                rows.push(columns.iter().map(|&column| places[column as usize]), values);
            }
        });
    }

    /// Σ p·q·Δ for each of the points from `piece` · [`PIECE`] on, that many at most.
    pub fn forces(&self, piece: usize, points: &[[f32; 2]], forces: &mut [[f32; 2]]) {
        self.blocks[piece].forces(&points[piece * PIECE..][..forces.len()], points, forces);
    }

    /// The neighbours of the point at a place, where they stand, and the weights; the last ones may be 0.
    pub fn row(&self, place: usize) -> (&[u32], &[f32]) {
        self.blocks[place / PIECE].row(place % PIECE)
    }
}

/// The neighbours of some points and their weights, each point's padded to whole lanes.
#[derive(Debug)]
pub struct Rows {
    starts: Vec<usize>,
    neighbours: Vec<u32>,
    weights: Vec<f32>,
}

impl Default for Rows {
    fn default() -> Self {
        Rows { starts: vec![0], neighbours: Vec::new(), weights: Vec::new() }
    }
}

impl Rows {
    /// Appends the neighbours of one more point, as many as weights.
    pub fn push(&mut self, neighbours: impl Iterator<Item = u32>, weights: &[f32]) {
        self.neighbours.extend(neighbours);
        self.weights.extend_from_slice(weights);
        let padded = self.weights.len().next_multiple_of(LANES);
        // Any neighbour will do where the weight is 0; the last one's place is at hand.
        let last = self.neighbours.last().copied().unwrap_or(0);
        self.neighbours.resize(padded, last);
        self.weights.resize(padded, 0.0);
        self.starts.push(padded);
    }

    /// The neighbours and weights of the i-th point; the last weights may be 0.
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let row = self.starts[i]..self.starts[i + 1];
        (&self.neighbours[row.clone()], &self.weights[row])
    }

    /// Σ p·q·Δ for each of the points `at`, with the neighbours among `points`.
    pub fn forces(&self, at: &[[f32; 2]], points: &[[f32; 2]], forces: &mut [[f32; 2]]) {
        let Rows { starts, neighbours, weights } = self;
        attract(at, Springs { starts, neighbours, weights }, points, forces);
    }

    fn clear(&mut self) {
        self.starts.truncate(1);
        self.neighbours.clear();
        self.weights.clear();
    }
}
