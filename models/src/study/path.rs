//! Perceptual path length: how far drawings change on short steps between latents.
//!
//! Karras, Laine and Aila 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks", section 4.1:
//!
//! PPL = E[ ‖f(g(s(z₁, z₂; t))) − f(g(s(z₁, z₂; t + ε)))‖² / ε² ], z₁, z₂ ~ p(z), t ~ U(0, 1), ε = 10⁻⁴,
//!
//! with the decoder g, and s the arc between two draws from N(0, I), or the straight line between two draws of another density. Arcs
//! are of the draws as they are (torch-fidelity's `slerp_any`): the paper's network makes all latents as long as each other first,
//! these decoders do not. The paper has LPIPS, weighted features of VGG16, as f. Here `ppl_classifier` has the judge's last hidden
//! layer, and `ppl` the 2,048 pooled features of InceptionV3 where its weights are given, of pictures that are not rounded to bytes;
//! so a length is to be compared with others of the same network alone. As in the paper's code and torch-fidelity's distances below
//! the first and above the 99th percentile are left out of the mean. A network that sees classes goes from one drawing of a class to
//! another.

use std::ops::Range;

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::rng;

use super::Watch;
use super::evaluate::{Options, to_images};
use super::judge::{Inception, Judge};
use super::scores::{self, Passport, Score};
use crate::infer::Inference;
use crate::metrics::{FeatureSource, MeanStd};
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
/// Paths that InceptionV3 sees at most: it takes a tenth of a second for each of their two drawings.
const MOST_BY_INCEPTION: usize = 1_000;
/// Parts over which the standard deviation of the mean is told.
const SPLITS: usize = 10;

/// The scores of paths of `classes` in turn, by the judge and by InceptionV3 where the judge has it; none of a network whose latents
/// are codes, between which there is nothing. Each rank walks some of the paths.
pub(super) fn lengths(
    inference: &mut Inference,
    sampler: Option<&Fitted>,
    judge: &mut Judge,
    options: Options,
    ranks: &dyn Ranks,
    watch: &mut Watch,
) -> Result<Vec<Score>> {
    if inference.network().code_width().is_some() {
        return Ok(Vec::new());
    }
    let paths = Paths::draw(inference, sampler, judge.classes(), options)?;
    let by_judge = paths.by_judge(inference, judge, ranks, watch)?;
    let score = |name: &str, source: FeatureSource, distances: &[f64]| Score {
        name: name.to_owned(),
        value: Some(mean_of_middle(distances)),
        std: Some(deviation(distances)),
        passport: Passport {
            n_real: 0,
            n_generated: distances.len(),
            extractor: source.name,
            sha256: source.weights_sha256,
            resize: source.resize.unwrap_or("none".to_owned()),
            sampler: None,
            seed: options.seed,
            floor: None,
        },
        note: None,
    };
    let of_judge = FeatureSource { name: judge.name.clone(), weights_sha256: Some(judge.sha256.clone()), resize: None };
    let second = match &mut judge.inception {
        None => scores::without_inception("ppl", (0, paths.len().min(MOST_BY_INCEPTION)), options.seed),
        Some(inception) => {
            let distances = paths.by_inception(inference, inception, ranks, watch)?;
            score("ppl", inception.source(), &distances)
        }
    };
    Ok(vec![score("ppl_classifier", of_judge, &by_judge), second])
}

/// Two points on each of some paths between latents.
struct Paths {
    /// At t and at t + ε of each: `(2n, width)`.
    steps: Vec<f32>,
    width: usize,
    /// The class of each point, of a network that sees classes.
    labels: Option<Vec<usize>>,
}

impl Paths {
    /// As many as `options` has samples.
    fn draw(inference: &Inference, sampler: Option<&Fitted>, classes: usize, options: Options) -> Result<Self> {
        let network = inference.network();
        let (n, width) = (options.samples, network.latent()?);
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
        Ok(Paths { steps: steps(&ends, width, way, &ts), width, labels })
    }

    fn len(&self) -> usize {
        self.steps.len() / (2 * self.width)
    }

    /// The latents of some of them, and their classes.
    fn part(&self, paths: Range<usize>) -> (&[f32], Option<&[usize]>) {
        let points = 2 * paths.start..2 * paths.end;
        let labels = self.labels.as_ref().map(|labels| &labels[points.clone()]);
        (&self.steps[points.start * self.width..points.end * self.width], labels)
    }

    /// The squared speed of each by the judge's features.
    fn by_judge(
        &self,
        inference: &mut Inference,
        judge: &mut Judge,
        ranks: &dyn Ranks,
        watch: &mut Watch,
    ) -> Result<Vec<f64>> {
        let n = self.len();
        let mut done = 0;
        let mut of_batch = |&batch: &usize| -> Result<Vec<f64>> {
            let paths = batch * BATCH..n.min((batch + 1) * BATCH);
            let (latents, labels) = self.part(paths.clone());
            let images = to_images(inference.network().image(), inference.decode(latents, labels)?)?;
            let features = judge.features(&images)?;
            // A rank knows of its own, and takes others to be as far.
            done = n.min(done + ranks.size() * paths.len());
            watch("paths between latents", done, n);
            Ok(squared_speeds(&features.values, features.width))
        };
        Ok(deal(ranks, n.div_ceil(BATCH), |own| own.iter().map(&mut of_batch).collect())?.concat())
    }

    /// The squared speed of the first of them by InceptionV3's features.
    fn by_inception(
        &self,
        inference: &mut Inference,
        inception: &mut Inception,
        ranks: &dyn Ranks,
        watch: &mut Watch,
    ) -> Result<Vec<f64>> {
        let (latents, labels) = self.part(0..self.len().min(MOST_BY_INCEPTION));
        let pixels = inference.decode_among(latents, labels, ranks)?;
        let images = to_images(inference.network().image(), pixels)?;
        let watch = &mut |done: usize, of: usize| watch("paths through InceptionV3", done / 2, of / 2);
        let features = inception.features_among(&images, ranks, watch)?;
        Ok(squared_speeds(&features.values, features.width))
    }
}

/// For each pair of `ends: (2n, width)` the latents at its t and at t + ε: `(2n, width)`.
fn steps(ends: &[f32], width: usize, way: Way, ts: &[f64]) -> Vec<f32> {
    let pairs = ends.chunks_exact(2 * width).map(|pair| pair.split_at(width));
    pairs.zip(ts).flat_map(|((a, b), &t)| [way.between(a, b, t), way.between(a, b, t + STEP)].concat()).collect()
}

/// ‖a − b‖² / ε² of each two rows of `(2n, width)`.
fn squared_speeds(rows: &[f32], width: usize) -> Vec<f64> {
    rows.chunks_exact(2 * width).map(squared_speed).collect()
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
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::Models;
    use crate::data::builtin;
    use crate::features::{Cache, Extractor};
    use crate::inception::{Resize, Variant, layout};
    use crate::property::cases;
    use crate::ranks::Solo;
    use crate::run::checkpoint::save_tensors;
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

    const OPTIONS: Options = Options { samples: 23, mapped: 0, likelihood: (0, 0), seed: 5, threads: 1 };

    /// The squared speeds of the paths of [`OPTIONS`] one by one, by the features that `of` gives.
    fn taken_one_by_one(
        inference: &mut Inference,
        classes: usize,
        of: &mut dyn FnMut(&crate::data::Images) -> Vec<f32>,
    ) -> Vec<f64> {
        let width = inference.network().latent().unwrap();
        let latents = sample::prior(46, width, 5);
        let mut ts = [0.0f64; 23];
        rng::fill_uniform(&Team::solo(), 5, STREAM, 0, &mut ts);
        let mut speed = |i: usize| {
            let (a, b) = latents[2 * i * width..][..2 * width].split_at(width);
            let mut features = |t: f64| {
                let label = inference.network().sees_classes().then_some([i % classes]);
                let label = label.as_ref().map(|label| &label[..]);
                let image = inference.decode(&sample::slerp(a, b, t), label).unwrap();
                of(&to_images(inference.network().image(), image).unwrap())
            };
            let (here, there) = (features(ts[i]), features(ts[i] + 1e-4));
            let squares = here.iter().zip(&there).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
            squares.sum::<f64>() * 1e8
        };
        (0..23).map(&mut speed).collect()
    }

    #[test]
    fn a_networks_length_is_that_of_its_paths_taken_one_by_one() {
        let data = builtin(80, 1).unwrap();
        let (mut judge, _) = Judge::train(&data, 1, 42, 1, None, &mut |_, _, _| {}).unwrap();
        let classes = data.classes.len();
        for model in ["cnn-vae", "cvae"] {
            let mut inference = network(model, &[], &data.classes);
            let scores = lengths(&mut inference, None, &mut judge, OPTIONS, &Solo, &mut |_, _, _| {}).unwrap();
            assert_eq!((scores[0].name.as_str(), scores[0].passport.n_generated), ("ppl_classifier", 23));
            // Without InceptionV3's weights its length says what it needs.
            assert_eq!((scores[1].name.as_str(), scores[1].value, scores.len()), ("ppl", None, 2));
            assert!(scores[1].note.as_ref().unwrap().contains("--inception"));
            let distances =
                taken_one_by_one(&mut inference, classes, &mut |images| judge.features(images).unwrap().values);
            let (value, naive) = (scores[0].value.unwrap(), counted_mean(&distances));
            // One drawing at a time is rounded otherwise than many, and ε² divides the difference.
            assert!(value > 0.0 && (value / naive - 1.0).abs() < 0.02, "{model}: {value} for {naive}");
        }
    }

    /// InceptionV3 with random weights that keep the size of what goes through, and batch norms that do nothing.
    fn inception(folder: &std::path::Path) -> Inception {
        let file = folder.join("w.safetensors");
        let tensors: Vec<(String, Vec<usize>, Vec<f32>)> = layout(Variant::Fid)
            .unwrap()
            .into_iter()
            .zip(0..)
            .map(|((name, shape), at)| {
                let (len, inputs) = (shape.iter().product::<usize>(), shape[1..].iter().product::<usize>());
                let of_norm = f32::from(u8::from(name.ends_with("bn.weight") || name.ends_with("running_var")));
                let values = match inputs {
                    _ if shape.len() == 1 => vec![of_norm; len],
                    _ => {
                        let spread = (2.0 / inputs as f32).sqrt();
                        sample::prior(len, 1, at).into_iter().map(|v| v * spread).collect()
                    }
                };
                (name, shape, values)
            })
            .collect();
        let tensors: Vec<(&str, &[usize], &[f32])> = tensors.iter().map(|(n, s, v)| (&**n, &**s, &**v)).collect();
        save_tensors(&file, &tensors, &BTreeMap::new()).unwrap();
        Inception::new(Extractor::inception(&file, Resize::Tf1, 1).unwrap(), Cache::none())
    }

    #[test]
    #[ignore = "slow"]
    fn a_networks_length_by_inception_is_that_of_its_paths_taken_one_by_one() {
        let (data, folder) = (builtin(80, 1).unwrap(), tempfile::tempdir().unwrap());
        let (mut judge, _) = Judge::train(&data, 1, 42, 1, None, &mut |_, _, _| {}).unwrap();
        judge.inception = Some(inception(folder.path()));
        let mut inference = network("cvae", &[], &data.classes);
        let scores = lengths(&mut inference, None, &mut judge, OPTIONS, &Solo, &mut |_, _, _| {}).unwrap();
        let passport = &scores[1].passport;
        assert_eq!((&*passport.extractor, &*passport.resize), ("inception-fid", "tf1"));
        assert_eq!((&*scores[1].name, passport.n_generated, passport.sha256.is_some()), ("ppl", 23, true));
        let mut alone = inception(folder.path());
        let distances = taken_one_by_one(&mut inference, data.classes.len(), &mut |images| {
            alone.features(images, &mut |_, _| {}).unwrap().values
        });
        let (value, naive) = (scores[1].value.unwrap(), counted_mean(&distances));
        assert!(value > 0.0 && (value / naive - 1.0).abs() < 0.02, "{value} for {naive}");
    }

    #[test]
    fn there_is_no_way_between_codes() {
        let data = builtin(40, 1).unwrap();
        let (mut judge, _) = Judge::train(&data, 1, 42, 1, None, &mut |_, _, _| {}).unwrap();
        let mut inference = network("cnn-vae", &[("objective", "vq")], &data.classes);
        assert_eq!(lengths(&mut inference, None, &mut judge, OPTIONS, &Solo, &mut |_, _, _| {}).unwrap(), []);
    }
}
