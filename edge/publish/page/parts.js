// The page's parts: the emotion now, its probabilities, the modalities, their pairs, the words, the machine.

import { byId, make, paint, say } from "./dom.js";
import { duration, listed, percent, signed } from "./words.js";

const SPEAK_EVERY_S = 4;

let spoken = { emotion: "", ms: -Infinity };

export function setUp(config) { // once the page knows what there is to show
  say(byId("title"), config.title);
  document.body.classList.toggle("video", config.video);
  byId("picture").hidden = !config.video;
  say(byId("recording"), config.recording);
  byId("recording").hidden = !config.recording;
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
}

export function show(reading, config) {
  const isKnown = reading.emotion !== "unknown";
  byId("now").classList.toggle("coloured", isKnown);
  paint(byId("now"), isKnown ? config.colours[reading.emotion] : null);
  say(byId("emotion"), reading.emotion);
  const likeliest = best(reading.probabilities);
  const sure = percent(reading.confidence);
  const isGuess = reading.evidence !== "none";
  say(byId("sure"), !isGuess ? "" : isKnown || !likeliest ? `${sure} sure` : `${likeliest} at most, ${sure}`);
  const live = config.modalities.filter((name) => reading.modalities[name]?.state === "live");
  say(byId("evidence"), { correlation: `from ${listed(live)}, which agree`, single: `from ${listed(live)} alone`,
    none: "no sense gives anything to go by" }[reading.evidence] ?? "");
  for (const label of config.labels) {
    const row = byId(`emotion-${label}`), share = reading.probabilities[label] ?? 0;
    row.classList.toggle("first", isGuess && label === likeliest);
    say(row.querySelector(".share"), percent(share));
    row.querySelector("i").style.width = `${100 * share}%`;
  }
  for (const name of config.modalities) showModality(byId(`modality-${name}`), reading.modalities[name], config.states);
  for (const pair of config.pairs) showPair(byId(`pair-${pair}`), reading.correlation[pair], reading.threshold[pair]);
  say(byId("transcript"), reading.transcript || "no words");
  byId("transcript").classList.toggle("empty", !reading.transcript);
  showFacts(reading, config.hop_s);
  speak(isKnown ? `${reading.emotion}, ${sure}` : "unknown", reading.emotion);
  document.title = `${reading.emotion} ${sure} · m3er-edge ${config.title}`;
  byId("page").dataset.sequence = reading.sequence; // what is shown: for whoever measures
}

function best(probabilities) {
  return Object.keys(probabilities).reduce((a, b) => (a && probabilities[a] >= probabilities[b] ? a : b), "");
}

function showModality(card, part, states) {
  const badge = card.querySelector(".badge"), state = part ? states[part.state] : null;
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

function showFacts(reading, hopS) {
  const latency = reading.latency_ms.capture_to_reading, pace = reading.pace;
  const facts = [["faces", `${reading.faces}`]];
  if (latency !== undefined) facts.push(["latency", `${latency.toFixed(latency < 10 ? 1 : 0)} ms`]);
  facts.push(["a step every", `${pace?.hop_s ?? hopS} s`]);
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

export function speak(text, emotion) { // to a screen reader: a change, not every reading
  const nowMs = performance.now();
  if (emotion === spoken.emotion || nowMs - spoken.ms < 1000 * SPEAK_EVERY_S) return;
  spoken = { emotion, ms: nowMs };
  say(byId("spoken"), text);
}
