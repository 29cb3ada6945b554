//! The text of the GPU's kernels, taken into the binary; a driver or the emulator compiles it at run time.
//!
//! ```
//! use inkgrad_kernels::ptx::MODULES;
//!
//! let kernels: usize = MODULES.iter().map(|(_, text)| text.matches(".visible .entry").count()).sum();
//! assert!(kernels > MODULES.len());
//! ```

/// Each module's file name and text.
pub const MODULES: &[(&str, &str)] = &[
    ("axpy.ptx", include_str!("../ptx/axpy.ptx")),
    ("conv.ptx", include_str!("../ptx/conv.ptx")),
    ("conv_down.ptx", include_str!("../ptx/conv_down.ptx")),
    ("conv_up.ptx", include_str!("../ptx/conv_up.ptx")),
    ("conv_up_single.ptx", include_str!("../ptx/conv_up_single.ptx")),
    ("conv_weight.ptx", include_str!("../ptx/conv_weight.ptx")),
    ("conv_weight_single.ptx", include_str!("../ptx/conv_weight_single.ptx")),
    ("elementwise.ptx", include_str!("../ptx/elementwise.ptx")),
    ("gemm.ptx", include_str!("../ptx/gemm.ptx")),
    ("gru.ptx", include_str!("../ptx/gru.ptx")),
    ("gru_backward.ptx", include_str!("../ptx/gru_backward.ptx")),
    ("layout.ptx", include_str!("../ptx/layout.ptx")),
    ("loss.ptx", include_str!("../ptx/loss.ptx")),
    ("lstm.ptx", include_str!("../ptx/lstm.ptx")),
    ("lstm_backward.ptx", include_str!("../ptx/lstm_backward.ptx")),
    ("optimizer.ptx", include_str!("../ptx/optimizer.ptx")),
    ("random.ptx", include_str!("../ptx/random.ptx")),
    ("reduce.ptx", include_str!("../ptx/reduce.ptx")),
    ("step.ptx", include_str!("../ptx/step.ptx")),
];

/// Products on tensor cores, for GPUs from sm_80 on.
pub const TF32: (&str, &str) = ("gemm_tf32.ptx", include_str!("../ptx/gemm_tf32.ptx"));

/// Registers and shared memory of each kernel on each architecture, as NVIDIA's assembler gave them (`.ci/ptxas`).
pub const BUDGET: &str = include_str!("../ptx/budget.txt");
