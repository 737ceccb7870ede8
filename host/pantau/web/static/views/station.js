// One station: what it measures now, how that came about, and what a technician has to look at.

import { el } from "../lib/dom.js";

export class StationView {
  constructor(root, app) {
    this.root = root;
    this.app = app;
    this.id = null;
  }

  open(id) {
    this.id = id;
    this.render();
  }

  close() {
    this.id = null;
    this.root.replaceChildren();
  }

  render() {
    const station = this.app.model.stations.get(this.id);
    this.root.replaceChildren(el("h2", "", station?.name ?? this.id));
  }

  changed() {}

  tick() {}
}
