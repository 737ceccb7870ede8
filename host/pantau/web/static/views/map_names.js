// Names on the map, where there is room: of stations first, then those that the basemap brings. None hides a sign or another name.

import * as L from "/vendor/leaflet/leaflet-src.esm.js";

const PAD = 0.25; // of the view drawn beyond it, so that a drag shows no bare edge
const HIGH = 15;
const CELL = 96;
const FONTS = {
  station: '600 12px system-ui, "Noto Sans", "DejaVu Sans", sans-serif',
  district: '600 12px system-ui, "Noto Sans", "DejaVu Sans", sans-serif',
  place: '500 11px system-ui, "Noto Sans", "DejaVu Sans", sans-serif',
  water: 'italic 500 11px system-ui, "Noto Sans", "DejaVu Sans", sans-serif',
};
const LONGEST = 34; // letters of a name on the map; the rest is in its tooltip

/** What is taken, in cells, so that a thousand signs cost little. */
class Room {
  #cells = new Map();

  #each([left, top, right, bottom], call) {
    for (let x = Math.floor(left / CELL); x <= Math.floor(right / CELL); x += 1) {
      for (let y = Math.floor(top / CELL); y <= Math.floor(bottom / CELL); y += 1) {
        const name = `${x} ${y}`;
        if (!this.#cells.has(name)) this.#cells.set(name, []);
        if (call(this.#cells.get(name)) === false) return false;
      }
    }
    return true;
  }

  take(box) {
    this.#each(box, (held) => void held.push(box));
  }

  free(box) {
    const [left, top, right, bottom] = box;
    return this.#each(box, (held) => held.every(([l, t, r, b]) => right < l || r < left || bottom < t || b < top));
  }
}

export const Names = L.Layer.extend({
  /** `signs()`: [{point, far, name}] in layer pixels, most important first; `places()`: [{at, name, kind}]. */
  initialize(theme, signs, places) {
    this._theme = theme;
    this._signs = signs;
    this._places = places;
    this._widths = new Map();
  },

  onAdd(map) {
    this._canvas = L.DomUtil.create("canvas", "names leaflet-zoom-hide", map.getPane("names"));
    this._canvas.setAttribute("aria-hidden", "true");
    this.redraw();
  },

  onRemove() {
    cancelAnimationFrame(this._waits);
    this._canvas.remove();
  },

  getEvents() {
    return { moveend: this.later, resize: this.later };
  },

  /** Once in a frame, however often it is asked for. */
  later() {
    this._waits ??= requestAnimationFrame(() => {
      this._waits = null;
      this.redraw();
    });
  },

  redraw() {
    const map = this._map;
    if (!map) return;
    const size = map.getSize();
    const from = map.containerPointToLayerPoint(size.multiplyBy(-PAD)).round();
    const whole = size.multiplyBy(1 + 2 * PAD).round();
    const sharp = window.devicePixelRatio || 1;
    const canvas = this._canvas;
    canvas.width = whole.x * sharp;
    canvas.height = whole.y * sharp;
    canvas.style.width = `${whole.x}px`;
    canvas.style.height = `${whole.y}px`;
    L.DomUtil.setPosition(canvas, from);
    const ctx = canvas.getContext("2d");
    ctx.setTransform(sharp, 0, 0, sharp, -from.x * sharp, -from.y * sharp);
    ctx.textBaseline = "middle";
    ctx.lineJoin = "round";
    ctx.lineWidth = 3.5;
    const seen = new L.Bounds(from, from.add(whole));
    const corner = map.containerPointToLayerPoint([0, 0]);
    this._draw(ctx, seen, this._theme(), new L.Bounds(corner, corner.add(size)));
  },

  _draw(ctx, seen, colours, view) {
    const room = new Room();
    const signs = this._signs().filter(({ point }) => seen.contains(point));
    for (const { point, far } of signs) room.take([point.x - far, point.y - far, point.x + far, point.y + far]);
    ctx.strokeStyle = colours.halo;
    ctx.fillStyle = colours.ink;
    this.shown = [];
    const said = new Set(); // stations of one place share a name: it is written once in a view
    for (const { point, far, name } of signs) {
      if (!name || said.has(name)) continue;
      const short = cut(name);
      const wide = this._width(ctx, short, "station");
      const tries = [[point.x + far + 2, point.y], [point.x - far - 2 - wide, point.y], [point.x - wide / 2, point.y + far + 9], [point.x - wide / 2, point.y - far - 9]];
      const free = tries.filter(([x, y]) => room.free([x, y - HIGH / 2, x + wide, y + HIGH / 2]));
      const fits = free.find(([x]) => x >= view.min.x && x + wide <= view.max.x) ?? free[0]; // whole in view, if it can be
      if (!fits) continue;
      said.add(name);
      this._write(ctx, room, short, fits, wide);
    }
    this._drawPlaces(ctx, seen, room, colours);
  },

  _drawPlaces(ctx, seen, room, colours) {
    const map = this._map;
    const said = new Set();
    for (const { at, name, kind } of this._places()) {
      const point = map.latLngToLayerPoint(at);
      if (said.has(name) || !seen.contains(point)) continue;
      const short = cut(kind === "district" ? name.toUpperCase() : name);
      ctx.letterSpacing = kind === "district" ? "1.5px" : "0px";
      const wide = this._width(ctx, short, kind);
      const left = point.x - wide / 2;
      if (!room.free([left - 6, point.y - HIGH, left + wide + 6, point.y + HIGH])) continue;
      said.add(name);
      ctx.fillStyle = kind === "water" ? colours.shore : colours.label;
      this._write(ctx, room, short, [left, point.y], wide);
    }
    ctx.letterSpacing = "0px";
  },

  _width(ctx, name, kind) {
    ctx.font = FONTS[kind] ?? FONTS.place;
    const key = `${kind} ${name}`;
    if (!this._widths.has(key)) {
      if (this._widths.size > 5000) this._widths.clear();
      this._widths.set(key, ctx.measureText(name).width);
    }
    return this._widths.get(key);
  },

  _write(ctx, room, name, [x, y], wide) {
    room.take([x, y - HIGH / 2, x + wide, y + HIGH / 2]);
    ctx.strokeText(name, x, y);
    ctx.fillText(name, x, y);
    this.shown.push(name);
  },
});

function cut(name) {
  return name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name;
}
