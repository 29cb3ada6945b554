//! The drawings of a step, and the parts of them that are computed one after the other, or by several ranks.

use std::ops::Range;

use crate::data::{Images, LabelsOf};
use crate::ranks::{Ranks, own_parts};

/// The seed of the noise that drawings are evaluated with.
pub(super) const EVALUATION_SEED: u64 = 0x65_76_61_6c;

/// The drawings of a step, or those of them that are at hand.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    /// These, unless a device has them all.
    pub(super) images: Option<&'a Images>,
    /// Where they are among these images.
    pub(super) rows: &'a [usize],
    /// Their numbers in the data, by which they have their labels and are changed.
    pub(super) numbers: &'a [usize],
    /// The labels of the data.
    pub(super) labels: &'a dyn LabelsOf,
    /// How many drawings of the step come before these.
    before: usize,
    /// How many the step has.
    pub(super) of: usize,
}

impl<'a> Batch<'a> {
    /// Some of those in memory.
    pub(super) fn of(images: &'a Images, labels: &'a dyn LabelsOf, numbers: &'a [usize]) -> Self {
        Self::read(images, labels, numbers, numbers)
    }

    /// Images that were read for this step, which are all of these, in `rows` from 0 on.
    pub(super) fn read(images: &'a Images, labels: &'a dyn LabelsOf, numbers: &'a [usize], rows: &'a [usize]) -> Self {
        Batch { images: Some(images), rows, ..Self::on_device(labels, numbers) }
    }

    /// Some of those that a device has: their numbers are all that it is told.
    pub(super) fn on_device(labels: &'a dyn LabelsOf, numbers: &'a [usize]) -> Self {
        Batch { images: None, rows: numbers, numbers, labels, before: 0, of: numbers.len() }
    }

    /// The same of a step of `of` drawings, of which these are those behind `before` others.
    pub(super) fn within(self, before: usize, of: usize) -> Self {
        Batch { before, of, ..self }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Some of the step's, which are at hand, as a batch of their own.
    pub(super) fn part(self, range: Range<usize>) -> Self {
        let range = range.start - self.before..range.end - self.before;
        Batch {
            rows: &self.rows[range.clone()],
            numbers: &self.numbers[range.clone()],
            before: 0,
            of: range.len(),
            ..self
        }
    }
}

/// Into how many parts a step of `drawings` drawings is cut.
pub(super) fn parts_of(accumulate: usize, drawings: usize) -> usize {
    accumulate.clamp(1, drawings.max(1))
}

/// Those of a step's drawings that a rank computes.
pub(super) fn own_drawings(accumulate: usize, drawings: usize, ranks: &dyn Ranks) -> Range<usize> {
    let parts = parts_of(accumulate, drawings);
    let own = own_parts(parts, ranks.rank(), ranks.size());
    own.start * drawings / parts..own.end * drawings / parts
}

/// Those of an evaluation's drawings, in batches of `batch`, that a rank computes, and the number of the first batch.
pub(super) fn own_batches<'a>(indices: &'a [usize], batch: usize, ranks: &dyn Ranks) -> (&'a [usize], u64) {
    let own = own_parts(indices.len().div_ceil(batch), ranks.rank(), ranks.size());
    (&indices[own.start * batch..indices.len().min(own.end * batch)], own.start as u64)
}

/// Passes over the drawings before step `step`, from 0; infinity where a pass has no length.
pub(super) fn epoch(steps_per_epoch: Option<f64>, step: u64) -> f64 {
    steps_per_epoch.map_or(f64::INFINITY, |steps| step as f64 / steps)
}
