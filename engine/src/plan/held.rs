//! The contents of a plan's memory, for people to look at.

use std::ops::{Range, RangeInclusive};

use inkgrad_kernels::Float;

use super::Plan;
use crate::layout::Place;
use crate::tape::Kind;

/// A value or a gradient in a plan's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held<'a> {
    /// The node whose it is.
    pub node: usize,
    /// The node's operation.
    pub op: &'a str,
    /// Whether it is a gradient.
    pub is_gradient: bool,
    /// Where it lies, in elements.
    pub elements: Range<usize>,
    /// From which moment to which it matters.
    pub moments: RangeInclusive<usize>,
}

impl<T: Float> Plan<T> {
    /// The values and gradients that lie in the plan's memory, node by node. A step of `n` nodes has the moments 0 to 2·n, first
    /// forward, then backward. Memory that views look at is listed once; parameters lie elsewhere.
    ///
    /// ```
    /// use inkgrad_engine::prelude::*;
    ///
    /// let mut tape = Tape::<f32>::new();
    /// let x = tape.input("x", [20]);
    /// let y = tape.tanh(x)?;
    /// let plan = tape.compile(Compile { keep: &[y], ..Compile::default() });
    /// let held = plan.held();
    /// assert_eq!((held[0].op, held[0].elements.len(), held[1].op), ("input", 20, "tanh"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn held(&self) -> Vec<Held<'_>> {
        let mut all = Vec::new();
        for (node, layout) in self.layout.nodes.iter().enumerate() {
            if matches!(self.tape.nodes[node].kind, Kind::View) {
                continue;
            }
            for (place, is_gradient) in [(Some(&layout.value), false), (layout.gradient.as_ref(), true)] {
                let alive = &layout.alive[usize::from(is_gradient)];
                if let Some(Place::Arena(elements)) = place {
                    let moments = alive.first..=alive.last;
                    let op = self.tape.label(node);
                    all.push(Held { node, op, is_gradient, elements: elements.clone(), moments });
                }
            }
        }
        all
    }
}
