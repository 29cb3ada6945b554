// Strokes to pixels, as cairo paints them for Quick, Draw!'s bitmaps: the twin of models/src/data/raster.rs.
//
// A picture of 28×28 pixels shows 304 units, and a line is 16 units wide with round ends and corners. A row of pixels is sampled
// by 15 lines; along a line, coverage is exact.
"use strict";

const LINES_A_ROW = 15;
const PEN_CORNERS = 12;

/** Widths of lines, in units of 304 a picture. */
const PEN = 16;
const ERASER = 40;

/** The ink, 0 to 255, of a line through `points`, in pixels, on a picture of height × width. */
function inkOf(points, height, width, line = PEN) {
  const radius = line / 2 / 304 * Math.min(height, width);
  const covered = Array.from({length: height * LINES_A_ROW}, () => []);
  const turn = i => 2 * Math.PI * i / PEN_CORNERS;
  for (const [x, y] of points) {
    cover(covered, width, Array.from({length: PEN_CORNERS}, (_, i) =>
      [x + radius * Math.cos(turn(i)), y + radius * Math.sin(turn(i))]));
  }
  for (let i = 1; i < points.length; i++) {
    const [a, b] = [points[i - 1], points[i]];
    const along = [b[0] - a[0], b[1] - a[1]], length = Math.hypot(...along);
    if (length === 0) continue;
    const aside = [-along[1] * radius / length, along[0] * radius / length];
    const corner = (p, sign) => [p[0] + sign * aside[0], p[1] + sign * aside[1]];
    cover(covered, width, [corner(a, 1), corner(b, 1), corner(b, -1), corner(a, -1)]);
  }
  const ink = new Float32Array(height * width);
  covered.forEach((intervals, line) => {
    const row = Math.floor(line / LINES_A_ROW) * width;
    for (const [left, right] of intervals) {
      const last = Math.min(Math.floor(right), width - 1);
      for (let x = Math.floor(left); x <= last; x++) ink[row + x] += Math.min(right, x + 1) - Math.max(left, x);
    }
  });
  return ink.map(share => Math.round(share * 255 / LINES_A_ROW));
}

/** Covers a convex polygon: adds the interval of each line that it crosses. */
function cover(covered, width, corners) {
  const crossed = new Map();
  const lineAt = y => Math.min(Math.max(Math.floor(y * LINES_A_ROW + 0.5), 0), covered.length);
  corners.forEach((corner, i) => {
    const next = corners[(i + 1) % corners.length];
    const [a, b] = corner[1] < next[1] ? [corner, next] : [next, corner];
    const slope = (b[0] - a[0]) / (b[1] - a[1]);
    for (let line = lineAt(a[1]); line < lineAt(b[1]); line++) {
      const x = a[0] + slope * ((line + 0.5) / LINES_A_ROW - a[1]);
      const [left, right] = crossed.get(line) ?? [Infinity, -Infinity];
      crossed.set(line, [Math.min(left, x), Math.max(right, x)]);
    }
  });
  for (const [line, [from, to]] of crossed) {
    const left = Math.max(from, 0), right = Math.min(to, width);
    if (left < right) join(covered[line], left, right);
  }
}

/** Adds an interval to those of a line, joining it with those that it meets. */
function join(intervals, left, right) {
  for (let i = intervals.length - 1; i >= 0; i--) {
    const [otherLeft, otherRight] = intervals[i];
    if (otherRight < left || right < otherLeft) continue;
    [left, right] = [Math.min(left, otherLeft), Math.max(right, otherRight)];
    intervals.splice(i, 1);
    i = intervals.length; // the wider one may meet others
  }
  intervals.push([left, right]);
}

/** Lays a stroke over the bytes of `image`, all channels alike, or rubs them out along it. */
function lay(image, {points, erase}, [height, width, channels]) {
  inkOf(points, height, width, erase ? ERASER : PEN).forEach((ink, pixel) => {
    for (let at = pixel * channels; at < (pixel + 1) * channels; at++) {
      image[at] = Math.round((1 - ink / 255) * image[at] + (erase ? 0 : ink));
    }
  });
}
