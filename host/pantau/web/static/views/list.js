// All stations in a table, worst first: the way through the city for keyboard and screen reader, and for whoever looks for one.

import { el, put } from "../lib/dom.js";
import { Find } from "./find.js";
import { Table } from "./table.js";

const DOMAINS = ["flood", "traffic", "air"];

export class ListView {
  constructor(root, app) {
    this.root = root;
    this.app = app;
    this.heading = el("h2");
    this.heading.id = "stations-title";
    this.heading.tabIndex = -1;
    this.severities = new Map(); // station id -> worst severity that calls there
    const { model, text } = app;
    this.find = new Find(app, "list", () => this.#filter(), [
      ["domain", "every_domain", DOMAINS, (domain) => text.word("domains", domain)],
      ["state", "every_state", model.STATES, (state) => text.say(`states.${state}`)],
    ]);
    this.table = new Table(app, this.#columns(), {
      id: (station) => station.id,
      worst: (a, b) => this.#severity(b) - this.#severity(a) || this.#rank(a) - this.#rank(b) || a.name.localeCompare(b.name) || a.id.localeCompare(b.id),
      mark: (station) => ({ state: model.state(station), domain: DOMAINS.includes(station.domain) ? station.domain : "other" }),
    });
    root.classList.add("list");
    root.setAttribute("aria-labelledby", "stations-title");
    root.append(el("header", "panehead", null, this.heading), this.find.root, this.table.root);
    this.shown = false;
  }

  open() {
    this.shown = true;
    this.render();
  }

  close() {
    this.shown = false;
  }

  render() {
    const { text } = this.app;
    put(this.heading, text.say("list.title"));
    if (!this.shown) return; // a thousand rows are made when somebody looks
    this.find.render();
    this.#filter();
    this.table.render(text.say("list.caption"));
  }

  /** Stations with news are written anew; they move when what they are ordered by changed. */
  changed(ids) {
    const { model } = this.app;
    this.#weigh();
    for (const id of ids) if (model.stations.has(id)) this.table.change(model.stations.get(id));
    this.#filter();
  }

  tick(now_ms) {
    this.table.tick(now_ms);
    if (Math.floor(now_ms / 1000) % 10 === 0) this.table.arrange(); // a station goes silent without an event
  }

  #weigh() {
    const { model } = this.app;
    this.severities.clear();
    for (const alert of model.alerts.values()) {
      if (alert.station && model.calls(alert)) this.severities.set(alert.station, Math.max(alert.rank, this.severities.get(alert.station) ?? 0));
    }
  }

  #severity(station) {
    return this.severities.get(station.id) ?? 0;
  }

  #rank(station) {
    const { model } = this.app;
    return model.STATES.indexOf(model.state(station));
  }

  #filter() {
    const { model } = this.app;
    this.#weigh();
    const { words, values } = this.find;
    const all = [...model.stations.values()];
    const says = (word) => word?.toLowerCase().includes(words);
    const fits = (station) =>
      (!values.domain || station.domain === values.domain) &&
      (!values.state || model.state(station) === values.state) &&
      (!words || says(station.name) || says(station.id) || station.nodes?.some(says));
    const shown = all.filter(fits);
    this.table.show(shown);
    this.find.count(shown.length, all.length);
  }

  #columns() {
    const { model, text } = this.app;
    const title = (key) => () => text.say(`list.columns.${key}`);
    const first = (station) => station.headline?.[0];
    const stale = (station) => ({ stale: !first(station) || first(station).value === null || model.stale(station, first(station)) ? "yes" : "" });
    return [
      { key: "name", title: title("name"), text: ({ name }) => name, sort: ({ name }) => name, head: true, href: ({ id }) => `#/station/${encodeURIComponent(id)}` },
      { key: "state", title: title("state"), text: (station) => text.say(`states.${model.state(station)}`), sort: (station) => this.#rank(station), live: true, mark: () => ({ badge: "" }) },
      { key: "alert", title: title("alert"), text: (station) => this.#alert(station), sort: (station) => this.#severity(station) || null, number: true, mark: (station) => ({ severity: String(this.#severity(station)) }) },
      { key: "reading", title: title("reading"), text: (station) => this.#reading(first(station)), sort: (station) => first(station)?.property ?? null, live: true, mark: stale },
      { key: "age", title: title("age"), text: (station, now_ms) => this.#age(station, first(station), now_ms), sort: (station) => first(station)?.ms ?? null, live: true, mark: (station) => ({ stale: first(station) && model.stale(station, first(station)) ? "yes" : "" }) },
      { key: "domain", title: title("domain"), text: ({ domain }) => text.word("domains", domain ?? ""), sort: ({ domain }) => domain ?? null },
      { key: "nodes", title: title("nodes"), text: ({ nodes }) => nodes?.join(", ") || text.say("list.nobody"), sort: ({ nodes }) => nodes?.[0] ?? null },
    ];
  }

  #alert(station) {
    const severity = this.#severity(station);
    return severity ? this.app.text.say(`severities.${this.app.model.SEVERITIES[severity]}`) : "";
  }

  #reading(seen) {
    const { text } = this.app;
    if (!seen) return text.say("no_readings");
    const name = text.word("properties", seen.property);
    if (seen.value === null) return `${name}: ${text.say("missing")}${seen.reason ? ` (${text.word("reasons", seen.reason)})` : ""}`;
    const flag = seen.quality > 2 ? ` · ${text.word("flags", String(seen.quality))}` : "";
    return `${name} ${text.number(seen.value, seen.property)} ${text.word("units", seen.unit)}`.trimEnd() + flag;
  }

  #age(station, seen, now_ms) {
    const { model, text } = this.app;
    if (!seen) return "";
    const age = text.age((now_ms - seen.ms) / 1000);
    return model.stale(station, seen) ? text.say("list.old", { age }) : text.say("observed", { age });
  }
}
