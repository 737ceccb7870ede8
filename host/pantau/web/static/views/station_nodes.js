// The nodes of a station as a technician reads them: what to look at first, then the figures. And what is known of the place itself.

import { el } from "../lib/dom.js";
import { errorsOf, lookAt } from "./station_facts.js";

/** One card a node. */
export function nodeCards(app, station) {
  return station.nodes.map((node) => card(app, station, node));
}

function card(app, station, node) {
  const { text, model } = app;
  const now_ms = model.now();
  const box = el("article", "stationnode", null, el("h4", "", node.node));
  const worries = lookAt(node, now_ms, station.offline_reports);
  if (worries.length) box.append(el("ul", "look", null, ...worries.map(([what, values]) => el("li", "", text.say(`station.look.${what}`, spoken(text, values))))));
  else box.append(el("p", "allwell", text.say("station.look.nothing")));
  box.append(definitions(facts(text, node, now_ms)));
  return box;
}

/** The values of a sentence as they are said: ages, reasons, numbers. */
function spoken(text, values) {
  const said = { age_s: ["age", text.age], reason: ["reason", (name) => text.word("reasons", name)] };
  return Object.fromEntries(Object.entries(values).map(([name, value]) => (said[name] ? [said[name][0], said[name][1](value)] : [name, text.number(value)])));
}

/** [word, value] pairs of what a node said of itself; what it did not say is left out. */
function facts(text, node, now_ms) {
  const h = node.health ?? {};
  const has = (value) => value !== undefined && value !== null;
  const ago = (word) => (word ? text.say("observed", { age: text.age((now_ms - Date.parse(word)) / 1000) }) : text.say("never"));
  const found = [["seen", ago(node.last_seen)]];
  if (has(h.battery_mv)) found.push(["battery", h.battery_mv > 0 ? `${text.number(h.battery_mv / 1000)}\u2009V` : text.say("station.mains")]);
  if (has(h.rssi)) found.push(["signal", `${text.number(h.rssi)}\u2009dBm`]);
  if (has(node.clock)) found.push(["clock", text.word("clock_quality", node.clock)]);
  if (has(node.clock_offset_ms)) found.push(["offset", `${text.number(node.clock_offset_ms / 1000)}\u2009${text.word("units_time", "s")}`]);
  if (has(h.outbox_records)) found.push(["outbox", text.number(h.outbox_records)]);
  if (has(h.overwritten_records)) found.push(["overwritten", text.number(h.overwritten_records)]);
  const [errors] = errorsOf(h);
  if (errors) found.push(["sensor_errors", text.number(errors)]);
  if (has(h.reconnects)) found.push(["reconnects", text.number(h.reconnects)]);
  if (has(h.uptime_ms)) found.push(["uptime", text.age(h.uptime_ms / 1000)]);
  if (node.firmware) found.push(["firmware", String(node.firmware)]);
  if (node.health_at) found.push(["health_at", ago(node.health_at)]);
  return found.map(([name, value]) => [text.say(`station.facts.${name}`), value]);
}

export function definitions(pairs) {
  return el("dl", "figures", null, ...pairs.map(([name, value]) => el("div", "", null, el("dt", "", name), el("dd", "", value))));
}

/** Sensors, calibration and limits: the part under the disclosure. */
export function about(app, station) {
  const { text } = app;
  const parts = [];
  const title = (name) => parts.push(el("h4", "", text.say(`station.${name}`)));
  const place = [];
  if (station.owner) place.push([text.say("station.owner"), String(station.owner)]);
  if (station.datum) place.push([text.say("station.datum"), String(station.datum)]);
  place.push([text.say("station.reports_every"), text.age(station.report_interval_s)]);
  parts.push(definitions(place));
  if (station.sensors.length) {
    title("sensors");
    parts.push(definitions(station.sensors.map((sensor) => [words([sensor.id, sensor.node]), words([sensor.model, sensor.serial, ...(sensor.properties ?? []).map((name) => text.word("properties", name))])])));
  }
  if (station.calibrations.length) {
    title("calibration");
    for (const one of station.calibrations) parts.push(definitions(calibration(text, one)));
  }
  if (station.thresholds.length) {
    title("limits");
    parts.push(definitions(station.thresholds.map((limit) => [words([limit.name]), words([text.word("properties", limit.property), text.number(limit.value, limit.property), limit.datum])])));
  }
  return parts;
}

function words(found) {
  return found.filter((word) => word !== null && word !== undefined && word !== "").join(" · ");
}

function calibration(text, one) {
  const name = (key) => {
    const said = text.say(`station.figures.${key}`);
    return said.startsWith("station.") ? key : said; // a figure that has no word yet
  };
  const value = (found) => (typeof found === "number" ? text.number(found) : typeof found === "object" ? JSON.stringify(found) : String(found));
  const shown = Object.entries(one).filter(([key, found]) => found !== null && key !== "station");
  return shown.map(([key, found]) => [name(key), value(found)]);
}
