// The line behind the first value of a card: recent readings, gaps drawn as gaps.

import { put, svg } from "./dom.js";
import * as text from "./text.js";

const WIDTH = 160;
const HEIGHT = 48;
const PAD = 4;
const REPORTS = 60; // how many report intervals the line spans
const SHORTEST_MS = 300_000;
const LIMIT = 1000; // readings asked for at once, and kept

/** One series, fetched when asked and continued from where it ended. */
export class Spark {
  constructor(node, property, interval_s) {
    this.query = { node, property };
    this.span_ms = Math.max(SHORTEST_MS, REPORTS * interval_s * 1000);
    this.points = []; // [ms, value or null]
    this.busy = false;
    this.line = svg("path", { class: "line" });
    this.area = svg("path", { class: "area" });
    this.dot = svg("path", { class: "dot" });
    const box = { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" };
    this.svg = svg("svg", box, this.area, this.line, this.dot);
    this.caption = document.createElement("figcaption");
  }

  /** Ask for what is new. A failed question leaves the line as it was: the values beside it tell their own age. */
  async refresh(now_ms) {
    if (this.busy) return;
    this.busy = true;
    try {
      const last = this.points.at(-1)?.[0];
      const from = Math.floor(Math.max(now_ms - this.span_ms, last === undefined ? 0 : last + 1));
      const query = new URLSearchParams({ ...this.query, from, to: Math.ceil(now_ms + 60_000), limit: LIMIT });
      const answer = await fetch(`/api/observations?${query}`);
      if (!answer.ok) return;
      const fresh = (await answer.json()).observations.map((seen) => [Date.parse(seen.observed_at), seen.value]);
      this.points = [...this.points, ...fresh].filter(([ms]) => ms > now_ms - this.span_ms).slice(-LIMIT);
      this.draw();
    } catch {
      // offline: the banner says so
    } finally {
      this.busy = false;
    }
  }

  draw() {
    const values = this.points.map(([, value]) => value).filter((value) => value !== null);
    if (values.length < 2) return;
    const [first, last] = [this.points[0][0], this.points.at(-1)[0]];
    let [low, high] = [Math.min(...values), Math.max(...values)];
    const least = Math.max(Math.abs(high) * 0.02, 0.02); // noise of a still river must not look like a flood
    if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
    const x = (ms) => ((ms - first) / (last - first || 1)) * WIDTH;
    const y = (value) => HEIGHT - PAD - ((value - low) / (high - low)) * (HEIGHT - 2 * PAD);
    const steps = this.points.slice(1).map(([ms], i) => ms - this.points[i][0]).sort((a, b) => a - b);
    const gap = 3 * steps[Math.floor(steps.length / 2)];
    const runs = [];
    let before = null;
    for (const [ms, value] of this.points) {
      if (value !== null) {
        if (before === null || ms - before > gap) runs.push([]);
        runs.at(-1).push(`${x(ms).toFixed(1)} ${y(value).toFixed(1)}`);
      }
      before = value === null ? null : ms;
    }
    this.line.setAttribute("d", runs.map((run) => `M${run.join("L")}`).join(""));
    this.area.setAttribute("d", runs.map((run) => `M${run[0].split(" ")[0]} ${HEIGHT}L${run.join("L")}L${run.at(-1).split(" ")[0]} ${HEIGHT}Z`).join(""));
    this.dot.setAttribute("d", `M${runs.at(-1).at(-1)}h0`);
    put(this.caption, text.say("last_minutes", { age: text.age((last - first) / 1000) }));
  }
}
