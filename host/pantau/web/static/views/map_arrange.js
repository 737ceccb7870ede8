// Gives every station's sign its place at the zoom that the map has now: alone, within a cluster, or fanned out.

import * as L from "/vendor/leaflet/leaflet-src.esm.js";
import { clusters, fan, fans, mean } from "./map_groups.js";
import { urgent } from "./markers.js";

const NO_CLUSTERS_FROM = 17; // here streets are wide: what still overlaps is fanned out
const CALLING = 44; // px between stations that call: their rings are wide
const COVERED = 15; // px within which a sign that calls would cover another
const HOLE = 40; // px from the middle of a fan, so that a cluster shows within it

/** Arrange StationMarkers. `cluster(at, members)` makes a sign for several; returns those that it made. */
export function arrange(map, markers, cluster) {
  const points = markers.map((marker) => {
    const { x, y } = map.project(marker.getLatLng());
    marker.within = null;
    return { x, y, marker };
  });
  const alone = points.filter(({ marker }) => urgent(marker.look));
  const calm = points.filter(({ marker }) => !urgent(marker.look));
  const made = [];
  const signs = []; // where something calm is drawn
  for (const group of map.getZoom() >= NO_CLUSTERS_FROM ? fans(calm) : clusters(calm)) {
    if (group.length > 1 && map.getZoom() < NO_CLUSTERS_FROM) made.push(gathered(map, group, cluster));
    else spread(group, fan(group));
    signs.push({ x: mean(group, "x"), y: mean(group, "y") });
  }
  for (const group of fans(alone, CALLING)) {
    const middle = { x: mean(group, "x"), y: mean(group, "y") };
    const below = signs.some((sign) => Math.hypot(sign.x - middle.x, sign.y - middle.y) < COVERED);
    spread(group, fan(group, CALLING, below ? HOLE : 0)); // who calls does not hide the others either
  }
  // Who calls is drawn last: on top of everything.
  alone.sort((a, b) => a.marker.look.severity - b.marker.look.severity || a.marker.look.selected - b.marker.look.selected);
  for (const { marker } of alone) marker.bringToFront();
  return made;
}

/** [centre, zoom] at which the members of a cluster are told apart, or can be fanned out. */
export function closer(map, members) {
  const bounds = L.latLngBounds(members.map((marker) => marker.getLatLng()));
  const zoom = Math.max(map.getBoundsZoom(bounds.pad(0.2)), map.getZoom() + 1);
  return [bounds.getCenter(), Math.min(zoom, NO_CLUSTERS_FROM)];
}

function spread(group, offsets) {
  group.forEach(({ marker }, place) => {
    marker.offset = L.point(offsets[place]);
    marker.redraw();
  });
}

function gathered(map, group, cluster) {
  const members = group.map(({ marker }) => marker);
  const made = cluster(map.unproject([mean(group, "x"), mean(group, "y")]), members);
  for (const marker of members) {
    marker.within = made;
    marker.offset = L.point(0, 0);
    marker.redraw();
  }
  return made;
}
