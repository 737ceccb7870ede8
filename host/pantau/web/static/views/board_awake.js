// What keeps a board alive for months: the screen's lock against sleep, and a fresh start of the page in a quiet hour.

import * as live from "../lib/live.js";

const HOUR_MS = 3_600_000;
const WIB_MS = 7 * HOUR_MS;
const DAY_MS = 24 * HOUR_MS;
const RENEW_FROM_MS = 3.5 * HOUR_MS; // 03:30 WIB, when the fewest look
const RENEW_UNTIL_MS = 4 * HOUR_MS;
const LEAST_MS = 12 * HOUR_MS; // once a night, not again and again within it

/** Whether the page may start anew: at night, after half a day, and only while it is certain to come back. */
export function due(now_ms, started_ms, state) {
  const time = (now_ms + WIB_MS) % DAY_MS;
  return state === "live" && now_ms - started_ms >= LEAST_MS && time >= RENEW_FROM_MS && time < RENEW_UNTIL_MS;
}

export class Awake {
  constructor(app) {
    this.app = app;
    this.sleeps = false; // whether the screen may go dark
    this.lock = null;
    this.started_ms = app.model.now();
    this.trying = false;
    this.again = () => document.visibilityState === "visible" && this.#hold();
  }

  start() {
    this.started_ms = this.app.model.now();
    document.addEventListener("visibilitychange", this.again); // the lock is lost with the tab's sight
    this.#hold();
  }

  stop() {
    document.removeEventListener("visibilitychange", this.again);
    this.lock?.release();
    this.lock = null;
  }

  tick(now_ms) {
    if (due(now_ms, this.started_ms, live.state()) && !this.trying) this.#renew();
  }

  async #hold() {
    try {
      this.lock = await navigator.wakeLock.request("screen");
      this.sleeps = false;
      this.lock.addEventListener("release", () => (this.sleeps = true));
    } catch {
      this.sleeps = true; // no such thing here (a page without TLS that is not on loopback), or refused: the board says so
    }
  }

  /** Load the page again once the server has answered: a board must not end on the browser's error page. */
  async #renew() {
    this.trying = true;
    try {
      const answer = await fetch("/", { cache: "no-store" });
      if (answer.ok) location.reload();
    } catch {
      // nobody answers: the next tick tries again, as long as it is night
    } finally {
      this.trying = false;
    }
  }
}
