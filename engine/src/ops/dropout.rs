//! y = x / (1 − p) where a draw says so, with probability 1 − p, else 0 (Srivastava and others, 2014).
//!
//! The draw is a pure function of seed, step, the node's index and the element's, so that any number of threads draws the same,
//! and the backward draws it again instead of keeping it.
//!
//! - CPU: `kernels/src/cpu/dropout.rs`
//! - GPU: none, no kernel draws uniform numbers
//! - PyTorch: none, PyTorch draws other numbers

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::dropout::{Mask, dropout};

use super::case::{Spec, case};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Op, Reads};
use crate::{Clock, Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Dropout {
    p: f64,
}

fn mask(clock: Clock, node: u64) -> Mask {
    Mask { key: clock.key(), stream: node }
}

impl<T: Float> Op<T> for Dropout {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![("p", Attribute::Number(self.p))]
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn forward(&self, run: Forward<'_, T>) {
        dropout(run.team, mask(run.clock, run.node), self.p, run.x[0], run.y, false);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx = dy / (1 − p) where x was kept, else 0
        let Some(dx) = run.dx.take(0) else { return };
        dropout(run.team, mask(run.clock, run.node), self.p, run.dy, dx.values, dx.add);
    }
}

impl<T: Float> Tape<T> {
    /// Each element 0 with probability `p`, else divided by 1 − p, so that the mean stays: for a tape that trains. For inference
    /// nothing is recorded; see [`nn::Dropout`](crate::nn::Dropout). With p = 0 it is `x` itself.
    ///
    /// # Errors
    /// If `p` is not from 0 up to below 1.
    pub fn dropout(&mut self, x: Tensor, p: f64) -> Result<Tensor> {
        if !(0.0..1.0).contains(&p) {
            return Err(Error::shape(SPEC.name, format!("p is {p}, expected a number from 0 up to below 1")));
        }
        if p == 0.0 { self.require_own(SPEC.name, &[x]).map(|()| x) } else { self.record(Dropout { p }, &[x]) }
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "dropout",
    formula: "y = x / (1 − p) with probability 1 − p, else 0",
    draw: |draw| {
        let (shape, p) = ([draw.batch(), draw.extent(), draw.extent()], draw.number(0.05, 0.8));
        case!(format!("{shape:?} p = {p:.2}"), vec![draw.values(shape)], |tape, x| tape.dropout(x[0], p))
    },
};

#[cfg(test)]
mod tests {
    use crate::{Clock, Compile, Init, Params, Tape, Team};

    #[test]
    fn gradients_pass_where_values_did_and_each_step_and_node_draws_its_own() {
        let (mut params, mut tape) = (Params::<f32>::new(), Tape::new());
        let x = params.declare("x", [1000], Init::Normal);
        params.value_mut(&x).fill(1.0);
        let at_x = tape.param(&x);
        let (y, other) = (tape.dropout(at_x, 0.25).unwrap(), tape.dropout(at_x, 0.25).unwrap());
        let loss = tape.sum(y).unwrap();
        let mut plan = tape.compile(Compile { loss: Some(loss), keep: &[y, other], ..Compile::default() });
        let mut masks = Vec::new();
        for step in [0, 1, 0] {
            plan.forward(&params, &Team::solo(), Clock { seed: 3, step });
            plan.backward(&mut params, &Team::solo());
            assert_eq!(plan.value(y), params.grad(&x));
            assert!(plan.value(y).iter().all(|&y| y == 0.0 || (y - 4.0 / 3.0).abs() < 1e-6));
            assert_ne!(plan.value(y), plan.value(other));
            masks.push(plan.value(y).to_vec());
            params.discard_gradients();
        }
        assert!(masks[0] == masks[2] && masks[0] != masks[1]);

        let mut tape = Tape::<f32>::new();
        let x = tape.input("x", [2]);
        assert_eq!(tape.dropout(x, 0.0).unwrap(), x);
        let refused = tape.dropout(x, 1.0).unwrap_err().to_string();
        assert_eq!(refused, "dropout: p is 1, expected a number from 0 up to below 1");
    }
}
