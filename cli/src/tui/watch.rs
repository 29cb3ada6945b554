//! Drawings, KL and the norm of the gradient, computed of a network between two steps. It takes a fiftieth of the time at most,
//! and changes nothing of the run: it works on a copy, with random numbers of its own.

use std::time::{Duration, Instant};

use inkgrad_engine::Params;
use inkgrad_models::data::Images;
use inkgrad_models::image::interleaved;
use inkgrad_models::infer::Inference;
use inkgrad_models::metrics::Table;
use inkgrad_models::metrics::latent;
use inkgrad_models::model::Network;
use inkgrad_models::sampler::Fitted;
use inkgrad_models::trainer::Trainer;
use inkgrad_models::{Error, Result};

use super::state::{Look, Sheet};

/// Drawings that KL is the mean of.
const CODED: usize = 128;
/// Drawings of a sheet: as many as a large screen shows.
const SHOWN: usize = 40;
/// A look is this often at most, and its costs this share of the time.
const LOOKS: Duration = Duration::from_secs(2);
const SHARE: u32 = 50;
/// The same of gradients.
const NORMS: Duration = Duration::from_millis(100);

/// Something that is done again and again, a fixed share of the time at most.
struct Seldom {
    next: Instant,
    interval: Duration,
}

impl Seldom {
    fn new(interval: Duration) -> Self {
        Seldom { next: Instant::now(), interval }
    }

    /// Does it if it is time.
    fn when_due<T>(&mut self, does: impl FnOnce() -> T) -> Option<T> {
        let began = Instant::now();
        if began < self.next {
            return None;
        }
        let done = does();
        self.next = began + self.interval.max(began.elapsed() * SHARE);
        Some(done)
    }
}

/// Looks at a network now and then.
pub struct Watch {
    looks: Seldom,
    norms: Seldom,
    /// Those that are coded, with their labels; none where the network codes none.
    images: Option<(Images, Vec<usize>)>,
    seed: u64,
}

impl Watch {
    /// Reads the drawings that are to be looked at: of the test set, or of the training set where that is empty.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn new(trainer: &Trainer) -> Result<Self> {
        let (source, _) = trainer.dataset().examined();
        let images = match trainer.network().is_autoencoder() {
            false => None,
            true => {
                let chosen = spread(source.len());
                let labels = chosen.iter().map(|&i| source.labels.at(i)).collect();
                Some((source.images.take(&chosen)?, labels))
            }
        };
        Ok(Watch { looks: Seldom::new(LOOKS), norms: Seldom::new(NORMS), images, seed: trainer.config().seed })
    }

    /// Drawings and KL, if it is time for them.
    pub fn look(&mut self, network: &Network<f32>) -> Option<Look> {
        let Watch { looks, images, seed, .. } = self;
        let (images, labels) = images.as_ref()?;
        looks.when_due(|| look(network, images, labels, *seed).unwrap_or_else(refused))
    }

    /// The norm of the last step's gradient, if it is time for it.
    pub fn norm(&mut self, params: &Params<f32>) -> Option<f64> {
        self.norms.when_due(|| norm(params.grads()))
    }
}

/// Training goes on; the panel says why it is empty.
fn refused(error: Error) -> Look {
    Look { problem: Some(error.to_string()), ..Look::default() }
}

/// Numbers below `n`, at most [`CODED`], in an order whose beginnings lie evenly over all: data is often sorted by class. They are the
/// multiples of the golden ratio, by their fractions.
fn spread(n: usize) -> Vec<usize> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    (0..n.min(CODED)).map(|i| ((i as f64 * GOLDEN).fract() * n as f64) as usize % n).collect()
}

fn look(network: &Network<f32>, images: &Images, labels: &[usize], seed: u64) -> Result<Look> {
    let extents = network.image();
    // One thread, so that it may be done between two steps.
    let mut inference = Inference::new(network.clone(), 1);
    let mut sheets = Vec::new();
    if network.has_prior() {
        let latents = Fitted::prior(&mut inference)?.draw(SHOWN, None, seed);
        let classes: Vec<usize> = (0..SHOWN).map(|i| i % network.classes().max(1)).collect();
        let values = inference.decode(&latents, network.sees_classes().then_some(&classes))?;
        sheets.push(Sheet { title: "samples", extents, together: 1, values });
    }
    let latents = inference.encode(images, network.encoder_sees_classes().then_some(labels))?;
    let shown = images.len().min(SHOWN / 2);
    let decoded =
        inference.decode(&latents.mu[..shown * latents.width], network.sees_classes().then_some(&labels[..shown]))?;
    let originals = images.take(&(0..shown).collect::<Vec<_>>()).values();
    let values = interleaved(&originals, &decoded, extents);
    sheets.push(Sheet { title: "reconstructions", extents, together: 2, values });
    let usage = match &latents.logvar {
        None => None,
        Some(logvar) => {
            let table = |values| Table::new("latents", values, latents.width);
            Some(latent::usage(table(&latents.mu)?, table(logvar)?)?)
        }
    };
    Ok(Look { sheets, usage, problem: None })
}

/// √Σg², in eight sums so that it is quick.
pub fn norm(gradient: &[f32]) -> f64 {
    let mut sums = [0.0f64; 8];
    let chunks = gradient.chunks_exact(sums.len());
    let rest: f64 = chunks.remainder().iter().map(|&g| f64::from(g).powi(2)).sum();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, &g)| *sum += f64::from(g) * f64::from(g));
    }
    (sums.iter().sum::<f64>() + rest).sqrt()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_norm_is_that_of_all_numbers() {
        let gradient: Vec<f32> = (0..1003).map(|i| (i as f32 * 0.3).sin()).collect();
        let expected = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
        assert!((norm(&gradient) - expected).abs() < 1e-12 * expected);
        assert_eq!(norm(&[3.0, 4.0]), 5.0);
    }

    #[test]
    fn drawings_are_taken_from_everywhere() {
        for n in [1, 2, 5, 100, 4400] {
            let chosen = spread(n);
            assert!(chosen.len() == n.min(CODED) && chosen.iter().all(|&i| i < n), "{n}");
        }
        // Of five classes one after the other, the first eight drawings are of all.
        let classes: BTreeSet<usize> = spread(4400)[..8].iter().map(|i| i / 880).collect();
        assert_eq!(classes.len(), 5);
    }

    #[test]
    fn seldom_is_a_share_of_the_time() {
        let mut seldom = Seldom::new(Duration::from_secs(3600));
        assert_eq!((seldom.when_due(|| 1), seldom.when_due(|| 2)), (Some(1), None));
        let mut dear = Seldom::new(Duration::ZERO);
        let began = Instant::now();
        dear.when_due(|| std::thread::sleep(Duration::from_millis(5)));
        assert!(dear.next >= began + Duration::from_millis(250));
    }
}
