// Latents: a slider for each dimension, the map of codes, and the way between two points.
"use strict";

/** Sliders that are shown at first. */
const FIRST_SLIDERS = 10;

/** A draw from N(0, 1), after Box and Muller. */
const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

/** A function that draws from the prior of `codes`: N(0, I), or a mixture of Gaussians of the same weight. */
function priorOf(codes) {
  if (!codes.mixture) return () => Float32Array.from({length: codes.width}, normal);
  const [mu, sigma] = codes.mixture.map(readHalves);
  return () => {
    const first = Math.floor(Math.random() * (mu.length / codes.width)) * codes.width;
    return Float32Array.from({length: codes.width}, (_, d) => mu[first + d] + sigma[first + d] * normal());
  };
}

/**
 * Fills `box` with a slider for each dimension of `codes`, the most telling first; `moved(z)` is called when one is moved. Returns
 * show(z, mu, sigma), which sets them and marks μ ± σ.
 */
function sliders(box, more, codes, moved) {
  const spread = d => codes.prior ? 4 : Math.max(4 * codes.deviation[d], 0.1);
  const centre = d => codes.prior ? 0 : codes.mean[d];
  const share = (d, value) => Math.min(Math.max((value - centre(d)) / spread(d) / 2 + 0.5, 0), 1);
  // A thumb of 16 pixels keeps its middle 8 pixels from either end.
  const place = part => `calc(8px + ${part.toFixed(4)} * (100% - 16px))`;
  let z = Float32Array.from(codes.mean);
  const rows = codes.order.map((d, rank) => {
    const tells = codes.prior ? `KL ${codes.kl[d].toFixed(2)} nats` : `standard deviation ${figure(codes.deviation[d])}`;
    const input = element("input", {type: "range", min: centre(d) - spread(d), max: centre(d) + spread(d), step: spread(d) / 200,
      "aria-label": `z${d}, ${tells}`, oninput: () => {
        z[d] = Number(input.value);
        output.value = z[d].toFixed(2);
        moved(z);
      }});
    const output = element("output", {});
    const [band, mean] = [element("span", {class: "band"}), element("span", {class: "mean"})];
    const row = element("div", {class: "slider", title: tells, hidden: rank >= FIRST_SLIDERS},
      element("span", {}, `z${d}`), element("div", {class: "track"}, input, band, mean), output);
    box.append(row);
    return {d, row, input, output, band, mean};
  });
  more.hidden = rows.length <= FIRST_SLIDERS;
  const open = on => {
    more.setAttribute("aria-expanded", on);
    more.textContent = on ? `Only the first ${FIRST_SLIDERS}` : `All ${rows.length} dimensions`;
    rows.forEach(({row}, rank) => { row.hidden = !on && rank >= FIRST_SLIDERS; });
  };
  open(false);
  more.addEventListener("click", () => open(more.getAttribute("aria-expanded") !== "true"));

  return function show(latent, mu, sigma) {
    z = Float32Array.from(latent);
    for (const {d, input, output, band, mean} of rows) {
      input.value = z[d];
      output.value = z[d].toFixed(2);
      band.hidden = !sigma;
      mean.hidden = !mu;
      if (mu) mean.style.left = place(share(d, mu[d]));
      if (mu && sigma) {
        const [left, right] = [share(d, mu[d] - sigma[d]), share(d, mu[d] + sigma[d])];
        band.style.left = place(left);
        band.style.width = `calc(${(right - left).toFixed(4)} * (100% - 16px))`;
      }
    }
  };
}

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

/**
 * Draws the map of `codes` along their principal axes. `point(i)` is called for the drawing pointed at, `choose(i)` for the one
 * clicked. Returns show(code), which marks where a code lies, and placed(i), the place of a drawing on the page.
 */
function codeMap(canvas, codes, labels, point, choose) {
  const all = readHalves(codes.mu);
  const codeOf = i => all.subarray(i * codes.width, (i + 1) * codes.width);
  const project = code => codes.axes.map(axis => axis.reduce((sum, a, d) => sum + a * (code[d] - codes.mean[d]), 0));
  const points = labels.map((_, i) => project(codeOf(i)));
  const range = axis => {
    const values = points.map(p => p[axis]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return {middle: (low + high) / 2, half: 0.54 * (high - low) || 1};
  };
  const ranges = [range(0), range(1)];
  let here = null, pointed = -1;

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

  return {
    show(code) {
      here = project(code);
      paint();
    },
    placed: i => place(points[i]),
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

/** The way between two kept points: `current()` gives the one to keep, `paint(canvas, z)` decodes, `moved(z)` goes there. */
function between(current, paint, moved) {
  const STEPS = 9, ends = {a: null, b: null};
  const mix = share => ends.a.map((a, d) => a + share * (ends.b[d] - a));
  const way = byId("way"), strip = byId("steps");
  for (const name of ["a", "b"]) {
    byId(`keep-${name}`).addEventListener("click", () => {
      ends[name] = Float32Array.from(current());
      byId(`keep-${name}`).textContent = `Point ${name.toUpperCase()} is kept: keep another`;
      if (ends.a && ends.b) refresh();
    });
  }
  way.addEventListener("input", () => moved(mix(Number(way.value))));

  function refresh() {
    way.disabled = false;
    strip.replaceChildren(...Array.from({length: STEPS}, () => element("canvas", {})));
    // One a frame, so that the page stays awake.
    const next = k => requestAnimationFrame(() => {
      if (!strip.children[k]) return;
      paint(strip.children[k], mix(k / (STEPS - 1)));
      next(k + 1);
    });
    next(0);
  }
}
