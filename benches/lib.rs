//! The benches have no library: see `benches/` for kernels and `peer/` for whole steps beside PyTorch's.
