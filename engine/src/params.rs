//! Trained parameters: one flat buffer of values and one of gradients, so that an optimiser is a single pass.

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::{Team, rng};

use crate::Shape;

/// A parameter's index in its [`Params`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParamId(pub(crate) usize);

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// U(−bound, bound).
    Uniform(f64),
    /// N(0, 1).
    Normal,
}

/// A declared parameter: what a layer holds on to.
#[derive(Debug, Clone)]
pub struct Param {
    pub(crate) id: ParamId,
    /// PyTorch's `state_dict` key.
    pub name: String,
    /// PyTorch's layout.
    pub shape: Shape,
    /// How it starts.
    pub init: Init,
    offset: usize,
}

/// All parameters of a model, in the order of their declaration, which is PyTorch's `state_dict` order.
#[derive(Debug, Clone)]
pub struct Params<T> {
    list: Vec<Param>,
    /// The values, one parameter after the other.
    pub values: Vec<T>,
    /// The gradients of the last backward, laid out alike.
    pub grads: Vec<T>,
}

impl<T> Default for Params<T> {
    fn default() -> Self {
        Params { list: Vec::new(), values: Vec::new(), grads: Vec::new() }
    }
}

impl<T: Float> Params<T> {
    /// No parameters yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter, its values zero until [`Params::initialise`].
    pub fn declare(&mut self, name: impl Into<String>, shape: impl Into<Shape>, init: Init) -> Param {
        let shape = shape.into();
        let param = Param { id: ParamId(self.list.len()), name: name.into(), shape, init, offset: self.values.len() };
        self.values.resize(param.offset + shape.len(), T::ZERO);
        self.grads.resize(param.offset + shape.len(), T::ZERO);
        self.list.push(param.clone());
        param
    }

    /// Draws every parameter anew: parameter *i* from stream *i* of `seed`, so that no layer's values depend on the
    /// sizes of those before it.
    pub fn initialise(&mut self, seed: u64) {
        let team = Team::solo();
        for param in &self.list {
            let values = &mut self.values[param.range()];
            let stream = INIT_STREAMS + param.id.0 as u64;
            match param.init {
                Init::Normal => rng::fill_normal(&team, seed, stream, 0, values),
                Init::Uniform(bound) => {
                    rng::fill_uniform(&team, seed, stream, 0, values);
                    values.iter_mut().for_each(|v| *v = T::from_f64((2.0 * v.to_f64() - 1.0) * bound));
                }
            }
        }
    }

    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = &Param> {
        self.list.iter()
    }

    /// How many numbers are trained.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// One parameter's values.
    pub fn value(&self, param: &Param) -> &[T] {
        &self.values[param.range()]
    }

    /// One parameter's values, to be changed.
    pub fn value_mut(&mut self, param: &Param) -> &mut [T] {
        &mut self.values[param.range()]
    }

    /// One parameter's gradient.
    pub fn grad(&self, param: &Param) -> &[T] {
        &self.grads[param.range()]
    }

    pub(crate) fn range(&self, id: ParamId) -> std::ops::Range<usize> {
        self.list[id.0].range()
    }
}

/// The first of the random streams that initialise parameters; those below belong to the operations of a tape.
const INIT_STREAMS: u64 = 1 << 32;

impl Param {
    /// Where its elements lie in the flat buffers.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.shape.len()
    }
}
