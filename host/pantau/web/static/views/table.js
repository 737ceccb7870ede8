// A real table of many rows: sorted by its headers, live without being built anew, only what is seen is aged and laid out.
// Its rows are grids, so that the browser may skip those out of sight; the roles are said, for styles must not take them away.

import { el, put } from "../lib/dom.js";

const FIRST = "descending"; // a header's first press on numbers: the greatest come first

/**
 * Columns: {key, title, text(item, now_ms), sort(item), number, live, head, href(item), mark(item)}. `text` gives what the cell
 * says, `sort` what the column is ordered by (null comes last), `live` cells age by themselves, `head` is the row's name, `mark`
 * gives data attributes of the cell.
 */
export class Table {
  /** `id(item)` names a row; `worst(a, b)` is the order before a header was pressed. */
  constructor(app, columns, { id, worst, mark = () => ({}) }) {
    Object.assign(this, { app, columns, id, worst, mark });
    this.sorted = null; // {key, way}
    this.items = new Map(); // id -> item
    this.rows = new Map(); // id -> row
    this.seen = new Set(); // rows in sight, or close to it
    this.eyes = new IntersectionObserver((entries) => this.#look(entries), { rootMargin: "300px" });
    this.caption = el("caption", "sr");
    this.headers = columns.map((column) => this.#header(column));
    const line = role(el("tr", "", null, ...this.headers), "row");
    this.body = role(el("tbody"), "rowgroup");
    this.root = role(el("table", "grid"), "table");
    this.root.append(this.caption, role(el("thead", "", null, line), "rowgroup"), this.body);
  }

  #header(column) {
    const button = el("button", "sort");
    button.type = "button";
    button.addEventListener("click", () => this.#press(column));
    const header = role(el("th", column.number ? "number" : "", null, button), "columnheader");
    header.scope = "col";
    return header;
  }

  #press(column) {
    const first = column.number ? FIRST : "ascending";
    const second = first === FIRST ? "ascending" : FIRST;
    const way = this.sorted?.key === column.key ? (this.sorted.way === first ? second : null) : first;
    this.sorted = way === null ? null : { key: column.key, way };
    this.#say();
    this.arrange();
  }

  /** Words of the headers and the caption, in the language of now; rows are written anew. */
  render(caption) {
    this.words = caption;
    this.columns.forEach((column, at) => put(this.headers[at].firstChild, column.title()));
    this.#say();
    for (const row of this.rows.values()) row.told = null;
    this.arrange();
  }

  #say() {
    this.columns.forEach((column, at) => {
      if (this.sorted?.key === column.key) this.headers[at].setAttribute("aria-sort", this.sorted.way);
      else this.headers[at].removeAttribute("aria-sort");
    });
    const { text } = this.app;
    const named = this.sorted && this.columns.find(({ key }) => key === this.sorted.key).title();
    const order = named ? text.say(`list.sorted.${this.sorted.way}`, { column: named }) : text.say("list.sorted.worst");
    put(this.caption, `${this.words} ${order}`);
  }

  /** Show these items and no others. */
  show(items) {
    this.items = new Map(items.map((item) => [this.id(item), item]));
    for (const [id, row] of this.rows) {
      if (this.items.has(id)) continue;
      this.eyes.unobserve(row.element);
      this.seen.delete(row);
      row.element.remove();
      this.rows.delete(id);
    }
    this.arrange();
  }

  /** One item says something else; `arrange` brings it to its place. */
  change(item) {
    const id = this.id(item);
    if (!this.items.has(id)) return;
    this.items.set(id, item);
    const row = this.rows.get(id);
    if (!row) return;
    row.item = item;
    row.told = null;
    if (this.seen.has(row)) this.#write(row, this.app.model.now());
  }

  /** Put the rows in order; those that are in place stay untouched, with the focus that one of them may hold. */
  arrange() {
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    let place = this.body.firstElementChild;
    const now_ms = this.app.model.now();
    for (const item of [...this.items.values()].sort(this.#order())) {
      const row = this.#row(item);
      if (row.element === place) place = place.nextElementSibling;
      else this.body.insertBefore(row.element, place);
      if (row.item !== item) [row.item, row.told] = [item, null];
      if (row.told === null && (this.seen.has(row) || !row.named)) this.#write(row, now_ms);
    }
    if (focused && focused !== document.activeElement) focused.focus({ preventScroll: true });
  }

  #order() {
    if (!this.sorted) return this.worst;
    const { sort } = this.columns.find(({ key }) => key === this.sorted.key);
    const way = this.sorted.way === FIRST ? -1 : 1;
    return (a, b) => {
      const [one, other] = [sort(a), sort(b)];
      if (one === null || other === null) return (one === null) - (other === null) || this.worst(a, b);
      const found = typeof one === "string" ? one.localeCompare(other, this.app.text.language, { numeric: true }) : one - other;
      return way * found || this.worst(a, b);
    };
  }

  #row(item) {
    const id = this.id(item);
    let row = this.rows.get(id);
    if (row) return row;
    const cells = this.columns.map((column) => {
      const cell = role(el(column.head ? "th" : "td", column.number ? "number" : ""), column.head ? "rowheader" : "cell");
      if (column.head) cell.scope = "row";
      cell.append(el(column.href ? "a" : "span"));
      cell.dataset.key = column.key;
      return cell;
    });
    row = { item, cells, element: role(el("tr", "", null, ...cells), "row"), told: null, named: false };
    row.element.row = row;
    this.rows.set(id, row);
    this.eyes.observe(row.element);
    return row;
  }

  #look(entries) {
    const now_ms = this.app.model.now();
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) this.seen.delete(target.row);
      else {
        this.seen.add(target.row);
        this.#write(target.row, now_ms);
      }
    }
  }

  #write(row, now_ms) {
    row.told = row.item;
    row.named = true;
    Object.assign(row.element.dataset, this.mark(row.item));
    this.columns.forEach((column, at) => {
      const cell = row.cells[at];
      const words = column.text(row.item, now_ms);
      put(cell.firstChild, words);
      cell.classList.toggle("nothing", words === "");
      cell.dataset.label = column.title();
      const href = column.href?.(row.item);
      if (href) cell.firstChild.href = href;
      if (column.mark) Object.assign(cell.dataset, column.mark(row.item, now_ms));
    });
  }

  /** Age the rows that can be seen. */
  tick(now_ms) {
    for (const row of this.seen) {
      Object.assign(row.element.dataset, this.mark(row.item));
      this.columns.forEach((column, at) => {
        if (!column.live) return;
        put(row.cells[at].firstChild, column.text(row.item, now_ms));
        if (column.mark) Object.assign(row.cells[at].dataset, column.mark(row.item, now_ms));
      });
    }
  }
}

function role(element, name) {
  element.setAttribute("role", name);
  return element;
}
