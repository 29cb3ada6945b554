//! The kernels around a training step: its record, the sums of its losses, and the update of the parameters.

use super::{Example, Output, Result, Workshop};
use crate::gpu::step::{self, RECORD, SUMS};
use crate::gpu::{Span, optimizer, reduce};

/// Words of a window before its rows: the sums and the drawings in 64 bits, a step's number, the row whose turn it is.
const HEADER: usize = 2 * (SUMS + 1) + 2;

pub(super) const EXAMPLES: &[Example] = &[
    Example {
        entry: "begin_step",
        about: "the next row of a window becomes the step's record",
        size: "rows of the window",
        n: 4,
        prepare: begin_step,
    },
    Example {
        entry: "tally",
        about: "three losses added to the sums of a window, in 64 bits",
        size: "drawings of the batch",
        n: 128,
        prepare: tally,
    },
    Example { entry: "adam", about: "an update by Adam", size: "parameters", n: 300, prepare: adam },
    Example { entry: "sgd", about: "an update with momentum", size: "parameters", n: 300, prepare: sgd },
    Example {
        entry: "clip_scale",
        about: "min(1, max / the gradients' norm)",
        size: "gradients",
        n: 300,
        prepare: clip_scale,
    },
];

/// A record's words, of the first step: 0 and 1 are the key of random numbers, 6 is the batch.
fn words(batch: u32) -> [u32; RECORD] {
    let (rate, correction) = (1e-2_f32, 3.2e-2_f32);
    [17, 4, rate.to_bits(), correction.to_bits(), 1e-3_f32.to_bits(), 1, batch, 1]
}

impl Workshop<'_> {
    /// A step's record.
    pub(super) fn record(&mut self, batch: u32) -> Result<Span> {
        Ok(Span { address: self.upload(&words(batch))?, len: RECORD })
    }

    /// A window of `rows` records, whose first row's turn it is.
    fn window(&mut self, rows: usize) -> Result<Span> {
        let rows = (0..rows as u32).flat_map(words);
        let window: Vec<u32> = [0; HEADER].into_iter().chain(rows).collect();
        Ok(Span { address: self.upload(&window)?, len: window.len() })
    }
}

fn begin_step(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (window, record) = (workshop.window(n)?, workshop.empty(RECORD)?);
    step::begin_step(&mut workshop.launches, window, record);
    Ok(Output::Words(record))
}

fn tally(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (window, record, losses) = (workshop.window(1)?, workshop.record(0)?, workshop.normal(3)?);
    let numbers = [0, 1, 2].map(|i| (losses.part(i, 1), n as f64));
    step::tally(&mut workshop.launches, window, record, &numbers, n);
    Ok(Output::Doubles(window.address, SUMS + 1))
}

fn adam(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (params, grads, record) = (workshop.normal(n)?, workshop.normal(n)?, workshop.record(0)?);
    let (m, v) = (workshop.floats(&vec![0.0; n])?, workshop.floats(&vec![0.0; n])?);
    optimizer::adam(&mut workshop.launches, None, record, params, grads, m, v);
    Ok(Output::Singles(params))
}

fn sgd(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (params, grads, record) = (workshop.normal(n)?, workshop.normal(n)?, workshop.record(0)?);
    let velocity = workshop.floats(&vec![0.0; n])?;
    optimizer::sgd(&mut workshop.launches, 0.9, None, record, params, grads, velocity);
    Ok(Output::Singles(params))
}

fn clip_scale(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (grads, norm, clip) = (workshop.normal(n)?, workshop.empty(1)?, workshop.empty(1)?);
    let scratch = workshop.empty(reduce::sum_scratch_len(n))?;
    optimizer::clip_scale(&mut workshop.launches, grads, 1.0, norm, clip, scratch);
    Ok(Output::Singles(clip))
}
