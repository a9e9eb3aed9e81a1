// Values under the pointer or, with the arrow keys, under the cursor; read from the table behind the plot.
"use strict";
const tip = document.getElementById("tip");
const element = (name, text, className) => {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
};
for (const chart of document.querySelectorAll("figure.chart")) {
  const svg = chart.querySelector("svg"), cursor = svg.querySelector(".cursor");
  const rows = [...chart.querySelectorAll("tbody tr")], heads = [...chart.querySelectorAll("thead th")];
  let at = rows.length - 1;
  const hide = () => { tip.hidden = true; cursor.style.visibility = "hidden"; };
  const show = (clientY) => {
    const row = rows[at], x = +row.dataset.x, box = svg.getBoundingClientRect();
    cursor.setAttribute("transform", `translate(${x} 0)`);
    cursor.style.visibility = "visible";
    tip.replaceChildren(element("b", "step " + row.cells[0].textContent));
    heads.slice(1).forEach((head, i) => {
      const line = element("div", ""), value = row.cells[i + 1].textContent;
      line.append(element("i", "", head.className), element("span", head.textContent), element("span", value));
      tip.append(line);
    });
    tip.hidden = false;
    const left = box.left + x * box.width / svg.viewBox.baseVal.width;
    const flip = left + tip.offsetWidth + 24 > innerWidth;
    tip.style.left = Math.max(4, flip ? left - tip.offsetWidth - 14 : left + 14) + "px";
    tip.style.top = Math.max(4, Math.min(clientY - 20, innerHeight - tip.offsetHeight - 8)) + "px";
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
    const far = (row) => Math.abs(row.dataset.x - x);
    at = rows.reduce((best, row, i) => (far(row) < far(rows[best]) ? i : best), 0);
    show(event.clientY);
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    at = Math.max(0, Math.min(rows.length - 1, at + move));
    show(svg.getBoundingClientRect().top + 30);
  });
}
// Each plot as a file: a copy whose styles stand in its elements, as SVG, or drawn as PNG.
const STYLES = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity",
  "visibility", "text-anchor", "font-family", "font-size", "font-weight"];
const standalone = (svg) => {
  const copy = svg.cloneNode(true), { width, height } = svg.viewBox.baseVal;
  const from = svg.querySelectorAll("*"), to = copy.querySelectorAll("*");
  from.forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const name of STYLES) to[i].style.setProperty(name, style.getPropertyValue(name));
  });
  copy.setAttribute("xmlns", svg.namespaceURI);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.style.background = getComputedStyle(svg.closest("figure")).backgroundColor;
  return { text: new XMLSerializer().serializeToString(copy), width, height };
};
const offer = (blob, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
const toPng = async ({ text, width, height }) => {
  const image = new Image(), canvas = document.createElement("canvas");
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
  await image.decode();
  canvas.width = 2 * width;
  canvas.height = 2 * height;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
};
for (const figure of document.querySelectorAll("figure")) {
  const svg = figure.querySelector("svg"), save = element("span", "", "save");
  const name = svg.querySelector("title").textContent.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const button = (kind, make) => {
    const made = element("button", kind);
    made.title = "save this plot as " + kind;
    made.addEventListener("click", async () => offer(await make(standalone(svg)), name + "." + kind.toLowerCase()));
    save.append(made);
  };
  button("SVG", (plot) => new Blob([plot.text], { type: "image/svg+xml" }));
  button("PNG", toPng);
  figure.prepend(save);
}
document.documentElement.dataset.ready = document.querySelectorAll("figure").length;
