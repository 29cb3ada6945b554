// Memory as hardware serves a warp: sectors and lines of global memory, banks and passes of shared memory.
"use strict";

const BANKS = 32;

/** How many units of so many bytes the lanes' accesses touch. */
function units(addresses, lanes, bytes, unit) {
  const touched = new Set();
  for (const lane of lanes) {
    const last = Math.floor((addresses[lane] + bytes - 1) / unit);
    for (let at = Math.floor(addresses[lane] / unit); at <= last; at++) touched.add(at);
  }
  return touched.size;
}

/** Passes beyond as many as the access's width takes, the pass in which each lane is served, and what each bank is asked for. */
function banks(addresses, lanes, bytes) {
  const group = Math.floor(128 / Math.max(bytes, 4));
  const passes = new Map(), asked = new Map();
  let extra = 0;
  for (let first = 0; first < LANES; first += group) {
    const members = lanes.filter(lane => lane >= first && lane < first + group);
    const queues = Array.from({length: BANKS}, () => []);
    for (const lane of members) {
      let pass = 0;
      const last = Math.floor((addresses[lane] + bytes - 1) / 4);
      for (let word = Math.floor(addresses[lane] / 4); word <= last; word++) {
        const queue = queues[word % BANKS];
        if (!queue.includes(word)) queue.push(word);
        pass = Math.max(pass, queue.indexOf(word));
        asked.set(word, Math.max(asked.get(word) ?? 0, queue.indexOf(word)));
      }
      passes.set(lane, pass);
    }
    extra += Math.max(...queues.map(queue => queue.length), 1) - 1;
  }
  return {extra, passes, asked};
}

/** An address of global memory by the parameter that it lies in, or behind whose end: `x+12`. Buffers lie 2³⁶ apart. */
function placeInBuffers(address, buffers) {
  const found = buffers.find(([base]) => address >= base && address < base + 2 ** 35);
  if (!found) return `0x${address.toString(16)}`;
  const [base, , name] = found;
  return `${name}+${address - base}`;
}

/** An address of shared memory by its variable. */
function placeInShared(address, variables) {
  const found = variables.find(({offset, bytes}) => address >= offset && address < offset + bytes);
  return found ? `${found.name}+${address - found.offset}` : `${address}`;
}

const floatOf = (() => {
  const bits = new Uint32Array(1), float = new Float32Array(bits.buffer);
  return value => {
    bits[0] = value;
    return float[0];
  };
})();
const doubleOf = (() => {
  const bits = new BigUint64Array(1), double = new Float64Array(bits.buffer);
  return value => {
    bits[0] = value;
    return double[0];
  };
})();

/** A number with few digits that still tell it. */
function short(x) {
  if (!Number.isFinite(x)) return `${x}`;
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return `${x}`;
  const size = Math.abs(x);
  return size >= 1e6 || size < 1e-4 ? x.toExponential(3) : `${Number(x.toPrecision(6))}`;
}

/** Whether untyped bits look like a float's: its exponent is that of a number of ordinary size. */
const looksLikeFloat = bits => (bits & 0x7fffffff) >= 0x30000000 && (bits & 0x7fffffff) < 0x50000000;

/** A register's value as a person reads it. */
function shown(value, type, buffers) {
  switch (type) {
    case "pred": return value ? "true" : "false";
    case "f32": return short(floatOf(value));
    case "f64": return short(doubleOf(value));
    case "s32": return `${value | 0}`;
    case "s64": return `${BigInt.asIntN(64, value)}`;
    case "b64": case "u64": {
      const place = Number(value) >= 2 ** 32 ? placeInBuffers(Number(value), buffers) : `${value}`;
      return place.startsWith("p_") ? place.slice(2) : place;
    }
    case "b32": return looksLikeFloat(value) ? short(floatOf(value)) : `${value}`;
    default: return `${value}`;
  }
}

/** Shared memory as rows of a word a bank, on a canvas. */
class BankMap {
  /** `say(word)` is called for the word pointed at. */
  constructor(canvas, words, say) {
    Object.assign(this, {canvas, words, say, pointed: -1, first: 0, marks: null});
    canvas.addEventListener("mousemove", event => this.turnTo(this.under(event)));
    canvas.addEventListener("click", event => this.turnTo(this.under(event)));
    canvas.addEventListener("keydown", event => {
      const way = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -BANKS, ArrowDown: BANKS}[event.key];
      if (!way) return;
      const next = this.pointed < 0 ? this.first : this.pointed + way;
      if (next >= 0 && next < words) this.turnTo(next);
      event.preventDefault();
      event.stopPropagation();
    });
    new ResizeObserver(() => this.paint()).observe(canvas.parentElement);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
  }

  /** Rows that are drawn, and the most of them. */
  get rows() { return Math.min(Math.ceil(this.words / BANKS), 512); }
  get side() { return Math.max(8, Math.min(20, Math.floor((this.canvas.parentElement.clientWidth - 20) / BANKS))); }

  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const [column, row] = [Math.floor((event.clientX - box.left) / this.side), Math.floor((event.clientY - box.top) / this.side) - 1];
    const word = this.first + row * BANKS + column;
    return row >= 0 && column < BANKS && word < this.words ? word : -1;
  }

  turnTo(word) {
    this.pointed = word;
    if (word >= 0) this.say(word);
    this.paint();
  }

  /** Shows a state: `asked` has the words of the access with their passes, `written` those that were written just now. */
  show(state, asked, written, bad) {
    this.marks = {state, asked, written: new Set(written), bad: new Set(bad)};
    const touched = [...asked.keys(), ...written];
    if (touched.length) this.first = Math.floor(Math.min(...touched) / (512 * BANKS)) * 512 * BANKS;
    this.paint();
    const box = this.canvas.parentElement;
    if (!touched.length) return;
    const top = (Math.floor((Math.min(...touched) - this.first) / BANKS) + 1) * this.side;
    if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - this.side) box.scrollTop = Math.max(0, top - 2 * this.side);
  }

  paint() {
    if (!this.marks) return;
    const {canvas, side, rows, first, marks: {state, asked, written, bad}} = this;
    const fine = window.devicePixelRatio || 1, style = getComputedStyle(document.documentElement);
    const colour = name => style.getPropertyValue(name).trim();
    const [dark, ink, accent, fault] = [matchMedia("(prefers-color-scheme: dark)").matches, colour("--ink"), colour("--accent"), colour("--fault")];
    canvas.width = Math.round(side * BANKS * fine);
    canvas.height = Math.round(side * (rows + 1) * fine);
    canvas.style.width = `${side * BANKS}px`;
    canvas.style.height = `${side * (rows + 1)}px`;
    const context = canvas.getContext("2d");
    context.scale(fine, fine);
    const bank = (b, part) => `hsl(${b * 360 / BANKS} ${dark ? 45 : 65}% ${dark ? 22 + 26 * part : 92 - 30 * part}%)`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `${side < 13 ? 9 : side - 8}px system-ui, sans-serif`;
    for (let b = 0; b < BANKS; b++) {
      context.fillStyle = bank(b, 1);
      context.fillRect(b * side, 0, side, side - 1);
    }
    // Where a column is narrower than its number, every fourth one's has the room of four.
    context.fillStyle = ink;
    for (let b = 0; b < BANKS; b += side < 13 ? 4 : 1) {
      context.fillText(b, (b + 0.5) * side + (side < 13 && b > 9 ? 2 : 0), side / 2);
    }
    for (let word = first; word < Math.min(this.words, first + rows * BANKS); word++) {
      const [x, y] = [word % BANKS * side, (Math.floor((word - first) / BANKS) + 1) * side];
      if (state.writer[word] !== 255) {
        context.fillStyle = bank(word % BANKS, 0.45);
        context.fillRect(x, y, side - 1, side - 1);
      } else {
        context.fillStyle = bank(word % BANKS, 0.45);
        context.fillRect(x + side / 2 - 1, y + side / 2 - 1, 1.5, 1.5);
      }
      if (written.has(word)) {
        context.strokeStyle = ink;
        context.lineWidth = 1;
        context.strokeRect(x + 1, y + 1, side - 3, side - 3);
      }
      if (bad.has(word)) {
        context.fillStyle = fault;
        context.fillRect(x, y, side - 1, side - 1);
      } else if (asked.has(word)) {
        const pass = asked.get(word);
        context.fillStyle = pass > 0 ? colour("--clash") : accent;
        context.fillRect(x + 1, y + 1, side - 3, side - 3);
        if (side >= 11) {
          context.fillStyle = colour("--on");
          context.fillText(pass + 1, x + (side - 1) / 2, y + side / 2);
        }
      }
    }
    if (this.pointed >= first && this.pointed < first + rows * BANKS) {
      context.strokeStyle = ink;
      context.lineWidth = 2;
      const row = Math.floor((this.pointed - first) / BANKS) + 1;
      context.strokeRect(this.pointed % BANKS * side, row * side, side, side);
    }
  }
}
