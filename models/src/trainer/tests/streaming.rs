//! Runs whose drawings stay in their files.

use std::fs::File;

use super::*;
use crate::data::augment::Augment;

/// The losses of records, without the time that they took.
fn losses(trainer: &Trainer) -> Vec<Record> {
    trainer.records().unwrap().into_iter().map(|record| Record { seconds: None, ..record }).collect()
}

/// Trains `config` with its data in memory, and twice from its files, once interrupted; weights and records are the same.
#[track_caller]
fn assert_same(folder: &TempDir, name: &str, config: &Config) {
    let models = Models::builtin();
    let path = |which: &str| folder.path().join(format!("{name}-{which}"));
    let start = |which: &str, data_memory| {
        let config = Config { data_memory, ..config.clone() };
        Trainer::start(&models, config, &path(which), false).unwrap().0
    };
    let mut expected = start("memory", 0.5);
    assert!(!expected.dataset().is_stored());
    expected.run(&mut ()).unwrap();

    let mut found = start("files", 0.0);
    assert!(found.dataset().is_stored());
    found.run(&mut ()).unwrap();
    assert_eq!(losses(&found), losses(&expected), "{name}");
    let weights = |which: &str| std::fs::read(path(which).join("model.safetensors")).unwrap();
    assert!(weights("files") == weights("memory"), "{name}: other weights");
    let figure = |which: &str| std::fs::read(path(which).join("loss.png")).unwrap();
    assert!(figure("files") == figure("memory"), "{name}: another figure");

    let half = found.total_steps() / 2 + 1;
    let mut first = start("resumed", 0.0);
    assert_eq!(first.run(&mut Until(half, 0.into())).unwrap(), Outcome::Stopped);
    drop(first);
    let mut second = Trainer::resume(&models, &path("resumed"), &Overrides::default()).unwrap();
    assert_eq!((second.steps_done(), second.dataset().is_stored()), (half, true));
    second.run(&mut ()).unwrap();
    assert!(weights("resumed") == weights("memory"), "{name}: other weights when resumed");
    assert_eq!(losses(&second), losses(&expected), "{name}: resumed");
}

#[test]
#[ignore = "slow"]
fn drawings_in_files_train_as_those_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let models = Models::builtin();
    let of = |model: &str| Config {
        data: data.clone(),
        batch_size: 16,
        threads: 1,
        val_fraction: 0.2,
        ..models.defaults(model).unwrap()
    };
    // 64 drawings to train on, in passes of four steps.
    let augment: Augment = "shift,rotate".parse().unwrap();
    assert_same(&folder, "passes", &Config { epochs: Some(3), steps: None, augment, ..of("classifier") });
    assert_same(&folder, "steps", &Config { epochs: None, steps: Some(7), log_every: 3, ..of("cnn-ae") });
    assert_same(&folder, "parts", &Config { epochs: None, steps: Some(3), accumulate: 3, ..of("cnn-vae") });
}

#[test]
fn a_file_cut_short_ends_a_run_that_can_go_on_once_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let models = Models::builtin();
    let config = Config {
        data: data.clone(),
        batch_size: 20,
        epochs: None,
        steps: Some(60),
        log_every: 1000,
        threads: 1,
        data_memory: 0.0,
        ..models.defaults("classifier").unwrap()
    };
    let path = folder.path().join("run");
    let (mut trainer, _) = Trainer::start(&models, config, &path, false).unwrap();
    /// Cuts a file after some steps.
    struct Cut(File, u64);
    impl Observer for Cut {
        fn step(&mut self, progress: &Progress) {
            if progress.step == 5 {
                self.0.set_len(self.1).unwrap();
            }
        }
    }
    let images = Path::new(&data).join("train_images.npy");
    let whole = std::fs::read(&images).unwrap();
    let file = File::options().write(true).open(&images).unwrap();
    let error = trainer.run(&mut Cut(file, 1000)).unwrap_err().to_string();
    assert!(!error.contains('\n') && error.contains("train_images.npy: "), "{error}");
    assert!(error.contains("another program"), "{error}");
    // Whatever was read before is trained on, and kept.
    let step = trainer.steps_done();
    assert!((5..60).contains(&step) && error.contains(&format!("step {}: ", step + 1)), "{error}");
    assert!(error.contains(&format!("; step {step} is kept: ")), "{error}");
    drop(trainer);

    let error = Trainer::resume(&models, &path, &Overrides::default()).err().unwrap().to_string();
    assert!(error.contains("train_images.npy: ") && error.contains("truncated"), "{error}");
    std::fs::write(&images, whole).unwrap();
    let resumed = Trainer::resume(&models, &path, &Overrides::default()).unwrap();
    assert_eq!(resumed.steps_done(), step);
}
