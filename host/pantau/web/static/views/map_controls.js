// What stands around the map: the way home, what the signs mean, where the pointer is, whose the basemap is, and tooltips.

import * as L from "/vendor/leaflet/leaflet-src.esm.js";
import { el, put, svg } from "../lib/dom.js";
import { STATES, stale } from "../lib/model.js";
import { degrees } from "./graticule.js";
import { SHAPES, drawStation } from "./markers.js";

const SIGN = 30; // px of a sign in the legend
const ROOMY = matchMedia("(width >= 1080px) and (height >= 760px)");
const WIDE = 840; // px of the map
const FEW = 60; // with more stations the room is theirs, and the legend is a click away
const ARC_SECOND = 1 / 3600;

export const HomeControl = L.Control.extend({
  options: { position: "topright" },

  initialize(go) {
    this._go = go;
    this.button = el("button", "home");
    this.button.type = "button";
    this.button.append(svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: "M4 11 12 4l8 7M6.500 9.500V19h11V9.500" })));
  },

  onAdd() {
    const holder = el("div", "leaflet-bar controls", null, this.button);
    L.DomEvent.disableClickPropagation(holder);
    this.button.addEventListener("click", this._go);
    return holder;
  },
});

export class Legend {
  constructor(host, app, theme) {
    this.app = app;
    this.theme = theme;
    this.title = el("summary");
    this.body = el("div", "body");
    this.root = el("details", "maplegend controls", null, this.title, this.body);
    this.chosen = app.board; // whether a person said if it is open; before that the room decides
    this.few = false;
    this.title.addEventListener("click", () => (this.chosen = true));
    L.DomEvent.disableClickPropagation(this.root);
    L.DomEvent.disableScrollPropagation(this.root);
    host.append(this.root);
  }

  /** Px at the left that a map of this width should leave to the legend. */
  covers(width) {
    const taken = this.root.open ? this.root.offsetWidth : 0;
    return taken < width * 0.4 ? taken : 0;
  }

  /** Open where the map has room for it beside the city. */
  within(width) {
    if (!this.chosen) this.root.open = this.few && ROOMY.matches && width >= WIDE;
  }

  render(stations) {
    const { text } = this.app;
    this.few = stations.length > 0 && stations.length <= FEW;
    this.within(this.root.parentElement.clientWidth);
    put(this.title, text.say("map.legend"));
    const domains = Object.keys(SHAPES).filter((domain) => stations.some((one) => (Object.hasOwn(SHAPES, one.domain) ? one.domain : "other") === domain));
    const plain = { domain: "other", state: "ok", stale: false, severity: 0, selected: false };
    this.body.replaceChildren(
      this.#list(domains.map((domain) => [{ ...plain, domain }, text.say(`map.domains.${domain}`)])),
      this.#list([
        ...["ok", "alarm", "fault", "late", "offline", "maintenance"].map((state) => [{ ...plain, state, stale: state === "late" }, text.say(`states.${state}`)]),
        [{ ...plain, severity: 2 }, text.say("map.calling")],
        [{ ...plain, state: "alarm", severity: 4 }, text.say("map.grave")],
      ]),
      el("p", "", text.say("map.cluster_note")),
    );
  }

  #list(rows) {
    const list = el("ul");
    for (const [look, words] of rows) {
      const sharp = window.devicePixelRatio || 1;
      const canvas = el("canvas");
      canvas.width = canvas.height = SIGN * sharp;
      canvas.setAttribute("aria-hidden", "true");
      const ctx = canvas.getContext("2d");
      const small = (look.severity ? 0.62 : 0.95) * sharp;
      ctx.setTransform(small, 0, 0, small, (SIGN / 2) * sharp, (SIGN / 2) * sharp);
      drawStation(ctx, 0, 0, look, this.theme());
      list.append(el("li", "", null, canvas, el("span", "", words)));
    }
    return list;
  }
}

/** The line below the map: degrees under the pointer, whose data the basemap is, and what of it could not be used. */
export class Foot {
  constructor(host, map, app, words) {
    this.app = app;
    this.at = el("span", "pointer");
    this.source = el("span", "source");
    this.wrong = el("span", "wrong");
    this.root = el("div", "mapfoot", null, this.at, this.source, this.wrong);
    this.empty = el("p", "mapempty");
    this.empty.hidden = true;
    host.append(this.root, this.empty);
    L.DomEvent.disableClickPropagation(this.root);
    map.on("mousemove", ({ latlng }) => {
      const { north, south, east, west } = words();
      put(this.at, `${degrees(latlng.lat, ARC_SECOND / 2, [north, south])} · ${degrees(latlng.lng, ARC_SECOND / 2, [east, west])}`);
    });
    map.on("mouseout", () => put(this.at, ""));
  }

  render(facts, placed) {
    const { text } = this.app;
    const has = facts && (facts.tiles || facts.layers.length);
    put(this.source, has ? facts.attribution.join(" · ") : facts ? text.say("map.no_basemap") : "");
    const wrong = facts?.problems ?? [];
    put(this.wrong, wrong.length ? text.say("map.problems", { number: text.number(wrong.length) }) : "");
    this.wrong.title = wrong.join("\n");
    this.empty.hidden = placed > 0;
    put(this.empty, placed ? "" : text.say("map.nobody"));
  }
}

export function stationTip(app, station, look) {
  const { text, model } = app;
  const tip = el("div", "tip");
  if (!station) return tip;
  tip.append(el("strong", "", station.name));
  const state = el("span", "state", text.say(`states.${look.state}`));
  state.dataset.state = look.state;
  const said = el("p", "", null, state);
  if (look.severity) {
    const alert = el("span", "sev", text.say("map.alert", { severity: text.say(`severities.${model.SEVERITIES[look.severity]}`) }));
    alert.dataset.severity = String(look.severity);
    said.append(alert);
  }
  tip.append(said);
  for (const reading of station.headline ?? []) {
    const missing = reading.value === null || reading.value === undefined;
    const value = missing ? text.say("missing") : `${text.number(reading.value, reading.property)} ${text.word("units", reading.unit)}`;
    const age = text.say("observed", { age: text.age((model.now() - reading.ms) / 1000) });
    const row = el("p", stale(station, reading) ? "old" : "", null, el("span", "", text.word("properties", reading.property)), el("b", "", value), el("small", "", age));
    tip.append(row);
  }
  if (!station.headline?.length) {
    const heard = station.seen_ms === null ? text.say("never") : text.say("seen", { age: text.age((model.now() - station.seen_ms) / 1000) });
    tip.append(el("p", "", null, el("small", "", heard)));
  }
  return tip;
}

export function clusterTip(app, cluster) {
  const { text } = app;
  const tip = el("div", "tip", null, el("strong", "", text.say("map.together", { number: text.number(cluster.members.length) })));
  for (const state of STATES.filter((one) => cluster.states[one])) {
    const row = el("span", "state", `${text.number(cluster.states[state])} ${text.say(`states.${state}`)}`);
    row.dataset.state = state;
    tip.append(el("p", "", null, row));
  }
  tip.append(el("p", "", null, el("small", "", text.say("map.closer_shows"))));
  return tip;
}
