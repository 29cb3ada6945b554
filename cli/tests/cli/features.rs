//! `features`: what it writes, what it keeps, what it refuses.

use std::collections::BTreeMap;

use inkgrad_models::data::load_matrix;
use inkgrad_models::inception::{Variant, layout};
use inkgrad_models::run::checkpoint::save_tensors;

use crate::Place;

const IMAGES: [&str; 2] = ["--images", "d/test_images.npy"];

fn features<'a>(network: &'a str, weights: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["features", "--network", network, "--weights", weights, "--out", "f.npy"], &IMAGES[..], more].concat()
}

#[test]
fn a_classifier_gives_its_last_hidden_layer() {
    let place = Place::with_run();
    for (arch, width) in [("mlp", 256), ("cnn", 128)] {
        let train = ["train", "classifier", "--data", "d", "--steps", "2", "--batch-size", "8", "--arch", arch];
        place.ok(&[&train[..], &["--out", arch]].concat());
        let args = features("classifier", arch, &["--logits", "l.npy", "--cache", "c"]);
        let made = place.json(&args);
        assert_eq!(made["extractor"], format!("classifier-{arch}"));
        assert_eq!(made["weights_sha256"].as_str().unwrap().len(), 64);
        let first = load_matrix(place.path("f.npy")).unwrap();
        assert_eq!((first.0, first.1), (12, width));
        let logits = load_matrix(place.path("l.npy")).unwrap();
        assert_eq!((logits.0, logits.1), (12, 5));

        // A second run finds them, and one without a cache makes the same.
        let kept = place.files("c");
        for more in [["--cache", "c"].as_slice(), &["--no-cache"]] {
            place.ok(&features("classifier", arch, more));
            assert_eq!(load_matrix(place.path("f.npy")).unwrap(), first);
            assert_eq!(place.files("c"), kept);
        }
        // A damaged file is made anew.
        for file in &kept {
            place.write(&format!("c/{file}"), b"damaged");
        }
        place.ok(&args);
        assert_eq!(load_matrix(place.path("f.npy")).unwrap(), first);

        place.ok(&features("classifier", arch, &["--logits", "u.npy", "--no-bias", "--no-cache"]));
        let unbiased = load_matrix(place.path("u.npy")).unwrap().2;
        let bias: Vec<f32> = logits.2.iter().zip(&unbiased).map(|(logit, product)| logit - product).collect();
        assert!(bias[..5].iter().any(|&b| b.abs() > 1e-3));
        assert!(bias.chunks(5).all(|row| row.iter().zip(&bias).all(|(a, b)| (a - b).abs() < 1e-5)));
    }
    assert_eq!(place.files("c").len(), 2);
    place.write("file", b"");
    place.refused(&features("classifier", "mlp", &["--cache", "file"]), &["file: is a file, expected a folder"]);
}

#[test]
fn what_is_no_network_of_features_is_refused() {
    let place = Place::with_run();
    place.write("text.pth", b"weights");
    place.write("cut.pth", b"PK\x03\x04 the start of a zip file");
    let no_cache = ["--no-cache"];
    let refused = |network, weights, parts: &[&str]| place.refused(&features(network, weights, &no_cache), parts);
    refused("classifier", "vae", &["vae: holds cnn-vae, expected a classifier"]);
    refused("classifier", "nowhere", &["nowhere"]);
    refused("inception", "nowhere.pth", &["nowhere.pth: No such file"]);
    refused("inception", "text.pth", &["text.pth: neither a safetensors file"]);
    refused("inception", "cut.pth", &["cut.pth: "]);
    refused("inception", "vae/model.safetensors", &["model.safetensors: no tensor fc.weight"]);
    refused("vgg", "text.pth", &["unknown network `vgg`, expected inception or classifier"]);
    let rule = ["--resize", "lanczos", "--no-cache"];
    place.refused(&features("inception", "text.pth", &rule), &["unknown rule `lanczos`", "tf1, half-pixel, bicubic"]);
    let rule = ["--resize", "tf1", "--no-cache"];
    place.refused(&features("classifier", "vae", &rule), &["--resize: tf1 for a classifier"]);
}

#[test]
fn weights_of_inception_are_checked_by_name_and_shape() {
    let place = Place::with_run();
    let save = |name: &str, tensors: &[(String, Vec<usize>)]| {
        let zeros = vec![0.0; tensors.iter().map(|(_, shape)| shape.iter().product()).max().unwrap()];
        let tensors: Vec<(&str, &[usize], &[f32])> =
            tensors.iter().map(|(n, s)| (&**n, &**s, &zeros[..s.iter().product()])).collect();
        save_tensors(place.path(name), &tensors, &BTreeMap::new()).unwrap();
    };
    let fc = |rows: usize| vec![("fc.weight".to_owned(), vec![rows, 2048])];
    save("ten.safetensors", &fc(10));
    let parts = ["ten.safetensors: fc.weight is (10, 2048), expected (1008, 2048)"];
    place.refused(&features("inception", "ten.safetensors", &["--no-cache"]), &parts);
    save("fc.safetensors", &fc(1000));
    let parts = ["missing Conv2d_1a_3x3.conv.weight (32, 3, 3, 3)", "missing fc.bias (1000)"];
    place.refused(&features("inception", "fc.safetensors", &["--no-cache"]), &parts);

    // One tensor of another shape, one of the other variant, one that no variant has.
    let mut tensors = layout(Variant::Fid).unwrap();
    tensors.retain(|(name, _)| name.starts_with("Conv2d_") || name == "fc.weight");
    tensors[0].1 = vec![32, 1, 3, 3];
    tensors.push(("fc.bias".to_owned(), vec![1000]));
    tensors.push(("head.weight".to_owned(), vec![2]));
    save("other.safetensors", &tensors);
    let parts = [
        "Conv2d_1a_3x3.conv.weight is (32, 1, 3, 3), expected (32, 3, 3, 3)",
        "fc.bias is (1000), expected (1008)",
        "unknown head.weight (2)",
    ];
    place.refused(&features("inception", "other.safetensors", &["--no-cache"]), &parts);
    let whole = place.read("other.safetensors");
    place.write("half.safetensors", &whole[..whole.len() / 2]);
    place.refused(
        &features("inception", "half.safetensors", &["--no-cache"]),
        &["half.safetensors: ", "safetensors file"],
    );
}

#[test]
fn a_folder_of_caches_that_cannot_be_made_costs_no_result() {
    let place = Place::with_run();
    place.ok(&["train", "classifier", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "judge"]);
    place.write("file", b"");
    let images = "d/test_images.npy";
    let score = ["score", "--classifier", "judge", "--real", images, "--generated", images];
    for args in [&features("classifier", "judge", &[])[..], &score] {
        for caches in ["file", "/proc/nothing"] {
            let ended =
                crate::Ended::new(place.command(args).env("XDG_CACHE_HOME", place.path(caches)).output().unwrap());
            assert_eq!(ended.status, 0, "{}", ended.stderr);
            assert_eq!(ended.stderr.matches("inkgrad/features: ").count(), 1, "{}", ended.stderr);
            assert!(ended.stderr.contains(": features are not kept"), "{}", ended.stderr);
        }
    }
    // Without pictures' features nothing would be kept.
    for option in [&["--cache", "c"][..], &["--no-cache"]] {
        let score = [&["score", "pixels", "--real", images, "--generated", images], option].concat();
        place.refused(&score, &[option[0], "given for pixels, expected none"]);
    }
}
