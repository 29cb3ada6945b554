//! Objectives of a VAE, from the command line.

use serde_json::Value;

use crate::Place;

/// A short training of a small network with options.
fn train<'a>(out: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    let sizes = ["--latent", "4", "--channels", "3,5", "--batch-size", "8", "--steps", "2", "--threads", "1"];
    [&["train", "cnn-vae", "--data", "d", "--out", out], &sizes[..], options].concat()
}

#[test]
fn objectives_stand_in_the_run_and_its_records() {
    /// A run, its options, lines of its configuration, and its terms.
    type Case = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

    let place = Place::with_run();
    let cases: [Case; 4] = [
        (
            "free",
            &["--kl-warmup", "2:cyclic", "--free-bits", "0.1"],
            &["kl_warmup = \"2:cyclic\"", "free_bits = 0.1"],
            &["bce", "kl", "floored_kl"],
        ),
        (
            "iwae",
            &["--objective", "iwae", "--importance-samples", "3"],
            &["objective = \"iwae\"", "importance_samples = 3"],
            &["bce", "kl"],
        ),
        ("mmd", &["--objective", "wae-mmd", "--beta", "10"], &["objective = \"wae-mmd\""], &["bce", "kl", "mmd"]),
        ("grey", &["--likelihood", "continuous-bernoulli"], &["likelihood = \"continuous-bernoulli\""], &["nll", "kl"]),
    ];
    for (out, options, lines, terms) in cases {
        place.ok(&train(out, options));
        let config = String::from_utf8(place.read(&format!("{out}/config.toml"))).unwrap();
        assert!(lines.iter().all(|line| config.lines().any(|found| found == *line)), "{config}");
        let records = String::from_utf8(place.read(&format!("{out}/metrics.jsonl"))).unwrap();
        let first: Value = serde_json::from_str(records.lines().next().unwrap()).unwrap();
        assert!(terms.iter().all(|term| first[*term].is_number()), "{first}");
        place.ok(&["sample", "--run", out, "--n", "2", "--out", "s.npy"]);
        place.ok(&["explain", "--run", out, "--data", "d", "--out", "page.html", "--force"]);
    }
}

#[test]
fn settings_that_an_objective_does_not_heed_are_refused() {
    let place = Place::with_run();
    let refused = |options: &[&str], problem: &str| place.refused(&train("run", options), &[problem]);
    refused(
        &["--importance-samples", "4"],
        "--importance-samples: 4 with the objective elbo, expected --objective iwae",
    );
    refused(
        &["--objective", "iwae", "--kl-warmup", "3"],
        "--kl-warmup: 3:linear with the objective iwae, expected --objective elbo",
    );
    refused(&["--objective", "vq"], "--objective: vq, expected one of elbo, iwae, wae-mmd, beta-tc");
    refused(
        &["--objective", "wae-mmd", "--device", "emulated"],
        "--device: emulated with the objective wae-mmd, whose operation div has no kernels for a GPU, expected cpu",
    );
}
