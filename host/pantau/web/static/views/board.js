// The wall-board: read from four metres, without a hand on it, for weeks. It shows the worst, walks through the stations in alarm,
// and says in a way that nobody can miss when it no longer knows.

import { el, icon, put } from "../lib/dom.js";
import * as live from "../lib/live.js";
import { Awake } from "./board_awake.js";

const SHOWN = 4; // alerts that are read from four metres
const STEP_MS = 12_000; // for each station in alarm: time to read a name, a value and a sentence
const HEADLINES = 2;

export class BoardView {
  constructor(root, app) {
    this.root = root;
    this.app = app;
    this.place = 0;
    this.stepped_ms = 0;
    this.paused = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.awake = new Awake(app);
    this.title = el("h1");
    this.clock = el("time", "bigclock");
    this.reporting = el("p", "reports");
    this.states = el("ul", "states");
    this.listTitle = el("h2");
    this.list = el("ol", "worst");
    this.more = el("p", "more");
    this.spot = el("article", "spot");
    this.foot = el("p", "foot");
    this.lost = el("div", "lost", null, el("strong"), el("b"), el("span"));
    this.lost.setAttribute("role", "alert");
    this.lost.hidden = true;
    root.append(
      el("header", "boardhead", null, this.title, this.reporting, this.states, this.clock),
      el("div", "boardside", null, this.listTitle, this.list, this.more, this.spot, this.foot), this.lost,
    );
    this.keys = (event) => this.#key(event);
  }

  open() {
    document.addEventListener("keydown", this.keys);
    this.awake.start();
    this.stepped_ms = this.app.model.now();
    this.render();
  }

  close() {
    document.removeEventListener("keydown", this.keys);
    this.awake.stop();
  }

  /** No controls to see: space stops and starts the walk, arrows step. */
  #key(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === " ") this.paused = !this.paused;
    else if (step) this.#step(step);
    else return;
    event.preventDefault();
    this.#spot();
  }

  render() {
    if (!this.app.board) return;
    this.told = null;
    this.#alerts();
    this.#spot();
    this.tick(this.app.model.now());
  }

  changed() {
    if (!this.app.board) return;
    this.#alerts();
    this.#spot();
  }

  tick(now_ms) {
    if (!this.app.board) return;
    const { model, text } = this.app;
    put(this.clock, text.clock(now_ms));
    put(this.title, document.title);
    this.#network();
    for (const row of this.list.children) put(row.age, text.age((now_ms - row.since_ms) / 1000));
    if (!this.paused && now_ms - this.stepped_ms >= STEP_MS) this.#step(1);
    this.#spot();
    this.awake.tick(now_ms);
    this.#lost(live.state() === "lost", now_ms);
    put(this.foot, this.awake.sleeps ? text.say("board.sleeps") : "");
    if (model.told.alerts === "unknown") put(this.more, text.say("board.unknown"));
  }

  /** The whole frame changes: no value may look alive on a screen that nobody walks up to. */
  #lost(lost, now_ms) {
    const { text } = this.app;
    this.lost.hidden = !lost;
    if (!lost) return;
    const [title, since, what] = this.lost.children;
    put(title, text.say("board.lost"));
    const gone_s = live.lostFor_s();
    put(since, text.say("board.lost_since", { time: text.clock(now_ms - gone_s * 1000), age: text.age(gone_s) }));
    put(what, text.say("board.lost_what"));
  }

  #network() {
    const { model, text } = this.app;
    const count = new Map(model.STATES.map((state) => [state, 0]));
    let reporting = 0;
    for (const station of model.stations.values()) {
      const state = model.state(station);
      count.set(state, count.get(state) + 1);
      if (!model.silent(station)) reporting += 1;
    }
    const all = model.stations.size;
    put(this.reporting, text.say("board.reporting", { reporting: text.number(reporting), all: text.number(all) }));
    this.reporting.dataset.state = reporting === all ? "ok" : "late";
    const shown = [...count].filter(([state, number]) => number && state !== "ok");
    const told = JSON.stringify([text.language, shown]);
    if (told === this.toldStates) return;
    this.toldStates = told;
    this.states.replaceChildren(...shown.map(([state, number]) => {
      const chip = el("li", "", null, el("b", "", text.number(number)), el("span", "", text.say(`states.${state}`)));
      chip.dataset.state = state;
      return chip;
    }));
  }

  #alerts() {
    const { model, text } = this.app;
    const calling = model.alertOrder().filter(model.calls);
    put(this.listTitle, calling.length ? text.say("board.open") : model.told.alerts === "judged" ? text.say("board.quiet") : text.say(`alerts.empty.${model.told.alerts}`));
    put(this.more, calling.length > SHOWN ? text.say("board.more", { number: text.number(calling.length - SHOWN) }) : "");
    const shown = calling.slice(0, SHOWN);
    const told = JSON.stringify([text.language, shown.map((alert) => [alert.id, alert.rank, alert.acknowledged_at, alert.text[text.language]])]);
    if (told === this.told) return;
    this.told = told;
    this.list.replaceChildren(...shown.map((alert) => this.#alert(alert)));
  }

  #alert(alert) {
    const { model, text } = this.app;
    const station = model.stations.get(alert.station);
    const age = el("span", "age");
    const seen = el("span", alert.acknowledged_at ? "seen" : "unseen", text.say(alert.acknowledged_at ? "board.seen" : "board.unseen"));
    const row = el("li", "", null,
      el("p", "first", null, el("b", "sev", text.say(`severities.${alert.severity}`)), el("span", "where", station?.name ?? alert.station ?? text.say("alerts.city")), seen, age),
      el("p", "what", alert.text[text.language]),
    );
    row.dataset.severity = String(alert.rank);
    row.age = age;
    row.since_ms = alert.opened_ms;
    put(age, text.age((model.now() - alert.opened_ms) / 1000));
    return row;
  }

  /** Stations that an alert calls to, worst first. */
  #inAlarm() {
    const { model } = this.app;
    const named = model.alertOrder().filter(model.calls).map(({ station }) => station);
    return [...new Set(named)].filter((id) => model.stations.has(id));
  }

  #step(by) {
    const all = this.#inAlarm().length;
    this.place = all ? (this.place + by + all) % all : 0;
    this.stepped_ms = this.app.model.now();
  }

  #spot() {
    const { model, text } = this.app;
    const all = this.#inAlarm();
    if (this.place >= all.length) this.place = 0;
    const station = model.stations.get(all[this.place]);
    this.spot.hidden = !station;
    const headline = station?.headline?.slice(0, HEADLINES) ?? [];
    const now_ms = model.now();
    const told = JSON.stringify([text.language, this.paused, this.place, all.length, station?.id, headline.map((seen) => [seen.property, seen.value, text.age((now_ms - seen.ms) / 1000)])]);
    if (told === this.toldSpot) return;
    this.toldSpot = told;
    this.app.spotlight(station?.id ?? null);
    if (!station) return;
    const place = text.say("board.moving", { place: text.number(this.place + 1), all: text.number(all.length) });
    this.spot.dataset.state = model.state(station);
    this.spot.dataset.domain = station.domain;
    this.spot.replaceChildren(
      el("header", "", null, icon(station.domain), el("h2", "", station.name), el("span", "place", this.paused ? text.say("board.paused") : place)),
      el("dl", "", null, ...headline.map((seen) => this.#reading(station, seen, now_ms))),
    );
  }

  #reading(station, seen, now_ms) {
    const { model, text } = this.app;
    const stale = model.stale(station, seen);
    const value = seen.value === null ? text.say("missing") : `${text.number(seen.value, seen.property)} ${text.word("units", seen.unit)}`.trim();
    const age = text.age((now_ms - seen.ms) / 1000);
    const row = el("div", stale ? "stale" : "", null, el("dt", "", text.word("properties", seen.property)), el("dd", "value", value), el("dd", "age", stale ? text.say("list.old", { age }) : text.say("observed", { age })));
    return row;
  }
}
