//! The range test of learning rates (Smith 2017, *Cyclical learning rates for training neural networks*, section 3.3): a few steps
//! at a rate that rises exponentially show where the loss begins to fall, where it falls fastest, and where it explodes.

use inkgrad_engine::{Clock, Team};

use super::batches::Batches;
use super::step::Stepper;
use super::{init, loading, optimizer};
use crate::model::{Models, Network};
use crate::run::config::{Config, DeviceKind};
use crate::{Error, Result};

/// The rate of the first step.
const LOWEST: f64 = 1e-6;
/// The rate of the last.
const HIGHEST: f64 = 10.0;
/// How much of the smoothed loss is kept each step.
const KEPT: f64 = 0.9;
/// Steps at either end that are too noisy for a slope.
const MARGIN: usize = 5;

/// A step of the test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tried {
    /// The learning rate.
    pub lr: f64,
    /// The loss before it, per drawing.
    pub loss: f64,
    /// An exponential mean of the losses so far, without the bias of its start.
    pub smoothed: f64,
}

/// The outcome of the test.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeTest {
    /// Every step until the loss exploded, or all of them.
    pub tried: Vec<Tried>,
    /// The rate at which the smoothed loss falls fastest over the logarithm of the rate; `None` where it does not fall.
    pub steepest: Option<f64>,
    /// A tenth of the rate at which it is smallest: the rule of thumb, and a bound for the other.
    pub tenth_of_best: f64,
    /// Whether the loss exploded before the last step.
    pub exploded: bool,
}

impl RangeTest {
    /// The rate to train at.
    pub fn proposal(&self) -> Option<f64> {
        self.steepest
    }

    /// Makes of losses that were read what they say.
    fn new(tried: Vec<Tried>, exploded: bool) -> Self {
        let smallest = tried.iter().min_by(|a, b| a.smoothed.total_cmp(&b.smoothed));
        let tenth_of_best = smallest.map_or(LOWEST, |best| best.lr / 10.0);
        // After the smallest the loss rises for good.
        let until = smallest.map_or(0.0, |best| best.lr);
        let slope = |points: &[Tried]| {
            let (first, last) = (points[0], points[points.len() - 1]);
            let middle = points[points.len() / 2].lr;
            (middle, (last.smoothed - first.smoothed) / (last.lr / first.lr).ln())
        };
        let slopes = tried.windows(2 * MARGIN + 1).map(slope).filter(|(lr, slope)| *lr <= until && *slope < 0.0);
        let steepest = slopes.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(lr, _)| lr);
        RangeTest { tried, steepest, tenth_of_best, exploded }
    }
}

/// Takes `steps` steps of the run that a configuration describes, from its initial weights, at rates from 10⁻⁶ to 10; its
/// schedule and length take no part. Ends early once the smoothed loss has risen from its smallest by twice what it had fallen, and a
/// tenth of its size. Writes nothing. `watch` is told after each step how many are done, and of how many.
///
/// # Errors
/// If the configuration does not fit the data, or is for a device; if `steps` are too few for a slope.
pub fn range_test(
    models: &Models,
    mut config: Config,
    steps: usize,
    watch: &mut dyn FnMut(usize, usize),
) -> Result<RangeTest> {
    if config.device != DeviceKind::Cpu {
        let problem = format!("{} with --lr-find, which runs on the processor alone, expected cpu", config.device);
        return Err(Error::input("--device", problem));
    }
    config.precision.check(config.device)?;
    if steps < 4 * MARGIN {
        return Err(Error::input("--lr-find-steps", format!("{steps}, expected at least {}", 4 * MARGIN)));
    }
    let (dataset, _) = loading::open(&config, false, Some(config.data_memory), false, &mut |_, _| {})?;
    config.own_validation = dataset.validation;
    config.classes.clone_from(&dataset.classes);
    config.image = dataset.train.images.extents();
    config.validate(models)?;
    let mut batches = Batches::new(&config, dataset.train.len())?;
    let mut network: Network<f32> = models.build(&config)?;
    init::check_memory(&config, &network)?;
    network.initialise(config.seed);
    init::apply(models, &config, &mut network)?;
    init::freeze(&config, &mut network)?;
    let (mut optimizer, _) = optimizer(&config, steps as u64, network.params.count(), 0..network.params.count());
    let mut stepper = Stepper::for_run(&config);
    stepper.steps_per_epoch = Some(batches.steps_of_a_pass());
    config.precision.pool(config.threads).enter(|team: &Team| {
        let (mut tried, mut mean, mut smallest) = (Vec::<Tried>::with_capacity(steps), 0.0, f64::INFINITY);
        for step in 0..steps {
            let lr = LOWEST * (HIGHEST / LOWEST).powf(step as f64 / (steps - 1) as f64);
            let clock = Clock { seed: config.seed, step: step as u64 };
            // Wherever they are: a hundred steps are not worth reading ahead for.
            let drawings = dataset.train.take(batches.next(step as u64))?;
            let all: Vec<usize> = (0..drawings.len()).collect();
            let stepped = stepper.step(&mut network, &mut optimizer, &drawings, &all, clock, lr, team);
            let losses = match stepped {
                Ok(losses) => losses,
                // That of the first step does not depend on a rate.
                Err(error) if tried.is_empty() => return Err(Error::input(&config.model, format!("step 1: {error}"))),
                Err(_) => return Ok(RangeTest::new(tried, true)),
            };
            mean = KEPT * mean + (1.0 - KEPT) * losses.loss;
            let smoothed = mean / (1.0 - KEPT.powi(step as i32 + 1));
            tried.push(Tried { lr, loss: losses.loss, smoothed });
            smallest = smoothed.min(smallest);
            watch(step + 1, steps);
            if smoothed - smallest > 2.0 * (tried[0].smoothed - smallest) + 0.1 * smallest.abs() {
                return Ok(RangeTest::new(tried, true));
            }
        }
        Ok(RangeTest::new(tried, false))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test whose smoothed losses are those of a function of log₁₀ of the rate.
    fn of(loss: impl Fn(f64) -> f64) -> RangeTest {
        let exponents = (0..=140).map(|i| -6.0 + f64::from(i) / 20.0);
        let tried = exponents.map(|x| Tried { lr: 10f64.powf(x), loss: loss(x), smoothed: loss(x) });
        RangeTest::new(tried.collect(), false)
    }

    #[test]
    fn the_proposal_is_where_the_loss_falls_fastest() {
        // A fall around 10⁻³, and a rise from 10⁻¹ on that turns into a steeper fall, which is of no use any more.
        let found =
            of(|x| -(2.0 * (x + 3.0)).tanh() + if x > -1.0 { 2.0 - 2.0 * (2.0 * (x + 1.0)).cos() } else { 0.0 });
        let lr = found.proposal().unwrap();
        assert!((lr.log10() + 3.0).abs() < 0.06, "{lr}");
        assert!((found.tenth_of_best.log10() + 2.0).abs() < 0.1, "{}", found.tenth_of_best);
        assert_eq!(of(|x| x).proposal(), None);
    }
}
