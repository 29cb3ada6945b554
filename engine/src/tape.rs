//! Recording: ordinary Rust calls operations on a tape, and the tape remembers them in order.
//!
//! Node *i* refers to nodes *j < i* only, so a reverse loop over the tape is a valid order for the backward and nothing
//! is ever sorted.

use std::fmt;

use inkgrad_kernels::Float;

use crate::op::{MAX_INPUTS, Op};
use crate::params::ParamId;
use crate::{Error, Result, Shape};

/// A value on a tape: its index. Cheap to copy; means something only with the tape that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tensor(pub(crate) usize);

impl Tensor {
    /// The node's index on the tape.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Where a node's value comes from.
#[derive(Debug)]
pub(crate) enum Kind<T> {
    /// Filled in from outside before each run.
    Input(String),
    /// A trained parameter.
    Param(ParamId, String),
    /// The same elements under another shape; shares its source's memory.
    View,
    /// Computed.
    Op(Box<dyn Op<T>>),
}

/// One recorded value.
#[derive(Debug)]
pub(crate) struct Node<T> {
    pub(crate) kind: Kind<T>,
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) shape: Shape,
}

/// A record of operations in the order in which they were called.
#[derive(Debug)]
pub struct Tape<T> {
    pub(crate) nodes: Vec<Node<T>>,
}

impl<T> Default for Tape<T> {
    fn default() -> Self {
        Tape { nodes: Vec::new() }
    }
}

impl<T: Float> Tape<T> {
    /// An empty tape.
    pub fn new() -> Self {
        Self::default()
    }

    /// A value that is filled in before each run.
    pub fn input(&mut self, name: &str, shape: impl Into<Shape>) -> Tensor {
        self.push(Kind::Input(name.to_owned()), Vec::new(), shape.into())
    }

    /// A parameter, declared with [`Params::declare`](crate::Params::declare).
    pub fn param(&mut self, param: &crate::Param) -> Tensor {
        let found = self.nodes.iter().position(|node| matches!(node.kind, Kind::Param(id, _) if id == param.id));
        match found {
            Some(index) => Tensor(index),
            None => self.push(Kind::Param(param.id, param.name.clone()), Vec::new(), param.shape),
        }
    }

    /// The same elements in the same order under another shape.
    ///
    /// # Errors
    /// If the number of elements differs.
    pub fn reshape(&mut self, x: Tensor, shape: impl Into<Shape>) -> Result<Tensor> {
        let (from, to) = (self.shape(x), shape.into());
        if from.len() != to.len() {
            return Err(Error::shape("reshape", format!("{from} has {} elements, {to} has {}", from.len(), to.len())));
        }
        Ok(self.push(Kind::View, vec![x], to))
    }

    /// Joins all axes but the first.
    pub fn flatten(&mut self, x: Tensor) -> Tensor {
        let shape = self.shape(x);
        let rows = shape.first();
        self.push(Kind::View, vec![x], [rows, shape.len().checked_div(rows).unwrap_or(0)].into())
    }

    /// Records an operation. Each operation's own file adds a method that is pleasanter to call.
    ///
    /// # Errors
    /// If the inputs' shapes do not fit the operation.
    pub fn record(&mut self, op: impl Op<T> + 'static, inputs: &[Tensor]) -> Result<Tensor> {
        assert!(inputs.len() <= MAX_INPUTS, "{} has {} inputs, at most {MAX_INPUTS} fit", op.name(), inputs.len());
        let shapes: Vec<Shape> = inputs.iter().map(|&x| self.shape(x)).collect();
        let shape = op.shape(&shapes)?;
        // A backward gets one gradient buffer an input, and they must not overlap: an operation that is given one
        // buffer twice gets a copy for the second.
        let mut distinct: Vec<Tensor> = Vec::with_capacity(inputs.len());
        for &x in inputs {
            let taken = distinct.iter().any(|&other| self.root(other) == self.root(x));
            distinct.push(if taken { self.record(crate::ops::Copy, &[x])? } else { x });
        }
        Ok(self.push(Kind::Op(Box::new(op)), distinct, shape))
    }

    /// A value's shape.
    pub fn shape(&self, x: Tensor) -> Shape {
        self.nodes[x.0].shape
    }

    /// How many values are recorded.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node whose memory `x` lies in: the end of its chain of views.
    pub(crate) fn root(&self, x: Tensor) -> usize {
        let mut index = x.0;
        while let Kind::View = self.nodes[index].kind {
            index = self.nodes[index].inputs[0].0;
        }
        index
    }

    /// Floating-point operations of one forward.
    pub fn flops(&self) -> u64 {
        (0..self.nodes.len()).map(|i| self.node_flops(i)).sum()
    }

    /// Floating-point operations of node `i`'s forward.
    pub(crate) fn node_flops(&self, i: usize) -> u64 {
        let node = &self.nodes[i];
        match &node.kind {
            Kind::Op(op) => op.flops(&self.input_shapes(node), node.shape),
            _ => 0,
        }
    }

    pub(crate) fn input_shapes(&self, node: &Node<T>) -> Vec<Shape> {
        node.inputs.iter().map(|&x| self.shape(x)).collect()
    }

    /// What node `i` is called: its operation, or what it was declared as.
    pub(crate) fn label(&self, i: usize) -> &str {
        match &self.nodes[i].kind {
            Kind::Input(_) => "input",
            Kind::Param(..) => "param",
            Kind::View => "view",
            Kind::Op(op) => op.name(),
        }
    }

    fn push(&mut self, kind: Kind<T>, inputs: Vec<Tensor>, shape: Shape) -> Tensor {
        self.nodes.push(Node { kind, inputs, shape });
        Tensor(self.nodes.len() - 1)
    }
}

impl<T: Float> fmt::Display for Tape<T> {
    /// One line a node: index, operation, inputs, shape, bytes, floating-point operations, name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>4}  {:<22} {:<14} {:<20} {:>12} {:>12}  name",
            "node", "op", "inputs", "shape", "bytes", "MFLOP"
        )?;
        for (i, node) in self.nodes.iter().enumerate() {
            let inputs: Vec<String> = node.inputs.iter().map(|x| x.0.to_string()).collect();
            let name = match &node.kind {
                Kind::Input(name) | Kind::Param(_, name) => name,
                _ => "",
            };
            let bytes = node.shape.len() * size_of::<T>();
            let line = format!(
                "{i:>4}  {:<22} {:<14} {:<20} {bytes:>12} {:>12.3}  {name}",
                self.label(i),
                inputs.join(" "),
                node.shape.to_string(),
                self.node_flops(i) as f64 / 1e6,
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
