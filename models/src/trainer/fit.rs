//! Training without a run folder, for networks that only serve a measurement.

use inkgrad_engine::Clock;
use inkgrad_engine::optim::Average;

use super::batches::Batches;
use super::step::Stepper;
use crate::data::Examples;
use crate::model::{Network, Spec};
use crate::run::config::Config;
use crate::{Error, Result};

/// Trains the model `spec` as `config` describes it on `data`, in memory; with `ema`, its weights are the average. The same configuration
/// and data give the same network. `watch` is told after each step how many are done, and of how many.
///
/// # Errors
/// If the configuration does not fit the data, or the loss is not finite.
pub fn fit(spec: Spec, config: &Config, data: &Examples, watch: &mut dyn FnMut(usize, usize)) -> Result<Network<f32>> {
    let mut network = Network::new(spec, config)?;
    network.initialise(config.seed);
    super::init::freeze(config, &mut network)?;
    let mut batches = Batches::new(config, data.len())?;
    let (mut optimizer, schedule) =
        super::optimizer(config, batches.total(), network.params.count(), 0..network.params.count());
    let mut average = config.ema.map(|decay| Average::new(&network.params, decay));
    let mut stepper = Stepper::for_run(config);
    config.precision.pool(config.threads).enter(|team| {
        for step in 0..batches.total() {
            stepper.augmentation = batches.augmentation(config, step);
            let (clock, rate) = (Clock { seed: config.seed, step }, schedule.rate(config.lr, step));
            stepper
                .step(&mut network, &mut optimizer, data, batches.next(step), clock, rate, team)
                .map_err(|error| Error::input(&config.model, format!("step {}: {error}", step + 1)))?;
            average.iter_mut().for_each(|average| average.update(&network.params, team));
            watch(step as usize + 1, batches.total() as usize);
        }
        average.iter_mut().for_each(|average| average.swap(&mut network.params));
        Ok(network)
    })
}
