//! Plans of random graphs: sharing memory changes nothing, gradients are right, inputs survive.

use inkgrad_engine::gradcheck::Problem;
use inkgrad_engine::{Clock, Compile, Init, Params, Plan, Result, Shape, Tape, Team, Tensor};
use inkgrad_tests::cases;
use proptest::prelude::*;

/// Elements of every value.
const LEN: usize = 12;

/// The operation of a node of a random graph; numbers choose the earlier values, modulo how many there are.
#[derive(Debug, Clone, Copy)]
enum Node {
    /// Half the sum, so that values stay in range; of a value with itself where both numbers are equal.
    Add(usize, usize),
    /// tanh of the product, likewise.
    Mul(usize, usize),
    Scale(usize),
    Tanh(usize),
    Sigmoid(usize),
    /// A view under the shape of this number.
    Reshape(usize, usize),
    Flatten(usize),
    /// Of the value seen as (1, 3, 4).
    Transpose(usize),
    /// x·Wᵀ + b of the value seen as (3, 4), with W (4, 4).
    Linear(usize),
    /// Nine tenths of the value as a constant.
    Detach(usize),
}

/// A random graph.
#[derive(Debug, Clone)]
struct Graph {
    nodes: Vec<Node>,
    /// Whether each node's value is kept.
    keep: Vec<bool>,
}

fn graphs() -> impl Strategy<Value = Graph> {
    let i = || 0usize..64;
    let node = prop_oneof![
        (i(), i()).prop_map(|(a, b)| Node::Add(a, b)),
        (i(), i()).prop_map(|(a, b)| Node::Mul(a, b)),
        i().prop_map(|a| Node::Add(a, a)),
        i().prop_map(|a| Node::Mul(a, a)),
        i().prop_map(Node::Scale),
        i().prop_map(Node::Tanh),
        i().prop_map(Node::Sigmoid),
        (i(), i()).prop_map(|(x, shape)| Node::Reshape(x, shape)),
        i().prop_map(Node::Flatten),
        i().prop_map(Node::Transpose),
        i().prop_map(Node::Linear),
    ];
    prop::collection::vec((node, any::<bool>()), 1..24).prop_map(|list| {
        let (nodes, keep) = list.into_iter().unzip();
        Graph { nodes, keep }
    })
}

/// Random graphs of which some values are detached.
fn detaching() -> impl Strategy<Value = Graph> {
    graphs().prop_flat_map(|graph| {
        let places = prop::collection::vec(any::<bool>(), graph.nodes.len());
        let chosen = prop::collection::vec(0usize..64, graph.nodes.len());
        (places, chosen).prop_map(move |(places, chosen)| {
            let pairs = graph.nodes.iter().zip(&graph.keep).zip(places.iter().zip(chosen));
            let list: Vec<(Node, bool)> = pairs
                .flat_map(|((&node, &keep), (&place, at))| {
                    let detached = place.then_some((Node::Detach(at), false));
                    [(node, keep)].into_iter().chain(detached)
                })
                .collect();
            let (nodes, keep) = list.into_iter().unzip();
            Graph { nodes, keep }
        })
    })
}

/// A recorded graph.
struct Recorded {
    tape: Tape<f64>,
    params: Params<f64>,
    input: Tensor,
    kept: Vec<Tensor>,
    /// The values that are detached.
    held: Vec<Tensor>,
    loss: Tensor,
}

/// With `inputs` in the place of values that are detached.
fn record(graph: &Graph, inputs: bool) -> Result<Recorded> {
    let (mut tape, mut params) = (Tape::new(), Params::new());
    let mut declare = |name, shape: &[usize]| params.declare(name, Shape::try_from(shape).unwrap(), Init::Normal);
    let declared = [declare("a", &[3, 4]), declare("b", &[LEN]), declare("weight", &[4, 4]), declare("bias", &[4])];
    params.initialise(3);
    let [a, b, weight, bias] = declared.each_ref().map(|param| tape.param(param));
    let input = tape.input("x", [2, 6]);
    let mut values = vec![a, b, input];
    let (mut kept, mut held) = (Vec::new(), Vec::new());
    for (&node, &keep) in graph.nodes.iter().zip(&graph.keep) {
        let at = |i: usize| values[i % values.len()];
        let alike = |tape: &mut Tape<f64>, x: Tensor, y: Tensor| tape.reshape(y, tape.shape(x));
        let (value, computed) = match node {
            Node::Add(i, j) => {
                let other = if i == j { at(i) } else { alike(&mut tape, at(i), at(j))? };
                let sum = tape.add(at(i), other)?;
                (tape.scale(sum, 0.5)?, true)
            }
            Node::Mul(i, j) => {
                let other = if i == j { at(i) } else { alike(&mut tape, at(i), at(j))? };
                let product = tape.mul(at(i), other)?;
                (tape.tanh(product)?, true)
            }
            Node::Scale(i) => (tape.scale(at(i), -1.1)?, true),
            Node::Tanh(i) => (tape.tanh(at(i))?, true),
            Node::Sigmoid(i) => (tape.sigmoid(at(i))?, true),
            Node::Reshape(i, shape) => {
                let shapes: [&[usize]; 5] = [&[LEN], &[3, 4], &[2, 6], &[2, 3, 2], &[1, 2, 2, 3]];
                (tape.reshape(at(i), Shape::try_from(shapes[shape % shapes.len()])?)?, false)
            }
            Node::Flatten(i) => (tape.flatten(at(i)), false),
            Node::Detach(i) => {
                // Of a value of its own, which can be kept: a parameter's lies elsewhere.
                let scaled = tape.scale(at(i), 0.9)?;
                let x = match inputs {
                    true => tape.input("held", tape.shape(scaled)),
                    false => tape.detach(scaled)?,
                };
                held.push(x);
                (x, false)
            }
            Node::Transpose(i) => {
                let x = tape.reshape(at(i), [1, 3, 4])?;
                (tape.transpose(x)?, true)
            }
            Node::Linear(i) => {
                let x = tape.reshape(at(i), [3, 4])?;
                let y = tape.linear(x, weight, bias)?;
                (tape.sigmoid(y)?, true)
            }
        };
        values.push(value);
        if keep && computed {
            kept.push(value);
        }
    }
    // The second and third terms give every parameter a gradient that is not tiny.
    let last = tape.sum(values[values.len() - 1])?;
    let b = tape.reshape(b, [3, 4])?;
    let affine = tape.linear(b, weight, bias)?;
    let product = tape.mul(affine, a)?;
    let product = tape.sum(product)?;
    let loss = tape.add(last, product)?;
    Ok(Recorded { tape, params, input, kept, held, loss })
}

/// The input's values.
fn filling() -> Vec<f64> {
    (0..LEN).map(|i| (i as f64 * 0.7).sin()).collect()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// The bits of the loss, the kept values and all gradients after a run.
fn run(plan: &mut Plan<f64>, recorded: &Recorded, params: &mut Params<f64>) -> Vec<Vec<u64>> {
    let team = Team::solo();
    params.grads_mut().fill(f64::NAN);
    params.discard_gradients();
    plan.forward(params, &team, Clock::default());
    plan.backward(params, &team);
    let values = recorded.kept.iter().chain([&recorded.loss]).map(|&x| bits(plan.value(x)));
    values.chain([bits(params.grads())]).collect()
}

/// Compiles a graph; its input is filled.
fn compile(graph: &Graph, debug: bool) -> (Plan<f64>, Recorded) {
    compiled(record(graph, false).unwrap(), debug)
}

fn compiled(mut recorded: Recorded, debug: bool) -> (Plan<f64>, Recorded) {
    let tape = std::mem::take(&mut recorded.tape);
    let mut plan =
        tape.compile(Compile { loss: Some(recorded.loss), keep: &recorded.kept, debug, ..Compile::default() });
    plan.input(recorded.input).copy_from_slice(&filling());
    (plan, recorded)
}

proptest! {
    #![proptest_config(cases!(300))]

    /// Debug mode gives every buffer a place of its own; otherwise buffers share. Values, gradients and a second run agree
    /// to the bit, and the input is what it was.
    #[test]
    fn sharing_memory_changes_nothing(graph in prop_oneof![graphs(), detaching()]) {
        let (mut shared, recorded) = compile(&graph, false);
        let (mut apart, recorded_apart) = compile(&graph, true);
        let mut params = recorded.params.clone();
        let expected = run(&mut apart, &recorded_apart, &mut params);
        prop_assert!(params.grads().iter().all(|g| g.is_finite()));
        for _ in 0..2 {
            prop_assert_eq!(&run(&mut shared, &recorded, &mut params), &expected);
            prop_assert_eq!(bits(shared.input(recorded.input)), bits(&filling()));
        }
        prop_assert!(shared.arena_bytes() <= apart.arena_bytes());
    }

    /// The gradients are right.
    #[test]
    fn gradients_of_random_graphs(graph in graphs()) {
        let (plan, Recorded { params, loss, .. }) = compile(&graph, false);
        let team = Team::solo();
        let outcome = Problem { label: String::new(), plan, loss, params, team: &team }.check(1);
        prop_assert!(outcome.passes() && outcome.compared == 2 * LEN + 20, "{outcome:?}");
    }
}

proptest! {
    #![proptest_config(cases!(300))]

    /// A value that is detached is a constant: the gradients are those of a graph with inputs of these values in its place.
    #[test]
    fn what_is_detached_is_a_constant(graph in detaching()) {
        let recorded = record(&graph, false).unwrap();
        let kept = [&recorded.kept[..], &recorded.held].concat();
        let (mut plan, recorded) = compiled(Recorded { kept, ..recorded }, false);
        let mut params = recorded.params.clone();
        let found = run(&mut plan, &recorded, &mut params);
        let other = record(&graph, true).unwrap();
        let kept = [&other.kept[..], &other.held].concat();
        let (mut constants, other) = compiled(Recorded { kept, ..other }, false);
        for (&input, &held) in other.held.iter().zip(&recorded.held) {
            constants.input(input).copy_from_slice(plan.value(held));
        }
        let mut params = other.params.clone();
        prop_assert_eq!(run(&mut constants, &other, &mut params), found);
    }
}

/// A value that leads to a constant alone has no backward: its parameters get no gradient, and its values' memory is free.
#[test]
fn what_leads_to_a_detached_value_alone_has_no_backward() {
    let (mut params, mut tape) = (Params::<f32>::new(), Tape::new());
    let [held, free] = ["held", "free"].map(|name| params.declare(name, [4], Init::Normal));
    params.initialise(1);
    let (x, w) = (tape.param(&held), tape.param(&free));
    let wave = (0..5).try_fold(x, |x, _| tape.tanh(x)).unwrap();
    let constant = tape.detach(wave).unwrap();
    let seen = tape.reshape(constant, [2, 2]).unwrap();
    let w = tape.reshape(w, [2, 2]).unwrap();
    let product = tape.mul(seen, w).unwrap();
    let loss = tape.sum(product).unwrap();
    let debug = Compile { loss: Some(loss), debug: true, ..Compile::default() };
    let mut plan = tape.compile(debug);
    plan.set_poison(true);
    plan.forward(&params, &Team::solo(), Clock::default());
    plan.backward(&mut params, &Team::solo());
    assert_eq!((params.is_live(&held), params.is_live(&free)), (false, true));
    assert_eq!(params.grad(&free), plan.value(wave));
    for x in [wave, constant, seen] {
        assert!(plan.gradient(x).is_none(), "{x:?}");
    }
    assert!(plan.gradient(product).is_some());
}

/// Where buffers never live together the arena is smaller than their sum, or the first property would say little.
#[test]
fn memory_is_shared() {
    let graph = Graph { nodes: (0..20).map(|i| Node::Scale(i + 2)).collect(), keep: vec![false; 20] };
    let (shared, apart) = (compile(&graph, false).0, compile(&graph, true).0);
    assert!(2 * shared.arena_bytes() < apart.arena_bytes(), "{} of {}", shared.arena_bytes(), apart.arena_bytes());
}

/// Classes have no gradient, even where they are computed from parameters: those get zeros, not what lay in the memory.
#[test]
fn what_leads_to_classes_gets_zeros() {
    let team = Team::solo();
    for op in ["embedding", "softmax_cross_entropy", "correct"] {
        let (mut params, mut tape) = (Params::<f32>::new(), Tape::new());
        let rows = params.declare("rows", [3, 4], Init::Normal);
        let classes = params.declare("classes", [3], Init::Constant(0.0));
        params.initialise(1);
        let (x, classes) = (tape.param(&rows), tape.param(&classes));
        let labels = tape.scale(classes, 2.0).unwrap();
        let y = match op {
            "embedding" => tape.embedding(x, labels),
            "correct" => tape.correct(x, labels),
            _ => tape.softmax_cross_entropy(x, labels),
        };
        let loss = tape.sum(y.unwrap()).unwrap();
        let mut plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
        plan.set_poison(true);
        plan.forward(&params, &team, Clock::default());
        plan.backward(&mut params, &team);
        assert_eq!(params.grads()[12..], [0.0; 3], "{op}");
        assert!(params.grads()[..12].iter().all(|gradient| gradient.is_finite()), "{op}");
    }
}
