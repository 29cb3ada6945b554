//! Trained parameters: one flat buffer of values and one of gradients, so that an optimiser is a single pass.
//!
//! Several plans may train one set of parameters: a generator and its critic, a head on an encoder that stays. Each
//! parameter has a mark that says whether its gradient is *live*: a [`Plan::backward`](crate::Plan::backward) writes the
//! gradients of the parameters that lead to its loss and marks them, or adds to those that are live already (gradient
//! accumulation). An [`Optimizer`](crate::optim::Optimizer) moves those parameters and takes the marks off; all others it
//! leaves as they are, with their moments.
//!
//! ```
//! use inkgrad_engine::prelude::*;
//!
//! let mut params = Params::<f32>::new();
//! let encoder = params.declare("encoder.weight", [16, 784], Init::Uniform(0.04));
//! let head = params.declare("head.weight", [10, 16], Init::Uniform(0.25));
//! params.initialise(42);
//! assert_eq!((params.count(), params.value(&head).len()), (12_704, 160));
//!
//! params.freeze("encoder.")?; // from here on no step moves what begins with this
//! assert!(params.is_frozen(&encoder) && !params.is_frozen(&head));
//! let error = params.freeze("decoder.").unwrap_err();
//! assert_eq!(error.to_string(), "parameter `decoder.`: no name begins so, expected one of encoder.weight, head.weight");
//! # Ok::<(), Error>(())
//! ```

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::{Team, rng};

use crate::{Error, Result, Shape};

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
    /// The same number everywhere: 0 for a bias, 1 for a gain.
    Constant(f64),
}

/// A declared parameter: what a layer holds on to.
#[derive(Debug, Clone)]
pub struct Param {
    pub(crate) id: ParamId,
    /// The [`Params`] that it was declared in, or those that they were cloned from.
    pub(crate) owner: u32,
    /// PyTorch's `state_dict` key.
    pub name: String,
    /// PyTorch's layout.
    pub shape: Shape,
    /// How it starts.
    pub init: Init,
    offset: usize,
}

impl Param {
    /// Where its elements lie in the flat buffers.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.shape.len()
    }
}

/// Whether a parameter is trained, and whether its gradient waits for an update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) live: bool,
    pub(crate) frozen: bool,
}

impl Marks {
    /// Makes a gradient live that a backward is about to compute. Returns whether to add to it, as the plan says
    /// (`add`) or because it is live already; `None` if it is not to be computed.
    pub(crate) fn claim(&mut self, add: bool) -> Option<bool> {
        let live = std::mem::replace(&mut self.live, !self.frozen);
        (!self.frozen).then_some(add || live)
    }
}

/// All parameters of a model, in the order of their declaration, which is PyTorch's `state_dict` order. A clone has the
/// same parameters with values of its own, and runs with the same plans.
#[derive(Debug, Clone)]
pub struct Params<T> {
    id: u32,
    list: Vec<Param>,
    /// The values, one parameter after the other.
    pub values: Vec<T>,
    /// The gradients, laid out alike.
    pub(crate) grads: Vec<T>,
    /// One for each parameter.
    pub(crate) marks: Vec<Marks>,
}

impl<T> Default for Params<T> {
    fn default() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Params { id, list: Vec::new(), values: Vec::new(), grads: Vec::new(), marks: Vec::new() }
    }
}

impl<T: Float> Params<T> {
    /// No parameters yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter, its values zero until [`Params::initialise`].
    ///
    /// # Panics
    /// If there is one of this name: files of weights know parameters by their names.
    #[track_caller]
    pub fn declare(&mut self, name: impl Into<String>, shape: impl Into<Shape>, init: Init) -> Param {
        let (id, offset, name) = (ParamId(self.list.len()), self.values.len(), name.into());
        assert!(self.list.iter().all(|param| param.name != name), "parameter `{name}` is declared twice");
        let param = Param { id, owner: self.id, name, shape: shape.into(), init, offset };
        self.values.resize(param.range().end, T::ZERO);
        self.grads.resize(param.range().end, T::ZERO);
        self.marks.push(Marks::default());
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
                Init::Constant(value) => values.fill(T::from_f64(value)),
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

    /// Panics unless `what` was made for as many numbers as these are.
    #[track_caller]
    pub(crate) fn expect_count(&self, what: &str, made_for: usize) {
        let count = self.count();
        assert!(made_for == count, "{what} of {made_for} numbers, but the parameters have {count}");
    }

    /// One parameter's values.
    ///
    /// # Panics
    /// If it is not a parameter of these.
    #[track_caller]
    pub fn value(&self, param: &Param) -> &[T] {
        &self.values[self.own(param)]
    }

    /// One parameter's values, to be changed.
    ///
    /// # Panics
    /// If it is not a parameter of these.
    #[track_caller]
    pub fn value_mut(&mut self, param: &Param) -> &mut [T] {
        let range = self.own(param);
        &mut self.values[range]
    }

    /// All gradients, one parameter's after the other's. Only those that are live mean something.
    pub fn grads(&self) -> &[T] {
        &self.grads
    }

    /// All gradients, to be written by hand; those of all parameters that are not frozen are live then.
    pub fn grads_mut(&mut self) -> &mut [T] {
        self.marks.iter_mut().for_each(|marks| marks.live = !marks.frozen);
        &mut self.grads
    }

    /// Says which gradients are live, in the order of declaration: of those that are summed elsewhere and were written by hand. Of
    /// parameters that are frozen none are; those that are not named are not live.
    pub fn set_live(&mut self, live: &[bool]) {
        for (i, marks) in self.marks.iter_mut().enumerate() {
            marks.live = live.get(i).is_some_and(|&live| live) && !marks.frozen;
        }
    }

    /// One parameter's gradient.
    ///
    /// # Panics
    /// If it is not a parameter of these.
    #[track_caller]
    pub fn grad(&self, param: &Param) -> &[T] {
        &self.grads[self.own(param)]
    }

    /// Whether a parameter's gradient was written since the last update, which the next one will follow.
    ///
    /// # Panics
    /// If it is not a parameter of these.
    #[track_caller]
    pub fn is_live(&self, param: &Param) -> bool {
        self.own(param);
        self.marks[param.id.0].live
    }

    /// Forgets all gradients without an update: the next backward writes.
    pub fn discard_gradients(&mut self) {
        self.marks.iter_mut().for_each(|marks| marks.live = false);
    }

    /// From here on no backward computes the gradients of the parameters whose names begin with `prefix`, and no update
    /// moves them or their moments. Returns how many they are.
    ///
    /// A plan that never trains them is faster with [`Compile::frozen`](crate::Compile::frozen), which also leaves out the
    /// gradients that only they would need.
    ///
    /// # Errors
    /// [`Error::Param`] if no name begins so.
    pub fn freeze(&mut self, prefix: &str) -> Result<usize> {
        self.set_frozen(prefix, true)
    }

    /// Undoes [`Params::freeze`] for the parameters whose names begin with `prefix`. Returns how many they are.
    ///
    /// # Errors
    /// [`Error::Param`] if no name begins so.
    pub fn unfreeze(&mut self, prefix: &str) -> Result<usize> {
        self.set_frozen(prefix, false)
    }

    fn set_frozen(&mut self, prefix: &str, frozen: bool) -> Result<usize> {
        let mut found = 0;
        for (param, marks) in self.list.iter().zip(&mut self.marks) {
            if param.name.starts_with(prefix) {
                *marks = Marks { frozen, live: marks.live && !frozen };
                found += 1;
            }
        }
        if found == 0 {
            let names: Vec<&str> = self.list.iter().map(|param| param.name.as_str()).collect();
            let problem = format!("no name begins so, expected one of {}", names.join(", "));
            return Err(Error::Param { name: prefix.to_owned(), problem });
        }
        Ok(found)
    }

    /// Whether a parameter is frozen.
    ///
    /// # Panics
    /// If it is not a parameter of these.
    #[track_caller]
    pub fn is_frozen(&self, param: &Param) -> bool {
        self.own(param);
        self.marks[param.id.0].frozen
    }

    pub(crate) fn range(&self, id: ParamId) -> Range<usize> {
        self.list[id.0].range()
    }

    /// Whether these have a parameter of that name, shape and place.
    pub(crate) fn has(&self, param: &Param) -> bool {
        self.list
            .get(param.id.0)
            .is_some_and(|own| own.name == param.name && own.shape == param.shape && own.offset == param.offset)
    }

    /// Where a parameter of these lies.
    ///
    /// # Panics
    /// If they have none of that name, shape and place.
    #[track_caller]
    pub(crate) fn own(&self, param: &Param) -> Range<usize> {
        if !self.has(param) {
            panic!(
                "these `Params` lack parameter `{}` {}, number {}: use those that it was declared in",
                param.name, param.shape, param.id.0
            );
        }
        param.range()
    }

    /// All that an update works on: which parameters it follows, the values, and the gradients.
    pub(crate) fn parts(&mut self) -> (Live<'_>, &mut [T], &[T]) {
        (Live { list: &self.list, marks: &self.marks }, &mut self.values, &self.grads)
    }
}

/// The parameters whose gradients are live.
#[derive(Clone, Copy)]
pub(crate) struct Live<'a> {
    list: &'a [Param],
    marks: &'a [Marks],
}

impl<'a> Live<'a> {
    /// Their stretches of the flat buffers, neighbours with an equal `key` of their index as one: one stretch where all are
    /// live and alike.
    pub(crate) fn stretches<K: PartialEq>(
        self,
        key: impl Fn(usize) -> K + 'a,
    ) -> impl Iterator<Item = (Range<usize>, K)> + 'a {
        let mut next = 0;
        std::iter::from_fn(move || {
            next += self.marks[next..].iter().position(|marks| marks.live)?;
            let (mut range, key_here) = (self.list[next].range(), key(next));
            next += 1;
            while next < self.list.len() && self.marks[next].live && key(next) == key_here {
                range.end = self.list[next].range().end;
                next += 1;
            }
            Some((range, key_here))
        })
    }
}

/// The first of the random streams that initialise parameters; those below belong to the operations of a tape.
const INIT_STREAMS: u64 = 1 << 32;
