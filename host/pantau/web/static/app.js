// The page: asks for everything once, listens for what changes, and ages what it shows by itself.

import { Card } from "./card.js";
import { el, put } from "./dom.js";
import { LocatorMap } from "./map.js";
import * as model from "./model.js";
import * as text from "./text.js";

const TICK_MS = 1000;
const ASK_AGAIN_MS = 60_000; // stations come and go without an event; also the way out where events are refused
const LOST_MS = 4000; // a reconnect takes this long without a person being told

const at = (id) => document.getElementById(id);
const cards = new Map();
const map = new LocatorMap(at("map"), pick);
const eyes = new IntersectionObserver(
  (entries) => entries.forEach(({ target, isIntersecting }) => target.card.show(isIntersecting)),
  { rootMargin: "200px" },
);
let title = "Pantau";
let lost_ms = null; // since when there is no live connection
let shownOrder = "";

function pick(id) {
  cards.get(id)?.element.scrollIntoView({ behavior: "smooth", block: "center" });
}

function card(id) {
  let found = cards.get(id);
  if (!found) {
    found = new Card(id);
    found.element.card = found;
    cards.set(id, found);
    eyes.observe(found.element);
  }
  return found;
}

function arrange() {
  const order = model.order();
  const key = order.join(" ");
  if (key === shownOrder) return;
  shownOrder = key;
  at("cards").replaceChildren(...order.map((id) => card(id).element));
}

function tile(number, label, state = "") {
  const made = el("div", "tile", null, el("b", "", number), el("span", "", label));
  if (state) made.dataset.state = state;
  return made;
}

function network() {
  const all = [...model.nodes.values()];
  const count = Object.fromEntries(model.STATES.map((state) => [state, 0]));
  for (const node of all) count[model.state(node)] += 1;
  const sum = (name) => all.reduce((total, node) => total + (node.health[name] ?? 0), 0);
  const reporting = all.filter((node) => !model.silent(node)).length;
  const tiles = [tile(`${reporting} / ${all.length}`, text.say("reporting"), reporting === all.length ? "ok" : "late")];
  for (const state of model.STATES) if (state !== "ok" && count[state]) tiles.push(tile(count[state], text.say(`states.${state}`), state));
  const clocks = all.filter((node) => node.clock >= 2).length;
  tiles.push(tile(`${clocks} / ${all.length}`, text.say("clocks"), clocks === all.length ? "" : "late"));
  tiles.push(tile(text.number(sum("outbox_records")), text.say("waiting")));
  if (sum("overwritten_records")) tiles.push(tile(text.number(sum("overwritten_records")), text.say("overwritten"), "fault"));
  const firmware = [...new Set(all.map((node) => node.firmware).filter(Boolean))];
  if (firmware.length) tiles.push(tile(firmware.slice(0, 3).join(", "), text.say("firmware")));
  const bar = el("div", "states");
  for (const state of model.STATES) {
    if (!count[state]) continue;
    const part = el("i");
    part.dataset.state = state;
    part.style.flexGrow = count[state];
    bar.append(part);
  }
  at("network").replaceChildren(bar, ...tiles);
}

function tick() {
  put(at("clock"), text.clock(model.now()));
  const live = lost_ms === null ? "live" : Date.now() - lost_ms > LOST_MS ? "lost" : "connecting";
  at("live").dataset.live = live;
  put(at("live").lastElementChild, text.say(live));
  if (live !== "lost" || !at("banner").dataset.refused) at("banner").hidden = live !== "lost";
  if (live === "lost" && !at("banner").dataset.refused) put(at("banner"), text.say("banner", { age: text.age((Date.now() - lost_ms) / 1000) }));
  for (const [id, shown] of cards) map.mark(id, shown.tick());
  arrange();
  network();
}

function words() {
  document.documentElement.lang = text.language;
  document.title = title;
  put(at("title"), title);
  put(at("tagline"), text.say("tagline"));
  put(at("language"), text.say("other_language"));
  at("theme").title = text.say("theme");
  at("theme").setAttribute("aria-label", text.say("theme"));
  put(at("foot"), text.say("foot"));
}

function renderAll() {
  words();
  for (const id of [...cards.keys()]) {
    if (model.nodes.has(id)) continue;
    eyes.unobserve(cards.get(id).element);
    cards.delete(id);
  }
  for (const id of model.nodes.keys()) card(id).render();
  arrange();
  map.render();
  if (!model.nodes.size) at("cards").replaceChildren(el("p", "none", text.say("empty")));
  tick();
}

/** Say a refusal in the bridge's own words. */
function refused(detail) {
  at("banner").dataset.refused = "yes";
  at("banner").hidden = false;
  put(at("banner"), text.say("closed", { detail }));
}

async function askAll() {
  let answer = null;
  let body = null;
  try {
    answer = await fetch("/api/nodes.geojson");
    body = await answer.json();
  } catch {
    lost_ms ??= Date.now();
    return;
  }
  if (!answer.ok) {
    refused(body.detail);
    return;
  }
  delete at("banner").dataset.refused;
  title = body.title;
  model.take(body, true);
  renderAll();
}

function listen() {
  const events = new EventSource("/api/events");
  let opened = false;
  events.addEventListener("open", () => {
    lost_ms = null;
    if (opened) askAll(); // what changed while we were away
    opened = true;
  });
  events.addEventListener("error", () => {
    lost_ms ??= Date.now();
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, LOST_MS);
  });
  events.addEventListener("reload", askAll);
  events.addEventListener("change", ({ data }) => {
    const known = model.nodes.size;
    const named = model.take(JSON.parse(data), false);
    for (const id of named) card(id).render();
    if (model.nodes.size !== known) map.render();
    tick();
  });
}

function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // private window: the choice lasts as long as the page
  }
}

function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function theme(wanted) {
  if (wanted) document.documentElement.dataset.theme = wanted;
}

async function start() {
  const asked = new URLSearchParams(location.search);
  theme(asked.get("theme") ?? recall("theme"));
  text.use(asked.get("lang") ?? recall("language") ?? navigator.language.slice(0, 2));
  await text.load();
  at("language").addEventListener("click", () => {
    text.use(text.language === "en" ? "id" : "en");
    remember("language", text.language);
    renderAll();
  });
  at("theme").addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    theme(dark === "dark" ? "light" : "dark");
    remember("theme", document.documentElement.dataset.theme);
  });
  words();
  await askAll();
  listen();
  setInterval(tick, TICK_MS);
  setInterval(askAll, ASK_AGAIN_MS);
}

start();
