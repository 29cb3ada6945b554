//! How alike the data's points are: Gaussian conditional probabilities of the perplexity asked for, made symmetric.

use inkgrad_engine::Team;

use super::PIECE;
use super::knn::Neighbours;

/// How near the entropy has to come to the one asked for, and how often it is tried; scikit-learn's.
const TOLERANCE: f64 = 1e-5;
const STEPS: usize = 100;
/// Mean squared distances that are found from a first guess of 1.
const USUAL: std::ops::Range<f64> = 1e-12..1e12;
/// The stand-in for a sum of probabilities that underflow.
const LEAST_SUM: f64 = 1e-8;

/// The joint probabilities P of pairs of neighbours, Σ P = 1, as rows of a sparse symmetric matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Affinities {
    /// (N + 1): row i has the elements `starts[i]..starts[i + 1]`.
    pub starts: Vec<usize>,
    /// The elements' columns, ascending in each row.
    pub columns: Vec<u32>,
    /// The elements.
    pub values: Vec<f32>,
}

impl Affinities {
    /// P = (C + Cᵀ) / Σ (C + Cᵀ), with C the conditional probabilities.
    pub fn new(neighbours: &Neighbours, perplexity: f64, team: &Team) -> Self {
        let k = neighbours.k;
        let n = neighbours.indices.len() / k;
        let mut conditional = vec![0.0; n * k];
        team.pieces([(&mut conditional, PIECE * k)], |piece, [rows]| {
            let squared = &neighbours.squared[piece * PIECE * k..];
            for (row, squared) in rows.chunks_exact_mut(k).zip(squared.chunks_exact(k)) {
                fit_bandwidth(squared, perplexity, row);
            }
        });

        // Where each point is a neighbour: row i has those of point i, as places in `conditional`.
        let mut starts = vec![0; n + 1];
        neighbours.indices.iter().for_each(|&j| starts[j as usize + 1] += 1);
        (0..n).for_each(|i| starts[i + 1] += starts[i]);
        let (mut next, mut named) = (starts.clone(), vec![0; n * k]);
        for (at, &j) in neighbours.indices.iter().enumerate() {
            let next = &mut next[j as usize];
            named[*next] = at;
            *next += 1;
        }

        let total: f64 = 2.0 * conditional.iter().sum::<f64>();
        let mut blocks = vec![Block::default(); n.div_ceil(PIECE)];
        team.pieces([(&mut blocks, 1)], |piece, [block]| {
            let mut row: Vec<(u32, f64)> = Vec::new();
            for i in piece * PIECE..n.min((piece + 1) * PIECE) {
                let own = i * k..(i + 1) * k;
                row.clear();
                row.extend(neighbours.indices[own.clone()].iter().copied().zip(conditional[own].iter().copied()));
                row.extend(named[starts[i]..starts[i + 1]].iter().map(|&at| ((at / k) as u32, conditional[at])));
                row.sort_unstable_by_key(|&(column, _)| column);
                block[0].push(&row, total);
            }
        });
        let mut joint = Affinities { starts: vec![0], columns: Vec::new(), values: Vec::new() };
        for Block { ends, columns, values } in blocks {
            let before = joint.columns.len();
            joint.starts.extend(ends.into_iter().map(|end| before + end));
            joint.columns.extend(columns);
            joint.values.extend(values);
        }
        joint
    }

    /// Σ p and Σ p·ln p.
    pub fn sums(&self, team: &Team) -> [f64; 2] {
        let mut sums = vec![[0.0; 2]; self.starts.len() - 1];
        team.pieces([(&mut sums, PIECE)], |piece, [sums]| {
            for (i, sum) in sums.iter_mut().enumerate() {
                for p in self.row(piece * PIECE + i).1.iter().map(|&p| f64::from(p)).filter(|&p| p > 0.0) {
                    *sum = [sum[0] + p, sum[1] + p * p.ln()];
                }
            }
        });
        sums.iter().fold([0.0; 2], |[total, negative_entropy], sum| [total + sum[0], negative_entropy + sum[1]])
    }

    /// Row `i`: columns and values.
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = self.starts[i]..self.starts[i + 1];
        (&self.columns[range.clone()], &self.values[range])
    }
}

/// Rows of some points, each with its end.
#[derive(Debug, Clone, Default)]
struct Block {
    ends: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Block {
    /// Appends a row of columns in order, of which one that two points named has both their values.
    fn push(&mut self, row: &[(u32, f64)], total: f64) {
        for pair in row.chunk_by(|a, b| a.0 == b.0) {
            self.columns.push(pair[0].0);
            self.values.push((pair.iter().map(|&(_, value)| value).sum::<f64>() / total) as f32);
        }
        self.ends.push(self.columns.len());
    }
}

/// pⱼ = e^(−β·dⱼ) / Σ e^(−β·d), with β such that the entropy is ln(perplexity); found by halving intervals.
pub fn fit_bandwidth(squared: &[f64], perplexity: f64, p: &mut [f64]) {
    let wanted = perplexity.ln();
    // Doubling leads from 1 to distances of any usual size; to others it begins near them.
    let mean = squared.iter().sum::<f64>() / squared.len() as f64;
    let first =
        if mean == 0.0 || USUAL.contains(&mean) { 1.0 } else { mean.recip().clamp(f64::MIN_POSITIVE, f64::MAX) };
    let (mut beta, mut low, mut high) = (first, None, None);
    for _ in 0..STEPS {
        let mut sum = 0.0;
        for (p, &d) in p.iter_mut().zip(squared) {
            *p = (-d * beta).exp();
            sum += *p;
        }
        if sum == 0.0 {
            sum = LEAST_SUM;
        }
        p.iter_mut().for_each(|p| *p /= sum);
        let mean: f64 = p.iter().zip(squared).map(|(&p, &d)| p * d).sum();
        let above = sum.ln() + beta * mean - wanted;
        if above.abs() <= TOLERANCE {
            break;
        }
        if above > 0.0 {
            low = Some(beta);
            beta = high.map_or(2.0 * beta, |high| (beta + high) / 2.0);
        } else {
            high = Some(beta);
            beta = low.map_or(beta / 2.0, |low| (beta + low) / 2.0);
        }
    }
}
