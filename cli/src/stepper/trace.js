// A warp's recorded steps, walked back and forth: the registers of its lanes and the block's shared memory before and after each.
"use strict";

const LANES = 32;
/** Between two kept states there are so many steps to replay. */
const KEPT_EVERY = 128;

const lanesOf = mask => Array.from({length: LANES}, (_, lane) => lane).filter(lane => mask >>> lane & 1);
const countOf = mask => lanesOf(mask).length;

/** The bytes of base64. */
const fromBase64 = text => Uint8Array.from(atob(text), character => character.charCodeAt(0));

/** `count` numbers of `bytes` bytes, as the recorder codes them: one for all, the first with its rise, or base64. */
function decoded(coded, count, bytes) {
  if (typeof coded === "string") {
    const {buffer} = fromBase64(coded);
    return bytes === 8 ? [...new BigUint64Array(buffer)] : [...new Uint32Array(buffer)];
  }
  const [first, step] = typeof coded === "number" ? [coded, 0] : coded;
  return Array.from({length: count}, (_, i) => bytes === 8 ? BigInt(first + i * step) : first + i * step);
}

/** Registers and shared memory at one time. */
class State {
  constructor(registers, words) {
    /** Of each register the lanes with a value, and all lanes' values. */
    this.set = new Uint32Array(registers.length);
    this.values = registers.map(([, type]) => type.endsWith("64") ? new BigUint64Array(LANES) : new Uint32Array(LANES));
    this.words = new Uint32Array(words);
    /** The warp that wrote each word last, 255 for none. */
    this.writer = new Uint8Array(words).fill(255);
  }

  copy() {
    const copy = Object.create(State.prototype);
    copy.set = this.set.slice();
    copy.values = this.values.map(values => values.slice());
    copy.words = this.words.slice();
    copy.writer = this.writer.slice();
    return copy;
  }

  /** Gives a register values in the lanes of a mask. */
  write(register, type, mask, coded) {
    const values = this.values[register], lanes = lanesOf(mask);
    this.set[register] |= mask;
    if (type === "pred") lanes.forEach(lane => { values[lane] = coded >>> lane & 1; });
    else decoded(coded, lanes.length, type.endsWith("64") ? 8 : 4).forEach((value, i) => { values[lanes[i]] = value; });
  }

  /** Writes of one warp to shared memory. Returns the words. */
  share([warp, count, places, values]) {
    const words = decoded(places, count, 4), contents = decoded(values, count, 4);
    words.forEach((word, i) => {
      this.words[word] = contents[i];
      this.writer[word] = warp;
    });
    return words;
  }
}

/** All steps of a page's data. */
class Trace {
  constructor(data) {
    const {registers, instructions, recorded, shared} = data;
    this.registers = registers.map(([name, type]) => ({name, type}));
    this.instructions = instructions.map(([line, reads, writes, accesses, barrier]) => ({line, reads, writes, barrier,
      accesses: accesses.map(([memory, writes, base, offset, bytes]) => ({memory, writes, base, offset, bytes}))}));
    this.types = registers;
    let active = 0;
    this.steps = recorded.steps.map(([instruction, stood = 0, executed = -1, values = [], events = []]) => {
      active = stood === 0 ? active : stood;
      return {instruction, active, executed: executed === -1 ? active : executed, values, events};
    });
    const state = new State(registers, shared.words);
    const [held, writes] = recorded.start;
    held.forEach(([register, mask, coded]) => state.write(register, registers[register][1], mask, coded));
    writes.forEach(event => state.share(event));
    this.kept = [state];
    /** The last state that was looked at, and the step that it stands before: most looks are at the next one. */
    this.last = {before: 0, state};
  }

  /** The state before step i, to be changed. */
  before(i) {
    const nearest = Math.min(Math.floor(i / KEPT_EVERY), this.kept.length - 1);
    const isLastNearer = this.last.before <= i && this.last.before >= nearest * KEPT_EVERY;
    const state = (isLastNearer ? this.last.state : this.kept[nearest]).copy();
    for (let k = isLastNearer ? this.last.before : nearest * KEPT_EVERY; k < i; k++) this.step(state, k);
    return state;
  }

  /** Takes step i, and keeps the state before it now and then. Returns the words of shared memory that were written by this warp or
   *  others since the step before. */
  step(state, i) {
    if (i % KEPT_EVERY === 0 && i / KEPT_EVERY === this.kept.length) this.kept.push(state.copy());
    const {instruction, executed, values, events} = this.steps[i];
    const words = events.flatMap(event => state.share(event));
    this.instructions[instruction].writes.forEach((register, k) => {
      if (k < values.length) state.write(register, this.types[register][1], executed, values[k]);
    });
    return words;
  }

  /** Reads, writes and accesses of step i. */
  at(i) {
    const step = this.steps[i], instruction = this.instructions[step.instruction];
    const state = this.before(i);
    const pick = registers => registers.map(register => ({
      register, ...this.registers[register], set: state.set[register], values: state.values[register].slice(),
    }));
    const accesses = instruction.accesses.map(access => ({...access, addresses: state.values[access.base].slice()}))
      .map(access => ({...access, addresses: Array.from(access.addresses, base => Number(base) + access.offset)}));
    const [reads, before] = [pick(instruction.reads), pick(instruction.writes)];
    const written = this.step(state, i);
    this.last = {before: i + 1, state};
    return {step, instruction, reads, before, after: pick(instruction.writes), accesses, written, state};
  }
}
