// The series of a station: which property over which time, asked of the bridge, drawn, told in words and to be downloaded.

import { el, put } from "../lib/dom.js";
import { Chart } from "./chart.js";
import { cursorWords, flagSummary, substance, table } from "./chart_a11y.js";
import { DAY, MINUTE, seriesOf, shifted, stepOf } from "./chart_scale.js";
import { SeriesTools } from "./series_tools.js";
import { drawing, firstPanels, isRain } from "./station_facts.js";
import { limitsOf, periodsOf, seriesPath } from "./station_source.js";

export const PRESETS = { h24: DAY, d7: 7 * DAY, d30: 30 * DAY };
const MOST_MS = 400 * DAY;
const AHEAD_MS = 5 * MINUTE; // a clock that runs ahead by more is refused as a date by the store
const POINTS = 1500;
const SETTLE_MS = 180; // of a pinch, before the bridge is asked
const [SOONEST_MS, LATEST_MS] = [2000, 60_000]; // between two questions while the page follows the present
const GAP_STEPS = 2.5; // a distance of that many usual steps is a gap
const HEIGHTS = { main: 210, rain: 76, second: 130 };

export class StationSeries {
  constructor(app) {
    this.app = app;
    this.chart = new Chart(app.text, { range: (range) => this.#moved(range), cursor: () => this.#told(), reset: () => this.preset("h24") });
    this.tools = new SeriesTools(app, this);
    this.readout = el("div", "readout");
    this.note = el("p", "seriesnote");
    this.note.setAttribute("role", "status");
    this.flags = el("p", "flags");
    this.tables = el("div", "tables");
    this.tables.tabIndex = 0; // it scrolls, so the keyboard must reach it
    this.tables.setAttribute("role", "region");
    this.asTable = el("details", "astable", null, el("summary"), this.tables);
    this.asTable.addEventListener("toggle", () => this.#fillTable());
    this.heading = el("h3");
    const { tools } = this;
    this.element = el("section", "series", null, this.heading, tools.choice, this.readout, this.chart.element, this.note, this.flags, tools.moves, tools.dates, tools.downloads, this.asTable);
    this.close();
  }

  close() {
    this.abort?.abort();
    clearTimeout(this.timer);
    this.station = null;
    this.main = this.second = null; // {property, node, unit}
    this.span = "h24"; // a key of PRESETS, null for a range that a person chose
    this.range = null;
    this.answers = new Map(); // key of a reading -> series, or an Error
    this.periods = [];
    this.asked_ms = 0;
    this.asTable.open = false;
    this.chart.picture = null;
  }

  /** Take a station, anew or as it is now. */
  show(station) {
    const first = this.station?.id !== station.id;
    this.station = station;
    if (first || !this.main) [this.main, this.second] = firstPanels(station.readings, station.domain, this.app.text.place);
    this.element.hidden = !this.main;
    if (!this.main) return;
    if (first) this.preset(this.span);
    else this.refresh();
    this.render();
  }

  render() {
    const { text } = this.app;
    put(this.heading, text.say("station.series"));
    put(this.asTable.firstElementChild, text.say("station.as_table"));
    this.tables.setAttribute("aria-label", text.say("station.series"));
    if (!this.station || !this.main) return;
    this.tools.render();
    this.#draw();
  }

  preset(span) {
    this.span = span;
    const now = this.app.model.now();
    this.range = [now - PRESETS[span], now];
    this.#changed();
  }

  /** Show a property as the panel "main" or "second"; null takes the second away. */
  choose(panel, reading) {
    this[panel] = reading;
    if (panel === "main" && this.second && key(this.second) === key(reading)) this.second = null;
    this.#changed();
  }

  /** A range by date fields. */
  between(from, to) {
    if (!(to - from >= 10 * MINUTE)) return;
    this.#moved([from, to]);
  }

  /** Ask again, when it is time to and the present is in view. */
  refresh() {
    const now = this.app.model.now();
    if (!this.main || this.range[1] < now - (this.range[1] - this.range[0]) * 0.05) return;
    const wait_ms = Math.min(LATEST_MS, Math.max(SOONEST_MS, (this.range[1] - this.range[0]) / 20_000));
    this.#later(Math.max(0, this.asked_ms + wait_ms - Date.now()));
  }

  setAlerts(records) {
    this.periods = periodsOf(records, this.app.model.now(), this.app.model.SEVERITIES);
    this.#draw();
  }

  tick(now_ms) {
    if (!this.span || !this.main || this.chart.cursor !== null) return;
    if (now_ms - this.range[1] > PRESETS[this.span] / 800) this.#draw();
  }

  #moved(range) {
    const end = this.app.model.now();
    this.span = null;
    this.range = shifted(range, 0, end + AHEAD_MS);
    this.tools.render();
    this.#draw();
    this.#later(SETTLE_MS);
  }

  #changed() {
    this.chart.point(null);
    this.tools.render();
    this.#draw();
    this.#later(0);
  }

  #later(wait_ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#ask(), wait_ms);
  }

  async #ask() {
    this.abort?.abort();
    const { signal } = (this.abort = new AbortController());
    this.asked_ms = Date.now();
    const now = this.app.model.now();
    const range = this.span ? [now - PRESETS[this.span], now + AHEAD_MS] : this.range;
    const wanted = [this.main, this.second].filter(Boolean);
    const answer = async (reading) => {
      const found = await this.app.api.get(seriesPath(this.station, reading, range, { points: POINTS }), signal);
      const series = seriesOf(found);
      if (!series) throw new this.app.api.Problem(200, { detail: this.app.text.say("station.odd_answer") });
      return series;
    };
    const found = await Promise.allSettled(wanted.map(answer));
    if (signal.aborted) return;
    found.forEach(({ value, reason }, i) => {
      const lost = reason && !(reason instanceof this.app.api.Problem); // nobody answered: what is shown stays, and says so
      const before = this.answers.get(key(wanted[i]));
      this.answers.set(key(wanted[i]), lost && before?.t ? Object.assign(before, { lost: true }) : (value ?? reason));
    });
    this.#draw();
  }

  #panel(reading, main) {
    const { text } = this.app;
    const series = this.answers.get(key(reading));
    if (!series?.t) return null;
    const unit = text.word("units", reading.unit);
    const look = drawing(reading.property, reading.unit);
    const hang = !main && isRain(reading.property) && !isRain(this.main.property);
    const step_ms = Math.max(series.bucket_ms, stepOf(series.t) ?? this.station.report_interval_s * 1000);
    const label = (limit) => `${limit.name.replace(/^siaga_?/i, "Siaga ").replaceAll("_", " ")} · ${text.number(limit.value, reading.property)}${unit ? `\u2009${unit}` : ""}`;
    return {
      ...look,
      ...{ property: reading.property, label: text.word("properties", reading.property), unit, series, main, hang },
      tone: hang ? "rain" : main ? "main" : "second",
      gap_ms: GAP_STEPS * step_ms,
      width_ms: step_ms,
      height: hang ? HEIGHTS.rain : main ? HEIGHTS.main : HEIGHTS.second,
      thresholds: limitsOf(this.station, reading.property).map((limit) => ({ ...limit, tone: `sev${limit.rank}`, label: label(limit) })),
    };
  }

  #draw() {
    if (!this.station || !this.main || !this.range) return;
    const now = this.app.model.now();
    const main = this.#panel(this.main, true);
    const second = this.second && this.#panel(this.second, false);
    const newest = Math.max(now, ...[main, second].map((panel) => Math.min(panel?.series.t.at(-1) ?? 0, now + AHEAD_MS)));
    if (this.span) this.range = [now - PRESETS[this.span], newest];
    this.#say(main);
    const panels = (second?.hang ? [second, main] : [main, second]).filter(Boolean);
    this.chart.element.hidden = !panels.length;
    if (!panels.length) return put(this.flags, "");
    const periods = this.periods.map((period) => ({ ...period, to: Math.min(period.to, now) }));
    this.chart.show({ range: this.range, now, end: now + AHEAD_MS, most_ms: MOST_MS, panels, periods });
    const said = panels.map((panel) => [panel.label, flagSummary(this.app.text, panel.series, this.range)]).filter(([, flags]) => flags);
    put(this.flags, said.length ? this.app.text.say("station.flagged", { flags: said.map(([label, flags]) => `${label}: ${flags}`).join("; ") }) : "");
    this.#fillTable();
  }

  /** What stands in the way of the series: still loading, refused, nobody answers, nothing there, nothing good there. */
  #say(main) {
    const { text } = this.app;
    const answer = this.answers.get(key(this.main));
    const say = () => {
      if (!answer) return text.say("station.loading");
      if (answer instanceof this.app.api.Problem) return text.say("station.refused", { detail: answer.message });
      if (answer instanceof Error) return text.say("station.unreachable");
      if (answer.lost) return text.say("station.unreachable_kept");
      const [any, good] = substance(answer);
      return any ? (good ? "" : text.say("station.all_bad")) : text.say(answer.t.length ? "station.all_missing" : "station.no_data");
    };
    put(this.note, say());
    this.element.dataset.series = !main ? "none" : answer.lost ? "lost" : "shown";
  }

  #told() {
    if (!this.chart.picture?.panels.length) return;
    const { text } = this.app;
    const [time, ...values] = cursorWords(text, this.chart);
    const rows = values.map(([panel, words]) => el("span", `told ${panel.tone}`, null, el("span", "", `${panel.label} `), el("b", "", words)));
    const standing = this.chart.cursor === null ? [] : this.periods.filter(({ from, to }) => from <= this.chart.cursor && this.chart.cursor <= to);
    for (const { severity, text: said } of standing.slice(0, 2)) rows.push(el("span", `told alert sev${severity}`, said?.[text.language] ?? ""));
    this.readout.replaceChildren(el("span", "when", time), ...rows);
    const { element, picture } = this.chart;
    element.setAttribute("aria-label", text.say("station.chart_label", { what: picture.panels.map(({ label }) => label).join(", ") }));
    element.setAttribute("aria-valuemin", Math.round(picture.range[0] / 1000));
    element.setAttribute("aria-valuemax", Math.round(picture.range[1] / 1000));
    element.setAttribute("aria-valuenow", Math.round((this.chart.cursor ?? picture.range[1]) / 1000));
    element.setAttribute("aria-valuetext", [time, ...values.map(([panel, words]) => `${panel.label} ${words}`)].join(", "));
  }

  #fillTable() {
    if (!this.asTable.open || !this.chart.picture) return;
    const panels = [...this.chart.picture.panels].sort((a, b) => b.main - a.main);
    this.tables.replaceChildren(...panels.map((panel) => table(this.app.text, panel, this.range)));
  }
}

/** What tells one series of a station from another. */
export function key({ property, node }) {
  return `${property} ${node ?? ""}`;
}

