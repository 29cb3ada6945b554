// The graph: the list of nodes, one of them at a time in full, and the loss in its parts.
"use strict";

const megaflops = flops => flops >= 1e5 ? `${(flops / 1e6).toFixed(2)} MFLOP` : `${flops} FLOP`;
const extents = shape => shape.length ? shape.join(" × ") : "a number";

/** The name of a node: its own, or its operation's. */
const title = node => node.name || node.op;

/** A setting, as words. */
const setting = ([name, value]) => `${name.replaceAll("_", " ")} ${Array.isArray(value) ? value.join(" × ") : value}`;

/** The names of the values that a recurrent layer keeps of each step, and whether they lie between 0 and 1. */
const GATES = {
  i: ["i, the input gate", true], f: ["f, the forget gate", true], g: ["g, the candidate", false], o: ["o, the output gate", true],
  c: ["c, the cell's state", false], r: ["r, the reset gate", true], z: ["z, the update gate", true], n: ["n, the candidate", false],
};

/** Shows node i of a tape in full. `run` is its replay, `gradients` those of the recorded step; go(i) walks to another node. */
function showNode(box, tape, i, run, gradients, go) {
  const node = tape.nodes[i], value = run.values[i];
  const link = k => element("button", {type: "button", onclick: () => {
    go(k);
    byId("node-title").focus({preventScroll: true}); // the button is no more
  }}, `${k} ${title(tape.nodes[k])}`);
  const readers = tape.nodes.flatMap((other, k) => other.inputs.includes(i) ? [k] : []);
  const facts = [
    ["formula", element("code", {}, node.formula || "not known here")],
    node.attributes ? ["settings", Object.entries(node.attributes).map(setting).join(", ")] : null,
    ["value", `${extents(node.shape)}, ${(4 * product(node.shape)).toLocaleString("en")} bytes`],
    node.flops ? ["forward", megaflops(node.flops)] : null,
    node.inputs.length ? ["computed from", element("span", {}, ...node.inputs.map(link))] : null,
    readers.length ? ["read by", element("span", {}, ...readers.map(link))] : null,
  ];
  const list = element("dl", {class: "facts"});
  for (const fact of facts.filter(Boolean)) list.append(element("dt", {}, fact[0]), element("dd", {}, fact[1]));
  const name = `Node ${i}: ${node.op} ${node.name ?? ""}`.trim(), heading = byId("node-title");
  // It is read out when it changes, so not at every stroke.
  if (heading.textContent !== name) heading.replaceChildren(`Node ${i}: ${node.op}`, ...(node.name ? [" ", element("bdi", {}, node.name)] : []));
  byId("earlier").disabled = i === 0;
  byId("later").disabled = i === tape.nodes.length - 1;
  box.replaceChildren(list);
  if (value === null) box.append(element("p", {class: "note"}, "This value needs an operation that the page does not know."));
  else box.append(valueFigure(tape, i, run));
  const gates = Object.entries(run.kept[i].gates ?? {});
  if (gates.length) {
    box.append(element("p", {class: "soft"}, "Its gates and states over time, which runs downwards: a row a step, a column a unit."));
    box.append(element("div", {class: "gates"}, ...gates.map(([gate, values]) => {
      const [words, share] = GATES[gate] ?? [gate, false];
      return captioned(tensorPicture(values, node.shape.slice(1), `${words}, over time`, share ? 1 : 0), `${words}${range(values)}`);
    })));
  }
  box.append(gradientFigure(gradientOf(tape, i, gradients), i, product(node.shape)));
}

const range = values => `, from ${rangeOf(values).map(figure).join(" to ")}`;

function valueFigure(tape, i, run) {
  const node = tape.nodes[i], value = run.values[i];
  if (product(node.shape) === 1) return element("p", {}, `Its value: ${figure(value[0])}`);
  const picture = tensorPicture(value, node.shape, `the value of node ${i}`);
  const {maps = 0, of = maps} = picture.layout ?? {};
  const shown = maps > 1 ? ` ${of > maps ? `The first ${maps} of ${of}` : `${maps}`} maps.` : "";
  const steps = ["lstm", "gru"].includes(node.op) ? " A row a step, a column a unit." : "";
  const shape = captioned(picture, `Value${range(value)}.${shown}${steps}${picture.note ?? ""}`);
  if (!["conv2d", "conv_transpose2d"].includes(node.op)) return shape;
  // Of a convolution any number can be taken apart.
  const parts = element("div", {class: "sum"});
  const {layout} = picture;
  let [map, row, column] = [0, Math.floor(layout.height / 2), Math.floor(layout.width / 2)];
  const mark = element("i", {"aria-hidden": "true"});
  const take = () => {
    const [x, y] = [map % layout.across * (layout.width + 1) + column, Math.floor(map / layout.across) * (layout.height + 1) + row];
    Object.assign(mark.style, {left: `${100 * x / picture.width}%`, top: `${100 * y / picture.height}%`,
      width: `${100 / picture.width}%`, height: `${100 / picture.height}%`});
    parts.replaceChildren(...takenApart(tape, i, run, map, row, column));
  };
  const pick = event => {
    const [x, y] = pixelUnder(picture, event);
    const picked = Math.floor(y / (layout.height + 1)) * layout.across + Math.floor(x / (layout.width + 1));
    if (picked >= layout.maps) return;
    [map, row, column] = [picked, Math.min(y % (layout.height + 1), layout.height - 1), Math.min(x % (layout.width + 1), layout.width - 1)];
    take();
  };
  picture.addEventListener("mousemove", pick);
  picture.addEventListener("click", pick);
  picture.tabIndex = 0;
  picture.setAttribute("role", "application");
  picture.setAttribute("aria-label", `the value of node ${i}; arrows choose the pixel, Page Up and Page Down the channel`);
  picture.addEventListener("keydown", event => {
    const [dm, dr, dc] = {ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1], ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0],
      PageUp: [-1, 0, 0], PageDown: [1, 0, 0]}[event.key] ?? [];
    if (dm === undefined) return;
    const within = (at, extent) => (at + extent) % extent;
    [map, row, column] = [within(map + dm, layout.maps), within(row + dr, layout.height), within(column + dc, layout.width)];
    take();
    event.preventDefault();
  });
  take();
  const over = element("div", {class: "over"});
  over.style.width = picture.style.width;
  picture.replaceWith(over);
  over.append(picture, mark);
  return element("div", {}, shape, parts);
}

/** One number of a convolution: the patch that its kernel lay on, the kernel, their products, and the sum. */
function takenApart(tape, i, run, channel, row, column) {
  const node = tape.nodes[i], [x, w, bias] = node.inputs.map(k => run.values[k]);
  const [, height, width, inputs] = tape.nodes[node.inputs[0]].shape;
  const weightShape = tape.nodes[node.inputs[1]].shape, [kh, kw] = weightShape.slice(2);
  const {stride, padding, relu} = node.attributes, transposed = node.op === "conv_transpose2d";
  const outputs = node.shape[3];
  const patch = new Float32Array(kh * kw * inputs), kernel = patch.slice(), products = patch.slice();
  /** The input row or column under tap k of the output at `at`: of a transposed convolution only every stride-th tap has one. */
  const source = (at, k, axis, extent) => {
    const from = transposed ? (at + padding[axis] - k) / stride[axis] : at * stride[axis] - padding[axis] + k;
    return Number.isInteger(from) && from >= 0 && from < extent ? from : -1;
  };
  let sum = bias[channel];
  for (let a = 0; a < kh; a++) {
    for (let b = 0; b < kw; b++) {
      const [r, c] = [source(row, a, 0, height), source(column, b, 1, width)];
      for (let k = 0; k < inputs; k++) {
        const at = (a * kw + b) * inputs + k;
        const pair = transposed ? k * outputs + channel : channel * inputs + k;
        kernel[at] = w[(pair * kh + a) * kw + b];
        patch[at] = r >= 0 && c >= 0 ? x[(r * width + c) * inputs + k] : 0;
        sum += products[at] = patch[at] * kernel[at];
      }
    }
  }
  const shape = [kh, kw, inputs];
  // So few that they can be read are shown as numbers.
  const small = (values, label) => {
    if (values.length <= 25) return element("figure", {}, numberGrid(values, kw), element("figcaption", {}, label));
    const picture = tensorPicture(values, [1, ...shape], label);
    picture.style.width = `${Math.min(220, Math.max(picture.width * 8, 72))}px`;
    return captioned(picture, label);
  };
  const after = relu ? `, after the ReLU ${figure(Math.max(sum, 0))}` : "";
  const of = inputs > 1 ? `, a map for each of ${inputs} channels` : "";
  return [
    element("p", {}, `The framed number, channel ${channel}, row ${row}, column ${column}: the sum of the products ${
      figure(sum - bias[channel])} + the bias ${figure(bias[channel])} = ${figure(sum)}${after}. Point at another.`),
    small(patch, `patch of the input${of}`), small(kernel, `kernel${of}`), small(products, "patch × kernel, number by number"),
  ];
}

/** A view shares its input's gradient, under its own shape. */
function gradientOf(tape, i, gradients) {
  const node = tape.nodes[i];
  if (node.op !== "view") return gradients[i];
  const shared = gradientOf(tape, node.inputs[0], gradients);
  return shared && {...shared, shape: node.shape};
}

function gradientFigure(gradient, i, count) {
  if (!gradient) return element("p", {class: "soft"}, "No gradient: nothing that is trained lies before it, or the loss does not lead to it.");
  const {norm, largest, shape, data} = gradient;
  const values = readBytes(data, largest);
  const says = `of the loss in the recorded training step: norm ${figure(norm)}, largest ${figure(largest)}`;
  if (values.length === 1) return element("p", {}, `Gradient ${says}.`);
  const picture = tensorPicture(values, shape, `the gradient at node ${i}`);
  return captioned(picture, `Gradient ${says}.${values.length < count ? CELLS : picture.note ?? ""}`);
}

/** Operations whose sums are in nats. */
const NATS = ["bce_with_logits", "gaussian_kl", "softmax_cross_entropy"];

/**
 * The loss and its terms as numbers, each leading to its node by go(i); then, of each operation that adds up elements, those elements.
 * `names` has those of classes and the order of dimensions.
 */
function showLoss(tape, run, engine, {loss, classes, order}, go) {
  const terms = tape.terms.map(({name, node, per}, k) => {
    const value = run.values[node], {op} = tape.nodes[node];
    const stated = engine ? ` (engine: ${figure(engine[k] / per)})` : "";
    const words = name === "loss" ? loss : name, unit = NATS.includes(op) && !words.includes("nats") ? " nats" : "";
    return element("div", {}, element("dt", {}, words),
      element("dd", {}, value ? `${figure(value[0] / per)}${unit}` : "not known here", element("span", {class: "soft"}, stated)),
      element("dd", {class: "where"}, element("button", {type: "button", onclick: () => {
        go(node);
        byId("node-title").focus();
      }}, `node ${node}`)));
  });
  byId("terms").replaceChildren(...terms);
  const bar = (name, value, largest, text, chosen = false) => {
    const length = element("i", {});
    length.style.width = `${100 * value / largest}%`;
    return element("li", chosen ? {class: "chosen"} : {}, element("bdi", {}, name), element("span", {class: "bar", "aria-hidden": "true"}, length),
      element("output", {}, text));
  };
  const parts = tape.nodes.flatMap((node, i) => {
    const {elements, shape, probabilities} = run.kept[i], unit = NATS.includes(node.op) ? " nats" : "";
    if (probabilities) {
      const right = run.values[node.inputs[1]]?.[0];
      const bars = Array.from(probabilities, (p, c) => bar(classes[c] ?? `class ${c}`, p, 1, `${(100 * p).toFixed(1)} %`, c === right));
      return [element("figure", {class: "wide"}, element("figcaption", {},
        `${node.op}, node ${i}: the probability of each class; the loss is −ln of the right one's, in bold`), element("ul", {class: "bars"}, ...bars))];
    }
    if (!elements || elements.length < 2) return [];
    if (shape.length !== 4 && elements.length <= 64 && elements.length === order?.length && rangeOf(elements)[0] >= 0) {
      const largest = rangeOf(elements)[1] || 1;
      const bars = order.map(d => bar(`z${d}`, elements[d], largest, figure(elements[d])));
      return [element("figure", {class: "wide"}, element("figcaption", {}, `${node.op}, node ${i}, of each dimension${unit && `, in${unit}`}; in the order of the sliders`),
        element("ul", {class: "bars dimensions"}, ...bars))];
    }
    const what = shape.length === 4 ? "of each pixel" : "of each dimension, in order";
    return [captioned(tensorPicture(elements, shape, `${node.op} ${what}`), `${node.op}, node ${i}, ${what}${range(elements)}${unit}`)];
  });
  byId("elements").replaceChildren(...parts);
}

/** Makes each line of the list a button that walks to its node. Returns walk(i), which shows that line as the current one. */
function tapeList(list, go) {
  const lines = [...list.children];
  lines.forEach((line, i) => {
    const op = line.querySelector("b");
    op.replaceWith(element("button", {type: "button", onclick: () => go(i)}, op.textContent));
  });
  return i => {
    lines.forEach((line, k) => {
      line.classList.toggle("shown", k === i);
      if (k === i) line.setAttribute("aria-current", "true");
      else line.removeAttribute("aria-current");
    });
    const line = lines[i];
    if (line.offsetTop < list.scrollTop || line.offsetTop + line.offsetHeight > list.scrollTop + list.clientHeight) {
      list.scrollTop = line.offsetTop - list.clientHeight / 2;
    }
  };
}
