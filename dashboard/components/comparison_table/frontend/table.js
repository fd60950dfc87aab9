/** Rows of figures. A click on a heading sorts by it, a second click reverses, a third restores the original order. */
import { h } from "../laf-lab.feed/dom.js";
import { applyTheme } from "../laf-lab.feed/theme.js";
import * as say from "./words.js";

const FEW = 6; // columns that fit a phone
const MARKS = { ascending: " ↑", descending: " ↓", none: "" };

export class Table {
  constructor(parent) {
    this.body = h("tbody");
    this.head = h("tr");
    this.root = h("div", { class: "table", tabindex: 0, role: "region", "aria-label": say.METHODS_AND_FIGURES },
      h("table", {}, h("thead", {}, this.head), this.body));
    parent.append(this.root);
    this.sort = { key: null, way: "none" };
  }

  retheme() { applyTheme(this.root); }

  /** @param {{columns: object[], rows: object[], chosen: string}} data see docs/wire.md, "Table" */
  show(data) {
    this.data = data;
    this.root.classList.toggle("few", data.columns.length <= FEW);
    const at = [this.root.scrollLeft, this.root.scrollTop];
    this.#heads();
    this.#rows();
    [this.root.scrollLeft, this.root.scrollTop] = at;
  }

  #heads() {
    const heads = this.data.columns.map((column) => {
      const way = this.sort.key === column.key ? this.sort.way : "none";
      return h("th", { scope: "col", "aria-sort": way, title: column.help, class: column.summary ? "summary" : null },
        h("button", { type: "button", onclick: () => this.#turn(column.key) },
          h("span", {}, column.label + MARKS[way]), h("small", {}, column.unit || " ")));
    });
    this.head.replaceChildren(h("th", { scope: "col", class: "name" }, "method"), ...heads);
  }

  #turn(key) {
    const ways = ["ascending", "descending", "none"];
    const now = this.sort.key === key ? this.sort.way : "none";
    this.sort = { key, way: ways[(ways.indexOf(now) + 1) % ways.length] };
    this.show(this.data);
    const place = this.data.columns.findIndex((column) => column.key === key);
    this.head.children[place + 1].querySelector("button").focus();
  }

  #rows() {
    const { key, way } = this.sort;
    const rows = [...this.data.rows];
    if (way !== "none") {
      const sign = way === "ascending" ? 1 : -1;
      const value = (row) => row.cells[key]?.value ?? null;
      rows.sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === null || y === null) return (x === null) - (y === null); // rows without a value come last
        return sign * (x - y);
      });
    }
    this.body.replaceChildren(...rows.map((row) => this.#row(row)));
  }

  #row(row) {
    const name = h("th", { scope: "row", class: "name", title: row.help },
      row.pick ? h("button", { type: "button", onclick: () => this.onPick(row.key), "aria-pressed": this.data.chosen.includes(row.key) ? "true" : "false" }, row.label) : row.label,
      row.state ? h("small", { class: row.tone }, row.state) : null);
    const cells = row.message
      ? [h("td", { colspan: this.data.columns.length, class: "message" }, row.message)]
      : this.data.columns.map((column) => {
        const cell = row.cells[column.key];
        if (!cell) return h("td", { class: "none" }, "–");
        return h("td", { class: cell.tone, title: cell.help }, cell.text,
          cell.spread ? h("small", {}, ` ± ${cell.spread}`) : null, cell.loses ? h("sup", { "aria-label": say.DOING_NOTHING_IS_CLOSER }, "▼") : null);
      });
    return h("tr", { class: row.kind }, name, ...cells);
  }

  destroy() { this.root.remove(); }
}
