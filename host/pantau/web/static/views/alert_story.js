// One alert in full: what it rests on, every decision about it, and what staff can do.

import { el } from "../lib/dom.js";

const SHELVES_MIN = [30, 120, 480, 1440];

export class AlertStory {
  constructor(app, leave) {
    this.app = app;
    this.leave = leave;
    this.number = null;
    this.story = null;
    this.known = ""; // the record that the story was asked for, to ask again when it changes
    this.failed = "";
    this.root = el("article", "story");
    this.root.hidden = true;
    this.root.addEventListener("keydown", (event) => event.key === "Escape" && this.leave());
  }

  open(number) {
    const fresh = number !== this.number;
    this.number = number;
    this.failed = "";
    if (fresh) this.story = null;
    this.root.hidden = false;
    this.render();
    this.#ask().then(() => fresh && this.root.querySelector("h3")?.focus());
  }

  close() {
    this.number = null;
    this.root.hidden = true;
    this.root.replaceChildren();
  }

  /** The list's record of this alert, undefined once it ended: ask again when it says something else. */
  refresh(record) {
    const known = JSON.stringify(record ?? null);
    if (this.number === null || known === this.known) return;
    const first = this.known === "";
    this.known = known;
    if (!first) this.#ask();
  }

  tick() {}

  render() {
    if (this.number === null) return;
    const { text } = this.app;
    const close = button(text.say("alerts.close"), () => this.leave(), "plain");
    const problem = el("p", "problem", this.failed);
    problem.setAttribute("role", "alert");
    problem.hidden = !this.failed;
    if (!this.story) {
      this.root.replaceChildren(el("header", "", null, title(text.say("alerts.number", { number: this.number })), close), problem);
      return;
    }
    const { alert, decisions } = this.story;
    this.root.dataset.severity = String(this.app.model.SEVERITIES.indexOf(alert.severity));
    const station = this.app.model.stations.get(alert.station);
    const place = el("p", "where");
    if (station) {
      const link = el("a", "", station.name);
      link.href = `#/station/${encodeURIComponent(station.id)}`;
      place.append(link);
    } else place.append(alert.station ?? text.say("alerts.city"));
    const state = alert.state === "open" && alert.acknowledged_at ? "acknowledged" : alert.state;
    this.root.replaceChildren(
      el("header", "", null, title(text.say("alerts.number", { number: alert.id })), el("span", "sev", text.say(`severities.${alert.severity}`)), el("span", "mark", text.say(`alerts.states.${state}`)), close),
      place,
      el("p", "what", alert.text[text.language]),
      problem,
      ...(alert.state === "closed" ? [] : [this.#actions(alert)]),
      this.#log(decisions),
    );
  }

  async #ask() {
    const number = this.number;
    try {
      const story = await this.app.api.get(`/api/alerts/${number}`);
      if (number !== this.number) return;
      this.story = story;
      this.failed = "";
    } catch (error) {
      if (number !== this.number) return;
      this.failed = this.#words(error);
    }
    this.render();
  }

  #words(error) {
    const { api, text } = this.app;
    if (error instanceof api.Problem) return text.say("refused", { detail: error.message });
    if (error instanceof TypeError) return text.say("unreached");
    throw error;
  }

  #actions(alert) {
    const { text } = this.app;
    const row = el("div", "actions");
    if (!alert.acknowledged_at) row.append(button(text.say("alerts.acknowledge"), () => this.#change("acknowledge"), "main"));
    const wait = el("select");
    wait.setAttribute("aria-label", text.say("alerts.shelve_for"));
    for (const minutes of SHELVES_MIN) {
      const choice = el("option", "", text.age(minutes * 60));
      choice.value = String(minutes);
      wait.append(choice);
    }
    row.append(button(text.say("alerts.shelve"), () => this.#change("shelve", { minutes: Number(wait.value) })), wait);
    return row;
  }

  async #change(action, body) {
    const { session, api } = this.app;
    const number = this.number;
    const act = () => api.send("POST", `/api/alerts/${number}/${action}`, body);
    try {
      if (!session.can("operator") && session.possible && !(await session.ask("operator"))) return;
      this.story = await act().catch(async (error) => {
        // The session ended since the page was loaded: ask for the login, and do then what was asked.
        if (error.status !== 401 || !session.possible || !(await session.ask("operator"))) throw error;
        return act();
      });
      this.failed = "";
      this.app.model.takeAlerts([this.story.alert], false);
      this.app.alertsChanged();
    } catch (error) {
      this.failed = this.#words(error);
    }
    if (number !== this.number) return;
    this.render();
    this.root.querySelector("h3")?.focus();
  }

  #log(decisions) {
    const { text } = this.app;
    const rows = decisions.toReversed().map((one) => {
      const time = el("time", "", text.dateTime(Date.parse(one.decided_at)));
      time.dateTime = one.decided_at;
      const by = one.by ? el("span", "by", text.say("alerts.by", { by: one.by })) : "";
      return el("li", "", null, time, el("span", "", one.text[text.language]), by);
    });
    return el("details", "log", null, el("summary", "", text.say("alerts.log", { number: text.number(rows.length) })), el("ol", "", null, ...rows));
  }
}

function title(words) {
  const made = el("h3", "", words);
  made.tabIndex = -1;
  return made;
}

function button(words, act, kind = "") {
  const made = el("button", kind, words);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}
