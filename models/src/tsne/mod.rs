//! t-SNE (van der Maaten and Hinton 2008) as scikit-learn defines it: nearest neighbours, exact or of very many points
//! approximate with their recall measured, gradients by Barnes and Hut's tree (van der Maaten 2014), a start from the principal
//! components.
//!
//! Hand-written, since bhtsne, the crate that comes closest, carries its momentum over the end of the exaggeration,
//! does not stop at a small gradient and starts from no principal components.
//!
//! Nothing depends on the number of threads, to the last bit: work is cut by the number of points alone, and sums have a
//! fixed order.
//!
//! ```
//! use inkgrad_engine::Team;
//! use inkgrad_models::tsne::{Points, TsneConfig, embed};
//!
//! // Two clusters of eight points in three dimensions.
//! let values: Vec<f32> = (0..48).map(|i| (i / 24 * 9) as f32 + (i as f32).sin()).collect();
//! let config = TsneConfig { perplexity: 3.0, ..TsneConfig::default() };
//! let plane = embed(&config, Points::new("clusters", &values, 16, 3)?, &Team::solo(), |_| {})?;
//! assert_eq!(plane.points.len(), 16 * 2);
//! # Ok::<(), inkgrad_models::Error>(())
//! ```

mod affinities;
mod attraction;
mod descent;
mod knn;
mod pca;
mod place;
mod quality;
mod repulsion;
mod scatter;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeSet;

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::rng::Philox;
use inkgrad_kernels::launch::Device;

pub use pca::principal_axes;
pub use place::{PlaceConfig, Placed, place};
pub use quality::{label_accuracy, label_accuracy_of, trustworthiness, trustworthiness_of};
pub use scatter::{Head, scatter, scatter_png};

use crate::error::{Error, Result};
use crate::memory;
use affinities::Affinities;
use descent::{Descent, Phase};

/// The random stream of [`sample`].
const SAMPLES: u64 = 1 << 44;

/// Points that a thread takes at a time.
const PIECE: usize = 256;

/// Where the points begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// The first two principal components, scaled so that the first has a standard deviation of 1e-4. Where the data
    /// have only one, the second coordinate is drawn at random.
    #[default]
    Pca,
    /// 1e-4 · N(0, 1).
    Random,
}

/// How the nearest neighbours are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Search {
    /// Exactly up to [`MOST_EXACT`] points, approximately beyond.
    #[default]
    Automatic,
    /// Each point is held against each other.
    Exact,
    /// By a forest of random trees and neighbours' neighbours; the recall is measured.
    Approximate,
}

/// The most points whose neighbours [`Search::Automatic`] looks for exactly: twice as many take four times as long.
pub const MOST_EXACT: usize = 50_000;

/// The settings; the defaults are scikit-learn's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TsneConfig {
    /// The number of neighbours that a point effectively has, e to the entropy of its conditional distribution.
    pub perplexity: f64,
    /// Iterations in all, those with exaggeration included.
    pub iterations: usize,
    /// Iterations with exaggeration and a momentum of 0.5.
    pub exaggerated: usize,
    /// By how much the affinities are multiplied in those.
    pub exaggeration: f64,
    /// The widest angle, as width over distance, at which a cell of the tree stands for its points.
    pub theta: f64,
    /// How the neighbours are looked for.
    pub search: Search,
    /// Where the points begin.
    pub start: Start,
    /// The seed of everything that is drawn at random.
    pub seed: u64,
}

impl Default for TsneConfig {
    fn default() -> Self {
        TsneConfig {
            perplexity: 30.0,
            iterations: 1000,
            exaggerated: 250,
            exaggeration: 12.0,
            theta: 0.5,
            search: Search::Automatic,
            start: Start::Pca,
            seed: 42,
        }
    }
}

impl TsneConfig {
    /// Neighbours of each of `n` points: 3·perplexity + 1, or all others.
    fn neighbours(&self, n: usize) -> usize {
        ((3.0 * self.perplexity + 1.0) as usize).min(n - 1)
    }

    /// Whether the neighbours of `n` points are looked for approximately.
    pub fn approximates(&self, n: usize) -> bool {
        match self.search {
            Search::Automatic => n > MOST_EXACT,
            Search::Exact => false,
            Search::Approximate => true,
        }
    }

    /// max(N / (4·exaggeration), 50).
    fn learning_rate(&self, n: usize) -> f64 {
        (n as f64 / self.exaggeration / 4.0).max(50.0)
    }

    /// Bytes that the largest arrays of `n` points of that width take: the smaller of covariance and Gram matrix, each
    /// thread's blocks of rows in f64, some 100 bytes a neighbour, and where these are found approximately the forest's points.
    fn need(&self, n: usize, width: usize, threads: usize) -> u64 {
        let [n, d, threads, k] = [n, width, threads, self.neighbours(n)].map(|count| count as u64);
        let matrix = n.min(d).saturating_mul(n.min(d));
        let blocks = threads.saturating_add(1).saturating_mul(n.min(1024) + 128).saturating_mul(d);
        let neighbours = n.saturating_mul(k).saturating_mul(100);
        // The points in f32, and once more in a tree's order.
        let tables = if self.approximates(n as usize) { n.saturating_mul(d).saturating_mul(8) } else { 0 };
        matrix.saturating_add(blocks).saturating_mul(8).saturating_add(neighbours).saturating_add(tables)
    }

    fn check(&self, n: usize) -> Result<()> {
        let perplexity = self.perplexity;
        if !(perplexity >= 1.0 && perplexity < n as f64) {
            let problem = format!("{perplexity}, expected at least 1 and less than the {n} points");
            return Err(Error::input("--perplexity", problem));
        }
        Ok(())
    }
}

/// The precision of what is embedded. Everything is computed in f64; of f32 squared distances are rounded to it, as
/// scikit-learn's are.
pub trait Real: Copy + PartialEq + Into<f64> + std::fmt::Display + Send + Sync {
    /// A squared distance between points of this precision.
    fn round(squared: f64) -> f64;
}

impl Real for f32 {
    fn round(squared: f64) -> f64 {
        let rounded = squared as f32;
        // Distances beyond its range stay as they are.
        if rounded.is_finite() { rounded.into() } else { squared }
    }
}

impl Real for f64 {
    fn round(squared: f64) -> f64 {
        squared
    }
}

/// Larger numbers than this have squares whose sums overflow.
const LARGEST: f64 = 1e150;

/// Squares of smaller differences than this vanish.
const SMALLEST: f64 = 1e-150;

/// Rows of numbers that can be embedded: at least four, finite, not all the same.
#[derive(Debug, Clone, Copy)]
pub struct Points<'a, T = f32> {
    name: &'a str,
    values: &'a [T],
    n: usize,
    width: usize,
}

impl<'a, T: Real> Points<'a, T> {
    /// The rows of `values: (n, width)`; `name` is what messages call them.
    ///
    /// # Errors
    /// If there are fewer than four rows, a number is not finite or beyond ±1e150, or all rows are the same.
    ///
    /// # Panics
    /// If the shape is not that of the values.
    pub fn new(name: &'a str, values: &'a [T], n: usize, width: usize) -> Result<Self> {
        assert_eq!(values.len(), n * width, "values of shape ({n}, {width})");
        if n < 4 {
            return Err(Error::input(name, format_args!("{n} rows, expected at least 4")));
        }
        if u32::try_from(n).is_err() {
            return Err(Error::input(name, format_args!("{n} rows, expected fewer than 2³²")));
        }
        check_numbers(name, values, width)?;
        if values.chunks_exact(width.max(1)).all(|row| row == &values[..width]) {
            return Err(Error::input(name, format_args!("all {n} rows are the same, expected rows that differ")));
        }
        let differences = values.chunks_exact(width).flat_map(|row| row.iter().zip(&values[..width]));
        let most = differences.fold(0.0f64, |most, (&x, &first)| most.max((x.into() - first.into()).abs()));
        if most < SMALLEST {
            let problem = format!("rows differ by at most {most:e}, expected differences of {SMALLEST:e} or more");
            return Err(Error::input(name, problem));
        }
        Ok(Points { name, values, n, width })
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Never: there are at least four rows.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    fn row(&self, i: usize) -> &'a [T] {
        &self.values[i * self.width..][..self.width]
    }
}

/// Refuses numbers that are not finite, or whose squares overflow.
fn check_numbers<T: Real>(name: &str, values: &[T], width: usize) -> Result<()> {
    let number = |value: &T| -> f64 { (*value).into() };
    if let Some(at) = values.iter().position(|value| !number(value).is_finite()) {
        let problem = format!("row {} holds {}, expected finite numbers", at / width, values[at]);
        return Err(Error::input(name, problem));
    }
    if let Some(at) = values.iter().position(|value| number(value).abs() > LARGEST) {
        let problem = format!("row {} holds {:e}, expected at most {LARGEST:e}", at / width, number(&values[at]));
        return Err(Error::input(name, problem));
    }
    Ok(())
}

/// `count` of the numbers below `n`, or all where there are no more: each at most once, in ascending order, the same for the same
/// seed.
pub fn sample(n: usize, count: usize, seed: u64) -> Vec<usize> {
    if count >= n {
        return (0..n).collect();
    }
    let philox = Philox::new(seed, SAMPLES);
    let words = (0..).flat_map(|block| philox.block(block));
    let mut drawn = BTreeSet::new();
    for word in words {
        drawn.insert(((u64::from(word) * n as u64) >> 32) as usize);
        if drawn.len() == count {
            break;
        }
    }
    drawn.into_iter().collect()
}

/// How far an embedding is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Iterations done.
    pub iteration: usize,
    /// Iterations in all.
    pub iterations: usize,
}

/// Points in the plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// (N, 2), row by row.
    pub points: Vec<f32>,
    /// The Kullback–Leibler divergence of the points' affinities from the data's, in nats.
    pub kl: f64,
    /// Iterations done.
    pub iterations: usize,
    /// Of neighbours that were looked for approximately, the share that was found, on a sample of points.
    pub recall: Option<f64>,
}

/// Embeds `points` in the plane; `progress` hears of each iteration.
///
/// # Errors
/// If the perplexity does not fit the number of points.
pub fn embed<T: Real>(
    config: &TsneConfig,
    points: Points<T>,
    team: &Team,
    progress: impl FnMut(Progress),
) -> Result<Embedding> {
    embed_from(config, points, None, None, team, progress)
}

/// The same from where the points are to begin, `(N, 2)`, as it is, in place of the configuration's start; and with a device, if one
/// is given, that helps to find exact neighbours.
///
/// # Errors
/// As [`embed`], and if the device has too little memory or fails.
///
/// # Panics
/// If there is not a place for each point.
pub fn embed_from<T: Real>(
    config: &TsneConfig,
    points: Points<T>,
    start: Option<&[f32]>,
    device: Option<&mut dyn Device>,
    team: &Team,
    mut progress: impl FnMut(Progress),
) -> Result<Embedding> {
    assert!(start.is_none_or(|start| start.len() == 2 * points.n), "a place for each point");
    config.check(points.n)?;
    // A device is given the points in f32.
    let copy = if device.is_some() { (size_of::<f32>() * points.n).saturating_mul(points.width) } else { 0 };
    let need = config.need(points.n, points.width, team.threads()).saturating_add(copy as u64);
    memory::check(need, format_args!("{}: its t-SNE", points.name))?;
    let k = config.neighbours(points.n);
    let (neighbours, found) = if config.approximates(points.n) {
        let knn::Found { order, neighbours, recall } = knn::approximately_nearest(points, k, config.seed, team);
        (neighbours, Some((order, recall)))
    } else {
        let neighbours = match device {
            Some(device) => knn::nearest_with(device, points, k, team)?,
            None => knn::nearest(points, k, team),
        };
        (neighbours, None)
    };
    let affinities = Affinities::new(&neighbours, config.perplexity, team);
    drop(neighbours);
    let mut start = match (start, config.start) {
        (Some(start), _) => start.as_chunks().0.to_vec(),
        (None, Start::Pca) => pca::start(points, config.seed, team),
        (None, Start::Random) => pca::random(points.n, config.seed),
    };
    if let Some((order, _)) = &found {
        start = order.iter().map(|&i| start[i as usize]).collect();
    }
    let mut descent = Descent::new(affinities, start, config, team);
    let mut report = |iteration| progress(Progress { iteration, iterations: config.iterations });
    let exaggerated = config.exaggerated.min(config.iterations);
    let exploration =
        Phase { iterations: 0..exaggerated, exaggeration: config.exaggeration, momentum: 0.5, patience: 250 };
    let done = descent.descend(exploration, team, &mut report);
    let refinement = Phase { iterations: done..config.iterations, exaggeration: 1.0, momentum: 0.8, patience: 300 };
    let done = descent.descend(refinement, team, &mut report);
    let kl = descent.divergence(team);
    let mut places = descent.into_points();
    if let Some((order, _)) = &found {
        let ordered = places.clone();
        order.iter().zip(&ordered).for_each(|(&i, &place)| places[i as usize] = place);
    }
    let recall = found.map(|(_, recall)| recall);
    Ok(Embedding { points: places.into_flattened(), kl, iterations: done, recall })
}
