// Opens reports in headless Chromium: at 375, 800 and 1280 pixels, in light and dark, with and without scripts, and in print.
// Nothing may be fetched, logged as an error, missing or wider than the screen; axe-core has to find nothing; tables have to
// sort, and points of maps to show their drawings; links have to lead somewhere; drawings look the same in the dark.
//
//   node tests/report/check.mjs CHROMIUM AXE.js REPORT.html… [--shots FOLDER]

import {execFileSync} from "node:child_process";
import {existsSync, mkdirSync, readFileSync, writeFileSync} from "node:fs";
import {basename, dirname, join, resolve} from "node:path";
import {fileURLToPath, pathToFileURL} from "node:url";

import {open} from "../explain/browser.mjs";

const [program, axe, ...rest] = process.argv.slice(2);
const at = rest.indexOf("--shots");
const shots = at >= 0 ? rest[at + 1] : null;
const pages = at >= 0 ? rest.slice(0, at) : rest;
const problems = [];

if (shots) mkdirSync(shots, {recursive: true});
for (const path of pages) await check(path);
problems.forEach(problem => console.error(problem));
process.exit(problems.length ? 1 : 0);

async function check(path) {
  const browser = await open(program);
  const name = basename(path, ".html");
  const expect = (held, what) => { if (!held) problems.push(`${name}: ${what}`); };
  const {send, evaluate} = browser;
  const url = pathToFileURL(resolve(path)).href;
  const size = (width, height) => send("Emulation.setDeviceMetricsOverride", {width, height, deviceScaleFactor: 1, mobile: false});
  try {
    const drawings = [];
    for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [375, "light"], [375, "dark"], [800, "light"]]) {
      await size(width, 900);
      await send("Emulation.setEmulatedMedia", {features: [{name: "prefers-color-scheme", value: scheme}]});
      await browser.go(url);
      const wide = await evaluate(`[...document.querySelectorAll("body *")].filter(e => !e.closest(".unseen, svg") &&
        e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5).slice(0, 3).map(e => e.outerHTML.slice(0, 90))`);
      expect(wide.length === 0, `${width} px: wider than the screen: ${wide}`);
      const lost = await evaluate(`[...document.images].filter(i => !i.complete || i.naturalWidth === 0).length`);
      expect(lost === 0, `${width} px: ${lost} pictures are missing`);
      const hidden = await evaluate(`[...document.querySelectorAll("td, tbody th")].filter(e => e.textContent.trim() &&
        (e.offsetWidth === 0 || e.scrollWidth > e.clientWidth + 1)).slice(0, 3).map(e => e.textContent)`);
      expect(hidden.length === 0, `${width} px: cells are hidden or cut: ${hidden}`);
      await evaluate(readFileSync(axe, "utf8"));
      const found = await evaluate(`axe.run(document, {resultTypes: ["violations"]}).then(({violations}) =>
        violations.map(v => v.id + ": " + v.nodes.slice(0, 2).map(n => n.html.slice(0, 120)).join(" | ")))`);
      found.forEach(violation => problems.push(`${name}, ${width} px ${scheme}: axe-core: ${violation}`));
      if (width === 1280) drawings.push(await drawing());
      if (shots) await shoot(`${name}-${width}-${scheme}`);
    }
    expect(drawings[0] === drawings[1], "a drawing looks otherwise in the dark");
    await use();
    await links();
    await print();
    await withoutScripts();
  } catch (error) {
    problems.push(`${name}: ${error.stack}`);
  }
  for (const {method, params} of browser.events) {
    if (method === "Network.requestWillBeSent" && params.request.url !== url && !params.request.url.startsWith("data:")) {
      problems.push(`${name}: asks for ${params.request.url}`);
    }
    if (method === "Page.javascriptDialogOpening") problems.push(`${name}: a name ran as a script: ${params.message}`);
    if (method === "Runtime.exceptionThrown") problems.push(`${name}: ${params.exceptionDetails.exception?.description}`);
    if (method === "Runtime.consoleAPICalled" && params.type === "error") problems.push(`${name}: console: ${params.args[0]?.value}`);
    if (method === "Log.entryAdded" && params.entry.level === "error") problems.push(`${name}: log: ${params.entry.text}`);
  }
  await browser.close();
  console.log(`${name}: looked at`);

  async function shoot(file) {
    const {cssContentSize} = await send("Page.getLayoutMetrics");
    // Long pages in pieces that can be looked at.
    for (let i = 0, y = 0; y < cssContentSize.height && i < 20; i++, y += 3000) {
      const clip = {x: 0, y, width: cssContentSize.width, height: Math.min(cssContentSize.height - y, 3000), scale: 1};
      const {data} = await send("Page.captureScreenshot", {captureBeyondViewport: true, clip});
      writeFileSync(join(shots, `${file}-${i}.png`), Buffer.from(data, "base64"));
    }
  }

  /** What one sees of the first drawing; null where there is none. */
  async function drawing() {
    const clip = await evaluate(`(() => { const img = document.querySelector(".drawings img"); if (!img) return null;
      const {left, top, width, height} = img.getBoundingClientRect();
      return {x: left + scrollX, y: top + scrollY, width: Math.min(width, 40), height: Math.min(height, 40), scale: 1}; })()`);
    return clip && (await send("Page.captureScreenshot", {captureBeyondViewport: true, clip})).data;
  }

  /** Sorts every table by every column, both ways, and points at a map. */
  async function use() {
    await size(1280, 900);
    await browser.go(url);
    const unsorted = await evaluate(`[...document.querySelectorAll("table")].filter(t => t.tBodies[0].rows.length > 1).flatMap(table =>
      [...table.querySelectorAll("thead th")].filter((head, column) => [1, -1].some(sign => {
        head.querySelector("button").click();
        const keys = [...table.tBodies[0].rows].map(row => row.cells[column].dataset.key).filter(key => key !== undefined).map(Number);
        return head.getAttribute("aria-sort") !== (sign > 0 ? "ascending" : "descending") ||
          keys.some((key, i) => i > 0 && sign * (key - keys[i - 1]) < 0);
      })).map(head => head.textContent))`);
    expect(unsorted.length === 0, `columns do not sort: ${unsorted}`);
    if (await evaluate(`document.querySelector("svg.plane") === null`)) return;
    const place = await evaluate(`(() => { const plane = document.querySelector("svg.plane"); plane.scrollIntoView({block: "center"});
      const [, x, y] = plane.querySelector("path").getAttribute("d").match(/M(-?[\\d.]+) (-?[\\d.]+)/);
      const box = plane.getBoundingClientRect(), scale = box.width / plane.viewBox.baseVal.width;
      return [box.left + x * scale, box.top + y * scale]; })()`);
    await send("Input.dispatchMouseEvent", {type: "mouseMoved", x: place[0], y: place[1]});
    const shown = `(() => { const hover = document.getElementById("hover"), canvas = hover.querySelector("canvas");
      return {hidden: hover.hidden, says: hover.textContent,
        ink: [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data].some((v, i) => i % 4 < 3 && v > 60)}; })()`;
    const first = await evaluate(shown);
    expect(!first.hidden && /drawing \d+/.test(first.says) && first.ink, `a point that is pointed at shows ${JSON.stringify(first)}`);
    if (shots) {
      const {data} = await send("Page.captureScreenshot");
      writeFileSync(join(shots, `${name}-hover.png`), Buffer.from(data, "base64"));
    }
    await evaluate(`document.querySelector("svg.plane").focus()`);
    for (const key of ["ArrowRight", "ArrowRight"]) await send("Input.dispatchKeyEvent", {type: "keyDown", key});
    expect((await evaluate(shown)).says !== first.says, "arrows do not go on to another drawing");
  }

  /** Every link leads to a place on the page or to a file. */
  async function links() {
    const dead = [];
    for (const href of await evaluate(`[...document.querySelectorAll("a")].map(a => a.getAttribute("href"))`)) {
      const there = href.startsWith("#") ? await evaluate(`document.getElementById(${JSON.stringify(href.slice(1))}) !== null`)
        : existsSync(fileURLToPath(new URL(href, url)));
      if (!there) dead.push(href);
    }
    expect(dead.length === 0, `links lead nowhere: ${dead.slice(0, 3)}`);
    expect(existsSync(join(dirname(resolve(path)), `${name}.json`)), "no numbers beside it");
  }

  /** Printed on A4 nothing is cut at the right. */
  async function print() {
    await send("Emulation.setEmulatedMedia", {media: "print", features: []});
    // A4 less its margins, at 96 pixels an inch.
    await size(688, 1000);
    await browser.go(url);
    const cut = await evaluate(`[...document.querySelectorAll("table, figure, pre, dl")].filter(e =>
      e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5).slice(0, 3).map(e => e.outerHTML.slice(0, 90))`);
    expect(cut.length === 0, `wider than the paper: ${cut}`);
    const {data} = await send("Page.printToPDF", {preferCSSPageSize: true, printBackground: true});
    await send("Emulation.setEmulatedMedia", {media: "", features: []});
    if (!shots) return;
    const pdf = join(shots, `${name}-print.pdf`);
    writeFileSync(pdf, Buffer.from(data, "base64"));
    try {
      execFileSync("pdftoppm", ["-r", "60", "-png", pdf, join(shots, `${name}-print`)]);
    } catch {
      console.log("the print is not drawn: no pdftoppm here");
    }
  }

  /** Where scripts do not run everything is still there. */
  async function withoutScripts() {
    await send("Emulation.setScriptExecutionDisabled", {value: true});
    await browser.go(url);
    const {cssContentSize, cssLayoutViewport} = await send("Page.getLayoutMetrics");
    expect(cssContentSize.width <= cssLayoutViewport.clientWidth, "without scripts the page is wider than the screen");
  }
}
