//! Kernels with one fault each: a deleted barrier or zeroing, a bound off by one, an index turned around, a guard left out,
//! an address one number further on. Each has to be noticed: by a check of the emulator, or by a result that differs.

mod equivalent;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use inkgrad_engine::device::state::State;
use inkgrad_engine::device::window::{Row, SUMS, Totals};
use inkgrad_engine::gradcheck::on_device::{AGAIN, TF32_TOLERANCE, TOLERANCE, compare, error};
use inkgrad_engine::ops::{Case, Draw, OPS};
use inkgrad_engine::optim::{Optimizer, Rule};
use inkgrad_engine::{Clock, DeviceError, Init, Params, Team};
use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::emulator::mutate::{Mutant, mutants};
use inkgrad_kernels::gpu::layout::{Table, gather};
use inkgrad_kernels::gpu::{Launches, Precision, Span};
use inkgrad_kernels::launch::{Buffer, Check, Device, bytes_of, download, upload};
use inkgrad_kernels::ptx;

use self::equivalent::EQUIVALENT;
use crate::cases::{
    EIGHTS_BYTES, GRU_BYTES, LSTM_BYTES, conv_of_columns, conv_of_sixteens, conv_transpose_of_sixteens, equal_pixels,
    equal_scores, gru_from_state, gru_in_eights, gru_of_cluster, gru_of_cluster_from_state, gru_of_eight,
    gru_of_larger_cluster, gru_with_rest, long_sums, lstm_from_state, lstm_in_eights, lstm_of_cluster,
    lstm_of_cluster_from_state, lstm_of_eight, lstm_of_larger_cluster, lstm_of_one_fragment, lstm_of_one_half,
    lstm_of_registers, lstm_of_registers_from_state, lstm_of_three_halves, lstm_of_twelve, lstm_of_twenty,
    lstm_of_twenty_eight, lstm_with_rest, more_of_three_tiles, more_ragged, more_ragged_relu, noise, one_class, ragged,
    ragged_relu, three_tiles,
};
use crate::convolutions::{self, Kernel};
use crate::operations::OLDER;
use crate::{nearest, sums};

/// A way to see whether a kernel computes what it should.
enum Probe {
    /// Cases of an operation.
    Op(&'static str),
    /// One case.
    Chosen(fn() -> Case),
    /// Another probe on a GPU without tensor cores and clusters.
    Older(&'static Probe),
    /// One case on such a GPU where a block may have so many bytes of shared memory.
    Within(usize, fn() -> Case),
    /// One case with products in tf32.
    Tf32(fn() -> Case),
    /// Cases of a convolution's kernel by itself.
    Convolution(Kernel),
    /// The same in tf32.
    Tf32Convolution(Kernel),
    /// Two steps of an optimiser.
    Update(Rule, Option<f64>),
    /// Rows of a data set, of bytes or numbers.
    Gather,
    /// Records of steps, and their sums.
    Steps,
    /// Results to the bit.
    Exact(fn(&mut dyn Device) -> Result<f64, DeviceError>),
}

use Probe::{Chosen, Convolution, Exact, Gather, Older, Op, Steps, Tf32, Tf32Convolution, Update, Within};

const ADAM: Probe = Update(Rule::Adam, None);
const CLIPPED: Probe = Update(Rule::Adam, Some(0.5));
const NOT_CLIPPED: Probe = Update(Rule::Adam, Some(1e9));
const SGD: Probe = Update(Rule::Sgd(0.9), None);
const SGD_CLIPPED: Probe = Update(Rule::Sgd(0.9), Some(0.5));

const LSTM: &[Probe] = &[
    Older(&Op("lstm")),
    Older(&Chosen(lstm_from_state)),
    Older(&Chosen(lstm_of_eight)),
    Within(LSTM_BYTES[0], lstm_with_rest),
    Within(LSTM_BYTES[1], lstm_with_rest),
    Within(EIGHTS_BYTES[0], lstm_in_eights),
];
const LSTM_CLUSTER: &[Probe] =
    &[Chosen(lstm_of_cluster), Chosen(lstm_of_cluster_from_state), Chosen(lstm_of_larger_cluster)];
const LSTM_SMALL: &[Probe] = &[
    Op("lstm"),
    Chosen(lstm_of_registers),
    Chosen(lstm_of_registers_from_state),
    Chosen(lstm_of_one_half),
    Chosen(lstm_of_twelve),
    Chosen(lstm_of_one_fragment),
    Chosen(lstm_of_twenty),
    Chosen(lstm_of_three_halves),
    Chosen(lstm_of_twenty_eight),
];
const GRU: &[Probe] = &[
    Op("gru"),
    Chosen(gru_from_state),
    Chosen(gru_of_eight),
    Within(GRU_BYTES[0], gru_with_rest),
    Within(GRU_BYTES[1], gru_with_rest),
    Within(EIGHTS_BYTES[1], gru_in_eights),
];
const GEMM_TENSOR: &[Probe] = &[
    Op("linear"),
    Chosen(ragged),
    Chosen(more_ragged),
    Chosen(ragged_relu),
    Chosen(more_ragged_relu),
    Chosen(three_tiles),
    Chosen(more_of_three_tiles),
    Chosen(long_sums),
    Tf32(more_ragged),
    Tf32(more_of_three_tiles),
];
const GRU_CLUSTER: &[Probe] =
    &[Chosen(gru_of_cluster), Chosen(gru_of_cluster_from_state), Chosen(gru_of_larger_cluster)];

/// The kernels of the training step and what runs them.
const KERNELS: &[(&str, &[Probe])] = &[
    ("conv_down", &[Convolution(Kernel::Down)]),
    (
        "conv_down_tensor",
        &[Convolution(Kernel::DownTensor), Tf32Convolution(Kernel::DownTensor), Chosen(conv_of_columns)],
    ),
    ("conv_up", &[Convolution(Kernel::Up)]),
    ("conv_up_tensor", &[Convolution(Kernel::UpTensor), Tf32Convolution(Kernel::UpTensor)]),
    ("conv_up_single", &[Convolution(Kernel::UpSingle)]),
    ("conv_weight", &[Convolution(Kernel::WeightGradient)]),
    ("conv_weight_single", &[Convolution(Kernel::WeightGradientSingle)]),
    (
        "conv_weight_sums",
        &[Convolution(Kernel::WeightGradientTensor), Chosen(conv_of_sixteens), Chosen(conv_transpose_of_sixteens)],
    ),
    ("conv_weight_tensor", &[Convolution(Kernel::WeightGradientTensor), Tf32Convolution(Kernel::WeightGradientTensor)]),
    ("scale", &[Op("scale")]),
    ("fill", &[Op("sum"), Op("select")]),
    ("add", &[Op("add")]),
    ("multiply", &[Op("mul")]),
    ("activation", &[Op("relu"), Op("sigmoid"), Op("tanh"), Op("softplus"), Op("exp")]),
    ("activation_backward", &[Op("relu"), Op("sigmoid"), Op("tanh"), Op("softplus"), Op("exp"), Op("linear")]),
    ("gemm", &[Older(&Op("linear")), Older(&Chosen(ragged)), Older(&Chosen(more_ragged)), Older(&Chosen(long_sums))]),
    ("gemm_tensor", GEMM_TENSOR),
    ("gemm_slices", &[Op("linear"), Chosen(long_sums), Exact(sums::slices)]),
    ("gru_forward", GRU),
    ("gru_backward", GRU),
    ("gru_cluster_forward", GRU_CLUSTER),
    ("gru_cluster_backward", GRU_CLUSTER),
    ("copy_rows", &[Op("concat"), Op("select"), Op("repeat")]),
    ("transpose", &[Op("transpose")]),
    ("embedding", &[Op("embedding")]),
    ("embedding_backward", &[Op("embedding"), Exact(sums::classes)]),
    ("gather", &[Gather]),
    ("begin_step", &[Steps]),
    ("tally", &[Steps]),
    ("loss_backward", &[Op("mse"), Op("bce_with_logits"), Op("gaussian_kl")]),
    ("softmax_cross_entropy", &[Op("softmax_cross_entropy"), Chosen(one_class)]),
    ("softmax_cross_entropy_backward", &[Op("softmax_cross_entropy")]),
    ("correct", &[Op("correct"), Chosen(equal_scores)]),
    ("lstm_forward", LSTM),
    ("lstm_backward", LSTM),
    ("lstm_small_forward", LSTM_SMALL),
    ("lstm_small_backward", LSTM_SMALL),
    ("lstm_cluster_forward", LSTM_CLUSTER),
    ("lstm_cluster_backward", LSTM_CLUSTER),
    ("adam", &[ADAM, CLIPPED]),
    ("sgd", &[SGD, SGD_CLIPPED]),
    ("clip_scale", &[CLIPPED, NOT_CLIPPED]),
    ("nearest", &[Exact(nearest::probe)]),
    ("pool", &[Op("avg_pool2d"), Op("max_pool2d")]),
    ("pool_backward", &[Op("avg_pool2d"), Op("max_pool2d"), Chosen(equal_pixels)]),
    ("reparameterize", &[Op("reparameterize"), Chosen(noise)]),
    ("reparameterize_backward", &[Op("reparameterize")]),
    ("sum_terms", &[Op("sum"), Op("mse"), Op("bce_with_logits"), Op("gaussian_kl"), Exact(sums::terms)]),
    ("column_sums", &[Op("linear"), Op("conv2d"), Exact(sums::columns)]),
    ("relu_backward_sums", &[Exact(sums::through_relu)]),
    ("sum_axis", &[Op("repeat"), Exact(sums::axis)]),
];

/// The module of an entry point.
fn module(entry: &str) -> (&'static str, &'static str) {
    *ptx::of_entry(entry).expect("a module with the entry point")
}

/// An emulator with all modules but one.
fn emulator_without(module: &str) -> Emulator {
    let mut emulator = Emulator::new(5);
    // A kernel that runs away is stopped early.
    emulator.set_limit(200_000);
    for (name, text) in ptx::all().filter(|(name, _)| *name != module) {
        emulator.load_module(name, text).unwrap();
    }
    emulator
}

/// The errors that a probe finds, one after the other.
fn run<'a>(probe: &'a Probe, emulator: &'a mut Emulator) -> Box<dyn Iterator<Item = Result<f64, DeviceError>> + 'a> {
    let cases = |name: &str| {
        let spec = OPS.iter().find(|spec| spec.name == name).expect("an operation");
        let drawn = (0..6).map(Draw::small).chain([Draw::large(1)]);
        drawn.map(|mut draw| (spec.draw)(&mut draw)).zip(AGAIN.into_iter().cycle())
    };
    // In the measure of the other probes.
    let scaled = |error: Result<f64, DeviceError>| Ok(error? * TOLERANCE / TF32_TOLERANCE);
    match *probe {
        Op(name) => Box::new(cases(name).map(|(case, again)| compare(&case, again, Precision::Fp32, emulator))),
        Convolution(kernel) => {
            Box::new((0..60).map(move |seed| convolutions::compare(kernel, Precision::Fp32, seed, emulator).1))
        }
        Tf32Convolution(kernel) => {
            Box::new((0..20).map(move |seed| scaled(convolutions::compare(kernel, Precision::Tf32, seed, emulator).1)))
        }
        Chosen(case) => {
            Box::new(AGAIN.into_iter().map(move |again| compare(&case(), again, Precision::Fp32, emulator)))
        }
        Tf32(case) => {
            Box::new(AGAIN.into_iter().map(move |again| scaled(compare(&case(), again, Precision::Tf32, emulator))))
        }
        Older(probe) => {
            emulator.set_architecture(OLDER);
            run(probe, emulator)
        }
        Within(bytes, case) => {
            emulator.set_architecture(OLDER);
            emulator.set_shared_bytes(bytes);
            Box::new(std::iter::once(compare(&case(), 0, Precision::Fp32, emulator)))
        }
        Update(rule, clip_norm) => Box::new(std::iter::once(update(rule, clip_norm, emulator))),
        Gather => Box::new([true, false].into_iter().map(|bytes| rows(bytes, emulator))),
        Exact(probe) => Box::new(std::iter::once(probe(emulator))),
        Steps => Box::new([8, 5, 1].into_iter().map(|count| steps(count, emulator))),
    }
}

fn update(rule: Rule, clip_norm: Option<f64>, emulator: &mut Emulator) -> Result<f64, DeviceError> {
    let mut params = Params::<f32>::new();
    params.declare("w", [5000], Init::Normal);
    params.initialise(3);
    for (i, g) in params.grads_mut().iter_mut().enumerate() {
        *g = (i as f32 * 0.37).sin();
    }
    let mut optimizer = Optimizer::new(rule, clip_norm, params.count());
    let state = State::new(emulator, &params, &optimizer)?;
    emulator.write(state.grads.address, bytes_of(params.grads()))?;
    let (mut found, mut unused) = (params.clone(), Optimizer::new(rule, clip_norm, params.count()));
    let row = |step| Row { clock: Clock { seed: 1, step: step - 1 }, lr: 1e-2, step, batch: 1 };
    for step in 1..=2 {
        state.window.prepare(emulator, &[0.0; SUMS], &[row(step)])?;
        for launch in std::iter::once(state.window.begin()).chain(state.update(rule, clip_norm)) {
            emulator.launch(&launch)?;
        }
        params.grads_mut(); // the same again
        optimizer.update(&mut params, &Team::solo(), 1e-2);
    }
    state.download(emulator, &mut found, &mut unused)?;
    Ok(error(&found.values, &params.values, 0.0))
}

/// A model's state with hardly any parameters.
fn small_state(emulator: &mut Emulator) -> Result<State, DeviceError> {
    let mut params = Params::<f32>::new();
    params.declare("w", [3], Init::Normal);
    State::new(emulator, &params, &Optimizer::new(Rule::Sgd(0.0), None, params.count()))
}

/// The third batch of a table of four, as the second step's record names it.
fn rows(bytes: bool, emulator: &mut Emulator) -> Result<f64, DeviceError> {
    const WIDTH: usize = 37;
    let pixels: Vec<u8> = (0..20 * WIDTH).map(|i| (i * 89 % 256) as u8).collect();
    let numbers: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
    let index: Vec<u32> = (0..4 * 9).map(|i| i * 7 % 20).collect();
    let data = match bytes {
        true => Buffer::read(upload(emulator, &pixels)?, pixels.len() as u64),
        false => Buffer::read(upload(emulator, &numbers)?, 4 * numbers.len() as u64),
    };
    let table = Buffer::read(upload(emulator, &index)?, 4 * index.len() as u64);
    let chosen = &index[2 * 9..][..9];
    let len = chosen.len() * WIDTH;
    let to = Span { address: emulator.alloc(4 * len as u64)?, len };
    let window = small_state(emulator)?.window;
    window.prepare(emulator, &[0.0; SUMS], &[Row { clock: Clock::default(), lr: 0.0, step: 1, batch: 2 }])?;
    emulator.launch(&window.begin())?;
    let mut launches = Launches::default();
    gather(&mut launches, Table { data, bytes }, table, window.record, to, WIDTH);
    emulator.launch(&launches.list[0])?;
    let expected: Vec<f32> =
        chosen.iter().flat_map(|&row| numbers[row as usize * WIDTH..][..WIDTH].iter().copied()).collect();
    Ok(error(&download::<f32>(emulator, to.address, len)?, &expected, 0.0))
}

/// Four steps of a window, the third and the last of which have no finite loss. `count`: how many numbers are summed.
fn steps(count: usize, emulator: &mut Emulator) -> Result<f64, DeviceError> {
    const DRAWINGS: usize = 6;
    let window = small_state(emulator)?.window;
    let values: Vec<f32> = (0..8).map(|i| 0.5 + i as f32).collect();
    let at = upload(emulator, &values)?;
    let weight = |i: usize| 3.0 - 0.25 * i as f64;
    let numbers: Vec<(Span, f64)> =
        (0..count).map(|i| (Span { address: at + 4 * i as u64, len: 1 }, weight(i))).collect();
    let row = |step| Row { clock: Clock { seed: 9, step: 40 + step }, lr: 0.1, step: 41 + step, batch: 3 };
    let before: [f64; SUMS] = std::array::from_fn(|i| 1.0 + i as f64);
    window.prepare(emulator, &before, &[0, 1, 2, 3].map(row))?;
    let mut expected = before;
    let mut worst = 0.0_f64;
    for (step, loss) in [0.5, 2.0, f32::INFINITY, f32::NAN].into_iter().enumerate() {
        emulator.write(at, bytes_of(&[loss]))?;
        emulator.launch(&window.begin())?;
        let record: Vec<u32> = download(emulator, window.record.address, 8)?;
        let key = u64::from(record[0]) | u64::from(record[1]) << 32;
        let told = key == row(step as u64).clock.key() && record[4..] == [0.1_f32.to_bits(), 0, 3, 41 + step as u32];
        worst = worst.max(if told { 0.0 } else { 1.0 });
        emulator.launch(&window.tally(&numbers, DRAWINGS))?;
        for (i, sum) in expected[..count].iter_mut().enumerate() {
            *sum += f64::from(if i == 0 { loss } else { values[i] }) * weight(i);
        }
        expected[SUMS - 1] += DRAWINGS as f64;
        let not_finite = (step >= 2).then_some(43);
        let Totals { sums, not_finite: found } = window.read(emulator)?;
        let same = sums.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan());
        worst = worst.max(if same && found == not_finite { 0.0 } else { 1.0 });
    }
    Ok(worst)
}

/// By what a mutant is noticed, on an emulator that lacks its module.
fn noticed(mut emulator: Emulator, probes: &[Probe], module: &str, mutant: &Mutant) -> Option<&'static str> {
    emulator.load_module(module, &mutant.source).unwrap();
    let by = |found| match found {
        Ok(error) if error < TOLERANCE => None,
        Ok(_) => Some("another result"),
        Err(DeviceError::Fault(fault)) => Some(fault.check.name()),
        // A number that a kernel left out is missed where it is read from the host.
        Err(_) => Some(Check::Unwritten.name()),
    };
    probes.iter().find_map(|probe| run(probe, &mut emulator).find_map(by))
}

#[test]
#[ignore = "slow"]
fn no_mutant_survives() {
    let columns = [
        Check::Bounds,
        Check::Race,
        Check::Uninitialised,
        Check::Unwritten,
        Check::Alignment,
        Check::Barrier,
        Check::Endless,
    ];
    let columns: Vec<&str> = columns.map(Check::name).into_iter().chain(["another result"]).collect();
    let mut table = format!("| kernel | mutants | {} | equivalent |\n", columns.join(" | "));
    let (mut totals, mut survivors) = (vec![0; columns.len() + 2], BTreeSet::new());
    let row = |name: &str, counts: &[usize]| {
        let cells: Vec<String> = counts.iter().map(usize::to_string).collect();
        format!("| {name} | {} |\n", cells.join(" | "))
    };
    table += &format!("|---|{}\n", "--:|".repeat(totals.len()));
    for (entry, probes) in KERNELS {
        let (name, source) = module(entry);
        let emulator = emulator_without(name);
        let all = mutants(source, entry).unwrap();
        let mut counts = vec![0; totals.len()];
        counts[0] = all.len();
        let mut seen = BTreeMap::new();
        for mutant in &all {
            let nth = seen.entry(mutant.name.as_str()).and_modify(|n| *n += 1).or_insert(0);
            match noticed(emulator.clone(), probes, name, mutant) {
                Some(by) => counts[1 + columns.iter().position(|&column| column == by).expect(by)] += 1,
                None => {
                    survivors.insert((*entry, mutant.name.clone(), *nth));
                    *counts.last_mut().unwrap() += 1;
                }
            }
        }
        totals.iter_mut().zip(&counts).for_each(|(total, count)| *total += count);
        table += &row(entry, &counts);
    }
    println!("{table}{}", row("all", &totals));
    let each = |(entry, name, which, _): &(&'static str, &str, Range<usize>, &str)| {
        let (entry, name) = (*entry, (*name).to_owned());
        which.clone().map(move |nth| (entry, name.clone(), nth))
    };
    let known: BTreeSet<_> = EQUIVALENT.iter().flat_map(each).collect();
    let unnoticed: Vec<_> = survivors.difference(&known).collect();
    assert!(unnoticed.is_empty(), "not noticed: {unnoticed:#?}");
    let noticed: Vec<_> = known.difference(&survivors).collect();
    assert!(noticed.is_empty(), "listed as equivalent, but noticed or gone: {noticed:#?}");
}
