// Opens pages of `inkgrad emulate --html` in headless Chromium and steps through them: by mouse and keyboard, at 375 and 1280 pixels,
// in light and dark, with and without scripts. What every page is held to is in ../browser/look.mjs; beside it, what is shown has to
// follow from the step.
//
//   node tests/stepper/check.mjs CHROMIUM AXE.js PAGE.html… [--shots FOLDER]

import {FRAMES, lookAt, options} from "../browser/look.mjs";

await lookAt(options(), async sight => {
  const {evaluate, expect, name} = sight;
  for (const [width, height, scheme] of [[1280, 900, "light"], [1280, 900, "dark"], [375, 800, "light"], [375, 800, "dark"]]) {
    await sight.load(width, height, scheme, FRAMES);
    await sight.hold(width, scheme, ".scroll, #source");
    await sight.shoot(`${name}-${width}-${scheme}`);
    // Source, comments and registers are read without scrolling sideways.
    const cut = await evaluate(`[byId("source"), byId("registers").parentElement].filter(e => e.scrollWidth > e.clientWidth + 1)
      .map(e => (e.id || e.firstElementChild.id) + " " + e.scrollWidth + " of " + e.clientWidth)`);
    expect(cut.length === 0, `${width} px: cut at the right: ${cut}`);
  }
  const marked = await evaluate(`KINDS.filter(({key}) => key !== "apart" && kinds.some(found => found.has(key))).map(({name}) => name).join()`);
  expect(await evaluate(`[...document.querySelectorAll("#kinds li")].map(li => li.textContent).join()`) === marked, "the bar's colours are not named");
  const text = id => evaluate(`byId(${JSON.stringify(id)}).textContent`);
  const step = () => evaluate("here.step");
  const faulty = await evaluate("Boolean(fault)");
  const last = await evaluate("trace.steps.length") - 1;

  // A fault is where one begins; every other page begins at the beginning.
  expect(await step() === (faulty ? last : 0), `it begins at step ${await step()}`);
  if (faulty) {
    expect(!await evaluate(`byId("found").hidden`), "the fault is not said in its step");
    expect(await evaluate(`document.querySelector("#source .shown").dataset.line == fault.line`), "another line than the fault's is shown");
    expect(await evaluate(`document.querySelectorAll("#lanes .bad").length`) === 1, "the faulty lane is not marked");
  }

  // By keyboard and by buttons there and back: the same is shown.
  await evaluate(`document.body.focus()`);
  await sight.key("Home");
  const began = await text("lanes");
  await sight.key("ArrowRight");
  await sight.key("ArrowRight");
  expect(await step() === Math.min(2, last), "arrows do not step");
  await evaluate(`byId("back").click(); byId("first").click()`);
  expect(await step() === 0 && await text("lanes") === began, "the first step looks otherwise on the way back");
  await sight.key("End");
  const end = await text("registers");
  // The last of thousands, which would take minutes.
  await evaluate(`for (let i = Math.max(0, trace.steps.length - 200); i < trace.steps.length; i++) go(i)`);
  expect(await text("registers") === end, "registers at the end depend on the way there");

  // The next of each kind, and a line's own number.
  for (const kind of await evaluate(`[...byId("kind").options].map(option => option.value)`)) {
    await evaluate(`byId("kind").value = ${JSON.stringify(kind)}; go(0)`);
    await sight.key("n");
    expect(await evaluate(`kinds[here.step].has(${JSON.stringify(kind)})`), `the next ${kind} is none`);
    if (kind === "shared" || kind === "conflict") await sight.shoot(`${name}-${kind}`, 0);
  }
  await evaluate(`go(0); document.querySelector("#source li:has(button):not(.shown) button").click()`);
  expect(await step() > 0, "a line's number leads nowhere");

  // Lanes: their buttons, and the arrow keys.
  await evaluate(`go(0); byId("lanes").tBodies[0].rows[5].querySelector("button").click()`);
  expect(/lane 5/.test(await text("registers")), "another lane is not chosen");
  await sight.key("ArrowDown");
  expect(/lane 6/.test(await text("registers")), "arrows choose no lane");

  // Words of shared memory, by mouse and by keys.
  if (await evaluate("words > 0")) {
    await evaluate(`go(trace.steps.length - 1)`);
    await sight.box("shared");
    // The middle of a square that is to be seen: a mouse is at whole pixels, so that an edge could be another square's.
    const [x, y, word] = await evaluate(`(() => { const seen = byId("banks").parentElement.getBoundingClientRect();
      const {left, top, bottom} = byId("banks").getBoundingClientRect();
      const middle = (from, at) => Math.floor(from + (Math.floor((at - from) / bankMap.side) + 0.5) * bankMap.side);
      const [x, y] = [middle(left, left + 3.5 * bankMap.side), middle(top, Math.min(seen.top + seen.height / 2, bottom - 4))];
      return [x, y, bankMap.under({clientX: x, clientY: y})]; })()`);
    await sight.mouse("mouseMoved", x, y);
    await evaluate(FRAMES);
    const says = await text("word-says");
    expect(word >= 0 && says.startsWith(`Word ${word},`) && says.includes(`bank ${word % 32}:`), `pointing at word ${word} says: ${says}`);
    await evaluate(`byId("banks").focus()`);
    await sight.key("ArrowRight");
    expect((await text("word-says")).startsWith(`Word ${word + 1},`), "arrows do not go on to another word");
    expect(await step() === last, "arrows in shared memory step, too");
  }

  await sight.withoutScripts();
  await sight.shoot(`${name}-without-scripts`);
});
