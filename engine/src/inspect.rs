//! Looking at a recorded tape from outside: what a page, a printer or another interpreter needs to know of each node.
//!
//! ```
//! use inkgrad_engine::inspect::{Attribute, Role};
//! use inkgrad_engine::prelude::*;
//!
//! let mut tape = Tape::<f32>::new();
//! let x = tape.input("x", [2, 3]);
//! let y = tape.scale(x, 0.5)?;
//! let node = tape.node(y);
//! assert!(matches!(node.role, Role::Op("scale")));
//! assert_eq!((node.inputs, node.shape), (&[x][..], Shape::from([2, 3])));
//! assert_eq!(node.attributes, [("c", Attribute::Number(0.5))]);
//! assert_eq!(tape.tensors().count(), 2);
//! # Ok::<(), Error>(())
//! ```

use inkgrad_kernels::Float;

use crate::tape::Kind;
use crate::{Param, Shape, Tape, Tensor};

/// A setting of an operation that was fixed when it was recorded, such as a convolution's stride.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// On or off.
    Flag(bool),
    /// A count or an index.
    Whole(usize),
    /// Something vertical and horizontal.
    Pair(usize, usize),
    /// A constant.
    Number(f64),
    /// A count or an index for each axis.
    List(Vec<usize>),
}

/// Where a node's value comes from.
#[derive(Debug, Clone, Copy)]
pub enum Role<'a> {
    /// Filled in before each run, under this name.
    Input(&'a str),
    /// A trained parameter.
    Param(&'a Param),
    /// The elements of its only input under another shape.
    View,
    /// The elements of its only input, through which no gradient goes back.
    Detached,
    /// Computed by the operation of this name, see [`OPS`](crate::ops::OPS).
    Op(&'a str),
}

/// One recorded value.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    /// Where its value comes from.
    pub role: Role<'a>,
    /// The values that it is computed from, all recorded before it.
    pub inputs: &'a [Tensor],
    /// The extents of its value.
    pub shape: Shape,
    /// The operation's settings; empty for what has none.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// Floating-point operations of its forward.
    pub flops: u64,
}

impl<T: Float> Tape<T> {
    /// All values in the order in which they were recorded.
    pub fn tensors(&self) -> impl Iterator<Item = Tensor> {
        (0..self.len()).map(|i| self.tensor(i))
    }

    /// One recorded value.
    ///
    /// # Panics
    /// If `x` is of another tape.
    #[track_caller]
    pub fn node(&self, x: Tensor) -> Node<'_> {
        let i = self.own(x);
        let node = &self.nodes[i];
        let (role, attributes) = match &node.kind {
            Kind::Input(name) => (Role::Input(name), Vec::new()),
            Kind::Param(param) => (Role::Param(param), Vec::new()),
            Kind::View => (Role::View, Vec::new()),
            Kind::Detached => (Role::Detached, Vec::new()),
            Kind::Op(op) => (Role::Op(op.name()), op.attributes()),
        };
        Node { role, inputs: &node.inputs, shape: node.shape, attributes, flops: self.node_flops(i) }
    }
}
