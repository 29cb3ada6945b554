//! Where the points begin: principal components, or at random.

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::gemm::{gemm, gemm_scratch_len};
use inkgrad_kernels::cpu::matrix::{Matrix, MatrixMut};
use inkgrad_kernels::cpu::rng::Philox;

use super::knn::Centred;
use super::{Points, Real};

/// The standard deviation of the first coordinate.
const SCALE: f64 = 1e-4;
/// Rows that enter the covariance at a time.
const ROWS: usize = 1024;
/// The random streams of starts; those of training and of samples lie elsewhere.
const STREAM: u64 = 1 << 42;
/// An axis has converged where a step turns it by less than this.
const TURN: f64 = 1e-10;
const MOST_STEPS: usize = 3000;
/// An axis with less than this share of the first one's variance is rounding.
const LEAST_SHARE: f64 = 1e-12;

/// 1e-4 · N(0, 1).
pub fn random(n: usize, seed: u64) -> Vec<[f32; 2]> {
    let philox = Philox::new(seed, STREAM);
    let draw = |i| {
        let [x, y, ..] = philox.normals(i as u64);
        [(SCALE * x) as f32, (SCALE * y) as f32]
    };
    (0..n).map(draw).collect()
}

/// The projections on the two principal axes, both scaled by what gives the first a standard deviation of 1e-4. Each
/// axis points to where its component of largest magnitude is positive.
pub fn start<T: Real>(points: Points<T>, seed: u64, team: &Team) -> Vec<[f32; 2]> {
    let (n, d) = (points.n, points.width);
    let centred = Centred::new(points);
    let [first, second] = axes_of(&centred, points, seed, team);
    let mut start = random(n, seed);
    let variance = |(_, variance): &(Vec<f64>, f64)| *variance;
    let has_second = variance(&second) > LEAST_SHARE * variance(&first);
    let project = |row: &[f64], axis: &[f64]| row.iter().zip(axis).map(|(x, a)| x * a).sum::<f64>();
    let mut projected = vec![[0.0; 2]; n];
    for (at, chunk) in projected.chunks_mut(ROWS).enumerate() {
        let rows = centred.rows(at * ROWS..at * ROWS + chunk.len());
        for (to, row) in chunk.iter_mut().zip(rows.chunks_exact(d)) {
            *to = [project(row, &first.0), project(row, &second.0)];
        }
    }
    let deviation = (projected.iter().map(|[x, _]| x * x).sum::<f64>() / n as f64).sqrt();
    for (to, [x, y]) in start.iter_mut().zip(projected) {
        to[0] = (x / deviation * SCALE) as f32;
        if has_second {
            to[1] = (y / deviation * SCALE) as f32;
        }
    }
    start
}

/// The two principal axes of the points, each of length 1 and pointing to where its component of largest magnitude is
/// positive; 0 where the points have no second one.
pub fn principal_axes<T: Real>(points: Points<T>, seed: u64, team: &Team) -> [Vec<f64>; 2] {
    axes_of(&Centred::new(points), points, seed, team).map(|(axis, _)| axis)
}

/// The two principal axes, and n times the variances along them.
fn axes_of<T: Real>(centred: &Centred<T>, points: Points<T>, seed: u64, team: &Team) -> [(Vec<f64>, f64); 2] {
    let (n, d) = (points.n, points.width);
    // The two matrices have the same eigenvalues above 0: the smaller one is enough.
    if d <= n {
        eigenvectors(&covariance(centred, n, d, team), d, seed)
    } else {
        eigenvectors(&gram(centred, n, d, team), n, seed)
            .map(|(weights, variance)| (unit_axis(centred, d, &weights), variance))
    }
}

/// Xᵀ·X of the centred rows: (d, d).
fn covariance<T: Real>(centred: &Centred<T>, n: usize, d: usize, team: &Team) -> Vec<f64> {
    let mut covariance = vec![0.0; d * d];
    for start in (0..n).step_by(ROWS) {
        let rows = start..n.min(start + ROWS);
        let k = rows.len();
        let values = centred.rows(rows);
        let x = Matrix::new(&values, k, d);
        let mut scratch = vec![0.0; gemm_scratch_len(d, k, d)];
        gemm(team, 1.0, x.transposed(), x, 1.0, MatrixMut::new(&mut covariance, d, d), &mut scratch);
    }
    covariance
}

/// X·Xᵀ of the centred rows: (n, n).
fn gram<T: Real>(centred: &Centred<T>, n: usize, d: usize, team: &Team) -> Vec<f64> {
    let mut gram = vec![0.0; n * n];
    for start in (0..n).step_by(ROWS) {
        let rows = start..n.min(start + ROWS);
        let left = centred.rows(rows.clone());
        for start in (0..n).step_by(ROWS) {
            let columns = start..n.min(start + ROWS);
            let right = centred.rows(columns.clone());
            let (a, b) = (Matrix::new(&left, rows.len(), d), Matrix::new(&right, columns.len(), d).transposed());
            let c = MatrixMut::new(&mut gram, n, n).rows(rows.clone()).cols(columns.clone());
            let mut scratch = vec![0.0; gemm_scratch_len(rows.len(), d, columns.len())];
            gemm(team, 1.0, a, b, 0.0, c, &mut scratch);
        }
    }
    gram
}

/// The axis Xᵀ·w of length 1, pointing to where its component of largest magnitude is positive; 0 where w is 0.
fn unit_axis<T: Real>(centred: &Centred<T>, d: usize, weights: &[f64]) -> Vec<f64> {
    let mut axis = vec![0.0; d];
    for (i, &weight) in weights.iter().enumerate() {
        axis.iter_mut().zip(centred.rows(i..i + 1)).for_each(|(axis, x)| *axis += weight * x);
    }
    let length = axis.iter().map(|a| a * a).sum::<f64>().sqrt();
    if length > 0.0 {
        axis.iter_mut().for_each(|a| *a /= length);
    }
    point_up(&mut axis);
    axis
}

/// Turns an axis to where its component of largest magnitude is positive.
fn point_up(axis: &mut [f64]) {
    let largest = axis.iter().fold(0.0f64, |largest, &a| if a.abs() > largest.abs() { a } else { largest });
    if largest < 0.0 {
        axis.iter_mut().for_each(|a| *a = -*a);
    }
}

/// The two eigenvectors of the largest eigenvalues, by orthogonal iteration, and the eigenvalues.
fn eigenvectors(covariance: &[f64], d: usize, seed: u64) -> [(Vec<f64>, f64); 2] {
    let philox = Philox::new(seed, STREAM + 1);
    let mut axes = [0, 1].map(|axis| (0..d).map(|i| philox.normals(i as u64)[axis]).collect::<Vec<f64>>());
    let mut variances = [0.0; 2];
    orthonormalise(&mut axes);
    for _ in 0..MOST_STEPS {
        let mut next = axes.each_ref().map(|axis| {
            let product = |row: &[f64]| row.iter().zip(axis).map(|(c, a)| c * a).sum::<f64>();
            covariance.chunks_exact(d).map(product).collect::<Vec<f64>>()
        });
        variances = orthonormalise(&mut next);
        let turn = |(a, b): (&Vec<f64>, &Vec<f64>)| {
            let away = |sign: f64| a.iter().zip(b).map(|(a, b)| (a - sign * b).powi(2)).sum::<f64>();
            away(1.0).min(away(-1.0)).sqrt()
        };
        let turned = axes.iter().zip(&next).map(turn).fold(0.0, f64::max);
        axes = next;
        if turned < TURN {
            break;
        }
    }
    axes.iter_mut().for_each(|axis| point_up(axis));
    let [first, second] = axes;
    [(first, variances[0]), (second, variances[1])]
}

/// Gram and Schmidt's; gives the lengths that the vectors had. One without a direction of its own becomes 0.
fn orthonormalise(axes: &mut [Vec<f64>; 2]) -> [f64; 2] {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let [first, second] = axes;
    let scale = |axis: &mut Vec<f64>, length: f64| {
        if length > 0.0 {
            axis.iter_mut().for_each(|a| *a /= length);
        }
    };
    let one = dot(first, first).sqrt();
    scale(first, one);
    let before = dot(second, second).sqrt();
    for _ in 0..2 {
        let along = dot(first, second);
        second.iter_mut().zip(first.iter()).for_each(|(b, a)| *b -= along * a);
    }
    let mut two = dot(second, second).sqrt();
    if two <= before * LEAST_SHARE {
        two = 0.0;
        second.fill(0.0);
    }
    scale(second, two);
    [one, two]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_matrices_give_the_same_start() {
        let philox = Philox::new(3, 0);
        // 20 rows with an axis of its own size each, so that the components are well apart.
        let (n, d) = (20, 30);
        let value = |at: usize| philox.normals(at as u64)[0] / (1 + at % d) as f64;
        let values: Vec<f32> = (0..n * d).map(|at| value(at) as f32).collect();
        let points = Points::new("x", &values, n, d).unwrap();
        let (team, centred) = (Team::solo(), Centred::new(points));
        let by_covariance = eigenvectors(&covariance(&centred, n, d, &team), d, 1);
        let by_gram = eigenvectors(&gram(&centred, n, d, &team), n, 1);
        for ((axis, variance), (weights, same)) in by_covariance.iter().zip(&by_gram) {
            assert!((variance - same).abs() < 1e-9 * variance, "{variance} {same}");
            let away = axis.iter().zip(unit_axis(&centred, d, weights)).map(|(a, b)| (a - b).abs());
            assert!(away.fold(0.0, f64::max) < 1e-7);
        }
    }

    #[test]
    fn a_few_wide_rows_take_a_small_matrix() {
        let (n, d) = (4, 60_000);
        let values: Vec<f32> = (0..n * d).map(|at| (at % 97) as f32).collect();
        let start = start(Points::new("x", &values, n, d).unwrap(), 1, &Team::solo());
        assert!(start.iter().flatten().all(|v| v.is_finite()) && start[0] != start[1]);
    }
}
