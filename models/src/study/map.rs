//! Where latents lie in the plane.

use inkgrad_engine::Pool;
use serde::{Deserialize, Serialize};

use super::Watch;
use crate::Result;
use crate::infer::Latents;
use crate::tsne::{self, Points, TsneConfig};

/// A t-SNE of latents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// Where each drawing lies.
    pub points: Vec<[f32; 2]>,
    /// Its class.
    pub labels: Vec<usize>,
    /// The perplexity.
    pub perplexity: f64,
    /// The divergence of the plane's affinities from the latents', in nats.
    pub kl: f64,
    /// T(12).
    pub trustworthiness: f64,
    /// The share of drawings whose class is that of most of their 10 nearest in the plane.
    pub knn_accuracy: f64,
}

/// Neighbours that trustworthiness looks at.
const TRUSTED: usize = 12;
/// Neighbours that vote on a class.
const VOTERS: usize = 10;
/// The fewest points that a map is made of: trustworthiness needs more than twice its neighbours.
const FEWEST: usize = 2 * TRUSTED + 1;

impl Map {
    /// The map of the first `most` latents; `None` of too few, or of latents that are all the same.
    ///
    /// # Errors
    /// If a latent is not finite.
    pub fn embed(
        latents: &Latents,
        labels: &[usize],
        most: usize,
        seed: u64,
        threads: usize,
        watch: &mut Watch,
    ) -> Result<Option<Self>> {
        let n = labels.len().min(most);
        let values = &latents.mu[..n * latents.width];
        let same = values.chunks_exact(latents.width).all(|row| row == &values[..latents.width]);
        if n < FEWEST || same {
            return Ok(None);
        }
        let perplexity = TsneConfig::default().perplexity.min((n - 1) as f64 / 3.0);
        let config = TsneConfig { perplexity, seed, ..TsneConfig::default() };
        let points = Points::new("latents", values, n, latents.width)?;
        Pool::new(threads).enter(|team| {
            let embedding =
                tsne::embed(&config, points, team, |p| watch("iterations of the map", p.iteration, p.iterations))?;
            let embedded = Points::new("map", &embedding.points, n, 2)?;
            Ok(Some(Map {
                points: embedding.points.as_chunks().0.to_vec(),
                labels: labels[..n].to_vec(),
                perplexity,
                kl: embedding.kl,
                trustworthiness: tsne::trustworthiness(points, embedded, TRUSTED, team),
                knn_accuracy: tsne::label_accuracy(embedded, &labels[..n], VOTERS, team),
            }))
        })
    }
}
