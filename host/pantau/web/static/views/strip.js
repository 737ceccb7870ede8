// The header's strip: how much of the network reports.

import { el } from "../lib/dom.js";

export class Strip {
  constructor(root, app) {
    this.root = root;
    this.app = app;
  }

  tick() {
    const { model, text } = this.app;
    const all = [...model.stations.values()];
    const reporting = all.filter((station) => !model.silent(station)).length;
    this.root.replaceChildren(el("b", "", `${reporting} / ${all.length}`), el("span", "", text.say("reporting")));
  }
}
