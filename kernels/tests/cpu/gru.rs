//! GRU against its naive twin.

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::Team;
use inkgrad_kernels::cpu::recurrent::{Gradients, Inputs, RecurrentShape};
use proptest::prelude::*;

use crate::cases;
use crate::recurrent::{Layer, Parameters, check_case, check_slices, check_threads, shapes};
use inkgrad_kernels::cpu::recurrent::gru::*;
use inkgrad_kernels::cpu::recurrent::naive;

fn layer<T: Float>() -> Layer<T> {
    Layer { gates: 3, states: 1, forward: run, backward: run_backward, naive, naive_backward }
}

fn inputs<T>(p: &Parameters<T>) -> Inputs<'_, T> {
    let state = |k: usize| p.get(k).map(Vec::as_slice);
    Inputs { x: &p[0], w_ih: &p[1], w_hh: &p[2], b_ih: &p[3], b_hh: &p[4], h0: state(5), c0: None }
}

fn run_and_save<T: Float>(team: &Team, shape: &RecurrentShape, p: &Parameters<T>) -> (Vec<T>, Vec<T>) {
    // Memory comes as it was left: NaN shows what is read before it is written.
    let nan = |len| vec![T::from_f64(f64::NAN); len];
    let (mut out, mut saved) = (nan(shape.rows() * shape.hidden), nan(saved_len(shape)));
    forward(team, shape, &inputs(p), &mut out, &mut saved, &mut nan(forward_scratch_len(shape)));
    (out, saved)
}

fn run<T: Float>(team: &Team, shape: &RecurrentShape, p: &Parameters<T>) -> Vec<T> {
    run_and_save(team, shape, p).0
}

fn run_backward<T: Float>(
    team: &Team,
    shape: &RecurrentShape,
    p: &Parameters<T>,
    dout: &[T],
    gradients: &mut Parameters<T>,
    add: bool,
) {
    let (_, saved) = run_and_save(team, shape, p);
    let mut scratch = vec![T::from_f64(f64::NAN); backward_scratch_len(shape)];
    let mut gradients = gradients.iter_mut().map(|g| (g.as_mut_slice(), add));
    let gradients = Gradients {
        x: gradients.next(),
        w_ih: gradients.next(),
        w_hh: gradients.next(),
        b_ih: gradients.next(),
        b_hh: gradients.next(),
        h0: gradients.next(),
        c0: None,
    };
    backward(team, shape, &inputs(p), dout, &saved, &mut scratch, gradients);
}

fn naive(shape: &RecurrentShape, p: &Parameters<f64>) -> Vec<f64> {
    naive::gru_forward(shape, &inputs(p))
}

fn naive_backward(shape: &RecurrentShape, p: &Parameters<f64>, dout: &[f64]) -> Parameters<f64> {
    naive::gru_backward(shape, &inputs(p), dout).into_iter().take(p.len()).collect()
}

proptest! {
    #![proptest_config(cases(48))]
    #[test]
    fn agrees_with_the_formula_and_its_slopes(shape in shapes(), initial in any::<bool>()) {
        check_case(&layer(), &layer(), &shape, initial);
    }
}

#[test]
fn several_slices_agree_with_the_formula() {
    check_slices(&layer(), &layer());
}

#[test]
fn results_are_the_same_at_any_number_of_threads() {
    check_threads(&layer());
}

#[test]
#[should_panic(expected = "gru: w_hh has 11 elements, expected 12")]
fn a_weight_of_the_wrong_size_is_refused() {
    let shape = RecurrentShape { batch: 1, time: 1, input: 1, hidden: 2, reverse: false, repeated: false };
    run(&Team::solo(), &shape, &[1, 6, 11, 6, 6].map(|len| vec![0.0; len]).to_vec());
}
