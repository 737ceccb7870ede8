// The page: asks for everything once, listens for what changes, and ages what it shows by itself.

import * as api from "./lib/api.js";
import { put } from "./lib/dom.js";
import * as live from "./lib/live.js";
import * as model from "./lib/model.js";
import { Session } from "./lib/session.js";
import * as text from "./lib/text.js";
import { Account } from "./views/account.js";
import { AlertsView } from "./views/alerts.js";
import { BoardView } from "./views/board.js";
import { ListView } from "./views/list.js";
import { MapView } from "./views/map.js";
import { NetworkView } from "./views/network.js";
import { StationView } from "./views/station.js";
import { Strip } from "./views/strip.js";

const TICK_MS = 1000;
const ASK_AGAIN_MS = 60_000; // stations come and go without an event; also the way out where events are refused
const TELL_FROM = 3; // severities from "severe" on are said to a screen reader when they are new

const at = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const session = new Session();
const app = { model, text, api, session, board: asked.has("board"), go: (path) => (location.hash = path), reload: askAll, relive: live.again, alertsChanged: () => takeAlerts([], false) };

const strip = new Strip(at("strip"), app);
const account = new Account(at("account"), app);
const views = {
  alerts: new AlertsView(at("alerts"), app),
  map: new MapView(at("map"), app),
  station: new StationView(at("station"), app),
  stations: new ListView(at("stations"), app),
  network: new NetworkView(at("network"), app),
  board: new BoardView(at("board"), app),
};
app.spotlight = (id) => views.map.spotlight(id);
// What is shown beside the view that was chosen: on a desk the map and its alerts stay; a phone's style shows one at a time.
const TOGETHER = { map: ["alerts", "map"], alerts: ["alerts", "map"], station: ["alerts", "map", "station"], board: ["alerts", "map", "board"] };
let shown = new Set();
let title = "Pantau";
let refusal = "";
let ready = false;

function route() {
  if (!ready) return;
  const before = document.body.dataset.view;
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const argument = rest.length ? decode(rest.join("/")) : null;
  const view = app.board ? "board" : name in views && name !== "board" ? name : "map";
  document.body.dataset.view = view;
  for (const tab of at("tabs").children) {
    if (tab.dataset.tab === (view === "station" ? "map" : view)) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  const wanted = new Set(TOGETHER[view] ?? [view]);
  for (const [key, one] of Object.entries(views)) {
    const opens = wanted.has(key);
    at(key).hidden = !opens;
    if (opens && (key === view || !shown.has(key))) one.open(key === view ? argument : null);
    if (!opens && shown.has(key)) one.close();
  }
  // Who went somewhere by keyboard goes on from there; a view may have put the focus closer (an alert's story, a field).
  if (shown.size && view !== before && !at(view).contains(document.activeElement)) at(view).querySelector("h2")?.focus({ preventScroll: true });
  shown = wanted;
}

function decode(written) {
  try {
    return decodeURIComponent(written);
  } catch {
    return written; // a link that somebody typed: it will name no station
  }
}

function each(call) {
  for (const key of shown) call(views[key]);
}

function tick() {
  const now_ms = model.now();
  put(at("clock"), text.clock(now_ms));
  const state = live.state();
  at("live").dataset.live = state;
  document.body.dataset.live = state;
  put(at("live").lastElementChild, text.say(state));
  const banner = state === "lost" ? text.say("banner", { age: text.age(live.lostFor_s()) }) : refusal;
  at("banner").hidden = !banner;
  put(at("banner"), banner);
  strip.tick(now_ms);
  const calling = [...model.alerts.values()].filter(model.calls);
  const alerts = at("tabs").querySelector('[data-tab="alerts"]');
  alerts.dataset.count = calling.length || "";
  alerts.dataset.severity = Math.max(0, ...calling.map(({ rank }) => rank));
  each((view) => view.tick(now_ms));
}

function renderAll() {
  document.documentElement.lang = text.language;
  document.title = title;
  put(at("title"), title);
  put(at("skip"), text.say("skip"));
  put(at("language"), text.say("other_code"));
  at("language").title = text.say("other_language");
  at("language").setAttribute("aria-label", `${text.say("other_code")}: ${text.say("other_language")}`);
  at("tabs").setAttribute("aria-label", text.say("tabs.label"));
  for (const tab of at("tabs").children) tab.dataset.label = text.say(`tabs.${tab.dataset.tab}`);
  for (const tab of at("tabs").children) put(tab, tab.dataset.label);
  at("theme").title = text.say("theme");
  at("theme").setAttribute("aria-label", text.say("theme"));
  account.render();
  for (const view of Object.values(views)) view.render();
  tick();
}

function takeAlerts(records, whole) {
  const fresh = model.takeAlerts(records, whole);
  const grave = fresh.map((id) => model.alerts.get(id)).filter((alert) => model.calls(alert) && alert.rank >= TELL_FROM);
  at("announce").setAttribute("aria-live", grave.some(({ rank }) => rank === 4) ? "assertive" : "polite");
  if (grave.length && ready) put(at("announce"), grave.map((alert) => alert.text[text.language]).join(" "));
  const touched = new Set(records.map(({ station }) => station).filter(Boolean));
  views.alerts.alertsChanged();
  each((view) => view.changed(touched));
}

async function askAll() {
  // Each for itself: alerts are shown when the stations cannot be had, and the other way round.
  const [found, standing] = await Promise.allSettled([api.get("/api/stations.geojson"), api.get("/api/alerts")]);
  refusal = "";
  if (found.status === "fulfilled") {
    title = found.value.title;
    model.take(found.value, true);
  }
  if (standing.status === "fulfilled") {
    model.told.alerts = standing.value.judged ? "judged" : "unjudged";
    takeAlerts(standing.value.alerts, true);
  }
  for (const { reason } of [found, standing]) {
    if (reason instanceof api.Problem) refusal = text.say("closed", { detail: reason.message });
    else if (reason && !(reason instanceof TypeError)) throw reason; // TypeError: nobody answers, the live state says so
  }
  renderAll();
}

const heard = {
  change(collection) {
    const known = model.stations.size;
    const named = model.take(collection, false);
    if (model.stations.size !== known) renderAll();
    each((view) => view.changed(named));
  },
  alerts({ changed }) {
    takeAlerts(changed, false);
  },
};

/** What a person chose on this device; a private window forgets it with the page. */
const chosen = {
  get(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(key, value);
    } catch {
      // nothing to keep it in
    }
  },
};

function theme(wanted) {
  if (wanted !== "dark" && wanted !== "light") return;
  document.documentElement.dataset.theme = wanted;
  document.dispatchEvent(new Event("themechange"));
}

async function start() {
  theme(asked.get("theme") ?? chosen.get("theme") ?? (app.board ? "dark" : null));
  text.use(asked.get("lang") ?? chosen.get("language") ?? navigator.language.slice(0, 2));
  at("language").addEventListener("click", () => {
    text.use(text.language === "en" ? "id" : "en");
    chosen.set("language", text.language);
    renderAll();
  });
  at("theme").addEventListener("click", () => {
    const set = document.documentElement.dataset.theme;
    const dark = set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    theme(dark ? "light" : "dark");
    chosen.set("theme", document.documentElement.dataset.theme);
  });
  at("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the hash is the view's
    at("main").focus();
  });
  addEventListener("hashchange", route);
  const words = text.load();
  await Promise.all([words, session.load().catch(() => null)]);
  await askAll();
  ready = true;
  route();
  tick();
  live.listen(heard, askAll, tick);
  setInterval(tick, TICK_MS);
  setInterval(askAll, ASK_AGAIN_MS);
}

start();
