// Shows readings as they come over a WebSocket from the address that this page came from. No framework, no build step.

import { address, byId, paint, say } from "./dom.js";
import { setUp, show, speak } from "./parts.js";
import { leavePictures, notePictures, watchPictures } from "./pictures.js";
import { plot } from "./plot.js";
import { duration } from "./words.js";

const RETRY_S = [0.5, 1, 2, 4, 5];

let config = null;
let readings = []; // of the last minute
let heardMs = performance.now(); // when the last reading came; before the first, when we began to wait
let tries = 0;
let retryAtMs = null;
let socket = null;
let drawing = false;

const isOpen = () => socket?.readyState === WebSocket.OPEN;
const lookForPictures = () => watchPictures(() => config?.video && !document.hidden && isOpen());

const handlers = {
  config(news) {
    config = news;
    setUp(config);
    lookForPictures();
  },
  history(news) {
    readings = news.readings;
    heardMs = performance.now() - 1000 * (news.age_s ?? 0);
    if (readings.length) showNewest();
    tick();
  },
  reading({ reading }) {
    if (readings.length && reading.t <= readings.at(-1).t) readings = []; // another run
    readings.push(reading);
    while (reading.t - readings[0].t > config.history_s) readings.shift();
    heardMs = performance.now();
    document.body.classList.remove("silent");
    showNewest();
  },
};

function showNewest() {
  show(readings.at(-1), config);
  draw();
}

function draw() { // once a frame, however many readings came
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; plot(byId("plot"), config, readings); });
}

function connect() {
  retryAtMs = null;
  socket = new WebSocket(address("/readings"));
  socket.onopen = () => { tries = 0; tick(); lookForPictures(); };
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
  say(byId("link-sign"), isOpen() ? "●" : "○");
  say(byId("link-text"), isOpen() ? "connected" : tries ? "not connected, trying again" : "connecting");
  if (silentS >= (config?.silent_s ?? 3)) showSilence(Math.floor(silentS));
  notePictures(nowMs);
  if (retryAtMs !== null && nowMs >= retryAtMs) connect();
}

function showSilence(silentS) {
  document.body.classList.add("silent");
  byId("now").classList.remove("coloured");
  paint(byId("now"), null);
  say(byId("emotion"), readings.length ? `no reading for\u00a0${duration(silentS, 0)}` : "no reading yet");
  say(byId("sure"), config && !config.live ? "has the replay ended?" : "is m3er-edge running?");
  say(byId("evidence"), readings.length ? `the last one: ${readings.at(-1).emotion}` : "");
  speak("no reading: is m3er-edge running?", "silence");
  document.title = "no reading · m3er-edge";
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) { leavePictures(); return; }
  if (retryAtMs !== null) retryAtMs = 0;
  tick();
  lookForPictures();
});
new ResizeObserver(draw).observe(byId("chart"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
// The token has become a cookie: it stays neither in sight nor in the history.
if (new URLSearchParams(location.search).has("token")) history.replaceState(null, "", location.pathname);
connect();
setInterval(tick, 250);
