// The map: the city's stations over the operator's basemap, or over degrees alone. It draws on canvases, so that a thousand stations
// stay smooth; the list of stations is the way for who uses no pointer, and the map says so.

import * as L from "/vendor/leaflet/leaflet-src.esm.js";
import { el, put } from "../lib/dom.js";
import { Basemap } from "./basemap.js";
import { Graticule } from "./graticule.js";
import { arrange, closer } from "./map_arrange.js";
import { Foot, HomeControl, Legend, clusterTip, stationTip } from "./map_controls.js";
import { Names } from "./map_names.js";
import { ClusterMarker, StationMarker, palette, reach, urgent } from "./markers.js";

const NOWHERE = { center: [-2.5, 118], zoom: 5 }; // the country, until a station or a basemap says more
const CLOSEST = 19;
const [TIP_WIDE, TIP_HIGH] = [300, 130]; // px that a tooltip may need
const CITY_CLOSEST = 15; // a single station is shown with its surroundings

export class MapView {
  constructor(root, app) {
    this.root = root;
    this.app = app;
    this.markers = new Map(); // station id -> StationMarker
    this.clusters = [];
    this.chosen = null;
    this.fitted = false;
    this.colours = null;
    this.theme = () => (this.colours ??= palette());
    this.heading = el("h2", "sr");
    this.heading.tabIndex = -1;
    this.host = el("div", "citymap");
    this.help = el("p", "sr");
    this.help.id = "map-help";
    root.append(this.heading, this.host, this.help);
    this.#make();
    // What a browser test may ask, for a canvas has no elements: where a station is drawn, and how.
    this.host.where = (id) => this.#where(id);
    addEventListener("hashchange", () => this.#choose());
    document.addEventListener("themechange", () => this.#repaint());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#repaint());
    new ResizeObserver(() => this.#resized()).observe(this.host);
  }

  #make() {
    const { text } = this.app;
    const map = L.map(this.host, { ...NOWHERE, zoomControl: false, attributionControl: false, maxZoom: CLOSEST, minZoom: 3, zoomSnap: 0.25, zoomDelta: 0.5 });
    this.map = map;
    for (const [name, height] of [["basemap", 200], ["graticule", 250], ["stations", 400], ["names", 450]]) {
      const pane = map.createPane(name);
      pane.style.zIndex = height;
      if (name !== "stations") pane.style.pointerEvents = "none";
    }
    this.renderer = L.canvas({ pane: "stations", padding: 0.4 }).addTo(map);
    this.basemap = new Basemap(map, this.app, this.theme, () => this.#based());
    const signs = { north: "map.north", south: "map.south", east: "map.east", west: "map.west" };
    const words = () => Object.fromEntries(Object.entries(signs).map(([side, key]) => [side, text.say(key)]));
    this.graticule = new Graticule(this.theme, words).addTo(map);
    this.names = new Names(this.theme, () => this.#signs(), () => this.basemap.names).addTo(map);
    this.zoom = L.control.zoom({ position: "topright" }).addTo(map);
    this.home = new HomeControl(() => this.goHome()).addTo(map);
    L.control.scale({ imperial: false, position: "bottomright", maxWidth: 140 }).addTo(map);
    this.legend = new Legend(this.host, this.app, this.theme);
    this.foot = new Foot(this.host, map, this.app, words);
    map.on("zoomend", () => this.#regroup());
    map.on("zoomstart", () => this.tip?.remove());
    this.host.setAttribute("role", "application");
    this.host.setAttribute("aria-describedby", "map-help");
  }

  open() {
    this.#resized();
    this.#choose();
  }

  close() {}

  /** Everything again: another language, or stations that came or went. */
  render() {
    const { text, model } = this.app;
    put(this.heading, text.say("map.title"));
    this.host.setAttribute("aria-label", text.say("map.title"));
    put(this.help, text.say("map.help"));
    for (const [part, key] of [[this.zoom._zoomInButton, "closer"], [this.zoom._zoomOutButton, "farther"], [this.home.button, "home"]]) {
      part.title = text.say(`map.${key}`);
      part.setAttribute("aria-label", text.say(`map.${key}`));
    }
    this.#meet();
    this.legend.render([...model.stations.values()]);
    this.foot.render(this.basemap.facts, this.markers.size);
    this.graticule.redraw();
    if (!this.fitted) this.#fitFirst();
    this.basemap.load();
  }

  /** Only those stations are drawn again. */
  changed(ids) {
    const { model } = this.app;
    let apart = false;
    const severities = this.#severities();
    for (const id of ids) {
      const station = model.stations.get(id);
      const marker = this.markers.get(id);
      if (!station?.at !== !marker || (station?.at && (marker.place[0] !== station.at[0] || marker.place[1] !== station.at[1]))) return this.#meet();
      if (marker) apart = this.#wear(marker, this.#look(station, severities)) || apart;
    }
    if (apart) this.#regroup();
  }

  /** Stations age without a message. */
  tick() {
    if (this.root.hidden) return;
    const { model } = this.app;
    const severities = this.#severities();
    let apart = false;
    for (const [id, marker] of this.markers) {
      const station = model.stations.get(id);
      if (station) apart = this.#wear(marker, this.#look(station, severities)) || apart;
    }
    if (apart) this.#regroup();
    if (this.tip?.isOpen()) this.tip.setContent(this.tipOf());
  }

  goHome() {
    if (this.#bounds()) this.#fit({ animate: false });
    else this.map.setView(NOWHERE.center, NOWHERE.zoom);
  }

  /** The whole city, beside the legend where there is room for both. */
  #fit(options = {}) {
    const { x } = this.map.getSize();
    const pad = x < 600 ? [24, 30] : [48, 40];
    this.map.fitBounds(this.#bounds(), { paddingTopLeft: [pad[0] + this.legend.covers(x), pad[1]], paddingBottomRight: [pad[0] + 10, 48], maxZoom: CITY_CLOSEST, ...options });
    this.fitView = { zoom: this.map.getZoom(), center: this.map.getCenter() };
  }

  #bounds() {
    const places = [...this.markers.values()].map((marker) => marker.getLatLng());
    if (places.length) return L.latLngBounds(places);
    return this.basemap.bounds;
  }

  #fitFirst() {
    const size = this.map.getSize();
    if (!size.x || !size.y || !this.#bounds()) return;
    this.fitted = this.markers.size > 0;
    this.#fit({ animate: false });
  }

  #based() {
    this.foot.render(this.basemap.facts, this.markers.size);
    this.names.later();
    if (!this.fitted) this.#fitFirst();
  }

  /** The drawer opened or a phone was turned: who has not moved the map sees the whole city still, and the chosen station always. */
  #resized() {
    const { map, fitView } = this;
    const untouched = fitView && map.getZoom() === fitView.zoom && map.getCenter().equals(fitView.center, 1e-7);
    map.invalidateSize({ pan: this.fitted, animate: false });
    if (!map.getSize().x) return;
    this.legend.within(map.getSize().x);
    if (!this.fitted || this.app.board || untouched) this.#fitFirst(); // nobody moves a board's map
    if (!this.app.board) this.#reveal();
  }

  /** The wall-board's walk: mark a station as if it had been chosen. */
  spotlight(id) {
    if (id === this.chosen) return;
    this.chosen = id;
    this.tick();
  }

  /** Signs for the stations that the model has, and for no others. */
  #meet() {
    const { model } = this.app;
    const severities = this.#severities();
    for (const [id, marker] of this.markers) {
      const at = model.stations.get(id)?.at;
      if (at && at[0] === marker.place[0] && at[1] === marker.place[1]) continue;
      marker.remove();
      this.markers.delete(id);
    }
    for (const [id, station] of model.stations) {
      if (!station.at) continue;
      const known = this.markers.get(id);
      if (known) this.#wear(known, this.#look(station, severities));
      else this.#place(id, station, severities);
    }
    this.#regroup();
  }

  #place(id, station, severities) {
    const [lon, lat] = station.at;
    const marker = new StationMarker([lat, lon], id, this.#look(station, severities), this.theme, { renderer: this.renderer });
    marker.place = station.at;
    marker.on("click", () => this.app.go(`#/station/${encodeURIComponent(id)}`));
    this.#tells(marker, () => stationTip(this.app, this.app.model.stations.get(id), marker.look));
    this.markers.set(id, marker.addTo(this.map));
  }

  #tells(layer, content) {
    layer.on("mouseover", () => {
      this.tipOf = content;
      this.tip ??= L.tooltip({ className: "maptip", opacity: 1 });
      const at = this.map.layerPointToLatLng(layer._point);
      const { x, y } = this.map.layerPointToContainerPoint(layer._point);
      const edge = x < TIP_WIDE / 2 || x > this.map.getSize().x - TIP_WIDE / 2 || y < TIP_HIGH;
      Object.assign(this.tip.options, edge ? { direction: "auto", offset: [16, 0] } : { direction: "top", offset: [0, -14] });
      this.tip.setLatLng(at).setContent(content()).addTo(this.map);
    });
    layer.on("mouseout", () => this.tip?.remove());
  }

  #severities() {
    const { model } = this.app;
    const worst = new Map();
    for (const alert of model.alerts.values()) {
      if (model.calls(alert)) worst.set(alert.station, Math.max(worst.get(alert.station) ?? 0, alert.rank));
    }
    return worst;
  }

  #look(station, severities) {
    const { model } = this.app;
    const told = station.headline ?? [];
    const stale = model.silent(station) || (told.length > 0 && told.every((reading) => model.stale(station, reading)));
    return { domain: station.domain, state: model.state(station), stale, severity: severities.get(station.id) ?? 0, selected: station.id === this.chosen };
  }

  /** Give a sign its look and draw it if it differs; true when it joins or leaves those that stand alone. */
  #wear(marker, look) {
    const before = marker.look;
    if (Object.keys(look).every((part) => look[part] === before[part])) return false;
    marker.look = look;
    if (urgent(look) !== urgent(before)) return true;
    if (marker.within?.tally()) marker.within.redraw();
    else if (!marker.within) marker.redraw();
    return false;
  }

  #choose() {
    const [, view, argument] = /^#\/(station|alerts)\/(.+)$/.exec(location.hash) ?? [];
    let id = null;
    try {
      if (view === "station") id = decodeURIComponent(argument);
    } catch {
      id = argument; // a link that somebody typed: it names no station
    }
    if (view === "alerts") id = this.app.model.alerts.get(Number(argument))?.station ?? null;
    if (id === this.chosen) return;
    this.chosen = id;
    this.tick();
    this.#reveal();
  }

  #reveal() {
    const marker = this.markers.get(this.chosen);
    const hides = marker && this.map.getSize().x && !this.map.getBounds().pad(-0.08).contains(marker.getLatLng());
    if (hides) this.map.panTo(marker.getLatLng());
  }

  /** Who stands alone, who in a cluster and who in a fan, at this zoom. */
  #regroup() {
    for (const cluster of this.clusters) cluster.remove();
    this.clusters = arrange(this.map, [...this.markers.values()], (at, members) => {
      const cluster = new ClusterMarker(at, members, this.theme, { renderer: this.renderer });
      cluster.on("click", () => this.map.setView(...closer(this.map, members)));
      this.#tells(cluster, () => clusterTip(this.app, cluster));
      return cluster.addTo(this.map);
    });
    this.names.later();
  }

  /** Signs for the names' layer: who calls first, then by state, then clusters, which have none. */
  #signs() {
    const { model } = this.app;
    const alone = [...this.markers.values()].filter((marker) => !marker.within && marker._point);
    const rank = ({ look }) => look.selected * 100 + look.severity * 10 - model.STATES.indexOf(look.state);
    alone.sort((a, b) => rank(b) - rank(a));
    const signs = alone.map((marker) => ({ point: marker._point, far: reach(marker.look) - 1, name: model.stations.get(marker.id)?.name ?? "" }));
    return signs.concat(this.clusters.map((cluster) => ({ point: cluster._point, far: cluster._radius + 2, name: "" })));
  }

  #repaint() {
    this.colours = null;
    this.renderer._redraw();
    this.graticule.redraw();
    this.names.later();
    this.basemap.repaint();
    this.legend.render([...this.app.model.stations.values()]);
  }

  #where(id) {
    const marker = this.markers.get(id);
    if (!marker) return null;
    const shown = marker.within ?? marker;
    const { x, y } = this.map.layerPointToContainerPoint(shown._point);
    return { x, y, ...marker.look, cluster: marker.within ? marker.within.members.length : 0 };
  }
}
