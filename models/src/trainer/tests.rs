//! Short runs of every model.

use tempfile::TempDir;

use super::*;
use crate::check::variants;

/// Lets a run go on to its end.
struct Patient;

impl Observer for Patient {
    fn step(&mut self, _: &Progress) {}

    fn record(&mut self, _: &Record) {}

    fn stop(&self) -> bool {
        false
    }
}

/// A folder with 100 drawings of five classes.
fn data(folder: &TempDir) -> String {
    let path = folder.path().join("data");
    data::write_course(&data::builtin(100, 1).unwrap(), &path).unwrap();
    path.display().to_string()
}

#[test]
fn every_model_trains_and_leaves_what_belongs_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let models = Models::builtin();
    for (variant, defaults) in models.iter().flat_map(variants) {
        let config = Config {
            data: data.clone(),
            steps: Some(8),
            epochs: None,
            log_every: 4,
            batch_size: 20,
            lr: 3e-3,
            val_fraction: 0.0,
            ..defaults
        };
        let model = config.model.clone();
        let path = folder.path().join(&variant);
        let (mut trainer, _) = Trainer::start(&models, config, &path, false).unwrap();
        assert_eq!(trainer.run(&mut Patient).unwrap(), Outcome::Finished);

        let records = crate::run::metrics::read(trainer.folder().metrics()).unwrap();
        let losses: Vec<f64> = records.iter().filter(|r| r.split == Split::Train).map(|r| r.loss).collect();
        assert!(losses.len() == 2 && losses[1] < losses[0], "{variant}: {losses:?}");
        assert!(records.iter().any(|record| record.split == Split::Test), "{variant}");
        for record in &records {
            let names: Vec<&str> = record.terms.0.iter().map(|(name, _)| name.as_str()).collect();
            let expected: &[&str] = match &model[..] {
                "classifier" => &["accuracy"],
                "lstm-ae" | "cnn-ae" => &["mse"],
                _ => &["bce", "kl"],
            };
            assert_eq!(names, expected, "{variant}");
            if let (Some(bce), Some(kl)) = (record.term("bce"), record.term("kl")) {
                assert!((bce + kl - record.loss).abs() < 1e-3, "{variant}: {record:?}");
            }
            assert!(record.term("mse").is_none_or(|mse| mse == record.loss));
            assert!(record.term("accuracy").is_none_or(|accuracy| (0.0..=1.0).contains(&accuracy)));
        }

        let exists = |name: &str| path.join(name).exists();
        assert!(exists("loss.png") && exists("model.safetensors"), "{variant}");
        assert_eq!(exists("accuracy.png"), model == "classifier", "{variant}");
        assert_eq!(exists("reconstructions.png"), model != "classifier", "{variant}");
        let vae = ["rnn-vae", "cnn-vae", "cvae"].contains(&&model[..]);
        assert_eq!([exists("components.png"), exists("samples.png")], [vae; 2], "{variant}");
        assert!(!exists("terms.png"), "{variant}: every term has its figure");

        let (_, _, loaded) = load_network(&models, &path).unwrap();
        assert_eq!(loaded.params.values, trainer.network().params.values, "{variant}");
    }
}

#[test]
fn one_class_is_none_to_tell_apart() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let labels = |n: usize| vec![0u8; n];
    for (name, n) in [("train_labels.npy", 80), ("test_labels.npy", 20)] {
        data::save_npy(Path::new(&data).join(name), &[n], &labels(n)).unwrap();
    }
    std::fs::write(Path::new(&data).join("classes.txt"), "hand\n").unwrap();
    let models = Models::builtin();
    for model in ["cvae", "classifier"] {
        let config = Config { data: data.clone(), batch_size: 20, ..models.defaults(model).unwrap() };
        let path = folder.path().join("run");
        let error = Trainer::start(&models, config, &path, false).err().unwrap().to_string();
        assert_eq!(error, format!("{data}: 1 class, expected at least 2 for {model}"));
        assert!(!path.exists());
    }
}
