//! Each part against scikit-learn's numbers, and the whole at several numbers of threads.

use inkgrad_engine::Pool;
use inkgrad_kernels::cpu::rng::Philox;
use serde::Deserialize;

use super::*;

/// scikit-learn's numbers (`tests/fixtures/tsne/generate.py`).
#[derive(Deserialize)]
pub struct Fixture {
    n: usize,
    width: usize,
    points: Vec<f32>,
    pub perplexity: f64,
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
    at: Vec<f32>,
    pub gradient: Vec<f64>,
    pub kl: f64,
    pub exaggeration: f64,
    pub kl_exaggerated: f64,
    start: Vec<f64>,
    trustworthiness: Vec<(usize, f64)>,
    r#final: Final,
}

#[derive(Deserialize)]
struct Final {
    kl: f64,
    trustworthiness: f64,
}

impl Fixture {
    pub fn load() -> Self {
        serde_json::from_str(include_str!("../../../tests/fixtures/tsne/tsne.json")).unwrap()
    }

    fn points(&self) -> Points<'_> {
        Points::new("points", &self.points, self.n, self.width).unwrap()
    }

    pub fn affinities(&self) -> Affinities {
        Affinities { starts: self.starts.clone(), columns: self.columns.clone(), values: self.values.clone() }
    }

    /// The embedded points that have the gradient.
    pub fn at(&self) -> Vec<[f32; 2]> {
        self.at.as_chunks().0.to_vec()
    }
}

/// Clouds around `classes` centres: `n` rows of `width`, row i of class i % classes.
pub fn clouds(n: usize, width: usize, classes: usize) -> Vec<f32> {
    let philox = Philox::new(5, 0);
    let draw = |row: usize, column: usize| philox.normals((row * width + column) as u64)[0];
    let value = |i: usize| 8.0 * draw(n + i / width % classes, i % width) + draw(i / width, i % width);
    (0..n * width).map(|i| value(i) as f32).collect()
}

#[test]
fn affinities_are_those_of_scikit_learn() {
    let fixture = Fixture::load();
    let config = TsneConfig { perplexity: fixture.perplexity, ..TsneConfig::default() };
    let neighbours = knn::nearest(fixture.points(), config.neighbours(fixture.n), &Team::solo());
    let affinities = Affinities::new(&neighbours, fixture.perplexity, &Team::solo());
    assert_eq!(affinities.starts, fixture.starts);
    assert_eq!(affinities.columns, fixture.columns);
    for (p, expected) in affinities.values.iter().zip(&fixture.values) {
        assert!((p - expected).abs() <= 1e-5 * expected, "{p} for {expected}");
    }
}

#[test]
fn start_is_that_of_scikit_learn() {
    let fixture = Fixture::load();
    let start = pca::start(fixture.points(), 0, &Team::solo());
    for axis in 0..2 {
        let dot = |sign: f64| {
            let pairs = start.iter().zip(fixture.start.as_chunks::<2>().0);
            pairs.map(|(a, b)| (f64::from(a[axis]) - sign * b[axis]).abs()).fold(0.0, f64::max)
        };
        let away = dot(1.0).min(dot(-1.0));
        assert!(away < 1e-9, "axis {axis} is {away} from scikit-learn's");
    }
}

/// Where the data have one direction, the second coordinate is drawn at random.
#[test]
fn one_direction_is_enough_for_a_start() {
    let line: Vec<f32> = (0..60).flat_map(|i| [i as f32, -2.0 * i as f32]).collect();
    let start = pca::start(Points::new("line", &line, 60, 2).unwrap(), 9, &Team::solo());
    let drawn = pca::random(60, 9);
    assert!(start.iter().zip(&drawn).all(|(a, b)| a[1] == b[1]));
    let variance = start.iter().map(|[x, _]| f64::from(*x).powi(2)).sum::<f64>() / 60.0;
    assert!((variance.sqrt() / 1e-4 - 1.0).abs() < 1e-6);
    assert!(start.windows(2).map(|pair| pair[1][0] > pair[0][0]).all(|up| up == (start[1][0] > start[0][0])));
}

#[test]
fn trustworthiness_is_that_of_scikit_learn() {
    let fixture = Fixture::load();
    let embedded = Points::new("at", &fixture.at, fixture.n, 2).unwrap();
    for &(k, expected) in &fixture.trustworthiness {
        let found = trustworthiness(fixture.points(), embedded, k, &Team::solo());
        assert!((found - expected).abs() < 1e-12, "{found} for {expected} with {k} neighbours");
        assert_eq!(trustworthiness(fixture.points(), fixture.points(), k, &Team::solo()), 1.0);
    }
}

#[test]
fn labels_are_voted_on_by_the_nearest() {
    // The lone point of class 1 at 2.4 has only neighbours of class 0; of two classes as frequent the smaller wins.
    let line: Vec<f32> = [0.0, 1.0, 2.0, 2.4, 50.0, 51.0, 52.5].into_iter().flat_map(|x| [x, 0.0]).collect();
    let points = Points::new("line", &line, 7, 2).unwrap();
    let accuracy = |labels: [usize; 7], k| label_accuracy(points, &labels, k, &Team::solo());
    assert_eq!(accuracy([0, 0, 0, 1, 2, 2, 2], 2), 6.0 / 7.0);
    assert_eq!(accuracy([0, 0, 0, 0, 2, 2, 2], 2), 1.0);
    assert_eq!(accuracy([0, 0, 0, 0, 2, 3, 2], 2), 6.0 / 7.0);
    assert_eq!(accuracy([0, 0, 0, 0, 3, 2, 3], 2), 4.0 / 7.0);
}

#[test]
fn embedding_is_as_good_as_that_of_scikit_learn() {
    let fixture = Fixture::load();
    let config = TsneConfig { perplexity: fixture.perplexity, ..TsneConfig::default() };
    let mut heard = 0;
    let embedding = embed(&config, fixture.points(), &Team::solo(), |progress| heard = progress.iteration).unwrap();
    assert_eq!((heard, embedding.iterations), (1000, 1000));
    let expected = &fixture.r#final;
    assert!(embedding.kl < expected.kl * 1.02, "{} for {}", embedding.kl, expected.kl);
    let embedded = Points::new("embedding", &embedding.points, fixture.n, 2).unwrap();
    let trust = trustworthiness(fixture.points(), embedded, 12, &Team::solo());
    assert!(trust > expected.trustworthiness - 0.005, "{trust} for {}", expected.trustworthiness);
    let labels: Vec<usize> = (0..fixture.n).map(|i| i % 3).collect();
    assert_eq!(label_accuracy(embedded, &labels, 5, &Team::solo()), 1.0);
}

#[test]
fn embedding_does_not_depend_on_the_number_of_threads() {
    // Several pieces of points, and a last one that is not full.
    let (n, width) = (3 * PIECE + 45, 10);
    let values = clouds(n, width, 4);
    let points = Points::new("clouds", &values, n, width).unwrap();
    let labels: Vec<usize> = (0..n).map(|i| i % 4).collect();
    let config = TsneConfig { perplexity: 12.0, iterations: 90, exaggerated: 40, ..TsneConfig::default() };
    let at = |threads| {
        Pool::new(threads).enter(|team| {
            let embedding = embed(&config, points, team, |_| ()).unwrap();
            let embedded = Points::new("embedding", &embedding.points, n, 2).unwrap();
            let scores = (trustworthiness(points, embedded, 12, team), label_accuracy(embedded, &labels, 5, team));
            let bits: Vec<u32> = embedding.points.iter().map(|x| x.to_bits()).collect();
            (bits, embedding.kl.to_bits(), scores)
        })
    };
    let alone = at(1);
    assert!(alone.2.0 > 0.8, "trustworthiness {}", alone.2.0);
    for threads in [2, 3] {
        assert!(at(threads) == alone, "{threads} threads");
    }
}

#[test]
fn doubles_are_embedded_as_doubles() {
    let (n, width) = (90, 5);
    let config = TsneConfig { perplexity: 8.0, iterations: 120, exaggerated: 60, ..TsneConfig::default() };
    let labels: Vec<usize> = (0..n).map(|i| i % 3).collect();
    let near: Vec<f64> = clouds(n, width, 3).into_iter().map(f64::from).collect();
    let accuracy = |values: &[f64]| {
        let points = Points::new("clouds", values, n, width).unwrap();
        let embedding = embed(&config, points, &Team::solo(), |_| ()).unwrap();
        assert!(embedding.kl.is_finite() && embedding.points.iter().all(|x| x.is_finite()));
        label_accuracy(Points::new("embedding", &embedding.points, n, 2).unwrap(), &labels, 5, &Team::solo())
    };
    assert_eq!(accuracy(&near), 1.0);
    // In single precision they would be one point, zero or infinite.
    for (offset, scale) in [(1e9, 1.0), (0.0, 1e-60), (0.0, 1e60)] {
        let moved: Vec<f64> = near.iter().map(|x| x * scale + offset).collect();
        assert_eq!(accuracy(&moved), 1.0, "{offset} + {scale} · x");
    }
}

#[test]
fn seeds_and_starts_give_other_pictures() {
    let values = clouds(80, 5, 2);
    let points = Points::new("clouds", &values, 80, 5).unwrap();
    let at = |start, seed| {
        let config = TsneConfig { perplexity: 5.0, iterations: 20, start, seed, ..TsneConfig::default() };
        embed(&config, points, &Team::solo(), |_| ()).unwrap().points
    };
    assert!(at(Start::Random, 1) == at(Start::Random, 1));
    assert!(at(Start::Random, 1) != at(Start::Random, 2));
    assert!(at(Start::Random, 1) != at(Start::Pca, 1));
}

#[test]
fn what_cannot_be_embedded_is_refused() {
    let refused = |values: &[f32], n, part: &str| {
        let message = Points::new("z", values, n, values.len() / n).unwrap_err().to_string();
        assert!(message.contains(part), "no `{part}` in: {message}");
    };
    refused(&[0.0, 1.0, 2.0], 3, "3 rows, expected at least 4");
    refused(&[0.0, 1.0, 2.0, f32::NAN], 4, "row 3 holds NaN");
    refused(&[0.5; 12], 4, "all 4 rows are the same");
    let large = Points::new("z", &[0.0, 1.0, 2.0, -1e200], 4, 1).unwrap_err().to_string();
    assert_eq!(large, "z: row 3 holds -1e200, expected at most 1e150");
    let values = clouds(10, 2, 2);
    let points = Points::new("z", &values, 10, 2).unwrap();
    for perplexity in [10.0, 0.5, f64::NAN, f64::INFINITY] {
        let config = TsneConfig { perplexity, ..TsneConfig::default() };
        let message = embed(&config, points, &Team::solo(), |_| ()).unwrap_err().to_string();
        assert!(message.contains("less than the 10 points"), "{message}");
    }
}

#[test]
#[ignore = "slow"]
fn approximate_neighbours_give_as_good_a_picture() {
    let values = clouds(1200, 16, 5);
    let points = Points::new("clouds", &values, 1200, 16).unwrap();
    let exact = TsneConfig { iterations: 400, ..TsneConfig::default() };
    let approximate = TsneConfig { search: Search::Approximate, ..exact };
    Pool::new(2).enter(|team| {
        let (exact, approximate) =
            (embed(&exact, points, team, |_| {}).unwrap(), embed(&approximate, points, team, |_| {}).unwrap());
        assert_eq!(exact.recall, None);
        assert!(approximate.recall.is_some_and(|recall| recall > 0.97));
        assert!((approximate.kl / exact.kl - 1.0).abs() < 0.05, "{} for {}", approximate.kl, exact.kl);
        // In the caller's order: each point lies among those of its own cloud.
        let labels: Vec<usize> = (0..1200).map(|i| i % 5).collect();
        let plane = Points::new("plane", &approximate.points, 1200, 2).unwrap();
        assert!(label_accuracy(plane, &labels, 5, team) > 0.99);
    });
}

#[test]
fn samples_are_ascending_distinct_and_the_same_for_a_seed() {
    assert_eq!(sample(5, 9, 1), [0, 1, 2, 3, 4]);
    let some = sample(1000, 300, 1);
    assert!(some.len() == 300 && some.is_sorted_by(|a, b| a < b) && some[299] < 1000);
    assert_eq!(some, sample(1000, 300, 1));
    assert_ne!(some, sample(1000, 300, 2));
}

/// The mean over a sample is near that over all.
#[test]
fn scores_of_a_sample_estimate_those_of_all_points() {
    let values = clouds(900, 6, 6);
    let points = Points::new("x", &values, 900, 6).unwrap();
    let plane: Vec<f32> = values.chunks_exact(6).flat_map(|row| [row[0], row[1]]).collect();
    let plane = Points::new("plane", &plane, 900, 2).unwrap();
    let labels: Vec<usize> = (0..900).map(|i| i / 7 % 3).collect();
    let (team, some) = (Team::solo(), sample(900, 450, 3));
    let (all, of_some) = (trustworthiness(points, plane, 9, &team), trustworthiness_of(points, plane, &some, 9, &team));
    assert!(all < 0.99 && (all - of_some).abs() < 0.02, "{of_some} for {all}");
    let (all, of_some) = (label_accuracy(plane, &labels, 5, &team), label_accuracy_of(plane, &labels, &some, 5, &team));
    assert!(all < 0.99 && (all - of_some).abs() < 0.05, "{of_some} for {all}");
}

/// Their squares would be zeros, and all rows the same.
#[test]
fn rows_whose_differences_have_no_squares_are_refused() {
    let of_size = |scale: f64| -> Vec<f64> { (0..40).map(|i| f64::from(i * i % 17) * scale).collect() };
    let message = Points::new("f.npy", &of_size(1e-200), 10, 4).unwrap_err().to_string();
    assert_eq!(message, "f.npy: rows differ by at most 1.6e-199, expected differences of 1e-150 or more");
    assert!(Points::new("f.npy", &of_size(1e-140), 10, 4).is_ok());
}
