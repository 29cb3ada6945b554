//! z = μ + e^{½ logσ²} · ε with ε ~ N(0, I) (Kingma and Welling, "Auto-encoding variational Bayes", 2014, section 2.4).
//!
//! ε is a pure function of seed, step and the node's index, so that any device and any number of threads draws the same.
//!
//! - CPU: `kernels/src/cpu/rng.rs`
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/random.ptx`
//! - PyTorch: `reparameterise` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::rng;
use inkgrad_kernels::cpu::simd::Baseline;
use inkgrad_kernels::gpu::{Launches, elementwise, random};

use super::case::{Spec, case};
use super::elementwise::{PIECE, equal_shapes, put};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Reparameterize {
    /// Whether ε is a third input instead of drawn.
    given: bool,
}

impl<T: Float> Op<T> for Reparameterize {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![("given", Attribute::Flag(self.given))]
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        equal_shapes(SPEC.name, if self.given { "mu, logvar and noise" } else { "mu and logvar" }, inputs)
    }

    fn memory(&self, _: &[Shape], output: Shape) -> Memory {
        // σ · ε, which both gradients need.
        Memory { saved: output.len(), ..Memory::NONE }
    }

    fn reads(&self) -> Reads {
        if self.given { Reads::inputs(&[1]) } else { Reads::NOTHING }
    }

    fn flops(&self, _: &[Shape], output: Shape) -> u64 {
        4 * output.len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (mu, logvar) = (run.x[0], run.x[1]);
        let half = T::from_f64(0.5);
        if self.given {
            run.saved.copy_from_slice(run.x[2]);
        } else {
            rng::fill_normal(run.team, run.clock.key(), run.node, 0, run.saved);
        }
        run.team.pieces([(run.y, PIECE), (run.saved, PIECE)], |i, [z, noise]| {
            let first = i * PIECE;
            for (j, (z, noise)) in z.iter_mut().zip(noise).enumerate() {
                *noise *= (half * logvar[first + j]).exp::<Baseline>();
                *z = mu[first + j] + *noise;
            }
        });
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        let half = T::from_f64(0.5);
        if let Some(dmu) = run.dx.take(0) {
            // dμ = dz
            dmu.values.iter_mut().zip(run.dy).for_each(|(d, &dz)| put(d, dz, dmu.add));
        }
        if let Some(dlogvar) = run.dx.take(1) {
            // dlogσ² = dz · ½ σ ε
            for ((d, &dz), &noise) in dlogvar.values.iter_mut().zip(run.dy).zip(run.saved) {
                put(d, half * dz * noise, dlogvar.add);
            }
        }
        if let Some(dnoise) = self.given.then(|| run.dx.take(2)).flatten() {
            // dε = dz · σ
            for ((d, &dz), &logvar) in dnoise.values.iter_mut().zip(run.dy).zip(run.x[1]) {
                put(d, dz * (half * logvar).exp::<Baseline>(), dnoise.add);
            }
        }
    }
}

impl DeviceOp for Reparameterize {
    fn device_memory(&self, _: &[Shape], output: Shape) -> Memory {
        Memory { saved: output.len(), ..Memory::NONE }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        let noise = self.given.then(|| run.x[2]);
        random::reparameterize(launches, run.x[0], run.x[1], noise, run.record, run.node, run.saved, run.y);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        if let Some(dmu) = run.dx[0] {
            elementwise::copy(launches, run.dy, dmu);
        }
        if let Some(dlogvar) = run.dx[1] {
            random::reparameterize_backward_logvar(launches, run.saved, run.dy, dlogvar);
        }
        if let Some(dnoise) = run.dx[2] {
            random::reparameterize_backward_noise(launches, run.x[1], run.dy, dnoise);
        }
    }
}

impl<T: Float> Tape<T> {
    /// A draw from N(μ, σ²) that gradients pass through; `mu` and `logvar` of equal shape.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn reparameterize(&mut self, mu: Tensor, logvar: Tensor) -> Result<Tensor> {
        self.record(Reparameterize { given: false }, &[mu, logvar])
    }

    /// The same with the noise ε as a value of its own, of the shape of `mu`: for comparisons, which need a known one.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn reparameterize_with(&mut self, mu: Tensor, logvar: Tensor, noise: Tensor) -> Result<Tensor> {
        self.record(Reparameterize { given: true }, &[mu, logvar, noise])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "reparameterize",
    formula: "z = μ + exp(½ logσ²)·ε",
    draw: |draw| {
        let (shape, given) = ([draw.batch(), draw.extent()], draw.coin());
        let inputs = (0..if given { 3 } else { 2 }).map(|_| draw.values(shape)).collect();
        let label = format!("{shape:?}, noise {}", if given { "given" } else { "drawn" });
        case!(label, inputs, |tape, x| match *x {
            [mu, logvar, noise] => tape.reparameterize_with(mu, logvar, noise),
            _ => tape.reparameterize(x[0], x[1]),
        })
    },
};
