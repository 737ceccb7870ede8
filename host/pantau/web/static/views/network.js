// How the network is: what is wrong and what to do, tiles with the worst first, and every node in a table that sorts by any column.

import { el, put } from "../lib/dom.js";
import { Find } from "./find.js";
import { FactTable } from "./network_facts.js";
import { figure, percent, span, UNKNOWN } from "./network_words.js";
import { Table } from "./table.js";

const ASK_MS = 10_000;
const OLD_MS = 60_000; // three askings went unanswered, and some more

const STATES = ["alarm", "empty", "offline", "fault", "late", "maintenance", "ok"]; // worst first

export class NetworkView {
  constructor(root, app) {
    this.root = root;
    this.app = app;
    this.found = null;
    this.asked_ms = null; // the bridge's clock when it last answered
    this.failed = "";
    this.timer = null;
    this.heading = el("h2");
    this.heading.id = "network-title";
    this.heading.tabIndex = -1;
    this.asOf = el("span", "asof");
    this.note = el("p", "oldnote");
    this.note.setAttribute("role", "status");
    this.problems = el("section", "problems");
    this.tiles = el("ul", "tiles");
    this.facts = new FactTable(app);
    this.nodesTitle = el("h3");
    this.find = new Find(app, "network.nodes", () => this.#filter(), [["only"]]);
    this.table = new Table(app, this.#columns(), {
      id: (node) => node.node ?? `@${node.station}`,
      worst: (a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state) || b.worries.length - a.worries.length || a.name.localeCompare(b.name),
      mark: ({ state }) => ({ state: state === "empty" ? "offline" : state }),
    });
    root.classList.add("network");
    root.setAttribute("aria-labelledby", "network-title");
    root.append(
      el("header", "panehead", null, this.heading, this.asOf), this.note, this.problems, this.tiles,
      el("section", "nodes", null, this.nodesTitle, this.find.root, this.table.root), this.facts.root,
    );
  }

  open() {
    this.timer ??= setInterval(() => document.hidden || this.#ask(), ASK_MS);
    this.render();
    this.#ask();
  }

  close() {
    clearInterval(this.timer);
    this.timer = null;
  }

  changed() {}

  async #ask() {
    try {
      this.found = await this.app.api.get("/api/network");
      this.asked_ms = this.app.model.now();
      this.failed = "";
    } catch (error) {
      if (error instanceof this.app.api.Problem) this.failed = error.message;
      else if (!(error instanceof TypeError)) throw error; // nobody answers: the age says so
    }
    if (this.timer !== null) this.#show();
  }

  render() {
    const { text } = this.app;
    put(this.heading, text.say("network.title"));
    put(this.nodesTitle, text.say("network.nodes.title"));
    this.find.render();
    this.table.render(text.say("network.nodes.caption"));
    this.#show();
  }

  #show() {
    if (this.found) {
      this.#problems();
      this.#tiles();
      this.#filter();
      this.facts.show(this.found);
    }
    this.tick(this.app.model.now());
  }

  tick(now_ms) {
    const { text } = this.app;
    const age_ms = this.asked_ms === null ? 0 : now_ms - this.asked_ms;
    const old = age_ms > OLD_MS;
    const values = { time: this.asked_ms === null ? "" : text.clock(this.asked_ms), age: text.age(age_ms / 1000) };
    put(this.asOf, text.say(this.asked_ms === null ? "network.asking" : "network.as_of", values));
    this.root.classList.toggle("old", old);
    put(this.note, this.failed ? text.say("network.refused", { detail: this.failed }) : old ? text.say("network.old", values) : "");
    this.note.hidden = !this.note.textContent;
    for (const tile of this.tiles.children) if (tile.at_ms) put(tile.lastElementChild, text.say("network.measured", { age: text.age((now_ms - tile.at_ms) / 1000) }));
    this.table.tick(now_ms);
  }

  #problems() {
    const { text } = this.app;
    const said = this.found.problems;
    const told = JSON.stringify([text.language, said]);
    if (told === this.toldProblems) return;
    this.toldProblems = told;
    const list = el("ul", "", null, ...said.map((problem) => el("li", "", problem)));
    this.problems.replaceChildren(el("h3", "", text.say(said.length ? "network.problems" : "network.problems_none")), ...(said.length ? [list] : []));
    this.problems.dataset.level = said.length ? "bad" : "good";
  }

  #tiles() {
    const { text } = this.app;
    const told = JSON.stringify([text.language, this.found.tiles]);
    if (told === this.toldTiles) return;
    this.toldTiles = told;
    this.tiles.replaceChildren(...this.found.tiles.map((tile) => this.#tile(tile)));
  }

  #tile({ id, level, advice, at, figures }) {
    const { text } = this.app;
    const words = `network.tiles.${id}`;
    const [main, ...rest] = figures;
    const of = ({ name, about }) => text.say(`${words}.figures.${name}`) + (about ? ` · ${about}` : "");
    const shown = rest.filter(({ value }) => value !== null);
    const facts = shown.map((one) => el("div", "", null, el("dt", "", of(one)), el("dd", "", figure(text, one))));
    const made = el("li", "tile", null,
      el("header", "", null, el("h3", "", text.say(`${words}.title`)), el("span", "level", text.say(`network.levels.${level}`))),
      el("p", "main", null, el("b", "", figure(text, main)), el("span", "", of(main))),
      el("dl", "", null, ...facts),
      el("p", "advice", text.say(`${words}.advice.${advice}`)),
      el("p", "measured", at ? text.say("network.measured", { age: "" }) : ""),
    );
    made.dataset.level = level;
    made.dataset.tile = id;
    made.at_ms = at ? Date.parse(at) : null;
    return made;
  }

  #filter() {
    if (!this.found) return;
    const { all, only, text } = { all: this.found.nodes, only: this.find.values.only, text: this.find.words };
    const fits = (node) => (!only || node.worries.length) && [node.node, node.station, node.name, node.firmware].some((word) => word?.toLowerCase().includes(text));
    const shown = all.filter(fits);
    this.table.show(shown);
    this.find.count(shown.length, all.length);
  }

  #columns() {
    const { app } = this;
    const words = (key) => app.text.say(`network.${key}`);
    const column = (key, text, sort, more = {}) => ({ key, title: () => words(`nodes.columns.${key}`), text, sort, ...more });
    const number = (key, of, told, more = {}) => column(key, (node) => (of(node) === null ? UNKNOWN : told(of(node), node)), of, { number: true, ...more });
    const worried = (name) => (node) => ({ worry: node.worries.includes(name) ? "yes" : "" });
    const complete = ({ reports: { day } }) => (day.expected ? day.received / day.expected : null);
    const offset = ({ clock_offset_ms }) => (clock_offset_ms === null ? null : Math.abs(clock_offset_ms));
    return [
      column("node", (node) => node.node ?? UNKNOWN, (node) => node.node, { head: true, href: (node) => node.station && `#/station/${encodeURIComponent(node.station)}` }),
      column("station", (node) => (node.station ? node.name : words("nodes.nowhere")), (node) => node.station && node.name),
      column("state", ({ state }) => (state === "empty" ? words("state_empty") : app.text.say(`states.${state}`)), ({ state }) => STATES.indexOf(state), { mark: () => ({ badge: "" }) }),
      column("seen", (node, now_ms) => (node.last_seen ? app.text.age((now_ms - Date.parse(node.last_seen)) / 1000) : UNKNOWN), (node) => node.last_seen && -Date.parse(node.last_seen), { number: true, live: true, mark: worried("silent") }),
      number("complete", complete, (ratio) => percent(app.text, ratio), { mark: worried("incomplete") }),
      number("battery", ({ battery_mv }) => battery_mv, (mv) => figure(app.text, { value: mv / 1000, unit: "V" }), { mark: worried("battery") }),
      number("rssi", ({ rssi }) => rssi, (dbm) => figure(app.text, { value: dbm, unit: "dBm" }), { mark: worried("rssi") }),
      column("clock", (node) => this.#clock(node, offset(node)), offset, { mark: worried("clock") }),
      number("waiting", (node) => node.outbox_records, (records) => app.text.number(records)),
      number("lost", (node) => node.overwritten_records, (records) => app.text.number(records), { mark: worried("overwritten") }),
      number("restarts", (node) => node.restarts, (times) => app.text.number(times), { mark: worried("restarts") }),
      column("firmware", (node) => node.firmware ?? UNKNOWN, (node) => node.firmware, { mark: worried("behind") }),
      column("worries", (node) => node.worries.map((name) => words(`worries.${name}`)).join(", "), (node) => node.worries.length, { number: false }),
    ];
  }

  #clock(node, offset_ms) {
    const { text } = this.app;
    if (node.clock === null) return UNKNOWN;
    const quality = text.say(`network.nodes.clocks.${node.clock}`);
    if (offset_ms === null) return quality;
    return `${quality}, ${node.clock_offset_ms > 0 ? "+" : ""}${span(text, node.clock_offset_ms / 1000)}`;
  }
}
