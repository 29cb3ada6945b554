//! Training steps on a GPU or its emulation: data, parameters, moments and sums of losses stay there. A step is one list of
//! launches that is captured once for each batch size; what tells steps apart is uploaded for many of them at once. A step in parts
//! ([`parts`]) is summed on the processor, or among devices that reach each other ([`linked`]), and taken on the processor.

mod linked;
mod parts;
mod planned;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;

use inkgrad_engine::device::plan::DevicePlan;
use inkgrad_engine::device::state::State;
use inkgrad_engine::device::window::{Row, STEPS, SUMS};
use inkgrad_engine::device::{Kind, Launches, Precision, Span};
use inkgrad_engine::optim::Optimizer;
use inkgrad_engine::{Clock, Compile, Error, Result, Tape};
use inkgrad_kernels::gpu::layout::{Table, gather};
use inkgrad_kernels::launch::{self, Buffer, Launch, bytes_of, upload};

use self::linked::Linked;
use self::planned::{List, Planned};
use super::batch::{EVALUATION_SEED, epoch};
use super::losses::{Losses, Sums};
use crate::data::{Drawings, Examples, Extents, Images, Pixels, Stored};
use crate::model::{MAX_TERMS, Network};

/// Which drawings a step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Those to train on, of which some may be held back.
    Training,
    /// Those to test on.
    Test,
}

/// A step that comes next.
#[derive(Debug, Clone, PartialEq)]
pub struct Upcoming {
    /// The drawings.
    pub batch: Vec<usize>,
    /// Seed and step, from 0.
    pub clock: Clock,
    /// The learning rate.
    pub lr: f64,
}

/// A network's training on a device.
pub struct DeviceStepper {
    device: Box<dyn launch::Device>,
    state: State,
    update: Vec<Launch>,
    data: HashMap<Part, Data>,
    plans: HashMap<(Part, usize), Planned>,
    graphs: bool,
    /// Drawings of each step that is uploaded and not yet launched.
    prepared: VecDeque<usize>,
    /// Whether a step was launched whose losses are not read yet.
    unread: bool,
    /// Whether the processor has moved the parameters since they were copied to the device.
    is_outdated: bool,
    /// Sums of parts that are exchanged from device to device.
    linked: Option<Linked>,
    /// Steps of a pass over the drawings, by which weights that change find their values; without it they are as in the end.
    pub steps_per_epoch: Option<f64>,
}

/// A split of the data set on the device.
#[derive(Debug, Clone, Copy)]
struct Data {
    images: Table,
    /// Values of a picture.
    width: usize,
    /// `f32`, one a drawing.
    labels: Table,
}

impl fmt::Debug for DeviceStepper {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("DeviceStepper").field("state", &self.state).finish_non_exhaustive()
    }
}

impl DeviceStepper {
    /// The most steps that [`DeviceStepper::prepare`] takes.
    pub const WINDOW: usize = STEPS;

    /// Copies parameters and moments to `device`; `None` if it is the processor.
    ///
    /// # Errors
    /// Why the device cannot be used, or that it has too little memory.
    pub fn open(
        device: Kind,
        precision: Precision,
        network: &Network<f32>,
        optimizer: &Optimizer<f32>,
    ) -> Result<Option<Self>> {
        device.open(precision)?.map(|device| Self::on(device, precision, network, optimizer)).transpose()
    }

    /// Copies parameters and moments to a device that has the kernels of `precision` loaded.
    ///
    /// # Errors
    /// If it has too little memory.
    pub fn on(
        mut device: Box<dyn launch::Device>,
        precision: Precision,
        network: &Network<f32>,
        optimizer: &Optimizer<f32>,
    ) -> Result<Self> {
        if network.tracks() {
            let problem = "has no way to move parameters by statistics of a step, expected the processor";
            return Err(inkgrad_engine::Error::Device(problem.into()));
        }
        let state = State::new(&mut *device, &network.params, optimizer)?.with_precision(precision);
        let (rule, clip_norm) = optimizer.settings();
        let update = state.update(rule, clip_norm);
        let (data, plans) = (HashMap::new(), HashMap::new());
        let prepared = VecDeque::with_capacity(STEPS);
        Ok(DeviceStepper {
            device,
            state,
            update,
            data,
            plans,
            graphs: true,
            prepared,
            unread: false,
            is_outdated: false,
            linked: None,
            steps_per_epoch: None,
        })
    }

    /// The same launching kernel by kernel, no step as one graph: for comparison.
    pub fn without_graphs(self) -> Self {
        DeviceStepper { graphs: false, ..self }
    }

    /// Copies a part of the data set to the device.
    ///
    /// # Errors
    /// If the device has too little memory.
    pub fn upload(&mut self, part: Part, split: &Examples) -> Result<()> {
        let images = table(&mut *self.device, &split.images)?;
        self.know(part, images, split.images.extents(), split.labels.iter().copied())
    }

    /// The same of drawings wherever they are: those in files come here some at a time.
    ///
    /// # Errors
    /// If the device has too little memory, or a file cannot be read.
    pub(super) fn upload_stored(&mut self, part: Part, drawings: &Drawings) -> crate::Result<()> {
        let device = &mut *self.device;
        let images = match &drawings.images {
            Stored::Memory(images) => table(device, images)?,
            Stored::Files(files) => {
                let bytes = files.bytes();
                let address = device.alloc(bytes).map_err(Error::from)?;
                let mut to = address;
                let write = |images: Images| {
                    let (pixels, _) = in_bytes(&images);
                    device.write(to, pixels).map_err(Error::from)?;
                    to += pixels.len() as u64;
                    Ok(())
                };
                files.in_turn(write, |_| {})?;
                Table { data: Buffer::read(address, bytes), bytes: !files.is_float() }
            }
        };
        Ok(self.know(part, images, drawings.images.extents(), drawings.labels.iter())?)
    }

    /// Remembers where pictures are, and copies their labels to the device.
    fn know(&mut self, part: Part, images: Table, extents: Extents, labels: impl Iterator<Item = usize>) -> Result<()> {
        let labels: Vec<f32> = labels.map(|label| label as f32).collect();
        let data = Buffer::read(upload(&mut *self.device, &labels)?, 4 * labels.len() as u64);
        self.data.insert(part, Data { images, width: extents.len(), labels: Table { data, bytes: false } });
        Ok(())
    }

    /// The plan for `batch` drawings of a part.
    fn plan(&mut self, network: &Network<f32>, part: Part, batch: usize) -> Result<&Planned> {
        if !self.plans.contains_key(&(part, batch)) {
            let planned = self.list(network, part, batch)?;
            self.plans.insert((part, batch), planned);
        }
        Ok(&self.plans[&(part, batch)])
    }

    fn list(&mut self, network: &Network<f32>, part: Part, batch: usize) -> Result<Planned> {
        let (data, window) = (self.data[&part], self.state.window);
        let mut tape = Tape::new();
        let graph = network.step(&mut tape, batch).expect("a network fits its own shapes");
        let options = Compile { loss: Some(graph.loss.tensor), keep: &graph.kept(), ..Compile::default() };
        let plan = DevicePlan::new(tape, options, &network.params, &self.state, &mut *self.device)?;
        // The table of indices.
        let bytes = (4 * STEPS * batch) as u64;
        let index = Buffer::read(self.device.alloc(bytes)?, bytes);

        let mut gathered = Launches::default();
        gather(&mut gathered, data.images, index, window.record, plan.input(graph.images), data.width);
        if let Some(labels) = graph.labels {
            gather(&mut gathered, data.labels, index, window.record, plan.input(labels), 1);
        }
        let mut scheduled = Vec::new();
        if !graph.scheduled.is_empty() {
            // A step's row in a table of one number a row.
            let rows: Vec<u32> = (0..STEPS as u32).collect();
            let bytes = 4 * STEPS as u64;
            let rows = Buffer::read(upload(&mut *self.device, &rows)?, bytes);
            for &input in &graph.scheduled {
                let values = Buffer::read(self.device.alloc(bytes)?, bytes);
                let table = Table { data: values, bytes: false };
                gather(&mut gathered, table, rows, window.record, plan.input(input.tensor), 1);
                scheduled.push((input, values));
            }
        }
        let mut forward = vec![window.begin()];
        forward.append(&mut gathered.list);
        forward.extend_from_slice(&plan.forward);
        let numbers = graph.reported().map(|term| (plan.kept(term.tensor), batch as f64 / term.per));
        let numbers: Vec<(Span, f64)> = numbers.collect();
        forward.push(window.tally(&numbers, batch));
        let gradient: Vec<Launch> = [&forward, &plan.backward].into_iter().flatten().cloned().collect();
        let step = gradient.iter().chain(&self.update).cloned().collect();
        Ok(Planned { graph, index, scheduled, step, forward, gradient, number: self.plans.len() as u64 })
    }

    /// Uploads what the steps of a window are told: which drawings, and the rest of their records.
    fn fill<'a>(
        &mut self,
        network: &Network<f32>,
        part: Part,
        sums: &Sums,
        steps: impl Iterator<Item = (&'a [usize], Row)>,
        epoch: impl Fn(u64) -> f64,
    ) -> Result<()> {
        self.prepared.clear();
        let mut epochs = BTreeMap::<usize, Vec<f64>>::new();
        // A table for each size of batches, of which each names its row.
        let mut tables = BTreeMap::<usize, Vec<u32>>::new();
        let mut rows = Vec::with_capacity(STEPS);
        for (batch, row) in steps {
            let table = tables.entry(batch.len()).or_default();
            rows.push(Row { batch: table.len() / batch.len(), ..row });
            epochs.entry(batch.len()).or_default().push(epoch(row.clock.step));
            table.extend(batch.iter().map(|&i| i as u32));
        }
        for (batch, table) in tables {
            let planned = self.plan(network, part, batch)?;
            let (index, scheduled) = (planned.index, planned.scheduled.clone());
            self.device.write(index.address, bytes_of(&table))?;
            for (input, values) in scheduled {
                let weights: Vec<f32> = epochs[&batch].iter().map(|&epoch| input.at(epoch) as f32).collect();
                self.device.write(values.address, bytes_of(&weights))?;
            }
        }
        Ok(self.state.window.prepare(&mut *self.device, &numbers(sums), &rows)?)
    }

    /// Uploads the steps that come next, [`DeviceStepper::WINDOW`] at most, and the sums that they add to. Steps that were
    /// uploaded before and not launched are forgotten.
    ///
    /// # Errors
    /// If the device failed, or has too little memory for batches of a size that is new.
    pub fn prepare(
        &mut self,
        network: &Network<f32>,
        optimizer: &Optimizer<f32>,
        sums: &Sums,
        steps: &[Upcoming],
    ) -> Result<()> {
        let rows = steps.iter().zip(optimizer.step + 1..);
        let rows = rows.map(|(Upcoming { batch, clock, lr }, step)| {
            (batch.as_slice(), Row { clock: *clock, lr: *lr, step, batch: 0 })
        });
        let steps_per_epoch = self.steps_per_epoch;
        self.fill(network, Part::Training, sums, rows, |step| epoch(steps_per_epoch, step))?;
        self.prepared.extend(steps.iter().map(|step| step.batch.len()));
        Ok(())
    }

    /// How many steps are uploaded and not yet launched.
    pub fn prepared(&self) -> usize {
        self.prepared.len()
    }

    /// Launches the next step and returns how many drawings it trains on. A GPU is not waited for: what goes wrong may be
    /// reported later, by [`DeviceStepper::read`] at the latest.
    ///
    /// # Errors
    /// If the device failed.
    ///
    /// # Panics
    /// If no step is prepared.
    pub fn launch(&mut self, optimizer: &mut Optimizer<f32>) -> Result<usize> {
        let batch = self.prepared.pop_front().expect("a step is prepared");
        let (number, launches) = self.plans[&(Part::Training, batch)].list(List::Step);
        self.unread = true;
        launch_list(&mut *self.device, self.graphs, number, launches)?;
        optimizer.step += 1;
        Ok(batch)
    }

    /// Waits for the steps that were launched and brings `sums` up to date, which are those given to
    /// [`DeviceStepper::prepare`] and the losses since. Returns the number of the first step, from 1, whose loss was not
    /// finite, if there is one: what came after it is of no use.
    ///
    /// # Errors
    /// If the device failed.
    pub fn read(&mut self, sums: &mut Sums) -> Result<Option<u64>> {
        if !std::mem::take(&mut self.unread) {
            return Ok(None);
        }
        let totals = self.state.window.read(&mut *self.device)?;
        *sums = self.named(&totals.sums);
        Ok(totals.not_finite)
    }

    /// The sums as the device has them, by their names.
    fn named(&self, sums: &[f64; SUMS]) -> Sums {
        let Some(Planned { graph, .. }) = self.plans.values().next() else { return Sums::default() };
        let mut terms = [0.0; MAX_TERMS];
        terms[..graph.terms.len()].copy_from_slice(&sums[1..][..graph.terms.len()]);
        Sums { total: Losses { loss: sums[0], terms, drawings: sums[SUMS - 1] as usize } }
    }

    /// Trains on the drawings `batch`, waits, and returns their losses before the update.
    ///
    /// # Errors
    /// If the loss is not finite, or the device failed.
    pub fn step(
        &mut self,
        network: &Network<f32>,
        optimizer: &mut Optimizer<f32>,
        batch: &[usize],
        clock: Clock,
        lr: f64,
    ) -> Result<Losses> {
        let mut sums = Sums::default();
        self.prepare(network, optimizer, &sums, &[Upcoming { batch: batch.to_vec(), clock, lr }])?;
        self.launch(optimizer)?;
        match self.read(&mut sums)? {
            None => Ok(sums.mean()),
            Some(_) => {
                let node = self.plans[&(Part::Training, batch.len())].graph.loss.tensor.index();
                Err(Error::NotFinite { op: "loss".to_owned(), node })
            }
        }
    }

    /// The mean losses on the drawings `indices` of a part, as [`Stepper::evaluate`](super::Stepper::evaluate). Steps that
    /// were uploaded and not launched are forgotten.
    ///
    /// # Errors
    /// If the device failed.
    pub fn evaluate(&mut self, network: &Network<f32>, part: Part, indices: &[usize], batch: usize) -> Result<Losses> {
        let mut sums = Sums::default();
        let chunks: Vec<&[usize]> = indices.chunks(batch).collect();
        for (first, chunks) in (0..).step_by(STEPS).zip(chunks.chunks(STEPS)) {
            let rows = chunks.iter().zip(first..).map(|(&chunk, step)| {
                (chunk, Row { clock: Clock { seed: EVALUATION_SEED, step }, lr: 0.0, step: 1, batch: 0 })
            });
            self.fill(network, part, &sums, rows, |_| f64::INFINITY)?;
            for chunk in chunks {
                let (number, launches) = self.plans[&(part, chunk.len())].list(List::Forward);
                launch_list(&mut *self.device, self.graphs, number, launches)?;
            }
            let totals = self.state.window.read(&mut *self.device)?;
            sums = self.named(&totals.sums);
        }
        Ok(sums.mean())
    }

    /// Copies parameters and moments from the device.
    ///
    /// # Errors
    /// If the device failed.
    pub fn download(&mut self, network: &mut Network<f32>, optimizer: &mut Optimizer<f32>) -> Result<()> {
        Ok(self.state.download(&mut *self.device, &mut network.params, optimizer)?)
    }
}

/// Pictures as a device gets them, and whether a value is one byte.
fn in_bytes(images: &Images) -> (&[u8], bool) {
    match images.pixels() {
        Pixels::U8(pixels) => (pixels, true),
        Pixels::F32(pixels) => (bytes_of(pixels), false),
    }
}

/// Copies pictures to a device.
fn table(device: &mut dyn launch::Device, images: &Images) -> Result<Table> {
    let (pixels, bytes) = in_bytes(images);
    Ok(Table { data: Buffer::read(upload(device, pixels)?, pixels.len() as u64), bytes })
}

/// Launches a list, as one graph or kernel by kernel.
fn launch_list(device: &mut dyn launch::Device, graph: bool, number: u64, list: &[Launch]) -> Result<()> {
    match graph {
        true => Ok(device.replay(number, list)?),
        false => Ok(list.iter().try_for_each(|launch| device.launch(launch))?),
    }
}

/// The sums in the device's order: the loss, the terms, the pictures.
fn numbers(Sums { total }: &Sums) -> [f64; SUMS] {
    const { assert!(SUMS == MAX_TERMS + 2, "a sum for the loss, for each term, and for the count of pictures") };
    let mut sums = [0.0; SUMS];
    sums[0] = total.loss;
    sums[1..SUMS - 1].copy_from_slice(&total.terms);
    sums[SUMS - 1] = total.drawings as f64;
    sums
}
