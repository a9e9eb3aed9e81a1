// Put behind the page's own script by the test: moves the pointer over each plot, saves each as SVG and PNG, and
// leaves what came of it in the attribute `data-probe`.
"use strict";
(async () => {
  const made = [];
  URL.createObjectURL = (blob) => { made.push(blob); return "#"; };
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const plots = [];
  for (const figure of document.querySelectorAll("figure")) {
    const svg = figure.querySelector("svg[viewBox]:not(.swatch)"), box = svg.getBoundingClientRect();
    const plot = {
      title: svg.querySelector("title").textContent,
      series: figure.querySelectorAll(".series").length,
      bands: figure.querySelectorAll(".band").length,
      areas: figure.querySelectorAll(".area").length,
      rows: figure.querySelectorAll("tbody tr").length,
      files: {},
    };
    const at = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, bubbles: true };
    svg.dispatchEvent(new PointerEvent("pointermove", at));
    plot.tip = document.getElementById("tip").hidden ? "" : document.getElementById("tip").textContent;
    svg.dispatchEvent(new PointerEvent("pointerleave", at));
    for (const button of figure.querySelectorAll(".save button")) {
      const n = made.length;
      button.click();
      for (let i = 0; i < 100 && made.length === n; i++) await wait(20);
      const blob = made[n];
      plot.files[button.textContent] = blob ? blob.type + " " + blob.size : "none";
    }
    plots.push(plot);
  }
  const root = document.documentElement;
  root.dataset.probe = JSON.stringify({
    plots,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    paper: getComputedStyle(document.body).backgroundColor,
    width: innerWidth,
    widest: root.scrollWidth,
  });
})();
