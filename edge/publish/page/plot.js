// The last minute: the probabilities as bands, below them each modality's state as a strip.

import { percent } from "./words.js";

const GAP_S = 3; // longer between two readings than this: nothing is drawn there
const STRIP = 13, STRIP_STEP = STRIP + 4, LEFT = 56;

export function plot(canvas, config, readings) {
  const { width, height } = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  if (!config || !width) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const view = viewOf(canvas.getContext("2d"), config, readings.at(-1)?.t ?? 0, width, height);
  view.g.scale(ratio, ratio);
  view.g.lineJoin = "round";
  view.g.textBaseline = "middle";
  const runs = runsOf(readings, Math.max(GAP_S, 2 * config.hop_s));
  drawShares(view);
  for (const run of runs) drawBands(view, run);
  config.modalities.forEach((name, i) => drawStrip(view, runs, name, view.bottom + 8 + i * STRIP_STEP));
  drawTimes(view, width < 420 ? [60, 30] : [60, 40, 20], height - 9);
  const last = readings.at(-1);
  if (last) canvas.setAttribute("aria-label", `probabilities over the last minute; now ${config.labels
    .map((label) => `${label} ${percent(last.probabilities[label] ?? 0)}`).join(", ")}`);
}

function viewOf(g, config, newest, width, height) { // where a time and a share lie, and how things are written
  const right = width - 2, top = 6, bottom = height - 28 - config.modalities.length * STRIP_STEP;
  const style = getComputedStyle(document.body), colour = (name) => style.getPropertyValue(name);
  return {
    g, config, newest, right, bottom,
    x: (t) => right - (right - LEFT) * (newest - t) / config.history_s,
    y: (share) => bottom - (bottom - top) * share,
    ink: colour("--ink"), dim: colour("--dim"), line: colour("--line"),
    write(align, px, weight = 400) {
      g.font = `${weight} ${px}px ${style.fontFamily}`;
      g.textAlign = align;
    },
  };
}

function runsOf(readings, gapS) { // readings without a gap between them
  const parts = [];
  for (const reading of readings) {
    const before = parts.at(-1)?.at(-1);
    if (before && reading.t - before.t <= gapS) parts.at(-1).push(reading);
    else parts.push([reading]);
  }
  return parts;
}

function drawShares({ g, right, y, dim, line, write }) {
  write("right", 13);
  g.strokeStyle = line;
  g.fillStyle = dim;
  for (const share of [0, 0.5, 1]) {
    g.strokeRect(LEFT, y(share), right - LEFT, 0);
    g.fillText(percent(share), LEFT - 6, y(share) + (share === 1 ? 4 : share === 0 ? -4 : 0));
  }
}

function drawBands(view, run) {
  const { g, config, newest, x, y, ink, write } = view;
  const first = { ...run[0], t: run[0].t - config.hop_s }; // a reading speaks of the time before it
  const points = x(first.t) >= x(newest - config.history_s) ? [first, ...run] : run;
  let below = points.map(() => 0);
  const bands = [];
  for (const label of [...config.labels].reverse()) {
    const above = points.map((reading, i) => below[i] + (reading.probabilities[label] ?? 0));
    g.beginPath();
    points.forEach((reading, i) => g.lineTo(x(reading.t), y(above[i])));
    for (let i = points.length - 1; i >= 0; i--) g.lineTo(x(points[i].t), y(below[i]));
    g.closePath();
    g.fillStyle = config.colours[label].fill;
    g.fill();
    g.strokeStyle = ink;
    g.lineWidth = 0.6;
    g.stroke();
    bands.push([label, below, above]);
    below = above;
  }
  write("center", 14, 600);
  for (const [label, low, high] of bands) nameBand(view, label, points, low, high);
}

function nameBand({ g, config, x, y }, label, points, low, high) { // where the band has most room for it
  const half = g.measureText(label).width / 2 + 6, need = 18;
  let bestAt = null, most = need;
  points.forEach((reading, i) => {
    const at = x(reading.t);
    const under = points.map((_, k) => k).filter((k) => Math.abs(x(points[k].t) - at) <= half);
    if (at - half < x(points[0].t) || at + half > x(points.at(-1).t)) return;
    const floor = Math.max(...under.map((k) => low[k])), roof = Math.min(...under.map((k) => high[k]));
    const room = y(floor) - y(roof);
    if (room > most) { most = room; bestAt = [at, (y(floor) + y(roof)) / 2]; }
  });
  if (!bestAt) return;
  g.fillStyle = config.colours[label].ink;
  g.fillText(label, ...bestAt);
}

function drawStrip({ g, config, newest, x, dim, write }, runs, name, top) {
  write("right", 13);
  g.fillStyle = dim;
  g.fillText(name, LEFT - 6, top + STRIP / 2);
  for (const run of runs) run.forEach((reading, k) => {
    const state = reading.modalities[name]?.state;
    if (!state) return;
    const from = Math.floor(x(k ? run[k - 1].t : Math.max(reading.t - config.hop_s, newest - config.history_s)));
    const tall = { live: STRIP, proxy: STRIP / 2, absent: 2 }[state]; // told apart without colours as well
    g.fillStyle = config.states[state].fill;
    g.fillRect(from, top + STRIP - tall, Math.ceil(x(reading.t)) - from, tall);
  });
}

function drawTimes({ g, newest, right, x, dim, write }, agoS, at) {
  g.fillStyle = dim;
  for (const s of agoS) {
    write(s === 60 ? "left" : "center", 13);
    g.fillText(`${s} s ago`, x(newest - s), at);
  }
  write("right", 13);
  g.fillText("now", right, at);
}
