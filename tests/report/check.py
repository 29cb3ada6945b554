#!/usr/bin/env python3
"""Opens a report in headless Chromium: nothing may be missing, fetched, logged or wider than a phone.

    tests/report/check.py REPORT.html [FOLDER FOR SCREENSHOTS]

Needs Chromium (Debian's package `chromium`) and Python's standard library alone.
"""

import html.parser
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
]
# Written into a copy of the page: what it finds goes into the title, which --dump-dom shows.
PROBE = """<script>
const errors = [];
addEventListener("error", event => errors.push(event.message || "not loaded: " + event.target.tagName), true);
addEventListener("load", () => setTimeout(() => {
  const width = frame => {
    const root = frame.contentDocument.documentElement;
    const wide = [...root.querySelectorAll("*")].filter(e => !e.closest(".scroll, pre") &&
      e.getBoundingClientRect().right > root.clientWidth + 0.5);
    return {scroll: root.scrollWidth, client: root.clientWidth, wide: wide.slice(0, 3).map(e => e.outerHTML.slice(0, 80))};
  };
  const frame = document.querySelector("iframe");
  const images = [...frame.contentDocument.images];
  document.title = JSON.stringify({errors, images: images.length,
    missing: images.filter(i => !i.complete || i.naturalWidth === 0).length, ...width(frame)});
}, 500));
</script>"""


class Outside(html.parser.HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "srcset", "href", "data", "poster") and not (value or "").startswith(("data:", "#")):
                self.found.append(f"<{tag} {name}={value[:60]}>")
        if tag == "script":
            self.found.append("<script>")


def chromium(*arguments):
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        sys.exit("no chromium here; Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=180)


def main():
    page = pathlib.Path(sys.argv[1]).resolve()
    text = page.read_text()
    problems = []
    outside = Outside()
    outside.feed(text)
    problems += [f"fetches something: {found}" for found in outside.found]
    if re.search(r"url\(|@import", text):
        problems.append("the style fetches something")

    with tempfile.TemporaryDirectory() as folder:
        for width in (375, 1280):
            # A frame has the width that is asked for; windows of headless Chromium are not below 500 pixels.
            probe = pathlib.Path(folder) / "probe.html"
            probe.write_text(
                f'<!doctype html><title></title>{PROBE}<iframe src="{page.as_uri()}" width={width} height=800></iframe>'
            )
            ran = chromium("--allow-file-access-from-files", "--enable-logging=stderr", "--virtual-time-budget=5000",
                           "--dump-dom", probe.as_uri())
            title = re.search(r"<title>(.*?)</title>", ran.stdout, re.S)
            print(f"{width} px: {title and title[1]}")
            problems += [f"{width} px, console: {line}" for line in ran.stderr.splitlines() if "CONSOLE" in line]
            if not title or '"missing":0' not in title[1]:
                problems.append(f"{width} px: a picture is missing")
            found = title and re.search(r'"scroll":(\d+),"client":(\d+),"wide":\[\]', title[1])
            if not found or int(found[1]) > int(found[2]):
                problems.append(f"{width} px: scrolls sideways")
            if title and '"errors":[]' not in title[1]:
                problems.append(f"{width} px: errors")

        if len(sys.argv) > 2:
            shots = pathlib.Path(sys.argv[2])
            shots.mkdir(parents=True, exist_ok=True)
            frame = pathlib.Path(folder) / "phone.html"
            frame.write_text(f'<body style="margin:0"><iframe src="{page.as_uri()}" width=375 height=8000 '
                             f'style="border:0"></iframe>')
            dark = "--blink-settings=preferredColorScheme=0"
            for name, address, size, more in [
                ("light", page, "1100,7000", ["--blink-settings=preferredColorScheme=1"]),
                ("dark", page, "1100,7000", [dark]),
                ("phone", frame, "500,8000", ["--blink-settings=preferredColorScheme=1"]),
            ]:
                chromium(*more, f"--window-size={size}", f"--screenshot={shots / name}.png", address.as_uri())
            chromium(f"--print-to-pdf={shots / 'print.pdf'}", page.as_uri())

    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
