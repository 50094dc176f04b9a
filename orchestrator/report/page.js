"use strict";
// Plots are drawn when they come near the screen, panels filled when they are chosen; tables sort and filter.

const scheme = matchMedia("(prefers-color-scheme: dark)");
const darker = JSON.parse(document.getElementById("darker").textContent);
const isTouched = matchMedia("(pointer: coarse)").matches;
const CONFIG = {
  responsive: true,
  displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  displayModeBar: isTouched ? false : "hover",
};

function theme(isDark) {
  const [ink, grid, raised] = isDark ? ["#e6e9ed", "#363e47", "#1e2329"] : ["#1b1f24", "#e1e6eb", "#ffffff"];
  const axis = { gridcolor: grid, linecolor: grid, zerolinecolor: grid, automargin: true, ticklabelstandoff: 4, title: { standoff: 8 } };
  return {
    layout: {
      font: { color: ink, family: "system-ui, sans-serif", size: 12 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      xaxis: axis,
      yaxis: axis,
      legend: { orientation: "h", x: 0, y: 1.01, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" },
      margin: { t: 30, r: 12, b: 46, l: 50 },
      hoverlabel: { bgcolor: raised, bordercolor: grid, font: { color: ink } },
      dragmode: isTouched ? false : "zoom",
    },
  };
}

function draw(plot, isDark) {
  const recolour = (key, value) => (isDark && /color$/.test(key) && darker[value]) || value;
  const figure = JSON.parse(plot.firstElementChild.textContent, recolour);
  const layout = { ...figure.layout, height: figure.height, template: theme(isDark) };
  plot.canvas ??= plot.appendChild(document.createElement("div"));
  return Plotly.react(plot.canvas, figure.data, layout, CONFIG);
}

function drawAll(isDark) {
  for (const plot of document.querySelectorAll(".plot")) draw(plot, isDark);
}

const watcher = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      draw(target, scheme.matches);
    }
  },
  { rootMargin: "600px" },
);

function enliven(root) {
  for (const plot of root.querySelectorAll(".plot")) watcher.observe(plot);
  for (const box of root.querySelectorAll(".chooser")) choose(box);
}

function choose(box) {
  const select = box.querySelector(":scope > .choice > select");
  const templates = box.querySelectorAll(":scope > template");
  const panel = box.querySelector(":scope > .panel");
  const show = () => {
    for (const plot of panel.querySelectorAll(".plot")) if (plot.canvas) Plotly.purge(plot.canvas);
    panel.replaceChildren(templates[select.selectedIndex].content.cloneNode(true));
    enliven(panel);
  };
  select.addEventListener("change", show);
  show();
}

function sortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  headings.forEach((heading, column) => {
    const isNumber = heading.classList.contains("number");
    const key = (row) => row.cells[column].dataset.value;
    heading.setAttribute("aria-sort", "none");
    heading.firstElementChild.addEventListener("click", () => {
      const rises = heading.ariaSort === "none" ? !isNumber || column === 0 : heading.ariaSort === "descending";
      for (const other of headings) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", rises ? "ascending" : "descending");
      const compare = (a, b) => (isNumber ? a - b : a.localeCompare(b, undefined, { numeric: true }));
      const rows = [...body.rows].sort((one, two) => {
        const [a, b] = [key(one), key(two)];
        return (a === "") - (b === "") || (rises ? compare(a, b) : compare(b, a));
      });
      body.append(...rows);
    });
  });
}

function filterable(form, table) {
  const said = form.querySelector("output");
  const rows = [...table.tBodies[0].rows];
  const filter = () => {
    const wanted = form.querySelector("input").value.toLowerCase();
    const selects = [...form.querySelectorAll("select")];
    for (const row of rows) {
      const isChosen = selects.every((own) => !own.value || row.cells[own.dataset.column].dataset.value === own.value);
      row.hidden = !isChosen || !row.textContent.toLowerCase().includes(wanted);
    }
    said.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();
}

const table = document.querySelector(".sortable");
if (table) {
  sortable(table);
  filterable(document.querySelector(".filters"), table);
}
enliven(document);
scheme.addEventListener("change", () => {
  for (const plot of document.querySelectorAll(".plot")) if (plot.canvas) draw(plot, scheme.matches);
});
addEventListener("beforeprint", () => drawAll(false));
addEventListener("afterprint", () => drawAll(scheme.matches));
