// A step in tables: its lanes with what they read, write and ask memory for, and all registers.
"use strict";

/** A pattern that values of 32 lanes have in common, in words. */
function summary(values, set, type, buffers) {
  const lanes = lanesOf(set);
  const texts = lanes.map(lane => shown(values[lane], type, buffers));
  if (texts.every(text => text === texts[0])) return lanes.length === LANES ? "the same in all lanes" : `the same in ${lanes.length} lanes`;
  if (type === "pred") return `true in ${lanes.filter(lane => values[lane]).length} of ${lanes.length} lanes`;
  const numbers = lanes.map(lane => Number(values[lane]));
  const step = numbers[1] - numbers[0];
  const even = lanes.every((lane, i) => i === 0 || (numbers[i] - numbers[i - 1]) === step * (lane - lanes[i - 1]));
  if (even && !type.startsWith("f")) return `${step > 0 ? "+" : "−"}${Math.abs(step)} from lane to lane`;
  return `${texts[0]} … ${texts[texts.length - 1]}`;
}

/** Colours of the lanes for a bar that shows whether values rise, repeat or jump. */
function laneBar(values, set, type) {
  const canvas = element("canvas", {width: LANES, height: 1, class: "lanes", "aria-hidden": "true"});
  const read = value => type === "f32" ? floatOf(value) : type === "f64" ? doubleOf(value) : Number(value);
  const lanes = lanesOf(set), numbers = lanes.map(lane => read(values[lane]));
  const finite = numbers.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const context = canvas.getContext("2d");
  lanes.forEach((lane, i) => {
    const share = high > low ? (numbers[i] - low) / (high - low) : 0;
    context.fillStyle = `hsl(${215 - 175 * share} 60% 50%)`;
    context.fillRect(lane, 0, 1, 1);
  });
  return canvas;
}

const cell = (text, attributes = {}) => element("td", attributes, text);

/**
 * The lanes of a step, a row each: registers read, addresses with bank and pass, registers written. `choose(lane)` is called for the
 * lane whose number is pressed.
 */
function laneTable(table, at, {lane: chosen, badLane, buffers, variables}, choose) {
  const {step, reads, after, accesses} = at;
  const named = reads.filter(({name}) => name !== "(constant)");
  const served = accesses.map(access => access.memory === "shared" ? banks(access.addresses, lanesOf(step.executed), access.bytes) : null);
  const heads = [
    element("th", {scope: "col"}, "lane"),
    ...named.map(({name}) => element("th", {scope: "col"}, name)),
    ...accesses.map(({memory, writes}) => element("th", {scope: "col"}, `${memory}, ${writes ? "written" : "read"}`)),
    ...after.map(({name}) => element("th", {scope: "col", class: "new"}, `${name} after`)),
  ];
  const rows = Array.from({length: LANES}, (_, lane) => {
    const stood = step.active >>> lane & 1, ran = step.executed >>> lane & 1;
    const button = element("button", {type: "button", "aria-pressed": lane === chosen, onclick: () => choose(lane)}, `${lane}`);
    const value = ({values, set, type}) => set >>> lane & 1 ? shown(values[lane], type, buffers) : "–";
    const row = element("tr", {class: [lane === chosen ? "chosen" : "", ran ? "" : "aside", lane === badLane ? "bad" : ""].join(" ").trim() || undefined},
      element("th", {scope: "row"}, button));
    if (!stood) {
      row.append(cell("elsewhere", {colspan: heads.length - 1}));
      return row;
    }
    row.append(...named.map(register => cell(value(register))));
    row.append(...accesses.map((access, k) => {
      if (!ran) return cell("held back", {class: "place"});
      const address = access.addresses[lane];
      if (access.memory === "global") return cell(placeInBuffers(address, buffers).replace(/^p_/, ""), {class: "place"});
      const pass = served[k].passes.get(lane);
      const says = `${placeInShared(address, variables)}, bank\u00a0${Math.floor(address / 4) % BANKS}`;
      return cell(served[k].extra ? `${says}, pass\u00a0${pass + 1}` : says, {class: pass ? "place clash" : "place"});
    }));
    row.append(...after.map(register => cell(ran ? value(register) : "held back", {class: "new"})));
    return row;
  });
  table.tHead.replaceChildren(element("tr", {}, ...heads));
  table.tBodies[0].replaceChildren(...rows);
}

/** Every register that has a value: the chosen lane's, and what the lanes have in common. */
function registerTable(table, state, registers, changed, lane, buffers) {
  table.tHead.replaceChildren(element("tr", {}, ...["register", "type", `lane ${lane}`, "32 lanes"].map(text =>
    element("th", {scope: "col"}, text))));
  const rows = registers.flatMap(({name, type}, register) => {
    const set = state.set[register];
    if (!set || name === "(constant)") return [];
    const values = state.values[register];
    return [element("tr", {class: changed.has(register) ? "new" : undefined},
      element("th", {scope: "row"}, name), cell(type), cell(set >>> lane & 1 ? shown(values[lane], type, buffers) : "–"),
      element("td", {class: "common"}, summary(values, set, type, buffers), laneBar(values, set, type)))];
  });
  table.tBodies[0].replaceChildren(...rows);
  return rows.length;
}
