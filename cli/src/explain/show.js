// Numbers as pictures: on canvases of one pixel a number, which the style enlarges.
"use strict";

/** Three or so significant digits. */
function figure(x) {
  const size = Math.abs(x);
  if (x === 0) return "0";
  if (size >= 1e4 || size < 1e-3) {
    const [digits, power] = x.toExponential(1).split("e");
    return `${digits}·10${[...power.replace("+", "")].map(digit => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(digit)]).join("")}`;
  }
  return x.toPrecision(3);
}

/** White paper, black ink: a share of 0 to 1. */
const inkColour = share => {
  const grey = 255 - 255 * Math.min(Math.max(share, 0), 1);
  return [grey, grey, grey];
};

/** White at 0, towards orange above and blue below, as far as ±1. */
const signedColour = share => {
  const size = Math.min(Math.abs(share), 1);
  const full = share > 0 ? [200, 70, 0] : [20, 85, 175];
  return full.map(colour => 255 - (255 - colour) * size);
};

/** Gives a canvas one pixel for each of `columns` × `rows`, of the colour that colourAt(column, row) says; none leaves a gap. */
function paintGrid(canvas, columns, rows, colourAt) {
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const colour = colourAt(column, row);
      if (colour) image.data.set([...colour, 255], 4 * (row * columns + column));
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** A picture of values in [0, 1], black on white, or in colour where it has three channels. */
function paintPicture(canvas, values, [height, width, channels]) {
  return paintGrid(canvas, width, height, (x, y) => {
    const at = (y * width + x) * channels;
    const colour = channels === 3 ? values.subarray(at, at + 3) : [values[at], values[at], values[at]];
    return channels === 3 ? [...colour].map(v => 255 * v) : inkColour(colour[0]);
  });
}

/** How many maps to a row, so that the whole is about one and a half times as wide as high. */
const mapsToARow = (count, height, width) => Math.min(count, Math.max(1, Math.round(Math.sqrt(1.5 * count * height / width))));

/**
 * How a tensor of that shape is laid out as a picture: `maps` of height × width beside one another, and index(map, row, column).
 * Pictures are a map a channel, kernels a map for each pair of channels, matrices one map; vectors have none and become bars.
 */
function layoutOf(shape) {
  const inner = shape[0] === 1 && shape.length > 2 ? shape.slice(1) : shape;
  if (inner.length === 3) {
    const [height, width, channels] = inner;
    return {maps: channels, height, width, index: (map, row, column) => (row * width + column) * channels + map};
  }
  if (inner.length === 4) {
    const [outputs, inputs, height, width] = inner;
    const maps = Math.min(outputs * inputs, 512);
    return {maps, height, width, index: (map, row, column) => (map * height + row) * width + column, of: outputs * inputs};
  }
  if (inner.length === 2 && inner[0] > 1) {
    const [height, width] = inner;
    return {maps: 1, height, width, index: (_, row, column) => row * width + column};
  }
  return null;
}

/** The smallest and the largest of many numbers. */
function rangeOf(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

/** The most pixels of a picture's side; of a longer matrix each pixel shows the number of largest magnitude of a few. */
const LONGEST = 2048;

/** A matrix of at most LONGEST rows and columns. */
function coarsened(values, height, width) {
  const rows = Math.min(height, LONGEST), columns = Math.min(width, LONGEST);
  const coarse = new Float32Array(rows * columns);
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      const at = Math.floor(i * rows / height) * columns + Math.floor(j * columns / width);
      if (Math.abs(values[i * width + j]) > Math.abs(coarse[at])) coarse[at] = values[i * width + j];
    }
  }
  return {values: coarse, shape: [rows, columns]};
}

/**
 * A canvas of a tensor's values: from white to black, from 0 or from `lowest` up, for values of one sign, else blue and orange
 * around 0.
 */
function tensorPicture(values, shape, label, lowest = 0) {
  const layout = layoutOf(shape);
  if (!layout) return barPicture(values, label);
  const {maps, height, width, index} = layout;
  if (Math.max(height, width) > LONGEST && maps === 1) {
    const coarse = coarsened(values, height, width);
    return tensorPicture(coarse.values, coarse.shape, label, lowest);
  }
  const [low, high] = rangeOf(values);
  const largest = Math.max(-low, high) || 1;
  const colour = low < 0
    ? value => signedColour(value / largest)
    : value => inkColour((value - lowest) / (largest - lowest || 1));
  const across = mapsToARow(maps, height, width), down = Math.ceil(maps / across);
  const canvas = paintGrid(element("canvas", {role: "img", "aria-label": label, class: "picture"}),
    across * (width + 1) - 1, down * (height + 1) - 1, (x, y) => {
      const [column, row] = [x % (width + 1), y % (height + 1)];
      const map = Math.floor(y / (height + 1)) * across + Math.floor(x / (width + 1));
      if (map >= maps || (map === maps - 1 && column === width)) return null;
      if (column === width || row === height) return [215, 218, 224];
      return colour(values[index(map, row, column)]);
    });
  const scale = Math.max(1, Math.min(10, Math.floor(520 / canvas.width)));
  canvas.style.width = `${Math.max(canvas.width * scale, 120)}px`;
  canvas.layout = {...layout, across};
  return canvas;
}

/** Bars from 0 for each of a vector's values; 0 is in the middle where there are both signs, else at the edge. */
function barPicture(values, label) {
  const [low, high] = rangeOf(values);
  const most = 40, [above, below] = [high > 0 || low === 0 ? most : 0, low < 0 ? most : 0];
  const wide = Math.max(1, Math.floor(400 / values.length));
  const largest = Math.max(-low, high) || 1;
  const canvas = paintGrid(element("canvas", {role: "img", "aria-label": label, class: "picture"}),
    Math.max(values.length * wide, 2), above + 1 + below, (x, y) => {
      const bar = most * values[Math.min(Math.floor(x / wide), values.length - 1)] / largest;
      const gap = wide > 3 && x % wide === wide - 1;
      const up = above - y;
      if (!gap && (bar > 0 ? up >= 0 && up <= bar : up <= 0 && up >= bar)) return signedColour(Math.sign(bar) || 1);
      return up === 0 ? [150, 155, 165] : [255, 255, 255];
    });
  canvas.style.width = `${Math.min(Math.max(canvas.width, 160), 520)}px`;
  return canvas;
}

/** A picture with a line below it. */
const captioned = (picture, ...caption) =>
  element("figure", {}, element("div", {class: "scroll"}, picture), element("figcaption", {}, ...caption));
