//! Short runs of every model.

mod objectives;
mod ranks;
mod rules;
mod streaming;

use std::cell::Cell;

use tempfile::TempDir;

use super::*;
use crate::check::variants;
use crate::data;
use crate::model::Value;
use crate::run::config::Overrides;
use crate::run::records::Split;

/// Lets a run go on to its end.
struct Patient;

impl Observer for Patient {
    fn step(&mut self, _: &Progress) {}

    fn record(&mut self, _: &Record) {}

    fn stop(&self) -> bool {
        false
    }
}

/// Stops after a step.
struct Until(u64, Cell<u64>);

impl Observer for Until {
    fn step(&mut self, progress: &Progress) {
        self.1.set(progress.step);
    }

    fn stop(&self) -> bool {
        self.1.get() >= self.0
    }
}

/// A folder with 100 drawings of five classes.
fn data(folder: &TempDir) -> String {
    data_of(folder, 100)
}

/// As few drawings as will do, for an emulated device: it takes longest over those that a run is tested on.
fn few(folder: &TempDir) -> String {
    data_of(folder, 20)
}

fn data_of(folder: &TempDir, drawings: usize) -> String {
    let path = folder.path().join("data");
    data::write_course(&data::builtin(drawings, 1).unwrap(), &path).unwrap();
    path.display().to_string()
}

#[test]
#[ignore = "slow"]
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

        let records = crate::run::records::read(trainer.folder().metrics()).unwrap();
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

/// Small settings of a cnn-vae with options, on the drawings `data`.
fn small(data: &str, device: config::DeviceKind, options: &[(&str, &str)]) -> Config {
    let sizes = [("latent", "5"), ("channels", "4,6")];
    let given = sizes.iter().chain(options).map(|&(name, value)| (name.to_owned(), Value::parse(value)));
    let overrides = Overrides { options: given.collect(), ..Overrides::default() };
    let config = Config::resolve(&Models::builtin(), Some("cnn-vae"), None, &overrides).unwrap();
    Config {
        data: data.to_owned(),
        steps: Some(4),
        epochs: None,
        log_every: 2,
        lr: 1e-2,
        batch_size: 4,
        device,
        threads: 1,
        ..config
    }
}

#[test]
fn a_codebook_moves_by_averages_and_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let models = Models::builtin();
    let options = [("objective", "vq"), ("latent", "6"), ("codes", "5"), ("code_width", "2")];
    let run = |name: &str, steps, accumulate| {
        let path = folder.path().join(name);
        let config = Config { steps: Some(steps), accumulate, ..small(&data, config::DeviceKind::Cpu, &options) };
        let (mut trainer, _) = Trainer::start(&models, config, &path, false).unwrap();
        trainer.run(&mut ()).unwrap();
        (path, trainer)
    };
    let value = |network: &Network<f32>, name: &str| {
        let param = network.list().into_iter().find(|param| param.name == name).unwrap();
        network.params.value(&param).to_vec()
    };
    let ((whole, trained), (parts, before)) = (run("whole", 6, 1), run("parts", 2, 1));
    let longer = Overrides { steps: Some(6), ..Overrides::default() };
    drop(before);
    Trainer::resume(&models, &parts, &longer).unwrap().run(&mut ()).unwrap();
    for file in ["model.safetensors", "state.safetensors"] {
        let tensors = |path: &Path| {
            let found = crate::run::checkpoint::load_tensors(path.join(file)).unwrap();
            found.iter().map(|(name, tensor)| (name.to_owned(), tensor.values.clone())).collect::<Vec<_>>()
        };
        assert!(tensors(&whole) == tensors(&parts), "{file}");
    }
    // 6 steps of averages that begin at zero: Σ N = (1 − γ⁶) · pieces of a step; and the codes are m / N.
    let network = trained.network();
    let [codes, counts, sums] = ["weight", "counts", "sums"].map(|name| value(network, &format!("codebook.{name}")));
    let pieces = (network.latent().unwrap() / 2 * trained.config().batch_size) as f64;
    let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    assert!((total / ((1.0 - 0.99f64.powi(6)) * pieces) - 1.0).abs() < 1e-5, "{total} of {pieces}");
    let mut initial = models.build::<f32>(trained.config()).unwrap();
    initial.initialise(trained.config().seed);
    let first = value(&initial, "codebook.weight");
    let mut chosen = 0;
    for (i, (code, first)) in codes.chunks(2).zip(first.chunks(2)).enumerate() {
        if counts[i] == 0.0 {
            assert_eq!(code, first);
        } else {
            chosen += 1;
            let mean = [sums[2 * i] / counts[i], sums[2 * i + 1] / counts[i]];
            assert!(code.iter().zip(mean).all(|(code, mean)| (code - mean).abs() < 1e-5), "{code:?}, {mean:?}");
        }
    }
    assert!(chosen > 0);
    let remarks = trained.network().trained_remarks();
    assert_eq!(remarks.len(), usize::from(chosen < 5), "{remarks:?}");
    // A step in parts has the statistics of all of them, taken in once.
    let (_, one) = run("one", 1, 1);
    let (_, split) = run("split", 1, 3);
    let counts = |trainer: &Trainer| value(trainer.network(), "codebook.counts");
    assert_eq!(counts(&one), counts(&split));
}

/// A run of `steps` steps that validates after every fifth and is likely to get worse.
fn validated(models: &Models, data: &str, path: &Path, steps: u64) -> Trainer {
    let config = Config {
        data: data.to_owned(),
        steps: Some(steps),
        epochs: None,
        log_every: 1,
        batch_size: 20,
        lr: 0.05,
        val_fraction: 0.25,
        threads: 1,
        ..models.defaults("cnn-ae").unwrap()
    };
    let (mut trainer, _) = Trainer::start(models, config, path, false).unwrap();
    trainer.run(&mut ()).unwrap();
    trainer
}

#[test]
#[ignore = "slow"]
fn the_best_weights_are_those_that_validated_best_also_after_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let models = Models::builtin();
    let open = |path: &Path, asked| Opened::open(&models, path, asked).unwrap();
    let whole = folder.path().join("whole");
    validated(&models, &data, &whole, 40);
    let records = crate::run::records::read(whole.join("metrics.jsonl")).unwrap();
    let validations: Vec<&Record> = records.iter().filter(|record| record.split == Split::Val).collect();
    let best = validations.iter().min_by(|a, b| a.loss.total_cmp(&b.loss)).unwrap().step;
    assert!(validations.len() == 8 && best < 40, "{best}: {validations:?}");

    // By default, and as a run that ends there has them.
    let opened = open(&whole, None);
    assert_eq!((opened.kept, opened.step), (Which::Best, Some(best)));
    assert!(opened.note().unwrap().contains(&format!("the best by validation, of step {best}")));
    let until = folder.path().join("until");
    validated(&models, &data, &until, best);
    for asked in [Which::Best, Which::Last] {
        assert_eq!(open(&until, Some(asked)).network.params.values, opened.network.params.values, "{asked}");
    }
    assert_ne!(open(&whole, Some(Which::Last)).network.params.values, opened.network.params.values);

    // Ended after the checkpoint of the best was written and before its weights were: earlier ones are there, or none.
    let expected = std::fs::read(until.join("best.safetensors")).unwrap();
    for earlier in [None, Some(std::fs::read(until.join("model.safetensors")).unwrap())] {
        match earlier {
            None => std::fs::remove_file(until.join("best.safetensors")).unwrap(),
            Some(bytes) => std::fs::write(until.join("best.safetensors"), bytes).unwrap(),
        }
        Trainer::resume(&models, &until, &Overrides::default()).unwrap();
        assert!(std::fs::read(until.join("best.safetensors")).unwrap() == expected);
    }
    // Gone on with to the same end.
    Trainer::resume(&models, &until, &Overrides { steps: Some(40), ..Overrides::default() })
        .unwrap()
        .run(&mut ())
        .unwrap();
    for file in ["best.safetensors", "model.safetensors"] {
        assert!(std::fs::read(until.join(file)).unwrap() == std::fs::read(whole.join(file)).unwrap(), "{file}");
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

/// A VAE draws latents when it is evaluated too: from the number of the batch, and from nothing that training leaves behind.
#[test]
fn the_same_weights_have_the_same_losses_whenever_they_are_measured() {
    let models = Models::builtin();
    let data = data::builtin(30, 1).unwrap().train;
    let mut network = models.build(&models.defaults("cnn-vae").unwrap()).unwrap();
    network.initialise(3);
    let (all, team): (Vec<usize>, Team) = ((0..data.len()).collect(), Team::solo());
    let mut stepper = Stepper::default();
    let before = stepper.evaluate(&network, &data, &all, 9, &team);
    let (mut other, mut optimizer) = (network.clone(), Optimizer::adam(&network.params));
    let clock = inkgrad_engine::Clock { seed: 5, step: 17 };
    stepper.step(&mut other, &mut optimizer, &data, &all[..9], clock, 1e-3, &team).unwrap();
    assert_eq!(stepper.evaluate(&network, &data, &all, 9, &team), before);
    assert_eq!(Stepper::default().evaluate(&network, &data, &all, 9, &team), before);
    assert_ne!(stepper.evaluate(&other, &data, &all, 9, &team), before);
}

/// The changes of a picture are functions of seed, pass and its number, so that neither an interruption nor the number of threads shows.
#[test]
#[ignore = "slow"]
fn changed_pictures_are_the_same_after_an_interruption_and_at_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let models = Models::builtin();
    let read = |path: &Path| std::fs::read(path.join("model.safetensors")).unwrap();
    for by_epoch in [false, true] {
        let run = |name: &str, length, augment: &str, threads| {
            let path = folder.path().join(format!("{name}-{by_epoch}"));
            let (epochs, steps) = if by_epoch { (Some(length), None) } else { (None, Some(length)) };
            let (batch_size, augment) = (30, augment.parse().unwrap());
            let config =
                Config { epochs, steps, batch_size, augment, threads, ..small(&data, config::DeviceKind::Cpu, &[]) };
            Trainer::start(&models, config, &path, false).unwrap().0.run(&mut ()).unwrap();
            path
        };
        let words = "shift,flip,rotate,elastic";
        let (whole, parts) = (run("whole", 3, words, 1), run("parts", 1, words, 1));
        let longer = match by_epoch {
            true => Overrides { epochs: Some(3), ..Overrides::default() },
            false => Overrides { steps: Some(3), ..Overrides::default() },
        };
        let mut resumed = Trainer::resume(&models, &parts, &longer).unwrap();
        assert_eq!(resumed.config().augment.to_string(), "flip,rotate,elastic,shift");
        resumed.run(&mut ()).unwrap();
        assert!(read(&parts) == read(&whole), "by epoch: {by_epoch}");
        assert!(read(&run("threads", 3, words, 3)) == read(&whole), "by epoch: {by_epoch}");
        assert!(read(&run("plain", 3, "none", 1)) != read(&whole), "by epoch: {by_epoch}");
    }
}

#[test]
fn pictures_are_changed_to_train_on_them_and_never_to_measure_by_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let models = Models::builtin();
    let losses = |name: &str, augment: &str| {
        // Steps that move nothing.
        let config = small(&data, config::DeviceKind::Cpu, &[]);
        let (epochs, steps, augment) = (Some(1), None, augment.parse().unwrap());
        let config = Config { epochs, steps, augment, lr: 1e-30, val_fraction: 0.25, batch_size: 20, ..config };
        let (mut trainer, _) = Trainer::start(&models, config, &folder.path().join(name), false).unwrap();
        trainer.run(&mut ()).unwrap();
        let records = trainer.records().unwrap();
        [Split::Train, Split::Val, Split::Test].map(|split| records.iter().rfind(|r| r.split == split).unwrap().loss)
    };
    let (plain, changed) = (losses("plain", "none"), losses("changed", "shift:4,elastic"));
    assert_eq!(plain[1..], changed[1..]);
    assert_ne!(plain[0], changed[0]);
}

#[test]
fn a_device_does_not_change_pictures() {
    let models = Models::builtin();
    let augment = Some("shift,flip".parse().unwrap());
    let device = Some(config::DeviceKind::Emulated);
    let overrides = Overrides { augment, device, ..Overrides::default() };
    let error = Config::resolve(&models, Some("cnn-vae"), None, &overrides).unwrap_err().to_string();
    assert_eq!(error, "--augment: flip,shift on emulated, expected none: a device holds the drawings as they are");
}

/// Moves the run's folder away at the first record, and puts another in its place.
#[cfg(unix)]
struct Swapper(std::path::PathBuf);

#[cfg(unix)]
impl Observer for Swapper {
    fn step(&mut self, _: &Progress) {}

    fn record(&mut self, _: &Record) {
        let moved = self.0.with_file_name("moved");
        if !moved.exists() {
            std::fs::rename(&self.0, moved).unwrap();
            std::fs::create_dir(&self.0).unwrap();
            std::fs::write(self.0.join("model.safetensors"), "another's").unwrap();
        }
    }

    fn stop(&self) -> bool {
        false
    }
}

#[test]
#[cfg(unix)]
fn nothing_is_written_into_a_folder_that_took_the_run_s_place() {
    let folder = tempfile::tempdir().unwrap();
    let models = Models::builtin();
    let config = Config { data: few(&folder), batch_size: 4, ..models.defaults("classifier").unwrap() };
    let run = folder.path().join("run");
    let (mut trainer, _) = Trainer::start(&models, config, &run, false).unwrap();
    let error = trainer.run(&mut Swapper(run.clone())).unwrap_err().to_string();
    assert!(error.contains("run: is another folder by now") && error.contains("run.rescued-1"), "{error}");
    let names: Vec<_> = std::fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["model.safetensors"]);
    assert_eq!(std::fs::read_to_string(run.join("model.safetensors")).unwrap(), "another's");
    // All is in the rescue: the records from the folder that was moved, through the open file, and the state.
    let rescued = folder.path().join("run.rescued-1");
    let records = crate::run::records::read(rescued.join("metrics.jsonl")).unwrap();
    assert!(!records.is_empty() && rescued.join("state.safetensors").exists(), "{records:?}");
}

#[test]
fn a_share_for_validation_gives_way_to_drawings_of_the_data_s_own_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    for part in ["images", "labels"] {
        let path = |split: &str| Path::new(&data).join(format!("{split}_{part}.npy"));
        std::fs::copy(path("test"), path("val")).unwrap();
    }
    let models = Models::builtin();
    let config = Config { data: data.clone(), batch_size: 8, ..models.defaults("cnn-ae").unwrap() };
    let share = config.val_fraction;
    assert!(share > 0.0);
    let (trainer, _) = Trainer::start(&models, config, &folder.path().join("run"), false).unwrap();
    let line = format!("--val-fraction {share} gives way to the 20 drawings that {data} has to validate on");
    assert_eq!(trainer.notes(), [line]);
    assert_eq!((trainer.config().val_fraction, trainer.config().own_validation), (0.0, 20));
}
