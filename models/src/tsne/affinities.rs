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

        // Each element goes to its own row and to its column's.
        let mut starts = vec![0; n + 1];
        for (i, row) in neighbours.indices.chunks_exact(k).enumerate() {
            starts[i + 1] += k;
            row.iter().for_each(|&j| starts[j as usize + 1] += 1);
        }
        (0..n).for_each(|i| starts[i + 1] += starts[i]);
        let mut next = starts.clone();
        let mut elements = vec![(0u32, 0.0f64); 2 * n * k];
        let mut put = |row: usize, column: usize, value: f64| {
            elements[next[row]] = (column as u32, value);
            next[row] += 1;
        };
        for (at, (&j, &value)) in neighbours.indices.iter().zip(&conditional).enumerate() {
            put(at / k, j as usize, value);
            put(j as usize, at / k, value);
        }

        let total: f64 = 2.0 * conditional.iter().sum::<f64>();
        let mut joint = Affinities { starts: vec![0], columns: Vec::new(), values: Vec::new() };
        for bounds in starts.windows(2) {
            let row = &mut elements[bounds[0]..bounds[1]];
            row.sort_by_key(|&(column, _)| column);
            for pair in row.chunk_by(|a, b| a.0 == b.0) {
                joint.columns.push(pair[0].0);
                joint.values.push((pair.iter().map(|&(_, value)| value).sum::<f64>() / total) as f32);
            }
            joint.starts.push(joint.columns.len());
        }
        joint
    }

    /// Row `i`: columns and values.
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = self.starts[i]..self.starts[i + 1];
        (&self.columns[range.clone()], &self.values[range])
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
