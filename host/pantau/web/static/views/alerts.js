// The alerts that stand, worst and newest first; one of them in full, with what may be done about it.

import { el, icon, put } from "../lib/dom.js";
import { AlertStory } from "./alert_story.js";

export class AlertsView {
  constructor(root, app) {
    this.root = root;
    this.app = app;
    this.rows = new Map(); // alert number -> its row
    this.chosen = null;
    this.heading = el("h2");
    this.heading.id = "alerts-title";
    this.heading.tabIndex = -1;
    this.count = el("span", "count");
    this.list = el("ol", "alerts");
    this.empty = el("p", "none");
    this.story = new AlertStory(app, () => this.app.go("#/alerts"));
    root.setAttribute("aria-labelledby", "alerts-title");
    root.append(el("header", "panehead", null, this.heading, this.count), this.story.root, this.list, this.empty);
  }

  /** Show the list, or with a number that alert above it. */
  open(argument) {
    const number = /^\d{1,15}$/.test(argument ?? "") ? Number(argument) : null;
    this.chosen = number;
    if (number === null) this.story.close();
    else this.story.open(number);
    this.alertsChanged();
  }

  close() {
    this.story.close();
  }

  render() {
    const { text } = this.app;
    put(this.heading, text.say("alerts.title"));
    this.rows.clear();
    this.story.render();
    this.alertsChanged();
  }

  /** A station's name may have changed; alerts themselves come by alertsChanged. */
  changed() {}

  tick(now_ms) {
    const { text } = this.app;
    for (const { alert, age } of this.rows.values()) {
      put(age, text.say("alerts.since", { age: text.age((now_ms - alert.opened_ms) / 1000), time: text.clock(alert.opened_ms) }));
    }
    this.story.tick(now_ms);
  }

  /** Bring the list up to the model, touching only what differs. */
  alertsChanged() {
    const { model, text } = this.app;
    const order = model.alertOrder();
    const kept = new Map();
    const rows = order.map((alert) => {
      const known = this.rows.get(alert.id);
      const row = known && known.key === key(alert, this.chosen) ? { ...known, alert } : this.#row(alert);
      kept.set(alert.id, row);
      return row.element;
    });
    this.rows = kept;
    if (rows.length !== this.list.children.length || rows.some((row, at) => row !== this.list.children[at])) this.list.replaceChildren(...rows);
    const calling = order.filter(model.calls).length;
    put(this.count, calling ? text.number(calling) : "");
    document.body.dataset.alerts = calling ? String(Math.max(...order.filter(model.calls).map((alert) => alert.rank))) : "0";
    put(this.empty, rows.length ? "" : text.say(`alerts.empty.${model.told.alerts}`));
    if (this.chosen !== null) this.story.refresh(model.alerts.get(this.chosen));
    this.tick(model.now());
  }

  #row(alert) {
    const { model, text } = this.app;
    const station = model.stations.get(alert.station);
    const link = el("a", "alert");
    link.href = `#/alerts/${alert.id}`;
    if (alert.id === this.chosen) link.setAttribute("aria-current", "true");
    link.dataset.severity = String(alert.rank);
    link.dataset.state = alert.state;
    const marks = ["muted", "past"].filter((mark) => alert[mark]).map((mark) => el("span", "mark", text.say(`alerts.${mark}`)));
    if (alert.state === "shelved") marks.push(el("span", "mark", text.say("alerts.shelved", { time: text.dateTime(Date.parse(alert.shelved_until)) })));
    if (alert.acknowledged_at) marks.push(el("span", "mark seen", acknowledged(alert, text)));
    else if (model.calls(alert)) marks.push(el("span", "mark new", text.say("alerts.unseen")));
    const age = el("span", "age");
    link.append(
      el("span", "sev", text.say(`severities.${alert.severity}`)),
      el("span", "where", null, icon(station?.domain), station?.name ?? alert.station ?? text.say("alerts.city")),
      el("span", "what", alert.text[text.language]),
      el("span", "meta", null, age, ...marks),
    );
    return { alert, age, key: key(alert, this.chosen), element: el("li", "", null, link) };
  }
}

function key(alert, chosen) {
  const { id, severity, state, muted, past, acknowledged_at, acknowledged_by, shelved_until, text } = alert;
  return JSON.stringify([id === chosen, severity, state, muted, past, acknowledged_at, acknowledged_by, shelved_until, text]);
}

/** "seen by NAME at TIME"; the public is not told the name. */
export function acknowledged(alert, text) {
  const time = text.dateTime(Date.parse(alert.acknowledged_at));
  return alert.acknowledged_by ? text.say("alerts.seen_by", { by: alert.acknowledged_by, time }) : text.say("alerts.seen", { time });
}
