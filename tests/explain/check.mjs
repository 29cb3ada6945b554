// Opens pages of `inkgrad explain` in headless Chromium and uses them: by mouse, finger and keyboard, at 375 and 1280 pixels, in
// light and dark, with and without scripts. Nothing may be fetched, logged as an error or wider than the screen; axe-core has to
// find nothing; and what the page shows has to follow from what is done to it.
//
//   node tests/explain/check.mjs CHROMIUM AXE.js PAGE.html… [--shots FOLDER]
//
// Beside PAGE.html lie PAGE.npy, what the engine makes of d/test_images.npy with d/test_labels.npy: reconstructions, or the
// probabilities of a classifier.

import {readFileSync} from "node:fs";
import {dirname, join} from "node:path";

import {FRAMES, lookAt, options} from "../browser/look.mjs";

/** Waits, in the page, until the training step has been replayed. */
const REPLAYED = "new Promise(done => { const look = () => replayed ? done() : setTimeout(look, 20); look(); })";

/** Drawings that are compared with the engine. */
const COMPARED = 20;

await lookAt(options(), check);

/** The numbers of a .npy file, row by row; bytes as shares of 255. */
function readNpy(path) {
  const file = readFileSync(path), length = file.readUInt16LE(8), header = file.toString("latin1", 10, 10 + length);
  const [, type] = header.match(/'descr': '[<|](\w+)'/), shape = header.match(/'shape': \(([^)]*)/)[1].match(/\d+/g).map(Number);
  const {size, get} = {
    u1: {size: 1, get: at => file.readUInt8(at) / 255},
    f4: {size: 4, get: at => file.readFloatLE(at)},
    i8: {size: 8, get: at => Number(file.readBigInt64LE(at))},
  }[type];
  const width = shape.slice(1).reduce((a, b) => a * b, 1);
  return Array.from({length: shape[0]}, (_, row) => Array.from({length: width}, (_, i) => get(10 + length + (row * width + i) * size)));
}

async function check(sight) {
  const {send, evaluate, expect, name, browser, url, path} = sight;
  for (const [width, height, scheme] of [[1280, 900, "light"], [1280, 900, "dark"], [375, 800, "light"], [375, 800, "dark"]]) {
    await sight.load(width, height, scheme, REPLAYED);
    await sight.hold(width, scheme, ".scroll, #tape");
    await sight.shoot(`${name}-${width}-${scheme}`, 9000);
  }
  await agrees();
  await use();
  await sight.shoot(`${name}-used`, 9000);
  await meetsAnotherOperation();
  await withoutPointers();
  await withoutScripts();

  /** The page computes what the engine does of the same drawings. */
  async function agrees() {
    const beside = file => join(dirname(path), file);
    const [images, labels, expected] = [beside("d/test_images.npy"), beside("d/test_labels.npy"), path.replace(/html$/, "npy")].map(readNpy);
    const found = await evaluate(`${JSON.stringify(images.slice(0, COMPARED))}.map((pixels, i) => {
      const images = Float32Array.from(pixels), labels = [${JSON.stringify(labels.flat())}[i]];
      const {encoding, decoding, classification} = page.tapes;
      if (classification) return Array.from(softmax(replay(classification, params, {images}).values[classification.logits]));
      const latents = replay(encoding, params, {images, labels}).values[encoding.mu];
      return Array.from(replay(decoding, params, {latents, labels}).values[decoding.images], x => Math.min(Math.max(x, 0), 1));
    })`);
    expect(found.length === COMPARED, `${found.length} drawings are compared, expected ${COMPARED}`);
    const apart = Math.max(...found.flatMap((row, i) => row.map((value, j) => Math.abs(value - expected[i][j]))));
    const {numbers, error} = await evaluate("({numbers: page.weights.numbers, error: page.error})");
    // Of weights as bytes the page itself says how far its outputs are off.
    const most = numbers === "f16" ? 1e-3 : 4 * error.output;
    expect(apart <= most, `of ${COMPARED} drawings the page's outputs are ${apart} away from the engine's, expected at most ${most}`);
    console.log(`${name}: ${apart.toExponential(1)} away from the engine on ${COMPARED} drawings`);
  }

  /** Draws, moves, chooses and walks, and looks at what follows. */
  async function use() {
    const has = id => evaluate(`!byId(${JSON.stringify(id)}).hidden && byId(${JSON.stringify(id)}).offsetParent !== null`);
    const outcome = () => evaluate(`byId("result").hidden ? byId("probabilities").textContent :
      [...byId("result").getContext("2d").getImageData(0, 0, byId("result").width, byId("result").height).data].join()`);
    const ink = () => evaluate(`state.pixels.reduce((sum, v) => sum + v, 0)`);
    const click = async id => { await evaluate(`byId(${JSON.stringify(id)}).click()`); await evaluate(FRAMES); };
    const changes = async (what, act) => {
      const before = await outcome();
      await act();
      await evaluate(FRAMES);
      expect(await outcome() !== before, `${what} changes nothing that comes back`);
    };
    const box = id => sight.box(id), mouse = (...event) => sight.mouse(...event), key = (...pressed) => sight.key(...pressed);

    // By mouse: a line, taken back, drawn again, rubbed out.
    await click("clear");
    expect(await ink() === 0, "clear leaves ink");
    const paper = await box("paper");
    const place = share => [paper.left + paper.width * (0.2 + 0.6 * share), paper.top + paper.height * (0.3 + 0.4 * share)];
    const line = async () => {
      await mouse("mousePressed", ...place(0));
      for (let i = 1; i <= 8; i++) await mouse("mouseMoved", ...place(i / 8));
      await mouse("mouseReleased", ...place(1));
      await evaluate(FRAMES);
    };
    await changes("a stroke", line);
    const inked = await ink();
    // 0.6 of the width and 0.4 of the height long, 16 of 304 units thick, and the round ends.
    const [height, width, channels] = await evaluate("page.image");
    const length = Math.hypot(0.6 * width, 0.4 * height), thick = 16 / 304 * Math.min(width, height);
    const area = channels * (length * thick + Math.PI * (thick / 2) ** 2);
    expect(Math.abs(inked / area - 1) < 0.05, `a stroke lays ${inked} pixels of ink, expected ${area}`);
    await click("undo");
    expect(await ink() === 0, "undo leaves ink");
    await line();
    await click("eraser");
    await line();
    expect(await ink() < 0.2 * inked, "the eraser leaves ink");
    await click("pen");

    // By pen.
    await click("clear");
    const pen = (type, [x, y]) => send("Input.dispatchMouseEvent", {type, x, y, button: "left", buttons: 1, clickCount: 1, pointerType: "pen", force: 0.5});
    await pen("mousePressed", place(0));
    for (let i = 1; i <= 8; i++) await pen("mouseMoved", place(i / 8));
    await pen("mouseReleased", place(1));
    await evaluate(FRAMES);
    expect(Math.abs(await ink() / inked - 1) < 0.05, `a pen lays ${await ink()} pixels of ink, a mouse ${inked}`);

    // Undo goes back through more changes than are kept, and stops.
    await evaluate(`for (let i = 0; i < 210; i++) paper.load(drawingBytes(i % 2))`);
    await evaluate(`for (let i = 0; i < 220; i++) paper.undo()`);
    await evaluate(FRAMES);
    expect(await ink() > 0, "undo goes back beyond the first picture");

    // By finger.
    await click("clear");
    const touch = (type, ...points) => send("Input.dispatchTouchEvent", {type, touchPoints: points.map(([x, y]) => ({x, y}))});
    await touch("touchStart", place(0));
    for (let i = 1; i <= 4; i++) await touch("touchMove", place(i / 4));
    await touch("touchEnd");
    await evaluate(FRAMES);
    expect(await ink() > 0.8 * inked, "a finger draws nothing");

    // By keyboard.
    await click("clear");
    await evaluate(`byId("paper").focus()`);
    await key(" ", " ");
    for (let i = 0; i < 6; i++) await key("ArrowRight");
    await key(" ", " ");
    await evaluate(FRAMES);
    expect(await ink() > 5, "keys draw nothing");

    await changes("an example", () => evaluate(`byId("examples").children[3].click()`));
    if (await evaluate(`byId("sliders").children.length > 0`)) {
      await changes("a slider", () => evaluate(`(() => { const input = byId("sliders").querySelector("input");
        input.value = Number(input.value) > 0 ? input.min : input.max; input.dispatchEvent(new Event("input")); })()`));
      await changes("the mean", () => click("to-mean"));
      // The decoded point stays on the screen with whatever moves it.
      for (const id of ["more-sliders", "way"]) {
        const {top, height} = await box(id);
        const seen = await evaluate(`(() => { const {top, bottom} = byId("now").getBoundingClientRect(); return top >= -1 && bottom <= innerHeight; })()`);
        expect(seen && top + height > 0, `what a point decodes to is out of sight at ${id}`);
      }
      const same = await evaluate(`["result", "decoded"].map(id => [...byId(id).getContext("2d").getImageData(0, 0, 9, 9).data].join())`);
      expect(same[0] === same[1], "beside the sliders stands another picture than below the drawing");
      if (await has("resample")) await changes("a sample", () => click("sample-prior"));
      await click("keep-a");
      await evaluate(`load(1)`);
      await evaluate(FRAMES);
      await click("keep-b");
      expect(await evaluate(`byId("steps").children.length`) === 9, "no way between two points");
      await changes("the way between two points", () =>
        evaluate(`byId("way").value = 0.1; byId("way").dispatchEvent(new Event("input"))`));
    }
    if (await evaluate(`page.tapes.decoding?.labels != null`)) {
      await changes("another class", () => evaluate(`byId("classes").querySelector("input:not(:checked)").click()`));
    }
    if (await has("map")) {
      const area = await box("map");
      const [x, y] = await evaluate(`map.placed(5)`);
      await mouse("mouseMoved", area.left + x, area.top + y);
      await evaluate(FRAMES);
      expect(/drawing \d+/.test(await evaluate(`byId("map-says").textContent`)), "the map does not say what is pointed at");
      await changes("a click on the map", async () => {
        await evaluate(`load(0)`);
        await evaluate(FRAMES);
        await mouse("mousePressed", area.left + x, area.top + y);
        await mouse("mouseReleased", area.left + x, area.top + y);
      });
      // The other map: the same drawings in other places, and a drawing of the page comes to lie where it lies.
      const lies = async () => {
        await evaluate(`load(7)`);
        await evaluate(FRAMES);
        return evaluate(`JSON.stringify([map.here, map.placed(7)])`);
      };
      const first = await lies();
      await evaluate(`document.querySelector("[name=map-kind]:not(:checked)").click()`);
      await evaluate(FRAMES);
      expect(await lies() !== first, "the other map looks the same");
      await sight.shoot(`${name}-tsne`, 9000);
      for (let i = 0; i < 20; i++) {
        await evaluate(`load(${i})`);
        await evaluate(FRAMES);
        const away = await evaluate(`(() => { const {points} = map.kind, [x, y] = map.here, [px, py] = points[${i}];
          const span = Math.max(...points.map(p => p[0])) - Math.min(...points.map(p => p[0])); return Math.hypot(px - x, py - y) / span; })()`);
        expect(away < 0.001, `drawing ${i} of the page comes to lie ${away} of the map's width away from itself`);
      }
      if (await evaluate(`page.tapes.decoding != null`)) {
        await changes("a slider", () => evaluate(`(() => { before = map.here; const input = byId("sliders").querySelector("input");
          input.value = Number(input.value) > 0 ? input.min : input.max; input.dispatchEvent(new Event("input")); })()`));
        expect(await evaluate(`Math.hypot(map.here[0] - before[0], map.here[1] - before[1]) > 0`), "the point does not move with a slider");
        expect(await evaluate(`map.kept.places.length === 2 && map.kept.line.length === 9`), "the way from A to B is not on the map");
      }
      const keyed = new Set([await evaluate(`byId("map").focus(); byId("map-says").textContent`)]);
      for (const way of ["ArrowRight", "ArrowDown"]) {
        await key(way);
        keyed.add(await evaluate(`byId("map-says").textContent`));
      }
      expect(keyed.size > 1, "keys do not walk the map");
    }
    // The recorded step: the loss that the engine had.
    await evaluate(`document.querySelector("[name=source][value=step]").click()`);
    await evaluate(FRAMES);
    const apart = await evaluate(`Math.max(...training.terms.map(({node}, k) =>
      Math.abs(replayed.values[node][0] - training.step.values[k]) / Math.max(1, Math.abs(training.step.values[k]))))`);
    const coarse = await evaluate(`page.weights.numbers === "int8"`);
    expect(apart < (coarse ? 2e-2 : 1e-3), `the recorded step's loss is ${apart} away from the engine's`);
    // Every node of the graph can be looked at.
    const nodes = await evaluate(`training.nodes.length`);
    for (let i = 0; i < nodes; i++) await evaluate(`walk(${i})`);
    await evaluate(`walk(training.nodes.findIndex(node => ["conv2d", "lstm", "gru", "linear"].includes(node.op)))`);
    expect(/^Node \d+: \w/.test(await evaluate(`byId("node-title").textContent`)), "no node is shown");
    await walks();
  }

  /** Walks by keyboard: focus stays on the button that walks, and goes to the node's name where a link was followed. */
  async function walks() {
    await evaluate(`walk(2); byId("later").focus()`);
    await sight.key("Enter", "\r");
    const focused = () => evaluate(`document.activeElement.id`);
    expect(await evaluate("state.node") === 3 && await focused() === "later", `after a step focus is on ${await focused()}`);
    await evaluate(`walk(training.nodes.findIndex(node => node.inputs.length > 0)); byId("node-body").querySelector(".facts button").click()`);
    expect(await focused() === "node-title", `after a link focus is on ${await focused()}`);
    // A picture says the number that is pointed at; of a convolution it is taken apart, and framed.
    const at = await evaluate(`training.nodes.findIndex(node => node.op === "conv2d")`);
    if (at < 0) return;
    await evaluate(`walk(${at}); document.querySelector("#node-body canvas.picture").id = "picture"`);
    const {left, top, width, height} = await sight.box("picture");
    await sight.mouse("mouseMoved", left + 0.6 * width, top + 0.6 * height);
    await evaluate(FRAMES);
    const [says, apart, frame] = await evaluate(`[document.querySelector("#node-body .key output").value,
      document.querySelector("#node-body .sum p").textContent, byId("picture").parentElement.querySelector("i").style.left]`);
    const channel = Number(says.match(/^map (\d+)/)?.[1]), framed = Number(apart.match(/channel (\d+)/)?.[1]);
    expect(channel === framed && parseFloat(frame) > 40, `pointing says ${says}, and takes apart ${apart}`);
    const [, sum, bias, whole] = apart.match(/products ([-\d.·⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+) \+ the bias ([-\d.·⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+) = ([-\d.·⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)/) ?? [];
    expect(whole !== undefined && (![sum, bias, whole].every(x => Number.isFinite(Number(x))) || Math.abs(Number(sum) + Number(bias) - Number(whole)) < 0.02 * (Math.abs(sum) + Math.abs(bias))),
      `a sum that does not add up: ${apart}`);
  }

  /** A tape with an operation that the page does not know is said so, and can be walked all the same. */
  async function meetsAnotherOperation() {
    await evaluate(`training.nodes.filter(node => node.op === "linear").forEach(node => { node.op = "mystery"; }); replayTraining()`);
    expect(/mystery/.test(await evaluate(`byId("unknown").hidden ? "" : byId("unknown").textContent`)), "an unknown operation is not named");
    const nodes = await evaluate(`training.nodes.length`);
    for (let i = 0; i < nodes; i++) await evaluate(`walk(${i})`);
  }

  /** Where there are no pointer events, that is said, and examples and keys remain. */
  async function withoutPointers() {
    const {identifier} = await send("Page.addScriptToEvaluateOnNewDocument", {source: "delete window.PointerEvent"});
    await browser.go(url);
    await evaluate(REPLAYED);
    expect(await evaluate(`!byId("trouble").hidden`), "without pointer events nothing is said");
    expect(await evaluate(`state.pixels.some(v => v > 0)`), "without pointer events there is no example");
    await send("Page.removeScriptToEvaluateOnNewDocument", {identifier});
  }

  /** Where scripts do not run there is still something to read. */
  async function withoutScripts() {
    await sight.withoutScripts();
    await sight.shoot(`${name}-without-scripts`);
    const {root} = await send("DOM.getDocument", {depth: -1});
    const {nodeIds} = await send("DOM.querySelectorAll", {nodeId: root.nodeId, selector: "#tape li"});
    expect(nodeIds.length > 5, "without scripts there is no graph to read");
  }
}
