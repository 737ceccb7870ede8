// One station: what it measures now, how that came about, and what a technician has to look at.

import { el, icon, put } from "../lib/dom.js";
import { Readings } from "./readings.js";
import { about, nodeCards } from "./station_nodes.js";
import { StationSeries } from "./station_series.js";
import * as source from "./station_source.js";

const SETTLE_MS = 400; // several nodes of a station report together
const ASK_AGAIN_MS = 60_000;
const PAST_ALERTS = 200; // shaded in the chart

export class StationView {
  constructor(root, app) {
    this.root = root;
    this.app = app;
    this.id = null;
    this.detail = null; // as station_source.js has it
    this.trouble = null;
    this.heading = el("h2");
    this.heading.id = "station-title";
    this.heading.tabIndex = -1;
    this.back = el("button", "back");
    this.back.type = "button";
    this.back.addEventListener("click", () => this.#leave());
    this.mark = el("span", "mark-of-domain");
    this.badge = el("span", "badge");
    this.seen = el("span", "seen");
    this.place = el("p", "place");
    this.note = el("p", "none");
    this.note.setAttribute("role", "status");
    this.alerts = el("ul", "standing");
    this.readings = new Readings(app, (reading) => this.#draw(reading));
    this.series = new StationSeries(app);
    this.nodes = el("section", "stationnodes");
    this.about = el("details", "about", null, el("summary"), el("div"));
    const title = el("div", "title", null, this.heading, this.place);
    const head = el("header", "stationhead", null, this.back, this.mark, title, el("p", "now", null, this.badge, this.seen));
    root.setAttribute("aria-labelledby", "station-title");
    root.classList.add("stationview");
    root.append(head, this.alerts, this.note, this.readings.element, this.series.element, this.nodes, this.about);
    // Where its reader came from, to go back to; known only when it was within this page.
    addEventListener("hashchange", ({ oldURL }) => (this.before = new URL(oldURL).hash));
    root.addEventListener("keydown", (event) => event.key === "Escape" && !event.defaultPrevented && this.#leave());
  }

  open(id) {
    if (id === null || id === this.id) return;
    if (this.id === null) this.opener = document.activeElement;
    this.close(false);
    this.id = id;
    this.root.scrollTop = 0;
    this.render();
    this.heading.focus({ preventScroll: true });
    this.#ask();
    this.#askAlerts();
  }

  /** Forget the station; the focus goes back to what opened it. */
  close(back = true) {
    if (this.id === null) return;
    clearTimeout(this.timer);
    this.abort?.abort();
    const within = this.root.contains(document.activeElement) || document.activeElement === document.body;
    const { opener } = this;
    this.id = this.detail = this.trouble = null;
    this.series.close();
    // Once the page has turned: what opened it may be hidden until then.
    if (back && within) queueMicrotask(() => opener?.isConnected && opener.focus({ preventScroll: true }));
  }

  #leave() {
    if (this.before !== undefined && !this.before.startsWith("#/station/")) history.back();
    else this.app.go("#/");
  }

  changed(ids) {
    if (this.id === null || !ids.has(this.id)) return;
    this.#head();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#ask(), SETTLE_MS);
    this.#standing();
  }

  tick(now_ms) {
    if (this.id === null) return;
    this.#head();
    this.readings.tick(now_ms);
    this.series.tick(now_ms);
    if (Date.now() - this.asked_ms > ASK_AGAIN_MS) this.#ask();
  }

  async #ask() {
    const { id } = this;
    if (id === null) return;
    this.asked_ms = Date.now();
    this.abort?.abort();
    const { signal } = (this.abort = new AbortController());
    try {
      this.detail = await source.ask(this.app.api, id, signal);
      this.trouble = null;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof this.app.api.Problem) && !(error instanceof TypeError)) throw error;
      this.trouble = error;
    }
    if (id === this.id) this.render();
  }

  async #askAlerts() {
    const { id } = this;
    const query = new URLSearchParams({ history: "true", station: id, limit: PAST_ALERTS });
    const found = await this.app.api.get(`/api/alerts?${query}`).catch(() => null); // the chart is whole without its shades
    if (found && id === this.id) this.series.setAlerts(found.alerts);
  }

  render() {
    if (this.id === null) return;
    const { text } = this.app;
    put(this.back, text.say("station.back"));
    put(this.about.firstElementChild, text.say("station.about"));
    this.#head();
    this.#standing();
    this.#said();
    const { detail } = this;
    for (const part of [this.readings.element, this.nodes, this.about]) part.hidden = !detail;
    if (!detail) return void (this.series.element.hidden = true);
    this.readings.show(detail);
    this.series.show(detail);
    this.nodes.replaceChildren(el("h3", "", text.say("station.nodes")), ...nodeCards(this.app, detail));
    if (!detail.nodes.length) this.nodes.append(el("p", "none", text.say("station.no_node")));
    this.about.lastElementChild.replaceChildren(...about(this.app, detail));
  }

  /** Show a reading's series, and go there. */
  #draw(reading) {
    this.series.choose("main", reading);
    this.series.element.scrollIntoView({ block: "start" });
  }

  /** Name, place and state: known of every station before it is asked for. */
  #head() {
    const { model, text } = this.app;
    const known = model.stations.get(this.id);
    const { detail } = this;
    const domain = known?.domain ?? detail?.domain ?? "other";
    put(this.heading, known?.name ?? detail?.name ?? this.id);
    this.root.dataset.domain = ["flood", "traffic", "air"].includes(domain) ? domain : "other";
    if (this.mark.dataset.of !== this.root.dataset.domain) this.mark.replaceChildren(icon(domain));
    this.mark.dataset.of = this.root.dataset.domain;
    const state = known ? model.state(known) : null;
    this.badge.hidden = !state;
    if (state) {
      this.root.dataset.state = state;
      put(this.badge, text.say(`states.${state}`));
    }
    put(this.seen, !known ? "" : known.seen_ms === null ? text.say("never") : text.say("seen", { age: text.age((model.now() - known.seen_ms) / 1000) }));
    this.#place(known, detail, domain);
  }

  #place(known, detail, domain) {
    const { text } = this.app;
    const at = known?.at ?? detail?.at ?? null;
    const kemendagri = known?.kemendagri ?? detail?.kemendagri;
    const parts = [domain !== "other" && text.word("domains", domain), this.id, kemendagri && text.say("station.kemendagri", { code: kemendagri })].filter(Boolean);
    const said = parts.join(" · ");
    const where = at ? `${at[1].toFixed(5)}, ${at[0].toFixed(5)}` : text.say("station.nowhere");
    if (this.place.dataset.said === said + where) return;
    this.place.dataset.said = said + where;
    this.place.replaceChildren(`${said} · `);
    if (!at) return void this.place.append(where);
    const link = el("a", "", where); // a phone opens its own map
    link.href = `geo:${at[1]},${at[0]}`;
    this.place.append(link);
  }

  /** The alerts that stand at this station, worst first, each a way to its story. */
  #standing() {
    const { model, text } = this.app;
    const found = model.alertOrder().filter(({ station }) => station === this.id);
    const shown = JSON.stringify([text.language, found.map(({ id, rank, state, acknowledged_at: at }) => [id, rank, state, at])]);
    if (this.alerts.dataset.shown === shown) return;
    const changed = this.alerts.dataset.shown !== undefined;
    this.alerts.dataset.shown = shown;
    this.alerts.hidden = !found.length;
    const words = (alert) => (alert.acknowledged_at ? ` · ${text.say("station.acknowledged")}` : alert.state === "shelved" ? ` · ${text.say("station.shelved")}` : "");
    this.alerts.replaceChildren(
      ...found.map((alert) => {
        const said = el("span", "", null, el("b", "", text.say(`station.severities.${alert.rank}`)), ` ${alert.text[text.language]}${words(alert)}`);
        const link = el("a", "", null, said);
        link.href = `#/alerts/${alert.id}`;
        const row = el("li", "", null, link);
        row.dataset.severity = alert.rank;
        return row;
      }),
    );
    if (changed) this.#askAlerts();
  }

  #said() {
    const { model, text } = this.app;
    const { trouble, detail } = this;
    const say = () => {
      if (!trouble) return detail ? "" : text.say("station.loading");
      if (!(trouble instanceof this.app.api.Problem)) return text.say(detail ? "station.unreachable_kept" : "station.unreachable");
      return trouble.status === 404 && !model.stations.has(this.id) ? text.say("station.unknown", { id: this.id }) : text.say("station.refused", { detail: trouble.message });
    };
    put(this.note, say());
    this.note.hidden = !this.note.textContent;
  }
}
