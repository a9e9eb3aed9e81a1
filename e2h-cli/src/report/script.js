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
