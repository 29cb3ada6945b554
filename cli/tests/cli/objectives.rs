//! Objectives of a VAE, from the command line.

use serde_json::Value;

use crate::{Place, few};

/// A short training of a small network with options.
fn train<'a>(out: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    let sizes = ["--latent", "4", "--channels", "3,5", "--batch-size", "8", "--steps", "2", "--threads", "1"];
    [&["train", "cnn-vae", "--data", "d", "--out", out], &sizes[..], options].concat()
}

#[test]
#[ignore = "slow"]
fn objectives_stand_in_the_run_and_its_records() {
    /// A run, its options, lines of its configuration, and its terms.
    type Case = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

    let place = Place::with_run();
    let cases: [Case; 6] = [
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
        ("doubly", &["--objective", "iwae", "--dreg"], &["objective = \"iwae\"", "dreg = true"], &["bce", "kl"]),
        (
            "vamp",
            &["--objective", "vamp", "--pseudo-inputs", "3"],
            &["objective = \"vamp\"", "pseudo_inputs = 3"],
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
        "--kl-warmup: 3:linear with the objective iwae, expected --objective elbo, vamp or ladder",
    );
    refused(
        &["--objective", "vq-vae"],
        "--objective: vq-vae, expected one of elbo, iwae, wae-mmd, beta-tc, vamp, ladder, vq",
    );
    refused(
        &["--objective", "vq", "--code-width", "3"],
        "--latent: 4 with codes of 3 numbers, expected a multiple of --code-width",
    );
    refused(
        &["--objective", "wae-mmd", "--device", "emulated"],
        "--device: emulated with the objective wae-mmd, whose operation div has no kernels for a GPU, expected cpu",
    );
}

#[test]
fn a_prior_that_is_learnt_is_drawn_from_scored_by_and_travels_with_its_weights() {
    let place = Place::with_run();
    place.ok(&train("run", &["--objective", "vamp", "--pseudo-inputs", "3"]));
    let sample = |out: &'static str, options: &[&'static str]| {
        place.json(&[&["sample", "--run", "run", "--n", "6", "--out", out], options].concat())
    };
    let words = "draws from the prior, the latents of pseudo-inputs with their spread (3 of them)";
    for (out, options) in
        [("a.npy", &[] as &[&str]), ("b.npy", &["--sampler", "prior"]), ("c.npy", &["--sampler", "vamp"])]
    {
        let report = sample(out, options);
        assert_eq!((&report["sampler"], &report["latents"]), (&"vamp".into(), &words.into()));
        assert_eq!(place.read(out), place.read("a.npy"));
    }
    assert_eq!(sample("d.npy", &["--strategy", "scaled"])["strategy"], "scaled");
    assert_ne!(place.read("d.npy"), place.read("a.npy"));
    place.refused(
        &["sample", "--run", "vae", "--n", "6", "--out", "e.npy", "--sampler", "vamp"],
        &["--sampler: vamp of cnn-vae, whose prior is N(0, I), expected a run of --objective vamp"],
    );

    // Scores say which prior, under either name, and the likelihood is that under it.
    place.ok(&["train", "classifier", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "judge"]);
    let evaluate = |run, sampler, out| {
        let scored = ["evaluate", "--run", run, "--classifier", "judge", "--sampler", sampler, "--out", out];
        place.json(&few(&scored))
    };
    let (prior, vamp) = (evaluate("run", "prior", "p.json"), evaluate("run", "vamp", "v.json"));
    assert_eq!(
        (&prior["generated"], &prior),
        (&format!("samples, {words}").into(), &{
            let mut same = vamp.clone();
            same["out"] = prior["out"].clone();
            same
        })
    );
    assert!(prior["likelihood"]["nll"].is_number());
    let passports: Vec<&Value> =
        prior["scores"].as_array().unwrap().iter().filter_map(|score| score["passport"].get("sampler")).collect();
    assert!(!passports.is_empty() && passports.iter().all(|sampler| **sampler == "vamp"), "{passports:?}");

    // Weights tell all of it; what contradicts them is named.
    place.ok(&["export", "--run", "run", "--out", "w.safetensors"]);
    let import = ["import", "--model", "cnn-vae", "--weights", "w.safetensors"];
    place.ok(&[&import, &["--data", "d", "--out", "again"][..]].concat());
    place.ok(&["sample", "--run", "again", "--n", "6", "--seed", "42", "--out", "f.npy"]);
    assert_eq!(place.read("f.npy"), place.read("a.npy"));
    place.refused(
        &[&import, &["--pseudo-inputs", "4", "--out", "other"][..]].concat(),
        &["--pseudo-inputs: 4, expected 3 as in w.safetensors (pseudo_inputs is (3, 1, 28, 28))"],
    );
    place.refused(
        &[&import, &["--objective", "elbo", "--out", "other"][..]].concat(),
        &["--objective: elbo, expected vamp as in w.safetensors (pseudo_inputs is (3, 1, 28, 28))"],
    );
    place.ok(&["export", "--run", "run", "--format", "pytorch", "--out", "module.py"]);
    let module = String::from_utf8(place.read("module.py")).unwrap();
    assert!(module.contains("self.pseudo_inputs = nn.Parameter(torch.empty((3, 1, 28, 28)))"), "{module}");
    place.ok(&["export", "--run", "run", "--format", "onnx", "--out", "w.onnx"]);
    place.ok(&few(&["report", "run", "--classifier", "judge", "--out", "report.html"]));
    let cvae = [
        "train",
        "cvae",
        "--data",
        "d",
        "--batch-size",
        "8",
        "--condition",
        "both",
        "--objective",
        "vamp",
        "--out",
        "c",
    ];
    place.refused(
        &cvae,
        &["--objective: vamp with an encoder that sees classes, which pseudo-inputs have none of, expected --condition latent"],
    );
    place.refused(
        &["train", "cnn-ae", "--data", "d", "--objective", "vamp", "--out", "ae"],
        &["--objective: vamp for cnn-ae, expected only for rnn-vae, cnn-vae, cvae"],
    );
}

#[test]
fn a_network_of_codes_draws_them_by_their_shares_and_says_which_are_unused() {
    let place = Place::with_run();
    let options = ["--objective", "vq", "--codes", "9", "--code-width", "2", "--beta", "0.25"];
    let ended = place.run(&train("run", &options));
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let unused =
        "of the codebook's 9 codes were chosen by no drawing in the last 500 steps, or at all: fewer --codes would do";
    assert!(ended.stderr.contains(unused), "{}", ended.stderr);
    let config = String::from_utf8(place.read("run/config.toml")).unwrap();
    for line in ["objective = \"vq\"", "codes = 9", "code_width = 2"] {
        assert!(config.lines().any(|found| found == line), "{config}");
    }
    let sample = ["sample", "--run", "run", "--n", "6", "--out", "s.npy"];
    let none = "run: holds codes of a codebook, which have no prior, expected --sampler codes";
    place.refused(&sample, &[none]);
    place.refused(&[&sample[..], &["--sampler", "prior"]].concat(), &[none]);
    place.refused(
        &[&sample[..], &["--sampler", "aggregate"]].concat(),
        &["--sampler: aggregate of latents that are codes of a codebook, expected codes"],
    );
    let report = place.json(&[&sample[..], &["--sampler", "codes"]].concat());
    let words = "draws codes of the codebook by their shares at each place of training latents (48 drawings)";
    assert_eq!((&report["sampler"], &report["latents"]), (&"codes".into(), &words.into()));
    assert!(place.files("run").iter().any(|name| name.starts_with("sampler-codes-")));
    place.ok(&["train", "classifier", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "judge"]);
    let scored = ["evaluate", "--run", "run", "--classifier", "judge", "--sampler", "codes", "--out", "e.json"];
    let scores = place.json(&few(&scored));
    assert_eq!(scores["generated"], format!("samples, {words}"));
    place.ok(&["export", "--run", "run", "--out", "w.safetensors"]);
    place.ok(&["import", "--model", "cnn-vae", "--weights", "w.safetensors", "--data", "d", "--out", "again"]);
    place.ok(&["reconstruct", "--run", "run", "--images", "d/test_images.npy", "--out", "a.npy"]);
    place.ok(&["reconstruct", "--run", "again", "--images", "d/test_images.npy", "--out", "b.npy"]);
    assert_eq!(place.read("a.npy"), place.read("b.npy"));
    place.ok(&["export", "--run", "run", "--format", "onnx", "--out", "w.onnx"]);
    place.ok(&["explain", "--run", "run", "--data", "d", "--out", "page.html"]);
}
