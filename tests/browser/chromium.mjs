// Headless Chromium, spoken to over a pipe by the DevTools protocol: messages are JSON, each ended by a zero byte.

import {spawn} from "node:child_process";
import {mkdtempSync, rmSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe", "--disable-dev-shm-usage",
];

/** Starts a browser with one page. `send` calls a method of the protocol; `events` is what was reported. */
export async function open(program) {
  const profile = mkdtempSync(join(tmpdir(), "inkgrad-page-"));
  const child = spawn(program, [...FLAGS, `--user-data-dir=${profile}`, "about:blank"],
    {stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"]});
  const waiting = new Map(), events = [], listeners = [];
  let next = 1, session, rest = "";
  child.stdio[4].setEncoding("utf8").on("data", text => {
    const messages = (rest + text).split("\0");
    rest = messages.pop();
    for (const message of messages.map(JSON.parse)) {
      if (!message.id) {
        events.push(message);
        listeners.forEach(listener => listener(message));
        continue;
      }
      const {resolve, reject} = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.error) reject(new Error(message.error.message));
      else resolve(message.result);
    }
  });
  const send = (method, params = {}) => new Promise((resolve, reject) => {
    const id = next++;
    waiting.set(id, {resolve, reject});
    child.stdio[3].write(`${JSON.stringify({id, method, params, sessionId: session})}\0`);
  });
  const {targetId} = await send("Target.createTarget", {url: "about:blank"});
  ({sessionId: session} = await send("Target.attachToTarget", {targetId, flatten: true}));
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await send(`${domain}.enable`);

  return {
    events,
    send,
    /** Loads a page and waits until it has. */
    async go(url) {
      const loaded = new Promise(resolve => listeners.push(({method}) => method === "Page.loadEventFired" && resolve()));
      await send("Page.navigate", {url});
      await loaded;
    },
    /** The value of an expression in the page, waited for. */
    async evaluate(expression) {
      const {result, exceptionDetails} =
        await send("Runtime.evaluate", {expression, awaitPromise: true, returnByValue: true});
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    },
    async close() {
      await send("Browser.close").catch(() => {});
      await new Promise(resolve => child.exitCode === null ? child.once("exit", resolve) : resolve());
      rmSync(profile, {recursive: true, force: true, maxRetries: 5});
    },
  };
}
