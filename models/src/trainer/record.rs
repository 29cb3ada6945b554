//! A run's records: what is measured when, and written down.

use inkgrad_engine::Team;

use super::compute::Compute;
use super::losses::{Losses, Sums};
use super::on_device::Part;
use super::{Observer, Trainer};
use crate::Result;
use crate::ranks::agree;
use crate::run::records::{Record, Split, Terms};

impl Trainer {
    /// Records the training loss since the last record, and the losses on held-back drawings, which [`Stepper::evaluate`] measures
    /// with the same noise every time. Returns whether the
    /// validation loss has stopped improving.
    pub(super) fn record(
        &mut self,
        compute: &mut Compute,
        team: &Team,
        seconds: f64,
        observer: &mut dyn Observer,
    ) -> Result<bool> {
        let epoch = self.batches.epoch(self.step);
        let names: Vec<String> = self.network.terms().iter().map(|&name| name.to_owned()).collect();
        let make = |split, losses: Losses| Record {
            terms: Terms(names.iter().cloned().zip(losses.terms).collect()),
            seconds: Some(seconds),
            ..Record::new(self.step, epoch, split, losses.loss)
        };
        let lr = Some(self.rate(self.step - 1));
        let mut records = vec![Record { lr, ..make(Split::Train, self.sums.mean()) }];
        self.sums = Sums::default();
        let mut converged = false;
        let last = self.step == self.batches.total();
        if self.batches.evaluation_due(self.step, self.config.log_every) {
            if !self.batches.validation().is_empty() {
                let held_back = self.batches.validation();
                let losses = self.evaluate(compute, Part::Training, held_back, team)?;
                records.push(make(Split::Val, losses));
                self.since_best += 1;
                if self.best.is_none_or(|best| losses.loss < best) {
                    // The weights are written with the checkpoint.
                    (self.best, self.best_step, self.since_best) = (Some(losses.loss), Some(self.step), 0);
                }
                converged = self.config.patience.is_some_and(|patience| self.since_best >= patience);
            }
            if !self.dataset.test.is_empty() && (self.batches.by_epoch() || last || converged) {
                let all: Vec<usize> = (0..self.dataset.test.len()).collect();
                let losses = self.evaluate(compute, Part::Test, &all, team)?;
                records.push(make(Split::Test, losses));
            }
        }
        self.pending.clone_from(&records);
        let written = self.write_records(&records, observer);
        agree(&*self.ranks, written)?;
        Ok(converged)
    }

    fn write_records(&mut self, records: &[Record], observer: &mut dyn Observer) -> Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        for record in records {
            log.append(record)?;
            observer.record(record);
        }
        log.sync()?;
        self.folder.check_in_place()?;
        self.write_events(records)
    }
}
