//! A plan on a GPU: a layout (places in the arena, who writes and who adds) turned once into two lists of launches.

use inkgrad_kernels::gpu::{Launches, Span, Target, elementwise};
use inkgrad_kernels::launch::{Device, Launch, bytes_of, bytes_of_mut};

use super::op::{DeviceBackward, DeviceForward, DeviceOp};
use super::state::State;
use crate::layout::{Layout, Needs, Place};
use crate::op::{MAX_INPUTS, Op};
use crate::tape::{Kind, Tensor};
use crate::{Compile, DeviceError, Params, Shape, Tape};

impl Tape<f32> {
    /// The first recorded operation that has no kernels for a device: its name.
    pub fn processor_alone(&self) -> Option<&'static str> {
        self.nodes.iter().find_map(|node| match &node.kind {
            Kind::Op(op) if op.on_device().is_none() => Some(op.name()),
            _ => None,
        })
    }
}

/// A compiled tape with its memory on a device.
#[derive(Debug)]
pub struct DevicePlan {
    tape: Tape<f32>,
    layout: Layout,
    /// Where the plan's arena begins.
    arena: u64,
    /// The launches that compute all values.
    pub forward: Vec<Launch>,
    /// The launches that compute the gradients of all parameters, after those of the forward.
    pub backward: Vec<Launch>,
}

impl DevicePlan {
    /// Compiles a tape, allocates its arena and lists its launches. `state` holds the tape's parameters.
    ///
    /// # Errors
    /// If an operation has no kernels, or needs more of a block's shared memory than there is; if a parameter is frozen that a loss
    /// would train; if the device has too little memory: how much is needed.
    ///
    /// # Panics
    /// If `params` lack a parameter of the tape, `state` is of other parameters, or `options` name a tensor of another tape, a loss that
    /// is not a single number, or a frozen parameter that there is none of.
    #[track_caller]
    pub fn new(
        tape: Tape<f32>,
        options: Compile<'_>,
        params: &Params<f32>,
        state: &State,
        device: &mut dyn Device,
    ) -> Result<Self, DeviceError> {
        if let Some(name) = tape.processor_alone() {
            let problem = "the operation runs on the processor alone".to_owned();
            return Err(DeviceError::Launch { entry: name.to_owned(), problem });
        }
        tape.expect_params(params);
        state.expect_params(params);
        let trained = options.loss.is_some();
        if let Some(param) = params.iter().find(|param| trained && params.is_frozen(param)) {
            let problem =
                format!("`{}` is frozen: on a device every parameter is trained, expected none to be", param.name);
            return Err(DeviceError::Launch { entry: "update".to_owned(), problem });
        }
        let layout = Layout::new(&tape, &options, |op, inputs, output| {
            let device = kernels(op);
            Needs { memory: device.device_memory(inputs, output), reads: device.device_reads(op.reads()) }
        });
        let arena = device.alloc(4 * layout.size.max(1) as u64)?;
        let mut built = DevicePlan { tape, layout, arena, forward: Vec::new(), backward: Vec::new() };
        let list = |built: &DevicePlan, launches: fn(&State) -> Launches| {
            (built.list_forward(params, state, launches(state)), built.list_backward(params, state, launches(state)))
        };
        (built.forward, built.backward) = list(&built, State::launches);
        // A part of a GPU that has no room for a cluster takes the kernels without.
        let mut held = true;
        for launch in built.forward.iter().chain(&built.backward).filter(|launch| launch.cluster > 1) {
            held = held && device.holds_clusters(launch)?;
        }
        if !held {
            (built.forward, built.backward) = list(&built, State::launches_without_clusters);
        }
        if let Some(wide) = built.forward.iter().chain(&built.backward).find(|l| l.shared_bytes as usize > state.shared)
        {
            let (found, most) = (wide.shared_bytes, state.shared);
            let problem = format!(
                "found {found} bytes of shared memory, expected {most} at most: the layer is too wide for this GPU"
            );
            let error = DeviceError::Launch { entry: wide.entry.to_owned(), problem };
            device.free(arena)?;
            return Err(error);
        }
        Ok(built)
    }

    /// Gives the arena back.
    ///
    /// # Errors
    /// If the device was lost.
    pub fn free(self, device: &mut dyn Device) -> Result<(), DeviceError> {
        device.free(self.arena)
    }

    /// The memory that the plan's arena takes.
    pub fn arena_bytes(&self) -> usize {
        self.layout.size * size_of::<f32>()
    }

    /// Where an input lies, to be filled before a run.
    ///
    /// # Panics
    /// If `x` is not an input, or of another tape.
    #[track_caller]
    pub fn input(&self, x: Tensor) -> Span {
        let i = self.tape.own(x);
        assert!(matches!(self.tape.nodes[i].kind, Kind::Input(_)), "node {i} is no input, but {}", self.tape.label(i));
        self.value(x)
    }

    /// Fills an input from the host.
    ///
    /// # Errors
    /// If the device was lost.
    ///
    /// # Panics
    /// If `x` is not an input, or of another tape, or `values` are not as many as its shape has.
    #[track_caller]
    pub fn write(&self, device: &mut dyn Device, x: Tensor, values: &[f32]) -> Result<(), DeviceError> {
        let span = self.input(x);
        let (found, i, shape) = (values.len(), x.index(), self.tape.shape(x));
        assert!(found == span.len, "found {found} values for the input of node {i}, {shape}, expected {}", span.len);
        device.write(span.address, bytes_of(values))
    }

    /// Where a value lies that the plan was told to keep.
    ///
    /// # Panics
    /// If the plan was not told to keep it, or it is of another tape or a parameter.
    #[track_caller]
    pub fn kept(&self, x: Tensor) -> Span {
        let i = self.tape.own(x);
        assert!(self.layout.kept[i], "node {i}, {}, was not kept: add it to `Compile::keep`", self.tape.label(i));
        self.value(x)
    }

    /// Reads a value that the plan was told to keep.
    ///
    /// # Errors
    /// Errors from earlier launches.
    ///
    /// # Panics
    /// If the plan was not told to keep it, or it is of another tape or a parameter.
    #[track_caller]
    pub fn read(&self, device: &mut dyn Device, x: Tensor) -> Result<Vec<f32>, DeviceError> {
        let span = self.kept(x);
        let mut values = vec![0.0; span.len];
        device.read(span.address, bytes_of_mut(&mut values))?;
        Ok(values)
    }

    #[track_caller]
    fn value(&self, x: Tensor) -> Span {
        match &self.layout.nodes[x.index()].value {
            Place::Arena(range) => self.span(range),
            Place::Params(_) => {
                panic!("node {} is a parameter, which lies in the state: `State::download` reads it", x.index())
            }
        }
    }

    fn span(&self, range: &std::ops::Range<usize>) -> Span {
        Span { address: self.arena + 4 * range.start as u64, len: range.len() }
    }

    /// Where a value or a gradient lies, given the flat buffer for those of parameters.
    fn place(&self, place: &Place, params: &Params<f32>, flat: Span) -> Span {
        match place {
            Place::Arena(range) => self.span(range),
            Place::Params(id) => {
                let range = params.range(*id);
                flat.part(range.start, range.len())
            }
        }
    }

    fn list_forward(&self, params: &Params<f32>, state: &State, mut launches: Launches) -> Vec<Launch> {
        for (i, node) in self.tape.nodes.iter().enumerate() {
            let Kind::Op(op) = &node.kind else { continue };
            let step = &self.layout.nodes[i];
            let value = |x: &Tensor| self.place(&self.layout.nodes[x.index()].value, params, state.values);
            let x: Vec<Span> = node.inputs.iter().map(value).collect();
            let shapes: Vec<Shape> = node.inputs.iter().map(|&x| self.tape.shape(x)).collect();
            let run = DeviceForward {
                x: &x,
                shapes: &shapes,
                y: self.place(&step.value, params, state.values),
                y_shape: node.shape,
                saved: self.span(&step.saved),
                scratch: self.span(&step.forward_scratch),
                record: state.window.record,
                node: i,
            };
            kernels(&**op).device_forward(&run, &mut launches);
        }
        launches.list
    }

    fn list_backward(&self, params: &Params<f32>, state: &State, mut launches: Launches) -> Vec<Launch> {
        let Some(loss) = self.layout.loss else { return launches.list };
        // The gradient of the loss by itself: of an operation's the number that stands ready.
        let ready = matches!(self.tape.nodes[loss.index()].kind, Kind::Op(_));
        if let (Some(place), false) = (&self.layout.nodes[loss.index()].gradient, ready) {
            elementwise::fill(&mut launches, 1.0, Target::write(self.place(place, params, state.grads)));
        }
        for (i, node) in self.tape.nodes.iter().enumerate().rev() {
            let (Kind::Op(op), true) = (&node.kind, self.layout.nodes[i].active) else { continue };
            let step = &self.layout.nodes[i];
            let value = |x: &Tensor| self.place(&self.layout.nodes[x.index()].value, params, state.values);
            let x: Vec<Span> = node.inputs.iter().map(value).collect();
            let shapes: Vec<Shape> = node.inputs.iter().map(|&x| self.tape.shape(x)).collect();
            let mut dx = [None; MAX_INPUTS];
            for (k, input) in node.inputs.iter().enumerate() {
                if let (Some(add), Some(place)) = (step.adds[k], &self.layout.nodes[input.index()].gradient) {
                    dx[k] = Some(Target { span: self.place(place, params, state.grads), add });
                }
            }
            let dy = match &step.gradient {
                _ if i == loss.index() => state.one,
                dy => self.place(dy.as_ref().expect("an active operation has a gradient"), params, state.grads),
            };
            let run = DeviceBackward {
                x: &x,
                shapes: &shapes,
                y: self.place(&step.value, params, state.values),
                dy,
                y_shape: node.shape,
                dx,
                saved: self.span(&step.saved),
                scratch: self.span(&step.backward_scratch),
            };
            kernels(&**op).device_backward(&run, &mut launches);
        }
        launches.list
    }
}

/// The device side of an operation of a plan, which has been looked for when the plan was made.
fn kernels(op: &dyn Op<f32>) -> &dyn DeviceOp {
    op.on_device().expect("a plan's operations have kernels")
}
