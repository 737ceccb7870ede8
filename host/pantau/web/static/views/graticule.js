// Degrees: the frame of the map that is true without any basemap.

import * as L from "/vendor/leaflet/leaflet-src.esm.js";

const STEPS = [30, 10, 5, 2, 1, 1 / 2, 1 / 4, 1 / 6, 1 / 12, 1 / 30, 1 / 60, 1 / 120, 1 / 240, 1 / 360, 1 / 720, 1 / 3600]; // degrees, round in minutes and seconds
const APART = 130; // px between lines, at least

/** 6°12' or 6°12'30", as a sea chart writes it. */
export function degrees(value, step, signs) {
  const seconds = Math.round(Math.abs(value) * 3600);
  const parts = [`${Math.floor(seconds / 3600)}°`];
  if (step < 1 || seconds % 3600) parts.push(`${String(Math.floor((seconds % 3600) / 60)).padStart(2, "0")}′`);
  if (step < 1 / 60 || seconds % 60) parts.push(`${String(seconds % 60).padStart(2, "0")}″`);
  return `${parts.join("")} ${signs[value < 0 ? 1 : 0]}`;
}

/** Where the lines are: the step, and the multiples of it in view. */
export function lines(bounds, width) {
  const wide = bounds.getEast() - bounds.getWest();
  const step = STEPS.findLast((one) => (one / wide) * width >= APART) ?? STEPS[0];
  const between = (from, until) => {
    const found = [];
    for (let count = Math.ceil(from / step); count * step <= until; count += 1) found.push(count * step);
    return found;
  };
  return { step, lons: between(bounds.getWest(), bounds.getEast()), lats: between(Math.max(-85, bounds.getSouth()), Math.min(85, bounds.getNorth())) };
}

export const Graticule = L.Layer.extend({
  initialize(theme, words) {
    this._theme = theme; // () -> palette
    this._words = words; // () -> {north, south, east, west}
  },

  onAdd(map) {
    this._canvas = L.DomUtil.create("canvas", "graticule", map.getPane("graticule"));
    this._canvas.setAttribute("aria-hidden", "true");
    this.redraw();
  },

  onRemove() {
    this._canvas.remove();
  },

  getEvents() {
    return { move: this.redraw, resize: this.redraw, zoomend: this.redraw, zoomanim: this._away, viewreset: this.redraw };
  },

  /** While a zoom is animated the lines would lie where they are not. */
  _away() {
    this._canvas.style.visibility = "hidden";
  },

  redraw() {
    const map = this._map;
    if (!map) return;
    const size = map.getSize();
    const sharp = window.devicePixelRatio || 1;
    const canvas = this._canvas;
    canvas.style.visibility = "";
    L.DomUtil.setPosition(canvas, map.containerPointToLayerPoint([0, 0]));
    if (canvas.width !== Math.round(size.x * sharp) || canvas.height !== Math.round(size.y * sharp)) {
      canvas.width = Math.round(size.x * sharp);
      canvas.height = Math.round(size.y * sharp);
      canvas.style.width = `${size.x}px`;
      canvas.style.height = `${size.y}px`;
    }
    const ctx = canvas.getContext("2d");
    ctx.setTransform(sharp, 0, 0, sharp, 0, 0);
    ctx.clearRect(0, 0, size.x, size.y);
    this._draw(ctx, size);
  },

  _draw(ctx, size) {
    const map = this._map;
    const colours = this._theme();
    const words = this._words();
    const { step, lons, lats } = lines(map.getBounds(), size.x);
    const xs = lons.map((lon) => [lon, Math.round(map.latLngToContainerPoint([0, lon]).x) + 0.5]);
    const ys = lats.map((lat) => [lat, Math.round(map.latLngToContainerPoint([lat, map.getCenter().lng]).y) + 0.5]);
    ctx.strokeStyle = colours.grid;
    ctx.lineWidth = 1;
    ctx.beginPath();
    for (const [, x] of xs) ctx.moveTo(x, 0), ctx.lineTo(x, size.y);
    for (const [, y] of ys) ctx.moveTo(0, y), ctx.lineTo(size.x, y);
    ctx.stroke();
    ctx.font = '500 11px "DejaVu Sans", system-ui, sans-serif';
    ctx.lineJoin = "round";
    ctx.lineWidth = 3;
    ctx.strokeStyle = colours.halo;
    ctx.fillStyle = colours.label;
    const write = (text, x, y) => (ctx.strokeText(text, x, y), ctx.fillText(text, x, y));
    for (const [lon, x] of xs) if (x < size.x - 90) write(degrees(lon, step, [words.east, words.west]), x + 4, 14);
    for (const [lat, y] of ys) if (y > 30 && y < size.y - 30) write(degrees(lat, step, [words.north, words.south]), 6, y - 4);
  },
});
