// Small tables below the nodes: sinks, firmware, what was refused, notices, certificates. Each only where there is something to say.

import { el } from "../lib/dom.js";
import { span, UNKNOWN } from "./network_words.js";

export class FactTable {
  constructor(app) {
    this.app = app;
    this.root = el("section", "facts");
    this.told = "";
  }

  show({ sinks, firmware, quarantine, notices, certificates }) {
    const { text } = this.app;
    const told = JSON.stringify([text.language, sinks, firmware, quarantine, notices, certificates]);
    if (told === this.told) return;
    this.told = told;
    const count = (value) => (value === null ? UNKNOWN : text.number(value));
    const refused = Object.entries(quarantine).sort((a, b) => b[1] - a[1]);
    const tables = [
      this.#table("sinks", ["name", "state", "frames", "age", "delivered", "rejected", "trouble"], sinks.map((one) => ({
        level: one.working ? "good" : "bad",
        cells: [one.name, text.say(`network.sinks.${one.working ? "works" : "down"}`), count(one.lag_frames), one.lag_s === null ? UNKNOWN : span(text, one.lag_s), count(one.delivered), count(one.rejected), one.trouble ?? ""],
      })), [2, 3, 4, 5]),
      this.#table("versions", ["version", "nodes", "state"], firmware.map((one) => ({
        level: one.behind ? "watch" : "good",
        cells: [one.version, count(one.nodes), text.say(`network.versions.${one.behind ? "behind" : "newest"}`)],
      })), [1]),
      this.#table("refusals", ["reason", "count"], refused.map(([reason, messages]) => ({ level: "watch", cells: [reason, count(messages)] })), [1]),
      this.#table("channels", ["channel", "state", "waiting", "oldest", "sent", "failed"], notices.map((one) => ({
        level: one.working ? "good" : "bad",
        cells: [one.channel, text.say(`network.sinks.${one.working ? "works" : "down"}`), count(one.waiting), one.waiting && one.oldest_s !== null ? span(text, one.oldest_s) : UNKNOWN, count(one.sent), count(one.failed)],
      })), [2, 3, 4, 5]),
      this.#table("ends", ["of", "left", "ends"], certificates.map((one) => ({
        level: one.left_s <= 0 ? "bad" : "good", cells: [one.of, text.age(one.left_s), one.ends_at ? text.dateTime(Date.parse(one.ends_at)) : UNKNOWN],
      })), [1]),
    ];
    this.root.replaceChildren(...tables.filter(Boolean));
  }

  #table(name, columns, rows, numbers) {
    if (!rows.length) return null;
    const { text } = this.app;
    const words = `network.${name}`;
    const kind = (at) => (numbers.includes(at) ? "number" : "");
    const head = el("tr", "", null, ...columns.map((column, at) => {
      const cell = el("th", kind(at), text.say(`${words}.columns.${column}`));
      cell.scope = "col";
      return cell;
    }));
    const body = rows.map(({ level, cells }) => {
      const line = el("tr", "", null, ...cells.map((words, at) => {
        const cell = el(at ? "td" : "th", kind(at), words);
        if (!at) cell.scope = "row";
        return cell;
      }));
      line.dataset.level = level;
      return line;
    });
    const table = el("table", "fact", null, el("caption", "", text.say(`${words}.caption`)), el("thead", "", null, head), el("tbody", "", null, ...body));
    const frame = el("div", "scrolls", null, table);
    frame.tabIndex = 0; // wide ones scroll: the keyboard must be able to
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", text.say(`${words}.title`));
    return frame;
  }
}
