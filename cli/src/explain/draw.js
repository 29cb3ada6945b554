// The sheet of paper: strokes over a picture to start from, by pointer or keyboard.
"use strict";

/**
 * Makes `canvas` a sheet of the extents `image`. `changed(pixels)` is called after each change with the values in [0, 1].
 * Returns load(bytes), undo(), clear() and erase(on).
 */
function sheet(canvas, image, changed) {
  const [height, width, channels] = image;
  // The history for undo: a start is a picture, each further layer a stroke over it.
  let layers = [{start: new Uint8Array(height * width * channels)}];
  let below = layers[0].start; // all layers but the one that is being drawn
  let stroke = null, erasing = false, due = false;
  const keys = {at: [width / 2, height / 2], down: false};

  /** Paints what there is; several changes within a frame are one. */
  function show() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      const bytes = below.slice();
      if (stroke) lay(bytes, stroke, image);
      const pixels = Float32Array.from(bytes, byte => byte / 255);
      paintPicture(canvas, pixels, image);
      if (document.activeElement === canvas && canvas.matches(":focus-visible")) markPen();
      changed(pixels);
    });
  }

  /** Where the keyboard's pen is: a pixel of colour, full where it writes. */
  function markPen() {
    const context = canvas.getContext("2d");
    context.fillStyle = keys.down ? "rgb(200 70 0)" : "rgb(200 70 0 / 45%)";
    context.fillRect(Math.floor(keys.at[0]), Math.floor(keys.at[1]), 1, 1);
  }

  function begin(point) {
    stroke = {points: [point], erase: erasing};
    show();
  }

  function go(point) {
    stroke.points.push(point);
    show();
  }

  function end() {
    if (!stroke) return;
    layers.push(stroke);
    lay(below, stroke, image);
    stroke = null;
    show();
  }

  function restack() {
    stroke = null;
    const start = layers.findLastIndex(layer => layer.start);
    below = layers[start].start.slice();
    layers.slice(start + 1).forEach(layer => lay(below, layer, image));
    show();
  }

  const at = event => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * width, (event.clientY - box.top) / box.height * height];
  };
  canvas.addEventListener("pointerdown", event => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    keys.down = false;
    begin(at(event));
  });
  canvas.addEventListener("pointermove", event => {
    if (!stroke || !canvas.hasPointerCapture(event.pointerId)) return;
    // A fast pen reports several places a frame.
    const events = event.getCoalescedEvents?.() ?? [];
    (events.length ? events : [event]).forEach(part => go(at(part)));
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end);

  const arrows = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  canvas.addEventListener("keydown", event => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") undo();
    else if (event.key === " ") {
      keys.down = !keys.down;
      keys.down ? begin([...keys.at]) : end();
    } else if (arrows[event.key]) {
      const [dx, dy] = arrows[event.key];
      keys.at = [Math.min(Math.max(keys.at[0] + dx, 0), width - 0.5), Math.min(Math.max(keys.at[1] + dy, 0), height - 0.5)];
      if (stroke) go([...keys.at]);
      else show();
    } else return;
    event.preventDefault();
  });
  canvas.addEventListener("focus", show);
  canvas.addEventListener("blur", () => { keys.down = false; end(); show(); });

  function undo() {
    if (layers.length > 1) layers.pop();
    restack();
  }

  return {
    undo,
    load(bytes) {
      layers.push({start: bytes.slice()});
      // So many changes can be undone; the first that is kept is a picture, since a stroke needs one below it.
      layers = layers.slice(layers.findIndex((layer, i) => layer.start && i >= layers.length - 200));
      restack();
    },
    clear() {
      this.load(new Uint8Array(height * width * channels));
    },
    erase(on) {
      erasing = on;
    },
  };
}
