// The map of codes: where drawings lie in the plane, along principal axes or by t-SNE, and where a new code comes to lie.
"use strict";

/** The mark of a class: eight colours, and four shapes, so that no two of 32 classes are alike. */
function mark(context, label, x, y, size) {
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--c${label % 8}`);
  context.beginPath();
  const shape = (label + Math.floor(label / 8)) % 4;
  if (shape === 0) context.arc(x, y, size, 0, 2 * Math.PI);
  if (shape === 1) context.rect(x - 0.85 * size, y - 0.85 * size, 1.7 * size, 1.7 * size);
  if (shape === 2) [[0, -1.25], [1.15, 0.85], [-1.15, 0.85]].forEach(([dx, dy]) => context.lineTo(x + dx * size, y + dy * size));
  if (shape === 3) [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]].forEach(([dx, dy]) => context.lineTo(x + dx * size, y + dy * size));
  context.fill();
}

// ------------------------------------------------------------------------------------------------ places in the plane

/** Along the two principal axes, where a new code lies as exactly as any other. */
function principal(codes) {
  const project = code => codes.axes.map(axis => axis.reduce((sum, a, d) => sum + a * (code[d] - codes.mean[d]), 0));
  return {points: codeRows(codes).map(project), place: project};
}

/** The codes of the page's drawings. */
function codeRows({mu, width}) {
  const all = readHalves(mu);
  return Array.from({length: all.length / width}, (_, i) => all.subarray(i * width, (i + 1) * width));
}

/** pⱼ = e^(−β·dⱼ) / Σ e^(−β·d) of squared distances, with β such that the entropy is ln(perplexity). */
function alike(squared, perplexity) {
  const mean = squared.reduce((sum, d) => sum + d, 0) / squared.length;
  let beta = mean > 0 ? 1 / mean : 1, low = null, high = null, p = [];
  for (let k = 0; k < 100; k++) {
    p = squared.map(d => Math.exp(-d * beta));
    const sum = p.reduce((sum, x) => sum + x, 0) || 1e-12;
    p = p.map(x => x / sum);
    const above = Math.log(sum) + beta * p.reduce((sum, x, j) => sum + x * squared[j], 0) - Math.log(perplexity);
    if (Math.abs(above) < 1e-5) break;
    if (above > 0) [low, beta] = [beta, high === null ? 2 * beta : (beta + high) / 2];
    else [high, beta] = [beta, low === null ? beta / 2 : (beta + low) / 2];
  }
  return p;
}

const median = values => {
  const sorted = values.toSorted((a, b) => a - b), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

/**
 * By t-SNE, whose points stay as they are: a new code begins at the median of its 25 nearest drawings and descends
 * KL(p ‖ q), q being w / Σ w over all of them with w = 1 / (1 + ‖y − yⱼ‖²), as `inkgrad tsne --add` does
 * (Poličar, Stražar and Zupan 2023; the constants are openTSNE's).
 */
function embedded(codes) {
  const {points, perplexity} = codes.tsne, rows = codeRows(codes);
  const place = code => {
    const squared = rows.map((row, j) => [row.reduce((sum, x, d) => sum + (x - code[d]) ** 2, 0), j]);
    squared.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    // A drawing of the map, up to the rounding of codes, lies where it lies.
    if (squared[0][0] <= 1e-4 * squared[squared.length >> 1][0]) return [...points[squared[0][1]]];
    const nearest = squared.slice(0, Math.min(Math.max(Math.floor(3 * perplexity + 1), 25), rows.length));
    const p = alike(nearest.map(([d]) => d), perplexity);
    const at = [0, 1].map(axis => median(nearest.slice(0, 25).map(([, j]) => points[j][axis])));
    const update = [0, 0], gains = [1, 1];
    for (let step = 0; step < 250; step++) {
      let [fx, fy, z] = [0, 0, 0];
      for (const [x, y] of points) {
        const dx = at[0] - x, dy = at[1] - y, w = 1 / (1 + dx * dx + dy * dy);
        fx += w * w * dx;
        fy += w * w * dy;
        z += w;
      }
      let force = [-fx / z, -fy / z];
      nearest.forEach(([, j], k) => {
        const dx = at[0] - points[j][0], dy = at[1] - points[j][1], pull = 1.5 * p[k] / (1 + dx * dx + dy * dy);
        force[0] += pull * dx;
        force[1] += pull * dy;
      });
      const length = Math.hypot(...force);
      if (length > 0.25) force = force.map(f => f * 0.25 / length);
      for (const axis of [0, 1]) {
        gains[axis] = Math.max(update[axis] * force[axis] < 0 ? gains[axis] + 0.2 : gains[axis] * 0.8, 0.01);
        update[axis] = (step < 100 ? 0.5 : 0.8) * update[axis] - 0.1 * gains[axis] * force[axis];
        at[axis] += update[axis];
      }
    }
    return at;
  };
  return {points, place};
}

// ------------------------------------------------------------------------------------------------------------ the map

/**
 * Draws the map of `codes` in one of its `kinds`, functions that give points and place(code). `point(i)` is called for the drawing
 * pointed at, `choose(i)` for the one clicked. Returns show(code), which marks where a code lies; way(ends, codes), which draws the
 * way between two; turn(kind); and placed(i), the place of a drawing on the page.
 */
function codeMap(canvas, kinds, labels, point, choose) {
  let kind = null, points = [], ranges = [], here = null, pointed = -1, code = null, kept = {ends: {}, way: []};
  const range = axis => {
    const values = points.map(p => p[axis]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return {middle: (low + high) / 2, half: 0.54 * (high - low) || 1};
  };

  function turn(name) {
    kind = kinds[name];
    ({points} = kind);
    ranges = [range(0), range(1)];
    here = code && kind.place(code);
    layWay();
    paint();
  }

  /** Where the kept points and the way between them lie. */
  function layWay() {
    kept.places = Object.entries(kept.ends).filter(([, z]) => z).map(([name, z]) => [name.toUpperCase(), kind.place(z)]);
    kept.line = kept.way.map(z => kind.place(z));
  }

  /** A point in CSS pixels of the canvas; beyond the edge, at it. */
  function place(point) {
    const side = canvas.clientWidth || 320;
    return point.map((value, axis) => {
      const share = (value - ranges[axis].middle) / ranges[axis].half * (axis === 0 ? 0.5 : -0.5) + 0.5;
      return Math.min(Math.max(share, 0.02), 0.98) * side;
    });
  }

  function paint() {
    const side = canvas.clientWidth || 320, fine = window.devicePixelRatio || 1;
    canvas.width = canvas.height = Math.round(side * fine);
    const context = canvas.getContext("2d");
    context.scale(fine, fine);
    points.forEach((p, i) => mark(context, labels[i], ...place(p), 4));
    context.strokeStyle = getComputedStyle(document.body).color;
    context.lineWidth = 2;
    if (pointed >= 0) ring(context, place(points[pointed]), 8);
    if (kept.line.length) {
      context.setLineDash([5, 4]);
      context.beginPath();
      kept.line.forEach(at => context.lineTo(...place(at)));
      context.stroke();
      context.setLineDash([]);
    }
    for (const [name, at] of kept.places) {
      const [x, y] = place(at);
      context.fillStyle = getComputedStyle(document.body).backgroundColor;
      context.fillRect(x - 9, y - 10, 18, 20);
      context.strokeRect(x - 9, y - 10, 18, 20);
      context.fillStyle = context.strokeStyle;
      context.font = "700 14px system-ui, sans-serif";
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText(name, x, y + 1);
    }
    if (here) {
      const [x, y] = place(here);
      ring(context, [x, y], 7);
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + 4 * dx, y + 4 * dy);
        context.lineTo(x + 13 * dx, y + 13 * dy);
      }
      context.stroke();
    }
  }

  const ring = (context, [x, y], size) => {
    context.beginPath();
    context.arc(x, y, size, 0, 2 * Math.PI);
    context.stroke();
  };

  function turnTo(i) {
    if (i === pointed) return;
    pointed = i;
    if (i >= 0) point(i);
    paint();
  }

  const apart = ([x, y], i) => {
    const [px, py] = place(points[i]);
    return Math.hypot(px - x, py - y);
  };
  const nearest = (from, among) => among.reduce((best, i) => best < 0 || apart(from, i) < apart(from, best) ? i : best, -1);
  const everyone = labels.map((_, i) => i);
  const under = event => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("mousemove", event => turnTo(nearest(under(event), everyone)));
  canvas.addEventListener("click", event => {
    turnTo(nearest(under(event), everyone));
    choose(pointed);
  });
  canvas.addEventListener("keydown", event => {
    const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (way) {
      const from = pointed >= 0 ? place(points[pointed]) : [canvas.clientWidth / 2, canvas.clientHeight / 2];
      // Those that lie rather that way than aside.
      const ahead = everyone.filter(i => {
        const [x, y] = place(points[i]), dx = x - from[0], dy = y - from[1];
        const along = dx * way[0] + dy * way[1];
        return i !== pointed && along > 0 && along >= Math.abs(dx * way[1] + dy * way[0]);
      });
      if (ahead.length) turnTo(nearest(from, ahead));
    } else if (event.key === "Enter" && pointed >= 0) choose(pointed);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(paint).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);

  turn(Object.keys(kinds)[0]);
  return {
    show(latest) {
      code = Float32Array.from(latest);
      here = kind.place(code);
      paint();
    },
    way(ends, way) {
      Object.assign(kept, {ends, way});
      layWay();
      paint();
    },
    turn,
    placed: i => place(points[i]),
    get here() { return here; },
    get kind() { return kind; },
    get kept() { return kept; },
  };
}

/** The classes' marks and names. */
function fillLegend(list, classes) {
  const items = classes.map((name, label) => {
    const canvas = element("canvas", {width: 28, height: 28, "aria-hidden": "true"});
    const paint = () => {
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, 28, 28);
      mark(context, label, 14, 14, 9);
    };
    paint();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
    return element("li", {}, canvas, element("bdi", {}, name));
  });
  list.replaceChildren(...items);
}
