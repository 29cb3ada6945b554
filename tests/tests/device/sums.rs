//! Sums in a fixed order, to the bit: how many numbers a kernel loads at a time changes nothing.

use inkgrad_engine::DeviceError;
use inkgrad_kernels::gpu::elementwise::scale;
use inkgrad_kernels::gpu::gemm::{Epilogue, MatrixMut, add_slices};
use inkgrad_kernels::gpu::layout::embedding_backward;
use inkgrad_kernels::gpu::loss::mse;
use inkgrad_kernels::gpu::reduce::{
    Axis, column_sums, column_sums_scratch_len, relu_backward_sums, sum, sum_axis, sum_axis_scratch_len,
    sum_scratch_len,
};
use inkgrad_kernels::gpu::{Launches, Precision, Span, Target};
use inkgrad_kernels::launch::{Device, download, upload};

use crate::opened;

/// Numbers whose sum depends on the order.
fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * i % 1009) as f32 * 0.73).sin() * (1 + i % 7) as f32).collect()
}

/// Numbers in a device's memory.
pub fn span(device: &mut dyn Device, values: &[f32]) -> Result<Span, DeviceError> {
    Ok(Span { address: upload(device, values)?, len: values.len() })
}

/// The content of a span of device memory after some launches.
fn run(device: &mut dyn Device, to: Span, list: impl FnOnce(&mut Launches)) -> Result<Vec<f32>, DeviceError> {
    let mut launches = Launches::default();
    list(&mut launches);
    launches.list.iter().try_for_each(|launch| device.launch(launch))?;
    download(device, to.address, to.len)
}

/// 0 where all bits are the same, else 1: in the measure of other probes.
fn same(found: &[f32], expected: &[f32]) -> f64 {
    let differ = found.len() != expected.len() || found.iter().zip(expected).any(|(a, b)| a.to_bits() != b.to_bits());
    if differ { 1.0 } else { 0.0 }
}

/// Sums of so many terms: each remainder of sixteen, and more than one turn.
const COUNTS: [usize; 18] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 40];

/// The sum by eight threads, of which each takes every eighth term; theirs are added in order.
fn by_eight(terms: &[f32]) -> f32 {
    let thread = |ty: usize| terms.iter().skip(ty).step_by(8).fold(0.0, |sum, term| sum + term);
    (1..8).fold(thread(0), |sum, ty| sum + thread(ty))
}

/// The terms' sum in the order of `sum_axis` and `column_sums`: few one after the other; of more, eight threads take every
/// eighth of a piece, their sums are added in order, and those of the pieces alike.
fn sum_in_order(terms: &[f32], before: Option<f32>) -> f32 {
    const FEW: usize = 8;
    const PIECE: usize = 256;
    if terms.len() <= FEW {
        return terms.iter().fold(before.unwrap_or(0.0), |sum, term| sum + term);
    }
    let pieces: Vec<f32> = terms.chunks(PIECE).map(by_eight).collect();
    match pieces[..] {
        [sum] => sum + before.unwrap_or(0.0),
        _ if pieces.len() <= FEW => sum_in_order(&pieces, before),
        _ => by_eight(&pieces) + before.unwrap_or(0.0),
    }
}

/// [`sum_axis`] along the axis in the middle of three.
fn along(device: &mut dyn Device, [groups, count, inner]: [usize; 3]) -> Result<f64, DeviceError> {
    let (values, before) = (numbers(groups * count * inner), numbers(groups * inner));
    let (x, mut worst) = (span(device, &values)?, 0.0_f64);
    let scratch = span(device, &vec![0.0; sum_axis_scratch_len(before.len(), count)])?;
    for add in [false, true] {
        let y = Target { span: span(device, &before)?, add };
        let axis = Axis { inner, outer: count * inner, step: inner, count };
        let found = run(device, y.span, |launches| sum_axis(launches, x, y, axis, scratch))?;
        let sum = |i: usize| {
            let terms = values[i / inner * count * inner + i % inner..].iter().step_by(inner);
            sum_in_order(&terms.copied().take(count).collect::<Vec<_>>(), add.then_some(before[i]))
        };
        worst = worst.max(same(&found, &(0..before.len()).map(sum).collect::<Vec<_>>()));
    }
    Ok(worst)
}

/// [`sum_axis`] of few terms that lie far apart.
pub fn axis(device: &mut dyn Device) -> Result<f64, DeviceError> {
    (1..=8).try_fold(0.0, |worst: f64, count| Ok(worst.max(along(device, [2, count, 3])?)))
}

/// [`sum_axis`] of terms that end at each place of a turn, and of more than one piece, few and many; of neighbours, and of
/// a matrix's columns.
pub fn columns(device: &mut dyn Device) -> Result<f64, DeviceError> {
    let mut worst = 0.0_f64;
    for count in [9, 16, 24, 32, 40, 48, 56, 64, 65, 130, 256, 300, 520, 2600] {
        for [groups, inner] in [[2, 3], [1, 5], [36, 1]] {
            worst = worst.max(along(device, [groups, count, inner])?);
        }
    }
    Ok(worst)
}

/// Extents of matrices whose rows are taken several at a time, and of some whose are not: rows that end at each place of a turn, and
/// more than one piece.
const EXTENTS: [[usize; 2]; 14] = [
    [80, 16],
    [36, 16],
    [72, 8],
    [1300, 16],
    [320, 1],
    [33, 16],
    [40, 5],
    [300, 40],
    [20, 33],
    [6, 32],
    [7, 33],
    [28, 40],
    [52, 33],
    [60, 5],
];

/// The sums of a matrix's columns: of few columns several rows are one, and the results are summed like pieces.
fn sums_of_columns(values: &[f32], columns: usize, before: &[Option<f32>]) -> Vec<f32> {
    let rows = values.len() / columns;
    let together = match 32 / columns {
        0 | 1 => 1,
        fit if 32 % columns == 0 && rows.is_multiple_of(fit) && rows / fit > 8 => fit,
        _ => 1,
    };
    let wide = together * columns;
    let terms = |c: usize| values[c..].iter().step_by(wide).copied().collect::<Vec<f32>>();
    // The sums of each piece of 256 rows, a row of columns after the other.
    let pieces = (rows / together).div_ceil(256);
    let partial: Vec<f32> = (0..pieces)
        .flat_map(|piece| (0..wide).map(move |c| (piece, c)))
        .map(|(piece, c)| by_eight(terms(c).chunks(256).nth(piece).expect("a piece")))
        .collect();
    let end = |c: usize| {
        let of_pieces: Vec<f32> = partial[c..].iter().step_by(columns).copied().collect();
        sum_in_order(&of_pieces, before[c])
    };
    (0..columns).map(end).collect()
}

/// [`column_sums`] and [`relu_backward_sums`], of which the one sums what the other writes.
fn of_columns(device: &mut dyn Device, relu: bool) -> Result<f64, DeviceError> {
    let mut worst = 0.0_f64;
    for [rows, columns] in EXTENTS {
        let (values, before) = (numbers(rows * columns), numbers(columns));
        // Some are the border itself.
        let mut y: Vec<f32> = numbers(rows * columns + 3).split_off(3);
        y.iter_mut().step_by(3).for_each(|y| *y = 0.0);
        let masked: Vec<f32> = values.iter().zip(&y).map(|(&dy, &y)| if y > 0.0 { dy } else { 0.0 }).collect();
        let (dy, y, dx) = (span(device, &values)?, span(device, &y)?, span(device, &values)?);
        let scratch = span(device, &vec![0.0; column_sums_scratch_len(rows, columns).max(1)])?;
        for add in [false, true] {
            let sums = Target { span: span(device, &before)?, add };
            let found = run(device, sums.span, |launches| match relu {
                true => relu_backward_sums(launches, y, dy, dx, sums, scratch),
                false => column_sums(launches, dy, sums, scratch),
            })?;
            let summed = if relu { &masked } else { &values };
            let before: Vec<Option<f32>> = before.iter().map(|&before| add.then_some(before)).collect();
            // Few rows are added one after the other where no ReLU is.
            let expected = match relu || rows > 8 {
                true => sums_of_columns(summed, columns, &before),
                false => (0..columns)
                    .map(|c| sum_in_order(&values[c..].iter().step_by(columns).copied().collect::<Vec<_>>(), before[c]))
                    .collect(),
            };
            worst = worst.max(same(&found, &expected));
            if relu {
                worst = worst.max(same(&download(device, dx.address, dx.len)?, &masked));
            }
        }
    }
    Ok(worst)
}

/// [`column_sums`] of few columns and many.
pub fn matrices(device: &mut dyn Device) -> Result<f64, DeviceError> {
    of_columns(device, false)
}

/// [`relu_backward_sums`].
pub fn through_relu(device: &mut dyn Device) -> Result<f64, DeviceError> {
    of_columns(device, true)
}

/// [`add_slices`] of each count, with all that may follow; what is added to has longer rows than the slices, whose ends stay.
pub fn slices(device: &mut dyn Device) -> Result<f64, DeviceError> {
    let (mut worst, rows, width) = (0.0_f64, 51, 6);
    let shift = numbers(width);
    let bias = span(device, &shift)?;
    for count in COUNTS {
        let values = numbers(count * rows * width);
        let x = span(device, &values)?;
        for (add, relu, has_bias) in
            [(false, false, false), (true, false, false), (false, true, true), (true, true, true)]
        {
            let stride = if add { width + 1 } else { width };
            let before = numbers(rows * stride);
            let target = Target { span: span(device, &before)?, add };
            let epilogue = Epilogue { bias: has_bias.then_some(bias), relu };
            let c = MatrixMut::with_stride(target, rows, width, stride);
            let found = run(device, target.span, |launches| add_slices(launches, x, c, epilogue))?;
            let mut expected = before.clone();
            for i in 0..rows * width {
                let at = i / width * stride + i % width;
                let sum = (0..count).fold(0.0, |sum, s| sum + values[s * rows * width + i]);
                let sum = sum + if has_bias { shift[i % width] } else { 0.0 } + if add { before[at] } else { 0.0 };
                expected[at] = if relu && sum < 0.0 { 0.0 } else { sum };
            }
            worst = worst.max(same(&found, &expected));
        }
    }
    Ok(worst)
}

/// The sum in the order of `sum_terms`: 256 threads take every 256th of a piece, lanes add across, warps in order.
fn sum_of(terms: &[f32]) -> f32 {
    let pieces = terms.chunks(4096).map(|piece| {
        let thread = |t: usize| piece.iter().skip(t).step_by(256).fold(0.0, |sum, term| sum + term);
        let warp = |w: usize| {
            let mut lanes: Vec<f32> = (0..32).map(|lane| thread(32 * w + lane)).collect();
            for across in [16, 8, 4, 2, 1] {
                lanes = (0..32).map(|l| lanes[l] + lanes[if l + across < 32 { l + across } else { l }]).collect();
            }
            lanes[0]
        };
        (1..8).fold(warp(0), |sum, w| sum + warp(w))
    });
    let pieces: Vec<f32> = pieces.collect();
    if pieces.len() == 1 { pieces[0] } else { sum_of(&pieces) }
}

/// `sum_terms` of one and of two arrays, which end at each place of a turn.
pub fn terms(device: &mut dyn Device) -> Result<f64, DeviceError> {
    let mut worst = 0.0_f64;
    for n in [1, 100, 256, 300, 600, 1000, 1400, 4096, 5000] {
        let values = numbers(n);
        let targets: Vec<f32> = numbers(n + 1).split_off(1);
        let (x, t, y) = (span(device, &values)?, span(device, &targets)?, span(device, &[0.0])?);
        let scratch = span(device, &vec![0.0; sum_scratch_len(n)])?;
        let found = run(device, y, |launches| sum(launches, x, 0.5, y, scratch))?;
        worst = worst.max(same(&found, &[0.5 * sum_of(&values)]));
        let found = run(device, y, |launches| mse(launches, x, t, 0.25, y, scratch))?;
        let squares: Vec<f32> = values.iter().zip(&targets).map(|(x, t)| (x - t) * (x - t)).collect();
        worst = worst.max(same(&found, &[0.25 * sum_of(&squares)]));
    }
    Ok(worst)
}

/// [`embedding_backward`] of batches that end at each place of a turn.
pub fn classes(device: &mut dyn Device) -> Result<f64, DeviceError> {
    let (mut worst, classes, width) = (0.0_f64, 3, 4);
    for rows in COUNTS {
        let (values, before) = (numbers(rows * width), numbers(classes * width));
        let label = |r: usize| r * 5 % 7 % classes;
        let labels: Vec<f32> = (0..rows).map(|r| label(r) as f32).collect();
        let (labels, dy) = (span(device, &labels)?, span(device, &values)?);
        for add in [false, true] {
            let dw = Target { span: span(device, &before)?, add };
            let found = run(device, dw.span, |launches| embedding_backward(launches, labels, dy, dw))?;
            let of = |i: usize| {
                let before = if add { before[i] } else { 0.0 };
                let rows = (0..rows).filter(|&r| label(r) == i / width);
                rows.fold(before, |sum, r| sum + values[r * width + i % width])
            };
            worst = worst.max(same(&found, &(0..classes * width).map(of).collect::<Vec<_>>()));
        }
    }
    Ok(worst)
}

#[test]
fn a_scaled_zero_keeps_its_sign() {
    let mut device = opened(Precision::Fp32);
    let x = [-0.0, 0.0, -3.0, f32::MIN_POSITIVE];
    let (from, to) = (span(&mut *device, &x).unwrap(), span(&mut *device, &[7.0; 4]).unwrap());
    for c in [1.0, -0.5] {
        let found = run(&mut *device, to, |launches| scale(launches, from, c, Target::write(to))).unwrap();
        assert_eq!(found.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), x.map(|x| (c * x).to_bits()));
    }
}

#[test]
fn sums_are_those_of_plain_loops_to_the_bit() {
    let mut device = opened(Precision::Fp32);
    for (name, probe) in PROBES {
        assert_eq!(probe(&mut *device).unwrap(), 0.0, "{name}");
    }
}

/// Compares sums on a device with plain loops: 0 where all bits are the same.
type Probe = fn(&mut dyn Device) -> Result<f64, DeviceError>;

/// By the kernel, or what it sums.
const PROBES: &[(&str, Probe)] = &[
    ("sum_axis", axis),
    ("column_sums", columns),
    ("column_sums of matrices", matrices),
    ("relu_backward_sums", through_relu),
    ("gemm_slices", slices),
    ("sum_terms", terms),
    ("embedding_backward", classes),
];
