//! The drawings of a page: examples to start from, and where their codes lie.

use inkgrad_engine::{Pool, Team};
use inkgrad_models::Result;
use inkgrad_models::data::{Dataset, Examples, Images};
use inkgrad_models::infer::Inference;
use inkgrad_models::tsne::{self, Points, TsneConfig};
use serde::Serialize;

use super::half;

/// Drawings on a page: no more than make a map, no fewer than make one worth looking at.
const COUNT: std::ops::RangeInclusive<usize> = 60..=240;

/// Drawings with their labels, as many of each class as there are, taking turns.
#[derive(Debug, Serialize)]
pub struct Drawings {
    /// `test`, or `training` where there are no others.
    pub split: &'static str,
    /// Each one's class.
    pub labels: Vec<usize>,
    /// Base64 of bytes: (N, height, width, channels).
    pixels: String,
    /// The same, for the engine.
    #[serde(skip)]
    pub images: Images,
}

impl Drawings {
    /// Chooses from the test drawings of `dataset`, or from those for training where it has no others: as many as `room`
    /// characters hold.
    pub fn choose(dataset: &Dataset, room: usize) -> Self {
        let (split, name) = dataset.examined();
        let each = (split.images.extents().len() * 4).div_ceil(3);
        let count = (room / each).clamp(*COUNT.start(), *COUNT.end());
        let Examples { images, labels } = split.take(&in_turns(&split.labels, dataset.classes.len(), count));
        let pixels = half::bytes_base64(images.values().into_iter().map(|v| (v * 255.0).round() as u8));
        Drawings { split: name, labels, pixels, images }
    }
}

/// The first indices of each class in turns, up to `count`.
fn in_turns(labels: &[usize], classes: usize, count: usize) -> Vec<usize> {
    let mut by_class = vec![Vec::new(); classes.max(1)];
    labels.iter().enumerate().for_each(|(i, &label)| by_class[label].push(i));
    let longest = by_class.iter().map(Vec::len).max().unwrap_or(0);
    let turns = (0..longest).flat_map(|turn| by_class.iter().filter_map(move |class| class.get(turn).copied()));
    turns.take(count).collect()
}

/// The codes of the drawings: latents, or a classifier's last hidden layer.
#[derive(Debug, Serialize)]
pub struct Codes {
    /// Elements of a code.
    pub width: usize,
    /// Whether they are distributed around their means, with N(0, I) as a prior.
    pub prior: bool,
    /// Base64 of halves: (N, width).
    mu: String,
    /// Base64 of halves, (K, width) each: means and standard deviations of the Gaussians of a prior that was learnt.
    mixture: Option<[String; 2]>,
    /// Nats a dimension, the mean over the drawings; empty without N(0, I) as a prior.
    kl: Vec<f32>,
    /// The dimensions by falling divergence, or by falling variance without a prior.
    order: Vec<usize>,
    /// Each dimension's mean and standard deviation over the drawings.
    mean: Vec<f32>,
    deviation: Vec<f32>,
    /// The two principal axes, along which a map lies; none where codes are too few or all the same.
    axes: Option<[Vec<f32>; 2]>,
    /// Where they lie by t-SNE; none where they are too few for it.
    tsne: Option<Plane>,
}

/// Codes embedded in the plane.
#[derive(Debug, Serialize)]
struct Plane {
    points: Vec<[f32; 2]>,
    perplexity: f64,
}

impl Plane {
    /// By t-SNE, with its usual 30 effective neighbours, or a sixth of the codes where they are few.
    fn embed(points: Points, seed: u64, team: &Team) -> Option<Self> {
        let perplexity = TsneConfig::default().perplexity.min((points.len() - 1) as f64 / 6.0);
        let config = TsneConfig { perplexity, seed, ..TsneConfig::default() };
        let embedding = tsne::embed(&config, points, team, |_| {}).ok()?;
        // Thousandths are finer than a map's pixels.
        let round = |x: f32| (x * 1e3).round() / 1e3;
        let places = embedding.points.as_chunks::<2>().0.iter().map(|place| place.map(round));
        Some(Plane { points: places.collect(), perplexity })
    }
}

impl Codes {
    /// Codes the drawings and lays out the map.
    ///
    /// # Errors
    /// If the network refuses them.
    pub fn gather(inference: &mut Inference, drawings: &Drawings) -> Result<Self> {
        let network = inference.network();
        let prior = network.has_prior() && network.components().is_none();
        let labelled = network.encoder_sees_classes();
        let (width, mu, logvar) = if network.is_autoencoder() {
            let latents = inference.encode(&drawings.images, labelled.then_some(&drawings.labels[..]))?;
            (latents.width, latents.mu, latents.logvar)
        } else {
            let features = inference.features(&drawings.images)?;
            (features.width, features.values, None)
        };
        let mixture = inference.prior()?.map(|found| {
            let spread = found.spread().unwrap_or_default();
            [half::f16_base64(found.mu), half::f16_base64(spread)]
        });
        let n = drawings.labels.len();
        let column = |d: usize| mu.iter().skip(d).step_by(width).map(|&x| f64::from(x));
        let mean: Vec<f64> = (0..width).map(|d| column(d).sum::<f64>() / n as f64).collect();
        let variance: Vec<f64> =
            mean.iter().enumerate().map(|(d, m)| column(d).map(|x| (x - m).powi(2)).sum::<f64>() / n as f64).collect();
        let kl: Vec<f64> = logvar.iter().filter(|_| prior).flat_map(|logvar| divergences(&mu, logvar, width)).collect();
        let mut order: Vec<usize> = (0..width).collect();
        let rank = if kl.is_empty() { &variance } else { &kl };
        order.sort_by(|&a, &b| rank[b].total_cmp(&rank[a]));
        let pool = Pool::new(inference.threads());
        let points = Points::new("codes", &mu, n, width).ok();
        let (axes, plane) = pool.enter(|team| {
            let axes = points.map(|points| tsne::principal_axes(points, 0, team).map(|axis| single(&axis)));
            (axes, points.and_then(|points| Plane::embed(points, 0, team)))
        });
        Ok(Codes {
            width,
            prior,
            mixture,
            kl: single(&kl),
            order,
            mean: single(&mean),
            deviation: variance.iter().map(|v| v.sqrt() as f32).collect(),
            axes,
            tsne: plane,
            mu: half::f16_base64(mu),
        })
    }
}

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

/// KL(N(μ, σ²) ‖ N(0, 1)) of each dimension, the mean over rows.
fn divergences(mu: &[f32], logvar: &[f32], width: usize) -> Vec<f64> {
    let mut sums = vec![0.0; width];
    for (mu, logvar) in mu.chunks(width).zip(logvar.chunks(width)) {
        for ((sum, &mu), &logvar) in sums.iter_mut().zip(mu).zip(logvar) {
            let (mu, logvar) = (f64::from(mu), f64::from(logvar));
            *sum -= 0.5 * (1.0 + logvar - mu * mu - logvar.exp());
        }
    }
    let rows = mu.len() / width;
    sums.iter().map(|sum| sum / rows as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_take_turns() {
        assert_eq!(in_turns(&[0, 0, 0, 2, 1, 2], 4, 5), [0, 4, 3, 1, 5]);
        assert_eq!(in_turns(&[], 0, 5), [0usize; 0]);
    }

    #[test]
    fn divergence_is_zero_at_the_prior() {
        let kl = divergences(&[0.0, 2.0, 0.0, 0.0], &[0.0; 4], 2);
        assert_eq!(kl, [0.0, 1.0]);
    }
}
