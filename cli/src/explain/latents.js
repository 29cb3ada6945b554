// Latents: a slider for each dimension, and the way between two points.
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
  box.append(element("div", {class: "slider heads", "aria-hidden": "true"}, element("span", {}, ""),
    element("span", {class: "tells"}, codes.prior ? "KL, nats" : "spread"), element("span", {}, ""), element("output", {}, "value")));
  const rows = codes.order.map((d, rank) => {
    const known = codes.prior ? codes.kl[d].toFixed(2) : figure(codes.deviation[d]);
    const tells = codes.prior ? `KL ${known} nats` : `standard deviation ${known}`;
    const input = element("input", {type: "range", min: centre(d) - spread(d), max: centre(d) + spread(d), step: spread(d) / 200,
      "aria-label": `z${d}, ${tells}`, oninput: () => {
        z[d] = Number(input.value);
        output.value = z[d].toFixed(2);
        moved(z);
      }});
    const output = element("output", {});
    const [band, mean] = [element("span", {class: "band"}), element("span", {class: "mean"})];
    const row = element("div", {class: "slider", title: tells, hidden: rank >= FIRST_SLIDERS},
      element("span", {}, `z${d}`), element("span", {class: "tells", "aria-hidden": "true"}, known),
      element("div", {class: "track"}, input, band, mean), output);
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

/**
 * The way between two kept points: `current()` gives the one to keep, `paint(canvas, z)` decodes, `moved(z)` goes there, and
 * `kept(ends, way)` is told the ends that there are and, where there are both, the latents of the way.
 */
function between(current, paint, moved, kept) {
  const STEPS = 9, ends = {a: null, b: null};
  const mix = share => ends.a.map((a, d) => a + share * (ends.b[d] - a));
  const way = byId("way"), strip = byId("steps");
  for (const name of ["a", "b"]) {
    byId(`keep-${name}`).addEventListener("click", () => {
      ends[name] = Float32Array.from(current());
      byId(`keep-${name}`).textContent = `Point ${name.toUpperCase()} is kept: keep another`;
      const both = ends.a && ends.b;
      kept(ends, both ? Array.from({length: STEPS}, (_, k) => mix(k / (STEPS - 1))) : []);
      if (both) refresh();
    });
  }
  way.addEventListener("input", () => moved(mix(Number(way.value))));

  function refresh() {
    way.disabled = false;
    byId("way-says").textContent = "From A to B";
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
