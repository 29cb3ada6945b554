//! The demands of an operation that are told before it runs, on the processor and on a device alike.

/// The most inputs that an operation has (an LSTM layer: x, four weights and biases, h0, c0).
pub const MAX_INPUTS: usize = 8;

/// Memory in elements, which the plan finds a place for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Written by the forward, read by the backward.
    pub saved: usize,
    /// The forward's own.
    pub forward_scratch: usize,
    /// The backward's own.
    pub backward_scratch: usize,
}

impl Memory {
    /// No memory beside inputs and output.
    pub const NONE: Memory = Memory { saved: 0, forward_scratch: 0, backward_scratch: 0 };
}

/// Which values a backward reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// One bit an input.
    inputs: u8,
    /// Whether the output is read.
    pub output: bool,
}

impl Reads {
    /// Neither inputs nor output.
    pub const NOTHING: Reads = Reads { inputs: 0, output: false };
    /// The output alone.
    pub const OUTPUT: Reads = Reads { inputs: 0, output: true };

    /// The inputs with these indices.
    ///
    /// # Panics
    /// If an index is not below [`MAX_INPUTS`].
    #[track_caller]
    pub fn inputs(indices: &[usize]) -> Reads {
        let mut inputs = 0;
        for &i in indices {
            assert!(i < MAX_INPUTS, "an operation reads input {i}, expected a number below {MAX_INPUTS}");
            inputs |= 1 << i;
        }
        Reads { inputs, output: false }
    }

    /// These and the output.
    pub fn and_output(self) -> Reads {
        Reads { output: true, ..self }
    }

    /// Whether input `i` is read.
    pub fn input(&self, i: usize) -> bool {
        i < MAX_INPUTS && self.inputs >> i & 1 == 1
    }
}
