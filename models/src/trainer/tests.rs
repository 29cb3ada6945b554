//! Short runs of every model.

use tempfile::TempDir;

use super::*;
use crate::check::variants;
use crate::network::MODELS;
use crate::run::config::Model;

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
    for (variant, defaults) in MODELS.iter().flat_map(|&model| variants(model)) {
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
        let model = config.model;
        let path = folder.path().join(&variant);
        let (mut trainer, _) = Trainer::start(config, &path, false).unwrap();
        assert_eq!(trainer.run(&mut Patient).unwrap(), Outcome::Finished);

        let records = crate::run::metrics::read(trainer.folder().metrics()).unwrap();
        let losses: Vec<f64> = records.iter().filter(|r| r.split == Split::Train).map(|r| r.loss).collect();
        assert!(losses.len() == 2 && losses[1] < losses[0], "{variant}: {losses:?}");
        assert!(records.iter().any(|record| record.split == Split::Test), "{variant}");
        for record in &records {
            let found = [record.bce, record.kl, record.mse, record.accuracy].map(|part| part.is_some());
            let classifier = model == Model::Classifier;
            let autoencoder = !model.is_vae() && !classifier;
            assert_eq!(found, [model.is_vae(), model.is_vae(), autoencoder, classifier], "{variant}");
            if let (Some(bce), Some(kl)) = (record.bce, record.kl) {
                assert!((bce + kl - record.loss).abs() < 1e-3, "{variant}: {record:?}");
            }
            assert!(record.mse.is_none_or(|mse| mse == record.loss));
            assert!(record.accuracy.is_none_or(|accuracy| (0.0..=1.0).contains(&accuracy)));
        }

        let exists = |name: &str| path.join(name).exists();
        assert!(exists("loss.png") && exists("model.safetensors"), "{variant}");
        assert_eq!(exists("accuracy.png"), model == Model::Classifier, "{variant}");
        assert_eq!(exists("reconstructions.png"), model != Model::Classifier, "{variant}");
        assert_eq!([exists("components.png"), exists("samples.png")], [model.is_vae(); 2], "{variant}");

        let (_, _, loaded) = load_network(&path).unwrap();
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
    for model in [Model::Cvae, Model::Classifier] {
        let config = Config { data: data.clone(), batch_size: 20, ..Config::defaults(model) };
        let path = folder.path().join("run");
        let error = Trainer::start(config, &path, false).err().unwrap().to_string();
        assert_eq!(error, format!("{data}: 1 class, expected at least 2 for {model}"));
        assert!(!path.exists());
    }
}
