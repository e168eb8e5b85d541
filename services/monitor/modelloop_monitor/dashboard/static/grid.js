// A table with data-grid is one stop of the tab key: arrows move among its links, Home and End along a row.
"use strict";
(() => {
  const links = (row) => [...row.querySelectorAll("a")];

  function start(root) {
    root.querySelectorAll("[data-grid]").forEach((grid) => {
      const all = [...grid.querySelectorAll("tbody a")];
      const current = all.find((link) => link.getAttribute("aria-current")) || all[all.length - 1];
      all.forEach((link) => { link.tabIndex = link === current ? 0 : -1; });
    });
  }

  function target(link, key) {
    const row = link.closest("tr"), own = links(row), place = own.indexOf(link);
    const rows = [...row.parentElement.rows].filter((one) => links(one).length), line = rows.indexOf(row);
    const across = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: own.length - 1 };
    if (key in across) return own[across[key]];
    const down = { ArrowUp: line - 1, ArrowDown: line + 1 };
    return key in down && rows[down[key]] ? links(rows[down[key]])[place] : undefined;
  }

  document.addEventListener("keydown", (pressed) => {
    const link = pressed.target.closest?.("[data-grid] tbody a");
    const next = link && !pressed.altKey && !pressed.ctrlKey && !pressed.metaKey ? target(link, pressed.key) : undefined;
    if (!next) return;
    pressed.preventDefault();
    link.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  document.addEventListener("DOMContentLoaded", () => start(document));
  document.addEventListener("htmx:afterSwap", (swapped) => start(swapped.target));
})();
