// Draws each element with data-chart by uPlot, in the page's colours; lines differ by dashes as well as by colour.
"use strict";
(() => {
  const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [4, 8]];
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const line = (place) => colour(`--series-${(place % DASHES.length) + 1}`);
  const shown = (value, unit) => value == null ? "" : `${Number(value.toPrecision(3)).toLocaleString("en")} ${unit}`;

  function series(chart) {
    const made = [{ label: "UTC", class: "when", value: (_, at) => at == null ? "" : uPlot.fmtDate("{YYYY}-{MM}-{DD} {HH}:{mm}")(utc(at)) }];
    const data = [chart.times], bands = [];
    chart.series.forEach((one, place) => {
      const stroke = line(place), dash = DASHES[place % DASHES.length];
      made.push({ label: one.name, stroke, dash, width: 2, value: (_, value) => shown(value, chart.unit), points: { size: 5 }, spanGaps: false });
      data.push(one.values);
      if (one.low && one.high) {
        const hidden = { stroke: "transparent", label: "", points: { show: false }, class: "edge" };
        made.push({ ...hidden }, { ...hidden });
        data.push(one.high, one.low);
        bands.push({ series: [made.length - 2, made.length - 1], fill: `${stroke}33` });
      }
    });
    chart.limits.forEach((limit) => {
      made.push({ label: limit.name, stroke: colour("--drift"), dash: [3, 5], width: 1, points: { show: false }, value: (_, value) => shown(value, "") });
      data.push(chart.times.map(() => limit.value));
    });
    return { made, data, bands };
  }

  const utc = (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC");

  function draw(place) {
    const chart = JSON.parse(place.dataset.chart);
    const { made, data, bands } = series(chart);
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--grid"), width: 1 } };
    const options = {
      width: Math.max(place.clientWidth, 200),
      height: 190,
      tzDate: utc,
      cursor: { y: false, drag: { x: false, y: false } },
      legend: { markers: { dash: (plot, index) => index > 0 && plot.series[index].dash && plot.series[index].dash.length ? "dashed" : "solid" } },
      scales: { y: { range: (_, low, high) => low == null ? [0, 1] : [Math.min(0, low), high > 0 ? high * 1.1 : 1] } },
      axes: [{ ...axis, values: times }, { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => Number(tick.toPrecision(6)).toLocaleString("en")) }],
      series: made,
      bands,
    };
    if (chart.zoom) options.scales.y.range = (_, low, high) => low == null ? [0, 1] : [low - (high - low) * 0.15 - 1e-9, high + (high - low) * 0.15 + 1e-9];
    place.plot?.destroy();
    place.plot = new uPlot(options, data, place);
  }

  const times = (_, ticks) => {
    const days = ticks.length > 1 && ticks[ticks.length - 1] - ticks[0] > 100000;
    return ticks.map((at) => uPlot.fmtDate(days ? "{MM}-{DD}" : "{HH}:{mm}")(utc(at)));
  };

  function drawAll(root) {
    root.querySelectorAll("[data-chart]").forEach(draw);
  }

  const watched = new ResizeObserver((entries) => entries.forEach(({ target }) => {
    if (target.plot && Math.abs(target.plot.width - target.clientWidth) > 1 && target.clientWidth > 0) target.plot.setSize({ width: target.clientWidth, height: 190 });
  }));

  function start(root) {
    drawAll(root);
    root.querySelectorAll("[data-chart]").forEach((place) => watched.observe(place));
  }

  document.addEventListener("DOMContentLoaded", () => start(document));
  document.addEventListener("htmx:afterSwap", (swapped) => start(swapped.target));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));
})();
