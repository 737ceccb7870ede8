// One node's card: state, first value with its line, the other values, what its health says.

import { el, icon, put } from "./dom.js";
import * as model from "./model.js";
import { Spark } from "./spark.js";
import * as text from "./text.js";

// The value that a domain is watched for, the first that a node has; and those that only a technician wants, last.
const FIRST = {
  flood: ["water_level", "water_distance", "rain_amount"],
  traffic: ["vehicle_count_approaching", "vehicle_speed_mean", "pulse_count"],
  air: ["pm2_5", "pm10"],
};
const LAST = [
  "transducer_voltage", "water_distance_n", "water_distance_spread", "pm2_5_spread", "pm_n", "pm2_5_cf1", "particles_0_3",
];
// Parts of one thing, not values to watch: the gaps between tips, the bins of a histogram.
const PARTS = /^(rain_(first|last)_tip_age|vehicle_speed_bin_\d)$/;
const SAID_BY = { rain_tips: "rain_amount", water_distance: "water_distance_corrected" }; // not shown beside the value that was made of it
const AHEAD_S = 5; // a reading this far ahead of the bridge's clock is said to be, not shown as fresh

function sorted(node) {
  const wanted = Object.hasOwn(FIRST, node.domain) ? FIRST[node.domain] : [];
  const rank = ({ property }) => {
    const first = wanted.indexOf(property);
    return first >= 0 ? first : wanted.length + 1 + LAST.indexOf(property);
  };
  const has = new Set(node.latest.map(({ property }) => property));
  const shown = node.latest.filter(({ property }) => !PARTS.test(property) && !has.has(SAID_BY[property]));
  return shown.sort((a, b) => rank(a) - rank(b) || text.place(a.property) - text.place(b.property));
}

export class Card {
  constructor(id) {
    this.id = id;
    this.visible = false;
    this.spark = null;
    this.element = el("article", "card");
    this.element.id = `node-${id}`;
  }

  /** Build the card anew from the model. */
  render() {
    const node = model.nodes.get(this.id);
    this.ticks = [];
    const title = el("div", "title", null, el("h2", "", node.name), el("p", "", node.node));
    title.title = node.name; // the whole of a name that is cut at two lines
    this.badge = el("span", "badge");
    this.element.replaceChildren(el("header", "", null, icon(node.domain), title, this.badge));
    this.element.dataset.domain = node.domain ?? "other";
    const [first, ...rest] = sorted(node);
    if (first) this.element.append(this.#hero(node, first));
    else this.element.append(el("p", "none", text.say("no_readings")));
    if (rest.length) this.element.append(el("dl", "rest", null, ...rest.map((seen) => this.#row(node, seen))));
    this.element.append(this.#foot(node));
    this.tick();
    if (this.visible) this.spark?.refresh(model.now());
  }

  /** Age what is shown by the clock. Returns the state. */
  tick() {
    const state = model.state(model.nodes.get(this.id));
    this.element.dataset.state = state;
    put(this.badge, text.say(`states.${state}`));
    if (this.visible) for (const age of this.ticks) age();
    return state;
  }

  show(visible) {
    const appeared = visible && !this.visible;
    this.visible = visible;
    if (!appeared) return;
    this.tick();
    this.spark?.refresh(model.now());
  }

  #value(reading) {
    if (reading.value === null) return el("span", "value missing", text.say("missing"));
    const value = el("span", "value", text.number(reading.value, reading.property));
    const unit = text.word("units", reading.unit);
    if (unit) value.append(el("span", "unit", `\u2009${unit}`));
    return value;
  }

  /** The line under a value: its age, and what is wrong with it. */
  #note(node, reading, holder) {
    const age = el("span", "age");
    age.title = text.dateTime(reading.ms);
    const note = el("span", "note", null, age);
    if (reading.quality !== 1) {
      const reason = text.word("reasons", reading.reason);
      const flag = text.word("flags", reading.quality);
      const empty = reading.reason === model.EMPTY;
      note.append(el("span", empty ? "flag mild" : "flag", empty || flag === reason ? reason : `${flag}: ${reason}`));
      holder.dataset.flag = reading.quality;
    }
    if (reading.dated_later) note.append(el("span", "flag mild", text.say("later")));
    this.ticks.push(() => {
      const age_s = (model.now() - reading.ms) / 1000;
      const old = model.stale(node, reading);
      holder.classList.toggle("stale", old);
      const said = age_s < -AHEAD_S ? text.say("ahead") : text.say("observed", { age: text.age(age_s) });
      put(age, old ? `${text.say("stale")} · ${said}` : said);
    });
    return note;
  }

  #hero(node, reading) {
    if (this.spark?.query.property !== reading.property) this.spark = new Spark(node.node, reading.property, node.report_interval_s);
    const words = el("div", "words", null, el("span", "label", text.word("properties", reading.property)), this.#value(reading));
    const hero = el("div", "hero", null, words, el("figure", "", null, this.spark.svg, this.spark.caption));
    words.append(this.#note(node, reading, hero));
    return hero;
  }

  #row(node, reading) {
    const row = el("div", "row", null, el("dt", "", text.word("properties", reading.property)));
    row.append(el("dd", "", null, this.#value(reading), this.#note(node, reading, row)));
    return row;
  }

  #foot(node) {
    const seen = el("span");
    this.ticks.push(() => {
      const age = node.seen_ms === null ? null : text.age((model.now() - node.seen_ms) / 1000);
      put(seen, age === null ? text.say("never") : text.say("seen", { age }));
    });
    const foot = el("footer", "", null, seen);
    if (node.clock !== null) foot.append(el("span", node.clock === 3 ? "" : "warn", text.word("clock_quality", node.clock)));
    if (node.health.rssi !== undefined) foot.append(el("span", "", `${node.health.rssi} dBm`));
    if (node.firmware) foot.append(el("span", "", node.firmware));
    return foot;
  }
}
