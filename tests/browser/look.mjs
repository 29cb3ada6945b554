// The rules that every page is held to, in headless Chromium: at the sizes asked for, in light and dark, nothing is wider than the screen and
// axe-core finds nothing; nothing is fetched, thrown, run out of a name, or logged as an error.

import {mkdirSync, readFileSync, writeFileSync} from "node:fs";
import {basename, join, resolve} from "node:path";
import {pathToFileURL} from "node:url";

import {open} from "./chromium.mjs";

/** Waits, in the page, until two frames have been painted: what was asked for has been drawn by then. */
export const FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))";

/** CHROMIUM AXE.js PAGE.html… [--shots FOLDER] */
export function options(words = process.argv.slice(2)) {
  const [program, axe, ...rest] = words;
  const at = rest.indexOf("--shots");
  const [pages, shots] = at >= 0 ? [rest.slice(0, at), rest[at + 1]] : [rest, null];
  if (shots) mkdirSync(shots, {recursive: true});
  return {program, axe: readFileSync(axe, "utf8"), pages, shots};
}

/** Opens each page and calls use(sight), which looks at it; then prints what was wrong and ends the process. */
export async function lookAt({program, axe, pages, shots}, use) {
  const problems = [];
  for (const path of pages) {
    const browser = await open(program);
    const sight = new Sight(browser, path, axe, shots, problems);
    try {
      await use(sight);
    } catch (error) {
      problems.push(`${sight.name}: ${error.stack}`);
    }
    sight.listen();
    await browser.close();
    console.log(`${sight.name}: looked at`);
  }
  problems.forEach(problem => console.error(problem));
  process.exit(problems.length ? 1 : 0);
}

class Sight {
  constructor(browser, path, axe, shots, problems) {
    Object.assign(this, {browser, path, axe, shots, problems, send: browser.send, evaluate: browser.evaluate});
    this.name = basename(path, ".html");
    this.url = pathToFileURL(resolve(path)).href;
    this.expect = (held, what) => { if (!held) problems.push(`${this.name}: ${what}`); };
  }

  size(width, height) {
    return this.send("Emulation.setDeviceMetricsOverride", {width, height, deviceScaleFactor: 1, mobile: false});
  }

  /** Loads the page at a size and in a scheme. `ready`: an expression to wait for. */
  async load(width, height, scheme, ready) {
    await this.size(width, height);
    await this.send("Emulation.setEmulatedMedia", {features: [{name: "prefers-color-scheme", value: scheme},
      {name: "prefers-reduced-motion", value: "reduce"}]});
    await this.browser.go(this.url);
    if (ready) await this.evaluate(ready);
  }

  /** Nothing but what is `within` these elements may be wider than the screen, and axe-core finds nothing. */
  async hold(width, scheme, within) {
    const wide = await this.evaluate(`[...document.querySelectorAll("body *")].filter(e => !e.closest(${JSON.stringify(within)}) &&
      e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5).slice(0, 3).map(e => e.outerHTML.slice(0, 90))`);
    this.expect(wide.length === 0, `${width} px: wider than the screen: ${wide}`);
    await this.evaluate(this.axe);
    const found = await this.evaluate(`axe.run(document, {resultTypes: ["violations"]}).then(({violations}) =>
      violations.map(v => v.id + ": " + v.nodes.slice(0, 2).map(n => n.html.slice(0, 120)).join(" | ")))`);
    found.forEach(violation => this.problems.push(`${this.name}, ${width} px ${scheme}: axe-core: ${violation}`));
  }

  /** A screenshot of the whole page, in pieces of `most` pixels that can be looked at; of the screen alone where it is 0. */
  async shoot(file, most = 3000) {
    if (!this.shots) return;
    const save = async (name, parameters) => {
      const {data} = await this.send("Page.captureScreenshot", parameters);
      writeFileSync(join(this.shots, `${name}.png`), Buffer.from(data, "base64"));
    };
    if (most === 0) return save(file, {});
    const {cssContentSize: {width, height}} = await this.send("Page.getLayoutMetrics");
    for (let i = 0, y = 0; y < height && i < 20; i++, y += most) {
      const clip = {x: 0, y, width, height: Math.min(height - y, most), scale: 1};
      await save(height > most ? `${file}-${i}` : file, {captureBeyondViewport: true, clip});
    }
  }

  /** Presses and lets go of a key. */
  async key(key, text) {
    await this.send("Input.dispatchKeyEvent", {type: "keyDown", key, code: key === " " ? "Space" : key, text});
    await this.send("Input.dispatchKeyEvent", {type: "keyUp", key});
  }

  mouse(type, x, y) {
    if (type !== "mouseMoved") this.held = type === "mousePressed";
    const [button, buttons] = type !== "mouseMoved" || this.held ? ["left", this.held ? 1 : 0] : ["none", 0];
    return this.send("Input.dispatchMouseEvent", {type, x, y, button, buttons, clickCount: 1});
  }

  /** Scrolls an element into sight and tells where it is. */
  box(id) {
    return this.evaluate(`(() => { const e = document.getElementById(${JSON.stringify(id)}); e.scrollIntoView({block: "center"});
      const {left, top, width, height} = e.getBoundingClientRect(); return {left, top, width, height}; })()`);
  }

  /** Loads the page where no scripts run; it is no wider than the screen. */
  async withoutScripts() {
    await this.send("Emulation.setScriptExecutionDisabled", {value: true});
    await this.browser.go(this.url);
    const {cssContentSize, cssLayoutViewport} = await this.send("Page.getLayoutMetrics");
    this.expect(cssContentSize.width <= cssLayoutViewport.clientWidth, "without scripts the page is wider than the screen");
  }

  /** Errors and warnings that the browser reported. */
  listen() {
    const {name, problems, url} = this;
    for (const {method, params} of this.browser.events) {
      if (method === "Network.requestWillBeSent" && params.request.url !== url && !params.request.url.startsWith("data:")) {
        problems.push(`${name}: asks for ${params.request.url}`);
      }
      if (method === "Page.javascriptDialogOpening") problems.push(`${name}: a name ran as a script: ${params.message}`);
      if (method === "Runtime.exceptionThrown") problems.push(`${name}: ${params.exceptionDetails.exception?.description}`);
      if (method === "Runtime.consoleAPICalled" && params.type === "error") problems.push(`${name}: console: ${params.args[0]?.value}`);
      if (method === "Log.entryAdded" && params.entry.level === "error") problems.push(`${name}: log: ${params.entry.text}`);
    }
  }
}
