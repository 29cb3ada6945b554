use proptest::prelude::*;

use super::*;
use crate::data::{self, Dataset};
use crate::metrics::on_threads;
use crate::model::Models;
use crate::property::cases;

/// `n` draws of `width` numbers from N(0, I) for tests.
fn noise(n: usize, width: usize, seed: u64) -> Vec<f64> {
    let mut values = vec![0.0; n * width];
    rng::fill_normal(&Team::solo(), seed, 7, 0, &mut values);
    values
}

/// Points in a few groups of different sizes, shapes and places, some of them equal.
fn groups(n: usize, width: usize, groups: usize, seed: u64) -> Vec<f64> {
    let (mut points, places) = (noise(n, width, seed), noise(groups, width, seed + 1));
    for (i, point) in points.chunks_exact_mut(width).enumerate() {
        let group = (i * i + i / 3) % groups;
        for (j, x) in point.iter_mut().enumerate() {
            *x = *x * (0.1 + (group + j) as f64 / 3.0) + 4.0 * places[group * width + j];
        }
        if i % 11 == 0 {
            point.fill(1.0);
        }
    }
    points
}

fn mean_log_density(mixture: &Mixture, points: &[f64]) -> f64 {
    let rows = points.chunks_exact(mixture.width);
    rows.clone().map(|x| mixture.log_density(x)).sum::<f64>() / rows.len() as f64
}

proptest! {
    #![proptest_config(cases(40))]

    /// Both steps maximise, so that what they maximise never falls; and it is the likelihood of the mixture that is given.
    #[test]
    fn the_likelihood_never_falls(
        n in 30usize..300, width in 1usize..6, k in 1usize..7, seed in 0u64..1000, diagonal in any::<bool>(),
    ) {
        let covariance = if diagonal { Covariance::Diagonal } else { Covariance::Full };
        let points = groups(n, width, 4, seed);
        let em::Fit { mixture, objective } = em::fit(&points, width, k, covariance, seed);
        for turn in objective.windows(2) {
            prop_assert!(turn[1] >= turn[0] - 1e-10 * turn[0].abs().max(1.0), "{objective:?}");
        }
        prop_assert!((mixture.weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        // J/N without the penalty, by the formula alone.
        let mean = points.chunks_exact(width).fold(vec![0.0; width], |mut sum, x| {
            sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += x / n as f64);
            sum
        });
        let apart = points.chunks_exact(width).flat_map(|x| x.iter().zip(&mean).map(|(x, m)| (x - m) * (x - m)));
        let lambda = em::FLOOR * apart.sum::<f64>() / (n * width) as f64;
        // Tr (L·Lᵀ)⁻¹ is the sum of the squares of L⁻¹, whose columns solve L·x = eⱼ.
        let inverse_trace = |k: usize| -> f64 {
            let l = &mixture.factors[k * width * width..][..width * width];
            let mut sum = 0.0;
            for column in 0..width {
                let mut x = vec![0.0; width];
                for i in column..width {
                    let known: f64 = (column..i).map(|j| f64::from(l[i * width + j]) * x[j]).sum();
                    x[i] = (f64::from(u8::from(i == column)) - known) / f64::from(l[i * width + i]);
                }
                sum += x.iter().map(|x| x * x).sum::<f64>();
            }
            sum
        };
        let penalty: f64 = (0..k).filter(|&k| mixture.weights[k] > 0.0).map(inverse_trace).sum();
        let expected = mean_log_density(&mixture, &points) - 0.5 * lambda * penalty / n as f64;
        let last = objective.last().unwrap();
        prop_assert!((last - expected).abs() < 1e-3 * expected.abs().max(1.0), "{last}, {expected}");
        if diagonal {
            let off = mixture.factors.iter().enumerate().filter(|(i, _)| i / width % width != i % width);
            prop_assert!(off.map(|(_, l)| *l).all(|l| l == 0.0));
        }
    }

    #[test]
    fn a_fit_does_not_depend_on_the_number_of_threads(
        n in 300usize..700, width in 1usize..5, k in 1usize..5, seed in 0u64..1000,
    ) {
        let points = groups(n, width, 3, seed);
        let fit = |threads| on_threads(threads, || em::fit(&points, width, k, Covariance::Full, seed));
        let one = fit(1);
        prop_assert!(one == fit(3));
    }
}

/// One component is the maximum-likelihood Gaussian, but for λ.
#[test]
#[ignore = "slow"]
fn one_component_has_the_moments_of_the_points() {
    let (n, width) = (4000, 3);
    let points = groups(n, width, 2, 5);
    let Mixture { weights, means, factors, .. } = em::fit(&points, width, 1, Covariance::Full, 1).mixture;
    assert_eq!(weights, [1.0]);
    for a in 0..width {
        let of = |j: usize| points.iter().skip(j).step_by(width);
        let mean = |j: usize| of(j).sum::<f64>() / n as f64;
        assert!((f64::from(means[a]) - mean(a)).abs() < 1e-5);
        for b in 0..=a {
            let expected = of(a).zip(of(b)).map(|(x, y)| (x - mean(a)) * (y - mean(b))).sum::<f64>() / n as f64;
            let found: f64 =
                (0..width).map(|c| f64::from(factors[a * width + c]) * f64::from(factors[b * width + c])).sum();
            assert!((found - expected).abs() < 1e-3 * expected.abs().max(1.0), "{a} {b}: {found}, {expected}");
        }
    }
}

#[test]
fn groups_that_lie_apart_are_found_with_their_shares() {
    let (width, n) = (4, 3000);
    let mut points = noise(n, width, 3);
    for (i, point) in points.chunks_exact_mut(width).enumerate() {
        let place = [0.0, 20.0, -20.0][[0, 0, 0, 1, 1, 2][i % 6]];
        point.iter_mut().for_each(|x| *x += place);
    }
    let mixture = em::fit(&points, width, 3, Covariance::Diagonal, 9).mixture;
    let mut found: Vec<(f32, f32)> = (0..3).map(|k| (mixture.means[k * width], mixture.weights[k])).collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    for ((mean, weight), (at, share)) in found.into_iter().zip([(-20.0, 1.0 / 6.0), (0.0, 0.5), (20.0, 1.0 / 3.0)]) {
        assert!((mean - at).abs() < 0.2 && (weight - share).abs() < 1e-3, "{mean} {weight}");
    }
}

/// A fitted density by itself.
fn fitted(sampler: Sampler, width: usize, densities: Vec<Density>) -> Fitted {
    Fitted { sampler, width, drawings: 1, densities }
}

/// Mean and covariance of `(n, width)`.
fn moments(values: &[f32], width: usize) -> (Vec<f64>, Vec<f64>) {
    let n = (values.len() / width) as f64;
    let mut mean = vec![0.0; width];
    values.chunks_exact(width).for_each(|z| mean.iter_mut().zip(z).for_each(|(m, &z)| *m += f64::from(z) / n));
    let mut covariance = vec![0.0; width * width];
    for z in values.chunks_exact(width) {
        for a in 0..width {
            for b in 0..width {
                covariance[a * width + b] += (f64::from(z[a]) - mean[a]) * (f64::from(z[b]) - mean[b]) / n;
            }
        }
    }
    (mean, covariance)
}

fn assert_alike(found: &(Vec<f64>, Vec<f64>), expected: &(Vec<f64>, Vec<f64>), what: &str) {
    let scale = expected.1.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    for (found, expected) in found.0.iter().zip(&expected.0) {
        assert!((found - expected).abs() < 0.06 * scale.sqrt(), "{what}: {found}, {expected}");
    }
    for (found, expected) in found.1.iter().zip(&expected.1) {
        assert!((found - expected).abs() < 0.08 * scale, "{what}: {found}, {expected}");
    }
}

/// Draws have the moments of the latents, of every density.
#[test]
fn draws_have_the_mean_and_the_covariance_of_the_latents() {
    let width = 3;
    let latents: Vec<f32> = groups(2000, width, 3, 4).iter().map(|&x| x as f32).collect();
    let points: Vec<f64> = latents.iter().map(|&x| f64::from(x)).collect();
    let expected = moments(&latents, width);
    let mixture = |k| Density::Mixture(em::fit(&points, width, k, Covariance::Full, 1).mixture);
    for (what, density) in [
        ("a Gaussian", mixture(1)),
        ("a mixture", mixture(5)),
        ("kernels", Density::Aggregate(Aggregate::new(width, latents.clone(), None))),
    ] {
        let draws = fitted(Sampler::Aggregate, width, vec![density]).draw(20_000, None, 3);
        assert_alike(&moments(&draws, width), &expected, what);
    }
    // A posterior's spread is added.
    let spread = vec![2.0; latents.len()];
    let aggregate = Density::Aggregate(Aggregate::new(width, latents, Some(spread)));
    let draws = fitted(Sampler::Aggregate, width, vec![aggregate]).draw(20_000, None, 3);
    let (mean, mut covariance) = expected;
    (0..width).for_each(|j| covariance[j * width + j] += 4.0);
    assert_alike(&moments(&draws, width), &(mean, covariance), "posteriors");
}

#[test]
fn a_name_reads_as_it_is_written() {
    for text in ["prior", "gmm:1", "gmm:20", "gmm:20:diagonal", "aggregate", "vamp", "codes"] {
        assert_eq!(text.parse::<Sampler>().unwrap().to_string(), text);
    }
    assert_eq!("gmm:2:full".parse(), Ok(Sampler::Gmm(2, Covariance::Full)));
    for text in ["", "gmm", "gmm:", "gmm:0", "gmm:-1", "gmm:1001", "gmm:2:round", "vamp:3", "codes:2"] {
        assert!(text.parse::<Sampler>().is_err(), "{text}");
    }
}

/// A network with its initial weights.
fn untrained(model: &str, dataset: &Dataset) -> Inference {
    let config =
        crate::run::config::Config { classes: dataset.classes.clone(), ..Models::builtin().defaults(model).unwrap() };
    let mut network = Models::builtin().build(&config).unwrap();
    network.initialise(5);
    Inference::new(network, 1)
}

#[test]
fn every_autoencoder_draws_by_every_sampler_and_what_is_kept_draws_the_same() {
    let dataset = data::builtin(120, 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for model in ["lstm-ae", "cnn-ae", "cnn-vae", "cvae"] {
        let mut inference = untrained(model, &dataset);
        let width = inference.network().latent().unwrap();
        for text in ["prior", "gmm:3", "gmm:3:diagonal", "aggregate"] {
            let sampler: Sampler = text.parse().unwrap();
            let found = Fitted::fit(sampler, &mut inference, &dataset.train, 7);
            if sampler == Sampler::Prior {
                let expected = format!("--sampler: prior of {model}, which has none, expected gmm:K or aggregate");
                match model.ends_with("-ae") {
                    true => assert_eq!(found.unwrap_err().to_string(), expected),
                    false => assert_eq!(found.unwrap().draw(4, None, 3), sample::prior(4, width, 3)),
                }
                continue;
            }
            let found = found.unwrap();
            let labels: Vec<usize> = (0..9).map(|i| i % 5).collect();
            let labels = inference.network().sees_classes().then_some(&labels[..]);
            let draws = found.draw(9, labels, 3);
            assert!(draws.len() == 9 * width && draws.iter().all(|z| z.is_finite()), "{model} {text}");
            assert_eq!(found.draw(4, labels, 3), draws[..4 * width], "{model} {text}");
            assert_ne!(found.draw(9, labels, 4), draws, "{model} {text}");
            assert_eq!(inference.decode(&draws, labels).unwrap().len(), 9 * 784);

            let source = |seed| Source { sampler, weights_sha256: "0123456789".into(), data_sha256: "d".into(), seed };
            let path = folder.path().join(source(7).file_name());
            found.save(&path, &source(7)).unwrap();
            let count = found.densities.len();
            assert_eq!(Fitted::load(&path, &source(7), width, count).unwrap().as_ref(), Some(&found));
            assert_eq!(Fitted::load(&path, &source(8), width, count).unwrap(), None);
            let error = Fitted::load(&path, &source(7), width + 1, count).unwrap_err().to_string();
            assert!(error.contains("expected finite values of"), "{error}");
            let error = Fitted::load(&path, &source(7), width, count + 1).unwrap_err().to_string();
            assert!(error.ends_with(&format!("{count} densities, expected {}", count + 1)), "{error}");
        }
        let error = Fitted::fit(Sampler::Gmm(1000, Covariance::Full), &mut inference, &dataset.train, 7);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("--sampler: gmm:1000 on ") && error.ends_with("expected at least 1000"), "{error}");
    }
}

/// A network that learns its prior draws from it, under either name, and no other has one to draw from.
#[test]
fn a_prior_that_is_learnt_is_drawn_from() {
    let dataset = data::builtin(120, 1).unwrap();
    for model in ["cnn-vae", "cvae"] {
        let defaults = Models::builtin().defaults(model).unwrap();
        let config = crate::run::config::Config { classes: dataset.classes.clone(), ..defaults };
        let config = config.with_text("objective", "vamp").with("pseudo_inputs", crate::model::Value::Whole(7));
        let mut network = Models::builtin().build(&config.with("latent", crate::model::Value::Whole(3))).unwrap();
        network.initialise(5);
        // Gaussians that lie apart: an untrained encoder makes nearly the same of all pictures.
        for param in network.list().iter().filter(|param| param.name.starts_with("encoder.fc_")) {
            network.params.value_mut(param).iter_mut().for_each(|weight| *weight *= 6.0);
        }
        assert_eq!((network.has_prior(), network.components()), (true, Some(7)));
        let mut inference = Inference::new(network, 1);
        let found = Fitted::prior(&mut inference).unwrap();
        assert_eq!(found.sampler(), Sampler::Vamp);
        assert_eq!(
            found.describe(),
            "draws from the prior, the latents of pseudo-inputs with their spread (7 of them)"
        );
        for sampler in [Sampler::Prior, Sampler::Vamp] {
            assert_eq!(Fitted::fit(sampler, &mut inference, &dataset.train, 1).unwrap(), found);
        }
        // Moments by the formula: of the means, with the mean variance added.
        let latents = inference.prior().unwrap().unwrap();
        let logvar = latents.logvar.unwrap();
        let (mean, mut covariance) = moments(&latents.mu, 3);
        (0..3).for_each(|j| {
            let variance = logvar.iter().skip(j).step_by(3).map(|v| f64::from(v.exp())).sum::<f64>() / 7.0;
            covariance[j * 4] += variance;
        });
        assert_alike(&moments(&found.draw(40_000, None, 3), 3), &(mean, covariance), model);
        assert_eq!(found.draw(4, None, 3), found.draw(9, None, 3)[..12]);
    }
    let line = |model| Fitted::fit(Sampler::Vamp, &mut untrained(model, &dataset), &dataset.train, 1).unwrap_err();
    let expected = "expected a run of --objective vamp";
    assert_eq!(line("cnn-vae").to_string(), format!("--sampler: vamp of cnn-vae, whose prior is N(0, I), {expected}"));
    assert_eq!(line("cnn-ae").to_string(), format!("--sampler: vamp of cnn-ae, which has no prior, {expected}"));
}

/// At each place codes have the shares that they have among the latents, wherever they stand.
#[test]
fn codes_are_drawn_by_their_shares_at_each_place() {
    // Two places of two numbers: of 8 latents, a at the first place of 2, b of 6; at the second c of all but 1.
    let [a, b, c] = [[1.0f32, 2.0], [-1.0, 0.5], [0.0, 7.0]];
    let latents: Vec<f32> =
        (0..8).flat_map(|i| [if i < 2 { a } else { b }, if i == 5 { a } else { c }].concat()).collect();
    let codes = Codes::new(2, 2, &latents);
    assert_eq!((codes.places(), codes.codes.len()), (2, 6));
    let found = Fitted { sampler: Sampler::Codes, width: 4, drawings: 8, densities: vec![Density::Codes(codes)] };
    let draws = found.draw(8000, None, 3);
    let share = |place: usize, code: [f32; 2]| {
        draws.chunks(4).filter(|latent| latent[2 * place..][..2] == code).count() as f64 / 8000.0
    };
    for (place, code, expected) in [(0, a, 0.25), (0, b, 0.75), (0, c, 0.0), (1, a, 0.125), (1, b, 0.0), (1, c, 0.875)]
    {
        assert!((share(place, code) - expected).abs() < 0.02, "{place} {code:?}: {}", share(place, code));
    }
    // Places are independent.
    let both = draws.chunks(4).filter(|latent| latent[..2] == a && latent[2..] == c).count() as f64 / 8000.0;
    assert!((both - 0.25 * 0.875).abs() < 0.02, "{both}");
    assert_eq!(found.draw(5, None, 3), draws[..20]);
}

/// A network of codes draws by them alone, and what is kept draws the same.
#[test]
fn a_network_of_codes_draws_by_their_shares_alone() {
    let dataset = data::builtin(120, 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for model in ["cnn-vae", "cvae"] {
        let defaults = Models::builtin().defaults(model).unwrap();
        let config = crate::run::config::Config { classes: dataset.classes.clone(), ..defaults };
        let mut network = Models::builtin().build(&config.with_text("objective", "vq")).unwrap();
        network.initialise(5);
        let codebook = network.list().into_iter().find(|param| param.name == "codebook.weight").unwrap();
        network.params.value_mut(&codebook).iter_mut().for_each(|number| *number *= 8.0);
        let codebook = network.params.value(&codebook).to_vec();
        assert_eq!((network.has_prior(), network.code_width()), (false, Some(4)));
        let mut inference = Inference::new(network, 1);
        let line = |sampler: Sampler, inference: &mut Inference| {
            Fitted::fit(sampler, inference, &dataset.train, 7).unwrap_err().to_string()
        };
        let refused = format!("--sampler: prior of {model}, which has none, expected codes");
        assert_eq!(line(Sampler::Prior, &mut inference), refused);
        let refused = "--sampler: gmm:2 of latents that are codes of a codebook, expected codes";
        assert_eq!(line(Sampler::Gmm(2, Covariance::Full), &mut inference), refused);
        let found = Fitted::fit(Sampler::Codes, &mut inference, &dataset.train, 7).unwrap();
        let labels: Vec<usize> = (0..9).map(|i| i % 5).collect();
        let labels = inference.network().sees_classes().then_some(&labels[..]);
        let draws = found.draw(9, labels, 3);
        assert!(draws.chunks(4).all(|code| codebook.chunks(4).any(|known| known == code)), "{model}");
        let source =
            Source { sampler: Sampler::Codes, weights_sha256: "0123456789".into(), data_sha256: "d".into(), seed: 7 };
        let path = folder.path().join(source.file_name());
        found.save(&path, &source).unwrap();
        let (width, count) = (inference.network().latent().unwrap(), found.densities.len());
        assert_eq!(Fitted::load(&path, &source, width, count).unwrap().as_ref(), Some(&found));
        let error = Fitted::load(&path, &source, width + 1, count).unwrap_err().to_string();
        assert!(error.ends_with("expected (M, D) with D a divisor of 33"), "{error}");
    }
    let mut plain = untrained("cnn-ae", &dataset);
    let error = Fitted::fit(Sampler::Codes, &mut plain, &dataset.train, 7).unwrap_err().to_string();
    let expected = "--sampler: codes of cnn-ae, whose latents are made of none, expected a run of --objective vq";
    assert_eq!(error, expected);
}

/// Where the class is told, latents are those of its drawings.
#[test]
fn a_class_has_a_density_of_its_own() {
    let dataset = data::builtin(120, 1).unwrap();
    let mut inference = untrained("cvae", &dataset);
    let found = Fitted::fit(Sampler::Aggregate, &mut inference, &dataset.train, 7).unwrap();
    assert_eq!(found.densities.len(), dataset.classes.len());
    assert!(found.describe().ends_with("a density for each class"));
    let [zero, one] = [0, 1].map(|class| found.draw(5, Some(&[class; 5]), 3));
    assert_ne!(zero, one);
}
