// The page is whole without this: it sorts tables, and shows the drawing of a point that is pointed at.
"use strict";

for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (!body || body.rows.length < 2) continue;
  table.classList.add("sorts");
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("thead th").forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = row => row.cells[column].dataset.key;
      // Rows without a number stay last.
      const order = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === undefined && y === undefined) {
          return (down ? -1 : 1) * a.cells[column].textContent.localeCompare(b.cells[column].textContent, "en", {numeric: true});
        }
        if (x === undefined || y === undefined) return x === undefined ? 1 : -1;
        return (down ? -1 : 1) * (x - y);
      };
      body.append(...[...body.rows].sort(order));
    });
  });
}

const sheet = document.getElementById("sheet");
if (sheet) {
  const {width, height, columns, labels, classes} = JSON.parse(document.getElementById("sheet-data").textContent);
  const hover = document.getElementById("hover"), canvas = hover.querySelector("canvas"), says = hover.querySelector("p");
  const enlarged = Math.max(1, Math.round(84 / width));
  canvas.width = width * enlarged;
  canvas.height = height * enlarged;
  const shown = Math.floor(sheet.naturalWidth / width) * Math.floor(sheet.naturalHeight / height);

  for (const plane of document.querySelectorAll("svg.plane")) {
    // The points of a class stand in its path in the order of the drawings.
    const points = [];
    for (const path of plane.querySelectorAll("path")) {
      const own = labels.flatMap((label, i) => label === Number(path.dataset.class) ? [i] : []);
      [...path.getAttribute("d").matchAll(/M(-?[\d.]+) (-?[\d.]+)/g)]
        .forEach(([, x, y], i) => points.push({x: Number(x), y: Number(y), index: own[i]}));
    }
    points.sort((a, b) => a.index - b.index);
    let at = -1;
    const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    ring.setAttribute("class", "ring");
    ring.setAttribute("r", 5);

    const show = point => {
      at = points.indexOf(point);
      plane.append(ring);
      ring.setAttribute("cx", point.x);
      ring.setAttribute("cy", point.y);
      says.textContent = `drawing ${point.index}: ${classes[labels[point.index]]}`;
      canvas.hidden = point.index >= shown;
      if (!canvas.hidden) {
        const context = canvas.getContext("2d");
        context.imageSmoothingEnabled = false;
        context.drawImage(sheet, point.index % columns * width, Math.floor(point.index / columns) * height, width, height,
          0, 0, canvas.width, canvas.height);
      }
      hover.hidden = false;
      const box = plane.getBoundingClientRect(), scale = box.width / plane.viewBox.baseVal.width;
      const left = box.left + point.x * scale + 14, top = box.top + point.y * scale + 14;
      const room = document.documentElement.clientWidth - hover.offsetWidth - 8;
      hover.style.left = `${Math.max(4, Math.min(left, room)) + scrollX}px`;
      hover.style.top = `${top + scrollY}px`;
    };
    const hide = () => { hover.hidden = true; ring.remove(); };
    const nearest = event => {
      const box = plane.getBoundingClientRect(), scale = plane.viewBox.baseVal.width / box.width;
      const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
      const apart = ({x: px, y: py}) => (px - x) ** 2 + (py - y) ** 2;
      const found = points.reduce((a, b) => apart(b) < apart(a) ? b : a);
      if (apart(found) < 400) show(found); else hide();
    };
    if (!points.length) continue;
    plane.addEventListener("pointermove", nearest);
    plane.addEventListener("pointerdown", nearest);
    plane.addEventListener("pointerleave", hide);
    plane.addEventListener("blur", hide);
    plane.addEventListener("keydown", event => {
      const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
      if (!step) return;
      event.preventDefault();
      show(points[(at + step + points.length) % points.length]);
    });
  }
}
