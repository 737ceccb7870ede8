// Where the stations are: a graticule, a scale bar and names. No basemap is drawn that nobody surveyed.

import { el, svg } from "./dom.js";
import * as model from "./model.js";
import * as text from "./text.js";

const SIZE = { w: 400, h: 440 };
const PAD = 56;
const DEGREE_KM = 111.32; // one degree of latitude
const LEAST_DEG = 0.01; // a single station is shown in about a kilometre of surroundings
const MOST_NAMES = 40; // beyond, names would hide the stations
const NAME_WIDTH = 5.9; // of a letter at the size of a name
const SHAPES = {
  flood: "M0-8C4-3 6.5 0 6.5 3a6.5 6.5 0 0 1-13 0C-6.5 0-4-3 0-8z",
  traffic: "M-6-6h12v12h-12z",
  air: "M0-7.5 7.5 6h-15z",
};
const ROUND = "M0-6a6 6 0 1 0 .001 0z";

/** The greatest of 1, 2, 5 times a power of ten that is not above `value`. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [5, 2, 1].find((step) => step * power <= value) * power;
}

function frame(places) {
  const lons = places.map(({ at }) => at[0]);
  const lats = places.map(({ at }) => at[1]);
  const middle = [(Math.min(...lons) + Math.max(...lons)) / 2, (Math.min(...lats) + Math.max(...lats)) / 2];
  const squeeze = Math.max(0.05, Math.cos((middle[1] * Math.PI) / 180)); // a degree of longitude against one of latitude
  const wide = Math.max((Math.max(...lons) - Math.min(...lons)) * squeeze, LEAST_DEG);
  const high = Math.max(Math.max(...lats) - Math.min(...lats), LEAST_DEG);
  const scale = Math.min((SIZE.w - 2 * PAD) / wide, (SIZE.h - 2 * PAD) / high); // pixels per degree of latitude
  const x = (lon) => SIZE.w / 2 + (lon - middle[0]) * squeeze * scale;
  const y = (lat) => SIZE.h / 2 - (lat - middle[1]) * scale;
  return { x, y, scale, squeeze, middle };
}

function graticule({ x, y, scale, squeeze, middle }) {
  const step = nice((1.2 * SIZE.w) / scale / 3);
  const digits = Math.max(0, Math.ceil(-Math.log10(step)));
  const parts = [];
  for (let i = -6; i <= 6; i += 1) {
    const lat = (Math.round(middle[1] / step) + i) * step;
    const lon = (Math.round(middle[0] / step) + i) * step;
    if (y(lat) > 8 && y(lat) < SIZE.h - 18) {
      parts.push(svg("path", { class: "grid", d: `M0 ${y(lat)}H${SIZE.w}` }));
      parts.push(svg("text", { class: "degree", x: 4, y: y(lat) - 3 }, `${Math.abs(lat).toFixed(digits)}° ${lat < 0 ? "S" : "N"}`));
    }
    if (x(lon) > 44 && x(lon) < SIZE.w - 46) {
      parts.push(svg("path", { class: "grid", d: `M${x(lon)} 0V${SIZE.h}` }));
      parts.push(svg("text", { class: "degree", x: x(lon) + 3, y: 11 }, `${Math.abs(lon).toFixed(digits)}° ${lon < 0 ? "W" : "E"}`));
    }
  }
  const km = nice((SIZE.w / 3 / scale) * DEGREE_KM);
  const long = (km / DEGREE_KM) * scale;
  const [left, base] = [SIZE.w - 14 - long, SIZE.h - 14];
  parts.push(svg("path", { class: "bar", d: `M${left} ${base - 5}v5h${long}v-5` }));
  const label = km >= 1 ? `${km} km` : `${Math.round(km * 1000)} m`;
  parts.push(svg("text", { class: "degree bar-text", x: left + long / 2, y: base - 6 }, label));
  return parts;
}

/** The first of six places around a marker where its name hides no other name and no marker; null if there is none. */
function placeName(name, px, py, taken) {
  const wide = name.length * NAME_WIDTH + 6;
  const tries = [
    [px + 12, py - 7, "start"], [px - 12 - wide, py - 7, "end"], [px - wide / 2, py - 28, "middle"],
    [px - wide / 2, py + 11, "middle"], [px - 8, py - 28, "start"], [px - 8, py + 11, "start"],
  ];
  const fits = ([left, top]) =>
    left > 2 && left + wide < SIZE.w - 2 && top > 14 && top < SIZE.h - 16 &&
    taken.every(([l, t, w, h]) => left + wide < l || l + w < left || top + 14 < t || t + h < top);
  const found = tries.find(fits);
  if (!found) return null;
  const [left, top, anchor] = found;
  taken.push([left, top, wide, 14]);
  return { x: left + { start: 3, middle: wide / 2, end: wide - 3 }[anchor], y: top + 11, "text-anchor": anchor };
}

/** The map of all placed nodes; `states()` recolours it as nodes age. */
export class LocatorMap {
  constructor(holder, onPick) {
    this.holder = holder;
    this.onPick = onPick;
    this.markers = new Map();
  }

  render() {
    const places = [...model.nodes.values()].filter(({ at }) => at);
    this.markers.clear();
    this.holder.hidden = places.length === 0;
    if (places.length === 0) return;
    const view = frame(places);
    const taken = places.map(({ at }) => [view.x(at[0]) - 8, view.y(at[1]) - 9, 16, 18]);
    const drawn = svg("svg", { viewBox: `0 0 ${SIZE.w} ${SIZE.h}`, role: "img", "aria-label": text.say("map") }, ...graticule(view));
    const named = new Set();
    for (const node of places) {
      const [px, py] = [view.x(node.at[0]), view.y(node.at[1])];
      const shape = Object.hasOwn(SHAPES, node.domain) ? SHAPES[node.domain] : ROUND;
      const marker = svg("g", { class: "marker", transform: `translate(${px.toFixed(1)} ${py.toFixed(1)})` });
      marker.append(svg("circle", { class: "halo", r: 13 }), svg("path", { d: shape }), svg("title", {}, node.name));
      marker.addEventListener("click", () => this.onPick(node.node));
      this.markers.set(node.node, marker);
      drawn.append(marker);
      if (places.length > MOST_NAMES || named.has(node.name)) continue;
      named.add(node.name);
      const at = placeName(node.name, px, py, taken);
      if (at) drawn.append(svg("text", { class: "name", ...at }, node.name));
    }
    const legend = el("p", "legend");
    for (const domain of Object.keys(SHAPES)) {
      if (!places.some((node) => node.domain === domain)) continue;
      const sign = svg("svg", { viewBox: "-9 -9 18 18", "aria-hidden": "true" }, svg("path", { d: SHAPES[domain] }));
      legend.append(el("span", "", null, sign, text.say(`domains.${domain}`)));
    }
    const title = el("h2", "", text.say("map"));
    this.holder.replaceChildren(title, drawn, legend, el("p", "", text.say("map_note")));
  }

  mark(id, state) {
    const marker = this.markers.get(id);
    if (marker && marker.dataset.state !== state) marker.dataset.state = state;
  }
}
