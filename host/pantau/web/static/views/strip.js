// The header's strip: how much of the network reports, what is in alarm, and how the states share the city.

import { el, put } from "../lib/dom.js";

export class Strip {
  constructor(root, app) {
    this.root = root;
    this.app = app;
    this.reporting = el("b", "reporting");
    this.label = el("span", "label");
    this.parts = new Map(); // state -> {chip, count, word, bar}
    this.bar = el("span", "statebar");
    this.bar.setAttribute("aria-hidden", "true"); // the chips say the same in words
    const chips = el("ul", "states");
    for (const state of app.model.STATES) {
      const part = { chip: el("li"), count: el("b"), word: el("span"), bar: el("i") };
      part.chip.dataset.state = part.bar.dataset.state = state;
      part.chip.append(part.count, part.word);
      part.chip.hidden = true;
      this.bar.append(part.bar);
      chips.append(part.chip);
      this.parts.set(state, part);
    }
    const link = el("a", "", null, this.reporting, this.label);
    link.href = "#/network";
    this.calls = el("a", "calls"); // for views beside which no list of alerts stands
    this.calls.href = "#/alerts";
    root.append(link, this.calls, this.bar, chips);
  }

  tick() {
    const { model, text } = this.app;
    const count = Object.fromEntries(model.STATES.map((state) => [state, 0]));
    let reporting = 0;
    for (const station of model.stations.values()) {
      count[model.state(station)] += 1;
      if (!model.silent(station)) reporting += 1;
    }
    const all = model.stations.size;
    put(this.reporting, `${text.number(reporting)} / ${text.number(all)}`);
    put(this.label, text.say("reporting"));
    const calling = [...model.alerts.values()].filter(model.calls);
    this.calls.hidden = !calling.length;
    this.calls.dataset.severity = String(Math.max(0, ...calling.map(({ rank }) => rank)));
    put(this.calls, text.say("alerts_open", { number: text.number(calling.length) }));
    this.root.dataset.state = all && reporting === all ? "ok" : "late";
    for (const [state, part] of this.parts) {
      part.bar.style.flexGrow = String(count[state]);
      part.bar.hidden = !count[state];
      part.chip.hidden = !count[state] || state === "ok";
      put(part.count, text.number(count[state]));
      put(part.word, text.say(`states.${state}`));
    }
  }
}
