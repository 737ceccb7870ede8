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

/** The answer as the view takes it: nothing that it relies on is left out, and times are numbers. */
export function detailOf(id, found) {
  const report_interval_s = found.report_interval_s ?? 60;
  return {
    ...{ id, station: null, name: id, domain: null, kemendagri: null, owner: null, datum: null, stale_reports: 2, offline_reports: 5 },
    ...found,
    report_interval_s,
    at: Number.isFinite(found.longitude) && Number.isFinite(found.latitude) ? [found.longitude, found.latitude] : null,
    nodes: list(found.nodes).map((node) => ({ report_interval_s, ...node })),
    readings: list(found.readings).map((reading) => ({ ...reading, ms: time(reading.observed_at) })),
    thresholds: list(found.thresholds),
    sensors: list(found.sensors),
    calibrations: list(found.calibrations),
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
