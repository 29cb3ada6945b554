//! Faulty operations and cases in the gradient check: each fails with a line that names operation, input and case, and how to
//! draw the same case again.

use super::{Outcome, check_case, check_op};
use crate::MAX_RANK;
use crate::op::Gradient;
use crate::ops::case::case;
use crate::ops::{Case, CaseInput, Draw, Spec};
use crate::prelude::*;

/// y = f(x), element by element, with a backward that is faulty in one way.
#[derive(Debug, Clone, Copy)]
enum Faulty {
    /// y = x²; the backward panics.
    Panics,
    /// y = x²; the backward takes a negative number's root in one element.
    Nan,
    /// y = x²; the backward overflows.
    Overflows,
    /// y = x²; the backward writes one element more than there is.
    Outside,
    /// y = x²; the backward reads x, which it does not get.
    Unread,
    /// y = x²; the backward adds where it has to write.
    AlwaysAdds,
    /// y = x²; the forward panics.
    Forward,
    /// y = 1/0.
    Infinite,
    /// The shape rule looks for a second input.
    Shape,
    /// y = |x|, with the gradient of x > 0.
    Abs,
    /// y = x^1.5, which is not defined below 0.
    Power,
    /// y = x², with the gradient of x³.
    Wrong,
}

impl<T: Float> Op<T> for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(if let Faulty::Shape = self { inputs[1] } else { inputs[0] })
    }

    fn reads(&self) -> Reads {
        if let Faulty::Unread = self { Reads::NOTHING } else { Reads::inputs(&[0]) }
    }

    fn forward(&self, run: Forward<'_, T>) {
        for (y, x) in run.y.iter_mut().zip(run.x[0].iter().map(|x| x.to_f64())) {
            *y = T::from_f64(match self {
                Faulty::Forward => panic!("no forward today"),
                Faulty::Infinite => f64::INFINITY,
                Faulty::Abs => x.abs(),
                Faulty::Power => x.powf(1.5),
                _ => x * x,
            });
        }
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        let Gradient { values, add } = run.dx.take(0).expect("the only input");
        for i in 0..run.dy.len() {
            let x = if let Faulty::Unread = self { run.x[0].get(i).copied() } else { Some(run.x[0][i]) };
            let Some(x) = x.map(|x| x.to_f64()) else { return };
            let slope = match self {
                Faulty::Panics => panic!("no backward today"),
                Faulty::Nan if i == 2 => (x.abs() - 3.0).sqrt(),
                Faulty::Overflows => x / 1e-320,
                Faulty::Abs => 1.0,
                Faulty::Power => 1.5 * x.abs().sqrt(),
                Faulty::Wrong => 3.0 * x * x,
                _ => 2.0 * x,
            };
            let shift = usize::from(matches!(self, Faulty::Outside));
            let add = add || matches!(self, Faulty::AlwaysAdds);
            put(&mut values[i + shift], T::from_f64(slope) * run.dy[i], add);
        }
    }
}

fn of(op: Faulty, shape: impl Into<Shape>, values: &[f64]) -> Case {
    let shape = shape.into();
    let inputs = vec![CaseInput { shape, values: values.to_vec(), differentiable: true }];
    case!(format!("x {shape}"), inputs, |tape, x| tape.record(op, x))
}

fn failure(case: &Case) -> String {
    let outcome: Outcome = check_case(case, &Team::solo(), 1).unwrap();
    assert!(!outcome.passes(), "{outcome}");
    outcome.to_string()
}

#[test]
fn what_an_operation_does_wrong_is_named() {
    for (op, expected) in [
        (Faulty::Panics, "panics in its backward: no backward today; `Op::reads` does not name the output"),
        (Faulty::Forward, "panics in its forward: no forward today"),
        (
            Faulty::Outside,
            "panics in its backward: index out of bounds: the len is 3 but the index is 3; `Op::reads` does not name the output",
        ),
        (Faulty::Nan, "computes NaN as element 2 of the gradient of input 0"),
        (
            Faulty::Unread,
            "leaves element 0 of the gradient of input 0 unwritten, or adds to it where it has to write; `Op::reads` names \
             neither input 0 nor the output",
        ),
        (
            Faulty::AlwaysAdds,
            "leaves element 0 of the gradient of input 0 unwritten, or adds to it where it has to write; `Op::reads` does not \
             name the output",
        ),
    ] {
        let found = failure(&of(op, [3], &[0.5, -1.0, 1.5]));
        assert_eq!(found, format!("x (3): `faulty` (node 1, inputs (3)) {expected}"), "{op:?}");
    }
    let found = failure(&of(Faulty::Overflows, [1], &[0.5]));
    assert!(found.starts_with("x (1): `faulty` (node 1, inputs (1)) computes "), "{found}");
    assert!(found.ends_with("inf as element 0 of the gradient of input 0"), "{found}");
    let found = failure(&of(Faulty::Infinite, [3], &[0.5, -1.0, 1.5]));
    assert_eq!(found, "x (3): the output of `faulty` (node 1) is the first that is not finite");
    let found = failure(&of(Faulty::Shape, [3], &[0.5, -1.0, 1.5]));
    let expected = "x (3): panics while it is recorded: index out of bounds: the len is 1 but the index is 1";
    assert_eq!(found, expected);
}

/// Analytic and numeric gradients stand in the message, with the input and its element.
#[test]
fn a_wrong_gradient_is_shown_beside_the_right_one() {
    let u = weight_of(&[1.0]);
    let found = failure(&of(Faulty::Wrong, [1], &[1.0]));
    let expected = format!(
        "x (1): error 3.3e-1 at input 0, element 0: the gradient is {:.6e}, by differences {:.6e}",
        3.0 * u,
        2.0 * u
    );
    assert_eq!(found, expected);
}

/// The weight that a check with seed 1 gives the only element, seen by the gradient of y = x.
fn weight_of(x: &[f64]) -> f64 {
    let mut u = vec![0.0; x.len()];
    inkgrad_kernels::cpu::rng::fill_normal(&Team::solo(), 1, u64::MAX, 0, &mut u);
    u[0]
}

/// The loss is 10⁹ times as large as what one input has to do with it: of so small a gradient, differences of short steps are mostly
/// rounding, and yet a wrong one is told from it.
#[test]
fn gradients_that_are_small_beside_the_loss_are_checked() {
    let beside = |wrong: bool| {
        let input = |values: &[f64]| CaseInput { shape: [2].into(), values: values.to_vec(), differentiable: true };
        case!("beside", vec![input(&[3.0, 2.0]), input(&[0.7, -0.4])], |tape, x| {
            let large = tape.mul(x[0], x[0])?;
            let square = if wrong { tape.record(Faulty::Wrong, &x[1..])? } else { tape.mul(x[1], x[1])? };
            let small = tape.scale(square, 1e-8)?;
            let both = tape.add(large, small)?;
            tape.sum(both)
        })
    };
    for seed in 0..20 {
        let outcome = check_case(&beside(false), &Team::solo(), seed).unwrap();
        assert!(outcome.passes(), "{outcome}");
    }
    let found = failure(&beside(true));
    assert!(found.contains("at input 1, element ") && found.contains("the gradient is"), "{found}");
}

#[test]
fn a_point_without_a_derivative_is_named() {
    let found = failure(&of(Faulty::Abs, [3], &[0.5, 0.0, 1.5]));
    assert!(found.starts_with("x (3): error ") && found.contains("input 0, element 1: the gradient is "), "{found}");
    assert!(found.contains("the slopes on the two sides are "), "{found}");
    assert!(found.ends_with(
        "so there is no derivative here: draw values away from this point, or look for a jump in the forward"
    ));
    // The engine's own, through several operations.
    let inputs = || vec![CaseInput { shape: [2].into(), values: vec![1.0, 0.0], differentiable: true }];
    let found = failure(&case!("a corner", inputs(), |tape, x| {
        let y = tape.scale(x[0], 3.0)?;
        tape.relu(y)
    }));
    assert!(found.starts_with("a corner: error ") && found.contains("no derivative here"), "{found}");
    // Where the gradient is only wrong, there is no such remark.
    assert!(!failure(&of(Faulty::Abs, [2], &[0.5, -1.0])).contains("no derivative here"));

    let found = failure(&of(Faulty::Power, [2], &[1.0, 0.0]));
    assert!(found.contains("input 0, element 1: the gradient is 0") && found.contains("the loss is NaN"), "{found}");
    assert!(
        found.ends_with("the case lies at the border of where the function is defined; draw its values farther inside")
    );
}

#[test]
fn a_case_that_cannot_be_checked_is_refused() {
    let refused = |case: &Case| check_case(case, &Team::solo(), 1).unwrap_err().to_string();
    let wrong = Faulty::Wrong;
    assert_eq!(refused(&of(wrong, [2, 3], &[1.0])), "case: input 0 has 1 values, expected 6 for (2, 3)");
    assert_eq!(refused(&of(wrong, [2], &[1.0, f64::NAN])), "case: element 1 of input 0 is NaN, expected finite values");
    assert_eq!(refused(&of(wrong, [2, 0], &[])), "faulty: input 0 is (2, 0), expected no axis of 0");
    let mut constant = of(wrong, [1], &[1.0]);
    constant.inputs[0].differentiable = false;
    assert_eq!(refused(&constant), "case: none of 1 inputs is differentiable, expected at least one");
    let many = (0..65).map(|_| Draw::small(1).values([1])).collect();
    assert_eq!(refused(&case!("many", many, |tape, x| tape.sum(x[0]))), "case: 65 inputs, expected at most 64");
    let six = vec![Draw::small(1).values([1; MAX_RANK])];
    let problem = refused(&case!("six axes", six, |tape, x| tape.transpose(x[0])));
    assert_eq!(problem, "transpose of `input 0`: x is (1, 1, 1, 1, 1, 1), expected three axes");
}

#[test]
fn scalars_six_axes_and_many_inputs_are_checked() {
    for shape in [Shape::SCALAR, Shape::from([1, 2, 1, 3, 2, 1])] {
        let inputs = vec![Draw::small(1).values(shape), Draw::small(2).values(shape)];
        let good = case!(format!("{shape}"), inputs, |tape, x| tape.mul(x[0], x[1]));
        let outcome = check_case(&good, &Team::solo(), 1).unwrap();
        assert!(outcome.passes() && outcome.compared >= 2 * shape.len(), "{outcome}");
        let found = failure(&of(Faulty::Wrong, shape, &vec![0.5; shape.len()]));
        assert!(found.starts_with(&format!("x {shape}: error ")) && found.contains("input 0, element "), "{found}");
    }
    // More than an operation takes: a case may record several.
    let inputs: Vec<CaseInput> = (0..20).map(|i| Draw::small(i).values([2])).collect();
    let sum_of = |inputs| {
        case!("twenty", inputs, |tape, x| {
            let mut sum = x[0];
            for &x in &x[1..] {
                let squared = tape.mul(x, x)?;
                sum = tape.add(sum, squared)?;
            }
            Ok(sum)
        })
    };
    let outcome = check_case(&sum_of(inputs), &Team::solo(), 1).unwrap();
    assert!(outcome.passes() && outcome.compared >= 40, "{outcome}");
}

fn spec(draw: fn(&mut Draw) -> Case) -> Spec {
    Spec { name: "faulty", formula: "y = x²", draw }
}

/// The message of a table's check has the operation's name and the way to the same case.
#[test]
fn the_same_case_can_be_drawn_again() {
    let draw: fn(&mut Draw) -> Case = |draw| {
        let n = draw.whole(1, 3);
        let x = draw.values([n]);
        of(if draw.coin() { Faulty::Wrong } else { Faulty::Panics }, x.shape, &x.values)
    };
    let outcome = check_op(&spec(draw), &Team::solo(), 5);
    let text = outcome.to_string();
    let (_, seed) = text.split_once("drawn from Draw::small(").expect("the way to the case");
    let seed: u64 = seed.split(')').next().unwrap().parse().unwrap();
    let again = check_case(&draw(&mut Draw::small(seed)), &Team::solo(), seed).unwrap();
    assert_eq!(text, format!("faulty {}, drawn from Draw::small({seed}): {}", again.label, again.place));

    let outcome = check_op(&spec(|_| panic!("no case today")), &Team::solo(), 1);
    assert_eq!(outcome.to_string(), "faulty , drawn from Draw::small(0): drawing a case panics: no case today");
    let outcome = check_op(&spec(|_| of(Faulty::Wrong, [0], &[])), &Team::solo(), 1);
    let expected = "faulty x (0), drawn from Draw::small(0): faulty: input 0 is (0), expected no axis of 0";
    assert_eq!(outcome.to_string(), expected);
}

#[test]
fn parameters_that_no_gradient_reaches_are_named() {
    let (mut tape, mut params, team) = (Tape::<f64>::new(), Params::new(), Team::solo());
    let [used, dead, apart, still] =
        ["used", "dead", "apart", "still"].map(|name| params.declare(name, [2], Init::Normal));
    params.initialise(1);
    params.value_mut(&dead).fill(-1.0); // on the flat side of the ReLU
    params.freeze("still").unwrap();
    let [at_used, at_dead, _, at_still] = [&used, &dead, &apart, &still].map(|param| tape.param(param));
    let rectified = tape.relu(at_dead).unwrap();
    let rows = [at_used, rectified, at_still].map(|x| tape.reshape(x, [1, 2]).unwrap());
    let parts = tape.concat_all(&rows).unwrap();
    let square = tape.mul(parts, parts).unwrap();
    let loss = tape.sum(square).unwrap();
    let plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
    let outcome = super::Problem { label: "four parts".to_owned(), plan, loss, params, team: &team }.check(1);
    assert_eq!(outcome.unreached, ["dead", "apart"]);
}
