//! Recording: ordinary Rust calls operations on a tape, and the tape remembers them in order.
//!
//! Node *i* refers to nodes *j < i* only, so a reverse loop over the tape is a valid order for the backward and nothing
//! is ever sorted.
//!
//! ```
//! use inkgrad_engine::prelude::*;
//!
//! let mut tape = Tape::<f32>::new();
//! let x = tape.input("x", [32, 784]);
//! let (w, b) = (tape.input("w", [10, 784]), tape.input("b", [10]));
//! let y = tape.linear(x, w, b)?; // y = x·wᵀ + b
//! assert_eq!(tape.shape(y), Shape::from([32, 10]));
//! println!("{tape}"); // one line a node
//!
//! // Shapes are checked while recording; the error names operation, found and expected.
//! let refused = tape.linear(y, w, b).unwrap_err();
//! assert_eq!(refused.to_string(), "linear: weight is (10, 784), bias (10), expected (out, 10) = (out, in) and (out)");
//! # Ok::<(), Error>(())
//! ```

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use inkgrad_kernels::Float;

use crate::op::{MAX_INPUTS, Op};
use crate::{Error, Param, Params, Result, Shape};

/// A value on a tape: its index. Cheap to copy; means something only with the tape that made it and the plan compiled from
/// that, and others refuse it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tensor {
    index: u32,
    tape: u32,
}

impl Tensor {
    /// The node's index on the tape.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({})", self.index)
    }
}

/// Where a node's value comes from.
#[derive(Debug)]
pub(crate) enum Kind<T> {
    /// Filled in from outside before each run.
    Input(String),
    /// A trained parameter.
    Param(Param),
    /// The same elements under another shape; shares its source's memory.
    View,
    /// The same elements, through which no gradient goes back; shares its source's memory.
    Detached,
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
    /// By which it knows its tensors; no two tapes of a process have the same.
    id: u32,
    pub(crate) nodes: Vec<Node<T>>,
}

impl<T> Default for Tape<T> {
    fn default() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Tape { id: NEXT.fetch_add(1, Ordering::Relaxed), nodes: Vec::new() }
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

    /// A parameter, declared with [`Params::declare`](crate::Params::declare). The same one gives the same tensor.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`](crate::Params): a plan runs with one set.
    #[track_caller]
    pub fn param(&mut self, param: &Param) -> Tensor {
        for (i, node) in self.nodes.iter().enumerate() {
            let Kind::Param(known) = &node.kind else { continue };
            assert!(
                known.owner == param.owner,
                "parameter `{}` is of other `Params` than `{}`, which this tape has already: declare both in one `Params`",
                param.name,
                known.name
            );
            if known.id == param.id {
                return self.tensor(i);
            }
        }
        self.push(Kind::Param(param.clone()), Vec::new(), param.shape)
    }

    /// The same elements in the same order under another shape.
    ///
    /// # Errors
    /// If the number of elements differs, or `x` is of another tape.
    pub fn reshape(&mut self, x: Tensor, shape: impl Into<Shape>) -> Result<Tensor> {
        self.require_own("reshape", &[x])?;
        let (from, to) = (self.shape(x), shape.into());
        if from.len() != to.len() {
            return Err(Error::shape("reshape", format!("{from} has {} elements, {to} has {}", from.len(), to.len())));
        }
        Ok(self.push(Kind::View, vec![x], to))
    }

    /// The same value as a constant: no gradient goes back through it, and what leads here alone has no backward. Free.
    ///
    /// ```
    /// use inkgrad_engine::prelude::*;
    ///
    /// let (mut tape, mut params) = (Tape::<f64>::new(), Params::new());
    /// let w = params.declare("w", [1], Init::Constant(3.0));
    /// params.initialise(1);
    /// let x = tape.param(&w);
    /// let constant = tape.detach(x)?;
    /// let y = tape.mul(x, constant)?; // w², of which one factor is held: dw = 3, not 6
    /// let mut plan = tape.compile(Compile { loss: Some(y), ..Compile::default() });
    /// plan.forward(&params, &Team::solo(), Clock::default());
    /// plan.backward(&mut params, &Team::solo());
    /// assert_eq!((plan.value(y), params.grad(&w)), (&[9.0][..], &[3.0][..]));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If `x` is of another tape.
    pub fn detach(&mut self, x: Tensor) -> Result<Tensor> {
        self.require_own("detach", &[x])?;
        let shape = self.shape(x);
        Ok(self.push(Kind::Detached, vec![x], shape))
    }

    /// Makes inputs of all that is detached, and gives them: for a check of gradients, where a constant must not follow the parameters
    /// that it is computed from. They are to be filled with the values that they had.
    pub fn hold(&mut self) -> Vec<Tensor> {
        let detached = |node: &Node<T>| matches!(node.kind, Kind::Detached);
        let held: Vec<usize> = (0..self.nodes.len()).filter(|&i| detached(&self.nodes[i])).collect();
        for &i in &held {
            self.nodes[i].kind = Kind::Input("detached".to_owned());
            self.nodes[i].inputs.clear();
        }
        held.into_iter().map(|i| self.tensor(i)).collect()
    }

    /// Joins all axes but the first.
    ///
    /// # Panics
    /// If `x` is of another tape.
    #[track_caller]
    pub fn flatten(&mut self, x: Tensor) -> Tensor {
        let shape = self.shape(x);
        let rows = shape.first();
        self.push(Kind::View, vec![x], [rows, shape.len().checked_div(rows).unwrap_or(0)].into())
    }

    /// Records an operation. Each operation's own file adds a method that is pleasanter to call.
    ///
    /// # Errors
    /// If the inputs do not fit the operation, there are more than [`MAX_INPUTS`] or another number than [`Op::inputs`] says, one
    /// is of another tape, or some axis of an input or of the output is 0.
    pub fn record(&mut self, op: impl Op<T> + 'static, inputs: &[Tensor]) -> Result<Tensor> {
        self.record_boxed(Box::new(op), inputs)
    }

    /// [`Tape::record`], compiled once and not for every operation.
    fn record_boxed(&mut self, op: Box<dyn Op<T>>, inputs: &[Tensor]) -> Result<Tensor> {
        let (found, takes) = (inputs.len(), op.inputs());
        if found > MAX_INPUTS {
            return Err(Error::shape(op.name(), format!("{found} inputs, expected at most {MAX_INPUTS}")));
        }
        if !takes.contains(&found) {
            let (least, most) = (takes.start(), takes.end());
            let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
            return Err(Error::shape(op.name(), format!("{found} inputs, expected {expected}")));
        }
        self.require_own(op.name(), inputs)?;
        let shapes: Vec<Shape> = inputs.iter().map(|&x| self.shape(x)).collect();
        if let Some((i, shape)) = shapes.iter().enumerate().find(|(_, shape)| shape.is_empty()) {
            return Err(Error::shape(op.name(), format!("input {i} is {shape}, expected no axis of 0")));
        }
        let shape = op.shape(&shapes).map_err(|error| self.locate(error, inputs))?;
        if shape.is_empty() {
            return Err(Error::shape(op.name(), format!("the output is {shape}, expected no axis of 0")));
        }
        // A backward gets one gradient buffer an input, and they must not overlap: an operation that is given one
        // buffer twice gets a copy for the second.
        let mut distinct: Vec<Tensor> = Vec::with_capacity(inputs.len());
        for &x in inputs {
            let taken = distinct.iter().any(|&other| self.root(other) == self.root(x));
            distinct.push(if taken { self.record(crate::copy::Copy, &[x])? } else { x });
        }
        Ok(self.push(Kind::Op(op), distinct, shape))
    }

    /// A value's shape.
    ///
    /// # Panics
    /// If `x` is of another tape.
    #[track_caller]
    pub fn shape(&self, x: Tensor) -> Shape {
        self.nodes[self.own(x)].shape
    }

    /// How many values are recorded.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The index of a tensor of this tape.
    ///
    /// # Panics
    /// If it is of another.
    #[track_caller]
    pub(crate) fn own(&self, x: Tensor) -> usize {
        assert!(
            x.tape == self.id,
            "{x:?} is of another tape: use it with the tape that returned it, or the plan compiled from that"
        );
        x.index()
    }

    /// Panics if `params` lack a parameter of the tape.
    #[track_caller]
    pub(crate) fn expect_params(&self, params: &Params<T>) {
        for node in &self.nodes {
            if let Kind::Param(param) = &node.kind {
                params.own(param);
            }
        }
    }

    /// Whether `x` was recorded here.
    pub fn owns(&self, x: Tensor) -> bool {
        x.tape == self.id
    }

    /// The inputs that have to be filled before a run, each with its name.
    pub fn inputs(&self) -> impl Iterator<Item = (Tensor, &str)> {
        self.nodes.iter().enumerate().filter_map(|(i, node)| match &node.kind {
            Kind::Input(name) => Some((self.tensor(i), name.as_str())),
            _ => None,
        })
    }

    /// Whether `x` is computed from any parameter, so that there is something to train.
    ///
    /// # Panics
    /// If `x` is of another tape.
    #[track_caller]
    pub fn has_parameters(&self, x: Tensor) -> bool {
        let (mut open, mut seen) = (vec![self.own(x)], vec![false; self.nodes.len()]);
        while let Some(i) = open.pop() {
            if matches!(self.nodes[i].kind, Kind::Param(_)) {
                return true;
            }
            if !std::mem::replace(&mut seen[i], true) {
                open.extend(self.nodes[i].inputs.iter().map(|x| x.index()));
            }
        }
        false
    }

    /// A refused shape, with the parameter by whose name people find the place in their network.
    fn locate(&self, error: Error, inputs: &[Tensor]) -> Error {
        let named = inputs.iter().position(|x| matches!(self.nodes[x.index()].kind, Kind::Param(_)));
        match (error, named) {
            (Error::Shape { op, problem }, Some(i)) => {
                let name = self.name(inputs[i].index());
                let op = match i {
                    0 => format!("{op} of `{name}`"),
                    _ => format!("{op} with `{name}`, x {}", self.shape(inputs[0])),
                };
                Error::Shape { op, problem }
            }
            (error, _) => error,
        }
    }

    pub(crate) fn require_own(&self, op: &str, inputs: &[Tensor]) -> Result<()> {
        match inputs.iter().position(|x| x.tape != self.id) {
            None => Ok(()),
            Some(i) => {
                Err(Error::shape(op, format!("input {i} is of another tape, expected one that this tape returned")))
            }
        }
    }

    /// Node `i` as a tensor.
    pub(crate) fn tensor(&self, i: usize) -> Tensor {
        Tensor { index: u32::try_from(i).expect("a tape of fewer than 2³² nodes"), tape: self.id }
    }

    /// The node whose memory `x` lies in: the end of its chain of views.
    pub(crate) fn root(&self, x: Tensor) -> usize {
        let mut index = x.index();
        while let Kind::View | Kind::Detached = self.nodes[index].kind {
            index = self.nodes[index].inputs[0].index();
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

    /// The name of node `i`: its operation, or where its value comes from.
    pub(crate) fn label(&self, i: usize) -> &str {
        match &self.nodes[i].kind {
            Kind::Input(_) => "input",
            Kind::Param(_) => "param",
            Kind::View => "view",
            Kind::Detached => "detach",
            Kind::Op(op) => op.name(),
        }
    }

    /// The name that node `i` was declared with, if it was.
    pub(crate) fn name(&self, i: usize) -> &str {
        match &self.nodes[i].kind {
            Kind::Input(name) | Kind::Param(Param { name, .. }) => name,
            _ => "",
        }
    }

    fn push(&mut self, kind: Kind<T>, inputs: Vec<Tensor>, shape: Shape) -> Tensor {
        self.nodes.push(Node { kind, inputs, shape });
        self.tensor(self.nodes.len() - 1)
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
            let inputs: Vec<String> = node.inputs.iter().map(|x| x.index.to_string()).collect();
            let bytes = node.shape.len() * size_of::<T>();
            let line = format!(
                "{i:>4}  {:<22} {:<14} {:<20} {bytes:>12} {:>12.3}  {}",
                self.label(i),
                inputs.join(" "),
                node.shape.to_string(),
                self.node_flops(i) as f64 / 1e6,
                self.name(i),
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
