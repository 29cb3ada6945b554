//! Runs of several ranks: the bits of one alone, whoever computes which part.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use inkgrad_engine::device::{Kind, Precision, load_kernels};
use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::launch::{self, Device, Launch, Transfer};

use super::*;
use crate::data::augment::Augment;
use crate::ranks::threads;
use crate::run::config::{DeviceKind, Optimizer};

/// Steps of a small network on parts of 24 drawings, some of which are smaller.
fn config(data: &str, model: &str, accumulate: usize) -> Config {
    let mut defaults = Models::builtin().defaults(model).unwrap();
    let sizes = [("latent", "4"), ("channels", "4,6")].map(|(name, value)| (name.to_owned(), Value::parse(value)));
    defaults.options.extend(sizes);
    Config {
        data: data.to_owned(),
        epochs: Some(2),
        steps: None,
        batch_size: 24,
        accumulate,
        lr: 3e-3,
        val_fraction: 0.2,
        threads: 1,
        ema: Some(0.9),
        ..defaults
    }
}

/// Trains among ranks until step `last` and gives the run's outcome on each.
fn train(config: &Config, path: &Path, ranks: usize, last: u64) -> Vec<Outcome> {
    let models = Models::builtin();
    threads::run(ranks, |rank| {
        let config = config.clone();
        let (mut trainer, _) =
            Trainer::start_among(&models, config, path, false, Box::new(rank), &mut |_, _| {}).unwrap();
        trainer.run(&mut Until(last, 0.into())).unwrap()
    })
}

fn resume(path: &Path, ranks: usize, last: u64) -> Vec<Outcome> {
    let models = Models::builtin();
    threads::run(ranks, |rank| {
        let options = Overrides::default();
        let mut trainer = Trainer::resume_among(&models, path, &options, Box::new(rank), &mut |_, _| {}).unwrap();
        trainer.run(&mut Until(last, 0.into())).unwrap()
    })
}

/// All weights of a run.
fn files(path: &Path) -> Vec<Option<Vec<u8>>> {
    let found = ["model.safetensors", "best.safetensors", "ema.safetensors"].map(|name| fs::read(path.join(name)).ok());
    assert!(found[0].is_some(), "{}", path.display());
    found.to_vec()
}

/// The records of a run, without their seconds.
fn recorded(path: &Path) -> Vec<Record> {
    let records = records::read(path.join("metrics.jsonl")).unwrap();
    records.into_iter().map(|record| Record { seconds: None, ..record }).collect()
}

/// Trains alone, and among 2, 3 and 4 ranks, also interrupted and resumed by others: the same files each time.
#[track_caller]
fn assert_same(folder: &TempDir, name: &str, config: &Config) {
    let path = |ranks: &str| folder.path().join(format!("{name}-{ranks}"));
    let models = Models::builtin();
    let (mut alone, _) = Trainer::start(&models, config.clone(), &path("alone"), false).unwrap();
    alone.run(&mut ()).unwrap();
    let expected = (files(&path("alone")), recorded(&path("alone")));
    for ranks in 1..=4 {
        let path = path(&ranks.to_string());
        assert_eq!(train(config, &path, ranks, u64::MAX), vec![Outcome::Finished; ranks]);
        assert!((files(&path), recorded(&path)) == expected, "{name}: {ranks} ranks");
    }
    let path = path("changing");
    train(config, &path, 3, 1);
    for (ranks, last) in [(1, 2), (4, 4), (2, u64::MAX)] {
        resume(&path, ranks, last);
    }
    assert!((files(&path), recorded(&path)) == expected, "{name}: 3, 1, 4 and 2 ranks in turn");
}

#[test]
#[ignore = "slow"]
fn any_number_of_ranks_leaves_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    assert_same(&folder, "four", &config(&data, "cnn-ae", 4));
    // Shortened gradients, and moments of descent.
    let optimizer = Config { clip_norm: Some(0.5), optimizer: Optimizer::Sgd, ..config(&data, "cnn-vae", 12) };
    assert_same(&folder, "twelve", &optimizer);
    // A last batch of one drawing, which no part is cut from.
    let remainder = Config { batch_size: 21, ..config(&data, "cnn-vae", 4) };
    let (trainer, _) =
        Trainer::start(&Models::builtin(), remainder.clone(), &folder.path().join("sizes"), false).unwrap();
    assert_eq!(trainer.batches.len_of(3), 1);
    assert_same(&folder, "remainder", &remainder);
    // Weights that rise from step to step, changed drawings in files, steps instead of passes.
    let streamed = Config {
        data_memory: 0.0,
        epochs: None,
        steps: Some(5),
        log_every: 2,
        augment: "shift,flip".parse::<Augment>().unwrap(),
        ..config(&data, "cvae", 7)
    };
    assert_same(&folder, "streamed", &streamed);
}

#[test]
#[ignore = "slow"]
fn statistics_of_batches_are_summed_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    // The codebook of a VQ-VAE follows means over the whole step.
    let mut vq = config(&data, "cnn-vae", 5);
    vq.options.insert("objective".to_owned(), Value::parse("vq"));
    assert_same(&folder, "codes", &vq);
}

#[test]
#[ignore = "slow"]
fn devices_of_several_ranks_leave_the_bytes_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = few(&folder);
    // Noise, labels, and a last batch that is cut into fewer drawings.
    let on = |device| Config { batch_size: 10, device, ema: None, ..config(&data, "cvae", 4) };
    assert_same(&folder, "emulated", &on(DeviceKind::Emulated));
    let path = |name| folder.path().join(name);
    train(&on(DeviceKind::Cpu), &path("processor"), 2, u64::MAX);
    let (expected, found) = (recorded(&path("processor")), recorded(&path("emulated-2")));
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(&found) {
        let error = (expected.loss - found.loss).abs() / expected.loss;
        assert!(error < 1e-5, "{expected:?} on the processor, {found:?} on a device");
    }
}

/// Messages that devices of a group have sent and not yet received, by sender and receiver.
type Wire = (Mutex<HashMap<(usize, usize), VecDeque<Vec<u8>>>>, Condvar);

/// A device with a link to those of other threads, as NCCL is one to other processes' GPUs.
struct Linked {
    device: Box<dyn Device>,
    wire: Arc<Wire>,
    rank: usize,
    /// Exchanges so far.
    exchanges: Arc<AtomicU64>,
    /// So many bytes are more than it has.
    too_much: Option<u64>,
}

impl Linked {
    fn new(rank: usize, wire: &Arc<Wire>, exchanges: &Arc<AtomicU64>) -> Self {
        let device = Kind::Emulated.open(Precision::Fp32).unwrap().unwrap();
        let (wire, exchanges) = (Arc::clone(wire), Arc::clone(exchanges));
        Linked { device, wire, rank, exchanges, too_much: None }
    }
}

impl Device for Linked {
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
        match self.too_much == Some(bytes) {
            true => Err(launch::Error::Memory(format!("{bytes} bytes are too much"))),
            false => self.device.alloc(bytes),
        }
    }
    fn free(&mut self, address: u64) -> launch::Result<()> {
        self.device.free(address)
    }
    fn write(&mut self, to: u64, bytes: &[u8]) -> launch::Result<()> {
        self.device.write(to, bytes)
    }
    fn read(&mut self, from: u64, bytes: &mut [u8]) -> launch::Result<()> {
        self.device.read(from, bytes)
    }
    fn zero(&mut self, to: u64, bytes: u64) -> launch::Result<()> {
        self.device.zero(to, bytes)
    }
    fn launch(&mut self, launch: &Launch) -> launch::Result<()> {
        self.device.launch(launch)
    }
    fn synchronize(&mut self) -> launch::Result<()> {
        self.device.synchronize()
    }
    fn link(&self) -> launch::Result<Option<String>> {
        Ok(Some(format!("device {}", self.rank)))
    }
    fn begin_group(&mut self) -> launch::Result<Vec<u8>> {
        Ok(b"the group".to_vec())
    }
    fn join_group(&mut self, group: &[u8], rank: usize, _: usize) -> launch::Result<()> {
        assert_eq!((group, rank), (&b"the group"[..], self.rank));
        Ok(())
    }
    fn exchange(&mut self, out: &[Transfer], into: &[Transfer]) -> launch::Result<()> {
        let (wire, arrived) = &*self.wire;
        for &Transfer { rank, address, bytes } in out {
            let mut sent = vec![0; bytes as usize];
            self.device.read(address, &mut sent)?;
            wire.lock().unwrap().entry((self.rank, rank)).or_default().push_back(sent);
            arrived.notify_all();
        }
        for &Transfer { rank, address, bytes } in into {
            let there =
                |wire: &mut HashMap<_, VecDeque<_>>| wire.get(&(rank, self.rank)).is_none_or(VecDeque::is_empty);
            let mut wire = arrived.wait_while(wire.lock().unwrap(), there).unwrap();
            let received = wire.get_mut(&(rank, self.rank)).and_then(VecDeque::pop_front).unwrap();
            assert_eq!(received.len() as u64, bytes, "as many bytes as the other sends");
            self.device.write(address, &received)?;
        }
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
#[ignore = "slow"]
fn devices_that_send_each_other_gradients_leave_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (data, models) = (few(&folder), Models::builtin());
    let device = DeviceKind::Emulated;
    let small = |model, parts| Config { batch_size: 10, device, ema: None, ..config(&data, model, parts) };
    // Uneven parts of a last batch, of which some ranks have none; gradients that are shortened as a whole; moments of descent.
    for (name, config) in [
        ("plain", small("cvae", 5)),
        ("shortened", Config { clip_norm: Some(0.5), ..small("cnn-ae", 6) }),
        ("descent", Config { optimizer: Optimizer::Sgd, ..small("cnn-ae", 4) }),
    ] {
        let path = |ranks: usize| folder.path().join(format!("{name}-{ranks}"));
        train(&config, &path(1), 1, u64::MAX);
        let expected = (files(&path(1)), recorded(&path(1)));
        for ranks in 2..=4 {
            let (wire, exchanges) = (Arc::new(Wire::default()), Arc::new(AtomicU64::new(0)));
            let outcomes = threads::run(ranks, |rank| {
                let device = Linked::new(rank.rank(), &wire, &exchanges);
                let started =
                    Trainer::start_among(&models, config.clone(), &path(ranks), false, Box::new(rank), &mut |_, _| {});
                let (mut trainer, _) = started.unwrap();
                (trainer.run_on(Box::new(device), &mut ()).unwrap(), trainer.batches.total())
            });
            let steps = outcomes[0].1;
            assert_eq!(outcomes, vec![(Outcome::Finished, steps); ranks]);
            assert!((files(&path(ranks)), recorded(&path(ranks))) == expected, "{name}: {ranks} ranks");
            // Gradients and parameters, of each step.
            assert_eq!(exchanges.load(Ordering::Relaxed), 2 * steps * ranks as u64, "{name}: {ranks} ranks");
        }
    }
}

#[test]
fn a_linked_device_without_room_ends_all_before_any_waits_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let (data, models) = (few(&folder), Models::builtin());
    let config = Config { batch_size: 10, device: DeviceKind::Emulated, ema: None, ..config(&data, "cnn-ae", 2) };
    let (wire, exchanges) = (Arc::new(Wire::default()), Arc::new(AtomicU64::new(0)));
    let path = folder.path().join("run");
    let lines = threads::run(2, |rank| {
        let mut device = Linked::new(rank.rank(), &wire, &exchanges);
        let started = Trainer::start_among(&models, config.clone(), &path, false, Box::new(rank), &mut |_, _| {});
        let (mut trainer, _) = started.unwrap();
        // The sum of the other's one part, for the share of this one.
        let share = crate::ranks::shares(trainer.network.params.count(), 2)[1].len() as u64;
        device.too_much = (device.rank == 1).then_some(4 * share);
        trainer.run_on(Box::new(device), &mut ()).unwrap_err().to_string()
    });
    assert!(lines.iter().all(|line| line.contains("bytes are too much")), "{lines:?}");
    assert!(lines[0].contains("rank 1"), "{lines:?}");
    assert_eq!(exchanges.load(Ordering::Relaxed), 0);
}

#[test]
fn ranks_on_the_same_device_go_through_the_host() {
    let found = threads::run(2, |rank| {
        let models = Models::builtin();
        let config = models.defaults("cnn-ae").unwrap();
        let network: Network<f32> = models.build(&config).unwrap();
        let (wire, exchanges) = (Arc::new(Wire::default()), Arc::new(AtomicU64::new(0)));
        // The second says that it is the first.
        let device = Linked::new(0, &wire, &exchanges);
        let mut stepper = DeviceStepper::of_gradients(Box::new(device), Precision::Fp32, &network).unwrap();
        (stepper.link(&rank), stepper.is_linked())
    });
    let told = "gradients go through the hosts' memory: rank 1: has the same device as another";
    assert_eq!(found, [(Some(told.to_owned()), false), (Some(told.to_owned()), false)]);
}

#[test]
fn a_device_that_fails_ends_all_ranks_with_its_rank() {
    let folder = tempfile::tempdir().unwrap();
    let (data, models) = (few(&folder), Models::builtin());
    let config = Config { batch_size: 10, device: DeviceKind::Emulated, ema: None, ..config(&data, "cnn-ae", 2) };
    // Bytes that it has, and instructions after which it fails.
    for (name, capacity, limit, says) in
        [("full", 1 << 12, u64::MAX, "--device: emulated: "), ("lost", 1 << 30, 1000, "step 1: emulated: ")]
    {
        let path = folder.path().join(name);
        let lines = threads::run(2, |rank| {
            let mut device = Emulator::new(0);
            if rank.rank() == 1 {
                device.set_capacity(capacity);
                device.set_limit(limit);
            }
            load_kernels(&mut device, Precision::Fp32).unwrap();
            let started = Trainer::start_among(&models, config.clone(), &path, false, Box::new(rank), &mut |_, _| {});
            started.unwrap().0.run_on(Box::new(device), &mut ()).unwrap_err().to_string()
        });
        assert!(lines.iter().all(|line| line.contains(says)), "{lines:?}");
        assert!(lines[0].contains("rank 1"), "{lines:?}");
    }
}

/// The error of each rank.
fn refused(path: &Path, ranks: usize, config: impl Fn(usize) -> Config + Sync) -> Vec<String> {
    let models = Models::builtin();
    threads::run(ranks, |rank| {
        let config = config(crate::ranks::Ranks::rank(&rank));
        let started = Trainer::start_among(&models, config, path, false, Box::new(rank), &mut |_, _| {});
        started.err().map_or_else(|| "started".to_owned(), |error| error.to_string())
    })
}

#[test]
fn ranks_that_differ_are_refused_by_name_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (data, path) = (data(&folder), folder.path().join("run"));
    let other = folder.path().join("other").display().to_string();
    data::write_course(&data::builtin(100, 2).unwrap(), Path::new(&other)).unwrap();

    let lines =
        refused(&path, 3, |rank| Config { lr: if rank == 1 { 0.5 } else { 0.1 }, ..config(&data, "cnn-ae", 4) });
    let expected = "rank 1 on thread 1: has another setting: lr = 0.5, expected lr = 0.1 as rank 0 on thread 0 has it";
    assert_eq!(lines, [expected; 3]);

    let lines = refused(&path, 2, |rank| config(if rank == 1 { &other } else { &data }, "cnn-ae", 4));
    assert!(lines[0].starts_with("rank 1 on thread 1: has other data: SHA-256 "), "{}", lines[0]);
    assert_eq!(lines[0], lines[1]);

    let missing = folder.path().join("missing").display().to_string();
    let lines = refused(&path, 2, |rank| config(if rank == 1 { &missing } else { &data }, "cnn-ae", 4));
    assert!(lines[0].starts_with("rank 1 on thread 1: ") && lines[0].ends_with(&lines[1]), "{lines:?}");

    let lines = refused(&path, 3, |_| config(&data, "cnn-ae", 2));
    let expected = "--accumulate: 2, expected at least 3: a step has a part for each of the 3 ranks";
    assert_eq!(lines, [expected; 3]);
    assert!(!path.exists());

    // The folder's owner says no, and all of them end.
    fs::write(&path, "in the way").unwrap();
    let lines = refused(&path, 2, |_| config(&data, "cnn-ae", 2));
    assert!(lines[0].ends_with("is a file, expected a folder or a new name"), "{lines:?}");
    assert!(lines[1].starts_with("rank 0 on thread 0: ") && lines[1].ends_with(&lines[0]), "{lines:?}");
}

#[test]
fn a_loss_that_is_not_finite_ends_all_ranks_with_its_rank() {
    let folder = tempfile::tempdir().unwrap();
    let (data, path) = (data(&folder), folder.path().join("run"));
    let models = Models::builtin();
    let lines = threads::run(3, |rank| {
        let config = Config { lr: 1e30, ..config(&data, "cnn-ae", 4) };
        let started = Trainer::start_among(&models, config, &path, false, Box::new(rank), &mut |_, _| {});
        started.unwrap().0.run(&mut ()).unwrap_err().to_string()
    });
    assert!(lines.iter().all(|line| line.contains("not finite")), "{lines:?}");
}
