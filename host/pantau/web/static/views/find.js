// The fields above a table: words to look for, choices, and how many rows are left of all.

import { el, put } from "../lib/dom.js";

let made = 0;

export class Find {
  /**
   * `topic` names the words: {find, find_hint, none, ...}. `choices` are [name] for a tick box, [name, words of all, values,
   * word of a value] for a list. `values` holds what was chosen.
   */
  constructor(app, topic, again, choices = []) {
    Object.assign(this, { app, topic, again, choices });
    this.values = {};
    this.words = "";
    this.number = ++made;
    this.field = el("input");
    this.field.type = "search";
    this.field.autocomplete = "off";
    this.field.spellcheck = false;
    this.label = el("label", "sr");
    this.#tie(this.label, this.field, "words");
    this.field.addEventListener("input", () => {
      this.words = this.field.value.trim().toLowerCase();
      this.again();
    });
    this.controls = choices.map((choice) => this.#control(choice));
    this.shown = el("output", "shown");
    this.nothing = el("p", "none");
    this.nothing.hidden = true;
    this.fields = el("div", "fields", null, this.label, this.field, ...this.controls.flatMap(({ parts }) => parts), this.shown);
    this.root = el("search", "find", null, this.fields, this.nothing);
  }

  #tie(label, field, name) {
    field.id = `find-${this.number}-${name}`;
    label.htmlFor = field.id;
  }

  #control(choice) {
    const [name, , values] = choice;
    const field = el(values ? "select" : "input");
    const label = el("label", values ? "sr" : "tick");
    if (!values) field.type = "checkbox";
    this.#tie(label, field, name);
    field.addEventListener("change", () => {
      this.values[name] = values ? field.value : field.checked;
      this.again();
    });
    return { choice, field, label, parts: values ? [label, field] : [field, label] };
  }

  render() {
    const { text } = this.app;
    put(this.label, text.say(`${this.topic}.find`));
    this.field.placeholder = text.say(`${this.topic}.find_hint`);
    for (const { choice: [name, all, values, word], field, label } of this.controls) {
      put(label, text.say(`${this.topic}.${name}`));
      if (!values) continue;
      const options = [["", text.say(`${this.topic}.${all}`)], ...values.map((value) => [value, word(value)])];
      field.replaceChildren(...options.map(([value, said]) => new Option(said, value, false, value === (this.values[name] ?? ""))));
    }
    put(this.nothing, text.say(`${this.topic}.none`));
  }

  count(shown, all) {
    const { text } = this.app;
    put(this.shown, text.say("list.shown", { shown: text.number(shown), all: text.number(all) }));
    this.nothing.hidden = shown > 0 || all === 0;
  }
}
