// The chart: one or two panels over one time axis, drawn anew as SVG whenever what it shows, its width or its words change.
// It knows nothing of stations: it is given series, thresholds and words. SVG, so that it is sharp on any screen and prints.

import { el, svg } from "../lib/dom.js";
import { Pointing } from "./chart_input.js";
import * as c from "./chart_scale.js";

const AXIS = 46; // left, for the numbers
const RIGHT = 10;
const TITLE = 18; // above each panel
const BETWEEN = 6;
const FOOT = 24; // for the times
const LABEL_PX = 13; // least distance of two threshold names
const PX_A_TIME = 68;
const PX_A_VALUE = 38;
const MOST_DAYS = 10;
const MANY_MARKS = 150; // beyond that they are drawn small
let made = 0;

export class Chart {
  /** `text` gives words and times; `hooks`: range([from, to]), cursor(), reset(). */
  constructor(text, hooks) {
    this.text = text;
    this.picture = null;
    this.cursor = null; // ms where the reader points
    this.shownPanels = []; // with their scales, as last drawn
    this.hatch = `hatch-${++made}`;
    this.svg = svg("svg", { class: "plot", "aria-hidden": "true" });
    this.element = el("div", "chart", null, this.svg);
    this.hooks = hooks;
    this.pointing = new Pointing(this);
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** Show a picture: {range: [from, to], now, end, most_ms, panels, periods}; see station_series.js, which makes it. */
  show(picture) {
    this.picture = picture;
    this.draw();
  }

  draw() {
    const width = this.element.clientWidth;
    if (!this.picture || width < 60) return;
    const began = performance.now();
    const { range, panels, now } = this.picture;
    this.right = width - RIGHT;
    this.x = c.linear(...range, AXIS, this.right);
    this.shownPanels = [];
    let top = TITLE;
    const parts = [this.#defs()];
    for (const panel of panels) {
      const shown = this.#place(panel, top);
      this.shownPanels.push(shown);
      top = shown.bottom + BETWEEN + TITLE;
    }
    const bottom = top - BETWEEN - TITLE;
    parts.push(this.#days(bottom), ...this.shownPanels.map((shown) => this.#panel(shown)), this.#times(bottom), this.#periods(bottom));
    if (now > range[0] && now < range[1] - (range[1] - range[0]) / 500) parts.push(this.#upright("now", this.x(now), bottom));
    this.bottom = bottom;
    this.cross = svg("g", { class: "cross" });
    this.svg.replaceChildren(...parts.filter(Boolean), this.cross);
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("height", bottom + FOOT);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${bottom + FOOT}`);
    this.point(this.cursor);
    this.element.dataset.drawnMs = (performance.now() - began).toFixed(1); // for who looks why a page is slow
  }

  /** Put the crosshair at `ms`, or take it away. */
  point(ms) {
    this.cursor = ms;
    if (!this.cross) return;
    const [from, to] = this.picture.range;
    const parts = [];
    const shown = ms === null ? null : Math.min(to, Math.max(from, ms));
    if (shown !== null) {
      parts.push(this.#upright("hair", this.x(shown), this.bottom));
      for (const { panel, y, top, bottom } of this.shownPanels) {
        const i = this.at(panel, shown);
        if (i < 0 || c.missing(panel.series, i)) continue;
        const height = Math.min(bottom, Math.max(top, y(panel.style === "bars" ? c.peakAt(panel.series, i) : c.lineAt(panel.series, i))));
        parts.push(svg("circle", { class: `dot ${panel.tone}`, cx: this.x(panel.series.t[i]), cy: height, r: 4 }));
      }
    }
    this.cross.replaceChildren(...parts);
    this.hooks.cursor();
  }

  /** The index of the reading of `panel` that the crosshair at `ms` is on: the nearest, unless there is a gap; else -1. */
  at(panel, ms) {
    const i = c.nearest(panel.series.t, ms);
    return i >= 0 && Math.abs(panel.series.t[i] - ms) <= panel.gap_ms ? i : -1;
  }

  #place(panel, top) {
    const { low, high, beyond } = c.extent(panel.series, panel);
    const bottom = top + panel.height;
    const y = panel.hang || panel.flip ? c.linear(low, high, top, bottom) : c.linear(low, high, bottom, top);
    return { panel, top, bottom, y, low, high, beyond };
  }

  #defs() {
    const line = svg("path", { d: "M0 6L6 0M-1 1L1 -1M5 7L7 5", class: "hatch" });
    return svg("defs", {}, svg("pattern", { id: this.hatch, width: 6, height: 6, patternUnits: "userSpaceOnUse" }, line));
  }

  #upright(name, at, bottom) {
    return svg("line", { class: name, x1: at, x2: at, y1: TITLE, y2: bottom });
  }

  #days(bottom) {
    const days = c.midnights(...this.picture.range);
    if (days.length > MOST_DAYS) return null; // the ticks tell enough
    return svg("g", {}, ...days.map((ms) => this.#upright("midnight", this.x(ms), bottom)));
  }

  #panel({ panel, top, bottom, y, low, high, beyond }) {
    const { series } = panel;
    // A nested svg cuts off what lies outside the panel, its coordinates stay those of the whole.
    const box = { x: AXIS, y: top, width: this.right - AXIS, height: bottom - top, viewBox: `${AXIS} ${top} ${this.right - AXIS} ${bottom - top}` };
    const inside = svg("svg", { ...box, preserveAspectRatio: "none" });
    const hatch = (name, [a, b]) => svg("rect", { class: name, x: this.x(a), y: top, width: Math.max(0.5, this.x(b) - this.x(a)), height: bottom - top, fill: `url(#${this.hatch})` });
    inside.append(...c.gaps(series, panel.gap_ms, this.picture.range, this.picture.now).map((gap) => hatch("gap", gap)));
    inside.append(...this.#lines(panel, y), this.#marks(panel, y, top, bottom));
    const group = svg("g", { class: `panel ${panel.tone}` }, this.#values({ panel, top, bottom, y, low, high }), inside);
    group.append(...this.#thresholds(panel, y, top, bottom, beyond));
    const title = svg("text", { class: "name", x: AXIS, y: top - 6 });
    title.textContent = panel.unit ? `${panel.label}, ${panel.unit}` : panel.label;
    group.append(title);
    return group;
  }

  #lines(panel, y) {
    const { series } = panel;
    if (panel.style === "bars") return [svg("path", { class: "bars", d: c.barsPath(series, this.x, y, panel.width_ms) })];
    const found = c.runs(series, panel.gap_ms);
    const path = panel.style === "step" ? c.stepPath : c.linePath;
    const band = found.map((run) => c.bandPath(series, run, this.x, y)).join("");
    const lines = found.map((run) => path(series, run, this.x, y)).join("");
    const lonely = found.filter(([a, b]) => a === b).map(([i]) => c.linePath(series, [i, i], this.x, y)).join("");
    return [svg("path", { class: "band", d: band }), svg("path", { class: "line", d: lines }), svg("path", { class: "point", d: lonely })];
  }

  /** Flagged readings: a cross for a bad one, a diamond for a suspect one, a stroke at the foot for a missing one. */
  #marks(panel, y, top, bottom) {
    const paths = { suspect: "", bad: "", missing: "" };
    const marked = c.marks(panel.series);
    const r = marked.length > MANY_MARKS ? 1.5 : 4;
    for (const i of marked) {
      const at = this.x(panel.series.t[i]).toFixed(1);
      const value = c.peakAt(panel.series, i);
      if (value === null) paths.missing += `M${at} ${panel.hang ? top : bottom}v${panel.hang ? 8 : -8}`;
      else {
        const height = Math.min(bottom - 5, Math.max(top + 5, y(value))).toFixed(1);
        if (panel.series.q[i] === c.SUSPECT) paths.suspect += `M${at} ${height}m0 ${-r}l${r} ${r}l${-r} ${r}l${-r} ${-r}z`;
        else paths.bad += `M${at} ${height}m${-r} ${-r}l${2 * r} ${2 * r}m${-2 * r} 0l${2 * r} ${-2 * r}`;
      }
    }
    return svg("g", {}, ...Object.entries(paths).filter(([, d]) => d).map(([name, d]) => svg("path", { class: `mark ${name}`, d })));
  }

  #values({ panel, top, bottom, y, low, high }) {
    const { ticks, digits } = panel.ticks ? { ticks: panel.ticks, digits: 0 } : c.valueTicks(low, high, (bottom - top) / PX_A_VALUE);
    const group = svg("g", { class: "values" });
    const say = new Intl.NumberFormat(this.text.language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    for (const value of ticks) {
      const at = y(value);
      const word = svg("text", { x: AXIS - 7, y: Math.min(bottom - 1, Math.max(top + 8, at + 4)), "text-anchor": "end" });
      word.textContent = panel.tickWord?.(value) ?? say.format(value);
      group.append(svg("line", { x1: AXIS, x2: this.right, y1: at, y2: at }), word);
    }
    return group;
  }

  #thresholds(panel, y, top, bottom, beyond) {
    const parts = [];
    const named = (line, at, word) => {
      const label = svg("text", { class: `limit ${line.tone}`, x: this.right - 4, y: at, "text-anchor": "end" });
      label.textContent = word;
      parts.push(label);
    };
    const inside = panel.thresholds.filter((line) => !beyond.includes(line)).sort((a, b) => y(b.value) - y(a.value));
    let free = bottom + LABEL_PX;
    for (const line of inside) {
      const at = y(line.value);
      parts.push(svg("line", { class: `limit ${line.tone}`, x1: AXIS, x2: this.right, y1: at, y2: at }));
      free = Math.min(at - 3, free - LABEL_PX);
      named(line, Math.max(top + 9, free), line.label);
    }
    const above = beyond.filter((line) => y(line.value) < top);
    const below = beyond.filter((line) => y(line.value) > bottom);
    above.sort((a, b) => b.value - a.value).forEach((line, i) => named(line, top + 10 + i * LABEL_PX, `↑ ${line.label}`));
    below.forEach((line, i) => named(line, bottom - 5 - i * LABEL_PX, `↓ ${line.label}`));
    return parts;
  }

  #times(bottom) {
    const [from, to] = this.picture.range;
    const group = svg("g", { class: "times" });
    for (const { ms, day } of c.timeTicks(from, to, (this.right - AXIS) / PX_A_TIME)) {
      const at = this.x(ms);
      const word = svg("text", { class: day ? "day" : "", x: Math.min(this.right - 12, at), y: bottom + 17, "text-anchor": "middle" });
      word.textContent = day ? this.text.day(ms) : this.text.hourMinute(ms);
      group.append(svg("line", { x1: at, x2: at, y1: bottom, y2: bottom + 5 }), word);
    }
    return group;
  }

  /** Alerts: a veil over the time in which they stood, and a stripe in the colour of their severity along its foot. */
  #periods(bottom) {
    const group = svg("g", { class: "periods" });
    for (const { from, to, severity } of this.picture.periods) {
      const [left, right] = [Math.max(AXIS, this.x(from)), Math.min(this.right, this.x(to))];
      if (right < AXIS || left > this.right) continue;
      const width = Math.max(2, right - left);
      group.append(svg("rect", { class: `veil sev${severity}`, x: left, y: TITLE, width, height: bottom - TITLE }));
      group.append(svg("rect", { class: `stripe sev${severity}`, x: left, y: bottom - 3, width, height: 4 }));
    }
    return group;
  }
}
