//! Cases that are chosen, beside those that are drawn: shapes at the borders of tiles and blocks.

use inkgrad_engine::Shape;
use inkgrad_engine::ops::{Case, CaseInput, Conv, ConvTranspose, Draw, OPS, Window};

/// Numbers of all inputs.
pub fn size(case: &Case) -> usize {
    case.inputs.iter().map(|x| x.values.len()).sum()
}

fn linear([b, i, o]: [usize; 3]) -> Case {
    let mut draw = Draw::small(1);
    Case {
        label: format!("x ({b}, {i}), weight ({o}, {i})"),
        inputs: vec![draw.values([b, i]), draw.weights([o, i], i), draw.biases(o)],
        f32: Box::new(|tape, x| tape.linear(x[0], x[1], x[2])),
        f64: Box::new(|tape, x| tape.linear(x[0], x[1], x[2])),
    }
}

/// A layer whose products are cut along their sums.
pub fn long_sums() -> Case {
    linear([5, 700, 70])
}

/// A layer whose products have more than half a tile of rows and columns, and sums that end within a tile's first half.
pub fn ragged() -> Case {
    linear([40, 21, 37])
}

/// The same with sums that end within a tile's second half.
pub fn more_ragged() -> Case {
    linear([40, 29, 37])
}

fn linear_relu([b, i, o]: [usize; 3]) -> Case {
    Case {
        f32: Box::new(|tape, x| tape.linear_relu(x[0], x[1], x[2])),
        f64: Box::new(|tape, x| tape.linear_relu(x[0], x[1], x[2])),
        ..linear([b, i, o])
    }
}

/// A layer with a ReLU and less than half a tile of columns, whose sums end within a tile's first half.
pub fn narrow() -> Case {
    linear_relu([9, 21, 30])
}

/// The same with sums that end within a tile's second half.
pub fn more_narrow() -> Case {
    linear_relu([9, 29, 30])
}

/// A layer with a ReLU that has more than a tensor core's eight rows, and sums of seven and fifteen more than a tile's terms.
pub fn ragged_relu() -> Case {
    linear_relu([23, 31, 39])
}

/// The same the other way round.
pub fn more_ragged_relu() -> Case {
    linear_relu([31, 23, 47])
}

/// A layer with rows in all quarters of a tile, and sums of two tiles and seven terms.
pub fn three_tiles() -> Case {
    linear([55, 39, 61])
}

/// The same with columns in a tile's first half alone, and eight terms more.
pub fn more_of_three_tiles() -> Case {
    linear([55, 47, 30])
}

fn conv([x, w]: [[usize; 4]; 2], conv: Conv) -> Case {
    let mut draw = Draw::small(1);
    let inputs = vec![draw.values(x), draw.weights(w, w[1] * w[2] * w[3]), draw.biases(w[0])];
    Case {
        label: format!("x {x:?}, weight {w:?}, {conv:?}"),
        inputs,
        f32: Box::new(move |tape, x| tape.conv2d(x[0], x[1], x[2], conv)),
        f64: Box::new(move |tape, x| tape.conv2d(x[0], x[1], x[2], conv)),
    }
}

/// A convolution whose sums, all three, go over sixteens of channels, and whose weights' gradient is cut into six.
pub fn conv_of_sixteens() -> Case {
    conv([[3, 21, 21, 32], [16, 32, 3, 3]], Conv { stride: (2, 2), padding: (1, 1), relu: false })
}

/// A convolution whose second tile of sums lies below the picture at its lower border, in all quarters of a block's pixels.
pub fn conv_of_columns() -> Case {
    conv([[4, 5, 5, 16], [4, 16, 2, 1]], Conv { stride: (1, 1), padding: (1, 0), relu: false })
}

/// A transposed convolution of the same kind, whose weights' gradient is cut into eight.
pub fn conv_transpose_of_sixteens() -> Case {
    let (mut draw, stride) = (Draw::small(1), (2, 2));
    let conv = ConvTranspose { stride, padding: (1, 1), output_padding: (0, 0), relu: false };
    Case {
        label: "x (2, 15, 16, 16), weight (16, 32, 4, 4)".to_owned(),
        inputs: vec![draw.values([2, 15, 16, 16]), draw.weights([16, 32, 4, 4], 64), draw.biases(32)],
        f32: Box::new(move |tape, x| tape.conv_transpose2d(x[0], x[1], x[2], conv)),
        f64: Box::new(move |tape, x| tape.conv_transpose2d(x[0], x[1], x[2], conv)),
    }
}

/// A softmax that has nothing to choose from.
pub fn one_class() -> Case {
    let mut draw = Draw::small(1);
    Case {
        label: "logits (3, 1)".to_owned(),
        inputs: vec![draw.values([3, 1]), draw.labels(3, 1)],
        f32: Box::new(|tape, x| tape.softmax_cross_entropy(x[0], x[1])),
        f64: Box::new(|tape, x| tape.softmax_cross_entropy(x[0], x[1])),
    }
}

/// Scores with equal ones among them, over more than a block.
pub fn equal_scores() -> Case {
    const ROWS: usize = 300;
    const CLASSES: usize = 5;
    let given = |shape: &[usize], value: fn(usize) -> usize| CaseInput {
        shape: Shape::try_from(shape).unwrap(),
        values: (0..shape.iter().product()).map(|i| value(i) as f64).collect(),
        differentiable: false,
    };
    Case {
        label: format!("logits ({ROWS}, {CLASSES})"),
        inputs: vec![given(&[ROWS, CLASSES], |i| i * 7 % 11 % 4), given(&[ROWS], |i| i % CLASSES)],
        f32: Box::new(|tape, x| tape.correct(x[0], x[1])),
        f64: Box::new(|tape, x| tape.correct(x[0], x[1])),
    }
}

/// A picture's windows with several largest pixels each, of which the first has the gradient.
pub fn equal_pixels() -> Case {
    const WINDOW: Window = Window { kernel: (3, 2), stride: (1, 1), padding: (1, 0) };
    let shape = Shape::from([2, 5, 4, 3]);
    let values = (0..shape.len()).map(|i| (i / 3 % 5 / 2) as f64).collect();
    Case {
        label: format!("x {shape} with equal pixels"),
        inputs: vec![CaseInput { shape, values, differentiable: true }],
        f32: Box::new(|tape, x| tape.max_pool2d(x[0], WINDOW)),
        f64: Box::new(|tape, x| tape.max_pool2d(x[0], WINDOW)),
    }
}

/// The first drawn case of an operation that has `inputs` inputs.
fn with_inputs(name: &str, inputs: usize) -> Case {
    let spec = OPS.iter().find(|spec| spec.name == name).expect("an operation");
    (0..).map(|seed| (spec.draw)(&mut Draw::small(seed))).find(|case| case.inputs.len() == inputs).expect("a case")
}

/// An LSTM that begins in a given state.
pub fn lstm_from_state() -> Case {
    with_inputs("lstm", 7)
}

/// A GRU that begins in a given state.
pub fn gru_from_state() -> Case {
    with_inputs("gru", 6)
}

/// The inputs of a recurrent layer over so many sequences.
fn sequences(gates: usize, hidden: usize, count: usize) -> Vec<CaseInput> {
    let mut draw = Draw::small(1);
    let rows = gates * hidden;
    let (x, w_ih, w_hh) =
        (draw.values([count, 4, 3]), draw.weights([rows, 3], 3), draw.weights([rows, hidden], hidden));
    vec![x, w_ih, w_hh, draw.biases(rows), draw.biases(rows)]
}

/// Over five sequences, which is more than a block has.
fn lstm(hidden: usize) -> Case {
    Case {
        label: format!("x (5, 4, 3), {hidden} units"),
        inputs: sequences(4, hidden, 5),
        f32: Box::new(|tape, x| tape.lstm(x[0], [x[1], x[2], x[3], x[4]], None, false)),
        f64: Box::new(|tape, x| tape.lstm(x[0], [x[1], x[2], x[3], x[4]], None, false)),
    }
}

fn gru(hidden: usize) -> Case {
    Case {
        label: format!("x (5, 4, 3), {hidden} units"),
        inputs: sequences(3, hidden, 5),
        f32: Box::new(|tape, x| tape.gru(x[0], [x[1], x[2], x[3], x[4]], None, false)),
        f64: Box::new(|tape, x| tape.gru(x[0], [x[1], x[2], x[3], x[4]], None, false)),
    }
}

/// An LSTM for clusters, over more sequences than a cluster has.
pub fn lstm_of(hidden: usize) -> Case {
    Case { label: format!("x (9, 4, 3), {hidden} units"), inputs: sequences(4, hidden, 9), ..lstm(hidden) }
}

/// A GRU for clusters.
pub fn gru_of(hidden: usize) -> Case {
    Case { label: format!("x (9, 4, 3), {hidden} units"), inputs: sequences(3, hidden, 9), ..gru(hidden) }
}

/// The smallest LSTM for clusters.
pub fn lstm_of_cluster() -> Case {
    lstm_of(64)
}

/// An LSTM whose weights stay in registers, of which the last fragment is not full.
pub fn lstm_of_registers() -> Case {
    lstm_of(29)
}

/// Others whose units end with four states' rows: 8, 12, 16, 20, 24, 28.
pub fn lstm_of_one_half() -> Case {
    lstm_of(8)
}

/// See [`lstm_of_one_half`].
pub fn lstm_of_twelve() -> Case {
    lstm_of(12)
}

/// See [`lstm_of_one_half`].
pub fn lstm_of_one_fragment() -> Case {
    lstm_of(16)
}

/// See [`lstm_of_one_half`].
pub fn lstm_of_twenty() -> Case {
    lstm_of(20)
}

/// See [`lstm_of_one_half`].
pub fn lstm_of_three_halves() -> Case {
    lstm_of(24)
}

/// See [`lstm_of_one_half`].
pub fn lstm_of_twenty_eight() -> Case {
    lstm_of(28)
}

/// The same with full fragments, backwards from given states.
pub fn lstm_of_registers_from_state() -> Case {
    Case {
        f32: Box::new(|tape, x| tape.lstm(x[0], [x[1], x[2], x[3], x[4]], Some([x[5], x[6]]), true)),
        f64: Box::new(|tape, x| tape.lstm(x[0], [x[1], x[2], x[3], x[4]], Some([x[5], x[6]]), true)),
        ..with_states(lstm_of(32), 32, 2)
    }
}

/// The smallest GRU for clusters.
pub fn gru_of_cluster() -> Case {
    gru_of(64)
}

/// An LSTM for clusters whose warps multiply more than eight states each, the second one half full.
pub fn lstm_of_larger_cluster() -> Case {
    Case { label: "x (12, 4, 3), 128 units".into(), inputs: sequences(4, 128, 12), ..lstm(128) }
}

/// A GRU for clusters whose warps multiply more than eight states each, the second one half full.
pub fn gru_of_larger_cluster() -> Case {
    Case { label: "x (12, 4, 3), 128 units".into(), inputs: sequences(3, 128, 12), ..gru(128) }
}

/// Initial states of nine sequences.
fn with_states(mut case: Case, hidden: usize, count: usize) -> Case {
    let mut draw = Draw::small(2);
    case.inputs.extend((0..count).map(|_| draw.values([9, hidden])));
    case
}

/// An LSTM for clusters that goes backwards from given states.
pub fn lstm_of_cluster_from_state() -> Case {
    Case {
        f32: Box::new(|tape, x| tape.lstm(x[0], [x[1], x[2], x[3], x[4]], Some([x[5], x[6]]), true)),
        f64: Box::new(|tape, x| tape.lstm(x[0], [x[1], x[2], x[3], x[4]], Some([x[5], x[6]]), true)),
        ..with_states(lstm_of(64), 64, 2)
    }
}

/// A GRU for clusters that goes backwards from given states.
pub fn gru_of_cluster_from_state() -> Case {
    Case {
        f32: Box::new(|tape, x| tape.gru(x[0], [x[1], x[2], x[3], x[4]], Some(x[5]), true)),
        f64: Box::new(|tape, x| tape.gru(x[0], [x[1], x[2], x[3], x[4]], Some(x[5]), true)),
        ..with_states(gru_of(64), 64, 1)
    }
}

/// An LSTM of eight units, whose recurrent weights are walked by eights to the end.
pub fn lstm_of_eight() -> Case {
    lstm(8)
}

/// An LSTM of more units, of which two are left over.
pub fn lstm_with_rest() -> Case {
    lstm(58)
}

/// An LSTM of more units, whose recurrent weights are walked by eights to the end.
pub fn lstm_in_eights() -> Case {
    lstm(64)
}

/// A GRU of eight units.
pub fn gru_of_eight() -> Case {
    gru(8)
}

/// A GRU of more units, of which two are left over.
pub fn gru_with_rest() -> Case {
    gru(78)
}

/// A GRU of more units, whose recurrent weights are walked by eights to the end.
pub fn gru_in_eights() -> Case {
    gru(80)
}

/// Bytes of shared memory with which [`lstm_with_rest`] keeps no rows of recurrent weights, or eight. Products need 8704.
pub const LSTM_BYTES: [usize; 2] = [160 * 58, (160 + 8 * 16) * 58];
/// The same for [`gru_with_rest`].
pub const GRU_BYTES: [usize; 2] = [112 * 78, (112 + 8 * 12) * 78];

/// Bytes with which [`lstm_in_eights`] and [`gru_in_eights`] keep no rows.
pub const EIGHTS_BYTES: [usize; 2] = [160 * 64, 112 * 80];

/// Noise in every part of its distribution.
pub fn noise() -> Case {
    let mut draw = Draw::small(1);
    Case {
        label: "(8, 70), noise drawn".to_owned(),
        inputs: vec![draw.values([8, 70]), draw.values([8, 70])],
        f32: Box::new(|tape, x| tape.reparameterize(x[0], x[1])),
        f64: Box::new(|tape, x| tape.reparameterize(x[0], x[1])),
    }
}
