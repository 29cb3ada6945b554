//! The cost of an instruction: floating-point operations, issue cycles of its scheduler, latency of its result.

use super::hardware::Hardware;
use super::inst::{F1, F2, F3, Op, Space, W1, W2, W3, Widen};
use super::kernel::Kernel;

/// Floating-point operations of a lane.
pub fn flops(op: &Op, kernel: &Kernel) -> u64 {
    match op {
        Op::Map1 { f: F1::Rcp | F1::Sqrt | F1::Rsqrt | F1::Ex2 | F1::Lg2 | F1::Tanh | F1::Sin | F1::Cos, .. } => 1,
        Op::Map2 {
            f: F2::FAdd | F2::FSub | F2::FMul | F2::FDiv | F2::FMin | F2::FMax | F2::FMinNan | F2::FMaxNan,
            ..
        } => 1,
        Op::Wide2 { f: W2::DAdd | W2::DSub | W2::DMul | W2::DDiv, .. } => 1,
        Op::Map3 { f: F3::Fma, .. } | Op::Wide3 { f: W3::DFma, .. } => 2,
        Op::Mma { index } => 2 * 16 * 8 * kernel.mmas[*index as usize].k as u64 / 32,
        _ => 0,
    }
}

/// Cycles for which an instruction of a warp takes its scheduler's tensor core, beside which the scheduler issues others: 2,048
/// operations of eight columns, of which mma.sync reaches about five eighths of an H100's 494 TFLOP/s.
pub fn tensor(op: &Op) -> u32 {
    if let Op::Mma { .. } = op { 6 } else { 0 }
}

/// Cycles for which an instruction of a warp takes its scheduler, and cycles until what it computes can be used; memory's
/// latency is for who knows the address.
///
/// A scheduler has 32 lanes of fp32 and integers, 16 of f64, 4 of special functions, and 16 of conversions (CUDA C++ Programming
/// Guide, arithmetic instructions, 9.0). An instruction that the assembler turns into several counts as about as many: divisions
/// about 20, additions of 64 bits two. Moves and parameters become operands and cost nothing.
pub fn issue(op: &Op, gpu: &Hardware) -> (u32, u32) {
    let (plain, long) = (gpu.arithmetic, gpu.special);
    match op {
        Op::Map1 { f: F1::Mov, .. } | Op::Wide1 { f: W1::Mov, .. } | Op::SetPredicate { .. } | Op::Nothing => (0, 0),
        Op::Load { place, .. } if matches!(place.space, Space::Param | Space::Const) => (0, 0),
        Op::Pack { .. } | Op::Unpack { .. } | Op::Widen { f: Widen::Zero, .. } => (0, 0),
        Op::Map1 { f: F1::Rcp | F1::Rsqrt | F1::Ex2 | F1::Lg2 | F1::Tanh | F1::Sin | F1::Cos | F1::Sqrt, .. } => {
            (8, long)
        }
        Op::Map1 { f: F1::ToF32 { .. } | F1::FromF32 { .. } | F1::Round(_) | F1::Popc | F1::Clz, .. } => (2, 2 * plain),
        Op::Map2 { f: F2::Div { .. } | F2::Rem { .. } | F2::FDiv, .. } => (20, 20 * plain),
        Op::Wide2 { f: W2::Div { .. } | W2::Rem { .. } | W2::DDiv, .. } => (40, 40 * plain),
        Op::Wide1 { f: W1::DSqrt | W1::DRcp, .. } => (40, 40 * plain),
        Op::Wide1 { .. } | Op::Wide2 { .. } | Op::Wide3 { .. } | Op::WideShift { .. } => (2, 2 * plain),
        Op::MulWide { .. } | Op::Widen { .. } | Op::Narrow { .. } => (2, plain),
        Op::Shuffle { .. } | Op::Vote { .. } | Op::Reduce { .. } => (1, gpu.shuffle),
        Op::Mma { .. } => (1, 33),
        _ => (1, plain),
    }
}
