//! The convolution kernels with everything that their epilogues can do, against the plain formulas.

use inkgrad_engine::DeviceError;
use inkgrad_engine::gradcheck::on_device::{TF32_TOLERANCE, TOLERANCE, error};
use inkgrad_engine::ops::Draw;
use inkgrad_kernels::cpu::conv::{Geometry, Grid, Store, naive};
use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::gpu::conv;
use inkgrad_kernels::gpu::gemm::Epilogue;
use inkgrad_kernels::gpu::{Launches, Precision, Span, Target};
use inkgrad_kernels::launch::{Device, download, upload};
use inkgrad_kernels::ptx::{MODULES, TENSOR, TENSOR_FROM};
use inkgrad_tests::cases;
use proptest::prelude::*;

use crate::opened;

use Kernel::{Down, DownTensor, Up, UpSingle, UpTensor, WeightGradient, WeightGradientSingle, WeightGradientTensor};

/// One of the three, those with a big picture of one channel, and those for tensor cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    Down,
    Up,
    UpSingle,
    WeightGradient,
    WeightGradientSingle,
    DownTensor,
    UpTensor,
    WeightGradientTensor,
}

/// All, and the kernels' names.
const ALL: [(Kernel, &str); 8] = [
    (Down, "conv_down"),
    (DownTensor, "conv_down_tensor"),
    (Up, "conv_up"),
    (UpSingle, "conv_up_single"),
    (UpTensor, "conv_up_tensor"),
    (WeightGradient, "conv_weight"),
    (WeightGradientSingle, "conv_weight_single"),
    (WeightGradientTensor, "conv_weight_tensor"),
];

impl Kernel {
    fn on_tensor_cores(self) -> bool {
        matches!(self, DownTensor | UpTensor | WeightGradientTensor)
    }
}

/// Pictures and a kernel: odd extents, kernels smaller and larger than their stride, one channel or more than a tile's.
fn geometry(kernel: Kernel, draw: &mut Draw) -> Geometry {
    let (single, tensor) = (matches!(kernel, UpSingle | WeightGradientSingle), kernel.on_tensor_cores());
    let (summed_is_small, weight) = (kernel == UpTensor, kernel == WeightGradientTensor);
    let largest = if single { 4 } else { 5 };
    let mut kernel = (draw.whole(1, largest), draw.whole(1, largest));
    if tensor && draw.coin() {
        // The second tile of sums has another row of taps.
        kernel.1 = 1;
    }
    let stride = (draw.whole(1, 3), draw.whole(1, 3));
    let padding = (draw.whole(0, kernel.0 - 1), draw.whole(0, kernel.1 - 1));
    let channels = draw.whole(0, 4);
    // Many pixels or many channels.
    let most = if single || channels < 2 { 18 } else { 8 };
    let (height, width) = (kernel.0 + draw.whole(0, most), kernel.1 + draw.whole(0, most));
    let (few, many) = (draw.whole(1, 7), draw.whole(17, 66));
    let (small, big) = match channels {
        // Whole sixteens are summed.
        _ if tensor => {
            let terms = if weight { 4 } else { 16 };
            let (summed, result) = (terms * draw.whole(1, 3), 4 * few.max(many / 4 * (channels / 2)));
            if summed_is_small { (summed, result) } else { (result, summed) }
        }
        _ if single => (many, 1),
        0 => (few, few),
        1 => (1, few),
        2 => (many, few),
        _ => (few, many),
    };
    Geometry {
        batch: draw.whole(1, 5),
        small: Grid {
            height: (height + 2 * padding.0 - kernel.0) / stride.0 + 1,
            width: (width + 2 * padding.1 - kernel.1) / stride.1 + 1,
            channels: small,
        },
        big: Grid { height, width, channels: big },
        kernel,
        stride,
        padding,
    }
}

/// A drawn case's label, and the error of what it writes. Bias, ReLU and what is added to are there or not, in all
/// combinations.
pub fn compare(
    kernel: Kernel,
    precision: Precision,
    seed: u64,
    device: &mut dyn Device,
) -> (String, Result<f64, DeviceError>) {
    let mut draw = Draw::small(seed);
    let geometry = geometry(kernel, &mut draw);
    let [add, relu, biased] = [draw.coin(), draw.coin(), draw.coin()];
    let label = format!("{kernel:?} in {precision:?}, {geometry:?}, add {add}, ReLU {relu}, bias {biased}");
    let numbers =
        |draw: &mut Draw, n: usize| -> Vec<f32> { draw.values([n]).values.iter().map(|&x| x as f32).collect() };
    let small = numbers(&mut draw, geometry.batch * geometry.small.len());
    let big = numbers(&mut draw, geometry.batch * geometry.big.len());
    let w = numbers(&mut draw, geometry.weights());
    let bias = match kernel {
        Up | UpSingle | UpTensor => numbers(&mut draw, geometry.big.channels),
        _ => numbers(&mut draw, geometry.small.channels),
    };
    let found = run((kernel, precision), &geometry, [&small, &big, &w, &bias], [add, relu, biased], device);

    let mut expected = match kernel {
        Down | DownTensor => small.clone(),
        Up | UpSingle | UpTensor => big.clone(),
        WeightGradient | WeightGradientSingle | WeightGradientTensor => w.clone(),
    };
    let mut sums = vec![0.0; expected.len()];
    let given = biased.then_some(&bias[..]);
    match kernel {
        Down | DownTensor => naive::down(&geometry, &big, &w, given, Store::Write, &mut sums),
        Up | UpSingle | UpTensor => naive::up(&geometry, &small, &w, given, Store::Write, &mut sums),
        WeightGradient | WeightGradientSingle | WeightGradientTensor => {
            naive::weight_gradient(&geometry, &small, &big, &mut sums, false)
        }
    }
    for (y, sum) in expected.iter_mut().zip(sums) {
        *y = if add { *y + sum } else { sum };
        if relu && !matches!(kernel, WeightGradient | WeightGradientSingle | WeightGradientTensor) {
            *y = y.max(0.0);
        }
    }
    (label, found.map(|found| error(&found, &expected, 4.0)))
}

/// The device's result.
fn run(
    (kernel, precision): (Kernel, Precision),
    geometry: &Geometry,
    [small, big, w, bias]: [&[f32]; 4],
    [add, relu, biased]: [bool; 3],
    device: &mut dyn Device,
) -> Result<Vec<f32>, DeviceError> {
    let room = conv::weight_gradient_scratch_len(geometry);
    let mut allocations = Vec::new();
    let mut span = |device: &mut dyn Device, values: &[f32]| -> Result<Span, DeviceError> {
        let address = upload(device, values)?;
        allocations.push(address);
        Ok(Span { address, len: values.len() })
    };
    let (small, big, w) = (span(device, small)?, span(device, big)?, span(device, w)?);
    // As parameters do, it may lie behind an odd number of others.
    let bias = span(device, &[&[0.0], bias].concat())?.part(1, bias.len());
    // Weights of one channel or one tap are in order as they are.
    let packed = conv::packed_len(geometry);
    assert_eq!(packed, if geometry.big.channels > 1 && geometry.taps() > 1 { w.len } else { 0 });
    let saved = if packed > 0 { span(device, &vec![0.0; packed])? } else { Span::default() };
    let scratch = span(device, &vec![0.0; room.max(1)])?;

    let architecture = if kernel.on_tensor_cores() { TENSOR_FROM } else { 0 };
    let mut launches = Launches { precision, architecture, ..Launches::default() };
    let packed = conv::pack_weights(&mut launches, geometry, w, saved);
    let epilogue = Epilogue { bias: biased.then_some(bias), relu };
    let target = |span: Span| Target { span, add };
    let written = match kernel {
        Down | DownTensor => {
            conv::down(&mut launches, geometry, big, packed, epilogue, target(small));
            small
        }
        Up | UpSingle | UpTensor => {
            conv::up(&mut launches, geometry, small, packed, epilogue, target(big));
            big
        }
        WeightGradient | WeightGradientSingle | WeightGradientTensor => {
            conv::weight_gradient(&mut launches, geometry, small, big, target(w), scratch);
            w
        }
    };
    for launch in &launches.list {
        device.launch(launch)?;
    }
    let found = download(device, written.address, written.len)?;
    allocations.into_iter().try_for_each(|address| device.free(address))?;
    Ok(found)
}

proptest! {
    #![proptest_config(cases!(24))]

    #[test]
    fn convolutions_agree_with_their_formulas(seed in any::<u64>()) {
        let mut device = opened(Precision::Fp32);
        let rounded = ALL.into_iter().filter(|(kernel, _)| kernel.on_tensor_cores()).map(|(kernel, _)| (kernel, Precision::Tf32));
        for (kernel, precision) in ALL.map(|(kernel, _)| (kernel, Precision::Fp32)).into_iter().chain(rounded) {
            let most = if precision == Precision::Tf32 { TF32_TOLERANCE } else { TOLERANCE };
            let (label, found) = compare(kernel, precision, seed, &mut *device);
            match found {
                Ok(error) => prop_assert!(error < most, "{label}: {error:.1e}"),
                Err(problem) => prop_assert!(false, "{label}: {problem}"),
            }
        }
    }
}

#[test]
fn shared_memory_has_no_bank_conflicts() {
    let mut emulator = Emulator::new(5);
    for (name, text) in MODULES.iter().chain(TENSOR) {
        emulator.load_module(name, text).unwrap();
    }
    for seed in 0..8 {
        for (kernel, _) in ALL {
            for precision in [Precision::Fp32, Precision::Tf32] {
                compare(kernel, precision, seed, &mut emulator).1.unwrap();
            }
        }
    }
    let counters = emulator.counters().iter().filter(|(entry, _)| entry.starts_with("conv_"));
    let conflicts: Vec<_> = counters.map(|(entry, counters)| (entry.as_str(), counters.bank_conflicts)).collect();
    let mut none = ALL.map(|(_, entry)| (entry, 0)).to_vec();
    none.insert(7, ("conv_weight_sums", 0));
    assert_eq!(conflicts, none);
}
