//! Single operations and optimisers against PyTorch: outputs, the gradient of every input, ten steps.

use std::collections::HashMap;

use inkgrad_engine::ops::{Conv, ConvTranspose, Reduction, Transposed};
use inkgrad_engine::optim::{Adam, Average, Optimizer, Rule as Update};
use inkgrad_engine::{Clock, Compile, Float, Init, Params, Result, Shape, Tape, Team, Tensor};
use inkgrad_tests::fixture::{self, Attributes, Case, Ops, Rule, draw, error};

/// The inputs of a case by argument.
type Arguments = HashMap<String, Tensor>;

/// Records a case's operation; its outputs in the fixture's order, without those that we do not have (the last cell
/// state of an LSTM, which no model looks at).
fn record<T: Float>(case: &Case, tape: &mut Tape<T>, x: &Arguments) -> Result<Vec<Tensor>> {
    let get = |arg: &str| x[arg];
    let attrs = &case.attrs;
    let &Attributes { stride, padding, output_padding, axis, .. } = attrs;
    let reduction = if attrs.reduction == "mean" { Reduction::Mean } else { Reduction::Sum };
    let y = match case.op.as_str() {
        "linear" => match x.get("bias") {
            Some(&bias) => tape.linear(get("x"), get("weight"), bias)?,
            None => tape.linear_without_bias(get("x"), get("weight"))?,
        },
        "conv2d" => {
            let attributes = Conv { stride: (stride, stride), padding: (padding, padding), relu: false };
            let x = tape.channels_last(get("x"))?;
            let y = tape.conv2d(x, get("weight"), get("bias"), attributes)?;
            tape.channels_first(y)?
        }
        "conv_transpose2d" => {
            let attributes = ConvTranspose {
                stride: (stride, stride),
                padding: (padding, padding),
                output_padding: (output_padding, output_padding),
                relu: false,
            };
            let x = tape.channels_last(get("x"))?;
            let y = tape.conv_transpose2d(x, get("weight"), get("bias"), attributes)?;
            tape.channels_first(y)?
        }
        "relu" => tape.relu(get("x"))?,
        "sigmoid" => tape.sigmoid(get("x"))?,
        "tanh" => tape.tanh(get("x"))?,
        "softplus" => tape.softplus(get("x"))?,
        "exp" => tape.exp(get("x"))?,
        "add" => tape.add(get("a"), get("b"))?,
        "sub" => tape.sub(get("a"), get("b"))?,
        "mul" => tape.mul(get("a"), get("b"))?,
        "div" => tape.div(get("a"), get("b"))?,
        "neg" => tape.neg(get("x"))?,
        "abs" => tape.abs(get("x"))?,
        "ln" => tape.log(get("x"))?,
        "sqrt" => tape.sqrt(get("x"))?,
        "pow" => tape.pow(get("x"), attrs.p)?,
        "leaky_relu" => tape.leaky_relu(get("x"), attrs.slope)?,
        "gelu" => tape.gelu(get("x"))?,
        "gelu_tanh" => tape.gelu_tanh(get("x"))?,
        "matmul" => {
            let transposed = Transposed { a: attrs.transposed_a, b: attrs.transposed_b };
            tape.matmul_with(get("a"), get("b"), transposed)?
        }
        "sum_axis" => tape.sum_axis(get("x"), axis)?,
        "mean_axis" => tape.mean_axis(get("x"), axis)?,
        "max_axis" => tape.max_axis(get("x"), axis)?,
        "softmax" => tape.softmax(get("x"))?,
        "log_softmax" => tape.log_softmax(get("x"))?,
        "logsumexp" => tape.logsumexp(get("x"))?,
        "broadcast" => tape.broadcast(get("x"), Shape::try_from(&attrs.shape[..])?)?,
        "slice" => tape.slice(get("x"), axis, attrs.start..attrs.end)?,
        "permute" => tape.permute(get("x"), &attrs.axes)?,
        "layer_norm" => tape.layer_norm(get("x"), get("weight"), get("bias"), attrs.eps)?,
        "batch_norm" => {
            let statistics = match x.get("statistics") {
                Some(&given) => given,
                None => tape.batch_norm_statistics(get("x"))?,
            };
            tape.batch_norm(get("x"), statistics, get("weight"), get("bias"), attrs.eps)?
        }
        "bce_with_logits" | "bce_of_sigmoid" => tape.bce_with_logits_reduced(get("x"), get("target"), reduction)?,
        "mse" => tape.mse_reduced(get("x"), get("target"), reduction)?,
        "gaussian_kl" => tape.gaussian_kl_reduced(get("mu"), get("logvar"), reduction)?,
        "cross_entropy" => tape.softmax_cross_entropy_reduced(get("logits"), get("labels"), reduction)?,
        "embedding" => tape.embedding(get("weight"), get("labels"))?,
        "reparameterise" => tape.reparameterize_with(get("mu"), get("logvar"), get("eps"))?,
        "lstm" | "gru" => return recurrent(case, tape, x),
        op => panic!("{op}: unknown to this test"),
    };
    Ok(vec![y])
}

/// Layers of an LSTM or a GRU in one or two directions: all hidden states (B, T, directions·H) and, where the case looks
/// at them, the last ones (layers·directions, B, H).
fn recurrent<T: Float>(case: &Case, tape: &mut Tape<T>, arguments: &Arguments) -> Result<Vec<Tensor>> {
    let attrs = &case.attrs;
    let directions: &[bool] = if attrs.bidirectional { &[false, true] } else { &[false] };
    let mut x = arguments["x"];
    // A case of `steps` has one vector for all of them.
    let (batch, time) = match *tape.shape(x).dims() {
        [batch, time, _] => (batch, time),
        [batch, _] => (batch, attrs.steps),
        _ => panic!("{}: x has two or three axes", case.name),
    };
    let mut last = Vec::new();
    for layer in 0..attrs.layers {
        let mut outputs = Vec::new();
        for &reverse in directions {
            let suffix = format!("l{layer}{}", if reverse { "_reverse" } else { "" });
            let weights =
                ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(|name| arguments[&format!("{name}_{suffix}")]);
            let mut initial = |name: &str| {
                let states = *arguments.get(name)?;
                let [count, _, hidden] = *tape.shape(states).dims() else { panic!("{name} has three axes") };
                let states = tape.reshape(states, [1, count, batch * hidden]).unwrap();
                let state = tape.select(states, layer * directions.len() + usize::from(reverse)).unwrap();
                Some(tape.reshape(state, [batch, hidden]).unwrap())
            };
            let (h0, c0) = (initial("h0"), initial("c0"));
            let (repeated, states) = (attrs.steps > 0 && layer == 0, h0.zip(c0).map(|(h0, c0)| [h0, c0]));
            let y = match (case.op.as_str(), repeated) {
                ("lstm", false) => tape.lstm(x, weights, states, reverse)?,
                ("lstm", true) => tape.lstm_repeated(x, attrs.steps, weights, states, reverse)?,
                (_, false) => tape.gru(x, weights, h0, reverse)?,
                (_, true) => tape.gru_repeated(x, attrs.steps, weights, h0, reverse)?,
            };
            let state = tape.select(y, if reverse { 0 } else { time - 1 })?;
            let len = tape.shape(state).len();
            last.push(tape.reshape(state, [1, len])?);
            let hidden = tape.shape(y).last();
            outputs.push(tape.reshape(y, [batch * time, hidden])?);
        }
        let joined = outputs.into_iter().map(Ok).reduce(|a, b| tape.concat(a?, b?)).expect("a direction")?;
        let width = tape.shape(joined).last();
        x = tape.reshape(joined, [batch, time, width])?;
    }
    let count = last.len();
    let joined = last.into_iter().map(Ok).reduce(|a, b| tape.concat(a?, b?)).expect("a layer")?;
    let hidden = tape.shape(joined).len() / (count * batch);
    let last = tape.reshape(joined, [count, batch, hidden])?;
    Ok(if attrs.state == "all" { vec![x, last] } else { vec![x] })
}

/// The result of comparing a case.
struct Comparison {
    /// The largest error, and where it is.
    worst: (f64, String),
    /// Whether gradients were compared: where we lack an output, we lack its part of every gradient.
    gradients: bool,
}

fn compare<T: Float>(case: &Case) -> Comparison {
    let mut tape = Tape::<T>::new();
    let mut params = Params::new();
    let mut arguments = Arguments::new();
    let mut gradients = Vec::new();
    let mut filled = Vec::new();
    for input in &case.inputs {
        let values = draw(&input.name, fixture::len(&input.shape), input.rule);
        let shape = Shape::try_from(input.shape.as_slice()).unwrap();
        let tensor = if let Some(gradient) = &input.grad {
            let param = params.declare(&input.arg, shape, Init::Normal);
            params.value_mut(&param).copy_from_slice(&values);
            let tensor = tape.param(&param);
            gradients.push((param, gradient));
            tensor
        } else {
            let tensor = tape.input(&input.arg, shape);
            filled.push((tensor, values));
            tensor
        };
        arguments.insert(input.arg.clone(), tensor);
    }
    let outputs = record(case, &mut tape, &arguments).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    // The sum over all outputs of output · weight.
    let mut loss: Option<Tensor> = None;
    for (&y, output) in outputs.iter().zip(&case.outputs) {
        assert_eq!(tape.shape(y).dims(), output.shape, "{} {}", case.name, output.name);
        let term = match &output.weight {
            None => y,
            Some(name) => {
                let weight = tape.input(name, tape.shape(y));
                filled.push((weight, draw(name, tape.shape(y).len(), Rule::Signed { bound: 1.0 })));
                let product = tape.mul(y, weight).unwrap();
                tape.sum(product).unwrap()
            }
        };
        loss = Some(loss.map_or(term, |loss| tape.add(loss, term).unwrap()));
    }
    let mut plan = tape.compile(Compile { loss, keep: &outputs, ..Compile::default() });
    for (tensor, values) in filled {
        plan.input(tensor).copy_from_slice(&values);
    }
    let team = Team::solo();
    plan.forward(&params, &team, Clock::default());
    plan.backward(&mut params, &team);

    let complete = outputs.len() == case.outputs.len();
    let mut errors: Vec<(f64, String)> =
        outputs.iter().zip(&case.outputs).map(|(&y, o)| (error(plan.value(y), &o.values), o.name.clone())).collect();
    if complete {
        errors.extend(
            gradients.iter().map(|(p, g)| (error(params.grad(p), &g.values), format!("gradient of {}", p.name))),
        );
    }
    let worst = errors.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).expect("an output");
    Comparison { worst, gradients: complete }
}

/// Compares every case; an error is relative to the largest element of its tensor.
fn compare_all<T: Float>(tolerance: f64) {
    let Ops { cases, .. } = fixture::load("ops");
    let mut partial = Vec::new();
    let mut worst: HashMap<&str, (f64, String)> = HashMap::new();
    for case in &cases {
        let Comparison { worst: (error, place), gradients } = compare::<T>(case);
        if !gradients {
            partial.push(case.name.as_str());
        }
        // `!(<=)` so that NaN fails.
        assert!(error <= tolerance, "{}, {place}: error {error:.1e} in {}", case.name, T::NAME);
        let worst = worst.entry(&case.op).or_insert((0.0, String::new()));
        if error >= worst.0 {
            *worst = (error, format!("{}, {place}", case.name));
        }
    }
    for (op, (error, place)) in worst {
        println!("{op:18} {error:.1e} ({place})");
    }
    println!("{}: {} cases, {} of them without gradients", T::NAME, cases.len(), partial.len());
    // A new case that we only half have is noticed.
    assert!(partial.len() == 4 && partial.iter().all(|name| name.starts_with("lstm.") && name.ends_with("_all")));
}

#[test]
fn operations_in_f64() {
    compare_all::<f64>(1e-9);
}

#[test]
fn operations_in_f32() {
    compare_all::<f32>(1e-5);
}

/// The largest error of any parameter after any step.
fn optimise<T: Float>(tolerance: f64) {
    let Ops { optimisers, .. } = fixture::load("ops");
    for case in &optimisers {
        let mut params = Params::<T>::new();
        let list: Vec<_> = case
            .params
            .iter()
            .map(|p| {
                let param = params.declare(&p.name, Shape::try_from(p.shape.as_slice()).unwrap(), Init::Normal);
                let values = draw(&p.name, param.shape.len(), Rule::Signed { bound: p.bound });
                params.value_mut(&param).copy_from_slice(&values);
                param
            })
            .collect();
        let update = match case.attrs.kind.as_str() {
            "adam" => {
                let &fixture::OptimiserAttributes { beta1, beta2, eps, weight_decay, .. } = &case.attrs;
                match (Adam { beta1, beta2, eps, weight_decay }) {
                    Adam::DEFAULT => Update::Adam,
                    adam => Update::AdamW(adam),
                }
            }
            "sgd" => Update::Sgd(case.attrs.momentum),
            kind => panic!("{kind}: unknown to this test"),
        };
        let mut average = case.attrs.decay.map(|decay| Average::new(&params, decay));
        let mut optimizer = Optimizer::new(update, case.attrs.max_norm, params.count());
        for step in 0..case.params[0].grads.len() {
            for (param, p) in list.iter().zip(&case.params) {
                let drawn = &p.grads[step];
                let values = draw(&drawn.name, param.shape.len(), Rule::Signed { bound: drawn.bound });
                params.grads_mut()[param.range()].copy_from_slice(&values);
            }
            optimizer.update(&mut params, &Team::solo(), case.attrs.lr);
            if let Some(average) = &mut average {
                average.update(&params, &Team::solo());
                average.swap(&mut params);
                for (param, p) in list.iter().zip(&case.params) {
                    let error = error(params.value(param), &p.averages[step]);
                    assert!(error <= tolerance, "{} average {step}: error {error:.1e} in {}", p.name, T::NAME);
                }
                average.swap(&mut params);
            }
            for (param, p) in list.iter().zip(&case.params) {
                let error = error(params.value(param), &p.values[step]);
                assert!(error <= tolerance, "{} step {step}: error {error:.1e} in {}", p.name, T::NAME);
            }
        }
    }
}

#[test]
fn optimisers_in_f64() {
    optimise::<f64>(1e-9);
}

#[test]
fn optimisers_in_f32() {
    optimise::<f32>(1e-5);
}
