/** One mounted column of read-outs: the table, the loss balance and the clock, redrawn on the store's events. */
import { h, setText, setTitle } from "../laf-lab.feed/dom.js";
import { applyTheme } from "../laf-lab.feed/theme.js";
import { Balance } from "./balance.js";
import { Table } from "./table.js";
import * as say from "./words.js";

const CURVES = 200; // least ms between two drawings of the curves
const seconds = (value) => (value < 10 ? value.toFixed(1) : value.toFixed(0));

export class Readouts {
  constructor(parent) {
    this.table = new Table((key) => this.store?.setView({ readout: this.store.view.readout === key ? null : key }));
    this.balance = new Balance((seq) => this.store?.setCursor(seq), () => this.store?.setView({ readout: null }), {
      group: (balance) => this.store?.setView({ balance, readout: null }),
      layers: () => this.onLayers?.(),
      all: (wanted) => { this.store?.setView({ requests: wanted ? "all" : "this" }); if (wanted && !this.balance.requests) this.onRequests?.(); },
    });
    this.spent = h("b", { "data-key": "clock.seconds" });
    this.other = h("b", { class: "retrained", "data-key": "clock.retrain" });
    this.tense = h("span", {}, say.SO_FAR);
    this.verdict = h("p", { class: "verdict" });
    this.clock = h("section", { class: "panel clock", "aria-label": say.CLOCK }, h("p", {}, this.spent, this.tense, this.other), this.verdict);
    this.root = h("div", { class: "readouts" }, this.table.element, this.balance.element, this.clock);
    parent.append(this.root);
    this.sizes = new ResizeObserver(() => this.#later(true));
    this.sizes.observe(this.root);
    this.retheme();
  }

  destroy() {
    this.sizes.disconnect();
    this.off?.();
    cancelAnimationFrame(this.request);
    clearTimeout(this.timer);
    this.root.remove();
  }

  show(store) {
    if (store === this.store) return;
    this.off?.();
    this.store = store;
    const listeners = [store.on("frames life view", () => this.#later(true)), store.on("status cursor", () => this.#later())];
    this.off = () => listeners.forEach((off) => off());
    this.#later(true);
  }

  retheme() {
    this.theme = applyTheme(this.root);
    this.drawn = 0;
    this.#later(true);
  }

  /** @param {boolean} curves true if the curves changed too */
  #later(curves = false) {
    this.stale ||= curves;
    this.request ??= requestAnimationFrame(() => {
      this.request = null;
      if (this.store && this.root.isConnected) this.#update();
    });
  }

  /** Redraw: texts and cursors at once, curves a few times a second at most. */
  #curves() {
    const wait = CURVES - (performance.now() - this.drawn);
    if (wait > 0) {
      this.timer ??= setTimeout(() => { this.timer = null; this.#later(); }, wait);
      return;
    }
    this.drawn = performance.now();
    this.stale = false;
    this.table.draw(this.store, this.theme);
    this.balance.draw(this.store, this.theme);
  }

  #update() {
    const { store } = this;
    Object.assign(this.root.dataset, { frame: store.cursor, frames: store.held, ready: store.newest >= 0 });
    const key = `${store.steps},${store.rev},${store.rows.length},${store.charts.length},${store.outcomes.length},${store.view.readout},${store.view.balance},${store.view.requests},${this.balance.requests?.map(({ run }) => run)},${store.alarms.length},${store.changes.length},${store.fork?.readings.length},${store.fork?.id}`;
    this.stale ||= key !== this.key;
    this.key = key;
    this.root.classList.toggle("wide", store.view.balance === "all" && !store.view.readout);
    this.table.rowsOf(store);
    if (this.stale) this.#curves();
    this.table.update(store);
    this.balance.update(store);
    const clock = store.status?.clock;
    this.clock.classList.toggle("empty", !clock);
    const over = ["done", "failed", "cancelled"].includes(store.status?.phase);
    setText(this.spent, clock ? `${clock.method} ${over ? "took " : ""}${seconds(clock.seconds)} s` : "0 s");
    const [quickest, slowest] = clock?.retrain?.map(seconds) ?? [];
    setText(this.other, quickest ? say.retrainingTook(quickest === slowest ? quickest : `${quickest} – ${slowest}`) : store.references.length < store.wanted || !clock ? say.RETRAINING : "");
    setText(this.tense, `${over ? "" : say.SO_FAR}${this.other.textContent ? " · " : ""}`);
    setText(this.verdict, clock?.sentence ?? "");
    setTitle(this.verdict, this.verdict.textContent);
    this.spent.dataset.value = clock?.seconds ?? "";
    this.other.dataset.value = clock?.retrain?.[0] ?? "";
  }
}
