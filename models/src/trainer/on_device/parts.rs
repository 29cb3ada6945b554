//! Gradients of a step's parts on a device: it computes them, the processor sums them, moves the parameters, and gives them back.

use inkgrad_engine::device::Precision;
use inkgrad_engine::optim::Optimizer;
use inkgrad_engine::{Clock, Error, Result};
use inkgrad_kernels::launch;

use super::{DeviceStepper, EVALUATION_SEED, List, Losses, Part, Row, Sums, launch_list};
use crate::model::Network;

impl DeviceStepper {
    /// One that computes gradients and takes no step.
    ///
    /// # Errors
    /// If the device has too little memory.
    pub(in crate::trainer) fn of_gradients(
        device: Box<dyn launch::Device>,
        precision: Precision,
        network: &Network<f32>,
    ) -> Result<Self> {
        // The rule with the fewest moments.
        let stepper = Self::on(device, precision, network, &Optimizer::sgd(&network.params, 0.0))?;
        Ok(DeviceStepper { update: Vec::new(), ..stepper })
    }

    /// The processor has moved the parameters: the device's copy is out of date.
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
        let losses = self.gradient_there(network, batch, clock, epoch)?;
        self.state.download_grads(&mut *self.device, &mut network.params)?;
        // Parameters that no loss depends on have a gradient of zero.
        network.params.set_live(&vec![true; network.params.iter().count()]);
        Ok(losses)
    }

    /// The same without bringing the gradient here.
    pub(super) fn gradient_there(
        &mut self,
        network: &Network<f32>,
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
        launch_list(&mut *self.device, self.graphs, number, launches)?;
        let totals = self.state.window.read(&mut *self.device)?;
        Ok(self.named(&totals.sums).mean())
    }
}

#[cfg(test)]
mod tests {
    use inkgrad_engine::Team;
    use inkgrad_engine::device::Kind;

    use super::*;
    use crate::data;
    use crate::model::{Models, Value};
    use crate::trainer::Stepper;

    #[test]
    fn evaluations_are_those_of_the_processor_also_of_parameters_that_it_has_moved() {
        let models = Models::builtin();
        let dataset = data::builtin(20, 1).unwrap();
        let mut config = models.defaults("cvae").unwrap();
        config.classes.clone_from(&dataset.classes);
        config
            .options
            .extend([("latent", "4"), ("channels", "4,6")].map(|(name, value)| (name.to_owned(), Value::parse(value))));
        config.validate(&models).unwrap();
        let mut network: Network<f32> = models.build(&config).unwrap();
        network.initialise(3);
        let device = Kind::Emulated.open(Precision::Fp32).unwrap().unwrap();
        let mut stepper = DeviceStepper::of_gradients(device, Precision::Fp32, &network).unwrap();
        stepper.upload(Part::Test, &dataset.train).unwrap();
        let drawings = [0, 3, 1, 7, 5];
        for factor in [1.0, 1.25] {
            network.params.values.iter_mut().for_each(|value| *value *= factor);
            stepper.outdate();
            // The second of three batches on, as another rank has them.
            let found: Vec<Losses> = [(0, &drawings[..2]), (1, &drawings[2..])]
                .into_iter()
                .flat_map(|(first, own)| stepper.evaluate_batches(&network, Part::Test, own, 2, first).unwrap())
                .collect();
            let mut mean = Sums::default();
            found.iter().for_each(|losses| mean.add(losses));
            let expected = Stepper::default().evaluate(&network, &dataset.train, &drawings, 2, &Team::solo());
            assert_eq!(found.len(), 3);
            assert_eq!(mean.mean().drawings, expected.drawings);
            let error = (mean.mean().loss - expected.loss).abs() / expected.loss;
            assert!(error < 1e-5, "{} for {}", mean.mean().loss, expected.loss);
        }
    }
}
