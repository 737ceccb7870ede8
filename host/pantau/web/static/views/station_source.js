// What the bridge answers about one station, brought into the one shape that the view shows. Pure but for the asking.

import { rankOf } from "./station_facts.js";

const time = (word) => (word ? Date.parse(word) : NaN);
const list = (found) => (Array.isArray(found) ? found : []);

/** Ask for everything about a station. Throws Problem when refused, TypeError when nobody answers. */
export async function ask(api, id, signal) {
  return detailOf(id, await api.get(`/api/stations/${encodeURIComponent(id)}`, signal));
}

/** The path of a series of `reading` = {property, node}. */
export function seriesPath(station, reading, [from, to], more = {}) {
  const of = station.station === null ? { node: station.nodes[0]?.node ?? station.id } : { station: station.id };
  const node = station.nodes.length > 1 && reading.node ? { node: reading.node } : {};
  const query = { ...of, ...node, property: reading.property, from: Math.floor(from), to: Math.ceil(to), ...more };
  return `/api/series?${new URLSearchParams(query)}`;
}

/** The answer as {id, station, name, domain, ..., readings, nodes, thresholds, sensors, calibrations}; a GeoJSON feature does as well. */
export function detailOf(id, answer) {
  const found = { ...answer, ...answer.properties };
  const at = answer.geometry?.coordinates ?? found.coordinates ?? [found.longitude ?? found.lon ?? null, found.latitude ?? found.lat ?? null];
  const report_interval_s = found.report_interval_s ?? 60;
  const nodes = list(found.nodes).map((node) => ({ report_interval_s, ...(typeof node === "string" ? { node } : node), node: node.node ?? node.id ?? String(node) }));
  const readings = list(found.readings ?? found.latest).map((reading) => ({ node: nodes[0]?.node ?? "", ...reading, ms: time(reading.observed_at) }));
  const thresholds = list(found.thresholds);
  return {
    id,
    station: found.station === undefined ? id : found.station,
    name: found.name ?? id,
    domain: found.domain ?? null,
    kemendagri: found.kemendagri ?? null,
    owner: found.owner ?? null,
    datum: found.datum ?? null,
    at: at[0] === null ? null : at,
    report_interval_s,
    stale_reports: found.stale_after_reports ?? 2,
    offline_reports: found.offline_after_reports ?? 5,
    readings,
    nodes,
    thresholds,
    sensors: list(found.sensors),
    calibrations: Array.isArray(found.calibration) ? found.calibration : found.calibrations ? list(found.calibrations) : found.calibration ? [found.calibration] : [],
    state: found.state ?? null,
    last_seen: found.last_seen ?? null,
  };
}

/** Thresholds of one property with the severity in whose colour each is drawn, least first. */
export function limitsOf(station, property) {
  const found = station.thresholds.filter((one) => one.property === property && Number.isFinite(one.value));
  found.sort((a, b) => a.value - b.value);
  return found.map((one, i) => ({ name: one.name, value: one.value, rank: rankOf(one.name, i, found.length) }));
}

/** Periods of alerts for the chart: {from, to, severity, text}; one that stands still runs until `now_ms`. */
export function periodsOf(alerts, now_ms, severities) {
  return list(alerts)
    .filter((alert) => alert.opened_at && !alert.past)
    .map((alert) => ({
      from: time(alert.opened_at),
      to: alert.closed_at ? time(alert.closed_at) : now_ms,
      severity: Math.max(1, severities.indexOf(alert.worst ?? alert.severity)),
      text: alert.text,
    }))
    .sort((a, b) => a.severity - b.severity); // the worst is drawn last, above the others
}
