//! KL(N(μ, σ²) ‖ N(0, I)) = −½ Σ (1 + logσ² − μ² − e^{logσ²}), summed over batch and dimensions (Kingma and Welling, 2014,
//! appendix B).
//!
//! - CPU: `kernels/src/cpu/loss.rs`
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/loss.ptx`, `kernels/ptx/reduce.ptx`
//! - PyTorch: `gaussian_kl` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::loss;
use inkgrad_kernels::gpu::{self, Launches};

use super::case::{Spec, case};
use super::{Reduction, equal_shapes, piece, pieces, sum_pieces};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct GaussianKl;

impl<T: Float> Op<T> for GaussianKl {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        equal_shapes(SPEC.name, "mu and logvar", inputs).map(|_| Shape::SCALAR)
    }

    fn memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        Memory { forward_scratch: pieces(inputs[0].len()), ..Memory::NONE }
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0, 1])
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        6 * inputs[0].len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        run.y[0] = sum_pieces(run.team, run.scratch, |i| loss::gaussian_kl(piece(run.x[0], i), piece(run.x[1], i)));
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        let dy = run.dy[0];
        if let Some(dmu) = run.dx.take(0) {
            // dμ = μ · dy
            loss::gaussian_kl_backward_mu(run.x[0], dy, dmu.values, dmu.add);
        }
        if let Some(dlogvar) = run.dx.take(1) {
            // dlogσ² = ½ (e^{logσ²} − 1) · dy
            loss::gaussian_kl_backward_logvar(run.x[1], dy, dlogvar.values, dlogvar.add);
        }
    }
}

impl DeviceOp for GaussianKl {
    fn device_memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        Memory { forward_scratch: gpu::reduce::sum_scratch_len(inputs[0].len()), ..Memory::NONE }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        gpu::loss::gaussian_kl(launches, run.x[0], run.x[1], run.y, run.scratch);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        if let Some(dmu) = run.dx[0] {
            gpu::loss::gaussian_kl_backward_mu(launches, run.x[0], run.dy, dmu);
        }
        if let Some(dlogvar) = run.dx[1] {
            gpu::loss::gaussian_kl_backward_logvar(launches, run.x[1], run.dy, dlogvar);
        }
    }
}

impl<T: Float> Tape<T> {
    /// The summed divergence of N(μ, σ²) from N(0, I), a scalar.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn gaussian_kl(&mut self, mu: Tensor, logvar: Tensor) -> Result<Tensor> {
        self.record(GaussianKl, &[mu, logvar])
    }

    /// The same with its terms' sum or mean over all elements.
    ///
    /// # Errors
    /// As [`Tape::gaussian_kl`].
    pub fn gaussian_kl_reduced(&mut self, mu: Tensor, logvar: Tensor, reduction: Reduction) -> Result<Tensor> {
        let loss = self.gaussian_kl(mu, logvar)?;
        let terms = self.shape(mu).len();
        self.reduce(loss, Reduction::Sum, reduction, terms)
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "gaussian_kl",
    formula: "y = −½ Σ (1 + logσ² − μ² − e^logσ²)",
    draw: |draw| {
        let shape = [draw.batch(), draw.extent(), draw.extent()];
        let (mu, mut logvar) = (draw.values(shape), draw.spread(shape));
        // A single e^40 in the sum would leave no digit of anything else.
        logvar.values.iter_mut().for_each(|v| *v = v.min(4.0));
        let reduction = draw.reduction();
        let label = format!("{shape:?} {reduction:?}");
        case!(label, vec![mu, logvar], |tape, x| tape.gaussian_kl_reduced(x[0], x[1], reduction))
    },
};
