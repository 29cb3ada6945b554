//! The records of many steps, uploaded at once, and the sums that steps add their losses to: between two reads a step is
//! launches alone, and the host copies nothing (`kernels/ptx/step.ptx`).

use inkgrad_kernels::gpu::step::{self, RECORD};
use inkgrad_kernels::gpu::{Launches, Span};
use inkgrad_kernels::launch::{Device, Launch, bytes_of, download};

use crate::optim::adam_factors;
use crate::{Clock, DeviceError};

/// Steps that a window holds at most.
pub const STEPS: usize = 32;
/// Sums that steps add to: those of [`Window::tally`], then the drawings.
pub const SUMS: usize = step::SUMS + 1;
/// Words before the rows: the sums in `f64`, the step that was not finite, the row whose turn it is.
const HEADER: usize = 2 * SUMS + 2;
/// Words of a window.
pub(super) const WINDOW: usize = HEADER + STEPS * RECORD;

/// The values that vary from step to step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Of which random operations make their key; its step counts from 0.
    pub clock: Clock,
    /// The learning rate.
    pub lr: f64,
    /// Which step of the optimiser it is, from 1.
    pub step: u64,
    /// Which row of the table of indices names the batch.
    pub batch: usize,
}

impl Row {
    fn words(&self) -> [u32; RECORD] {
        let key = self.clock.key();
        let (rate, correction) = adam_factors(self.lr, self.step);
        [
            key as u32,
            (key >> 32) as u32,
            rate.to_bits(),
            correction.to_bits(),
            (self.lr as f32).to_bits(),
            u32::from(self.step == 1),
            self.batch as u32,
            (self.clock.step as u32).wrapping_add(1),
        ]
    }
}

/// The sums over many steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    /// In the order of [`Window::tally`], zeros where it has fewer; drawings last.
    pub sums: [f64; SUMS],
    /// The first step whose first number was not finite, from 1.
    pub not_finite: Option<u64>,
}

/// The steps that come next, and what those before them added up to.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub(super) words: Span,
    /// The record of the step under way.
    pub record: Span,
}

impl Window {
    /// Uploads the steps that come next, and the sums that they add to.
    ///
    /// # Errors
    /// If the device was lost.
    ///
    /// # Panics
    /// If there are more than [`STEPS`] rows.
    pub fn prepare(&self, device: &mut dyn Device, sums: &[f64; SUMS], rows: &[Row]) -> Result<(), DeviceError> {
        assert!(rows.len() <= STEPS, "{} steps in a window of {STEPS}", rows.len());
        let mut words: Vec<u32> =
            sums.iter().flat_map(|sum| [sum.to_bits() as u32, (sum.to_bits() >> 32) as u32]).collect();
        words.resize(HEADER, 0);
        words.extend(rows.iter().flat_map(Row::words));
        device.write(self.words.address, bytes_of(&words))
    }

    /// The launch that a step begins with: it makes the next row the step's record.
    pub fn begin(&self) -> Launch {
        let mut launches = Launches::default();
        step::begin_step(&mut launches, self.words, self.record);
        launches.list.remove(0)
    }

    /// Makes the record of a single step outside training: its launches may read the clock, and nothing else of it. The rate is
    /// not 0, so that a kernel that reads it in the clock's place is found.
    ///
    /// # Errors
    /// If the device was lost.
    pub fn single(&self, device: &mut dyn Device, clock: Clock) -> Result<(), DeviceError> {
        self.prepare(device, &[0.0; SUMS], &[Row { clock, lr: 1e-3, step: 1, batch: 0 }])?;
        device.launch(&self.begin())
    }

    /// The launch that adds a batch's numbers to the sums, each times its weight, and goes on to the next row. The first is
    /// the loss: a step where it is not finite is noted.
    ///
    /// # Panics
    /// If there are no numbers or more than a window has sums for.
    pub fn tally(&self, numbers: &[(Span, f64)], drawings: usize) -> Launch {
        let mut launches = Launches::default();
        step::tally(&mut launches, self.words, self.record, numbers, drawings);
        launches.list.remove(0)
    }

    /// Waits for the steps that were launched and reads what they added up to.
    ///
    /// # Errors
    /// Errors from earlier launches.
    pub fn read(&self, device: &mut dyn Device) -> Result<Totals, DeviceError> {
        let words: Vec<u32> = download(device, self.words.address, HEADER)?;
        let sum = |i: usize| f64::from_bits(u64::from(words[2 * i]) | u64::from(words[2 * i + 1]) << 32);
        let step = words[2 * SUMS];
        Ok(Totals { sums: std::array::from_fn(sum), not_finite: (step > 0).then_some(step.into()) })
    }
}
