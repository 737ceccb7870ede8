// The last values of a station: each with its unit, its age, what is wrong with it, and whether it is live, late or a mean.

import { el, put } from "../lib/dom.js";
import { flagWords } from "./chart_a11y.js";
import { freshness, listed, spanOf } from "./station_facts.js";

const EMPTY = "no_sample"; // nothing to measure: missing, but no fault

export class Readings {
  /** `choose(property)` shows a series. */
  constructor(app, choose) {
    this.app = app;
    this.choose = choose;
    this.ages = [];
    this.hero = el("div", "hero");
    this.rest = el("dl", "rest");
    this.element = el("div", "readings", null, this.hero, this.rest);
  }

  /** Show the readings of `station`: {domain, report_interval_s, stale_reports, readings: [{property, value, ..., ms, node}]}. */
  show(station) {
    this.ages = [];
    const [first, ...rest] = listed(station.readings, station.domain, this.app.text.place);
    const several = new Set(station.readings.map(({ node }) => node)).size > 1;
    if (first) this.#hero(station, first, several);
    else this.hero.replaceChildren(el("p", "none", this.app.text.say("no_readings")));
    this.rest.replaceChildren(...rest.map((reading) => this.#row(station, reading, several)));
    this.rest.hidden = !rest.length;
    this.tick(this.app.model.now());
  }

  tick(now_ms) {
    for (const age of this.ages) age(now_ms);
  }

  #hero(station, reading, several) {
    this.hero.className = "hero"; // of another reading before
    this.hero.replaceChildren(el("p", "label", this.#label(reading, several)), this.#value(reading), this.#note(station, reading, this.hero));
  }

  #row(station, reading, several) {
    const row = el("div", "row");
    const link = el("button", "plain label", this.#label(reading, several));
    link.type = "button";
    link.title = this.app.text.say("station.draw");
    link.addEventListener("click", () => this.choose(reading));
    row.append(el("dt", "", null, link), el("dd", "", null, this.#value(reading), this.#note(station, reading, row)));
    return row;
  }

  #label(reading, several) {
    const name = this.app.text.word("properties", reading.property);
    return several && reading.node ? `${name} · ${reading.node}` : name;
  }

  #value(reading) {
    const { text } = this.app;
    if (reading.value === null) return el("span", "value missing", text.say("missing"));
    const value = el("span", "value", text.number(reading.value, reading.property));
    const unit = text.word("units", reading.unit);
    if (unit) value.append(el("span", "unit", `\u2009${unit}`));
    return value;
  }

  /** The line under a value: what it is, its age, and what is wrong with it. */
  #note(station, reading, holder) {
    const { text } = this.app;
    const kind = el("span", "kind");
    const age = el("time", "age");
    age.title = text.dateTime(reading.ms);
    if (Number.isFinite(reading.ms)) age.dateTime = new Date(reading.ms).toISOString();
    const note = el("span", "note", null, kind, age);
    const said = flagWords(text, reading.quality, reading.reason);
    delete holder.dataset.flag;
    if (said) {
      note.append(el("span", reading.reason === EMPTY || reading.quality <= 2 ? "flag mild" : "flag", said));
      if (reading.quality > 2) holder.dataset.flag = reading.quality;
    }
    if (reading.indicative) {
      const made = el("span", "flag mild", text.word("reasons", "indicative"));
      made.title = reading.indicative[text.language] ?? "";
      if (reading.reason !== "indicative") note.append(made);
    }
    if (reading.dated_later) note.append(el("span", "flag mild", text.say("later")));
    const span = spanOf(reading.property);
    this.ages.push((now_ms) => {
      const fresh = freshness(reading, station.report_interval_s, now_ms, station.stale_reports);
      holder.classList.toggle("stale", fresh === "late");
      const words = fresh === "live" ? [] : [text.say(`station.kinds.${fresh}`)];
      if (span) words.push(text.say(`station.spans.${span}`));
      put(kind, words.length ? words.join(" · ") : text.say("station.kinds.live"));
      kind.dataset.kind = fresh === "live" && span ? "mean" : fresh;
      const ahead_s = (reading.ms - now_ms) / 1000;
      put(age, fresh === "ahead" ? text.say("station.ahead_by", { age: text.age(ahead_s) }) : text.say("observed", { age: text.age(-ahead_s) }));
    });
    return note;
  }
}
