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

/** How many maps to a row, so that the whole is about one and a half times as wide as high, and its last row full if it can be. */
function mapsToARow(count, height, width) {
  const ideal = Math.min(count, Math.max(1, Math.round(Math.sqrt(1.5 * count * height / width))));
  const near = [0, 1, -1, 2, -2].map(step => ideal + step).filter(across => across > 0 && across <= count);
  return near.find(across => count % across === 0) ?? ideal;
}

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

/** The most pixels of a matrix's side; of a longer one each pixel shows the number of largest magnitude of a few. */
const LONGEST = 256;

/** The words that say so. */
const CELLS = " Each square is the number of largest magnitude of a few.";

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
 * A canvas of a tensor's values: from white at 0 to black at the largest, or at `most`, for values of one sign, else blue and orange
 * around 0.
 */
function tensorPicture(values, shape, label, most = 0) {
  const layout = layoutOf(shape);
  if (!layout) return barPicture(values, label);
  const {maps, height, width, index} = layout;
  if (Math.max(height, width) > LONGEST && maps === 1) {
    const {values: fewer, shape: [rows, columns]} = coarsened(values, height, width);
    const picture = tensorPicture(fewer, [rows, columns], label, most);
    const span = (at, of, length) => {
      const [from, to] = [at, at + 1].map(edge => Math.ceil(edge * length / of));
      return to - from > 1 ? `s ${from} to ${to - 1}` : ` ${from}`;
    };
    picture.tell = (x, y) => `row${span(y, rows, height)}, column${span(x, columns, width)}: ${figure(fewer[y * columns + x])}`;
    return Object.assign(picture, {note: CELLS});
  }
  const [low, high] = rangeOf(values);
  const largest = most || Math.max(-low, high) || 1;
  const colour = value => (low < 0 ? signedColour : inkColour)(value / largest);
  const across = mapsToARow(maps, height, width), down = Math.ceil(maps / across);
  const canvas = paintGrid(element("canvas", {role: "img", "aria-label": label, class: "picture"}),
    across * (width + 1) - 1, down * (height + 1) - 1, (x, y) => {
      const [column, row] = [x % (width + 1), y % (height + 1)];
      const map = Math.floor(y / (height + 1)) * across + Math.floor(x / (width + 1));
      if (map >= maps || (map === maps - 1 && column === width)) return null;
      if (column === width || row === height) return [190, 194, 202]; // darker than pale numbers
      return colour(values[index(map, row, column)]);
    });
  const scale = Math.max(1, Math.min(10, Math.floor(520 / canvas.width)));
  canvas.style.width = `${Math.max(canvas.width * scale, 120)}px`;
  canvas.layout = {...layout, across};
  canvas.ramp = low < 0 ? ["signed", -largest, largest] : ["ink", 0, largest];
  /** The number at a pixel, in words. */
  canvas.tell = (x, y) => {
    const map = Math.floor(y / (height + 1)) * across + Math.floor(x / (width + 1));
    const [row, column] = [y % (height + 1), x % (width + 1)];
    if (map >= maps || row === height || column === width) return null;
    return `${maps > 1 ? `map ${map}, ` : ""}row ${row}, column ${column}: ${figure(values[index(map, row, column)])}`;
  };
  return canvas;
}

/** The most bars beside one another. */
const MOST_BARS = 400;

/**
 * Bars from 0 for each of a vector's values, or, of more than fit, for the one of largest magnitude of a few; 0 is in the middle where
 * there are both signs, else at the edge.
 */
function barPicture(all, label) {
  const each = Math.ceil(all.length / MOST_BARS);
  const values = Array.from({length: Math.ceil(all.length / each)}, (_, i) =>
    all.subarray(i * each, (i + 1) * each).reduce((most, v) => Math.abs(v) > Math.abs(most) ? v : most));
  const [low, high] = rangeOf(values);
  const most = 40, [above, below] = [high > 0 || low === 0 ? most : 0, low < 0 ? most : 0];
  const wide = Math.max(1, Math.floor(MOST_BARS / values.length));
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
  canvas.tell = x => {
    const i = Math.min(Math.floor(x / wide), values.length - 1);
    const which = each === 1 ? `element ${i}` : `largest of elements ${i * each} to ${Math.min((i + 1) * each, all.length) - 1}`;
    return `${which}: ${figure(values[i])}`;
  };
  canvas.note = each === 1 ? "" : ` A bar is the number of largest magnitude of ${each}.`;
  return canvas;
}

/** Where in its pixels an event points at a canvas. */
function pixelUnder(canvas, event) {
  const box = canvas.getBoundingClientRect();
  const [x, y] = [(event.clientX - box.left) / box.width * canvas.width, (event.clientY - box.top) / box.height * canvas.height];
  return [Math.min(Math.max(Math.floor(x), 0), canvas.width - 1), Math.min(Math.max(Math.floor(y), 0), canvas.height - 1)];
}

/** A picture with its scale of colours, the number that is pointed at, and a line below it. */
function captioned(picture, ...caption) {
  const says = element("output", {"aria-hidden": "true"});
  const {ramp, tell} = picture;
  const key = element("div", {class: "key"});
  if (ramp) {
    const [kind, low, high] = ramp;
    key.append(figure(low), element("span", {class: `ramp ${kind}`, "aria-hidden": "true"}), figure(high));
  }
  if (tell) {
    key.append(says);
    const point = event => { says.value = tell(...pixelUnder(picture, event)) ?? ""; };
    ["mousemove", "click"].forEach(name => picture.addEventListener(name, point));
    picture.addEventListener("mouseleave", () => { says.value = ""; });
  }
  return element("figure", {}, element("div", {class: "scroll"}, picture), element("figcaption", {}, ...caption), ramp || tell ? key : null);
}

/** The relative luminance of a colour, as WCAG has it. */
const luminance = (...rgb) => rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);

/** Few numbers as such, in rows of `columns`, on the colours of their picture. */
function numberGrid(values, columns) {
  const [low, high] = rangeOf(values), largest = Math.max(-low, high) || 1;
  const cells = Array.from(values, value => {
    const [r, g, b] = low < 0 ? signedColour(value / largest) : inkColour(value / largest);
    const cell = element("span", {}, figure(value));
    cell.style.background = `rgb(${r} ${g} ${b})`;
    cell.style.color = luminance(r, g, b) > 0.179 ? "#000" : "#fff"; // whichever has more contrast
    return cell;
  });
  const grid = element("div", {class: "cells"}, ...cells);
  grid.style.gridTemplateColumns = `repeat(${columns}, 1fr)`;
  return grid;
}
