use std::collections::BTreeMap;

use inkgrad_engine::{Clock, Compile, Tape, Team, Tensor, rng};

use super::{Noise, Time};
use crate::model::config::{Config, Overrides};
use crate::model::{Model, Models, Network, Value};
use crate::network::vae::CnnVae;

/// A small cnn-vae with options, in `f64`.
fn network(options: &[(&str, &str)]) -> Network<f64> {
    let models = Models::builtin();
    let sizes = [("latent", "2"), ("channels", "2")];
    let options: BTreeMap<String, Value> =
        sizes.iter().chain(options).map(|&(name, value)| (name.to_owned(), Value::parse(value))).collect();
    let overrides = Overrides { options, ..Overrides::default() };
    let config = Config::resolve(&models, Some("cnn-vae"), None, &overrides).unwrap();
    let mut network = models.build(&Config { image: [16, 16, 1].into(), ..config }).unwrap();
    network.initialise(3);
    network
}

/// The loss of two pictures at each of `steps`, and the gradients of the parameters whose names begin with `prefix`.
fn gradients(network: &mut Network<f64>, prefix: &str, steps: std::ops::Range<u64>) -> Vec<(f64, Vec<f64>)> {
    let mut tape = Tape::new();
    let graph = network.step(&mut tape, 2).unwrap();
    let mut plan = tape.compile(Compile { loss: Some(graph.loss.tensor), ..Compile::default() });
    rng::fill_uniform(&Team::solo(), 1, 0, 0, plan.input(graph.images));
    let params = network.list();
    let of_step = |step| {
        plan.forward(&network.params, &Team::solo(), Clock { seed: 9, step });
        plan.backward(&mut network.params, &Team::solo());
        let wanted = params.iter().filter(|param| param.name.starts_with(prefix));
        let found = wanted.flat_map(|param| network.params.grad(param).to_vec()).collect();
        network.params.discard_gradients();
        (plan.value(graph.loss.tensor)[0], found)
    };
    steps.map(of_step).collect()
}

const IWAE: [(&str, &str); 2] = [("objective", "iwae"), ("importance_samples", "4")];

fn doubly() -> Network<f64> {
    network(&[IWAE[0], IWAE[1], ("dreg", "yes")])
}

#[test]
fn doubly_reparameterised_the_value_and_the_decoders_gradient_stay() {
    let (plain, other) = (gradients(&mut network(&IWAE), "decoder.", 0..3), gradients(&mut doubly(), "decoder.", 0..3));
    for ((loss, decoder), (other_loss, other_decoder)) in plain.into_iter().zip(other) {
        assert!((loss - other_loss).abs() < 1e-12 * loss.abs(), "{loss}, {other_loss}");
        let scale = decoder.iter().fold(0.0, |largest: f64, g| largest.max(g.abs()));
        for (found, expected) in other_decoder.iter().zip(&decoder) {
            assert!((found - expected).abs() < 1e-12 * scale, "{found}, {expected}");
        }
    }
}

/// Means over many draws of noise are the same within their standard errors, and the spread around them is smaller.
#[test]
#[ignore = "slow"]
fn doubly_reparameterised_the_encoders_gradient_is_the_same_in_expectation_and_less_noisy() {
    const DRAWS: usize = 2000;
    let moments = |network: &mut Network<f64>| {
        let all = gradients(network, "encoder.fc_", 0..DRAWS as u64);
        let width = all[0].1.len();
        let mean = |of: &dyn Fn(f64, usize) -> f64, j: usize| {
            all.iter().map(|(_, gradient)| of(gradient[j], j)).sum::<f64>() / DRAWS as f64
        };
        let means: Vec<f64> = (0..width).map(|j| mean(&|g, _| g, j)).collect();
        let variances: Vec<f64> = (0..width).map(|j| mean(&|g, j| (g - means[j]).powi(2), j)).collect();
        (means, variances)
    };
    let (plain, other) = (moments(&mut network(&IWAE)), moments(&mut doubly()));
    let (mut squares, mut reached) = (0.0, 0);
    for j in 0..plain.0.len() {
        let error = ((plain.1[j] + other.1[j]) / DRAWS as f64).sqrt();
        if error == 0.0 {
            // Behind a feature that is off.
            assert_eq!(plain.0[j], other.0[j]);
            continue;
        }
        let apart = (plain.0[j] - other.0[j]) / error;
        assert!(apart.abs() < 5.0, "number {j}: {} and {}, off by {apart} standard errors", plain.0[j], other.0[j]);
        (squares, reached) = (squares + apart * apart, reached + 1);
    }
    // Were the expectations different, the mean of these squares would be far from 1.
    assert!(reached > 30 && squares / f64::from(reached) < 2.0, "{squares} of {reached}");
    let (noisy, quiet) = (plain.1.iter().sum::<f64>(), other.1.iter().sum::<f64>());
    // Half of it with this network, by 2,000 draws.
    assert!(quiet < 0.75 * noisy, "variances of {quiet} and {noisy}");
    // It is no small thing that is compared: the means stand out of their noise.
    let signal: f64 = other.0.iter().map(|mean| mean * mean).sum();
    assert!(signal > 10.0 * quiet / DRAWS as f64, "{signal}, {quiet}");
}

/// Each piece becomes the nearest code, found one by one; of equal codes it becomes that.
#[test]
fn pieces_become_their_nearest_codes() {
    let (codes, width, pieces) = (7, 3, 40);
    let mut random = vec![0.0; codes * width + pieces * width];
    rng::fill_normal(&Team::solo(), 5, 0, 0, &mut random);
    let (known, latents) = random.split_at(codes * width);
    let mut known = known.to_vec();
    // Two codes that are the same.
    known.copy_within(0..width, 4 * width);
    let options = [("objective", "vq"), ("latent", "6"), ("codes", "7"), ("code_width", "3")];
    let mut network = network(&options);
    let model = network.model::<CnnVae>().unwrap().clone();
    let codebook = model.codebook().unwrap();
    let param = network.list().into_iter().find(|param| param.name == "codebook.weight").unwrap();
    network.params.value_mut(&param).copy_from_slice(&known);
    let mut tape = Tape::new();
    let x = tape.input("latents", [pieces / 2, 2 * width]);
    let nearest = codebook.nearest(&mut tape, x).unwrap();
    let mut plan = tape.compile(Compile { keep: &[nearest], ..Compile::default() });
    plan.input(x).copy_from_slice(latents);
    plan.forward(&network.params, &Team::solo(), Clock::default());
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let mut met = std::collections::BTreeSet::new();
    for (piece, found) in latents.chunks(width).zip(plan.value(nearest).chunks(width)) {
        let best = (0..codes)
            .min_by(|&a, &b| {
                let [a, b] = [a, b].map(|k| distance(piece, &known[k * width..][..width]));
                a.total_cmp(&b)
            })
            .unwrap();
        assert!(distance(found, &known[best * width..][..width]) < 1e-24, "{piece:?}: {found:?}");
        met.insert(best);
    }
    assert!(met.len() > 3 && met.contains(&0), "{met:?}");
}

/// The mean of a code of two levels is decoded as training decodes it without noise.
#[test]
fn codes_of_two_levels_are_decoded_as_in_training() {
    let network = network(&[("objective", "ladder"), ("top_latent", "3")]);
    assert_eq!(network.latent().unwrap(), 5);
    let model = network.model::<CnnVae>().unwrap().clone();
    let forward = |tape: Tape<f64>, inputs: &[(Tensor, &[f64])], keep: &[Tensor]| {
        let mut plan = tape.compile(Compile { keep, ..Compile::default() });
        inputs.iter().for_each(|&(tensor, values)| plan.input(tensor).copy_from_slice(values));
        plan.forward(&network.params, &Team::solo(), Clock::default());
        keep.iter().map(|&tensor| plan.value(tensor).to_vec()).collect::<Vec<_>>()
    };
    let mut images = vec![0.0; 2 * network.image().len()];
    rng::fill_uniform(&Team::solo(), 1, 0, 0, &mut images);

    let mut tape = Tape::new();
    let noise = tape.input("noise", [2, 5]);
    let given = Noise { latents: Some(noise), prior: None };
    let graph = model.record(&mut tape, 2, given, Time::End).unwrap();
    let bce = graph.reported().find(|term| term.name == "bce").unwrap().tensor;
    let trained = forward(tape, &[(graph.images, &images), (noise, &[0.0; 10])], &[bce]);

    let mut tape = Tape::new();
    let coded = model.encoding(&mut tape, 2).unwrap().unwrap();
    let codes = forward(tape, &[(coded.images, &images)], &[coded.mu, coded.logvar.unwrap()]);
    // The lower level is sure of itself only as far as the drawing adds to what the upper level says.
    assert!(codes[1].chunks(5).all(|row| row[3..].iter().all(|&logvar| logvar < 0.0)), "{:?}", codes[1]);
    let mut tape = Tape::new();
    let decoded = model.decoding(&mut tape, 2).unwrap().unwrap();
    let pictures = forward(tape, &[(decoded.latents, &codes[0])], &[decoded.images]);
    let nats = images.iter().zip(&pictures[0]).map(|(x, p)| -x * p.ln() - (1.0 - x) * (1.0 - p).ln());
    let nats = nats.sum::<f64>();
    assert!((nats - trained[0][0]).abs() < 1e-10 * nats, "{nats}, {}", trained[0][0]);
}
