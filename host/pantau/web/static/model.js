// What the page knows of nodes, and the rules by which it ages them between two messages of the bridge.
// state() repeats pantau/web/geojson.py with the thresholds that the bridge sends: a page that lost its bridge must age alone.

export const EMPTY = "no_sample"; // nothing to measure (an empty road): missing, but no fault
export const STATES = ["alarm", "offline", "fault", "late", "ok"]; // worst first
const FAULTY = new Set([4, 9]);

export const nodes = new Map(); // node id -> properties of its feature, with `at` = [lon, lat] or null
let serverAhead_ms = 0;
let staleReports = 2;
let offlineReports = 5;

/** The bridge's clock: ages must not depend on the clock of the PC that shows them. */
export function now() {
  return Date.now() + serverAhead_ms;
}

/** Take a FeatureCollection; `whole` drops the nodes that it does not name. Returns the ids that it named. */
export function take(collection, whole) {
  serverAhead_ms = Date.parse(collection.now) - Date.now();
  staleReports = collection.stale_after_reports;
  offlineReports = collection.offline_after_reports;
  const named = new Set();
  for (const { id, geometry, properties } of collection.features) {
    named.add(id);
    for (const seen of properties.latest) seen.ms = Date.parse(seen.observed_at);
    nodes.set(id, { ...properties, seen_ms: properties.last_seen ? Date.parse(properties.last_seen) : null, at: geometry?.coordinates ?? null });
  }
  if (whole) for (const id of nodes.keys()) if (!named.has(id)) nodes.delete(id);
  return named;
}

export function stale(node, reading) {
  return !(now() - reading.ms <= staleReports * node.report_interval_s * 1000);
}

/** Whether a node has missed more than `reports` report intervals; a node that was never heard has. */
export function silent(node, reports = staleReports) {
  return node.seen_ms === null || now() - node.seen_ms > reports * node.report_interval_s * 1000;
}

export function state(node) {
  if (silent(node, offlineReports)) return "offline";
  if (node.alarm) return "alarm";
  if (silent(node)) return "late";
  return node.latest.some((seen) => FAULTY.has(seen.quality) && seen.reason !== EMPTY) ? "fault" : "ok";
}

/** Ids, problems first, then by name. */
export function order() {
  const ranked = [...nodes.values()].map((node) => [STATES.indexOf(state(node)), node.name, node.node]);
  ranked.sort((a, b) => a[0] - b[0] || a[1].localeCompare(b[1]) || a[2].localeCompare(b[2]));
  return ranked.map(([, , id]) => id);
}
