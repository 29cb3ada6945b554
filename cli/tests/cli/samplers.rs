//! Latents drawn from densities that are fitted on training drawings.

use std::fs;

use crate::{Place, few};

fn sample<'a>(run: &'a str, out: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    [&["sample", "--run", run, "--n", "6", "--out", out], options].concat()
}

#[test]
fn a_sampler_is_fitted_once_and_kept_in_the_run() {
    let place = Place::with_run();
    let train = ["train", "cnn-vae", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "own"];
    place.ok(&train);
    let before = place.files("own").len();
    let fitted = place.json(&sample("own", "a.npy", &["--sampler", "gmm:2", "--png", "a.png"]));
    assert_eq!((&fitted["sampler"], fitted.get("strategy")), (&"gmm:2".into(), None));
    let words = "draws from a mixture of 2 Gaussians of full covariance fitted on training latents (48 drawings)";
    assert_eq!(fitted["latents"], words);
    let files = place.files("own");
    let kept: Vec<&String> = files.iter().filter(|name| name.starts_with("sampler-gmm-2-")).collect();
    assert!(kept.len() == 1 && files.len() == before + 1, "{files:?}");
    // From its file, without the drawings.
    fs::rename(place.path("d"), place.path("gone")).unwrap();
    let text = place.ok(&sample("own", "b.npy", &["--sampler", "gmm:2"]));
    assert!(text.contains(&format!("sampler gmm:2: {words}; seed 42")), "{text}");
    assert!(place.read("a.npy") == place.read("b.npy"));
    place.refused(&sample("own", "c.npy", &["--sampler", "aggregate"]), &["d"]);
    fs::rename(place.path("gone"), place.path("d")).unwrap();
    place.ok(&sample("own", "c.npy", &["--sampler", "aggregate"]));
    place.ok(&sample("own", "d.npy", &["--sampler", "prior"]));
    place.ok(&sample("own", "e.npy", &[]));
    assert!(place.read("d.npy") == place.read("e.npy") && place.read("a.npy") != place.read("c.npy"));
    // A damaged file is named, and fitted anew.
    let name = format!("own/{}", kept[0]);
    let whole = place.read(&name);
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 0x80;
    for (damaged, part) in [
        (&b"nothing of the kind"[..], "not a safetensors file"),
        (&whole[..900], "not a whole safetensors file"),
        (&flipped, "damaged: "),
    ] {
        place.write(&name, damaged);
        let ended = place.run(&sample("own", "f.npy", &["--sampler", "gmm:2"]));
        let parts = [name.as_str(), part, ": the sampler is fitted anew"];
        assert!(ended.status == 0 && parts.iter().all(|part| ended.stderr.contains(part)), "{}", ended.stderr);
        assert!(place.read("f.npy") == place.read("a.npy") && place.read(&name) == whole);
    }
}

#[test]
fn autoencoders_without_a_prior_draw_too_and_scores_say_how() {
    let place = Place::with_run();
    place.ok(&["train", "cnn-ae", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "ae"]);
    place.refused(&sample("ae", "s.npy", &[]), &["ae: holds cnn-ae", "--sampler gmm:K or aggregate"]);
    place.refused(&sample("ae", "s.npy", &["--sampler", "prior"]), &["ae: holds cnn-ae"]);
    place.ok(&sample("ae", "s.npy", &["--sampler", "gmm:2:diagonal"]));
    place.ok(&sample("ae", "t.npy", &["--sampler", "aggregate"]));
    let judge = ["train", "classifier", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "judge"];
    place.ok(&judge);
    let evaluate = |run, sampler, out| {
        few(&["evaluate", "--run", run, "--classifier", "judge", "--sampler", sampler, "--out", out])
    };
    let scores = place.json(&evaluate("ae", "gmm:2", "e.json"));
    let words =
        "samples, draws from a mixture of 2 Gaussians of full covariance fitted on training latents (48 drawings)";
    assert_eq!(scores["generated"], words);
    let of =
        |name: &str| scores["scores"].as_array().unwrap().iter().find(|score| score["name"] == name).unwrap().clone();
    assert_eq!(of("precision_classifier")["passport"]["sampler"], "gmm:2");
    assert!(of("reconstruction_mse")["passport"].get("sampler").is_none());
    let prior = place.json(&evaluate("vae", "prior", "p.json"));
    assert_eq!(prior["generated"], "samples from the prior N(0, I)");
    assert!(!prior.to_string().contains("\"sampler\""));
    place.refused(&evaluate("judge", "gmm:2", "q.json"), &["--sampler: gmm:2 for classifier"]);
}

#[test]
fn a_sampler_that_cannot_be_is_refused() {
    let place = Place::with_run();
    for (options, parts) in [
        (&["--sampler", "gmm:0"][..], &["--sampler", "from 1 to 1000"][..]),
        (&["--sampler", "flow"], &["--sampler", "expected prior, gmm:K, gmm:K:diagonal, aggregate, vamp or codes"]),
        (&["--sampler", "gmm:49"], &["--sampler: gmm:49 on 48 training drawings, expected at least 49"]),
        (&["--sampler", "gmm:2", "--data", "nowhere"], &["nowhere"]),
    ] {
        place.refused(&sample("vae", "s.npy", options), parts);
    }
    place.in_conflict(
        &sample("vae", "s.npy", &["--sampler", "gmm:2", "--strategy", "sparse"]),
        ["--sampler", "--strategy"],
    );
}

#[test]
fn what_needs_no_work_to_be_refused_is_refused_before_any() {
    let place = Place::with_run();
    place.ok(&["train", "classifier", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "judge"]);
    // A judge that was trained on the spot would be left among the caches, a sampler in the run.
    let evaluate = few(&["evaluate", "--run", "judge", "--sampler", "gmm:2", "--out", "e.json"]);
    place.refused(&evaluate, &["--sampler: gmm:2 for classifier, expected an autoencoder's run"]);
    let evaluate = few(&["evaluate", "--run", "vae", "--sampler", "gmm:9000", "--out", "e.json"]);
    place.refused(&evaluate, &["gmm:9000"]);
    place.refused(&sample("vae", "s.npy", &["--sampler", "gmm:2", "--class", "hand"]), &["--class"]);
    // A classifier is judged by its own answers.
    place.ok(&few(&["evaluate", "--run", "judge", "--out", "e.json"]));
    assert!(!place.path("caches/inkgrad/judges").exists());
}
