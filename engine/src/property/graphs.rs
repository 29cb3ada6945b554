//! Random graphs.

use std::fmt;
use std::sync::Arc;

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::Team;
use proptest::array::uniform3;
use proptest::bool::weighted as weighted_bool;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::strategy::Strategy;

use crate::ops::{Case, CaseInput, Draw, Recorder};
use crate::testing::graph::{Graph, Point, RULES, Rule, Sizes, Smooth, weighted};
use crate::{Clock, Compile, Params, Result, Shape, Tape, Tensor};

/// The most elements of a node.
const ELEMENTS: usize = 64;

/// The largest value of a node: beyond it, products of products leave what a numeric gradient can tell from rounding.
const LARGEST: f64 = 8.0;

/// A graph of random operations, with values for its inputs.
#[derive(Clone, PartialEq)]
pub struct RandomGraph {
    /// The graph.
    pub graph: Graph,
    /// The values of each input, in the order of [`Graph::inputs`].
    pub values: Vec<Vec<f64>>,
    /// The values of input i are `Draw::small(seed + i).values(shape)`.
    seed: u64,
}

impl fmt::Debug for RandomGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; input i drawn from Draw::small({} + i)", self.graph, self.seed)
    }
}

/// The material of one step of a graph: numbers that mean something whatever is there already, so that steps before it can be left
/// out when a failing graph shrinks.
#[derive(Debug, Clone)]
struct Step {
    /// Whether it is taken at all. A list leaves out each of its elements once while it shrinks; this gives those a second chance
    /// that were needed by later ones.
    taken: bool,
    /// The row of [`RULES`].
    rule: usize,
    /// For each operand how far it lies back among the nodes that fit; from [`FRESH`] on, it is an input of its own.
    back: [u8; 3],
    /// Draws attributes and the extents of new inputs.
    seed: u64,
}

/// A tenth of operands.
const FRESH: u8 = 230;

/// Graphs of up to `nodes` nodes, inputs among them, of the operations of [`RULES`] on shared inputs. Every value lies away from
/// corners and within (−8, 8). They shrink to fewer nodes, simpler operations and smaller shapes.
///
/// # Panics
/// If `nodes` is 0.
pub fn graphs(nodes: usize) -> impl Strategy<Value = RandomGraph> {
    assert!(nodes > 0, "graphs of at most 0 nodes, expected at least 1");
    let step = (weighted_bool(0.98), 0..RULES.len(), uniform3(any::<u8>()), any::<u64>());
    let step = step.prop_map(|(taken, rule, back, seed)| Step { taken, rule, back, seed });
    let extents = uniform3(1..=3usize);
    // More than there is room for, as some do not fit.
    let steps = vec(step, 1..=nodes + nodes / 2);
    // A tuple shrinks its parts in turn and comes back to none: the extents last, since fewer steps leave more of them that fit.
    (steps, extents, any::<u64>()).prop_map(move |(steps, extents, seed)| {
        let (graph, values, masked) = (Graph::new(), Vec::new(), Vec::new());
        let mut growing = Growing { nodes, extents, seed: seed >> 1, graph, values, masked };
        steps.iter().filter(|step| step.taken).for_each(|step| growing.add(step));
        growing.finish()
    })
}

/// A graph on its way, with the value of every node.
struct Growing {
    nodes: usize,
    extents: [usize; 3],
    seed: u64,
    graph: Graph,
    values: Vec<Vec<f64>>,
    /// Which of them depend on a dropout.
    masked: Vec<bool>,
}

/// An operand: a node that is there, or an input that is to come.
enum Operand {
    Node(usize),
    Fresh(Shape, Vec<f64>),
}

impl Growing {
    /// Adds the operation if its result is as it has to be; else nothing.
    fn add(&mut self, step: &Step) {
        let rule = &RULES[step.rule];
        let mut draw = Draw::small(step.seed);
        let count = draw.whole(*rule.operands.count.start(), *rule.operands.count.end());
        let (mut operands, mut shapes) = (Vec::new(), Vec::new());
        for k in 0..count {
            let operand = self.operand(rule, &shapes, step.back[k % step.back.len()], &operands, &mut draw);
            shapes.push(self.shape(&operand));
            operands.push(operand);
        }
        let fresh = operands.iter().filter(|operand| matches!(operand, Operand::Fresh(..))).count();
        if self.values.len() + fresh + 1 > self.nodes || shapes.iter().any(|shape| shape.len() > ELEMENTS) {
            return;
        }
        let attributes = (rule.attributes)(&shapes, &mut draw);
        let x: Vec<&[f64]> = operands.iter().map(|operand| self.value(operand)).collect();
        // Of what dropout has touched only this mask is known, and each tape draws its own.
        let masked = rule.name == "dropout"
            || operands.iter().any(|operand| matches!(operand, Operand::Node(i) if self.masked[*i]));
        let fits = match rule.smooth {
            Smooth::Linear => true,
            Smooth::Everywhere => !masked,
            Smooth::Where(smooth) => !masked && smooth(&Point { shapes: &shapes, attributes: &attributes, values: &x }),
        };
        if !fits {
            return;
        }
        let given: Vec<(Shape, &[f64])> = shapes.iter().copied().zip(x).collect();
        let Ok(y) = evaluate(rule, &given, &attributes) else { return };
        if y.len() > ELEMENTS || !y.iter().all(|y| y.abs() <= LARGEST) {
            return;
        }
        let inputs: Vec<usize> = operands
            .into_iter()
            .map(|operand| match operand {
                Operand::Node(i) => i,
                Operand::Fresh(shape, values) => {
                    self.values.push(values);
                    self.masked.push(false);
                    self.graph.input(shape)
                }
            })
            .collect();
        self.graph.push(rule.name, &inputs, &attributes).expect("it has just been evaluated");
        self.values.push(y);
        self.masked.push(masked);
    }

    /// The next operand after those of `shapes`.
    fn operand(&self, rule: &Rule, shapes: &[Shape], back: u8, before: &[Operand], draw: &mut Draw) -> Operand {
        let mut extended = shapes.to_vec();
        let fitting: Vec<usize> = (0..self.values.len())
            .rev()
            .filter(|&i| {
                extended.truncate(shapes.len());
                extended.push(self.graph.shape(i));
                (rule.operands.fits)(&extended)
            })
            .collect();
        if !fitting.is_empty() && back < FRESH {
            return Operand::Node(fitting[usize::from(back) % fitting.len()]);
        }
        let shape = (rule.operands.next)(shapes, &mut Sizes { draw, extents: self.extents });
        let staged = before.iter().filter(|operand| matches!(operand, Operand::Fresh(..))).count();
        Operand::Fresh(shape, self.drawn(self.graph.inputs().len() + staged, shape))
    }

    /// The values of input `i`.
    fn drawn(&self, i: usize, shape: Shape) -> Vec<f64> {
        Draw::small(self.seed + i as u64).values(shape).values
    }

    fn shape(&self, operand: &Operand) -> Shape {
        match operand {
            Operand::Node(i) => self.graph.shape(*i),
            Operand::Fresh(shape, _) => *shape,
        }
    }

    fn value<'a>(&'a self, operand: &'a Operand) -> &'a [f64] {
        match operand {
            Operand::Node(i) => &self.values[*i],
            Operand::Fresh(_, values) => values,
        }
    }

    fn finish(mut self) -> RandomGraph {
        if self.graph.nodes().is_empty() {
            // No step fitted.
            let values = self.drawn(0, Shape::SCALAR);
            self.graph.input(Shape::SCALAR);
            self.values.push(values);
        }
        let values = self.graph.inputs().into_iter().map(|i| std::mem::take(&mut self.values[i])).collect();
        RandomGraph { graph: self.graph, values, seed: self.seed }
    }
}

/// The operation's output for these values.
fn evaluate(rule: &Rule, inputs: &[(Shape, &[f64])], attributes: &[f64]) -> Result<Vec<f64>> {
    let mut tape = Tape::new();
    let x: Vec<Tensor> = inputs.iter().map(|(shape, _)| tape.input("x", *shape)).collect();
    let y = rule.record(&mut tape, &x, attributes)?;
    // A view has no memory of its own to be kept.
    let y = tape.scale(y, 1.0)?;
    let mut plan = tape.compile(Compile { keep: &[y], ..Compile::default() });
    for (&x, (_, values)) in x.iter().zip(inputs) {
        plan.fill(x, values)?;
    }
    plan.forward(&Params::new(), &Team::solo(), Clock::default());
    Ok(plan.value(y).to_vec())
}

impl RandomGraph {
    /// The graph as a case for the gradient check. Its output is Σ u·y over all nodes y that nobody reads and all inputs, with
    /// random constants u: the inputs keep every gradient near 1, where rounding does not drown it.
    pub fn case(&self) -> Case {
        let tensor = |shape: Shape, values: Vec<f64>, differentiable| CaseInput { shape, values, differentiable };
        let mut inputs: Vec<CaseInput> = (self.graph.inputs().into_iter().zip(&self.values))
            .map(|(i, values)| tensor(self.graph.shape(i), values.clone(), true))
            .collect();
        let given = inputs.len();
        let mut ends = self.graph.inputs();
        ends.extend(self.graph.sinks());
        ends.sort_unstable();
        ends.dedup();
        let mut draw = Draw::small(!self.seed);
        for &end in &ends {
            let CaseInput { shape, values, .. } = draw.values(self.graph.shape(end));
            inputs.push(tensor(shape, values, false));
        }
        let graph = Arc::new((self.graph.clone(), ends));
        Case { label: self.graph.to_string(), inputs, f32: recorder(graph.clone(), given), f64: recorder(graph, given) }
    }
}

/// Records Σ u·y for the graph's `ends` y; the first `given` tensors are its inputs, the others u.
fn recorder<T: Float>(graph: Arc<(Graph, Vec<usize>)>, given: usize) -> Recorder<T> {
    Box::new(move |tape, x| {
        let (graph, ends) = &*graph;
        let nodes = graph.record(tape, &x[..given])?;
        let pairs: Vec<(Tensor, Tensor)> = ends.iter().map(|&end| nodes[end]).zip(x[given..].iter().copied()).collect();
        weighted(tape, &pairs)
    })
}
