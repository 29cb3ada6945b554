// The page: where one stands in the trace, and all that follows from it.
"use strict";

const data = JSON.parse(byId("data").textContent);
const trace = new Trace(data);
const {buffers, fault, shared: {words, variables}} = data;
const here = {step: 0, lane: data.lane};
const lineOf = i => trace.instructions[trace.steps[i].instruction].line;

// ------------------------------------------------------------------------------------------------- what steps are like

/** The kinds of steps that one can go to, with the colour of their marks. */
const KINDS = [
  {key: "global", name: "access to global memory", colour: "--c2"},
  {key: "shared", name: "access to shared memory", colour: "--c0"},
  {key: "conflict", name: "bank conflict", colour: "--c1"},
  {key: "barrier", name: "barrier", colour: "--c4"},
  {key: "apart", name: "step of fewer than 32 lanes", colour: "--c5"},
  {key: "fault", name: "fault", colour: "--fault"},
];

/** The kinds of every step, and what accesses cost in all: found by walking all of them once. */
const {kinds, totals} = (() => {
  const totals = {sectors: 0, conflicts: 0};
  const state = trace.before(0);
  const kinds = trace.steps.map((step, i) => {
    const found = new Set(), instruction = trace.instructions[step.instruction], lanes = lanesOf(step.executed);
    if (step.executed) {
      for (const {memory, base, offset, bytes} of instruction.accesses) {
        const addresses = Array.from(state.values[base], value => Number(value) + offset);
        found.add(memory);
        if (memory === "global") totals.sectors += units(addresses, lanes, bytes, 32);
        else {
          const {extra} = banks(addresses, lanes, bytes);
          totals.conflicts += extra;
          if (extra) found.add("conflict");
        }
      }
    }
    if (instruction.barrier) found.add("barrier");
    if (countOf(step.executed) < LANES) found.add("apart");
    if (fault && i === trace.steps.length - 1) found.add("fault");
    trace.step(state, i);
    return found;
  });
  return {kinds, totals};
})();

// ------------------------------------------------------------------------------------------------------------ showing

const bankMap = words > 0 ? new BankMap(byId("banks"), words, sayWord) : null;
let at = null;

/** The content of a word of shared memory. */
function sayWord(word) {
  const {state} = at, writer = state.writer[word];
  const holds = writer === 255 ? "not written yet"
    : `${shown(state.words[word], "f32", buffers)} as f32, ${state.words[word]} as u32, written by warp ${writer}`;
  const pass = bankMap.marks?.asked.get(word);
  const asked = pass === undefined ? "" : ` This step asks for it, in pass ${pass + 1}.`;
  byId("word-says").textContent = `Word ${word}, ${placeInShared(4 * word, variables)}, bank ${word % BANKS}: ${holds}.${asked}`;
}

const many = (n, one, more) => `${n} ${n === 1 ? one : more}`;

/** The cost of the accesses of a step. */
function sayAccess({accesses, step}) {
  const lanes = lanesOf(step.executed);
  return accesses.map(({memory, writes, addresses, bytes}) => {
    if (!lanes.length) return "";
    const verb = lanes.length === 1 ? (writes ? "writes" : "reads") : writes ? "write" : "read";
    const does = `${many(lanes.length, "lane", "lanes")} ${verb} ${bytes} bytes each`;
    if (memory === "global") {
      const least = Math.ceil(new Set(lanes.map(lane => addresses[lane])).size * bytes / 32);
      return `Global memory: ${does}, in ${many(units(addresses, lanes, bytes, 32), "sector", "sectors")} of 32 bytes (${least} at the least).`;
    }
    const {extra} = banks(addresses, lanes, bytes);
    return `Shared memory: ${does}, ${extra === 0 ? "without a bank conflict" : `with bank conflicts: ${many(extra, "more pass", "more passes")} than needed`}.`;
  }).join(" ");
}

/** Words of shared memory that the faulty lane asked for. */
function faultyWords({accesses}) {
  return accesses.filter(({memory}) => memory === "shared").flatMap(({addresses, bytes}) => {
    const first = Math.floor(addresses[fault.lane] / 4);
    return Array.from({length: Math.ceil(bytes / 4)}, (_, i) => first + i);
  });
}

function show() {
  const {step: i, lane} = here;
  at = trace.at(i);
  const {step, instruction} = at, last = i === trace.steps.length - 1, failed = Boolean(fault) && last;
  byId("at").value = i;
  byId("back").disabled = byId("first").disabled = i === 0;
  byId("forward").disabled = byId("last").disabled = last;
  const total = trace.steps.length + data.recorded.skipped;
  byId("where").textContent = `Step ${i + 1 + data.recorded.skipped} of ${data.recorded.cut ? "more than " : ""}${total}, line ${instruction.line}: ${
    countOf(step.executed)} of 32 lanes execute it${step.active !== step.executed ? `, ${countOf(step.active) - countOf(step.executed)} are held back by the predicate` : ""}.`;
  const line = document.querySelector(`#source [data-line="${instruction.line}"]`);
  document.querySelectorAll("#source .shown").forEach(shown => {
    shown.classList.remove("shown");
    shown.removeAttribute("aria-current");
  });
  if (line) {
    line.classList.add("shown");
    line.setAttribute("aria-current", "step");
    const box = byId("source"), top = line.offsetTop;
    if (top < box.scrollTop + 40 || top > box.scrollTop + box.clientHeight - 60) box.scrollTop = top - box.clientHeight / 3;
  }
  byId("does").textContent = line ? line.querySelector("code").textContent.trim().replace(/\s+/g, " ") : "";
  byId("memory-says").textContent = sayAccess(at);
  byId("found").hidden = !failed;
  byId("found").textContent = failed ? `${fault.check}: lane ${fault.lane} ${fault.text}.` : "";
  laneTable(byId("lanes"), at, {lane, badLane: failed ? fault.lane : -1, buffers, variables}, choose);
  registerTable(byId("registers"), at.state, trace.registers, new Set(at.step.values.length ? instruction.writes : []), lane, buffers);
  if (bankMap) {
    const lanes = lanesOf(step.executed), asked = new Map();
    at.accesses.filter(({memory}) => memory === "shared").forEach(({addresses, bytes}) =>
      banks(addresses, lanes, bytes).asked.forEach((pass, word) => asked.set(word, pass)));
    bankMap.show(at.state, asked, at.written, failed ? faultyWords(at) : []);
    if (bankMap.pointed >= 0) sayWord(bankMap.pointed);
  }
  paintStrip();
}

/** All steps from left to right, with the colours of their kinds, and where one stands. */
function paintStrip() {
  const canvas = byId("strip"), style = getComputedStyle(document.documentElement);
  const wide = canvas.width = Math.max(1, canvas.clientWidth), n = trace.steps.length;
  canvas.height = 14;
  const context = canvas.getContext("2d");
  context.fillStyle = style.getPropertyValue("--line");
  context.fillRect(0, 5, wide, 4);
  const each = Math.max(1, wide / n);
  for (const {key, colour} of KINDS) {
    if (key === "apart") continue;
    context.fillStyle = style.getPropertyValue(colour);
    kinds.forEach((found, i) => { if (found.has(key)) context.fillRect(i * wide / n, 3, each, 8); });
  }
  context.fillStyle = style.getPropertyValue("--ink");
  context.fillRect(Math.min(here.step * wide / n, wide - 2), 0, 2, 14);
}

// ------------------------------------------------------------------------------------------------------------ walking

function go(i) {
  here.step = Math.min(Math.max(i, 0), trace.steps.length - 1);
  show();
}

function choose(lane) {
  const focused = document.activeElement?.closest?.("#lanes") !== null && document.activeElement?.closest?.("#lanes") !== undefined;
  here.lane = lane;
  show();
  if (focused) byId("lanes").tBodies[0].rows[lane].querySelector("button").focus();
}

/** The next step that `fits`, from the beginning again where there is none behind. */
function seek(fits) {
  const n = trace.steps.length;
  for (let k = 1; k <= n; k++) {
    const i = (here.step + k) % n;
    if (fits(i)) return go(i);
  }
}

function setUp() {
  byId("at").max = trace.steps.length - 1;
  byId("at").addEventListener("input", () => go(Number(byId("at").value)));
  byId("first").addEventListener("click", () => go(0));
  byId("back").addEventListener("click", () => go(here.step - 1));
  byId("forward").addEventListener("click", () => go(here.step + 1));
  byId("last").addEventListener("click", () => go(trace.steps.length - 1));
  const there = KINDS.map(kind => ({...kind, count: kinds.filter(found => found.has(kind.key)).length})).filter(({count}) => count > 0);
  byId("kind").replaceChildren(...there.map(({key, name, count}) => element("option", {value: key}, `${name} (${count})`)));
  if (fault && kinds[kinds.length - 1]?.has("fault")) byId("kind").value = "fault";
  byId("next").addEventListener("click", () => seek(i => kinds[i].has(byId("kind").value)));
  byId("next").disabled = byId("kind").disabled = there.length === 0;
  byId("kinds").replaceChildren(...there.filter(({key}) => key !== "apart").map(({name, colour}) => {
    const swatch = element("i", {class: "step"});
    swatch.style.background = `var(${colour})`;
    return element("li", {}, swatch, name);
  }));
  byId("faulty-word").hidden = !fault;
  const executed = new Set(trace.steps.map((_, i) => lineOf(i)));
  document.querySelectorAll("#source li").forEach(li => {
    const line = Number(li.dataset.line), number = li.querySelector(".number");
    if (executed.has(line)) number.replaceChildren(element("button", {type: "button", "aria-label": `line ${line}, to the next step there`,
      onclick: () => seek(i => lineOf(i) === line)}, `${line}`));
  });
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, #at")) return;
    const act = {
      ArrowLeft: () => go(here.step - 1), ArrowRight: () => go(here.step + 1), Home: () => go(0), End: () => go(trace.steps.length - 1),
      n: () => byId("next").click(),
      ArrowUp: () => choose((here.lane + LANES - 1) % LANES), ArrowDown: () => choose((here.lane + 1) % LANES),
    }[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  });
  new ResizeObserver(paintStrip).observe(byId("strip"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintStrip);
}

document.documentElement.classList.add("scripted");
document.querySelectorAll(".live").forEach(part => { part.hidden = false; });
byId("shared").hidden = words === 0;
if (trace.steps.length) {
  setUp();
  go(fault ? trace.steps.length - 1 : 0);
} else byId("walk").hidden = true;
