// Opens reports in headless Chromium: at 375, 800 and 1280 pixels, in light and dark, with and without scripts, and in print.
// Nothing may be fetched, logged as an error, missing or wider than the screen; axe-core has to find nothing; tables have to
// sort, and points of maps to show their drawings; links have to lead somewhere; drawings look the same in the dark.
//
//   node tests/report/check.mjs CHROMIUM AXE.js REPORT.html… [--shots FOLDER]

import {execFileSync} from "node:child_process";
import {existsSync, writeFileSync} from "node:fs";
import {dirname, join, resolve} from "node:path";
import {fileURLToPath} from "node:url";

import {lookAt, options} from "../browser/look.mjs";

const asked = options();
const {shots} = asked;
await lookAt(asked, check);

async function check(sight) {
  const {send, evaluate, expect, name, browser, url, path} = sight;
  const size = (width, height) => sight.size(width, height);
  const drawings = [];
  for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [375, "light"], [375, "dark"], [800, "light"]]) {
    await sight.load(width, 900, scheme);
    await sight.hold(width, scheme, ".unseen, svg");
    const lost = await evaluate(`[...document.images].filter(i => !i.complete || i.naturalWidth === 0).length`);
    expect(lost === 0, `${width} px: ${lost} pictures are missing`);
    const hidden = await evaluate(`[...document.querySelectorAll("td, tbody th")].filter(e => e.textContent.trim() &&
      (e.offsetWidth === 0 || e.scrollWidth > e.clientWidth + 1)).slice(0, 3).map(e => e.textContent)`);
    expect(hidden.length === 0, `${width} px: cells are hidden or cut: ${hidden}`);
    const crossed = await evaluate(`[...document.querySelectorAll("figure.chart svg")].flatMap(svg => [...svg.querySelectorAll(".mark")].flatMap(mark =>
      [...svg.querySelectorAll(".name")].filter(name => { const [a, b] = [mark, name].map(e => e.getBoundingClientRect());
        return a.left < b.right && b.left < a.right && a.top < b.bottom - 2 && b.top < a.bottom - 2; }))).map(e => e.textContent)`);
    expect(crossed.length === 0, `${width} px: a line crosses names: ${crossed.slice(0, 3)}`);
    const unlike = await evaluate(`[...document.querySelectorAll("polyline.line")].filter(line => { const end = line.parentElement.querySelector(".end");
      return !end || getComputedStyle(end).stroke !== getComputedStyle(line).stroke; }).length`);
    expect(unlike === 0, `${width} px: ${unlike} lines without their colour beside their name`);
    const sorting = await evaluate(`[...document.querySelectorAll(".fold.sorts thead tr")].every(row =>
      getComputedStyle(row, "::before").content === (matchMedia("(max-width: 52rem)").matches ? '"Sort by:"' : "none"))`);
    expect(sorting, `${width} px: a folded table does not say what its heads do`);
    if (width === 1280) drawings.push(await drawing());
    await sight.shoot(`${name}-${width}-${scheme}`);
  }
  expect(drawings[0] === drawings[1], "a drawing looks otherwise in the dark");
  await use();
  await links();
  await print();
  // Where scripts do not run everything is still there.
  await sight.withoutScripts();

  /** The first drawing as one sees it; null where there is none. */
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
    await sight.mouse("mouseMoved", ...place);
    const shown = `(() => { const hover = document.getElementById("hover"), canvas = hover.querySelector("canvas");
      return {hidden: hover.hidden, says: hover.textContent,
        ink: [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data].some((v, i) => i % 4 < 3 && v > 60)}; })()`;
    const first = await evaluate(shown);
    expect(!first.hidden && /drawing \d+/.test(first.says) && first.ink, `a point that is pointed at shows ${JSON.stringify(first)}`);
    await sight.shoot(`${name}-hover`, 0);
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
}
