//! Where the steps of a run are computed: here, or on a device that is told many steps ahead and read now and then.

use std::time::{Duration, Instant};

use inkgrad_engine::{Clock, Team};
use inkgrad_kernels::launch::Device;

use super::batch::{Batch, own_batches, own_drawings};
use super::losses::Losses;
use super::on_device::{DeviceStepper, Part, Upcoming};
use super::step::Stepper;
use super::{Trainer, config, together};
use crate::data::{Ahead, Drawings, Images, Stored};
use crate::ranks::{Ranks, Solo, agree};
use crate::{Error, Result};

/// The processor or device that computes the steps of a run.
pub(super) enum Compute {
    /// This processor takes each step; a device may compute the gradients of its parts.
    ByStep(Box<Processor>),
    /// A GPU or its emulation takes many that it was told of.
    ByWindow(Box<DeviceStepper>),
}

/// This processor, and where its drawings come from, unless a device has them.
pub(super) struct Processor {
    stepper: Stepper,
    /// Those who read pictures that stay in their files.
    reading: Option<Reading>,
}

/// Pictures that are read while the steps before them are computed.
struct Reading {
    ahead: Ahead,
    /// The first step whose drawings nobody was asked for.
    asked: u64,
    /// The drawings of the next step, once they are read.
    next: Option<(Vec<usize>, Images)>,
    /// The places of a batch's pictures among those that were read for it.
    rows: Vec<usize>,
}

/// A device whose steps take long is read after this, so that one sees how far it has come.
const READ_INTERVAL: Duration = Duration::from_secs(2);

impl Compute {
    /// Whether the sums of the losses are to be brought up to date, which were last at `last`: always on the processor; on
    /// a device when it has done all that it was told.
    pub(super) fn read_due(&self, last: Instant) -> bool {
        match self {
            Compute::ByStep(_) => true,
            Compute::ByWindow(stepper) => stepper.prepared() == 0 || last.elapsed() >= READ_INTERVAL,
        }
    }

    /// Links the devices of several ranks where each has a way to the others, and says how gradients go, where there is anything to
    /// say.
    pub(super) fn link(&mut self, ranks: &dyn Ranks) -> Option<String> {
        match self {
            Compute::ByStep(processor) if ranks.size() > 1 => processor.stepper.device.as_mut()?.link(ranks),
            _ => None,
        }
    }
}

impl Trainer {
    /// The configuration's choice, with all that it needs there.
    pub(super) fn compute(&self) -> Result<Compute> {
        match self.config.device.kind().open_one_of(self.ranks.local(), self.config.precision.kind()) {
            Ok(None) => {
                let stepper = self.stepper();
                let reading = match &self.dataset.train.images {
                    Stored::Memory(_) => None,
                    Stored::Files(files) => Some(Reading {
                        ahead: Ahead::new(files),
                        asked: self.step,
                        next: None,
                        rows: (0..self.config.batch_size).collect(),
                    }),
                };
                Ok(Compute::ByStep(Box::new(Processor { stepper, reading })))
            }
            Ok(Some(device)) => self.compute_on(device),
            Err(error) => Err(self.unusable(&error.into())),
        }
    }

    /// A device, with parameters, moments and the data set there.
    pub(super) fn compute_on(&self, device: Box<dyn Device>) -> Result<Compute> {
        let precision = self.config.precision.kind();
        let in_parts = self.config.accumulate > 1 || self.ranks.size() > 1;
        let opened = match in_parts {
            true => DeviceStepper::of_gradients(device, precision, &self.network),
            false => DeviceStepper::on(device, precision, &self.network, &self.optimizer),
        };
        let mut stepper = opened.map_err(|error| self.unusable(&error))?;
        stepper.steps_per_epoch = Some(self.batches.steps_of_a_pass());
        for part in [Part::Training, Part::Test].into_iter().filter(|&part| !self.split(part).is_empty()) {
            stepper.upload_stored(part, self.split(part)).map_err(|error| match error {
                Error::Engine(error) => self.unusable(&error),
                error => error,
            })?;
        }
        if !in_parts {
            return Ok(Compute::ByWindow(Box::new(stepper)));
        }
        let mut by_step = self.stepper();
        by_step.device = Some(stepper);
        Ok(Compute::ByStep(Box::new(Processor { stepper: by_step, reading: None })))
    }

    /// One that takes the run's steps.
    fn stepper(&self) -> Stepper {
        let mut stepper = Stepper::for_run(&self.config);
        stepper.steps_per_epoch = Some(self.batches.steps_of_a_pass());
        stepper
    }

    fn unusable(&self, error: &inkgrad_engine::Error) -> Error {
        Error::input("--device", format!("{}: {error}", self.config.device))
    }

    fn split(&self, part: Part) -> &Drawings {
        match part {
            Part::Training => &self.dataset.train,
            Part::Test => &self.dataset.test,
        }
    }

    /// Waits for the pictures of the next step, where they are read from files, and asks for those of the steps after it.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(super) fn read_ahead(&mut self, compute: &mut Compute) -> Result<()> {
        let Compute::ByStep(processor) = compute else { return Ok(()) };
        let Some(Reading { ahead, asked, next, .. }) = &mut processor.reading else { return Ok(()) };
        while ahead.pending() < Ahead::DEPTH && *asked < self.batches.total() {
            let batch = self.batches.next(*asked);
            let own = own_drawings(self.config.accumulate, batch.len(), &*self.ranks);
            ahead.ask(batch[own].to_vec());
            *asked += 1;
        }
        *next = ahead.take().transpose()?;
        Ok(())
    }

    /// Takes the next step, for which [`Trainer::read_ahead`] was called, and returns the number of its drawings. On a device it is
    /// under way then, and its losses are not in the sums before they are read.
    pub(super) fn advance(&mut self, compute: &mut Compute, team: &Team) -> Result<usize> {
        let next = self.step + 1;
        let drawings = match compute {
            Compute::ByStep(processor) => {
                let (rate, clock) = (self.rate(self.step), self.clock(self.step));
                let Processor { stepper, reading } = &mut **processor;
                stepper.augmentation = self.batches.augmentation(&self.config, self.step);
                let Drawings { images, labels } = &self.dataset.train;
                let taken = reading.as_mut().and_then(|reading| reading.next.take());
                let read = taken.as_ref().zip(reading.as_ref().map(|reading| &reading.rows));
                let batch = match (images, &read) {
                    _ if stepper.device.is_some() => Batch::on_device(labels, self.batches.next(self.step)),
                    (Stored::Memory(images), _) => Batch::of(images, labels, self.batches.next(self.step)),
                    (Stored::Files(_), Some(((numbers, images), rows))) => {
                        let all = self.batches.len_of(self.step);
                        let own = own_drawings(self.config.accumulate, all, &*self.ranks);
                        Batch::read(images, labels, numbers, &rows[..numbers.len()]).within(own.start, all)
                    }
                    (Stored::Files(_), None) => unreachable!("the pictures of step {next} were not read"),
                };
                let (network, optimizer) = (&mut self.network, &mut self.optimizer);
                let stepped = stepper.step_on(network, optimizer, batch, &*self.ranks, clock, rate, team);
                let losses = stepped.map_err(|error| match error {
                    Error::Engine(error) => self.failed(next, error),
                    error => self.stopped(next, format!("the loss is not finite: {error}")),
                })?;
                if let (Some(reading), Some((_, images))) = (reading, taken) {
                    reading.ahead.reuse(images);
                }
                self.average.iter_mut().for_each(|average| average.update(&self.network.params, team));
                self.sums.add(&losses);
                losses.drawings
            }
            Compute::ByWindow(stepper) => {
                if stepper.prepared() == 0 {
                    let upcoming = self.upcoming();
                    let prepared = stepper.prepare(&self.network, &self.optimizer, &self.sums, &upcoming);
                    prepared.map_err(|error| self.failed(next, error))?;
                }
                stepper.launch(&mut self.optimizer).map_err(|error| self.failed(next, error))?
            }
        };
        self.step = next;
        Ok(drawings)
    }

    /// The steps up to the next record, as many as a device is told at once.
    fn upcoming(&mut self) -> Vec<Upcoming> {
        let mut steps = Vec::with_capacity(DeviceStepper::WINDOW);
        for step in self.step..self.batches.total() {
            let (clock, lr) = (self.clock(step), self.rate(step));
            steps.push(Upcoming { batch: self.batches.next(step).to_vec(), clock, lr });
            if steps.len() == DeviceStepper::WINDOW || self.batches.record_due(step + 1, self.config.log_every) {
                break;
            }
        }
        steps
    }

    /// The learning rate of step `step`, from 0.
    pub(super) fn rate(&self, step: u64) -> f64 {
        self.schedule.rate(self.config.lr, step)
    }

    /// The learning rate of the next step.
    pub fn next_rate(&self) -> f64 {
        self.rate(self.step)
    }

    fn clock(&self, step: u64) -> Clock {
        Clock { seed: self.config.seed, step }
    }

    /// Waits for the steps taken and brings the sums up to date.
    ///
    /// # Errors
    /// If a loss since the last time was not finite; if the device failed.
    pub(super) fn read(&mut self, compute: &mut Compute) -> Result<()> {
        let Compute::ByWindow(stepper) = compute else { return Ok(()) };
        match stepper.read(&mut self.sums).map_err(|error| self.failed(self.step, error))? {
            None => Ok(()),
            Some(step) => Err(self.stopped(step, "the loss is not finite".to_owned())),
        }
    }

    /// Brings sums, parameters and moments here from where they are trained.
    ///
    /// # Errors
    /// As [`Trainer::read`].
    pub(super) fn fetch(&mut self, compute: &mut Compute) -> Result<()> {
        self.read(compute)?;
        let Compute::ByWindow(stepper) = compute else { return Ok(()) };
        stepper.download(&mut self.network, &mut self.optimizer).map_err(|error| self.failed(self.step, error))
    }

    /// The mean losses on the drawings `indices` of a part of the data set.
    pub(super) fn evaluate(&self, compute: &mut Compute, part: Part, indices: &[usize], team: &Team) -> Result<Losses> {
        // No more at a time than a step has.
        let batch = self.config.batch_size.div_ceil(self.config.accumulate);
        let is_emulated = self.config.device == config::DeviceKind::Emulated;
        match compute {
            // The emulator would take hours; parameters were fetched for the record.
            Compute::ByWindow(_) if is_emulated => {
                Stepper::default().evaluate_stored(&self.network, self.split(part), indices, batch, &Solo, team)
            }
            Compute::ByStep(processor) => match &mut processor.stepper.device {
                Some(device) if !is_emulated => {
                    let (own, first) = own_batches(indices, batch, &*self.ranks);
                    let found = device.evaluate_batches(&self.network, part, own, batch, first);
                    let found = agree(&*self.ranks, found.map_err(|error| self.failed(self.step, error)))?;
                    Ok(together::mean_of_all(&*self.ranks, &found))
                }
                _ => {
                    let (data, ranks) = (self.split(part), &*self.ranks);
                    processor.stepper.evaluate_stored(&self.network, data, indices, batch, ranks, team)
                }
            },
            Compute::ByWindow(stepper) => {
                let evaluated = stepper.evaluate(&self.network, part, indices, batch);
                evaluated.map_err(|error| self.failed(self.step, error))
            }
        }
    }
}
