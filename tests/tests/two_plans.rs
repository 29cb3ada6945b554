//! Several plans over one set of parameters, and parameters that stay as they are.

use inkgrad_engine::ops::elementwise::put;
use inkgrad_engine::optim::{Optimizer, Rule};
use inkgrad_engine::{Clock, Compile, Init, Params, Plan, Tape, Team, Tensor, nn::Linear};

/// An encoder, two heads on it, and a parameter that nothing uses.
struct Heads {
    params: Params<f64>,
    plans: [(Tensor, Plan<f64>); 2],
}

fn heads(frozen: &[&str]) -> Heads {
    let mut params = Params::new();
    let encoder = Linear::new(&mut params, "encoder", 3, 4);
    let heads = [Linear::new(&mut params, "a", 4, 2), Linear::new(&mut params, "b", 4, 2)];
    params.declare("unused", [5], Init::Normal);
    params.initialise(3);
    let plans = heads.map(|head| {
        let mut tape = Tape::new();
        let (x, t) = (tape.input("x", [6, 3]), tape.input("t", [6, 2]));
        let h = encoder.forward(&mut tape, x).unwrap();
        let h = tape.tanh(h).unwrap();
        let y = head.forward(&mut tape, h).unwrap();
        let loss = tape.mse(y, t).unwrap();
        let mut plan = tape.compile(Compile { loss: Some(loss), frozen, ..Compile::default() });
        let values: Vec<f64> = (0..18).map(|i| f64::from(i * 7 % 11) / 5.0 - 1.0).collect();
        plan.fill(x, &values).unwrap();
        plan.fill(t, &values[..12]).unwrap();
        (loss, plan)
    });
    Heads { params, plans }
}

fn run(plan: &mut Plan<f64>, params: &mut Params<f64>) {
    plan.forward(params, &Team::solo(), Clock::default());
    plan.backward(params, &Team::solo());
}

/// The values and moments of the parameters whose names begin with `prefix`.
fn state(params: &Params<f64>, optimizer: &Optimizer<f64>, prefix: &str) -> Vec<u64> {
    let ranges = params.iter().filter(|param| param.name.starts_with(prefix)).map(|param| param.range());
    let buffers = [&params.values, &optimizer.first, &optimizer.second];
    ranges.flat_map(|range| buffers.map(|buffer| buffer[range.clone()].to_vec()).concat()).map(f64::to_bits).collect()
}

#[test]
fn an_update_moves_what_the_backward_reached_and_nothing_else() {
    let Heads { mut params, mut plans } = heads(&[]);
    let mut optimizer = Optimizer::adam(&params).with_clip_norm(0.01);
    // Both heads once, so that both have moments.
    for (_, plan) in &mut plans {
        run(plan, &mut params);
        optimizer.update(&mut params, &Team::solo(), 0.1);
    }
    let before = ["encoder", "a", "b", "unused"].map(|prefix| state(&params, &optimizer, prefix));
    run(&mut plans[0].1, &mut params);
    optimizer.update(&mut params, &Team::solo(), 0.1);
    let after = ["encoder", "a", "b", "unused"].map(|prefix| state(&params, &optimizer, prefix));
    let moved: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before != after).collect();
    assert_eq!(moved, [true, true, false, false]);
}

#[test]
fn two_backwards_before_an_update_add_up() {
    let Heads { mut params, mut plans } = heads(&[]);
    let mut alone = [0, 1].map(|i| {
        run(&mut plans[i].1, &mut params);
        let grads = params.grads().to_vec();
        params.discard_gradients();
        (grads, params.iter().map(|param| param.range()).collect::<Vec<_>>())
    });
    // A parameter that a plan does not reach has no gradient, whatever lies there.
    let (encoder, a, b) = (0..2, 2..4, 4..6);
    let ranges = alone[0].1.clone();
    for i in [encoder.clone(), a, b].into_iter().flatten() {
        let own = if i < 2 { [true, true] } else { [i < 4, i >= 4] };
        for (grads, own) in alone.iter_mut().map(|(grads, _)| grads).zip(own) {
            if !own {
                grads[ranges[i].clone()].fill(0.0);
            }
        }
    }
    params.grads_mut().fill(f64::NAN);
    params.discard_gradients();
    plans.iter_mut().for_each(|(_, plan)| run(plan, &mut params));
    for range in &ranges[..6] {
        for i in range.clone() {
            let mut expected = alone[0].0[i];
            put(&mut expected, alone[1].0[i], true);
            assert!((params.grads()[i] - expected).abs() <= 1e-15, "{} for {expected}", params.grads()[i]);
        }
    }
}

#[test]
fn each_gradient_is_told_once_when_nothing_is_added_to_it_any_more() {
    for frozen in [&[][..], &["encoder.w"]] {
        let Heads { mut params, mut plans } = heads(frozen);
        for (_, plan) in &mut plans {
            let mut told = Vec::new();
            plan.forward(&params, &Team::solo(), Clock::default());
            plan.backward_with(&mut params, &Team::solo(), &mut |params, param| {
                told.push((param.range(), params.grad(param).to_vec()));
            });
            for (range, grad) in &told {
                assert_eq!(params.grads()[range.clone()], grad[..]);
            }
            let mut told: Vec<_> = told.into_iter().map(|(range, _)| range.start).collect();
            assert!(told.is_sorted_by(|a, b| a > b), "the last layer first: {told:?}");
            told.reverse();
            let live = params.iter().filter(|param| params.is_live(param)).map(|param| param.range().start);
            assert_eq!(told, live.collect::<Vec<_>>());
            params.discard_gradients();
        }
    }
}

#[test]
fn frozen_parameters_and_their_moments_stay_to_the_last_byte() {
    for by_plan in [true, false] {
        let Heads { mut params, mut plans } = heads(if by_plan { &["encoder."] } else { &[] });
        let mut optimizer = Optimizer::adam(&params);
        if !by_plan {
            // With moments from before.
            run(&mut plans[0].1, &mut params);
            optimizer.update(&mut params, &Team::solo(), 0.1);
            assert_eq!(params.freeze("encoder.").unwrap(), 2);
        }
        let (frozen, free) = (state(&params, &optimizer, "encoder"), state(&params, &optimizer, "a"));
        for _ in 0..3 {
            run(&mut plans[0].1, &mut params);
            optimizer.update(&mut params, &Team::solo(), 0.1);
        }
        assert_eq!(state(&params, &optimizer, "encoder"), frozen);
        assert_ne!(state(&params, &optimizer, "a"), free);
        if !by_plan {
            params.unfreeze("").unwrap();
            run(&mut plans[0].1, &mut params);
            optimizer.update(&mut params, &Team::solo(), 0.1);
            assert_ne!(state(&params, &optimizer, "encoder"), frozen);
        }
    }
}

#[test]
fn the_norm_counts_live_gradients_alone() {
    let Heads { mut params, mut plans } = heads(&[]);
    // The content of the gradient of `unused` must not count.
    params.grads_mut().fill(1e9);
    params.discard_gradients();
    let mut optimizer = Optimizer::new(Rule::Sgd(0.0), Some(1e6), params.count());
    let before = params.values.clone();
    run(&mut plans[0].1, &mut params);
    let grads = params.grads().to_vec();
    optimizer.update(&mut params, &Team::solo(), 1.0);
    let ranges: Vec<_> = params.iter().take(4).map(|param| param.range()).collect();
    for i in ranges.into_iter().flatten() {
        assert_eq!(params.values[i], before[i] - grads[i], "no gradient was shortened");
    }
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let told = |act: &dyn Fn()| -> String {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).expect_err("a panic");
        panic.downcast_ref::<String>().cloned().unwrap_or_else(|| panic.downcast_ref::<&str>().unwrap().to_string())
    };
    let Heads { params, .. } = heads(&[]);
    let text = told(&|| {
        let Heads { mut plans, .. } = heads(&[]);
        plans[0].1.forward(&Params::new(), &Team::solo(), Clock::default());
    });
    assert!(text.contains("these `Params` lack parameter `encoder.weight`"), "{text}");
    let text = told(&|| {
        let Heads { plans, .. } = heads(&[]);
        plans[0].1.value(plans[0].0);
    });
    assert!(text.contains("run `Plan::forward` before reading values"), "{text}");
    let text = told(&|| {
        let Heads { mut plans, mut params } = heads(&[]);
        plans[0].1.backward(&mut params, &Team::solo());
    });
    assert!(text.contains("run `Plan::forward` before `Plan::backward`"), "{text}");
    let text = told(&|| {
        let Heads { mut plans, .. } = heads(&[]);
        plans[0].1.forward(&params, &Team::solo(), Clock::default());
        plans[0].1.value(plans[1].0);
    });
    assert!(text.contains("is of another tape"), "{text}");
    let text = told(&|| Optimizer::adam(&params).update(&mut params.clone(), &Team::solo(), 0.1));
    assert!(text.contains("no gradient is live"), "{text}");

    let (mut tape, mut other) = (Tape::<f32>::new(), Tape::<f32>::new());
    let (x, y) = (tape.input("x", [2, 3]), other.input("y", [2, 3]));
    let refused = |result: inkgrad_engine::Result<Tensor>| result.unwrap_err().to_string();
    assert_eq!(refused(tape.add(x, y)), "add: input 1 is of another tape, expected one that this tape returned");
    let none = tape.input("none", [0, 3]);
    assert_eq!(refused(tape.relu(none)), "relu: input 0 is (0, 3), expected no axis of 0");
    let mut plan = tape.compile(Compile::default());
    let error = plan.fill(x, &[0.0; 5]).unwrap_err().to_string();
    assert_eq!(error, "input `x`: 5 numbers, expected 6 for (2, 3)");
    let seven = inkgrad_engine::Shape::try_from(&[1usize; 7][..]).unwrap_err().to_string();
    assert_eq!(seven, "shape: 7 axes, expected at most 6");
}
