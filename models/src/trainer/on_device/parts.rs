//! Gradients of a step's parts on a device: it computes them, the processor sums them, moves the parameters, and gives them back.

use inkgrad_engine::{Clock, Error, Result};

use super::{DeviceStepper, EVALUATION_SEED, List, Losses, Part, Row, Sums, launch};
use crate::model::Network;

impl DeviceStepper {
    /// Parameters that the device has are no longer the network's: the processor has moved those.
    pub(in crate::trainer) fn outdate(&mut self) {
        self.is_outdated = true;
    }

    /// Gives the device the network's parameters where it has others.
    fn renew(&mut self, network: &Network<f32>) -> Result<()> {
        if self.is_outdated {
            self.state.upload_values(&mut *self.device, &network.params)?;
            self.is_outdated = false;
        }
        Ok(())
    }

    /// Computes the gradient of the loss of the drawings `batch` to train on into the network's, and gives the losses.
    pub(in crate::trainer) fn gradient(
        &mut self,
        network: &mut Network<f32>,
        batch: &[usize],
        clock: Clock,
        epoch: f64,
    ) -> Result<Losses> {
        self.renew(network)?;
        let losses = self.losses(network, (Part::Training, List::Gradient), batch, clock, epoch)?;
        if !losses.loss.is_finite() {
            let node = self.plans[&(Part::Training, batch.len())].graph.loss.tensor.index();
            return Err(Error::NotFinite { op: "loss".to_owned(), node });
        }
        self.state.download_grads(&mut *self.device, &mut network.params)?;
        // Parameters that no loss depends on have a gradient of zero.
        network.params.set_live(&vec![true; network.params.iter().count()]);
        Ok(losses)
    }

    /// The losses on each batch of some drawings of a part, the first of which is the batch `number` of an evaluation, as
    /// [`Stepper::evaluate`](crate::trainer::Stepper::evaluate).
    pub(in crate::trainer) fn evaluate_batches(
        &mut self,
        network: &Network<f32>,
        part: Part,
        indices: &[usize],
        batch: usize,
        number: u64,
    ) -> Result<Vec<Losses>> {
        self.renew(network)?;
        let evaluate = |(batch, step): (&[usize], u64)| {
            let clock = Clock { seed: EVALUATION_SEED, step };
            self.losses(network, (part, List::Forward), batch, clock, f64::INFINITY)
        };
        indices.chunks(batch).zip(number..).map(evaluate).collect()
    }

    /// The losses of one batch, after a list was launched for it alone.
    fn losses(
        &mut self,
        network: &Network<f32>,
        (part, list): (Part, List),
        batch: &[usize],
        clock: Clock,
        epoch: f64,
    ) -> Result<Losses> {
        let row = Row { clock, lr: 0.0, step: 1, batch: 0 };
        self.fill(network, part, &Sums::default(), std::iter::once((batch, row)), |_| epoch)?;
        let (number, launches) = self.plans[&(part, batch.len())].list(list);
        launch(&mut *self.device, self.graphs, number, launches)?;
        let totals = self.state.window.read(&mut *self.device)?;
        Ok(self.named(&totals.sums).mean())
    }
}
