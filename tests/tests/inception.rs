//! InceptionV3 against torchvision, for weights and drawings made by a formula in both programs.

use std::collections::BTreeMap;
use std::path::Path;

use inkgrad_models::data::{Extents, Images, PIXELS, Pixels};
use inkgrad_models::features::{Cache, Extractor};
use inkgrad_models::inception::{FEATURES, INPUT, Resampler, Resize, Variant, layout};
use inkgrad_models::run::checkpoint::save_tensors;
use inkgrad_models::run::config::DeviceKind;
use inkgrad_tests::fixture::{self, Rule, Sampled, draw};
use serde::Deserialize;

/// `inception.json`.
#[derive(Debug, Deserialize)]
struct Fixture {
    batch: usize,
    rules: BTreeMap<String, Sampled>,
    variants: BTreeMap<String, BTreeMap<String, Outputs>>,
}

#[derive(Debug, Deserialize)]
struct Outputs {
    features: Sampled,
    logits: Sampled,
}

fn drawings(n: usize) -> Images {
    let u: Vec<f64> = draw("drawings", n * PIXELS, Rule::Cube);
    Images::from_u8(u.iter().map(|u| (u * 256.0) as u8).collect())
}

/// A file of weights by the formula, with what torchvision's has besides.
fn write_weights(path: &Path, variant: Variant) {
    let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
    for (name, shape) in layout(variant).unwrap() {
        let fan_in: usize = shape[1..].iter().product();
        let (bound, around) = match name.as_str() {
            _ if shape.len() > 1 => ((6.0 / fan_in as f64).sqrt(), 0.0),
            name if name.ends_with(".bn.weight") => (0.25, 1.0),
            name if name.ends_with(".bn.running_var") => (0.5, 1.0),
            _ => (0.1, 0.0),
        };
        let mut values: Vec<f64> = draw(&name, shape.iter().product(), Rule::Signed { bound });
        values.iter_mut().for_each(|v| *v += around);
        tensors.push((name, shape, values.into_iter().map(|v| v as f32).collect()));
    }
    tensors.push(("AuxLogits.fc.bias".to_owned(), vec![3], vec![0.0; 3]));
    tensors.push(("Mixed_5b.branch1x1.bn.num_batches_tracked".to_owned(), vec![], vec![7.0]));
    let tensors: Vec<(&str, &[usize], &[f32])> = tensors.iter().map(|(n, s, v)| (&**n, &**s, &**v)).collect();
    save_tensors(path, &tensors, &BTreeMap::new()).unwrap();
}

#[test]
fn drawings_are_enlarged_as_others_do() {
    let fixture: Fixture = fixture::load("inception");
    let images = drawings(fixture.batch);
    for &rule in Resize::ALL {
        let mut out = vec![0.0; fixture.batch * INPUT * INPUT];
        for (i, out) in out.chunks_exact_mut(INPUT * INPUT).enumerate() {
            Resampler::new(rule, images.extents()).apply(&images.image(i), out);
        }
        let error = fixture.rules[rule.name()].error(&out);
        assert!(error <= 2e-6, "{rule}: {error:.1e}");
    }
}

/// `inception-sizes.json`.
#[derive(Debug, Deserialize)]
struct Sizes {
    sizes: BTreeMap<String, BTreeMap<String, Sampled>>,
    features: BTreeMap<String, Sampled>,
}

/// The picture that stands for a size, `HxWxC`.
fn sized(name: &str) -> Images {
    let sides: Vec<usize> = name.split('x').map(|side| side.parse().unwrap()).collect();
    let extents = Extents { height: sides[0], width: sides[1], channels: sides[2] };
    let u: Vec<f64> = draw(&format!("picture {name}"), extents.len(), Rule::Range { low: 0.0, high: 1.0 });
    Images::new(extents, Pixels::U8(u.iter().map(|u| (u * 256.0) as u8).collect())).unwrap()
}

#[test]
fn pictures_of_other_sizes_are_resized_as_others_do() {
    let fixture: Sizes = fixture::load("inception-sizes");
    assert_eq!(fixture.sizes.len(), 4);
    for (name, rules) in &fixture.sizes {
        let picture = sized(name);
        for &rule in Resize::ALL {
            let mut out = vec![0.0; INPUT * INPUT * picture.extents().channels];
            Resampler::new(rule, picture.extents()).apply(&picture.image(0), &mut out);
            let error = rules[rule.name()].error(&out);
            // torch-fidelity places its pixels in f32, of which a side of 411 takes a few digits.
            assert!(error <= 1e-5, "{name}, {rule}: {error:.1e}");
        }
    }
}

#[test]
fn features_of_pictures_in_colour_agree_with_torchvision() {
    let fixture: Sizes = fixture::load("inception-sizes");
    let folder = tempfile::tempdir().unwrap();
    for (variant, expected) in [Variant::Fid, Variant::Torchvision].map(|v| (v, &fixture.features[&v.to_string()])) {
        let path = folder.path().join(format!("{variant}.safetensors"));
        write_weights(&path, variant);
        let mut extractor = Extractor::inception(&path, Resize::Tf1, 2).unwrap();
        let features = extractor.features(&sized("40x52x3"), &Cache::none(), &mut |_| {}).unwrap();
        let error = expected.error(&features.values);
        assert!(error <= 2e-5, "{variant}: {error:.1e}");
    }
}

/// A picture in colour by one variant against torchvision, a grey one by the other against the processor.
#[test]
#[ignore = "slow"]
fn a_device_makes_the_same_features() {
    let fixture: Sizes = fixture::load("inception-sizes");
    let folder = tempfile::tempdir().unwrap();
    for (variant, picture) in [(Variant::Fid, sized("40x52x3")), (Variant::Torchvision, drawings(1))] {
        let path = folder.path().join(format!("{variant}.safetensors"));
        write_weights(&path, variant);
        let features = |device: DeviceKind| {
            let mut extractor = Extractor::inception(&path, Resize::Tf1, 2).unwrap().on(device).unwrap();
            extractor.features(&picture, &Cache::none(), &mut |_| {}).unwrap()
        };
        let there = features(DeviceKind::Emulated);
        if variant == Variant::Fid {
            let error = fixture.features[&variant.to_string()].error(&there.values);
            assert!(error <= 2e-5, "{variant}: {error:.1e}");
        }
        let here = features(DeviceKind::Cpu);
        for (here, there) in [(&here.values, &there.values), (&here.unbiased, &there.unbiased)] {
            let largest = here.iter().fold(0.0, |largest: f32, v| largest.max(v.abs()));
            let error = here.iter().zip(there).fold(0.0, |error: f32, (a, b)| error.max((a - b).abs())) / largest;
            println!("{variant}: {error:.1e}");
            assert!(error <= 2e-5, "{variant}: {error:.1e} of the largest number");
        }
        assert_eq!(here.bias, there.bias);
    }
}

#[test]
#[ignore = "slow"]
fn features_and_logits_agree_with_torchvision() {
    let fixture: Fixture = fixture::load("inception");
    let images = drawings(fixture.batch);
    let folder = tempfile::tempdir().unwrap();
    for variant in [Variant::Fid, Variant::Torchvision] {
        let path = folder.path().join(format!("{variant}.safetensors"));
        write_weights(&path, variant);
        for &rule in Resize::ALL {
            let mut extractor = Extractor::inception(&path, rule, 2).unwrap();
            assert_eq!(extractor.provenance().extractor, format!("inception-{variant}"));
            let cache = Cache::at(folder.path().join("cache"));
            let mut seen = 0;
            let found = extractor.features(&images, &cache, &mut |done| seen = done).unwrap();
            assert_eq!((seen, found.values.len()), (fixture.batch, fixture.batch * FEATURES));
            let expected = &fixture.variants[&variant.to_string()][rule.name()];
            let errors: [f64; 2] = [expected.features.error(&found.values), expected.logits.error(&found.logits())];
            println!("{variant} {rule}: features {:.1e}, logits {:.1e}", errors[0], errors[1]);
            assert!(errors.iter().all(|&error| error <= 1e-4), "{variant} {rule}: {errors:?}");
            // The second time they come from the cache.
            assert_eq!(extractor.features(&images, &cache, &mut |_| {}).unwrap(), found);
        }
    }
    assert_eq!(std::fs::read_dir(folder.path().join("cache")).unwrap().count(), 6);
}
