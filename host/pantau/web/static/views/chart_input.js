// Pointing at the chart: mouse, touch and keys give the same three things: a crosshair, a zoom, a shift.
// The plot is a slider to assistive technology: arrow keys walk from reading to reading and each is spoken as its value.

import { svg } from "../lib/dom.js";
import { nearest, shifted, zoomed } from "./chart_scale.js";

const DRAG_PX = 6; // less is a click
const ZOOM = 0.5;
const PAGE = 0.5; // of what is shown

export class Pointing {
  constructor(chart) {
    this.chart = chart;
    this.pointers = new Map(); // id -> event of the last move
    this.from = null; // where a mouse drag began
    const { element } = chart;
    element.tabIndex = 0;
    element.setAttribute("role", "slider");
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, (event) => this.#up(event));
    element.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && !this.from && chart.point(null));
    element.addEventListener("dblclick", () => chart.hooks.reset());
    element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("blur", () => chart.point(null));
  }

  #ms(event) {
    return this.chart.x.back(event.clientX - this.chart.svg.getBoundingClientRect().left);
  }

  #down(event) {
    if (!this.chart.x || event.button) return;
    this.chart.element.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (event.pointerType === "mouse") this.from = { ms: this.#ms(event), x: event.clientX, range: this.chart.picture.range, shift: event.shiftKey };
    else if (this.pointers.size === 2) this.#pinchFrom();
    this.chart.point(this.#ms(event));
  }

  #move(event) {
    if (!this.chart.x) return;
    if (this.pointers.has(event.pointerId)) this.pointers.set(event.pointerId, event);
    if (this.pointers.size === 2) return this.#pinch();
    this.chart.point(this.#ms(event));
    if (!this.from || Math.abs(event.clientX - this.from.x) < DRAG_PX) return;
    if (this.from.shift) this.chart.hooks.range(this.#shift(this.from.ms - this.#ms(event)));
    else this.#brush(event);
  }

  #up(event) {
    this.pointers.delete(event.pointerId);
    const { from } = this;
    if (!from) return;
    this.from = null;
    this.box?.remove();
    this.box = null;
    const to = this.#ms(event);
    if (from.shift || event.type === "pointercancel" || Math.abs(event.clientX - from.x) < DRAG_PX) return;
    const [a, b] = [Math.min(from.ms, to), Math.max(from.ms, to)];
    this.chart.hooks.range(this.#zoom((a + b) / 2, (b - a) / (from.range[1] - from.range[0]), [a, b]));
  }

  #brush(event) {
    this.box ??= this.chart.svg.appendChild(svg("rect", { class: "brush", y: 18, height: this.chart.bottom - 18 }));
    const [a, b] = [this.chart.x(this.from.ms), this.chart.x(this.#ms(event))];
    this.box.setAttribute("x", Math.min(a, b));
    this.box.setAttribute("width", Math.abs(b - a));
  }

  #spread() {
    const [a, b] = [...this.pointers.values()].map(({ clientX }) => clientX - this.chart.svg.getBoundingClientRect().left);
    return { middle: (a + b) / 2, wide: Math.max(24, Math.abs(a - b)) };
  }

  #pinchFrom() {
    const { middle, wide } = this.#spread();
    this.pinch = { range: this.chart.picture.range, ms: this.chart.x.back(middle), wide };
  }

  #pinch() {
    const { middle, wide } = this.#spread();
    const { range, ms } = this.pinch;
    const { end, most_ms } = this.chart.picture;
    const [from, to] = zoomed(range, ms, this.pinch.wide / wide, end, most_ms);
    const share = (middle - this.chart.x(this.chart.picture.range[0])) / (this.chart.right - this.chart.x(this.chart.picture.range[0]));
    this.chart.hooks.range(shifted([from, to], ms - (from + share * (to - from)), end));
  }

  #zoom(ms, factor, exact = null) {
    const { range, end, most_ms } = this.chart.picture;
    return exact && factor * (range[1] - range[0]) >= 600_000 ? exact.map(Math.round) : zoomed(range, ms, factor, end, most_ms);
  }

  #shift(by_ms) {
    return shifted(this.chart.picture.range, by_ms, this.chart.picture.end);
  }

  /** With Ctrl, or a pinch on a touchpad, the wheel zooms; sideways it shifts; else the page scrolls as it should. */
  #wheel(event) {
    if (!this.chart.x) return;
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!event.ctrlKey && !event.metaKey && !sideways) return;
    event.preventDefault();
    const [from, to] = this.chart.picture.range;
    if (sideways) this.chart.hooks.range(this.#shift((event.deltaX / this.chart.right) * (to - from)));
    else this.chart.hooks.range(this.#zoom(this.#ms(event), 1.002 ** event.deltaY));
  }

  /** Zoom and shift for buttons and keys: "in", "out", "earlier", "later". */
  go(way) {
    const [from, to] = this.chart.picture.range;
    const middle = this.chart.cursor ?? (from + to) / 2;
    const span = to - from;
    const wanted = { in: () => this.#zoom(middle, ZOOM), out: () => this.#zoom(middle, 1 / ZOOM), earlier: () => this.#shift(-PAGE * span), later: () => this.#shift(PAGE * span) };
    this.chart.hooks.range(wanted[way]());
  }

  #key(event) {
    if (!this.chart.x || event.altKey || event.ctrlKey || event.metaKey) return;
    const ways = { "+": "in", "=": "in", "-": "out", PageUp: "earlier", PageDown: "later" };
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -Infinity, End: Infinity };
    if (ways[event.key]) this.go(ways[event.key]);
    else if (event.key === "0") this.chart.hooks.reset();
    else if (steps[event.key]) this.walk(steps[event.key] * (event.shiftKey ? 10 : 1));
    else return;
    event.preventDefault();
  }

  /** Move the crosshair by `steps` readings of the first panel that has any; from the last one when it stands nowhere. */
  walk(steps) {
    const [from, to] = this.chart.picture.range;
    const t = this.chart.picture.panels.find(({ main }) => main)?.series.t.filter((ms) => ms >= from && ms <= to) ?? [];
    if (!t.length) return;
    const now = this.chart.cursor === null ? t.length : nearest(t, this.chart.cursor);
    this.chart.point(t[Math.min(t.length - 1, Math.max(0, now + steps))]);
  }
}
