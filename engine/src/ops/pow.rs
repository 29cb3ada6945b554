//! y = xᵖ with a constant p.
//!
//! - CPU: the loops below
//! - GPU: none, no kernel has logarithms
//! - PyTorch: `pow` in `ops.json`

use inkgrad_kernels::Float;

use super::case::{Spec, case};
use super::{for_pieces, piece, put};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Pow(f64);

/// xᵖ; of 2 and 1, by which most x are raised, without a logarithm.
#[inline(always)]
fn power<T: Float>(x: T, p: f64) -> T {
    match p {
        1.0 => x,
        2.0 => x * x,
        _ => T::from_f64(x.to_f64().powf(p)),
    }
}

impl<T: Float> Op<T> for Pow {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![("p", Attribute::Number(self.0))]
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0])
    }

    fn forward(&self, run: Forward<'_, T>) {
        let x = run.x[0];
        for_pieces(run.team, run.y, |i, y| y.iter_mut().zip(piece(x, i)).for_each(|(y, &x)| *y = power(x, self.0)));
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx = p · xᵖ⁻¹ · dy, and 0 for p = 0 even where x⁻¹ is infinite
        let Some(dx) = run.dx.take(0) else { return };
        let p = T::from_f64(self.0);
        for_pieces(run.team, dx.values, |i, d| {
            for ((d, &x), &dy) in d.iter_mut().zip(piece(run.x[0], i)).zip(piece(run.dy, i)) {
                let slope = if self.0 == 0.0 { T::ZERO } else { p * power(x, self.0 - 1.0) };
                put(d, slope * dy, dx.add);
            }
        });
    }
}

impl<T: Float> Tape<T> {
    /// xᵖ, element by element. Of a negative x it is NaN unless `p` is a whole number; its gradient at 0 is infinite for p
    /// below 1 and not 0.
    ///
    /// # Errors
    /// If `p` is not finite.
    pub fn pow(&mut self, x: Tensor, p: f64) -> Result<Tensor> {
        if !p.is_finite() {
            return Err(crate::Error::shape(SPEC.name, format!("p is {p}, expected a finite number")));
        }
        self.record(Pow(p), &[x])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "pow",
    formula: "y = xᵖ",
    draw: |draw| {
        const WHOLE: [f64; 5] = [2.0, 3.0, -1.0, 1.0, 0.0];
        let (shape, whole) = ([draw.batch(), draw.extent(), draw.extent()], draw.coin());
        let p = if whole { WHOLE[draw.whole(0, 4)] } else { draw.number(-1.5, 2.5) };
        let mut x = draw.values(shape);
        // Far enough from 0 for x⁻² to have a slope; negative ones have whole powers alone.
        x.values.iter_mut().for_each(|x| *x = if whole { *x + 0.3 * x.signum() } else { x.abs() + 0.3 });
        case!(format!("{shape:?} p = {p:.2}"), vec![x], |tape, x| tape.pow(x[0], p))
    },
};

#[cfg(test)]
mod tests {
    use crate::{Clock, Compile, Init, Params, Tape, Team};

    #[test]
    fn the_power_zero_has_no_slope_and_one_that_is_not_finite_is_refused() {
        let (mut params, mut tape) = (Params::<f32>::new(), Tape::new());
        let x = params.declare("x", [2], Init::Normal); // zeros
        let at_x = tape.param(&x);
        let y = tape.pow(at_x, 0.0).unwrap();
        let loss = tape.sum(y).unwrap();
        let mut plan = tape.compile(Compile { loss: Some(loss), keep: &[y], ..Compile::default() });
        plan.forward(&params, &Team::solo(), Clock::default());
        plan.backward(&mut params, &Team::solo());
        assert_eq!((plan.value(y), params.grad(&x)), (&[1.0; 2][..], &[0.0; 2][..]));

        let mut tape = Tape::<f32>::new();
        let x = tape.input("x", [2]);
        assert_eq!(tape.pow(x, f64::NAN).unwrap_err().to_string(), "pow: p is NaN, expected a finite number");
    }
}
