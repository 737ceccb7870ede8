// What a person chooses a series with: spans, properties, moves, dates, downloads. It changes nothing but by StationSeries.

import { el, put } from "../lib/dom.js";
import { fromField, toField } from "./chart_scale.js";
import { listed } from "./station_facts.js";
import { seriesPath } from "./station_source.js";

const SPANS = ["h24", "d7", "d30"];
const MOVES = [["earlier", "‹"], ["out", "−"], ["in", "+"], ["later", "›"]];
const FORMATS = ["csv", "parquet", "json"];

export class SeriesTools {
  constructor(app, series) {
    this.app = app;
    this.series = series;
    this.spans = SPANS.map((span) => this.#button("", () => series.preset(span)));
    this.group = el("div", "spans", null, ...this.spans);
    this.group.setAttribute("role", "group");
    this.selects = ["main", "second"].map((panel) => this.#select(panel));
    this.choice = el("div", "choice", null, this.group, ...this.selects.map(({ label }) => label));
    this.moves = el("div", "moves");
    this.steps = MOVES.map(([way, sign]) => this.#button(sign, () => series.chart.picture && series.chart.pointing.go(way)));
    this.moves.append(...this.steps);
    this.fields = ["from", "to"].map(() => {
      const field = el("input");
      field.type = "datetime-local";
      field.addEventListener("change", () => series.between(...this.fields.map(({ field: one }) => fromField(one.value))));
      return { field, word: el("span") };
    });
    this.dates = el("div", "dates", null, ...this.fields.map(({ field, word }) => el("label", "", null, word, field)));
    this.downloads = el("p", "downloads");
  }

  #button(word, act) {
    const made = el("button", "", word);
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  }

  #select(panel) {
    const select = el("select");
    const word = el("span");
    select.addEventListener("change", () => this.series.choose(panel, this.options[Number(select.value)] ?? null));
    return { select, word, label: el("label", "", null, word, select) };
  }

  render() {
    const { text } = this.app;
    const { station, main, second, span, range } = this.series;
    if (!station || !main) return;
    this.group.setAttribute("aria-label", text.say("station.span"));
    SPANS.forEach((name, i) => {
      put(this.spans[i], text.say(`station.presets.${name}`));
      this.spans[i].setAttribute("aria-pressed", name === span);
    });
    this.#options(station, [main, second]);
    this.steps.forEach((button, i) => {
      button.title = text.say(`station.moves.${MOVES[i][0]}`);
      button.setAttribute("aria-label", button.title);
    });
    this.fields.forEach(({ field, word }, i) => {
      put(word, text.say(i ? "station.to" : "station.from"));
      if (document.activeElement !== field) field.value = toField(range[i]);
    });
    this.#links(station, [main, second].filter(Boolean), range);
  }

  #options(station, chosen) {
    const { text } = this.app;
    const several = station.nodes.length > 1;
    const shown = listed([...station.readings], station.domain, text.place);
    this.options = [...shown, ...station.readings.filter((reading) => !shown.includes(reading))];
    const same = (a, b) => a && b && a.property === b.property && a.node === b.node;
    this.selects.forEach(({ select, word }, at) => {
      put(word, text.say(at ? "station.beside" : "station.property"));
      select.ariaLabel = word.textContent;
      const made = this.options.map((reading, i) => {
        const name = text.word("properties", reading.property);
        const option = el("option", "", several ? `${name} · ${reading.node}` : name);
        option.value = i;
        option.selected = same(reading, chosen[at]);
        return option;
      });
      if (at) {
        const none = el("option", "", text.say("station.nothing_beside"));
        none.value = -1;
        none.selected = !chosen[1];
        made.unshift(none);
      }
      if (document.activeElement !== select) select.replaceChildren(...made);
    });
  }

  #links(station, readings, range) {
    const { text } = this.app;
    const links = readings.flatMap((reading, i) =>
      FORMATS.map((format) => {
        const what = text.word("properties", reading.property);
        const said = text.say("station.download_of", { what, format: format.toUpperCase() });
        const link = el("a", "", i ? said : format.toUpperCase());
        link.href = seriesPath(station, reading, range, { format });
        link.download = `${station.id}-${reading.property}.${format}`;
        link.ariaLabel = said;
        return link;
      }),
    );
    this.downloads.replaceChildren(el("span", "", text.say("station.download")), ...links);
  }
}
