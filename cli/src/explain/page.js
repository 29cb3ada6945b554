// The page: what is drawn goes through the tapes, and all else follows.
"use strict";

const page = JSON.parse(byId("data").textContent);
const params = readWeights(page.weights);
const {training, encoding, decoding, classification} = page.tapes;
const drawings = {pixels: fromBase64(page.drawings.pixels), labels: page.drawings.labels};
const pictureLength = product(page.image);
const drawingBytes = i => drawings.pixels.subarray(i * pictureLength, (i + 1) * pictureLength);
const asValues = bytes => Float32Array.from(bytes, byte => byte / 255);
const noiseOfStep = Object.fromEntries(training.step.noise.map(([node, data]) => [node, readHalves(data)]));

/** Where the page stands. */
const state = {
  pixels: new Float32Array(pictureLength),
  /** The class that is asked for, or held to be right. */
  label: 0,
  /** The encoder's answer; sigma is null for an autoencoder without a prior. */
  mu: null, sigma: null,
  /** The latent that is decoded. */
  z: null,
  /** Which node the graph shows. */
  node: 0,
};

// ------------------------------------------------------------------------------------------------- through the network

const encode = pixels => {
  const {values} = replay(encoding, params, {images: pixels, labels: [state.label]});
  const logvar = encoding.logvar === null ? null : values[encoding.logvar];
  return {mu: values[encoding.mu], sigma: logvar && logvar.map(v => Math.exp(v / 2))};
};
const decode = z => replay(decoding, params, {latents: z, labels: [state.label]}).values[decoding.images];
const classify = pixels => {
  const {values} = replay(classification, params, {images: pixels});
  return {features: values[classification.features], logits: values[classification.logits]};
};

/** After a stroke: code the drawing, then all that follows from the code. */
function drawn(pixels) {
  const started = performance.now();
  state.pixels = pixels;
  if (encoding) {
    Object.assign(state, encode(pixels));
    if (state.mu) toLatent(state.mu);
  } else if (classification) {
    const {features, logits} = classify(pixels);
    if (logits) showProbabilities(softmax(logits));
    if (features) map?.show(features);
  }
  const took = performance.now() - started;
  byId("timing").textContent = `${Math.round(took)} ms through the network`;
  laterReplay();
}

/** Goes to a latent: decodes it, and marks it on sliders and map. */
function toLatent(z) {
  state.z = Float32Array.from(z);
  showSliders?.(state.z, state.mu, state.sigma);
  map?.show(state.z);
  showDecoded();
}

function showDecoded() {
  const images = decoding && decode(state.z);
  if (images) ["result", "decoded"].forEach(id => paintPicture(byId(id), images, page.image));
}

function showProbabilities(probabilities) {
  const order = page.classes.map((_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]).slice(0, 10);
  byId("probabilities").replaceChildren(...order.map(i => {
    const bar = element("i", {});
    bar.style.width = `${100 * probabilities[i]}%`;
    return element("li", {}, element("bdi", {}, page.classes[i]), element("span", {class: "bar", "aria-hidden": "true"}, bar),
      element("output", {}, `${(100 * probabilities[i]).toFixed(1)} %`));
  }));
}

// -------------------------------------------------------------------------------------------- the tape of training

let replayed = null, waiting = 0;

/** Replays the training step once nothing has changed for a moment, and shows loss and node of it. */
function laterReplay() {
  clearTimeout(waiting);
  waiting = setTimeout(replayTraining, 120);
}

function replayTraining() {
  const {step} = training;
  const recorded = document.querySelector("[name=source]:checked").value === "step";
  const [pixels, label, noise] = recorded
    ? [asValues(drawingBytes(step.drawing)), drawings.labels[step.drawing], noiseOfStep]
    : [state.pixels, state.label, {}];
  replayed = replay(training, params, {images: pixels, labels: [label]}, noise);
  byId("source-says").textContent = recorded
    ? `Drawing ${step.drawing} of the page with the noise that the engine drew. The engine's own numbers, from the weights as they were, stand in brackets.`
    : training.step.noise.length ? "With the noise ε at 0, so that z = μ." : "";
  showLoss(training, replayed, recorded ? step.values : null, {...page, order: page.codes?.prior ? page.codes.order : null}, walk);
  byId("unknown").hidden = replayed.unknown.length === 0;
  byId("unknown").textContent = `Operations that this page does not know, so that what follows from them is not computed: ${replayed.unknown.join(", ")}.`;
  walk(state.node);
}

function walk(i) {
  state.node = i;
  showLine(i);
  showNode(byId("node-body"), training, i, replayed, training.step.gradients, walk);
}

// ------------------------------------------------------------------------------------------------------------ wiring

const paper = sheet(byId("paper"), page.image, drawn);

/** Loads drawing i; its class is asked for from then on. */
function load(i) {
  state.label = drawings.labels[i];
  showLabel();
  paper.load(drawingBytes(i));
}

function setUpPaper() {
  const erase = on => {
    paper.erase(on);
    byId("pen").setAttribute("aria-pressed", !on);
    byId("eraser").setAttribute("aria-pressed", on);
  };
  byId("pen").addEventListener("click", () => erase(false));
  byId("eraser").addEventListener("click", () => erase(true));
  byId("undo").addEventListener("click", () => paper.undo());
  byId("clear").addEventListener("click", () => paper.clear());
  const shown = drawings.labels.slice(0, 20).map((label, i) => {
    const canvas = paintPicture(element("canvas", {"aria-hidden": "true"}), asValues(drawingBytes(i)), page.image);
    const name = `example ${i + 1}: ${page.classes[label]}`;
    return element("button", {type: "button", "aria-label": name, title: page.classes[label], onclick: () => load(i)}, canvas);
  });
  byId("examples").replaceChildren(...shown);
  byId("probabilities").hidden = !classification;
  byId("result").hidden = !decoding;
  byId("result-title").textContent = decoding ? "What comes back" : "What it is taken for";
  byId("outcome").hidden = !decoding && !classification;
}

/** Class buttons, where a class goes in: to condition on, or to measure the loss against; beside the sliders again if it is decoded. */
function setUpClasses() {
  if (training.labels === null) return;
  byId("classes-legend").textContent = decoding ? "Class that the network is told" : "Class that the loss holds to be right";
  for (const id of decoding ? ["classes", "classes-here"] : ["classes"]) {
    byId(id).hidden = false;
    byId(id).querySelector(".choices").replaceChildren(...page.classes.map((name, label) => element("label", {},
      element("input", {type: "radio", name: id, value: label, checked: label === 0, onchange: () => {
        state.label = label;
        showLabel();
        const {z} = state;
        if (encoding?.labels != null) drawn(state.pixels);
        // Beside the sliders one stays where one is.
        if (z && (id === "classes-here" || encoding?.labels == null)) toLatent(z);
        laterReplay();
      }}), element("bdi", {}, name))));
  }
}

/** Checks the class that is asked for, wherever it can be chosen. */
function showLabel() {
  ["classes", "classes-here"].forEach(id => {
    const choice = byId(id).querySelectorAll("input")[state.label];
    if (choice) choice.checked = true;
  });
}

/** The meaning of each kind of map. */
const MAPS = {
  pca: "PCA: along the two directions in which codes differ most. Places are exact, and much of what tells codes apart lies in other directions.",
  tsne: "t-SNE: near are drawings whose codes are near; how far groups are from each other says little. A new code descends to its place among the drawings, which stay.",
};

function setUpCodes() {
  const {codes} = page;
  byId("latents").hidden = byId("to-latents").hidden = !codes;
  if (!codes) return {};
  byId("sliders-side").hidden = byId("between").hidden = byId("now").hidden = !decoding;
  if (!codes.prior) byId("to-mean").textContent = "Back to the code";
  byId("latents-title").textContent = byId("to-latents").textContent = classification ? "Features" : "Latents";
  byId("latents-text").textContent = classification
    ? `Before it decides, the network turns a drawing into ${codes.width} numbers. On the map lie those of ${drawings.labels.length} ${page.drawings.split} drawings; the cross is yours.`
    : `A drawing is ${codes.width} numbers to this network. Move one and see what it stands for. ${codes.prior
      ? "The first tell most: KL is each one's divergence from the prior, the mean over the map's drawings. The mark under a slider is μ of your drawing, the band μ ± σ."
      : "The first vary most: spread is each one's standard deviation over the map's drawings. The mark under a slider is the code of your drawing."} On the map lie ${drawings.labels.length} ${page.drawings.split} drawings; the cross is where you are, the broken line the way from A to B.`;
  byId("resample").hidden = byId("sample-prior").hidden = !codes.prior && !codes.mixture;
  byId("to-mean").addEventListener("click", () => toLatent(state.mu));
  byId("resample").addEventListener("click", () => toLatent(state.mu.map((mu, d) => mu + state.sigma[d] * normal())));
  const drawPrior = priorOf(codes);
  byId("sample-prior").addEventListener("click", () => toLatent(drawPrior()));
  fillLegend(byId("legend"), page.classes);
  const showSliders = decoding && sliders(byId("sliders"), byId("more-sliders"), codes, z => {
    state.z = Float32Array.from(z);
    map?.show(state.z);
    showDecoded();
  });
  if (decoding) between(() => state.z, (canvas, z) => paintPicture(canvas, decode(z), page.image), toLatent,
    (ends, way) => map?.way(ends, way));
  const kinds = {...(codes.axes && {pca: principal(codes)}), ...(codes.tsne && {tsne: embedded(codes)})};
  const map = Object.keys(kinds).length > 0 && codeMap(byId("map"), kinds, drawings.labels, i => {
    byId("hovered").hidden = false;
    paintPicture(byId("hovered"), asValues(drawingBytes(i)), page.image);
    byId("map-says").replaceChildren(`drawing ${i}: `, element("bdi", {}, page.classes[drawings.labels[i]]));
  }, load);
  byId("map").parentElement.hidden = !map;
  byId("map-kinds").hidden = Object.keys(kinds).length < 2;
  document.querySelectorAll("[name=map-kind]").forEach(choice => choice.addEventListener("change", () => {
    map.turn(choice.value);
    byId("map-tells").textContent = MAPS[choice.value];
  }));
  byId("map-tells").textContent = MAPS[Object.keys(kinds)[0]] ?? "";
  return {showSliders, map};
}

document.documentElement.classList.add("scripted");
document.querySelectorAll(".live").forEach(part => { part.hidden = false; });
const showLine = tapeList(byId("tape"), walk);
setUpPaper();
setUpClasses();
const {showSliders, map} = setUpCodes();
byId("earlier").addEventListener("click", () => walk(state.node - 1));
byId("later").addEventListener("click", () => walk(state.node + 1));
document.querySelectorAll("[name=source]").forEach(choice => choice.addEventListener("change", replayTraining));
if (!window.PointerEvent) {
  byId("trouble").hidden = false;
  byId("trouble").textContent = "This browser reports no pointers, so there is no drawing with them: begin with an example, or draw with the keyboard.";
}
// Worth a look at first: the first convolution or recurrent layer, else the first product with weights.
const first = (...names) => training.nodes.findIndex(node => names.includes(node.op));
state.node = Math.max(first("conv2d", "lstm", "gru") >= 0 ? first("conv2d", "lstm", "gru") : first("linear", "matmul"), 0);
load(0);
