//! Every score of one model.

use serde::{Deserialize, Serialize};

use super::Watch;
use super::judge::{Judge, fingerprint};
use super::map::Map;
use super::path;
use super::recognition::{Recognition, Transfer};
use super::scores::{self, Score};
use crate::data::{Dataset, Examples, Extents, Images, Pixels};
use crate::infer::Inference;
use crate::metrics::latent::{self, Usage};
use crate::metrics::likelihood::{self, Likelihood};
use crate::metrics::{self, Table, neighbours};
use crate::model::Value;
use crate::ranks::{Ranks, Solo, agree};
use crate::run::config::Config;
use crate::sampler::Fitted;
use crate::{Result, sample};

/// The run under evaluation.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The run's settings.
    pub config: &'a Config,
    /// Its network.
    pub inference: &'a mut Inference,
    /// How latents of samples are drawn; `None` for the prior, as it is or was learnt, or for reconstructions of a model without one.
    pub sampler: Option<&'a Fitted>,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Samples, or reconstructions of a model without a prior; a multiple of the classes is used where classes are drawn.
    pub samples: usize,
    /// Test drawings in a map of the latents.
    pub mapped: usize,
    /// Test drawings whose likelihood is estimated, and samples of z for each; 0 for none.
    pub likelihood: (usize, usize),
    /// Where samples and subsets start.
    pub seed: u64,
    /// Threads; they change the speed, never the result.
    pub threads: usize,
}

/// The scores of one model, and what they were measured with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The version of inkgrad that measured.
    pub inkgrad: String,
    /// The model's name.
    pub model: String,
    /// The SHA-256 of the evaluated weights, see [`fingerprint`].
    pub weights_sha256: String,
    /// The data's name.
    pub data: String,
    /// The scored drawings: samples from the prior, reconstructions, or the test drawings themselves.
    pub generated: String,
    /// The scores that are a number.
    pub scores: Vec<Score>,
    /// The information that the dimensions of a variational latent carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latents: Option<Usage>,
    /// The latents of test drawings in the plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Map>,
    /// −ln p of binarised test drawings, by importance sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likelihood: Option<Likelihood>,
    /// Whether the class that was to be drawn is recognised; of a classifier, its verdicts on test drawings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognition: Option<Recognition>,
    /// The judge's verdicts on samples for which no class was asked: their numbers tell how they are spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unasked: Option<Recognition>,
    /// Training on samples and testing on real drawings, and the reverse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
    /// How near samples are to training drawings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Nearest>,
}

/// Euclidean distances to the nearest training drawing, over pixels in [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nearest {
    /// The median over samples.
    pub samples: f64,
    /// The median over test drawings: what new real drawings have.
    pub test: f64,
    /// The smallest over samples.
    pub smallest: f64,
    /// Samples, and at most as many test drawings.
    pub n: usize,
}

/// Drawings whose nearest training drawing is looked for.
const NEAREST: usize = 200;

/// Measures a model on the test drawings; `judge` tells classes apart. `watch` is told how far what
/// takes long is.
///
/// # Errors
/// If the model, the judge and the data do not fit together.
pub fn evaluate(
    subject: Subject,
    dataset: &Dataset,
    judge: &mut Judge,
    options: Options,
    watch: &mut Watch,
) -> Result<Evaluation> {
    evaluate_among(subject, dataset, judge, options, &Solo, watch)
}

/// [`evaluate()`] by several ranks with the same weights, data, judge and options. All get all but the map, which rank 0 makes alone;
/// of rank 0 no digit depends on how many they are.
///
/// # Errors
/// As [`evaluate()`], of whichever rank.
pub fn evaluate_among(
    subject: Subject,
    dataset: &Dataset,
    judge: &mut Judge,
    options: Options,
    ranks: &dyn Ranks,
    watch: &mut Watch,
) -> Result<Evaluation> {
    let Subject { config, inference, sampler } = subject;
    let mut evaluation = Evaluation {
        inkgrad: env!("CARGO_PKG_VERSION").to_owned(),
        model: config.model.clone(),
        weights_sha256: fingerprint(inference.network()),
        data: match dataset.test.is_empty() {
            true => format!("{}, its training drawings, since there are none to test on", dataset.name),
            false => dataset.name.clone(),
        },
        generated: "nothing: test drawings are classified".to_owned(),
        scores: Vec::new(),
        latents: None,
        map: None,
        likelihood: None,
        recognition: None,
        unasked: None,
        transfer: None,
        nearest: None,
    };
    let (test, _) = dataset.examined();
    if !inference.network().is_autoencoder() {
        let logits = inference.features_among(&test.images, ranks)?.logits;
        evaluation.recognition = Some(Recognition::new(&logits, &test.labels, &dataset.classes)?);
        return Ok(evaluation);
    }

    let network = inference.network();
    let extents = network.image();
    let labels = network.sees_classes().then_some(&test.labels[..]);
    let seen = labels.filter(|_| network.encoder_sees_classes());
    let latents = inference.encode_among(&test.images, seen, ranks)?;
    let reconstructions = inference.decode_among(&latents.mu, labels, ranks)?;
    if let Some(logvar) = &latents.logvar {
        let table = |values| Table::new("latents", values, latents.width);
        evaluation.latents = Some(latent::usage(table(&latents.mu)?, table(logvar)?)?);
    }
    // t-SNE is not shared.
    let mapped = if ranks.is_root() { options.mapped } else { 0 };
    let map = Map::embed(&latents, &test.labels, mapped, options.seed, options.threads, watch);
    evaluation.map = agree(ranks, map)?;
    evaluation.scores = scores::distances(test, &reconstructions, options.seed);

    let learnt = match sampler {
        None if inference.network().components().is_some() => Some(Fitted::prior(inference)?),
        _ => None,
    };
    let sampler = sampler.or(learnt.as_ref());
    let draws = sampler.is_some() || inference.network().has_prior();
    let generated = if draws {
        evaluation.generated = match sampler {
            None => "samples from the prior N(0, I)".to_owned(),
            Some(fitted) => format!("samples, {}", fitted.describe()),
        };
        draw(inference, sampler, dataset.classes.len(), options, ranks)?
    } else {
        evaluation.generated = "reconstructions of test drawings: the model has no prior to draw from".to_owned();
        let n = test.len().min(options.samples);
        Samples {
            images: to_images(extents, reconstructions[..n * extents.len()].to_vec())?,
            labels: Some(test.labels[..n].to_vec()),
        }
    };
    let judged = judge.features_among(&generated.images, ranks)?;
    let mut scored = scores::of_features(&test.images, &generated.images, &judged, judge, options, ranks, watch)?;
    if draws {
        scored.extend(path::lengths(inference, sampler, judge, options, ranks, watch)?);
    }
    scored.iter_mut().for_each(|score| score.passport.sampler = sampler.map(|fitted| fitted.sampler().to_string()));
    evaluation.scores.extend(scored);
    match &generated.labels {
        Some(labels) => evaluation.recognition = Some(Recognition::new(&judged.logits, labels, &dataset.classes)?),
        None => evaluation.unasked = Some(Recognition::unasked(&judged.logits, &dataset.classes)?),
    }
    if draws {
        let nearest = || nearest(&generated.images, dataset, test, ranks);
        evaluation.nearest = Some(metrics::on_threads(options.threads, nearest)?);
        if inference.network().has_prior() && decodes_probabilities(config) {
            evaluation.likelihood = likelihood_of(inference, test, options, ranks, watch)?;
        }
        if let Some(labels) = generated.labels {
            let samples = Examples { images: generated.images, labels };
            let measured = Transfer::measure(&samples, &dataset.train, test, &dataset.classes, options, ranks, watch);
            evaluation.transfer = Some(measured?);
        }
    }
    Ok(evaluation)
}

/// Drawings of a model, with the classes that were asked for.
struct Samples {
    images: Images,
    labels: Option<Vec<usize>>,
}

/// Samples from the prior, or as `sampler` draws latents; of a network that sees classes equally many of each.
fn draw(
    inference: &mut Inference,
    sampler: Option<&Fitted>,
    classes: usize,
    options: Options,
    ranks: &dyn Ranks,
) -> Result<Samples> {
    let width = inference.network().latent()?;
    let each = options.samples.div_ceil(classes);
    let (n, labels) = match inference.network().sees_classes() {
        true => (each * classes, Some((0..each * classes).map(|i| i / each).collect::<Vec<_>>())),
        false => (options.samples, None),
    };
    let latents = match sampler {
        None => sample::prior(n, width, options.seed),
        Some(fitted) => fitted.draw(n, labels.as_deref(), options.seed),
    };
    let pixels = inference.decode_among(&latents, labels.as_deref(), ranks)?;
    let images = to_images(inference.network().image(), pixels)?;
    Ok(Samples { images, labels })
}

pub(super) fn to_images(extents: Extents, pixels: Vec<f32>) -> Result<Images> {
    Images::new(extents, Pixels::F32(pixels)).map_err(|problem| crate::Error::input("decoder", problem))
}

/// Whether decoded pixels are probabilities of ink, as the estimate of the likelihood takes them: not where an option `likelihood`
/// says that the model was trained for pixels of another kind.
fn decodes_probabilities(config: &Config) -> bool {
    config.options.get("likelihood").is_none_or(|pixels| *pixels == Value::Text("bernoulli".to_owned()))
}

fn likelihood_of(
    inference: &mut Inference,
    test: &Examples,
    options: Options,
    ranks: &dyn Ranks,
    watch: &mut Watch,
) -> Result<Option<Likelihood>> {
    let (drawings, samples) = options.likelihood;
    let drawings = drawings.min(test.len());
    if drawings == 0 || samples == 0 {
        return Ok(None);
    }
    let images = test.images.take(&(0..drawings).collect::<Vec<_>>());
    let labels = inference.network().sees_classes().then_some(&test.labels[..drawings]);
    let watch = &mut |done, of| watch("drawings", done, of);
    likelihood::of_drawings_among(inference, &images, labels, (samples, options.seed), ranks, watch).map(Some)
}

fn nearest(samples: &Images, dataset: &Dataset, test: &Examples, ranks: &dyn Ranks) -> Result<Nearest> {
    let train = dataset.train.images.values();
    // Samples may come class by class: take them from all over.
    let some = |images: &Images| {
        let n = images.len().min(NEAREST);
        let indices: Vec<usize> = (0..n).map(|i| i * images.len() / n).collect();
        let nearest = nearest_in(&images.take(&indices).values(), &train, images.extents(), ranks)?;
        let mut distances: Vec<f64> = nearest.iter().map(|nearest| nearest.distance).collect();
        distances.sort_by(f64::total_cmp);
        Ok::<_, crate::Error>(distances)
    };
    let (samples, test) = (some(samples)?, some(&test.images)?);
    let median = |sorted: &[f64]| sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
    Ok(Nearest {
        samples: median(&samples),
        test: median(&test),
        smallest: samples.first().copied().unwrap_or(f64::NAN),
        n: samples.len(),
    })
}

/// For each of `pictures: (N, extents)` the nearest of `candidates: (M, extents)`.
pub(super) fn nearest_in(
    pictures: &[f32],
    candidates: &[f32],
    extents: Extents,
    ranks: &dyn Ranks,
) -> Result<Vec<neighbours::Nearest>> {
    let table = |values| Table::new("drawings", values, extents.len());
    neighbours::nearest_among(table(pictures)?, table(candidates)?, ranks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Models;

    #[test]
    fn likelihoods_are_estimated_under_the_pixels_of_training_alone() {
        let config = Models::builtin().defaults("cnn-vae").unwrap();
        assert!(decodes_probabilities(&config));
        for (pixels, does) in [("bernoulli", true), ("continuous-bernoulli", false), ("gaussian", false)] {
            assert_eq!(decodes_probabilities(&config.clone().with_text("likelihood", pixels)), does, "{pixels}");
        }
    }
}
