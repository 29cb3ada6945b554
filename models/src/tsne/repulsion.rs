//! The repelling forces by Barnes and Hut's approximation.
//!
//! Points that are close in the plane look at the tree together: a cell stands for its points where it may for every
//! point of the group, so none sees it at a wider angle than θ, and the bodies that they all see are one short list that
//! is summed up in vectors.

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::student::{Bodies, LANES, repel};

use super::PIECE;
use super::tree::Tree;

/// For each point in the tree's order (Σ q²·Δx, Σ q²·Δy, Σ q) over all points, itself included (which adds 1 to the
/// last), and Σ q over all pairs.
pub fn repulsion(tree: &Tree, forces: &mut [[f32; 3]], team: &Team) -> f64 {
    team.pieces([(&mut *forces, PIECE)], |piece, [forces]| {
        let mut list = List::default();
        let (first, last) = (piece * PIECE, piece * PIECE + forces.len());
        let mut group = tree.groups.partition_point(|&start| start <= first) - 1;
        let mut start = first;
        while start < last {
            let end = tree.groups[group + 1].min(last);
            list.see(tree, &tree.points[start..end]);
            let bodies = Bodies { x: &list.x, y: &list.y, mass: &list.mass };
            repel(&tree.points[start..end], bodies, &mut forces[start - first..end - first]);
            (start, group) = (end, group + 1);
        }
    });
    let all: f64 = forces.iter().map(|force| f64::from(force[2])).sum();
    (all - forces.len() as f64).max(f64::EPSILON)
}

/// The bodies that a group sees.
#[derive(Default)]
struct List {
    x: Vec<f32>,
    y: Vec<f32>,
    mass: Vec<f32>,
}

impl List {
    fn see(&mut self, tree: &Tree, group: &[[f32; 2]]) {
        self.x.clear();
        self.y.clear();
        self.mass.clear();
        let (mut low, mut high) = (group[0], group[0]);
        for point in group {
            for axis in 0..2 {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        let mut at = 0;
        while let Some(node) = tree.nodes.get(at) {
            let outside = |axis: usize| (low[axis] - node.centre[axis]).max(node.centre[axis] - high[axis]).max(0.0);
            let (dx, dy) = (outside(0), outside(1));
            if node.reach <= dx * dx + dy * dy {
                self.x.push(node.centre[0]);
                self.y.push(node.centre[1]);
                self.mass.push(node.mass);
                at = node.skip as usize;
            } else {
                at += 1;
                if node.skip as usize == at {
                    let points = &tree.points[node.first as usize..node.last as usize];
                    self.x.extend(points.iter().map(|point| point[0]));
                    self.y.extend(points.iter().map(|point| point[1]));
                    self.mass.resize(self.x.len(), 1.0);
                }
            }
        }
        let padded = self.x.len().next_multiple_of(LANES);
        self.x.resize(padded, 0.0);
        self.y.resize(padded, 0.0);
        self.mass.resize(padded, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forces_come_close_to_the_sums_over_all_pairs() {
        let philox = inkgrad_kernels::cpu::rng::Philox::new(3, 0);
        for scale in [1e-4, 1.0, 30.0] {
            let draw = |i| philox.normals(i).map(|x| (x * scale) as f32);
            let mut points: Vec<[f32; 2]> = (0..900).map(draw).map(|[x, y, ..]| [x, y]).collect();
            points.extend([[0.5, 0.5]; 20]);
            let mut tree = Tree::default();
            let mut error_at = |theta: f64| {
                tree.rebuild(&points, theta);
                let mut forces = vec![[0.0; 3]; points.len()];
                let z = repulsion(&tree, &mut forces, &Team::solo());
                let (mut wrong, mut norm, mut exact_z) = (0.0, 0.0, 0.0);
                for (a, force) in tree.points.iter().zip(&forces) {
                    let mut exact = [0.0; 2];
                    for b in &tree.points {
                        let (dx, dy) = (f64::from(a[0]) - f64::from(b[0]), f64::from(a[1]) - f64::from(b[1]));
                        let q = 1.0 / (1.0 + dx * dx + dy * dy);
                        exact = [exact[0] + q * q * dx, exact[1] + q * q * dy];
                        exact_z += q;
                    }
                    for axis in 0..2 {
                        wrong += (f64::from(force[axis]) - exact[axis]).powi(2);
                        norm += exact[axis].powi(2);
                    }
                }
                exact_z -= points.len() as f64;
                // A cell seen from afar stands at its centre of mass, so that its error is of second order in θ.
                assert!((z / exact_z - 1.0).abs() < 2e-2 * theta * theta + 1e-5, "{z} for {exact_z}");
                (wrong / norm).sqrt()
            };
            let (wide, narrow) = (error_at(0.5), error_at(0.01));
            assert!(wide < 0.02, "{wide} at scale {scale}");
            assert!(narrow < 1e-4, "{narrow} at scale {scale}");
        }
    }
}
