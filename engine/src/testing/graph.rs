//! Graphs as data: lists of nodes with operation, attributes and inputs, recorded by one interpreter in either element type.
//!
//! ```
//! use inkgrad_engine::prelude::*;
//! use inkgrad_engine::testing::graph::Graph;
//!
//! let mut graph = Graph::new();
//! let x = graph.input([2, 3]);
//! let square = graph.push("mul", &[x, x], &[])?;
//! let y = graph.push("scale", &[square], &[0.5])?;
//! assert_eq!(graph.to_string(), "n0 = input (2, 3); n1 = mul(n0, n0); n2 = scale(n1; 0.5)");
//! assert_eq!(graph.sinks(), [y]); // nobody reads it
//!
//! let mut tape = Tape::<f32>::new();
//! let given = tape.input("x", [2, 3]);
//! let nodes = graph.record(&mut tape, &[given])?;
//! assert_eq!(tape.shape(nodes[y]), Shape::from([2, 3]));
//! # Ok::<(), Error>(())
//! ```

use std::fmt;

use inkgrad_kernels::Float;

pub use super::rules::{Operands, Point, RULES, Rule, Sizes, Smooth};
use crate::{Error, Result, Shape, Tape, Tensor};

/// One node of a graph.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A value that is given.
    Input(Shape),
    /// A value that is computed.
    Op {
        /// By which operation.
        rule: &'static Rule,
        /// From which earlier nodes.
        inputs: Vec<usize>,
        /// A constant, an index, extents.
        attributes: Vec<f64>,
    },
}

/// A graph as data. Nodes refer to earlier nodes only.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    /// One for each node.
    shapes: Vec<Shape>,
}

impl Graph {
    /// No nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an input; returns its node.
    pub fn input(&mut self, shape: impl Into<Shape>) -> usize {
        let shape = shape.into();
        self.shapes.push(shape);
        self.nodes.push(Node::Input(shape));
        self.nodes.len() - 1
    }

    /// Adds an operation of [`RULES`] on earlier nodes; returns its node.
    ///
    /// # Errors
    /// If no row has the name, an input is no earlier node, or inputs or attributes do not fit the operation.
    pub fn push(&mut self, name: &str, inputs: &[usize], attributes: &[f64]) -> Result<usize> {
        let rule = Rule::named(name)?;
        let node = self.nodes.len();
        if let Some(input) = inputs.iter().find(|&&input| input >= node) {
            return Err(Error::shape(name, format!("node {node} reads node {input}, expected earlier ones")));
        }
        let mut tape = Tape::<f64>::new();
        let x: Vec<Tensor> = inputs.iter().map(|&i| tape.input("x", self.shapes[i])).collect();
        let y = rule.record(&mut tape, &x, attributes)?;
        self.shapes.push(tape.shape(y));
        self.nodes.push(Node::Op { rule, inputs: inputs.to_vec(), attributes: attributes.to_vec() });
        Ok(node)
    }

    /// The nodes in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The shape of node `i`.
    pub fn shape(&self, i: usize) -> Shape {
        self.shapes[i]
    }

    /// The nodes that are inputs.
    pub fn inputs(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&i| matches!(self.nodes[i], Node::Input(_))).collect()
    }

    /// The nodes that nobody reads.
    pub fn sinks(&self) -> Vec<usize> {
        let mut read = vec![false; self.nodes.len()];
        for node in &self.nodes {
            if let Node::Op { inputs, .. } = node {
                inputs.iter().for_each(|&i| read[i] = true);
            }
        }
        (0..read.len()).filter(|&i| !read[i]).collect()
    }

    /// Records the graph on `inputs`, one for each of [`Graph::inputs`]; returns all nodes.
    ///
    /// # Errors
    /// If the inputs are not as many, or of other shapes.
    pub fn record<T: Float>(&self, tape: &mut Tape<T>, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let expected = self.inputs().len();
        if inputs.len() != expected {
            return Err(Error::shape("graph", format!("{} inputs, expected {expected}", inputs.len())));
        }
        let mut given = inputs.iter();
        let mut recorded: Vec<Tensor> = Vec::with_capacity(self.nodes.len());
        for (i, node) in self.nodes.iter().enumerate() {
            recorded.push(match node {
                Node::Input(shape) => {
                    let &x = given.next().expect("they were counted");
                    if tape.shape(x) != *shape {
                        let found = tape.shape(x);
                        return Err(Error::shape("graph", format!("node {i} is given {found}, expected {shape}")));
                    }
                    x
                }
                Node::Op { rule, inputs, attributes } => {
                    let x: Vec<Tensor> = inputs.iter().map(|&j| recorded[j]).collect();
                    rule.record(tape, &x, attributes)?
                }
            });
        }
        Ok(recorded)
    }
}

impl fmt::Display for Graph {
    /// `n0 = input (2, 3); n1 = mul(n0, n0); n2 = scale(n1; 0.5)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, node) in self.nodes.iter().enumerate() {
            write!(f, "{}n{i} = ", if i == 0 { "" } else { "; " })?;
            match node {
                Node::Input(shape) => write!(f, "input {shape}")?,
                Node::Op { rule, inputs, attributes } => {
                    let inputs: Vec<String> = inputs.iter().map(|i| format!("n{i}")).collect();
                    write!(f, "{}({}", rule.name, inputs.join(", "))?;
                    for (i, a) in attributes.iter().enumerate() {
                        write!(f, "{} {a}", if i == 0 { ";" } else { "," })?;
                    }
                    f.write_str(")")?;
                }
            }
        }
        Ok(())
    }
}

/// Σᵢ Σ uᵢ·yᵢ for pairs (yᵢ, uᵢ) of equal shapes: a loss whose gradient differs from element to element.
///
/// # Errors
/// If two shapes differ, or there is no pair.
pub fn weighted<T: Float>(tape: &mut Tape<T>, pairs: &[(Tensor, Tensor)]) -> Result<Tensor> {
    let mut loss = None;
    for &(y, u) in pairs {
        let product = tape.mul(y, u)?;
        let sum = tape.sum(product)?;
        loss = Some(match loss {
            None => sum,
            Some(loss) => tape.add(loss, sum)?,
        });
    }
    loss.ok_or_else(|| Error::shape("weighted", "no pairs, expected at least one"))
}
