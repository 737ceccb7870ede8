// Stations as signs on Leaflet's canvas: shape says the domain, colour and mark the state, rings the severity of an alert.

import * as L from "/vendor/leaflet/leaflet-src.esm.js";

// One path each, about 16 px across, its middle at 0 0.
export const SHAPES = {
  flood: "M0-10.5C3.5-6 7-2.500 7 2A7 7 0 0 1-7 2C-7-2.500-3.500-6 0-10.5z",
  traffic: "M-5-7H5a2 2 0 0 1 2 2V5a2 2 0 0 1-2 2H-5a2 2 0 0 1-2-2V-5a2 2 0 0 1 2-2z",
  air: "M0-8.500 7.400-4.250V4.250L0 8.500-7.400 4.250V-4.250z",
  other: "M0-7.200A7.200 7.200 0 1 0 .001-7.200z",
};
const MARKS = { alarm: "!", offline: "×", fault: "?", late: "…", maintenance: "–", ok: "" };
const FONT = '"DejaVu Sans", system-ui, sans-serif';
const URGENT_SIZE = 1.35;
const RING_FROM = 13; // px from the middle to the first ring
const RING_STEP = 4;
const LEG_SHORT = 15; // px that the line of a fanned sign keeps from a cluster's middle
const SLACK = { mouse: 2, touch: 9 }; // px around a sign that still mean it
const slack = matchMedia("(pointer: coarse)").matches ? SLACK.touch : SLACK.mouse;
const STATES = ["alarm", "offline", "fault", "late", "maintenance", "ok"];

const paths = new Map();

function path(domain) {
  const shape = Object.hasOwn(SHAPES, domain) ? domain : "other";
  if (!paths.has(shape)) paths.set(shape, new Path2D(SHAPES[shape]));
  return paths.get(shape);
}

/** The colours of the theme that the page wears now. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const found = Object.fromEntries(STATES.map((state) => [state, read(state)]));
  found.sev = [1, 2, 3, 4].map((rank) => read(`sev${rank}`));
  for (const name of ["ink", "sheet", "soft", "faint", "brand"]) found[name] = read(name);
  for (const name of ["land", "water", "shore", "green", "road", "casing", "rail", "border", "label", "halo", "grid"]) found[name] = read(`map-${name}`);
  return found;
}

/** Whether a station must be seen by itself, whatever stands beside it. */
export function urgent({ state, severity, selected }) {
  return state === "alarm" || severity > 0 || selected;
}

function size(look) {
  return look.state === "alarm" || look.severity > 0 ? URGENT_SIZE : 1;
}

/** Px from the middle to the edge of all that is drawn of a station. */
export function reach(look) {
  const rings = look.severity ? RING_FROM + 2 + RING_STEP * (look.severity > 2 ? 1 : 0) + look.severity : 0;
  return Math.max(12 * size(look), rings, look.selected ? 23 : 0) + 1;
}

/** Draw one station at (x, y). A look is {domain, state, stale, severity, selected}. */
export function drawStation(ctx, x, y, look, colours) {
  const colour = colours[look.state];
  const big = size(look);
  ctx.save();
  ctx.translate(x, y);
  if (look.selected) drawChosen(ctx, colours);
  if (look.severity) drawRings(ctx, look.severity, colours);
  ctx.scale(big, big);
  // What is old loses its colour: only the outline still says what the state was.
  const hollow = look.stale || look.state === "offline";
  ctx.lineJoin = "round";
  ctx.strokeStyle = colours.sheet;
  ctx.lineWidth = hollow ? 5 : 3;
  ctx.stroke(path(look.domain));
  ctx.fillStyle = hollow ? colours.sheet : colour;
  ctx.fill(path(look.domain));
  if (hollow) {
    ctx.strokeStyle = colour;
    ctx.lineWidth = 2;
    if (look.state === "offline") ctx.setLineDash([3, 2]);
    ctx.stroke(path(look.domain));
    ctx.setLineDash([]);
  }
  ctx.fillStyle = hollow ? colour : colours.sheet;
  ctx.font = `700 ${look.state === "offline" ? 13 : 11}px ${FONT}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(MARKS[look.state] ?? "", 0, (look.domain === "flood" ? 2 : 0.5) - (look.state === "late" ? 2.5 : 0));
  ctx.restore();
}

/** Thicker with severity, and two from "severe" on: the rings are told apart without their colour. */
function drawRings(ctx, severity, colours) {
  ctx.strokeStyle = colours.sev[severity - 1];
  ctx.lineWidth = 1 + severity * 0.6;
  for (let ring = 0; ring < (severity > 2 ? 2 : 1); ring += 1) {
    ctx.beginPath();
    ctx.arc(0, 0, RING_FROM + 2 + ring * (RING_STEP + severity * 0.4), 0, 2 * Math.PI);
    ctx.stroke();
  }
}

function drawChosen(ctx, colours) {
  ctx.beginPath();
  ctx.arc(0, 0, 20, 0, 2 * Math.PI);
  ctx.globalAlpha = 0.22;
  ctx.fillStyle = colours.brand;
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.strokeStyle = colours.ink;
  ctx.lineWidth = 2;
  for (let quarter = 0; quarter < 4; quarter += 1) {
    ctx.beginPath();
    ctx.arc(0, 0, 20, quarter * (Math.PI / 2) + 0.45, (quarter + 1) * (Math.PI / 2) - 0.45);
    ctx.stroke();
  }
}

/** One station. `offset` moves it from its place, with a line back to it, where several would lie on each other. */
export const StationMarker = L.CircleMarker.extend({
  options: { radius: 12, weight: 0, bubblingMouseEvents: false },

  initialize(at, id, look, theme, options) {
    L.CircleMarker.prototype.initialize.call(this, at, options);
    this.id = id;
    this.look = look;
    this.theme = theme; // () -> palette
    this.offset = L.point(0, 0);
    this.within = null; // the cluster that shows it instead
  },

  _project() {
    this._anchor = this._map.latLngToLayerPoint(this._latlng);
    this._point = this._anchor.add(this.offset);
    this._updateBounds();
  },

  _updateBounds() {
    const far = reach(this.look);
    this._pxBounds = new L.Bounds(this._point.subtract([far, far]), this._point.add([far, far])).extend(this._anchor);
  },

  _updatePath() {
    if (!this._renderer._drawing || this.within || this._empty()) return;
    const ctx = this._renderer._ctx;
    const colours = this.theme();
    if (this.offset.x || this.offset.y) {
      ctx.strokeStyle = colours.soft;
      ctx.lineWidth = 1;
      ctx.beginPath();
      const whole = Math.hypot(this.offset.x, this.offset.y);
      const from = whole > 2 * LEG_SHORT ? LEG_SHORT / whole : 0; // a cluster may stand at the place itself
      ctx.moveTo(this._anchor.x + this.offset.x * from, this._anchor.y + this.offset.y * from);
      ctx.lineTo(this._point.x, this._point.y);
      ctx.stroke();
    }
    drawStation(ctx, this._point.x, this._point.y, this.look, colours);
  },

  _containsPoint(point) {
    return !this.within && point.distanceTo(this._point) <= 10 * size(this.look) + slack;
  },
});

/** Several stations that call for nobody: how many, and a ring of their states. The worst colours the number. */
export const ClusterMarker = L.CircleMarker.extend({
  options: { weight: 0, bubblingMouseEvents: false },

  initialize(at, members, theme, options) {
    L.CircleMarker.prototype.initialize.call(this, at, options);
    this.members = members; // StationMarkers
    this.theme = theme;
    this._radius = 13 + Math.min(7, Math.log2(members.length));
    this.tally();
  },

  /** Count again; true when it looks otherwise now. */
  tally() {
    const states = {};
    for (const { look } of this.members) states[look.state] = (states[look.state] ?? 0) + 1;
    const before = JSON.stringify(this.states);
    this.states = Object.fromEntries(STATES.filter((state) => states[state]).map((state) => [state, states[state]]));
    this.worst = Object.keys(this.states)[0];
    return before !== JSON.stringify(this.states);
  },

  _updatePath() {
    if (!this._renderer._drawing || this._empty()) return;
    const ctx = this._renderer._ctx;
    const colours = this.theme();
    const { x, y } = this._point;
    const radius = this._radius;
    ctx.fillStyle = colours.sheet;
    ctx.beginPath();
    ctx.arc(x, y, radius + 1.5, 0, 2 * Math.PI);
    ctx.fill();
    ctx.lineWidth = 4;
    let from = -Math.PI / 2;
    for (const [state, count] of Object.entries(this.states)) {
      const until = from + (count / this.members.length) * 2 * Math.PI;
      ctx.strokeStyle = colours[state];
      ctx.beginPath();
      ctx.arc(x, y, radius - 1.5, from, until);
      ctx.stroke();
      from = until;
    }
    ctx.fillStyle = colours[this.worst];
    ctx.font = `700 ${this.members.length > 99 ? 10 : 12}px ${FONT}`;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.fillText(`${this.members.length}${MARKS[this.worst] ? ` ${MARKS[this.worst]}` : ""}`, x, y + 0.5);
  },

  _updateBounds() {
    const far = this._radius + 3;
    this._pxBounds = new L.Bounds(this._point.subtract([far, far]), this._point.add([far, far]));
  },

  _containsPoint(point) {
    return point.distanceTo(this._point) <= this._radius + slack;
  },
});
