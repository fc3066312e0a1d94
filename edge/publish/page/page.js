// Shows readings as they come over a WebSocket from the address that this page came from. No framework, no build step.
"use strict";

const RETRY_S = [0.5, 1, 2, 4, 5];
const SPEAK_EVERY_S = 4;
const GAP_S = 3; // longer between two readings than this: nothing is drawn there
const byId = (id) => document.getElementById(id);

let config = null;
let readings = []; // of the last minute
let heardMs = performance.now(); // when the last reading came; before the first, when we began to wait
let tries = 0;
let retryAtMs = null;
let socket = null;
let pictures = null;
let pictureMs = null;
let spoken = { text: "", ms: -Infinity };
let drawing = false;

// ---- Words ------------------------------------------------------------------------------------------------------

const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function make(tag, className, parent, text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
}

function paint(element, colour) {
  element.style.background = colour ? colour.fill : "";
  element.style.color = colour ? colour.ink : "";
}

// ---- The page's parts -------------------------------------------------------------------------------------------

function setUp(news) {
  config = news;
  say(byId("title"), config.title);
  document.body.classList.toggle("video", config.video);
  byId("picture").hidden = !config.video;
  for (const id of ["emotions", "modalities", "correlations"]) byId(id).replaceChildren();
  for (const label of config.labels) {
    const row = make("li", "", byId("emotions"));
    row.id = `emotion-${label}`;
    make("span", "name", row, label);
    make("span", "share", row, "–");
    make("i", "", make("div", "bar", row)).style.background = config.colours[label].fill;
  }
  for (const name of config.modalities) {
    const card = make("article", "modality", byId("modalities"));
    card.id = `modality-${name}`;
    make("h2", "", card, name);
    make("span", "badge", card, "–");
    make("p", "reason", card);
    make("p", "measures", card);
  }
  for (const pair of config.pairs) {
    const row = make("div", "pair", byId("correlations"));
    row.id = `pair-${pair}`;
    make("span", "name", row, pair.replace("-", " – "));
    const scale = make("div", "scale", row);
    make("span", "need", scale);
    make("span", "dot", scale);
    make("span", "verdict", row);
  }
  const ends = make("div", "ends", make("div", "pair", byId("correlations")));
  for (const end of ["−1", "0", "+1"]) make("span", "", ends, end);
  if (config.video) watchPictures();
}

function show(reading) {
  const isKnown = reading.emotion !== "unknown";
  byId("now").classList.toggle("coloured", isKnown);
  paint(byId("now"), isKnown ? config.colours[reading.emotion] : null);
  say(byId("emotion"), reading.emotion);
  const likeliest = best(reading.probabilities);
  const sure = percent(reading.confidence);
  const isGuess = reading.evidence !== "none";
  say(byId("sure"), !isGuess ? "" : isKnown || !likeliest ? `${sure} sure` : `${likeliest} at most, ${sure}`);
  const live = config.modalities.filter((name) => reading.modalities[name]?.state === "live");
  say(byId("evidence"), { correlation: `from ${words(live)}, which agree`, single: `from ${words(live)} alone`,
    none: "no sense gives anything to go by" }[reading.evidence] ?? "");
  for (const label of config.labels) {
    const row = byId(`emotion-${label}`), share = reading.probabilities[label] ?? 0;
    row.classList.toggle("first", isGuess && label === likeliest);
    say(row.querySelector(".share"), percent(share));
    row.querySelector("i").style.width = `${100 * share}%`;
  }
  for (const name of config.modalities) showModality(byId(`modality-${name}`), reading.modalities[name]);
  for (const pair of config.pairs) showPair(byId(`pair-${pair}`), reading.correlation[pair], reading.threshold[pair]);
  say(byId("transcript"), reading.transcript || "no words");
  byId("transcript").classList.toggle("empty", !reading.transcript);
  showFacts(reading);
  speak(isKnown ? `${reading.emotion}, ${sure}` : "unknown", reading.emotion);
  document.title = `${reading.emotion} ${sure} · m3er-edge ${config.title}`;
  byId("page").dataset.sequence = reading.sequence; // what is shown: for whoever measures
  draw();
}

function words(names) {
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0] ?? "nothing";
}

function best(probabilities) {
  return Object.keys(probabilities).reduce((a, b) => (a && probabilities[a] >= probabilities[b] ? a : b), "");
}

function showModality(card, part) {
  const badge = card.querySelector(".badge"), state = part ? config.states[part.state] : null;
  card.dataset.state = part?.state ?? "";
  say(badge, part ? `${state.sign} ${part.state}` : "–");
  paint(badge, state);
  say(card.querySelector(".reason"), part?.reason ?? "");
  const measures = [];
  if (part?.age_s != null) measures.push(`${part.age_s.toFixed(1)} s old`);
  if (part?.quality != null) measures.push(`quality ${percent(part.quality)}`);
  say(card.querySelector(".measures"), measures.join(", "));
}

function showPair(row, value, least) {
  const isKnown = value !== undefined && least !== undefined;
  const place = (v) => `${50 + 50 * Math.max(-1, Math.min(1, v))}%`;
  for (const mark of row.querySelectorAll(".need, .dot")) mark.hidden = !isKnown;
  row.classList.toggle("differ", isKnown && value < least);
  if (isKnown) {
    row.querySelector(".need").style.left = place(least);
    row.querySelector(".dot").style.left = place(value);
  }
  const verdict = value >= least ? `≥ ${signed(least)} agree` : `< ${signed(least)} differ`;
  say(row.querySelector(".verdict"), isKnown ? `${signed(value)} ${verdict}` : "nothing to compare");
}

function showFacts(reading) {
  const latency = reading.latency_ms.capture_to_reading, pace = reading.pace;
  const facts = [["faces", `${reading.faces}`]];
  if (latency !== undefined) facts.push(["latency", `${latency.toFixed(latency < 10 ? 1 : 0)} ms`]);
  facts.push(["a step every", `${pace?.hop_s ?? config.hop_s} s`]);
  if (pace) facts.push(["pictures", `${pace.frame_rate_hz} / s`]);
  if (pace?.slowed_by) facts.push(["slowed by", pace.slowed_by, "warn"]);
  if (pace?.temperature_c != null) facts.push(["processor", `${pace.temperature_c.toFixed(0)} °C`]);
  facts.push(["running for", duration(reading.t)]);
  const [name, digest] = reading.bundle.split("@sha256:");
  facts.push(["bundle", digest ? `${name} ${digest.slice(0, 8)}` : name]);
  const list = byId("facts");
  while (list.children.length > facts.length) list.lastChild.remove();
  facts.forEach(([what, value, className], i) => {
    const row = list.children[i] ?? make("div", "", list);
    if (!row.children.length) { make("dt", "", row); make("dd", "", row); }
    row.className = className ?? "";
    say(row.children[0], what);
    say(row.children[1], value);
  });
}

function duration(s, digits = 1) {
  if (s < 60) return `${s.toFixed(digits)}\u00a0s`;
  const m = Math.floor(s / 60), h = Math.floor(m / 60);
  return h ? `${h}\u00a0h ${m % 60}\u00a0min` : `${m}\u00a0min ${Math.floor(s % 60)}\u00a0s`;
}

function speak(text, emotion) { // to a screen reader: a change, not every reading
  const nowMs = performance.now();
  if (emotion === spoken.emotion || nowMs - spoken.ms < 1000 * SPEAK_EVERY_S) return;
  spoken = { emotion, ms: nowMs };
  say(byId("spoken"), text);
}

// ---- The plot ---------------------------------------------------------------------------------------------------

function draw() { // once a frame, however many readings came
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; plot(byId("plot")); });
}

function plot(canvas) {
  const { width, height } = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  if (!config || !width) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const g = canvas.getContext("2d"), style = getComputedStyle(document.body);
  const font = (px, weight = 400) => { g.font = `${weight} ${px}px ${style.fontFamily}`; };
  const ink = style.getPropertyValue("--ink"), dim = style.getPropertyValue("--dim"), line = style.getPropertyValue("--line");
  const strip = 13, left = 56, right = width - 2, top = 6, bottom = height - 22 - config.modalities.length * (strip + 4) - 6;
  const newest = readings.at(-1)?.t ?? 0;
  const x = (t) => right - (right - left) * (newest - t) / config.history_s;
  const y = (share) => bottom - (bottom - top) * share;
  g.scale(ratio, ratio);
  g.lineJoin = "round";
  font(13);
  g.textBaseline = "middle";
  g.strokeStyle = line;
  g.fillStyle = dim;
  g.textAlign = "right";
  for (const share of [0, 0.5, 1]) {
    g.strokeRect(left, y(share), right - left, 0);
    g.fillText(percent(share), left - 6, y(share) + (share === 1 ? 4 : share === 0 ? -4 : 0));
  }
  for (const run of runs()) bands(g, run, x, y, ink, font);
  font(13);
  config.modalities.forEach((name, i) => {
    const at = bottom + 8 + i * (strip + 4);
    g.fillStyle = dim;
    g.textAlign = "right";
    g.fillText(name, left - 6, at + strip / 2);
    for (const run of runs()) run.forEach((reading, k) => {
      const state = reading.modalities[name]?.state;
      if (!state) return;
      const from = Math.floor(x(k ? run[k - 1].t : Math.max(reading.t - config.hop_s, newest - config.history_s)));
      const tall = { live: strip, proxy: strip / 2, absent: 2 }[state]; // told apart without colours as well
      g.fillStyle = config.states[state].fill;
      g.fillRect(from, at + strip - tall, Math.ceil(x(reading.t)) - from, tall);
    });
  });
  g.fillStyle = dim;
  const ago = width < 420 ? [60, 30] : [60, 40, 20];
  for (const s of ago) {
    g.textAlign = s === 60 ? "left" : "center";
    g.fillText(`${s} s ago`, x(newest - s), height - 9);
  }
  g.textAlign = "right";
  g.fillText("now", right, height - 9);
  const last = readings.at(-1);
  if (last) canvas.setAttribute("aria-label", `probabilities over the last minute; now ${config.labels
    .map((label) => `${label} ${percent(last.probabilities[label] ?? 0)}`).join(", ")}`);
}

function runs() { // readings without a gap between them
  const parts = [];
  for (const reading of readings) {
    const before = parts.at(-1)?.at(-1);
    if (before && reading.t - before.t <= Math.max(GAP_S, 2 * config.hop_s)) parts.at(-1).push(reading);
    else parts.push([reading]);
  }
  return parts;
}

function bands(g, run, x, y, ink, font) {
  const first = { ...run[0], t: run[0].t - config.hop_s }; // a reading speaks of the time before it
  const points = x(first.t) >= x(readings.at(-1).t - config.history_s) ? [first, ...run] : run;
  let below = points.map(() => 0);
  const labels = [];
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
    labels.push([label, below, above]);
    below = above;
  }
  font(14, 600);
  g.textAlign = "center";
  for (const [label, low, high] of labels) named(g, label, points, low, high, x, y);
}

function named(g, label, points, low, high, x, y) { // the name, where its band has most room for it
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

// ---- Pictures, where they were asked for ------------------------------------------------------------------------

function address(path) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}

function watchPictures() { // a connection of its own, only while somebody looks: without it nothing is encoded
  if (!config?.video || pictures || document.hidden || socket?.readyState !== WebSocket.OPEN) return;
  pictures = new WebSocket(address("/pictures"));
  pictures.binaryType = "arraybuffer";
  pictures.onmessage = (event) => drawPicture(event.data);
  pictures.onclose = () => { pictures = null; setTimeout(watchPictures, 2000); };
}

async function drawPicture(data) {
  const head = new DataView(data), box = [0, 2, 4, 6].map((at) => head.getUint16(at));
  const image = await createImageBitmap(new Blob([data.slice(8)], { type: "image/jpeg" }));
  const canvas = byId("camera"), g = canvas.getContext("2d");
  canvas.width = image.width;
  canvas.height = image.height;
  g.drawImage(image, 0, 0);
  image.close();
  if (box[2]) {
    for (const [colour, width] of [["#000000", 5], ["#F0E442", 2.5]]) { // seen on any ground
      g.strokeStyle = colour;
      g.lineWidth = width;
      g.strokeRect(...box);
    }
  }
  pictureMs = performance.now();
}

// ---- The connection, and silence --------------------------------------------------------------------------------

const handlers = {
  config: setUp,
  history(news) {
    readings = news.readings;
    heardMs = performance.now() - 1000 * (news.age_s ?? 0);
    if (readings.length) show(readings.at(-1));
    tick();
  },
  reading({ reading }) {
    if (readings.length && reading.t <= readings.at(-1).t) readings = []; // another run
    readings.push(reading);
    while (reading.t - readings[0].t > config.history_s) readings.shift();
    heardMs = performance.now();
    if (document.body.classList.contains("silent")) document.body.classList.remove("silent");
    show(reading);
  },
};

function connect() {
  retryAtMs = null;
  socket = new WebSocket(address("/readings"));
  socket.onopen = () => { tries = 0; tick(); watchPictures(); };
  socket.onmessage = (event) => {
    const news = JSON.parse(event.data);
    handlers[news.kind]?.(news);
  };
  socket.onclose = () => {
    const waitMs = 1000 * RETRY_S[Math.min(tries++, RETRY_S.length - 1)] * (0.8 + 0.4 * Math.random());
    retryAtMs = performance.now() + waitMs;
    tick();
  };
}

function tick() { // four times a second, since silence makes no event
  const nowMs = performance.now(), silentS = (nowMs - heardMs) / 1000;
  const isOpen = socket?.readyState === WebSocket.OPEN;
  say(byId("link-sign"), isOpen ? "●" : "○");
  say(byId("link-text"), isOpen ? "connected" : tries ? "not connected, trying again" : "connecting");
  if (silentS >= (config?.silent_s ?? 3)) {
    document.body.classList.add("silent");
    byId("now").classList.remove("coloured");
    paint(byId("now"), null);
    say(byId("emotion"), readings.length ? `no reading for\u00a0${duration(Math.floor(silentS), 0)}` : "no reading yet");
    say(byId("sure"), config && !config.live ? "has the replay ended?" : "is m3er-edge running?");
    say(byId("evidence"), readings.length ? `the last one: ${readings.at(-1).emotion}` : "");
    speak("no reading: is m3er-edge running?", "silence");
    document.title = "no reading · m3er-edge";
  }
  say(byId("camera-note"), pictureMs === null ? "no picture yet" : nowMs - pictureMs > 3000 ? "no new picture" : "");
  if (retryAtMs !== null && nowMs >= retryAtMs) connect();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) { pictures?.close(); return; }
  if (retryAtMs !== null) retryAtMs = 0;
  tick();
  watchPictures();
});
new ResizeObserver(draw).observe(byId("chart"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
// The token has become a cookie: it stays neither in sight nor in the history.
if (new URLSearchParams(location.search).has("token")) history.replaceState(null, "", location.pathname);
connect();
setInterval(tick, 250);
