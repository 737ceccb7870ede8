// Gives every station's sign its place at the zoom that the map has now: alone, within a cluster, or fanned out.

import * as L from "/vendor/leaflet/leaflet-src.esm.js";
import { clusters, fan, fans, mean } from "./map_groups.js";
import { urgent } from "./markers.js";

const NO_CLUSTERS_FROM = 17; // here streets are wide: what still overlaps is fanned out

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
  for (const group of map.getZoom() >= NO_CLUSTERS_FROM ? fans(calm) : clusters(calm)) {
    if (group.length > 1 && map.getZoom() < NO_CLUSTERS_FROM) made.push(gathered(map, group, cluster));
    else spread(group);
  }
  for (const group of fans(alone)) spread(group);
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

function spread(group) {
  const offsets = fan(group);
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
