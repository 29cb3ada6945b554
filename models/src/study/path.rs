//! Perceptual path length: how far drawings change on short steps between latents.
//!
//! Karras, Laine and Aila 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks", section 4.1:
//!
//! PPL = E[ ‖f(g(s(z₁, z₂; t))) − f(g(s(z₁, z₂; t + ε)))‖² / ε² ], z₁, z₂ ~ p(z), t ~ U(0, 1), ε = 10⁻⁴,
//!
//! with the decoder g, and s the arc between two draws from N(0, I), or the straight line between two draws of another density. Arcs
//! are of the draws as they are (torch-fidelity's `slerp_any`): the paper's network makes all latents as long as each other first,
//! these decoders do not. f is the judge's last hidden layer, where the paper has LPIPS, weighted features of VGG16; so a length is
//! to be compared with others of the same judge alone. As in the paper's code distances below the first and above the 99th
//! percentile are left out of the mean. A network that sees classes goes from one drawing of a class to another.

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::rng;

use super::Watch;
use super::evaluate::{Options, to_images};
use super::judge::Judge;
use super::scores::{Passport, Score};
use crate::infer::Inference;
use crate::metrics::MeanStd;
use crate::ranks::{Ranks, deal};
use crate::sampler::{Fitted, Sampler};
use crate::walk::Way;
use crate::{Result, sample};

/// ε.
const STEP: f64 = 1e-4;
/// The random stream of the t, beside those of samples and samplers.
const STREAM: u64 = (1 << 40) + 4;
/// Paths that are decoded at a time.
const BATCH: usize = 256;
/// Parts over which the standard deviation of the mean is told.
const SPLITS: usize = 10;

/// The score of as many paths as `options` has samples, of `classes` in turn; `None` of a network whose latents are codes, between
/// which there is nothing. Each rank walks some of the paths.
pub(super) fn length(
    inference: &mut Inference,
    sampler: Option<&Fitted>,
    judge: &mut Judge,
    options: Options,
    ranks: &dyn Ranks,
    watch: &mut Watch,
) -> Result<Option<Score>> {
    let classes = judge.classes();
    let network = inference.network();
    if network.code_width().is_some() {
        return Ok(None);
    }
    let (n, width, extents) = (options.samples, network.latent()?, network.image());
    // Both ends of a path are of one class.
    let labels: Option<Vec<usize>> = network.sees_classes().then(|| (0..2 * n).map(|i| i / 2 % classes).collect());
    let ends = match sampler {
        None => sample::prior(2 * n, width, options.seed),
        Some(fitted) => fitted.draw(2 * n, labels.as_deref(), options.seed),
    };
    let normal = sampler.is_none_or(|fitted| fitted.sampler() == Sampler::Prior);
    let way = if normal { Way::Spherical } else { Way::Linear };
    let mut ts = vec![0.0f64; n];
    rng::fill_uniform(&Team::solo(), options.seed, STREAM, 0, &mut ts);
    let steps = steps(&ends, width, way, &ts);
    let mut done = 0;
    let mut of_batch = |&batch: &usize| -> Result<Vec<f64>> {
        let paths = batch * BATCH..n.min((batch + 1) * BATCH);
        let labels = labels.as_ref().map(|labels| &labels[2 * paths.start..2 * paths.end]);
        let images = inference.decode(&steps[2 * paths.start * width..2 * paths.end * width], labels)?;
        let features = judge.features(&to_images(extents, images)?)?;
        // A rank knows of its own, and takes others to be as far.
        done = n.min(done + ranks.size() * paths.len());
        watch("paths between latents", done, n);
        Ok(features.values.chunks_exact(2 * features.width).map(squared_speed).collect())
    };
    let distances = deal(ranks, n.div_ceil(BATCH), |own| own.iter().map(&mut of_batch).collect())?.concat();
    Ok(Some(Score {
        name: "ppl_classifier".to_owned(),
        value: Some(mean_of_middle(&distances)),
        std: Some(deviation(&distances)),
        passport: Passport {
            n_real: 0,
            n_generated: n,
            extractor: judge.name.clone(),
            sha256: Some(judge.sha256.clone()),
            resize: "none".to_owned(),
            sampler: None,
            seed: options.seed,
            floor: None,
        },
        note: None,
    }))
}

/// For each pair of `ends: (2n, width)` the latents at its t and at t + ε: `(2n, width)`.
fn steps(ends: &[f32], width: usize, way: Way, ts: &[f64]) -> Vec<f32> {
    let pairs = ends.chunks_exact(2 * width).map(|pair| pair.split_at(width));
    pairs.zip(ts).flat_map(|((a, b), &t)| [way.between(a, b, t), way.between(a, b, t + STEP)].concat()).collect()
}

/// ‖a − b‖² / ε² of two rows, one behind the other.
fn squared_speed(rows: &[f32]) -> f64 {
    let (a, b) = rows.split_at(rows.len() / 2);
    let squares = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
    squares.sum::<f64>() / (STEP * STEP)
}

/// The mean of what lies between the first and the 99th percentile, both included; of those that are no element the outer
/// neighbour, NumPy's `lower` and `higher`.
fn mean_of_middle(distances: &[f64]) -> f64 {
    let mut sorted = distances.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let (low, high) = (sorted[last / 100], sorted[(99 * last).div_ceil(100)]);
    let middle: Vec<f64> = sorted.into_iter().filter(|d| (low..=high).contains(d)).collect();
    middle.iter().sum::<f64>() / middle.len() as f64
}

/// The standard deviation of the mean over parts.
fn deviation(distances: &[f64]) -> f64 {
    let parts = distances.chunks(distances.len().div_ceil(SPLITS).max(1)).map(mean_of_middle);
    MeanStd::of(&parts.collect::<Vec<f64>>()).std
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Models;
    use crate::data::builtin;
    use crate::property::cases;
    use crate::ranks::Solo;
    use crate::run::config::Config;

    /// The paper's `slerp`, of vectors of length 1: along the part of b that is at right angles to a.
    fn unit_slerp(a: &[f64], b: &[f64], t: f64) -> Vec<f64> {
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        let cosine = dot(a, b);
        let across: Vec<f64> = b.iter().zip(a).map(|(b, a)| b - cosine * a).collect();
        let length = dot(&across, &across).sqrt();
        let angle = t * cosine.acos();
        a.iter().zip(&across).map(|(a, c)| a * angle.cos() + c / length * angle.sin()).collect()
    }

    /// The mean of the middle by counting: d lies in it if more than ⌊(n − 1)/100⌋ are at most d, and at most ⌈99(n − 1)/100⌉ below.
    fn counted_mean(distances: &[f64]) -> f64 {
        let last = distances.len() as f64 - 1.0;
        let (low, high) = ((last / 100.0).floor() as usize, (99.0 * last / 100.0).ceil() as usize);
        let count = |of: &dyn Fn(f64) -> bool| distances.iter().filter(|&&d| of(d)).count();
        let is_in = |d: f64| count(&|other| other <= d) > low && count(&|other| other < d) <= high;
        let middle: Vec<f64> = distances.iter().copied().filter(|&d| is_in(d)).collect();
        middle.iter().sum::<f64>() / middle.len() as f64
    }

    proptest! {
        #![proptest_config(cases(64))]

        #[test]
        fn steps_are_those_of_the_papers_arc(
            (width, numbers) in (2usize..20).prop_flat_map(|w| (Just(w), prop::collection::vec(-1.0f32..1.0, 2 * w))),
            t in 0.0f64..1.0,
        ) {
            let unit = |v: &[f32]| {
                let length = v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
                v.iter().map(|&x| (f64::from(x) / length) as f32).collect::<Vec<f32>>()
            };
            let (a, b) = (unit(&numbers[..width]), unit(&numbers[width..]));
            let wide = |v: &[f32]| v.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
            let cosine: f64 = wide(&a).iter().zip(wide(&b)).map(|(a, b)| a * b).sum();
            prop_assume!(cosine.abs() < 0.999 && a.iter().chain(&b).all(|x| x.is_finite()));
            let found = steps(&[a.clone(), b.clone()].concat(), width, Way::Spherical, &[t]);
            let naive = [t, t + 1e-4].map(|t| unit_slerp(&wide(&a), &wide(&b), t)).concat();
            // In f32 lengths are off from 1 by up to u = 2⁻²⁴. The twin takes them as 1: its angle is off by 2u/sin Ω, and what
            // stands before b, at most 1/sin Ω, by the two lengths. One more u for each rounding, and for a's own length.
            let u = 0.5f64.powi(24);
            let tolerance = 4.0 * u / (1.0 - cosine * cosine).sqrt() + 3.0 * u;
            for (found, naive) in found.iter().zip(naive) {
                prop_assert!((f64::from(*found) - naive).abs() < tolerance, "{found} for {naive}");
            }
        }

        #[test]
        fn the_middle_is_what_counting_finds(distances in prop::collection::vec(0.0f64..9.0, 1..500), whole in any::<bool>()) {
            // Whole numbers come more than once.
            let distances: Vec<f64> = distances.iter().map(|d| if whole { d.floor() } else { *d }).collect();
            let (found, naive) = (mean_of_middle(&distances), counted_mean(&distances));
            prop_assert!((found - naive).abs() <= 1e-12 * naive.max(1.0), "{found} for {naive}");
        }
    }

    #[test]
    fn of_the_latents_themselves_it_is_the_arcs_speed() {
        // ‖ds/dt‖ = r·Ω on an arc of radius r and angle Ω; a straight line's is the distance of its ends.
        let (r, omega, width) = (2.0f64, 0.7f64, 3);
        let ends = [r as f32, 0.0, 0.0, (r * omega.cos()) as f32, (r * omega.sin()) as f32, 0.0].repeat(50);
        let ts: Vec<f64> = (0..50).map(|i| f64::from(i) / 50.0).collect();
        let speed = |way: Way| {
            let steps = steps(&ends, width, way, &ts);
            mean_of_middle(&steps.chunks_exact(2 * width).map(squared_speed).collect::<Vec<f64>>())
        };
        let (arc, line) = ((r * omega).powi(2), 2.0 * r * r * (1.0 - omega.cos()));
        assert!((speed(Way::Spherical) / arc - 1.0).abs() < 2e-3, "{} for {arc}", speed(Way::Spherical));
        assert!((speed(Way::Linear) / line - 1.0).abs() < 2e-3, "{} for {line}", speed(Way::Linear));
    }

    #[test]
    fn the_outermost_hundredths_are_left_out() {
        let mut distances: Vec<f64> = (0..201).map(f64::from).collect();
        assert_eq!(mean_of_middle(&distances), 100.0);
        (distances[0], distances[200]) = (-1e9, 1e9);
        assert_eq!(mean_of_middle(&distances), 100.0);
        assert_eq!((mean_of_middle(&[5.0]), deviation(&[5.0; 30])), (5.0, 0.0));
        assert_eq!(deviation(&[1.0, 1.0, 3.0, 3.0]), 1.0);
        assert!(mean_of_middle(&[]).is_nan());
    }

    /// An untrained network of a model, with options in words.
    fn network(model: &str, options: &[(&str, &str)], classes: &[String]) -> Inference {
        let models = Models::builtin();
        let defaults = Config { classes: classes.to_vec(), ..models.defaults(model).unwrap() };
        let config = options.iter().fold(defaults, |config, (name, value)| config.with_text(name, value));
        let mut network = models.build(&config).unwrap();
        network.initialise(3);
        Inference::new(network, 1)
    }

    #[test]
    fn a_networks_length_is_that_of_its_paths_taken_one_by_one() {
        let data = builtin(80, 1).unwrap();
        let (mut judge, _) = Judge::train(&data, 1, 42, 1, None, &mut |_, _, _| {}).unwrap();
        let options = Options { samples: 23, mapped: 0, likelihood: (0, 0), seed: 5, threads: 1 };
        let classes = data.classes.len();
        for model in ["cnn-vae", "cvae"] {
            let mut inference = network(model, &[], &data.classes);
            let width = inference.network().latent().unwrap();
            let score = length(&mut inference, None, &mut judge, options, &Solo, &mut |_, _, _| {}).unwrap().unwrap();
            assert_eq!((score.name.as_str(), score.passport.n_generated), ("ppl_classifier", 23));
            let latents = sample::prior(46, width, 5);
            let mut ts = [0.0f64; 23];
            rng::fill_uniform(&Team::solo(), 5, STREAM, 0, &mut ts);
            let distances: Vec<f64> = (0..23)
                .map(|i| {
                    let (a, b) = latents[2 * i * width..][..2 * width].split_at(width);
                    let mut features = |t: f64| {
                        let label = inference.network().sees_classes().then_some([i % classes]);
                        let label = label.as_ref().map(|label| &label[..]);
                        let image = inference.decode(&sample::slerp(a, b, t), label).unwrap();
                        judge.features(&to_images(inference.network().image(), image).unwrap()).unwrap().values
                    };
                    let (here, there) = (features(ts[i]), features(ts[i] + 1e-4));
                    let squares = here.iter().zip(&there).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
                    squares.sum::<f64>() * 1e8
                })
                .collect();
            let (value, naive) = (score.value.unwrap(), counted_mean(&distances));
            // One drawing at a time is rounded otherwise than many, and ε² divides the difference.
            assert!(value > 0.0 && (value / naive - 1.0).abs() < 0.02, "{model}: {value} for {naive}");
        }
    }

    #[test]
    fn there_is_no_way_between_codes() {
        let data = builtin(40, 1).unwrap();
        let (mut judge, _) = Judge::train(&data, 1, 42, 1, None, &mut |_, _, _| {}).unwrap();
        let mut inference = network("cnn-vae", &[("objective", "vq")], &data.classes);
        let options = Options { samples: 4, mapped: 0, likelihood: (0, 0), seed: 5, threads: 1 };
        assert_eq!(length(&mut inference, None, &mut judge, options, &Solo, &mut |_, _, _| {}).unwrap(), None);
    }
}
