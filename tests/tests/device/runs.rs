//! Whole runs on a device, which is told many steps ahead and read now and then; and what it is asked to do.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use inkgrad_engine::device::Precision;
use inkgrad_engine::optim::{Optimizer, Rule};
use inkgrad_engine::{Clock, Team};
use inkgrad_kernels::launch::{self, Error, Launch};
use inkgrad_models::data::{Dataset, builtin, write_course};
use inkgrad_models::run::config::{self, Config, Overrides};
use inkgrad_models::run::records::{self, Record};
use inkgrad_models::trainer::{DeviceStepper, Observer, Outcome, Part, Progress, Stepper, Sums, Trainer, Upcoming};
use inkgrad_models::{Models, Network, text};
use inkgrad_tests::{build, defaults, networks};

use crate::{device, setting};

/// How often a device was asked for what.
#[derive(Debug, Default)]
struct Asked {
    writes: AtomicUsize,
    reads: AtomicUsize,
    launches: AtomicUsize,
}

impl Asked {
    fn counts(&self) -> [usize; 3] {
        [&self.writes, &self.reads, &self.launches].map(|count| count.load(Relaxed))
    }
}

/// When a device is lost.
#[derive(Debug, Clone, Copy)]
enum Lost {
    Never,
    /// By this many graphs: the next one is refused.
    After(usize),
    /// By this many graphs, which is told where the host waits for them, as a GPU does.
    Unnoticed(usize),
}

/// A device that is watched.
struct Watched {
    device: Box<dyn launch::Device>,
    asked: Arc<Asked>,
    lost: Lost,
}

impl Watched {
    fn open(lost: Lost) -> (Box<dyn launch::Device>, Arc<Asked>) {
        let device = device().open(Precision::Fp32).unwrap().expect("a device beside the processor");
        let asked = Arc::new(Asked::default());
        (Box::new(Watched { device, asked: asked.clone(), lost }), asked)
    }

    /// Fails if the device is lost by now, for a call that waits for it or not.
    fn check(&self, waits: bool) -> launch::Result<()> {
        let launched = self.asked.launches.load(Relaxed);
        let lost = match self.lost {
            Lost::Never => false,
            Lost::After(graphs) => launched > graphs,
            Lost::Unnoticed(graphs) => waits && launched > graphs,
        };
        if lost { Err(Error::Driver("the GPU has fallen off the bus".to_owned())) } else { Ok(()) }
    }
}

impl launch::Device for Watched {
    fn load_module(&mut self, name: &str, ptx: &str) -> launch::Result<()> {
        self.device.load_module(name, ptx)
    }

    fn architecture(&self) -> u32 {
        self.device.architecture()
    }

    fn holds_clusters(&mut self, launch: &Launch) -> launch::Result<bool> {
        self.device.holds_clusters(launch)
    }

    fn shared_bytes_per_block(&self) -> usize {
        self.device.shared_bytes_per_block()
    }

    fn alloc(&mut self, bytes: u64) -> launch::Result<u64> {
        self.device.alloc(bytes)
    }

    fn free(&mut self, address: u64) -> launch::Result<()> {
        self.device.free(address)
    }

    fn write(&mut self, to: u64, bytes: &[u8]) -> launch::Result<()> {
        self.asked.writes.fetch_add(1, Relaxed);
        self.check(false)?;
        self.device.write(to, bytes)
    }

    fn read(&mut self, from: u64, bytes: &mut [u8]) -> launch::Result<()> {
        self.asked.reads.fetch_add(1, Relaxed);
        self.check(true)?;
        self.device.read(from, bytes)
    }

    fn zero(&mut self, to: u64, bytes: u64) -> launch::Result<()> {
        self.asked.writes.fetch_add(1, Relaxed);
        self.device.zero(to, bytes)
    }

    fn launch(&mut self, launch: &Launch) -> launch::Result<()> {
        self.asked.launches.fetch_add(1, Relaxed);
        self.device.launch(launch)
    }

    fn replay(&mut self, number: u64, launches: &[Launch]) -> launch::Result<()> {
        self.asked.launches.fetch_add(1, Relaxed);
        self.check(false)?;
        self.device.replay(number, launches)
    }

    fn forget(&mut self, number: u64) -> launch::Result<()> {
        self.device.forget(number)
    }

    fn synchronize(&mut self) -> launch::Result<()> {
        self.asked.reads.fetch_add(1, Relaxed);
        self.check(true)?;
        self.device.synchronize()
    }
}

/// The smallest network, its optimiser, and drawings.
fn small() -> (Network<f32>, Optimizer<f32>, Dataset) {
    let (_, config) = networks().into_iter().find(|(name, _)| *name == "classifier").expect("a network");
    let mut network = build(&config);
    network.initialise(7);
    let optimizer = Optimizer::new(Rule::Adam, None, network.params.count());
    (network, optimizer, builtin(100, 1).unwrap())
}

fn upcoming(batch: std::ops::Range<usize>, step: u64) -> Upcoming {
    Upcoming { batch: batch.collect(), clock: Clock { seed: 7, step }, lr: 1e-3 / (step + 1) as f64 }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
#[ignore = "slow"]
fn between_two_reads_a_step_is_one_launch_and_the_result_is_that_of_single_steps() {
    let (network, mut optimizer, data) = small();
    let steps = [upcoming(0..2, 0), upcoming(2..4, 1), upcoming(4..5, 2), upcoming(5..7, 3)];
    let (watched, asked) = Watched::open(Lost::Never);
    let mut stepper = DeviceStepper::on(watched, Precision::Fp32, &network, &optimizer).unwrap();
    stepper.upload(Part::Training, &data.train).unwrap();
    let mut sums = Sums::default();
    stepper.prepare(&network, &optimizer, &sums, &steps).unwrap();
    let [writes, reads, launches] = asked.counts();
    let drawings: Vec<usize> = steps.iter().map(|_| stepper.launch(&mut optimizer).unwrap()).collect();
    assert_eq!((drawings, stepper.prepared()), (vec![2, 2, 1, 2], 0));
    assert_eq!(asked.counts(), [writes, reads, launches + 4]);
    assert_eq!(stepper.read(&mut sums).unwrap(), None);
    assert_eq!(asked.counts(), [writes, reads + 1, launches + 4]);
    // Nothing has happened since.
    assert_eq!(stepper.read(&mut sums).unwrap(), None);
    assert_eq!(asked.counts(), [writes, reads + 1, launches + 4]);
    let mut found = network.clone();
    stepper.download(&mut found, &mut optimizer).unwrap();

    let (mut expected, mut optimizer, _) = small();
    let mut stepper = DeviceStepper::open(device(), Precision::Fp32, &expected, &optimizer).unwrap().expect("a device");
    stepper.upload(Part::Training, &data.train).unwrap();
    let mut added = Sums::default();
    for Upcoming { batch, clock, lr } in &steps {
        added.add(&stepper.step(&network, &mut optimizer, batch, *clock, *lr).unwrap());
    }
    stepper.download(&mut expected, &mut optimizer).unwrap();
    assert!(bits(&found.params.values) == bits(&expected.params.values));
    let (found, expected) = (sums.total, added.total);
    assert!((found.loss - expected.loss).abs() < 1e-12 * expected.loss, "{found:?}, {expected:?}");
    assert_eq!((found.terms, found.drawings), (expected.terms, 7));
}

#[test]
#[ignore = "slow"]
fn the_first_step_without_a_finite_loss_is_named() {
    let (network, mut optimizer, data) = small();
    let mut steps: Vec<Upcoming> = (0..5).map(|step| upcoming(0..2, 40 + step)).collect();
    // Its update spoils the parameters, which the step after it meets.
    steps[1].lr = 1e30;
    let mut stepper = DeviceStepper::open(device(), Precision::Fp32, &network, &optimizer).unwrap().expect("a device");
    stepper.upload(Part::Training, &data.train).unwrap();
    let mut sums = Sums::default();
    stepper.prepare(&network, &optimizer, &sums, &steps).unwrap();
    for _ in &steps {
        stepper.launch(&mut optimizer).unwrap();
    }
    assert_eq!(stepper.read(&mut sums).unwrap(), Some(43));
}

#[test]
#[ignore = "slow"]
fn evaluations_agree_with_the_cpu() {
    let (network, optimizer, data) = small();
    let mut stepper = DeviceStepper::open(device(), Precision::Fp32, &network, &optimizer).unwrap().expect("a device");
    stepper.upload(Part::Training, &data.train).unwrap();
    // More batches than are uploaded at once, the last of them a smaller one.
    let drawings: Vec<usize> = (3..3 + 2 * DeviceStepper::WINDOW + 3).collect();
    let found = stepper.evaluate(&network, Part::Training, &drawings, 2).unwrap();
    let expected = Stepper::default().evaluate(&network, &data.train, &drawings, 2, &Team::solo());
    assert!((found.loss - expected.loss).abs() < 1e-5 * expected.loss, "{found:?}, {expected:?}");
    let apart = found.terms[0] - expected.terms[0];
    assert!(apart.abs() < 1e-12, "{found:?}, {expected:?}");
    assert_eq!(found.drawings, drawings.len());
}

/// Lets a run be, or stops it after so many steps.
struct Patience(Cell<Option<u64>>);

impl Patience {
    fn new(steps: Option<u64>) -> Self {
        Patience(Cell::new(steps))
    }
}

impl Observer for Patience {
    fn step(&mut self, _: &Progress) {}

    fn record(&mut self, _: &Record) {}

    fn stop(&self) -> bool {
        self.0.set(self.0.get().map(|steps| steps - 1));
        self.0.get() == Some(0)
    }
}

/// Few drawings beside the folder of a run, and a configuration for them.
fn configure(root: &Path, model: &str) -> Config {
    let drawings = root.join("drawings");
    if !drawings.exists() {
        write_course(&builtin(10, 1).unwrap(), &drawings).unwrap();
    }
    let device = setting();
    Config { data: drawings.display().to_string(), batch_size: 3, device, threads: 1, ..defaults(model) }
}

fn counted(steps: u64, log_every: u64, config: Config) -> Config {
    Config { epochs: None, steps: Some(steps), log_every, ..config }
}

fn start(config: Config, folder: &Path, stop: Option<u64>) -> Outcome {
    Trainer::start(&Models::builtin(), config, folder, false).unwrap().0.run(&mut Patience::new(stop)).unwrap()
}

/// The records of a run, without the seconds.
fn records(folder: &Path) -> Vec<Record> {
    let records = records::read(folder.join("metrics.jsonl")).unwrap();
    records.into_iter().map(|record| Record { seconds: None, ..record }).collect()
}

/// Every file of a folder with its contents, but for TensorBoard's.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let kept = files.filter(|path| !path.to_string_lossy().contains("tfevents"));
    kept.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
#[ignore = "slow"]
fn records_agree_with_the_cpu() {
    let root = tempfile::tempdir().unwrap();
    // By epochs the last batch is smaller; the steps end between two records.
    let runs = [
        Config { epochs: Some(2), steps: None, ..configure(root.path(), "cnn-ae") },
        counted(5, 2, configure(root.path(), "classifier")),
        counted(2, 2, configure(root.path(), "cnn-vae")),
    ];
    for config in runs {
        let model = config.model.clone();
        let folders = ["device", "cpu"].map(|name| root.path().join(format!("{model}-{name}")));
        start(config.clone(), &folders[0], None);
        start(Config { device: config::DeviceKind::Cpu, ..config }, &folders[1], None);
        let [found, expected] = folders.map(|folder| records(&folder));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!((found.step, found.split, found.lr), (expected.step, expected.split, expected.lr));
            let values = |record: &Record| {
                let loss = ("loss".to_owned(), record.loss);
                [loss].into_iter().chain(record.terms.0.clone()).collect::<Vec<_>>()
            };
            let (found, expected) = (values(found), values(expected));
            assert_eq!(found.len(), expected.len());
            for ((name, a), (expected_name, b)) in found.iter().zip(&expected) {
                let close = name == expected_name && (a - b).abs() <= 1e-5 * b.abs();
                assert!(close, "{model}: {found:?}, {expected:?}");
            }
        }
    }
}

#[test]
#[ignore = "slow"]
fn a_run_is_the_same_to_the_bit_whenever_it_is_read_or_interrupted() {
    let root = tempfile::tempdir().unwrap();
    let config = counted(6, 5, configure(root.path(), "classifier"));
    let folders = ["whole", "saved", "stopped"].map(|name| root.path().join(name));
    let [whole, saved, stopped] = &folders;
    assert_eq!(start(config.clone(), whole, None), Outcome::Finished);
    // A checkpoint after every step.
    start(Config { checkpoint_minutes: 1e-9, ..config.clone() }, saved, None);
    assert_eq!(start(config, stopped, Some(3)), Outcome::Stopped);
    let mut trainer = Trainer::resume(&Models::builtin(), stopped, &Overrides::default()).unwrap();
    assert_eq!(trainer.steps_done(), 3);
    trainer.run(&mut Patience::new(None)).unwrap();
    for other in [saved, stopped] {
        assert_eq!(records(other), records(whole), "{}", other.display());
        let [a, b] = [other, whole].map(|folder| fs::read(folder.join("model.safetensors")).unwrap());
        assert!(a == b, "{}: other weights", other.display());
    }
}

#[test]
#[ignore = "slow"]
fn what_goes_wrong_between_two_reads_leaves_the_last_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    start(counted(2, 100, configure(root.path(), "classifier")), &folder, None);
    let run = folder.display();
    let before = contents(&folder);
    let refused = |overrides: &Overrides, lost: Lost| {
        let mut trainer = Trainer::resume(&Models::builtin(), &folder, overrides).unwrap();
        let changed = contents(&folder);
        let ran = trainer.run_on(Watched::open(lost).0, &mut Patience::new(None));
        assert!(contents(&folder) == changed, "a file has changed");
        for name in ["state.safetensors", "model.safetensors"] {
            assert!(changed[&folder.join(name)] == before[&folder.join(name)], "{name} has changed");
        }
        ran.unwrap_err().to_string()
    };
    // Step 3 moves every parameter by about 1e30, which gives no finite loss at step 4.
    let error = refused(&Overrides { steps: Some(8), lr: Some(1e30), ..Overrides::default() }, Lost::Never);
    let expected =
        format!("{run}: step 4: the loss is not finite; the last checkpoint is kept; a smaller --lr may help");
    assert_eq!(error, expected);

    let lost = |step| {
        let resume = format!("the last checkpoint is kept: {} train --resume {run}", text::program());
        let kind = configure(root.path(), "classifier").device;
        format!("{run}: step {step}: {kind}: the GPU has fallen off the bus; {resume}")
    };
    let overrides = Overrides { steps: Some(6), lr: Some(1e-3), ..Overrides::default() };
    assert_eq!(refused(&overrides, Lost::After(2)), lost(5));
    // A GPU tells of it where it is waited for: after the last step, or sooner on a slow machine.
    let found = refused(&overrides, Lost::Unnoticed(2));
    assert!([5, 6].map(lost).contains(&found), "{found}");
}
