// The operator's basemap below the stations: GeoJSON layers, and tiles of one PMTiles file. What is not there is not drawn.

import * as L from "/vendor/leaflet/leaflet-src.esm.js";
import { VectorTiles } from "./basemap_tiles.js";

const ORDER = ["land", "green", "water", "coast", "river", "boundary", "rail", "road", "other", "names"]; // from below
const NAME_KIND = { boundary: "district", names: "place", river: "water", water: "water", green: "place", other: "place" };

/** How a kind is drawn; `colours` are of the theme. */
export function style(kind, colours) {
  const line = (color, weight, more = {}) => ({ color, weight, opacity: 1, fill: false, ...more });
  const area = (fillColor, more = {}) => ({ stroke: false, fill: true, fillColor, fillOpacity: 1, ...more });
  const styles = {
    land: area(colours.land),
    green: area(colours.green),
    water: area(colours.water, { stroke: true, color: colours.water, weight: 1, opacity: 1 }),
    coast: line(colours.shore, 1.5),
    river: line(colours.water, 3, { lineCap: "round" }),
    boundary: line(colours.border, 1.5, { dashArray: "7 4", opacity: 0.85 }),
    rail: line(colours.rail, 1.5, { dashArray: "4 3" }),
    road: line(colours.road, 2, { lineCap: "round" }),
    other: line(colours.rail, 1),
  };
  return styles[kind] ?? styles.other;
}

/** Where the name of a line or an area stands: on the line itself, in the middle of the area. */
function middle(layer) {
  if (layer instanceof L.Polygon || !(layer instanceof L.Polyline)) return layer.getBounds().getCenter();
  const line = layer.getLatLngs().flat();
  return line[Math.floor(line.length / 2)];
}

/** A river that somebody drew as an area is water; an outline of a district stays an outline. */
function kindOf(kind, geometry) {
  return kind === "river" && geometry.type.endsWith("Polygon") ? "water" : kind;
}

export class Basemap {
  constructor(map, app, theme, changed) {
    this.map = map;
    this.app = app;
    this.theme = theme;
    this.changed = changed;
    this.facts = null; // what /api/basemap said
    this.bounds = null;
    this.names = []; // {at, name, kind} for the names' layer
    this.layers = []; // {from_zoom, names, layer}
    this.tiles = null;
    map.on("zoomend", () => this.#byZoom());
  }

  /** Ask for it once; a page that may not read yet asks again when it renders anew. */
  async load() {
    if (this.facts || this.asking) return;
    this.asking = true;
    try {
      const facts = await this.app.api.get("/api/basemap");
      if (facts.bounds) this.bounds = L.latLngBounds([facts.bounds.slice(0, 2).reverse(), facts.bounds.slice(2).reverse()]);
      this.facts = facts;
      this.changed();
      this.#tiles(facts.tiles);
      const wanted = [...facts.layers].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
      const got = await Promise.all(wanted.map(({ url }) => this.app.api.get(url).catch(() => null)));
      wanted.forEach((layer, place) => got[place] && this.#layer(layer, got[place]));
    } catch (error) {
      if (!(error instanceof this.app.api.Problem || error instanceof TypeError)) throw error; // refused or nobody there: the page goes on
    } finally {
      this.asking = false;
    }
    this.#byZoom();
  }

  #tiles(tiles) {
    if (!tiles) return;
    const bounds = tiles.bounds && L.latLngBounds([tiles.bounds.slice(0, 2).reverse(), tiles.bounds.slice(2).reverse()]);
    const options = { pane: "basemap", bounds, minZoom: tiles.min_zoom, maxNativeZoom: tiles.max_zoom, maxZoom: 19, noWrap: true };
    if (tiles.kind === "vector") this.tiles = new VectorTiles(tiles, this.theme, () => this.#collect(), { ...options, maxNativeZoom: undefined });
    else this.tiles = L.tileLayer(tiles.url, { ...options, className: "rastertiles" });
    this.tiles.addTo(this.map);
  }

  #layer({ kind, from_zoom }, collection) {
    const names = [];
    const layer = L.geoJSON(collection, {
      pane: "basemap",
      interactive: false,
      renderer: (this.renderer ??= L.canvas({ pane: "basemap", padding: 0.4 })),
      style: (feature) => style(kindOf(feature.properties.kind ?? kind, feature.geometry), this.theme()),
      pointToLayer: (feature, at) => this.#point(names, feature, at),
      onEachFeature: (feature, made) => {
        const name = feature.properties.name;
        const as = NAME_KIND[feature.properties.kind ?? kind];
        if (name && as && made.getBounds) names.push({ at: middle(made), name, kind: as });
      },
    });
    this.layers.push({ from_zoom, names, layer });
  }

  /** A point is its name and nothing else: signs are for stations. */
  #point(names, feature, at) {
    if (feature.properties.name) names.push({ at, name: feature.properties.name, kind: NAME_KIND[feature.properties.kind] ?? "place" });
    return L.layerGroup();
  }

  #byZoom() {
    const zoom = this.map.getZoom();
    for (const { from_zoom, layer } of this.layers) {
      if (zoom >= from_zoom) layer.addTo(this.map);
      else layer.remove();
    }
    this.#collect();
  }

  #collect() {
    const zoom = this.map.getZoom();
    this.names = this.layers.filter(({ from_zoom }) => zoom >= from_zoom).flatMap(({ names }) => names);
    if (this.tiles?.names) this.names.push(...this.tiles.names());
    this.names.sort((a, b) => (b.kind === "district") - (a.kind === "district"));
    this.changed();
  }

  /** The theme is another. */
  repaint() {
    for (const { layer } of this.layers) {
      layer.eachLayer((one) => one.setStyle?.(style(kindOf(one.feature.properties.kind ?? "other", one.feature.geometry), this.theme())));
    }
    this.tiles?.repaint?.();
  }
}
