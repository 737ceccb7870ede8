// Vector tiles on canvas, in the colours of the theme. Closer than the file goes, its closest tiles are drawn larger, not blurred.

import * as L from "/vendor/leaflet/leaflet-src.esm.js";

const KEPT = 96; // tiles, for other zooms and themes
const PAINT = ["land", "green", "water", "river", "coast", "boundary", "rail", "road", "other"]; // from below
const AREAS = new Set(["land", "green", "water"]);

/** Width of a line in px: roads by rank (0 least .. 3 motorway) and zoom. */
function width(kind, rank, zoom) {
  const grown = Math.max(0, zoom - 11);
  if (kind === "road") return Math.min(14, 0.7 + rank * 0.8 + grown * (0.22 + rank * 0.22));
  if (kind === "river") return Math.min(8, 1 + grown * 0.5);
  return kind === "boundary" ? 1.3 : 1;
}

export const VectorTiles = L.GridLayer.extend({
  initialize(facts, theme, named, options) {
    L.GridLayer.prototype.initialize.call(this, { ...options, updateWhenZooming: false, keepBuffer: 1 });
    this._facts = facts;
    this._theme = theme;
    this._named = named; // called when names came
    this._kept = new Map(); // address -> promise of the tile's JSON
  },

  createTile(coords, done) {
    const size = this.getTileSize();
    const sharp = window.devicePixelRatio || 1;
    const canvas = document.createElement("canvas");
    canvas.width = size.x * sharp;
    canvas.height = size.y * sharp;
    canvas.setAttribute("aria-hidden", "true");
    canvas.coords = coords;
    this._load(coords).then(
      (tile) => {
        canvas.tile = tile;
        this._paint(canvas);
        done(null, canvas);
        if (tile) this._named();
      },
      (error) => done(error, canvas), // the server says why in its log; the map goes on without this square
    );
    return canvas;
  },

  /** The tile that holds `coords`: itself, or the one above it where the file ends. */
  _load({ x, y, z }) {
    const up = Math.max(0, z - this._facts.max_zoom);
    const address = L.Util.template(this._facts.url, { z: z - up, x: x >> up, y: y >> up });
    const known = this._kept.get(address);
    this._kept.delete(address);
    const asked = known ?? fetch(address).then((answer) => (answer.status === 200 ? answer.json() : null));
    this._kept.set(address, asked);
    if (!known) asked.catch(() => this._kept.delete(address)); // asked again at the next look
    if (this._kept.size > KEPT) this._kept.delete(this._kept.keys().next().value);
    return asked;
  },

  _paint(canvas) {
    const { coords, tile } = canvas;
    if (!tile) return;
    const up = Math.max(0, coords.z - this._facts.max_zoom);
    const scale = (this.getTileSize().x * 2 ** up) / tile.extent;
    const part = { x: coords.x & (2 ** up - 1), y: coords.y & (2 ** up - 1) };
    const ctx = canvas.getContext("2d");
    const sharp = window.devicePixelRatio || 1;
    const size = this.getTileSize();
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, canvas.width, canvas.height);
    ctx.setTransform(sharp, 0, 0, sharp, -part.x * size.x * sharp, -part.y * size.y * sharp);
    ctx.lineJoin = "round";
    ctx.lineCap = "round";
    const colours = this._theme();
    for (const kind of PAINT) {
      const features = tile.features.filter((feature) => feature.kind === kind && feature.type > 1);
      features.sort((a, b) => a.rank - b.rank);
      if (kind === "road") for (const one of features) if (one.rank > 0) stroke(ctx, one, scale, colours.casing, width(kind, one.rank, coords.z) + 1.5);
      for (const one of features) this._feature(ctx, one, scale, colours, coords.z);
    }
  },

  _feature(ctx, feature, scale, colours, zoom) {
    const { kind, type, rank } = feature;
    if (type === 3 && AREAS.has(kind)) {
      trace(ctx, feature, scale);
      ctx.fillStyle = colours[kind];
      ctx.fill("evenodd");
      return;
    }
    if (type === 3 && kind !== "boundary") return; // an area of something that has no colour of its own
    const line = { river: colours.water, coast: colours.shore, water: colours.water, boundary: colours.border, rail: colours.rail, road: colours.road, other: colours.rail };
    ctx.setLineDash(kind === "boundary" ? [7, 4] : kind === "rail" ? [4, 3] : []);
    stroke(ctx, feature, scale, line[kind] ?? colours.rail, width(kind, rank, zoom));
    ctx.setLineDash([]);
  },

  /** Names of the tiles in view, most important first. */
  names() {
    const found = [];
    const seen = new Set();
    for (const { el, coords } of Object.values(this._tiles ?? {})) {
      if (!el.tile || coords.z !== this._tileZoom) continue;
      const up = Math.max(0, coords.z - this._facts.max_zoom);
      const key = `${coords.x >> up} ${coords.y >> up}`;
      if (seen.has(key)) continue;
      seen.add(key);
      for (const feature of el.tile.features) {
        if (!feature.name || feature.type !== 1) continue;
        const [[x, y]] = feature.parts;
        const z = coords.z - up;
        const point = L.point((coords.x >> up) + x / el.tile.extent, (coords.y >> up) + y / el.tile.extent).multiplyBy(256);
        found.push({ at: this._map.unproject(point, z), name: feature.name, kind: feature.kind === "water" ? "water" : feature.rank > 1 ? "district" : "place", rank: feature.rank });
      }
    }
    return found.sort((a, b) => b.rank - a.rank);
  },

  /** The theme is another. */
  repaint() {
    for (const { el } of Object.values(this._tiles ?? {})) this._paint(el);
  },
});

function trace(ctx, { parts, type }, scale) {
  ctx.beginPath();
  for (const part of parts) {
    ctx.moveTo(part[0] * scale, part[1] * scale);
    for (let at = 2; at < part.length; at += 2) ctx.lineTo(part[at] * scale, part[at + 1] * scale);
    if (type === 3) ctx.closePath();
  }
}

function stroke(ctx, feature, scale, colour, wide) {
  trace(ctx, feature, scale);
  ctx.strokeStyle = colour;
  ctx.lineWidth = wide;
  ctx.stroke();
}
