//! Where the plans of a network in use are replayed: on the processor, or on a device that holds its parameters.

use std::fmt;

use inkgrad_engine::device::plan::DevicePlan;
use inkgrad_engine::device::state::State;
use inkgrad_engine::optim::Optimizer;
use inkgrad_engine::{Clock, Compile, DeviceError, Params, Plan, Pool, Tape, Tensor};
use inkgrad_kernels::launch;

use crate::model::config::DeviceKind;
use crate::{Error, Result};

/// The processor's threads, and the device that computes in their place, if any.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) pool: Pool,
    device: Option<OnDevice>,
}

/// A device, and a network's parameters on it.
struct OnDevice {
    kind: DeviceKind,
    device: Box<dyn launch::Device>,
    state: State,
}

/// A compiled tape, for the processor or for the device.
#[derive(Debug)]
pub(crate) enum Compiled {
    Processor(Box<Plan<f32>>),
    Device(Box<DevicePlan>),
}

impl Machine {
    /// `threads` threads of the processor.
    pub(crate) fn new(threads: usize) -> Self {
        Machine { pool: Pool::new(threads), device: None }
    }

    /// The same with `kind` computing. Plans that were compiled before are of no use on it.
    ///
    /// # Errors
    /// If the device cannot be used, or has too little memory for the parameters.
    pub(crate) fn on(self, kind: DeviceKind, params: &Params<f32>) -> Result<Self> {
        let found = |error: DeviceError| Error::input("--device", format!("{kind}: {error}"));
        let Some(mut device) = kind.open()? else {
            return Ok(Machine { device: None, ..self });
        };
        // Nothing is trained: the rule with the fewest moments.
        let state = State::new(&mut *device, params, &Optimizer::sgd(params, 0.0)).map_err(found)?;
        Ok(Machine { device: Some(OnDevice { kind, device, state }), ..self })
    }

    /// The device that computes.
    pub(crate) fn kind(&self) -> DeviceKind {
        self.device.as_ref().map_or(DeviceKind::Cpu, |on| on.kind)
    }

    /// Compiles a tape whose values `keep` are read afterwards.
    ///
    /// # Errors
    /// If the device has no kernels for one of its operations, or too little memory.
    pub(crate) fn compile(&mut self, tape: Tape<f32>, keep: &[Tensor], params: &Params<f32>) -> Result<Compiled> {
        let options = Compile { keep, ..Compile::default() };
        Ok(match &mut self.device {
            None => Compiled::Processor(Box::new(tape.compile(options))),
            Some(on) => {
                let kind = on.kind;
                let plan = DevicePlan::new(tape, options, params, &on.state, &mut *on.device)
                    .map_err(|error| Error::input("--device", format!("{kind}: {error}, expected cpu")))?;
                Compiled::Device(Box::new(plan))
            }
        })
    }

    /// Fills an input, which `write` writes whole, with the processor's threads if it likes.
    ///
    /// # Errors
    /// If the device was lost.
    pub(crate) fn fill(&mut self, plan: &mut Compiled, x: Tensor, write: impl FnOnce(&Pool, &mut [f32])) -> Result<()> {
        match plan {
            Compiled::Processor(plan) => write(&self.pool, plan.input(x)),
            Compiled::Device(plan) => {
                let mut values = vec![0.0; plan.input(x).len];
                write(&self.pool, &mut values);
                plan.write(self.device(), x, &values).map_err(lost)?;
            }
        }
        Ok(())
    }

    /// Computes the values of a plan whose inputs are filled.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn forward(&mut self, plan: &mut Compiled, params: &Params<f32>) -> Result<()> {
        match plan {
            Compiled::Processor(plan) => self.pool.enter(|team| plan.forward(params, team, Clock::default())),
            Compiled::Device(plan) => {
                let OnDevice { device, state, .. } = self.device.as_mut().expect("the device of its plan");
                state.window.single(&mut **device, Clock::default()).map_err(lost)?;
                plan.forward.iter().try_for_each(|launch| device.launch(launch)).map_err(lost)?;
            }
        }
        Ok(())
    }

    /// Appends a value that was kept to `values`.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn read(&mut self, plan: &Compiled, x: Tensor, values: &mut Vec<f32>) -> Result<()> {
        match plan {
            Compiled::Processor(plan) => values.extend_from_slice(plan.value(x)),
            Compiled::Device(plan) => values.extend(plan.read(self.device(), x).map_err(lost)?),
        }
        Ok(())
    }

    /// Gives back the memory of a plan that is not used any more.
    ///
    /// # Errors
    /// If the device was lost.
    pub(crate) fn release(&mut self, plan: Compiled) -> Result<()> {
        match plan {
            Compiled::Processor(_) => Ok(()),
            Compiled::Device(plan) => plan.free(self.device()).map_err(lost),
        }
    }

    fn device(&mut self) -> &mut dyn launch::Device {
        &mut *self.device.as_mut().expect("the device of its plan").device
    }
}

fn lost(error: DeviceError) -> Error {
    inkgrad_engine::Error::from(error).into()
}

impl fmt::Debug for OnDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDevice").field("kind", &self.kind).field("state", &self.state).finish_non_exhaustive()
    }
}
