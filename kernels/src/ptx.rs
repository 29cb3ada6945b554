//! The text of the GPU's kernels, taken into the binary; a driver or the emulator compiles it at run time.
//!
//! ```
//! use inkgrad_kernels::ptx::MODULES;
//!
//! let kernels: usize = MODULES.iter().map(|(_, text)| text.matches(".visible .entry").count()).sum();
//! assert!(kernels > MODULES.len());
//! ```

/// Each module's file name and text, of those that every GPU can load.
pub const MODULES: &[(&str, &str)] = &[
    ("axpy.ptx", include_str!("../ptx/axpy.ptx")),
    ("conv_down.ptx", include_str!("../ptx/conv_down.ptx")),
    ("conv_up.ptx", include_str!("../ptx/conv_up.ptx")),
    ("conv_up_single.ptx", include_str!("../ptx/conv_up_single.ptx")),
    ("conv_weight.ptx", include_str!("../ptx/conv_weight.ptx")),
    ("conv_weight_single.ptx", include_str!("../ptx/conv_weight_single.ptx")),
    ("elementwise.ptx", include_str!("../ptx/elementwise.ptx")),
    ("gemm.ptx", include_str!("../ptx/gemm.ptx")),
    ("gemm_slices.ptx", include_str!("../ptx/gemm_slices.ptx")),
    ("gru.ptx", include_str!("../ptx/gru.ptx")),
    ("gru_backward.ptx", include_str!("../ptx/gru_backward.ptx")),
    ("layout.ptx", include_str!("../ptx/layout.ptx")),
    ("loss.ptx", include_str!("../ptx/loss.ptx")),
    ("lstm.ptx", include_str!("../ptx/lstm.ptx")),
    ("lstm_backward.ptx", include_str!("../ptx/lstm_backward.ptx")),
    ("nearest.ptx", include_str!("../ptx/nearest.ptx")),
    ("optimizer.ptx", include_str!("../ptx/optimizer.ptx")),
    ("pool.ptx", include_str!("../ptx/pool.ptx")),
    ("random.ptx", include_str!("../ptx/random.ptx")),
    ("reduce.ptx", include_str!("../ptx/reduce.ptx")),
    ("relu_backward.ptx", include_str!("../ptx/relu_backward.ptx")),
    ("step.ptx", include_str!("../ptx/step.ptx")),
];

/// Products, and recurrent layers, on tensor cores, for GPUs that have them for tf32.
pub const TENSOR: &[(&str, &str)] = &[
    ("conv_down_tensor.ptx", include_str!("../ptx/conv_down_tensor.ptx")),
    ("conv_up_tensor.ptx", include_str!("../ptx/conv_up_tensor.ptx")),
    ("conv_weight_sums.ptx", include_str!("../ptx/conv_weight_sums.ptx")),
    ("conv_weight_tensor.ptx", include_str!("../ptx/conv_weight_tensor.ptx")),
    ("gemm_tensor.ptx", include_str!("../ptx/gemm_tensor.ptx")),
    ("lstm_small.ptx", include_str!("../ptx/lstm_small.ptx")),
    ("lstm_small_backward.ptx", include_str!("../ptx/lstm_small_backward.ptx")),
];

/// The first architecture with tensor cores for tf32.
pub const TENSOR_FROM: u32 = 80;

/// Recurrent layers whose weights stay on chip, for GPUs with clusters of blocks.
pub const CLUSTERS: &[(&str, &str)] = &[
    ("gru_cluster.ptx", include_str!("../ptx/gru_cluster.ptx")),
    ("gru_cluster_backward.ptx", include_str!("../ptx/gru_cluster_backward.ptx")),
    ("lstm_cluster.ptx", include_str!("../ptx/lstm_cluster.ptx")),
    ("lstm_cluster_backward.ptx", include_str!("../ptx/lstm_cluster_backward.ptx")),
];

/// The first architecture with clusters, as [`Device::architecture`](crate::launch::Device::architecture) counts.
pub const CLUSTERS_FROM: u32 = 90;

/// The modules of all architectures.
pub fn all() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    MODULES.iter().chain(TENSOR).chain(CLUSTERS)
}

/// The module that declares an entry point.
pub fn of_entry(entry: &str) -> Option<&'static (&'static str, &'static str)> {
    let declares = format!(".entry {entry}(");
    all().find(|(_, text)| text.contains(&declares))
}

/// Registers and shared memory of each kernel on each architecture, as NVIDIA's assembler gave them (`.ci/ptxas`).
pub const BUDGET: &str = include_str!("../ptx/budget.txt");
