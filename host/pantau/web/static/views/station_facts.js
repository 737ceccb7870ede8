// What the page knows of observed properties and of a station's readings. Pure.

import { EMPTY } from "./chart_scale.js";

// The value that a domain is watched for, the first that a station has; and those that only a technician wants, last.
const FIRST = {
  flood: ["water_level", "flood_depth", "water_distance_corrected", "water_distance", "rain_intensity_60min", "rain_amount", "siaga_state"],
  traffic: ["vehicle_count_approaching", "vehicle_count", "vehicle_speed_mean", "pulse_count"],
  air: ["pm2_5", "pm2_5_corrected", "pm10", "ispu"],
};
const LAST = [
  "transducer_voltage", "water_distance_n", "water_distance_spread", "pm2_5_spread", "pm_n", "pm2_5_cf1", "particles_0_3", "voc_raw", "nox_raw",
];
// Parts of one thing, not values to watch: the gaps between tips, the bins of a histogram.
const PARTS = /^(rain_(first|last)_tip_age|vehicle_speed_bin_\d)$/;
const SAID_BY = { rain_tips: "rain_amount", water_distance: "water_distance_corrected" }; // not listed beside the value that was made of it

const SUMS = /^(rain_amount|rain_tips|pulse_count|vehicle_count(_.*)?|vehicle_speed_bin_\d)$/; // so much since the reading before: bars
const RAIN = /^rain_/;
const STATES = /^(siaga_state|level_of_service|water_contact|pm2_5_nowcast|ispu|traffic_flow|degree_of_saturation)$/; // hold until the next
const FROM_ZERO = /^(rain_|vehicle_|pulse_|pm|particles|occupancy|traffic_flow|degree_of|ispu|no2|o3|so2|co|water_distance_(n|spread)|relative_humidity|radar_)/;
const SCALES = {
  siaga_state: { fixed: [0.6, 4.4], ticks: [1, 2, 3, 4], flip: true }, // 1 is the worst and stands on top
  level_of_service: { fixed: [0.6, 6.4], ticks: [1, 2, 3, 4, 5, 6] },
  water_contact: { fixed: [-0.2, 1.2], ticks: [0, 1] },
};
const LEAST = { m: 0.2, Cel: 2, "%": 10, hPa: 4, V: 0.2, "km/h": 10, mm: 1, "mm/h": 5, "ug/m3": 10 }; // the y axis spans at least that
// What is told only once an hour or a quarter is not late before two of those have gone by.
const RHYTHM_S = { pm2_5_nowcast: 3600, ispu: 3600, traffic_flow: 900, degree_of_saturation: 900, level_of_service: 900 };
// Values that are means: the time that they stand for, a word of the table station.spans.
const SPAN = {
  ispu: "h24", pm2_5_nowcast: "h12", rain_intensity_60min: "min60", rain_intensity_15min: "min15", rain_intensity_5min: "min5",
  traffic_flow: "min15", degree_of_saturation: "min15", level_of_service: "min15",
};
// As pantau/web/network.py judges them: a fifth of a Li-ion cell is left; below it a Wi-Fi node loses frames; a frame may wait on its way,
// but cannot come before it was made.
const [LOW_MV, WEAK_DBM, BEHIND_MS, AHEAD_OF_US_MS] = [3500, -85, 60_000, 2000];
const [MANY_ERRORS, HOUR_MS] = [10, 3_600_000]; // fewer, or less than one an hour, happen to a sensor that is well
const AHEAD_MS = 5000; // a reading this far ahead of the bridge's clock is said to be, not shown as fresh

/** Readings in the order in which they are read, without those that another one says already. */
export function listed(readings, domain, place) {
  const wanted = Object.hasOwn(FIRST, domain) ? FIRST[domain] : [];
  const rank = ({ property }) => {
    const first = wanted.indexOf(property);
    return first >= 0 ? first : wanted.length + 1 + LAST.indexOf(property);
  };
  const has = new Set(readings.map(({ property }) => property));
  const shown = readings.filter(({ property }) => !PARTS.test(property) && !has.has(SAID_BY[property]));
  return shown.sort((a, b) => rank(a) - rank(b) || place(a.property) - place(b.property) || a.node.localeCompare(b.node));
}

/** Whether a reading is older than twice the interval in which it is told. An unknown time is. */
export function isLate(reading, report_interval_s, now_ms, reports = 2) {
  const interval_s = Math.max(report_interval_s, RHYTHM_S[reading.property] ?? 0);
  return !(now_ms - reading.ms <= reports * interval_s * 1000);
}

/** "late", "ahead" (of the bridge's clock) or "live". */
export function freshness(reading, report_interval_s, now_ms, reports) {
  if (isLate(reading, report_interval_s, now_ms, reports)) return "late";
  return reading.ms - now_ms > AHEAD_MS ? "ahead" : "live";
}

/** The word of the time that a mean stands for, null for a value of an instant. */
export function spanOf(property) {
  return SPAN[property] ?? null;
}

/** How a property is drawn: options of a panel of the chart. */
export function drawing(property, unit) {
  return {
    style: SUMS.test(property) ? "bars" : STATES.test(property) ? "step" : "line",
    zero: FROM_ZERO.test(property),
    least: LEAST[unit] ?? 0,
    ...SCALES[property],
  };
}

export function isRain(property) {
  return RAIN.test(property);
}

/** What is drawn at first: the headline, and rain hanging above a level, as hydrologists have it. */
export function firstPanels(readings, domain, place) {
  const [main, ...rest] = listed(readings, domain, place);
  const rain = isRain(main?.property ?? "") ? null : ["rain_amount", "rain_intensity_5min", "rain_tips"].map((name) => rest.find(({ property }) => property === name)).find(Boolean);
  return [main ?? null, rain ?? null];
}

/** The severity (1..4) in whose colour a threshold stands: by its siaga number where it has one, else by its place from the top. */
export function rankOf(name, index, count) {
  const siaga = /siaga[ _-]?([1-4])/i.exec(name);
  return siaga ? { 1: 4, 2: 3, 3: 2, 4: 1 }[siaga[1]] : Math.max(1, 4 - (count - 1 - index));
}

/** [how often sensors failed since the node started, the worst of its triples [sensor, reason, count]]. An empty road is no failure. */
export function errorsOf(health) {
  const triples = Array.isArray(health.sensor_errors) ? health.sensor_errors.filter((one) => one?.[2] > 0 && one[1] !== EMPTY) : [];
  const worst = triples.reduce((most, one) => (one[2] > most[2] ? one : most), [null, null, 0]);
  return [triples.reduce((sum, [, , count]) => sum + count, 0), worst];
}

/** What a technician should look at on a node: [word of the table station.look, values], worst first. */
export function lookAt(node, now_ms, offlineReports = 5) {
  const h = node.health ?? {};
  const found = [];
  const seen_ms = node.last_seen ? Date.parse(node.last_seen) : null;
  if (seen_ms === null) found.push(["never", {}]);
  else if (now_ms - seen_ms > offlineReports * node.report_interval_s * 1000) found.push(["silent", { age_s: (now_ms - seen_ms) / 1000 }]);
  if (h.battery_mv > 0 && h.battery_mv <= LOW_MV) found.push(["battery", { volts: h.battery_mv / 1000 }]);
  if (h.overwritten_records > 0) found.push(["overwritten", { n: h.overwritten_records }]);
  const [errors, worst] = errorsOf(h);
  if (errors >= MANY_ERRORS && errors * HOUR_MS >= (h.uptime_ms ?? 0)) found.push(["sensor", { n: errors, sensor: worst[0], reason: worst[1] }]);
  const offset_ms = node.clock_offset_ms ?? 0;
  if (node.clock === 0) found.push(["clock", {}]);
  else if (offset_ms > AHEAD_OF_US_MS || offset_ms < -BEHIND_MS) found.push(["offset", { seconds: offset_ms / 1000 }]);
  if (h.rssi !== undefined && h.rssi !== null && h.rssi < WEAK_DBM) found.push(["signal", { dbm: h.rssi }]);
  if (h.outbox_records > 60) found.push(["outbox", { n: h.outbox_records }]);
  if (h.uptime_ms < 600_000) found.push(["restarted", { age_s: h.uptime_ms / 1000 }]);
  return found;
}
