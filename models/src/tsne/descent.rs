//! Gradient descent with momentum and a gain for each coordinate, by scikit-learn's rules.

use std::ops::Range;
use std::slice::from_mut;

use inkgrad_engine::Team;

use super::affinities::Affinities;
use super::attraction::Attraction;
use super::repulsion::repulsion;
use super::tree::Tree;
use super::{PIECE, TsneConfig};

/// Iterations between two looks at whether it still moves.
const CHECK: usize = 50;
/// A phase ends where the gradient is this small.
const LEAST_GRADIENT: f64 = 1e-7;
const LEAST_GAIN: f32 = 0.01;

/// Iterations under the same rules.
pub struct Phase {
    pub iterations: Range<usize>,
    /// The factor of the affinities.
    pub exaggeration: f64,
    pub momentum: f32,
    /// It ends early where the divergence has not fallen for more than this many iterations.
    pub patience: usize,
}

/// An embedding under way.
pub struct Descent {
    affinities: Affinities,
    attraction: Attraction,
    theta: f64,
    learning_rate: f32,
    /// Which of the affinities' points stands where.
    order: Vec<u32>,
    points: Vec<[f32; 2]>,
    next: Vec<[f32; 2]>,
    update: Vec<[f32; 2]>,
    gains: Vec<[f32; 2]>,
    /// The gradient times the gains.
    gradient: Vec<[f32; 2]>,
    tree: Tree,
    /// Sums of repulsion and Σ q, in the tree's order and in the points'.
    sorted_repulsion: Vec<[f32; 3]>,
    repulsion: Vec<[f32; 3]>,
    /// Sums of attraction.
    pull: Vec<[f32; 2]>,
    /// Σ p and Σ p·ln p of all affinities.
    total: f64,
    negative_entropy: f64,
}

impl Descent {
    /// At the start.
    pub fn new(affinities: Affinities, points: Vec<[f32; 2]>, config: &TsneConfig, team: &Team) -> Self {
        let n = points.len();
        let order: Vec<u32> = (0..n as u32).collect();
        let mut attraction = Attraction::default();
        attraction.arrange(&affinities, &order, team);
        let [total, negative_entropy] = affinities.sums(team);
        Descent {
            affinities,
            attraction,
            theta: config.theta,
            learning_rate: config.learning_rate(n) as f32,
            order,
            points,
            next: vec![[0.0; 2]; n],
            update: vec![[0.0; 2]; n],
            gains: vec![[1.0; 2]; n],
            gradient: vec![[0.0; 2]; n],
            tree: Tree::default(),
            sorted_repulsion: vec![[0.0; 3]; n],
            repulsion: vec![[0.0; 3]; n],
            pull: vec![[0.0; 2]; n],
            total,
            negative_entropy,
        }
    }

    /// Goes through a phase; gains and momentum begin anew. Ends early where nothing moves any more; gives the iteration
    /// reached.
    pub fn descend(&mut self, phase: Phase, team: &Team, report: &mut impl FnMut(usize)) -> usize {
        let Phase { iterations, exaggeration, momentum, patience } = phase;
        self.update.fill([0.0; 2]);
        self.gains.fill([1.0; 2]);
        let (mut best, mut best_at) = (f64::INFINITY, iterations.start);
        for iteration in iterations.clone() {
            let z = self.look(team);
            let check = (iteration + 1).is_multiple_of(CHECK);
            // Of the affinities themselves: as they sum to 1, Σ cp·ln(cp / q) = c·(KL + ln c) for exaggerated ones, and
            // the two have their minima at the same iterations. The exaggerated gradient descends neither of them.
            let divergence = if check { self.divergence_at(z, team) } else { best };
            if check || iteration == iterations.start {
                self.arrange(team);
            }
            self.step(z, exaggeration as f32, momentum, team);
            report(iteration + 1);
            if !check {
                continue;
            }
            if divergence < best {
                (best, best_at) = (divergence, iteration);
            } else if iteration - best_at > patience {
                return iteration + 1;
            }
            let squares = self.gradient.as_flattened().iter().map(|&g| f64::from(g).powi(2));
            if squares.sum::<f64>().sqrt() <= LEAST_GRADIENT {
                return iteration + 1;
            }
        }
        iterations.end
    }

    /// KL(P ‖ Q) of the points as they are.
    pub fn divergence(&mut self, team: &Team) -> f64 {
        let z = self.look(team);
        self.divergence_at(z, team)
    }

    /// Where each point is, in the affinities' order.
    pub fn into_points(self) -> Vec<[f32; 2]> {
        let Self { order, points, next: mut places, .. } = self;
        order.iter().zip(points).for_each(|(&i, point)| places[i as usize] = point);
        places
    }

    /// The forces on the points as they are, and Z = Σ q. One thread sorts the points into the tree while others see to what attracts.
    fn look(&mut self, team: &Team) -> f64 {
        let Self { attraction, points, theta, .. } = self;
        team.pairs((from_mut(&mut self.tree), 1), (&mut self.pull, PIECE), |piece, tree, pull| {
            tree.iter_mut().for_each(|tree| tree.rebuild(points, *theta));
            attraction.forces(piece, points, pull);
        });
        let z = repulsion(&self.tree, &mut self.sorted_repulsion, team);
        for (i, &force) in self.tree.order().zip(&self.sorted_repulsion) {
            self.repulsion[i] = force;
        }
        z
    }

    /// Puts all points in the order of the tree that they were last sorted into, so that points near each other in the plane are near each
    /// other in memory.
    fn arrange(&mut self, team: &Team) {
        let order: Vec<usize> = self.tree.order().collect();
        for values in [&mut self.points, &mut self.update, &mut self.gains, &mut self.pull] {
            *values = order.iter().map(|&i| values[i]).collect();
        }
        self.order = order.iter().map(|&i| self.order[i]).collect();
        self.repulsion.copy_from_slice(&self.sorted_repulsion);
        self.attraction.arrange(&self.affinities, &self.order, team);
    }

    /// Moves each point y, with the gradient dy = 4·(Σ p·q·Δ − Σ q²·Δ / Z):
    /// gain ← gain + 0.2 where dy opposes the last move's sign, else 0.8·gain;
    /// move ← momentum · move − rate · gain · dy.
    fn step(&mut self, z: f64, exaggeration: f32, momentum: f32, team: &Team) {
        let Self { points, pull, repulsion, .. } = self;
        let (rate, inverse_z) = (self.learning_rate, (1.0 / z) as f32);
        let slices = [&mut self.next, &mut self.update, &mut self.gains, &mut self.gradient];
        team.pieces(slices.map(|slice| (&mut slice[..], PIECE)), |piece, [next, update, gains, gradient]| {
            for i in 0..next.len() {
                let at = piece * PIECE + i;
                for axis in 0..2 {
                    let dy = 4.0 * (exaggeration * pull[at][axis] - repulsion[at][axis] * inverse_z);
                    let gain = &mut gains[i][axis];
                    *gain = if update[i][axis] * dy < 0.0 { *gain + 0.2 } else { *gain * 0.8 };
                    *gain = gain.max(LEAST_GAIN);
                    gradient[i][axis] = *gain * dy;
                    update[i][axis] = momentum * update[i][axis] - rate * gradient[i][axis];
                    next[i][axis] = points[at][axis] + update[i][axis];
                }
            }
        });
        std::mem::swap(&mut self.points, &mut self.next);
    }

    /// Σ p·ln(p / (q / Z)) = Σ p·ln p + Σ p·ln Z − Σ p·ln q over the affinities.
    fn divergence_at(&self, z: f64, team: &Team) -> f64 {
        let mut parts = vec![0.0; self.points.len()];
        let fill = |piece, [parts]: [&mut [f32]; 1]| self.attraction.cross_entropy(piece, &self.points, parts);
        team.pieces([(&mut parts, PIECE)], fill);
        let cross_entropy: f64 = parts.iter().map(|&part| f64::from(part)).sum();
        self.negative_entropy + self.total * z.ln() + cross_entropy
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fixture;
    use super::*;

    #[test]
    fn gradient_and_divergence_are_those_of_scikit_learn() {
        let fixture = Fixture::load();
        let config = TsneConfig { theta: 1e-3, perplexity: fixture.perplexity, ..TsneConfig::default() };
        let team = Team::solo();
        let mut descent = Descent::new(fixture.affinities(), fixture.at(), &config, &team);
        let kl = descent.divergence(&team);
        assert!((kl / fixture.kl - 1.0).abs() < 1e-5, "{kl} for {}", fixture.kl);
        let c = fixture.exaggeration;
        let exaggerated = c * (kl + c.ln());
        assert!((exaggerated / fixture.kl_exaggerated - 1.0).abs() < 1e-5, "{exaggerated}");

        let z = descent.look(&team);
        descent.step(z, 1.0, 0.5, &team);
        let norm = fixture.gradient.iter().fold(0.0f64, |most, g| most.max(g.abs()));
        for (found, expected) in descent.gradient.as_flattened().iter().zip(&fixture.gradient) {
            // The first step multiplies gains of 1 by 0.8.
            let found = f64::from(*found) / 0.8;
            assert!((found - expected).abs() < 1e-5 * norm, "{found} for {expected}");
        }
    }

    /// Coincident points neither attract nor repel each other: the gradient is 0 at the first look.
    #[test]
    fn a_descent_ends_where_nothing_moves() {
        let fixture = Fixture::load();
        let mut descent = Descent::new(
            fixture.affinities(),
            vec![[0.5, -1.0]; fixture.at().len()],
            &TsneConfig::default(),
            &Team::solo(),
        );
        let phase = Phase { iterations: 0..500, exaggeration: 1.0, momentum: 0.8, patience: 300 };
        let mut heard = Vec::new();
        assert_eq!(descent.descend(phase, &Team::solo(), &mut |iteration| heard.push(iteration)), CHECK);
        assert!(heard.into_iter().eq(1..=CHECK));
    }
}
