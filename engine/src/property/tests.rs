use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::op::{Backward, Forward, Op, Reads};
use crate::ops::case::case;
use crate::ops::elementwise::put;
use crate::testing::graph::{Graph, RULES};
use crate::testing::{Fault, Flaw, break_case};
use crate::{MAX_RANK, Shape};

/// How a message ends; the numbers may come from the environment.
const AGAIN: &str = "the same cases again: PROPTEST_RNG_SEED=";

gradient_property! {
    #[test]
    fn a_product_of_three(alike(3)) => |tape, x| {
        let ab = tape.mul(x[0], x[1])?;
        tape.mul(ab, x[2])
    }
}

gradient_property! {
    #[test]
    fn a_corner_off_zero(alike(1)) => |tape, x| tape.relu(x[0])
}

#[test]
fn random_graphs_have_their_gradients() {
    let held = check("graphs", 60, graphs(30), |graph| graph.case()).unwrap_or_else(|problem| panic!("{problem}"));
    // Of fewer, which the environment may ask for, all may be small.
    assert!(held.compared > 60 * 20 || held.cases < 60, "{held:?}");
}

/// Draws `n` values.
fn drawn<S: Strategy>(n: usize, strategy: S) -> Vec<S::Value> {
    let mut runner = TestRunner::new(cases(1));
    (0..n).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn shapes_have_every_rank_and_keep_their_bounds() {
    let drawn = drawn(500, shapes(0..=MAX_RANK, 40));
    assert!(drawn.iter().all(|shape| (1..=40).contains(&shape.len())));
    for rank in 0..=MAX_RANK {
        assert!(drawn.iter().any(|shape| shape.rank() == rank), "rank {rank}");
    }
    for axis in 0..MAX_RANK {
        let extents = drawn.iter().filter_map(|shape| shape.dims().get(axis));
        assert!(extents.clone().any(|&n| n > 1) && extents.clone().any(|&n| n == 1), "axis {axis}");
    }
    assert!(drawn.iter().any(|shape| shape.len() > 30));
}

/// Graphs are large, share their inputs, and use every operation of the table.
#[test]
fn graphs_use_what_there_is() {
    let (mut largest, mut shared, mut rank) = (0, 0, 0);
    let mut used = std::collections::BTreeSet::new();
    for random in drawn(300, graphs(30)) {
        let graph = &random.graph;
        largest = largest.max(graph.nodes().len());
        assert!(graph.nodes().len() <= 30, "{random:?}");
        let mut readers = vec![0; graph.nodes().len()];
        for node in graph.nodes() {
            if let crate::testing::graph::Node::Op { rule, inputs, .. } = node {
                used.insert(rule.name);
                inputs.iter().for_each(|&i| readers[i] += 1);
            }
        }
        shared += usize::from(graph.inputs().iter().any(|&i| readers[i] > 1));
        rank = rank.max((0..readers.len()).map(|i| graph.shape(i).rank()).max().unwrap());
        assert_eq!(graph.inputs().len(), random.values.len());
    }
    let missing: Vec<&str> = RULES.iter().map(|rule| rule.name).filter(|name| !used.contains(name)).collect();
    assert!(missing.is_empty(), "no graph uses {missing:?}");
    assert!(largest == 30 && shared > 150 && rank == MAX_RANK, "{largest} nodes, {shared} shared, rank {rank}");
}

/// A fault in the backward of one operation is found in graphs, and the graph shrinks to that operation.
#[test]
fn a_fault_in_a_graph_shrinks_to_its_operation() {
    #[derive(Debug)]
    struct Wrong<T>(Box<dyn Op<T>>);

    impl<T: Float> Op<T> for Wrong<T> {
        fn name(&self) -> &'static str {
            self.0.name()
        }
        fn shape(&self, inputs: &[Shape]) -> crate::Result<Shape> {
            self.0.shape(inputs)
        }
        fn reads(&self) -> Reads {
            self.0.reads()
        }
        fn forward(&self, run: Forward<'_, T>) {
            self.0.forward(run);
        }
        /// Of tanh: dx = dy · (1 − y).
        fn backward(&self, mut run: Backward<'_, T>) {
            let dx = run.dx.take(0).expect("a tanh of something that is trained");
            for ((dx_value, &y), &dy) in dx.values.iter_mut().zip(run.y).zip(run.dy) {
                put(dx_value, dy * (T::ONE - y), dx.add);
            }
        }
    }

    fn broken<T: Float>(record: Recorder<T>) -> Recorder<T> {
        Box::new(move |tape, x| {
            let y = record(tape, x)?;
            crate::testing::wrap(tape, 0, |op| if op.name() == "tanh" { Box::new(Wrong(op)) } else { op });
            Ok(y)
        })
    }

    // As many graphs as have a tanh among them, whatever the environment says.
    for seed in [0, 2] {
        let config = ProptestConfig { rng_seed: RngSeed::Fixed(seed), max_shrink_iters: SHRINK, ..cases(60) };
        let problem = check_as("broken", config, graphs(30), |graph| {
            let Case { label, inputs, f32, f64 } = graph.case();
            Case { label, inputs, f32: broken(f32), f64: broken(f64) }
        })
        .unwrap_err();
        let lines: Vec<&str> = problem.lines().collect();
        let [what, simplest, again] = lines[..] else { panic!("three lines: {problem}") };
        assert!(what.starts_with("broken: n0 = input ") && what.contains("the gradient is "), "{problem}");
        let simplest = simplest.strip_prefix("the simplest case that fails: n0 = input (").expect("a graph");
        // A single tanh of a single input, whose values have a draw of their own.
        let (shape, rest) = simplest.split_once("); n1 = tanh(n0); input i drawn from Draw::small(").expect(simplest);
        assert!(shape.split(", ").all(|extent| extent.is_empty() || extent == "1" || extent == "2"), "{shape}");
        assert!(rest.contains(" + i), checked with seed "), "{rest}");
        assert!(again.starts_with(AGAIN), "{again}");
    }
}

#[test]
fn a_failing_property_says_what_and_how_to_draw_it_again() {
    let problem = check("doubled", 20, alike(1), |inputs| {
        let fault = Fault { input: 0, flaw: Flaw::Factor(2.0) };
        break_case(case!("", inputs, |tape, x| tape.scale(x[0], 1.0)), fault)
    })
    .unwrap_err();
    assert!(problem.starts_with("doubled: x0 (): error 5.0e-1 at input 0, element 0: the gradient is "), "{problem}");
    assert!(problem.contains("the simplest case that fails: [CaseInput { shape: (), values: [0.01]"), "{problem}");
    let again = problem.lines().last().unwrap();
    assert!(again.starts_with(AGAIN) && again.contains(" PROPTEST_CASES="), "{problem}");

    let refused =
        check("refused", 20, alike(1), |inputs| case!("", inputs, |tape, x| tape.transpose(x[0]))).unwrap_err();
    assert!(refused.starts_with("refused: x0 (") && refused.contains(", expected three axes\n"), "{refused}");
    let none = check("none", 20, alike(1).prop_filter("nothing will do", |_| false), |inputs| {
        case!("", inputs, |tape, x| tape.sum(x[0]))
    });
    assert!(none.unwrap_err().starts_with("none: no cases could be drawn: "));
}

#[test]
fn a_graph_that_does_not_fit_is_refused() {
    let mut graph = Graph::new();
    let x = graph.input([2, 3]);
    let problem = |result: crate::Result<usize>| result.unwrap_err().to_string();
    assert!(
        problem(graph.push("divine", &[x], &[]))
            .starts_with("graph: unknown operation `divine`, expected one of add, ")
    );
    assert_eq!(problem(graph.push("add", &[x, 1], &[])), "add: node 1 reads node 1, expected earlier ones");
    assert_eq!(problem(graph.push("add", &[x], &[])), "add: 1 inputs, expected 2");
    assert_eq!(problem(graph.push("concat", &[], &[])), "concat: 0 inputs, expected 1 to 4");
    assert_eq!(problem(graph.push("scale", &[x], &[])), "scale: 0 attributes, expected 1");
    assert_eq!(problem(graph.push("transpose", &[x], &[])), "transpose: x is (2, 3), expected three axes");
    let mut tape = Tape::<f32>::new();
    let other = tape.input("x", [3]);
    assert_eq!(graph.record(&mut tape, &[]).unwrap_err().to_string(), "graph: 0 inputs, expected 1");
    let refused = graph.record(&mut tape, &[other]).unwrap_err().to_string();
    assert_eq!(refused, "graph: node 0 is given (3), expected (2, 3)");
}
