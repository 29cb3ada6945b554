//! The attracting forces, from neighbours in the order in which points lie in the plane.
//!
//! Neighbours in the data are near each other in a good embedding. Where the points in memory follow the plane, most of a point's
//! neighbours are in the first-level cache; in the data's order nearly none would be.

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::student::{LANES, Springs, attract};

use super::PIECE;
use super::affinities::Affinities;

/// Rows of affinities, each padded to whole lanes.
#[derive(Debug, Default)]
pub struct Attraction {
    blocks: Vec<Block>,
}

/// The rows of [`PIECE`] points.
#[derive(Debug, Default)]
struct Block {
    starts: Vec<usize>,
    neighbours: Vec<u32>,
    weights: Vec<f32>,
}

impl Attraction {
    /// Takes the affinities of points of which the i-th is `order[i]` of the affinities.
    pub fn arrange(&mut self, affinities: &Affinities, order: &[u32], team: &Team) {
        let mut places = vec![0u32; order.len()];
        order.iter().enumerate().for_each(|(place, &i)| places[i as usize] = place as u32);
        self.blocks.resize_with(order.len().div_ceil(PIECE), Block::default);
        team.pieces([(&mut self.blocks, 1)], |piece, [block]| {
            let (order, Block { starts, neighbours, weights }) = (&order[piece * PIECE..], &mut block[0]);
            starts.clear();
            neighbours.clear();
            weights.clear();
            starts.push(0);
            for &i in order.iter().take(PIECE) {
                let (columns, values) = affinities.row(i as usize);
                neighbours.extend(columns.iter().map(|&column| places[column as usize]));
                weights.extend_from_slice(values);
                let padded = weights.len().next_multiple_of(LANES);
                neighbours.resize(padded, places[i as usize]);
                weights.resize(padded, 0.0);
                starts.push(padded);
            }
        });
    }

    /// Σ p·q·Δ for each of the points from `piece` · [`PIECE`] on, that many at most.
    pub fn forces(&self, piece: usize, points: &[[f32; 2]], forces: &mut [[f32; 2]]) {
        let Block { starts, neighbours, weights } = &self.blocks[piece];
        let at = &points[piece * PIECE..][..forces.len()];
        attract(at, Springs { starts, neighbours, weights }, points, forces);
    }

    /// The neighbours of the point at a place, where they stand, and the weights; the last ones may be 0.
    pub fn row(&self, place: usize) -> (&[u32], &[f32]) {
        let Block { starts, neighbours, weights } = &self.blocks[place / PIECE];
        let row = starts[place % PIECE]..starts[place % PIECE + 1];
        (&neighbours[row.clone()], &weights[row])
    }
}
