//! Random graphs of up to 30 nodes against PyTorch's autograd: the loss, and its gradient for every input.
//!
//! The error of a gradient g is ‖found − g‖/‖g‖, Euclidean norms over one input; ‖found‖ where g is zero. That of the loss is
//! relative to 1 + |loss|: it is a sum that may cancel. `tests/fixtures/graphs.py` says how the graphs were drawn.

use std::collections::BTreeSet;

use inkgrad_engine::testing::graph::{Graph, Node, RULES, weighted};
use inkgrad_engine::{Clock, Compile, Float, Init, Param, Params, Result, Shape, Tape, Team};
use inkgrad_tests::fixture::{self, Rule, draw, error_l2};
use serde::Deserialize;

/// `graphs.json`.
#[derive(Debug, Deserialize)]
struct Fixture {
    graphs: Vec<Described>,
}

#[derive(Debug, Deserialize)]
struct Described {
    name: String,
    nodes: Vec<DescribedNode>,
    loss: f64,
    /// One for each input.
    grads: Vec<Vec<f64>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum DescribedNode {
    Input { shape: Vec<usize>, bound: f64 },
    Op { op: String, inputs: Vec<usize>, attributes: Vec<f64> },
}

impl Described {
    fn graph(&self) -> Result<Graph> {
        let mut graph = Graph::new();
        for node in &self.nodes {
            match node {
                DescribedNode::Input { shape, .. } => graph.input(Shape::try_from(&shape[..])?),
                DescribedNode::Op { op, inputs, attributes } => graph.push(op, inputs, attributes)?,
            };
        }
        Ok(graph)
    }

    /// The loss and its gradient for every input.
    fn run<T: Float>(&self, graph: &Graph) -> Result<(f64, Vec<Vec<T>>)> {
        let (mut tape, mut params) = (Tape::<T>::new(), Params::new());
        let mut declared: Vec<Param> = Vec::new();
        for (i, node) in self.nodes.iter().enumerate() {
            let &DescribedNode::Input { bound, .. } = node else { continue };
            let name = format!("{}.n{i}", self.name);
            let param = params.declare(&name, graph.shape(i), Init::Normal);
            params.value_mut(&param).copy_from_slice(&draw(&name, param.shape.len(), Rule::Signed { bound }));
            declared.push(param);
        }
        let inputs: Vec<_> = declared.iter().map(|param| tape.param(param)).collect();
        let nodes = graph.record(&mut tape, &inputs)?;
        let mut pairs = Vec::new();
        for i in graph.sinks() {
            pairs.push((nodes[i], tape.input(&format!("{}.u{i}", self.name), graph.shape(i))));
        }
        let loss = weighted(&mut tape, &pairs)?;
        let mut plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
        for (i, (_, u)) in graph.sinks().into_iter().zip(pairs) {
            let weights = draw(&format!("{}.u{i}", self.name), graph.shape(i).len(), Rule::Signed { bound: 1.0 });
            plan.fill(u, &weights)?;
        }
        plan.forward(&params, &Team::solo(), Clock::default());
        let value = plan.value(loss)[0].to_f64();
        plan.backward(&mut params, &Team::solo());
        Ok((value, declared.iter().map(|param| params.grad(param).to_vec()).collect()))
    }
}

/// Compares all graphs and returns the largest error.
fn compare<T: Float>(tolerance: f64) -> f64 {
    let Fixture { graphs } = fixture::load("graphs");
    assert_eq!(graphs.len(), 200);
    let mut largest: f64 = 0.0;
    for described in &graphs {
        let graph = described.graph().unwrap_or_else(|error| panic!("{}: {error}", described.name));
        let (loss, grads) = described.run::<T>(&graph).unwrap_or_else(|error| panic!("{}: {error}", described.name));
        let error = (loss - described.loss).abs() / (1.0 + described.loss.abs());
        assert!(error <= tolerance, "{}: loss {loss}, expected {}: {graph}", described.name, described.loss);
        assert_eq!(grads.len(), described.grads.len(), "{}: inputs", described.name);
        for ((input, found), expected) in graph.inputs().into_iter().zip(&grads).zip(&described.grads) {
            let error = error_l2(found, expected);
            let place = format!("{} n{input}", described.name);
            assert!(error <= tolerance, "{place}: error {error:.1e} in {}: {graph}", T::NAME);
            largest = largest.max(error);
        }
    }
    println!("{}: {} graphs, largest error of a gradient {largest:.1e}", T::NAME, graphs.len());
    largest
}

#[test]
fn gradients_in_f64() {
    compare::<f64>(1e-10);
}

#[test]
fn gradients_in_f32() {
    let largest = compare::<f32>(1e-5);
    // Else the numbers would not be those of an f32 run.
    assert!(largest > 1e-9);
}

/// The fixture holds what it is meant to: large graphs that share inputs, and every operation that it was written with.
#[test]
fn the_fixture_is_of_many_kinds() {
    let Fixture { graphs } = fixture::load("graphs");
    let (mut largest, mut shared, mut used) = (0, 0, BTreeSet::new());
    for described in &graphs {
        let graph = described.graph().unwrap();
        let mut readers = vec![0; graph.nodes().len()];
        for node in graph.nodes() {
            if let Node::Op { rule, inputs, .. } = node {
                used.insert(rule.name);
                inputs.iter().for_each(|&i| readers[i] += 1);
            }
        }
        largest = largest.max(readers.len());
        shared += usize::from(graph.inputs().iter().any(|&i| readers[i] > 1));
    }
    assert!(largest == 30 && shared == graphs.len(), "{largest} nodes, {shared} graphs with shared inputs");
    println!("{} of {} operations", used.len(), RULES.len());
    assert!(used.len() >= 50, "{used:?}");
}
