// Sections that fold, and tables that sort and filter.
(() => {
  "use strict";
  // a link to a closed section, or to something inside one, opens it
  function reveal() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView();
  }
  window.addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) setTimeout(reveal);
  });

  const folds = [...document.querySelectorAll("details.fold")];
  const nav = document.querySelector("nav");
  if (nav && folds.length) {
    const button = document.createElement("button");
    button.type = "button";
    const label = () => (button.textContent = folds.every((fold) => fold.open) ? "Close all" : "Open all");
    button.addEventListener("click", () => {
      const open = !folds.every((fold) => fold.open);
      folds.forEach((fold) => (fold.open = open));
    });
    folds.forEach((fold) => fold.addEventListener("toggle", label));
    label();
    nav.append(button);
  }

  // the first number of a cell as it is printed: −0.5, 12 345, [0.1, 0.2], < 0.001
  function value(text) {
    const found = text.replace(/\u202f/g, "").replace(/−/g, "-").match(/-?(\d+\.?\d*(e-?\d+)?|∞)/);
    if (!found) return null;
    const number = found[0].includes("∞") ? (found[0][0] === "-" ? -Infinity : Infinity) : Number(found[0]);
    return text.trim().startsWith("<") ? number - 1e-9 : number;
  }

  function sortable(table) {
    const body = table.tBodies[0];
    const first = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.title = "Sort";
      button.addEventListener("click", () => {
        const was = head.getAttribute("aria-sort");
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        // up, down, and back to the order of the file
        const now = was === "ascending" ? "descending" : was === "descending" ? "" : "ascending";
        if (!now) return body.append(...first);
        head.setAttribute("aria-sort", now);
        const sign = now === "ascending" ? 1 : -1;
        const numeric = head.classList.contains("num");
        const keyed = first.map((row) => {
          const text = row.cells[column].textContent;
          return { row, key: numeric ? value(text) : text };
        });
        keyed.sort((a, b) => {
          if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
          return sign * (numeric ? a.key - b.key || 0 : a.key.localeCompare(b.key, undefined, { numeric: true }));
        });
        body.append(...keyed.map((k) => k.row));
      });
    });
  }

  function filtered(table) {
    const rows = [...table.tBodies[0].rows];
    const bar = document.createElement("p");
    bar.className = "filter";
    const input = document.createElement("input");
    input.type = "search";
    input.placeholder = "Filter rows";
    input.setAttribute("aria-label", "Filter the rows of this table");
    const count = document.createElement("span");
    count.setAttribute("aria-live", "polite");
    const letters = new Map();
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        if (!letters.has(row)) letters.set(row, row.textContent.toLowerCase());
        row.hidden = !words.every((word) => letters.get(row).includes(word));
        shown += !row.hidden;
      }
      count.textContent = shown === rows.length ? `${rows.length} rows; click a heading to sort` : `${shown} of ${rows.length} rows`;
    };
    input.addEventListener("input", apply);
    bar.append(input, " ", count);
    table.closest(".scroll").before(bar);
    apply();
  }

  for (const table of document.querySelectorAll("table.data")) {
    if (!table.tHead || !table.tBodies[0] || table.classList.contains("compare")) continue;
    sortable(table);
    if (table.tBodies[0].rows.length > 8) filtered(table);
  }
  reveal();
})();
