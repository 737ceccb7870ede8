// What the page knows of stations and alerts, and the rules by which it ages them between two messages of the bridge.
// state() repeats pantau/web/geojson.py with the thresholds that the bridge sends: a page that lost its bridge must age alone.

export const EMPTY = "no_sample"; // nothing to measure (an empty road): missing, but no fault
export const STATES = ["alarm", "offline", "fault", "late", "maintenance", "ok"]; // worst first
export const SEVERITIES = ["none", "minor", "moderate", "severe", "extreme"];

export const stations = new Map(); // id -> properties of its feature, with `at` = [lon, lat] or null, `seen_ms`
export const alerts = new Map(); // number -> record of /api/alerts
export const told = { alerts: "unknown" }; // "judged", or "unjudged" by a bridge that judges none; unknown until it was heard
let serverAhead_ms = 0;
let staleReports = 2;
let offlineReports = 5;

/** The bridge's clock: ages must not depend on the clock of the PC that shows them. */
export function now() {
  return Date.now() + serverAhead_ms;
}

/** Take a FeatureCollection; `whole` drops the stations that it does not name. Returns the ids that it named. */
export function take(collection, whole) {
  serverAhead_ms = Date.parse(collection.now) - Date.now();
  staleReports = collection.stale_after_reports;
  offlineReports = collection.offline_after_reports;
  const named = new Set();
  for (const { id, geometry, properties } of collection.features) {
    named.add(id);
    for (const seen of properties.headline ?? []) seen.ms = Date.parse(seen.observed_at);
    const seen_ms = properties.last_seen ? Date.parse(properties.last_seen) : null;
    stations.set(id, { ...properties, id, seen_ms, at: geometry?.coordinates ?? null });
  }
  if (whole) for (const id of stations.keys()) if (!named.has(id)) stations.delete(id);
  return named;
}

/** Take alert records; `whole` drops those that are not named. Alerts that ended go. Returns the numbers that are new. */
export function takeAlerts(records, whole) {
  if (whole) {
    const named = new Set(records.map(({ id }) => id));
    for (const id of alerts.keys()) if (!named.has(id)) alerts.delete(id);
  }
  const fresh = [];
  for (const record of records) {
    if (record.state === "closed") {
      alerts.delete(record.id);
      continue;
    }
    if (!alerts.has(record.id)) fresh.push(record.id);
    alerts.set(record.id, { ...record, rank: SEVERITIES.indexOf(record.severity), opened_ms: Date.parse(record.opened_at) });
  }
  return fresh;
}

/** Whether an alert calls for somebody now. */
export function calls(alert) {
  return alert.state === "open" && !alert.muted && !alert.past;
}

/** Open alerts: those that call first, then worst, then newest. */
export function alertOrder() {
  return [...alerts.values()].sort((a, b) => calls(b) - calls(a) || b.rank - a.rank || b.opened_ms - a.opened_ms || b.id - a.id);
}

/** The worst severity (0..4) that calls at a station. */
export function severity(station) {
  let worst = 0;
  for (const alert of alerts.values()) if (alert.station === station.id && calls(alert)) worst = Math.max(worst, alert.rank);
  return worst;
}

export function stale(station, reading) {
  return !(now() - reading.ms <= staleReports * station.report_interval_s * 1000);
}

/** Whether a station has missed more than `reports` report intervals; one that was never heard has. */
export function silent(station, reports = staleReports) {
  return station.seen_ms === null || now() - station.seen_ms > reports * station.report_interval_s * 1000;
}

/** The bridge's word, aged: a station that is down cannot be in alarm, whatever it said last. */
export function state(station) {
  if (silent(station, offlineReports)) return "offline";
  if (station.state === "ok" && silent(station)) return "late";
  return station.state;
}
