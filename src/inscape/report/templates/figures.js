// Draws the figures of the page: each fitted to its width, in the variant of the theme that the reader prefers, again when
// either changes. A figure in a closed section is drawn when the section opens. See inscape.report.packing for the data.
(() => {
  "use strict";
  const held = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const figures = [...document.querySelectorAll("[data-figure]")].map((box) => ({
    box,
    spec: held.specs[box.dataset.figure],
    hero: Boolean(box.closest(".hero")),
    drawn: "",
  }));

  function rows(number) {
    const data = held.data[number];
    if (!data.columns) return data.value;
    return data.rows.map((row) => Object.fromEntries(data.columns.map((column, i) => [column, row[i]])));
  }

  // the most that a figure of the first screen is tall, without its title, legend and axis
  const TALL = 260;

  // how many panels a specification draws: those it lists, or one for each value that it is split by
  function counted(spec) {
    if (spec.concat) return spec.concat.length;
    if (!spec.spec) return 1;
    const data = spec.data && spec.data.name && spec.datasets[spec.data.name];
    const field = spec.facet && spec.facet.field;
    return data && field ? new Set(data.map((row) => row[field])).size : 0;
  }

  // A specification with its data, and its panels, columns and widths chosen for `room` px; see inscape.charts.frame.fit.
  function fit(figure, room) {
    const out = structuredClone(figure.spec);
    for (const name of Object.keys(out.datasets || {})) out.datasets[name] = rows(out.datasets[name]);
    const shape = out.usermeta && out.usermeta.inscape;
    if (!shape) {
      if ((out.mark || out.layer) && typeof out.width === "number" && out.width > room - 60) out.width = Math.max(160, room - 80);
      return out;
    }
    const gap = typeof out.spacing === "number" ? out.spacing : 20;
    const space = Math.min(room, shape.most || room) - shape.margin;
    const per = (figure.hero ? Math.min(shape.cell, 190) : shape.cell) + shape.outside + gap;
    const columns = Math.max(1, Math.min(shape.columns, Math.floor((space + gap) / per)));
    const width = Math.max(140, Math.floor((space - gap * (columns - 1)) / columns - shape.outside));
    const panels = counted(out) || shape.columns;
    const tall = figure.hero ? Math.floor(TALL / Math.ceil(panels / columns)) : Infinity;
    const set = (view) => {
      view.width = width;
      if (shape.aspect) view.height = Math.round(width * shape.aspect);
      else if (typeof view.height === "number") view.height = Math.max(90, Math.min(view.height, tall));
    };
    if (out.concat) {
      out.columns = columns;
      out.concat.forEach(set);
    } else if (out.spec) {
      out.columns = columns;
      set(out.spec);
    } else set(out);
    return out;
  }

  async function draw(figure) {
    const room = Math.floor(figure.box.clientWidth);
    const scheme = dark.matches ? "dark" : "light";
    const key = `${room} ${scheme}`;
    if (room < 1 || figure.drawn === key) return;
    figure.drawn = key;
    const config = structuredClone(held.themes[scheme]);
    const shape = (figure.spec.usermeta || {}).inscape || {};
    if (shape.entry) config.legend.columns = Math.max(1, Math.floor(room / shape.entry));
    else if (room < 560) config.legend.columns = 2;
    const canvas = document.createElement("div");
    try {
      const shown = fit(figure, room);
      // a title longer than its axis would lie on that of the panel above
      const { height } = shown.spec || (shown.concat && shown.concat[0]) || shown;
      if (typeof height === "number") config.axisY = { ...config.axisY, titleLimit: Math.max(height, 80) };
      const result = await window.vegaEmbed(canvas, shown, {
        // the interpreter evaluates no code, and the page's policy knows no style but its own
        mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false, config,
        tooltip: { theme: scheme, disableDefaultStyle: true },
      });
      if (figure.drawn !== key) return result.finalize();
      if (figure.result) figure.result.finalize();
      figure.result = result;
      figure.box.dataset.scheme = scheme;
      figure.box.replaceChildren(canvas);
      figure.box.classList.add("drawn");
    } catch (error) {
      console.error(error);
      const note = document.createElement("p");
      note.className = "wait";
      note.textContent = `This figure could not be drawn here (${error.message}); its files are linked below.`;
      figure.box.replaceChildren(note);
    }
  }

  let waiting = 0;
  const all = () => figures.forEach(draw);
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(all, 120);
  };
  dark.addEventListener("change", all);
  window.addEventListener("resize", soon);
  for (const fold of document.querySelectorAll("details")) fold.addEventListener("toggle", all);
  all();
})();
