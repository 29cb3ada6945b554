//! How good a picture is: trustworthiness, and how well neighbours' labels agree.

use inkgrad_engine::Team;

use super::knn::{self, Centred};
use super::{Points, Real};

/// Rows that one task ranks.
const ROWS: usize = 64;

/// T(k) = 1 − 2 / (N·k·(2N − 3k − 1)) · Σᵢ Σ_j max(0, r(i, j) − k), over the k nearest j of i in `embedded`, with r the
/// rank of j among i's nearest in `points` (Venna and Kaski 2001). In [0, 1]; exact.
///
/// # Panics
/// If the two have different numbers of rows, or k is not within 1 ≤ k < N / 2.
pub fn trustworthiness<T: Real>(points: Points<T>, embedded: Points, k: usize, team: &Team) -> f64 {
    let all: Vec<usize> = (0..points.len()).collect();
    trustworthiness_of(points, embedded, &all, k, team)
}

/// The same with the mean over `some` points i, of which each is held against all: an estimate of it where they are a sample.
///
/// # Panics
/// As [`trustworthiness`], and if there are none.
pub fn trustworthiness_of<T: Real>(points: Points<T>, embedded: Points, some: &[usize], k: usize, team: &Team) -> f64 {
    let n = points.len();
    assert_eq!(n, embedded.len(), "an embedded point for each point");
    assert!(k >= 1 && 2 * k < n, "trustworthiness of {k} neighbours among {n} points");
    assert!(!some.is_empty(), "points to look at");
    let near = knn::nearest_of(embedded, some, k, team);
    let centred = Centred::new(points);
    // Nearer points for each neighbour.
    let mut nearer = vec![0u32; some.len() * k];
    team.pieces([(&mut nearer, ROWS * k)], |piece, [nearer]| {
        let some = &some[piece * ROWS..][..nearer.len() / k];
        let mut limits = vec![0.0; some.len() * k];
        let neighbours = &near.indices[piece * ROWS * k..][..some.len() * k];
        // Once for the distances of the neighbours, once to count what is nearer.
        centred.tiles(some, |start, width, tile| {
            for (at, (limit, &j)) in limits.iter_mut().zip(neighbours).enumerate() {
                if let Some(column) = (j as usize).checked_sub(start).filter(|&column| column < width) {
                    *limit = tile[at / k * width + column];
                }
            }
        });
        centred.tiles(some, |start, width, tile| {
            for (at, (count, (&limit, &j))) in nearer.iter_mut().zip(limits.iter().zip(neighbours)).enumerate() {
                let row = at / k;
                let distances = &tile[row * width..][..width];
                // Of equally near ones the first is nearer.
                let ties = (j as usize).saturating_sub(start).min(width);
                let (before, after) = distances.split_at(ties);
                let below =
                    before.iter().filter(|&&d| d <= limit).count() + after.iter().filter(|&&d| d < limit).count();
                let own = some[row].checked_sub(start).filter(|&column| column < width);
                let own = own
                    .is_some_and(|column| distances[column] < limit || (distances[column] == limit && column < ties));
                *count += below as u32 - u32::from(own);
            }
        });
    });
    let beyond: u64 = nearer.iter().map(|&nearer| (u64::from(nearer) + 1).saturating_sub(k as u64)).sum();
    let (n, k, some) = (n as f64, k as f64, some.len() as f64);
    1.0 - beyond as f64 * 2.0 / (some * k * (2.0 * n - 3.0 * k - 1.0))
}

/// The share of points whose label is that of most of their `k` nearest others in `embedded`, the smallest of equally
/// frequent ones.
///
/// # Panics
/// If there is not a label for each point, or k is not within 1 ≤ k < N.
pub fn label_accuracy(embedded: Points, labels: &[usize], k: usize, team: &Team) -> f64 {
    let all: Vec<usize> = (0..embedded.len()).collect();
    label_accuracy_of(embedded, labels, &all, k, team)
}

/// The same share of `some` points.
///
/// # Panics
/// As [`label_accuracy`], and if there are none.
pub fn label_accuracy_of(embedded: Points, labels: &[usize], some: &[usize], k: usize, team: &Team) -> f64 {
    let n = embedded.len();
    assert_eq!(n, labels.len(), "a label for each point");
    assert!(k >= 1 && k < n, "{k} neighbours among {n} points");
    assert!(!some.is_empty(), "points to look at");
    let near = knn::nearest_of(embedded, some, k, team);
    let agrees = |(row, &i): (&[u32], &usize)| {
        let mut found: Vec<usize> = row.iter().map(|&j| labels[j as usize]).collect();
        found.sort_unstable();
        let most = found.chunk_by(|a, b| a == b).reduce(|best, run| if run.len() > best.len() { run } else { best });
        most.is_some_and(|run| run[0] == labels[i])
    };
    near.indices.chunks_exact(k).zip(some).filter(|&pair| agrees(pair)).count() as f64 / some.len() as f64
}
