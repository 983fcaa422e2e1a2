"use strict";
(() => {
  const all = (what, within) => [...(within || document).querySelectorAll(what)];
  const hidden = new Set(), hiddenLayers = new Set();

  // Tables sort by a click on a heading: numbers by value, texts as people count ("pat2" before "pat10"), what is undefined last.
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const compared = (a, b, up) => {
    const [x, y] = [a, b].map((cell) => (cell.dataset.v === undefined ? NaN : Number(cell.dataset.v)));
    if (!Number.isNaN(x) && !Number.isNaN(y)) return up * (x - y);
    if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
    return up * collator.compare(a.textContent, b.textContent);
  };
  const sort = (heading) => {
    const table = heading.closest("table"), column = heading.cellIndex, body = table.tBodies[0];
    const numeric = [...body.rows].some((row) => row.cells[column].dataset.v !== undefined);
    const before = heading.getAttribute("aria-sort");
    const up = before ? (before === "ascending" ? -1 : 1) : numeric ? -1 : 1;
    all("th", table).forEach((one) => one.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", up > 0 ? "ascending" : "descending");
    body.append(...[...body.rows].sort((a, b) => compared(a.cells[column], b.cells[column], up)));
  };
  all("table.data th button").forEach((button) => button.addEventListener("click", () => sort(button.parentElement)));

  // Every scan: words, and bounds like dice<0.3.
  const table = document.getElementById("scan-table"), filter = document.getElementById("scan-filter");
  const rows = table ? [...table.tBodies[0].rows] : [];
  const columns = new Map(table ? all("th", table).map((heading) => [heading.dataset.key, heading.cellIndex]) : []);
  const signs = { "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b, "=": (a, b) => a === b };
  const term = (text) => {
    const bound = /^([a-z_]+)(<=|>=|<|>|=)(-?[0-9.]+(?:e-?[0-9]+)?)$/.exec(text);
    if (bound && columns.has(bound[1])) {
      const column = columns.get(bound[1]), limit = Number(bound[3]);
      return (row) => row.cells[column].dataset.v !== undefined && signs[bound[2]](Number(row.cells[column].dataset.v), limit);
    }
    return (row) => row.textContent.toLowerCase().includes(text);
  };
  const show = () => {
    const terms = filter ? filter.value.toLowerCase().split(/\s+/).filter(Boolean).map(term) : [];
    let shown = 0;
    for (const row of rows) {
      row.hidden = hidden.has(row.dataset.method) || !terms.every((fits) => fits(row));
      shown += row.hidden ? 0 : 1;
    }
    if (filter) document.getElementById("scan-count").value = `${shown} of ${rows.length} lines`;
  };
  if (filter) filter.addEventListener("input", show);

  // Methods and kinds of curves are shown and hidden everywhere at once.
  const drawn = () => Bokeh.documents.flatMap((one) => one.roots()).flatMap((plot) => plot.renderers || []);
  const apply = () => {
    for (const one of drawn()) {
      const method = one.tags.map(String).find((tag) => tag.startsWith("method-"));
      const layers = one.tags.filter((tag) => hiddenLayers.has(tag));
      if (method) one.visible = !hidden.has(method.slice(7)) && !layers.length;
    }
    all("[data-method]").forEach((one) => { if (!rows.includes(one)) one.hidden = hidden.has(one.dataset.method); });
    show();
  };
  all("[data-toggle]").forEach((chip) => chip.addEventListener("click", () => {
    const off = chip.getAttribute("aria-pressed") === "true";
    chip.setAttribute("aria-pressed", String(!off));
    hidden[off ? "add" : "delete"](chip.dataset.toggle);
    apply();
  }));
  all("[data-layer]").forEach((box) => box.addEventListener("change", () => {
    hiddenLayers[box.checked ? "delete" : "add"](box.dataset.layer);
    apply();
  }));

  // A scan that is chosen, in a plot or in the table, is marked in all of them.
  let sources = [], marked = new Set(), waiting = 0;
  const names = (source) => source.selected.indices.map((number) => source.data.scan[number]);
  const mark = (chosen) => {
    marked = new Set(chosen);
    for (const source of sources) {
      const numbers = [...source.data.scan.keys()].filter((number) => marked.has(source.data.scan[number]));
      if (String(numbers) !== String(source.selected.indices)) source.selected.indices = numbers;
    }
    rows.forEach((row) => row.classList.toggle("chosen", marked.has(row.dataset.scan)));
  };
  // A click chooses in one method's points and clears the others', one after the other: what counts is there when all are done.
  const settle = () => {
    waiting = 0;
    const chosen = sources.map(names), fresh = chosen.filter((own) => own.some((name) => !marked.has(name)));
    mark((fresh.length ? fresh : chosen).flat());
  };
  const listen = () => {
    if (!Bokeh.documents.length) return void setTimeout(listen, 100);
    sources = [...new Set(drawn().filter((one) => one.tags.includes("scans")).map((one) => one.data_source))];
    for (const source of sources) source.selected.change.connect(() => { waiting = waiting || setTimeout(settle); });
    document.documentElement.dataset.ready = "";
  };
  if (table) {
    table.tBodies[0].dataset.linked = "";
    table.tBodies[0].addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      mark(row.classList.contains("chosen") ? [] : [row.dataset.scan]);
    });
  }
  listen();
  show();

  // In print everything is unfolded. Plots keep the size that they have on the screen, so they are made smaller: two in a row where they stay
  // legible, else one. 680 pixels lie between the margins of A4 and Letter.
  const page = 680, gap = 16, legible = 0.6;
  addEventListener("beforeprint", () => {
    all("details").forEach((one) => { one.open = true; });
    for (const plot of all(".plot").filter((one) => !one.style.zoom)) {
      const width = plot.offsetWidth, half = (page - gap) / 2 / width;
      const alone = half < legible || plot.parentElement.classList.contains("narrow");
      Object.assign(plot.style, { width: `${width}px`, zoom: alone ? Math.min(1, page / width) : half });
    }
  });
  addEventListener("afterprint", () => all(".plot").forEach((plot) => plot.removeAttribute("style")));
})();
