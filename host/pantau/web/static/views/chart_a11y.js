// The chart in words: what the crosshair is on, what is flagged and why, and all of it as a table.

import { el } from "../lib/dom.js";
import { drawn, marks, missing, peakAt, reasonOf, tableRows } from "./chart_scale.js";

/** A value as a person reads it, with its unit. */
export function valueWords(text, panel, value) {
  if (value === null) return text.say("missing");
  const unit = panel.unit ? `\u2009${panel.unit}` : "";
  return `${text.number(value, panel.property)}${unit}`;
}

/** "suspect: spike", "" for a good reading; the reason alone where it says the flag already. */
export function flagWords(text, quality, reason) {
  if (quality === 1 && (reason === null || reason === "ok")) return "";
  const flag = quality === 1 ? "" : text.word("flags", quality);
  const why = reason === null || reason === "ok" ? "" : text.word("reasons", reason);
  return !flag || flag === why ? why : why ? `${flag}: ${why}` : flag;
}

/** What panel `panel` says at its reading i: value, spread of a drawn-together point, flag. */
export function readingWords(text, panel, i) {
  if (i < 0) return text.say("station.no_reading");
  const { series } = panel;
  const said = [valueWords(text, panel, panel.style === "bars" ? peakAt(series, i) : series.last[i])];
  if (series.n[i] > 1 && series.min[i] !== null) {
    const [low, high] = [text.number(series.min[i], panel.property), text.number(series.max[i], panel.property)];
    said.push(text.say("station.of_readings", { low, high, n: text.number(series.n[i]) }));
  }
  const flag = flagWords(text, series.q[i], reasonOf(series, i));
  if (flag && flag !== said[0]) said.push(flag);
  return said.join(" · ");
}

/** [time, then one text a panel] of the crosshair, or of the newest reading when it stands nowhere. */
export function cursorWords(text, chart) {
  const { panels } = chart.picture;
  const ms = chart.cursor;
  if (ms === null) {
    return [text.say("station.newest"), ...panels.map((panel) => [panel, readingWords(text, panel, panel.series.t.length - 1)])];
  }
  const main = panels.find((panel) => panel.main && chart.at(panel, ms) >= 0) ?? panels.find((panel) => chart.at(panel, ms) >= 0);
  const at_ms = main ? main.series.t[chart.at(main, ms)] : ms;
  return [text.dateTime(at_ms), ...panels.map((panel) => [panel, readingWords(text, panel, chart.at(panel, at_ms))])];
}

/** How often which flag stands in what is shown: "3 × suspect: spike", most frequent first; "" where all is good. */
export function flagSummary(text, series, [from, to]) {
  const counts = new Map();
  for (const i of marks(series)) {
    if (series.t[i] < from || series.t[i] > to) continue;
    const said = flagWords(text, series.q[i], reasonOf(series, i));
    counts.set(said, (counts.get(said) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([said, n]) => `${text.number(n)} × ${said}`).join(", ");
}

/** Whether nothing of a series is drawn, or all of it is bad: [any value, any good one]. */
export function substance(series) {
  return [series.t.some((_, i) => !missing(series, i)), series.t.some((_, i) => drawn(series, i))];
}

/** A table of one panel, the newest first: for who does not see the chart, and for who wants the numbers. */
export function table(text, panel, range) {
  const say = (value) => (value === null ? "–" : text.number(value, panel.property));
  const head = el("tr");
  for (const name of ["time", "low", "high", "last", "readings", "quality"]) {
    const cell = el("th", "", text.say(`station.table.${name}`));
    cell.scope = "col";
    head.append(cell);
  }
  const body = el("tbody");
  for (const row of tableRows(panel.series, range).reverse()) {
    const time = el("th", "", `${text.day(row.from)} ${text.hourMinute(row.from)}`);
    time.scope = "row";
    const flag = flagWords(text, row.q, row.reason) || text.say("station.good");
    const cells = [say(row.min), say(row.max), say(row.last), text.number(row.n), flag].map((word) => el("td", "", word));
    body.append(el("tr", "", null, time, ...cells));
  }
  const caption = el("caption", "", panel.unit ? `${panel.label}, ${panel.unit}` : panel.label);
  return el("table", "numbers", null, caption, el("thead", "", null, head), body);
}
