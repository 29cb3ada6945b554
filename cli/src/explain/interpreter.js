// An interpreter of inkgrad's tapes.
//
// A tape is a list of nodes in the order in which they were recorded. A node has the name of its operation, the indices of the
// earlier nodes that it is computed from, the extents of its value and the settings that it was recorded with. To replay a tape is
// to walk that list once. Node names, formulas, layouts and orders are the engine's: tensors are row-major without gaps,
// pictures channels-last (batch, height, width, channels), weights as PyTorch has them. B, H, W, C stand for those extents.
//
//   const params = readWeights(page.weights);
//   const run = replay(page.tapes.encoding, params, {images: pixels});
//   run.values[page.tapes.encoding.mu]   // what the engine's Plan::value would give, up to the rounding of weights
"use strict";

// ------------------------------------------------------------------------------------------------------------- reading

/** The bytes that base64 text stands for. */
function fromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** IEEE 754 binary16, low byte first, as numbers: 1 bit of sign, 5 of exponent (bias 15), 10 of mantissa. */
function readHalves(text) {
  const bytes = fromBase64(text);
  const numbers = new Float32Array(bytes.length / 2);
  for (let i = 0; i < numbers.length; i++) {
    const half = bytes[2 * i] | (bytes[2 * i + 1] << 8);
    const exponent = (half >> 10) & 31;
    const mantissa = half & 1023;
    const magnitude = exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15);
    numbers[i] = half & 0x8000 ? -magnitude : magnitude;
  }
  return numbers;
}

/** Bytes of −127 to 127, as numbers from −largest to largest. */
function readBytes(text, largest) {
  return Float32Array.from(new Int8Array(fromBase64(text).buffer), byte => byte * largest / 127);
}

const product = extents => extents.reduce((n, extent) => n * extent, 1);

/** All parameters by name. Those kept as bytes have a scale for each index of their first axis. */
function readWeights({numbers, params, data, scales}) {
  const values = numbers === "f16" ? readHalves(data) : Float32Array.from(new Int8Array(fromBase64(data).buffer));
  const rowScales = new Float32Array(fromBase64(scales).buffer);
  const byName = new Map();
  let at = 0, row = 0;
  for (const {name, shape} of params) {
    const own = values.subarray(at, at += product(shape));
    if (numbers === "int8") {
      const width = own.length / shape[0];
      for (let r = 0; r < shape[0]; r++, row++) {
        for (let i = 0; i < width; i++) own[r * width + i] *= rowScales[row];
      }
    }
    byName.set(name, own);
  }
  return byName;
}

// ----------------------------------------------------------------------------------------------------------- replaying

/**
 * Runs a tape. `inputs` has a list of numbers for each input, by name; `noise` has ε by node index for operations that would draw
 * it (zeros where it has none). Returns `values`, one for each node; `kept`, with what operations keep of their inner workings
 * (gates, elements of a loss); and `unknown`, the names of operations that are not in this file. A value that depends on one of
 * those is null.
 */
function replay(tape, params, inputs, noise = {}) {
  const values = [], kept = [], unknown = new Set();
  tape.nodes.forEach((node, i) => {
    kept[i] = {};
    values[i] = valueOf(node, i);
  });
  return {values, kept, unknown: [...unknown]};

  function valueOf(node, i) {
    const x = node.inputs.map(k => values[k]);
    if (node.op === "input") return inputs[node.name] ?? null;
    if (node.op === "param") return params.get(node.name);
    if (node.op === "view" || node.op === "detach") return x[0]; // the same elements, under another shape or as a constant
    if (!Object.hasOwn(OPS, node.op)) unknown.add(node.op);
    if (!Object.hasOwn(OPS, node.op) || x.includes(null)) return null;
    const y = new Float32Array(product(node.shape));
    const shapes = node.inputs.map(k => tape.nodes[k].shape);
    OPS[node.op]({x, shapes, y, shape: node.shape, attributes: node.attributes ?? {}, noise: noise[i], keep: kept[i]});
    return y;
  }
}

// ---------------------------------------------------------------------------------------------------------- operations

const sigmoid = x => 1 / (1 + Math.exp(-x));
/** ln(1 + eˣ), without overflow for large x. */
const softplus = x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

const total = values => values.reduce((sum, value) => sum + value, 0);

/** ln Σ eˣ, with the largest x taken out, so that nothing overflows. */
function logSumExp(x) {
  const largest = Math.max(...x);
  return largest + Math.log(x.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

/** x − ln Σ eˣ, and e to that: eˣ / Σ eˣ. */
const logSoftmax = (x, whole = logSumExp(x)) => x.map(value => value - whole);
const softmax = x => logSoftmax(x).map(Math.exp);

/** Φ(x), the share of N(0, 1) below x: by Abramowitz and Stegun's 7.1.26, which is 1.5·10⁻⁷ off at most. */
function normalBelow(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x) / Math.SQRT2);
  const series = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592].reduce((sum, c) => (sum + c) * t, 0);
  const tail = series * Math.exp(-x * x / 2) / 2;
  return x > 0 ? 1 - tail : tail;
}

/** An operation that does the same to each element. */
const elementwise = f => ({x: [a, b], y}) => {
  for (let i = 0; i < y.length; i++) y[i] = f(a[i], b?.[i]);
};

/** An operation that adds up a number for each element, of which it keeps the `elements`, and multiplies the sum by `factor`. */
const summed = (f, factor = () => 1) => ({x: [a, b], shapes, y, keep}) => {
  const scale = factor(a.length);
  let sum = 0;
  keep.elements = Float32Array.from(a, (value, i) => scale * f(value, b?.[i]));
  keep.shape = shapes[0];
  for (let i = 0; i < a.length; i++) sum += f(a[i], b?.[i]);
  y[0] = scale * sum;
};

/** An operation that makes one number of those along an axis. */
const reduced = f => ({x: [x], shapes: [shape], y, attributes: {axis}}) => {
  const count = shape[axis], step = stepsOf(shape)[axis];
  for (let at = 0; at < y.length; at++) {
    const first = Math.floor(at / step) * count * step + at % step;
    y[at] = f(Array.from({length: count}, (_, k) => x[first + k * step]));
  }
};

/** An operation that makes a row of y of each row of x, along the last axis. */
const byRow = f => run => {
  const {x: [x], shapes: [shape], y} = run, width = shape.at(-1), rows = x.length / width, own = y.length / rows;
  for (let row = 0; row < rows; row++) {
    f(x.subarray(row * width, (row + 1) * width), y.subarray(row * own, (row + 1) * own), run);
  }
};

/** Elements from one index of each axis to the next, row-major. */
const stepsOf = shape => shape.map((_, axis) => product(shape.slice(axis + 1)));

/** y[place] = x[offset + Σ place·steps], over the axes of a place. */
function layOut({x: [x], y, shape}, steps, offset = 0) {
  for (let at = 0; at < y.length; at++) {
    let from = offset;
    for (let rest = at, axis = shape.length - 1; axis >= 0; axis--) {
      from += rest % shape[axis] * steps[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    y[at] = x[from];
  }
}

const rectify = y => {
  for (let i = 0; i < y.length; i++) if (y[i] < 0) y[i] = 0;
};

/** Every operation: it is given its inputs `x` and their `shapes`, and fills `y`. */
const OPS = {
  add: elementwise((a, b) => a + b),
  sub: elementwise((a, b) => a - b),
  mul: elementwise((a, b) => a * b),
  div: elementwise((a, b) => a / b),
  copy: elementwise(x => x),
  neg: elementwise(x => -x),
  abs: elementwise(Math.abs),
  ln: elementwise(Math.log),
  sqrt: elementwise(Math.sqrt),
  relu: elementwise(x => Math.max(x, 0)),
  sigmoid: elementwise(sigmoid),
  tanh: elementwise(Math.tanh),
  softplus: elementwise(softplus),
  exp: elementwise(Math.exp),
  gelu: elementwise(x => x * normalBelow(x)),
  gelu_tanh: elementwise(x => x * sigmoid(Math.sqrt(8 / Math.PI) * (x + 0.044715 * x ** 3))),
  scale: run => elementwise(x => run.attributes.c * x)(run),
  pow: run => elementwise(x => x ** run.attributes.p)(run),
  leaky_relu: run => elementwise(x => x > 0 ? x : run.attributes.slope * x)(run),
  dropout: elementwise(x => x), // its mean: where values are looked at, nothing is dropped

  sum: summed(x => x),
  mse: summed((x, t) => (x - t) ** 2, n => 1 / n),
  // The cross-entropy of sigmoid(x) against t, from logits: −t·ln σ(x) − (1 − t)·ln(1 − σ(x)).
  bce_with_logits: summed((x, t) => softplus(x) - x * t),
  gaussian_kl: summed((mu, logvar) => -0.5 * (1 + logvar - mu * mu - Math.exp(logvar))),

  sum_axis: reduced(total),
  mean_axis: reduced(values => total(values) / values.length),
  max_axis: reduced(values => Math.max(...values)),
  softmax: byRow((x, y) => y.set(softmax(x))),
  log_softmax: byRow((x, y) => y.set(logSoftmax(x))),
  logsumexp: byRow((x, y) => { y[0] = logSumExp(x); }),
  layer_norm: byRow((x, y, {x: [, weight, bias], attributes: {eps}}) => {
    const mean = total(x) / x.length, variance = total(x.map(value => (value - mean) ** 2)) / x.length;
    for (let i = 0; i < y.length; i++) y[i] = (x[i] - mean) / Math.sqrt(variance + eps) * weight[i] + bias[i];
  }),
  batch_norm: byRow((x, y, {x: [, moments, weight, bias], attributes: {eps}}) => {
    const [mean, variance] = [moments, moments.subarray(x.length)];
    for (let c = 0; c < y.length; c++) y[c] = (x[c] - mean[c]) / Math.sqrt(variance[c] + eps) * weight[c] + bias[c];
  }),
  // y = mean and variance of each channel, over all other axes
  batch_norm_statistics({x: [x], y, shape: [, channels]}) {
    const share = channels / x.length, mean = y.subarray(0, channels), variance = y.subarray(channels);
    x.forEach((value, i) => { mean[i % channels] += share * value; });
    x.forEach((value, i) => { variance[i % channels] += share * (value - mean[i % channels]) ** 2; });
  },

  linear,
  matmul,
  conv2d,
  conv_transpose2d,
  avg_pool2d,
  max_pool2d,
  lstm,
  gru,

  // Those that only lay elements out anew: a place of y, axis by axis, times these steps is the place in x.
  transpose: run => layOut(run, [product(run.shape.slice(1)), 1, run.shape[1]]), // y[b, j, i] = x[b, i, j]
  permute: run => layOut(run, run.attributes.axes.map(axis => stepsOf(run.shapes[0])[axis])),
  repeat: run => layOut(run, [run.shape[2], 0, 1]), // y[b, t] = x[b]
  select: run => layOut(run, [product(run.shapes[0].slice(1)), 1], run.attributes.step * run.shape[1]), // y[b] = x[b, step]
  slice: run => {
    const steps = stepsOf(run.shapes[0]), {axis, start} = run.attributes;
    layOut(run, steps, start * steps[axis]);
  },
  broadcast: run => {
    const missing = run.shape.length - run.shapes[0].length, steps = stepsOf(run.shapes[0]);
    layOut(run, run.shape.map((_, axis) => axis < missing || run.shapes[0][axis - missing] === 1 ? 0 : steps[axis - missing]));
  },

  // y = [a, b, …] along the last axis
  concat({x, shapes, y, shape}) {
    const width = shape.at(-1);
    let first = 0;
    x.forEach((part, k) => {
      const own = shapes[k].at(-1);
      for (let row = 0; row * own < part.length; row++) {
        y.set(part.subarray(row * own, (row + 1) * own), row * width + first);
      }
      first += own;
    });
  },

  // y[b] = W[label[b]]
  embedding({x: [w, labels], shapes: [[, width]], y}) {
    labels.forEach((label, b) => y.set(w.subarray(label * width, (label + 1) * width), b * width));
  },

  // z = μ + exp(½ logσ²)·ε, with ε a third input or drawn
  reparameterize({x: [mu, logvar, given], y, noise, keep}) {
    const epsilon = given ?? noise ?? new Float32Array(y.length);
    keep.noise = epsilon;
    for (let i = 0; i < y.length; i++) y[i] = mu[i] + Math.exp(0.5 * logvar[i]) * epsilon[i];
  },

  // y = −mean ln softmax(x)[label]
  softmax_cross_entropy({x: [x, labels], shapes: [[batch, classes]], y, keep}) {
    const rows = Array.from(labels, (_, b) => x.subarray(b * classes, (b + 1) * classes));
    keep.probabilities = Float32Array.from(rows.flatMap(row => [...softmax(row)]));
    y[0] = total(rows.map((row, b) => logSumExp(row) - row[labels[b]])) / batch;
  },

  // y = how many rows of x are largest at their label
  correct({x: [x, labels], shapes: [[, classes]], y}) {
    labels.forEach((label, b) => {
      const row = x.subarray(b * classes, (b + 1) * classes);
      if (row.indexOf(Math.max(...row)) === label) y[0] += 1;
    });
  },
};

// y = A·B for each pair of matrices, either stored transposed
function matmul({x: [a, b], shapes: [shapeA, shapeB], y, shape, attributes: {transposed_a, transposed_b}}) {
  const [m, n] = shape.slice(-2), k = shapeA.at(transposed_a ? -2 : -1);
  const [rowA, columnA] = transposed_a ? [1, m] : [k, 1];
  const [rowB, columnB] = transposed_b ? [1, k] : [n, 1];
  for (let at = 0; at < y.length; at++) {
    const pair = Math.floor(at / (m * n)), i = Math.floor(at / n) % m, j = at % n;
    let sum = 0;
    for (let l = 0; l < k; l++) sum += a[pair * m * k + i * rowA + l * columnA] * b[pair * k * n + l * rowB + j * columnB];
    y[at] = sum;
  }
}

// y = x·Wᵀ + b for x: (B, I), W: (O, I)
function linear({x: [x, w, bias], shapes: [[batch, inputs], [outputs]], y, attributes: {relu}}) {
  const added = bias ?? new Float32Array(outputs);
  for (let b = 0; b < batch; b++) y.set(affine(w, added, x, b * inputs, inputs), b * outputs);
  if (relu) rectify(y);
}

// ------------------------------------------------------------------------------------------------------- convolutions

/**
 * A kernel's weights by tap, so that the innermost loop runs along memory: (taps, in, out). PyTorch's layout is (out, in, kh, kw),
 * or (in, out, kh, kw) for a transposed convolution. Made once for each array of weights.
 */
function byTap(w, [first, second, kh, kw], transposed) {
  let packed = PACKED.get(w);
  if (!packed) {
    const taps = kh * kw;
    const [inputs, outputs] = transposed ? [first, second] : [second, first];
    packed = new Float32Array(w.length);
    for (let i = 0; i < inputs; i++) {
      for (let o = 0; o < outputs; o++) {
        const from = (transposed ? i * outputs + o : o * inputs + i) * taps;
        for (let k = 0; k < taps; k++) packed[(k * inputs + i) * outputs + o] = w[from + k];
      }
    }
    PACKED.set(w, packed);
  }
  return packed;
}
const PACKED = new WeakMap();

/** y[to…] += x[from…]·W of one tap: `inputs` numbers to `outputs`. Zeros, most of a drawing and of what a ReLU leaves, cost nothing. */
function addProduct(x, from, inputs, w, tap, outputs, y, to) {
  for (let c = 0; c < inputs; c++) {
    const value = x[from + c];
    if (value === 0) continue;
    const row = (tap * inputs + c) * outputs;
    for (let o = 0; o < outputs; o++) y[to + o] += value * w[row + o];
  }
}

/** Calls f(tap, row, column) for the pixels of a height × width picture under a kernel whose corner is at (top, left). */
function eachTap([kh, kw], top, left, height, width, f) {
  for (let i = 0; i < kh; i++) {
    const row = top + i;
    if (row < 0 || row >= height) continue;
    for (let j = 0; j < kw; j++) {
      const column = left + j;
      if (column >= 0 && column < width) f(i * kw + j, row, column);
    }
  }
}

const fillBias = (y, bias) => {
  for (let at = 0; at < y.length; at += bias.length) y.set(bias, at);
};

// y[p] = b + Σₖ x[p·stride − padding + k]·W[k]
function conv2d({x: [x, w, bias], shapes: [[batch, height, width, inputs], kernel], y, shape, attributes}) {
  const {stride, padding, relu} = attributes;
  const [, rows, columns, outputs] = shape;
  const taps = byTap(w, kernel, false);
  fillBias(y, bias);
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const to = ((b * rows + i) * columns + j) * outputs;
        const [top, left] = [i * stride[0] - padding[0], j * stride[1] - padding[1]];
        eachTap(kernel.slice(2), top, left, height, width, (tap, row, column) => {
          addProduct(x, ((b * height + row) * width + column) * inputs, inputs, taps, tap, outputs, y, to);
        });
      }
    }
  }
  if (relu) rectify(y);
}

// y[p·stride − padding + k] += x[p]·W[k], then + b: the convolution's arrows, reversed
function conv_transpose2d({x: [x, w, bias], shapes: [[batch, rows, columns, inputs], kernel], y, shape, attributes}) {
  const {stride, padding, relu} = attributes;
  const [, height, width, outputs] = shape;
  const taps = byTap(w, kernel, true);
  fillBias(y, bias);
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const from = ((b * rows + i) * columns + j) * inputs;
        const [top, left] = [i * stride[0] - padding[0], j * stride[1] - padding[1]];
        eachTap(kernel.slice(2), top, left, height, width, (tap, row, column) => {
          addProduct(x, from, inputs, taps, tap, outputs, y, ((b * height + row) * width + column) * outputs);
        });
      }
    }
  }
  if (relu) rectify(y);
}

/** Gives each output, of each channel, what `f` makes of the list of values in its window. */
function pooled({x: [x], shapes: [[batch, height, width, channels]], y, shape: [, rows, columns], attributes}, f) {
  const {kernel, stride, padding} = attributes;
  let at = 0;
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        for (let c = 0; c < channels; c++) {
          const window = [];
          eachTap(kernel, i * stride[0] - padding[0], j * stride[1] - padding[1], height, width, (_, row, column) => {
            window.push(x[((b * height + row) * width + column) * channels + c]);
          });
          y[at++] = f(window);
        }
      }
    }
  }
}

// y[p] = max of x over p's window
function max_pool2d(run) {
  pooled(run, window => Math.max(...window));
}

// y[p] = mean of x over p's window; pixels in the padding count as zeros, or not at all
function avg_pool2d(run) {
  const {kernel: [kh, kw], count_padding} = run.attributes;
  pooled(run, window => window.reduce((sum, value) => sum + value, 0) / (count_padding ? kh * kw : window.length));
}

// --------------------------------------------------------------------------------------------------- recurrent layers

/** W·x + b for W: (rows, columns), x from `from` on. Four sums a row: an addition to a single one would wait for the one before. */
function affine(w, bias, x, from, columns) {
  const y = new Float32Array(bias.length), whole = columns - columns % 4;
  for (let row = 0, at = 0; row < y.length; row++, at += columns) {
    let [a, b, c, d] = [bias[row], 0, 0, 0];
    for (let i = 0; i < whole; i += 4) {
      a += w[at + i] * x[from + i];
      b += w[at + i + 1] * x[from + i + 1];
      c += w[at + i + 2] * x[from + i + 2];
      d += w[at + i + 3] * x[from + i + 3];
    }
    for (let i = whole; i < columns; i++) a += w[at + i] * x[from + i];
    y[row] = a + b + (c + d);
  }
  return y;
}

/**
 * Walks sequences x: (B, T, I), from the first step to the last or, with `reverse`, back; x: (B, I) is the same at each step. At
 * each step f(a, q, k, state) gets a = W_ih·x + b_ih and q = W_hh·h + b_hh and makes unit k's new state [h, …]. Each h goes to
 * y: (B, T, H), and what f gives as `gates` of the first sequence is kept, (T, H) each.
 */
function recur({x: [x, wIh, wHh, bIh, bHh, ...initial], shapes, y, shape, attributes: {reverse}, keep}, states, f) {
  const [batch, time, hidden] = shape, repeated = shapes[0].length === 2, inputs = shapes[0].at(-1);
  keep.gates = {};
  for (let b = 0; b < batch; b++) {
    const state = Array.from({length: states}, (_, s) =>
      initial[s]?.slice(b * hidden, (b + 1) * hidden) ?? new Float32Array(hidden));
    for (let step = 0; step < time; step++) {
      const t = reverse ? time - 1 - step : step;
      const a = affine(wIh, bIh, x, (repeated ? b : b * time + t) * inputs, inputs);
      const q = affine(wHh, bHh, state[0], 0, hidden);
      for (let k = 0; k < hidden; k++) {
        const {next, gates} = f(a, q, k, state);
        next.forEach((value, s) => { state[s][k] = value; });
        y[(b * time + t) * hidden + k] = next[0];
        if (b > 0) continue;
        for (const [name, value] of Object.entries(gates)) {
          keep.gates[name] ??= new Float32Array(time * hidden);
          keep.gates[name][t * hidden + k] = value;
        }
      }
    }
  }
}

// z = a + q in blocks i, f, g, o; c = f·c' + i·g; h = o·tanh c
function lstm(run) {
  const hidden = run.shape[2];
  recur(run, 2, (a, q, k, [, cell]) => {
    const [zi, zf, zg, zo] = [0, 1, 2, 3].map(block => a[block * hidden + k] + q[block * hidden + k]);
    const [i, f, g, o] = [sigmoid(zi), sigmoid(zf), Math.tanh(zg), sigmoid(zo)];
    const c = f * cell[k] + i * g;
    return {next: [o * Math.tanh(c), c], gates: {i, f, g, o, c}};
  });
}

// r = σ(aᵣ + qᵣ), z = σ(a_z + q_z), n = tanh(aₙ + r·qₙ); h = (1 − z)·n + z·h'
function gru(run) {
  const hidden = run.shape[2];
  recur(run, 1, (a, q, k, [before]) => {
    const [atR, atZ, atN] = [k, hidden + k, 2 * hidden + k];
    const r = sigmoid(a[atR] + q[atR]);
    const z = sigmoid(a[atZ] + q[atZ]);
    const n = Math.tanh(a[atN] + r * q[atN]);
    return {next: [(1 - z) * n + z * before[k]], gates: {r, z, n}};
  });
}
