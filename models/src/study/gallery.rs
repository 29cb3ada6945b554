//! The drawings that a report shows of one model.

use super::evaluate::{nearest_in, to_images};
use super::judge::Judge;
use super::recognition::in_turn;
use crate::Result;
use crate::data::{Dataset, Extents};
use crate::infer::Inference;
use crate::metrics;
use crate::model::{Network, argmax};
use crate::ranks::Solo;
use crate::run::config::Config;
use crate::sample::slerp;
use crate::sampler::Fitted;

/// Sets graded samples apart from those shown and those scored.
const GRADED_SEED: u64 = 0x6772_6164;

/// Drawings of one model, each `(N, height, width, channels)` in [0, 1].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gallery {
    /// The extents of a picture.
    pub image: Extents,
    /// Test drawings, the classes in turn.
    pub originals: Vec<f32>,
    /// Their reconstructions before the first step.
    pub untrained: Vec<f32>,
    /// Their reconstructions now.
    pub trained: Vec<f32>,
    /// Draws from the prior; of a cvae a row of [`COLUMNS`](Self::COLUMNS) a class, the same latents in each. None of a
    /// model without a prior.
    pub samples: Vec<f32>,
    /// How latents of samples were drawn, in words.
    pub drawn: String,
    /// Rows of [`STEPS`](Self::STEPS) latents on the arc between two test drawings of different classes, with an original
    /// at each end.
    pub interpolations: Vec<f32>,
    /// Samples with the judge's verdicts.
    pub graded: Vec<Graded>,
    /// Samples with the training drawings nearest to them.
    pub neighbours: Vec<Neighbour>,
}

/// A sample with a classifier's verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Graded {
    /// Its values.
    pub drawing: Vec<f32>,
    /// The class that was asked for.
    pub asked: Option<usize>,
    /// The class that the judge sees.
    pub seen: usize,
    /// Its probability.
    pub confidence: f32,
}

/// A sample with the training drawing nearest to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbour {
    /// Its values.
    pub drawing: Vec<f32>,
    /// The training drawing.
    pub nearest: Vec<f32>,
    /// Their Euclidean distance.
    pub distance: f64,
}

impl Gallery {
    /// Drawings in a row.
    pub const COLUMNS: usize = 10;
    /// Latents in a row of interpolations.
    pub const STEPS: usize = 8;
    /// Rows of interpolations.
    const PAIRS: usize = 5;
    /// Rows of samples of a model that sees no classes.
    const ROWS: usize = 4;
    /// Samples with verdicts, of each class.
    const GRADED: usize = 5;

    /// Gathers the drawings of an autoencoder; an empty gallery for a model that is none.
    ///
    /// # Errors
    /// If the model, the judge and the data do not fit together.
    pub fn gather(config: &Config, inference: &mut Inference, dataset: &Dataset, judge: &mut Judge) -> Result<Self> {
        if !inference.network().is_autoencoder() {
            return Ok(Self::default());
        }
        let classes = dataset.classes.len();
        let (test, _) = dataset.examined();
        let indices = in_turn(&test.labels, Self::COLUMNS, classes);
        let originals = test.images.take(&indices).values();
        let labels: Vec<usize> = indices.iter().map(|&i| test.labels[i]).collect();
        let image = inference.network().image();
        let images = to_images(image, originals.clone())?;
        let labels = inference.network().sees_classes().then_some(&labels[..]);

        let mut network = Network::new(*inference.network().spec(), config)?;
        network.initialise(config.seed);
        let mut gallery = Gallery {
            image,
            untrained: Inference::new(network, inference.threads()).reconstruct(&images, labels)?,
            trained: inference.reconstruct(&images, labels)?,
            originals,
            ..Self::default()
        };
        gallery.interpolate(inference, labels)?;
        if inference.network().has_prior() {
            gallery.sample(config, inference, dataset, judge)?;
        }
        Ok(gallery)
    }

    fn interpolate(&mut self, inference: &mut Inference, labels: Option<&[usize]>) -> Result<()> {
        let images = to_images(self.image, self.originals.clone())?;
        let pairs = Self::PAIRS.min(images.len() / 2);
        let seen = labels.filter(|_| inference.network().encoder_sees_classes());
        let latents = inference.encode(&images, seen)?;
        let latent = |i: usize| &latents.mu[i * latents.width..][..latents.width];
        let (mut between, mut classes) = (Vec::new(), Vec::new());
        for pair in 0..pairs {
            let (a, b) = (2 * pair, 2 * pair + 1);
            for step in 0..Self::STEPS {
                between.extend(slerp(latent(a), latent(b), step as f64 / (Self::STEPS - 1) as f64));
                classes.extend(labels.map(|labels| labels[if 2 * step < Self::STEPS { a } else { b }]));
            }
        }
        let decoded = inference.decode(&between, labels.is_some().then_some(&classes[..]))?;
        let each = self.image.len();
        for (row, ends) in decoded.chunks_exact(Self::STEPS * each).zip(self.originals.chunks_exact(2 * each)) {
            self.interpolations.extend_from_slice(&ends[..each]);
            self.interpolations.extend_from_slice(row);
            self.interpolations.extend_from_slice(&ends[each..]);
        }
        Ok(())
    }

    fn sample(
        &mut self,
        config: &Config,
        inference: &mut Inference,
        dataset: &Dataset,
        judge: &mut Judge,
    ) -> Result<()> {
        let classes = dataset.classes.len();
        let asks = inference.network().sees_classes();
        let prior = Fitted::prior(inference)?;
        self.drawn = prior.describe();
        let draw = |inference: &mut Inference, each: usize, seed: u64| -> Result<(Vec<f32>, Option<Vec<usize>>)> {
            let labels = asks.then(|| (0..classes * each).map(|i| i / each).collect::<Vec<_>>());
            let latents = match asks {
                true => prior.draw(each, None, seed).repeat(classes),
                false => prior.draw(each, None, seed),
            };
            Ok((inference.decode(&latents, labels.as_deref())?, labels))
        };
        let each = if asks { Self::COLUMNS } else { Self::ROWS * Self::COLUMNS };
        self.samples = draw(inference, each, config.seed)?.0;

        // Other latents than those above, and than those that are scored.
        let each = if asks { Self::GRADED } else { Self::GRADED * classes };
        let (drawings, asked) = draw(inference, each, config.seed ^ GRADED_SEED)?;
        let probabilities = judge.classify(&to_images(self.image, drawings.clone())?)?;
        let rows = probabilities.chunks_exact(classes);
        self.graded = drawings
            .chunks_exact(self.image.len())
            .zip(rows)
            .enumerate()
            .map(|(i, (drawing, row))| {
                let seen = argmax(row);
                let asked = asked.as_ref().map(|asked| asked[i]);
                Graded { drawing: drawing.to_vec(), asked, seen, confidence: row[seen] }
            })
            .collect();

        let (train, pixels) = (dataset.train.images.values(), self.image.len());
        let count = self.graded.len();
        let some: Vec<f32> = (0..Self::COLUMNS.min(count))
            .flat_map(|i| self.graded[i * count / Self::COLUMNS.min(count)].drawing.clone())
            .collect();
        let nearest = metrics::on_threads(inference.threads(), || nearest_in(&some, &train, self.image, &Solo))?;
        self.neighbours = some
            .chunks_exact(pixels)
            .zip(nearest)
            .map(|(drawing, nearest)| Neighbour {
                drawing: drawing.to_vec(),
                nearest: train[nearest.index * pixels..][..pixels].to_vec(),
                distance: nearest.distance,
            })
            .collect();
        Ok(())
    }
}
