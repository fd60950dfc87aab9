/** The loss balance: four charts on one axis of steps, with the values at the cursor beside their names. */
import { h, setText } from "../laf-lab.feed/dom.js";
import { drawChart, placeCursor, scaleOf } from "./chart.js";

const CHARTS = [
  { name: "L_UE", symbol: ["L", "UE"], help: "extractor unlearning: how well the two VAEs explain the representations; mean per image of the mini-batch",
    lines: [["ue_remain", "remain", "remain"], ["ue_forget", "forget", "forget"]] },
  { name: "L_RA", symbol: ["L", "RA"], help: "representation alignment: remaining ones held where they were, forgotten ones pushed away; mean per image of the mini-batch, repel less the constant log |B_f|",
    lines: [["ra_align", "align", "remain"], ["ra_repel", "repel", "forget"]] },
  { name: "gradients, log", help: "length of each loss's gradient, on a logarithmic axis", log: true,
    lines: [["grad_ue", "‖∇L_UE‖", "ue"], ["grad_ra", "‖∇L_RA‖", "ra"]] },
  { name: "cosine", help: "cosine between the two gradients: below 0 the two losses pull against one another", range: [-1, 1],
    lines: [["cosine", "of the two", "text"]] },
];

/** A number with about three figures, never wider than six characters. */
export function short(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (value < 0) return `−${short(size)}`;
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) return value.toExponential(0);
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(size >= 1 ? 2 : 3);
}

export class Balance {
  /** @param {(seq: number) => void} choose is told which frame was clicked */
  constructor(choose) {
    this.choose = choose;
    this.when = h("span", { class: "when" });
    this.charts = CHARTS.map((chart) => this.#chart(chart));
    this.empty = h("p", { class: "nothing" }, "Play to see the losses");
    this.grid = h("div", { class: "charts" }, ...this.charts.map(({ element }) => element));
    this.element = h("section", { class: "panel balance", "aria-label": "Loss balance" },
      h("header", {}, h("h3", {}, "Loss balance"), h("span", {}, "mean per image of the mini-batch"), this.when), this.grid, this.empty);
  }

  #chart(chart) {
    const canvas = h("canvas", { role: "img", "aria-label": `${chart.name}: ${chart.help}` });
    const values = {};
    const legend = chart.lines.map(([key, name, colour]) => {
      values[key] = h("b", { "data-key": `loss.${key}` });
      const line = h("span", { class: "line" }, h("span", {}, name), values[key]);
      line.style.color = `var(--${colour})`;
      return line;
    });
    const title = chart.symbol ? [chart.symbol[0], h("sub", {}, chart.symbol[1])] : [chart.name];
    const marks = (kind) => ({
      line: h("i", { class: `line ${kind}`, hidden: true }),
      dots: chart.lines.map(([, , colour]) => { const dot = h("i", { class: "dot", hidden: true }); dot.style.background = `var(--${colour})`; return dot; }),
    });
    const [shown, pointed] = [marks("shown"), marks("pointed")];
    const plot = h("div", { class: "plot" }, canvas, shown.line, ...shown.dots, pointed.line, ...pointed.dots);
    const element = h("div", { class: "chart", title: chart.help }, h("div", { class: "legend" }, h("span", { class: "title" }, ...title), ...legend), plot);
    canvas.addEventListener("pointermove", (event) => this.#hover(canvas, event));
    canvas.addEventListener("pointerleave", () => this.#hover(canvas, null));
    canvas.addEventListener("click", (event) => this.store && this.choose(this.#seq(canvas, event)));
    return { ...chart, canvas, values, element, shown, pointed };
  }

  #seq(canvas, event) {
    const box = canvas.getBoundingClientRect();
    return this.store.seqAtStep(scaleOf(this.store, box.width).step(event.clientX - box.left));
  }

  #hover(canvas, event) {
    if (!this.store || this.store.newest < 1) return;
    this.hovered = event ? this.#seq(canvas, event) : null;
    this.update(this.store);
  }

  /** Draws the curves anew: only when there are new ones. */
  draw(store, theme) {
    this.charts.forEach((chart, k) => drawChart(chart, store, theme, k === this.charts.length - 1));
  }

  /** Values and cursors. */
  update(store) {
    this.store = store;
    const some = store.readings.some((reading) => reading?.loss);
    this.empty.hidden = some;
    this.grid.classList.toggle("idle", !some);
    if (!some) this.hovered = null;
    const seq = this.hovered ?? store.cursor;
    const loss = store.readingAt(seq)?.loss;
    setText(this.when, some ? `${this.hovered === null || this.hovered === undefined ? "at" : "pointed at"} step ${store.stepOf(seq)}` : "");
    for (const chart of this.charts) {
      for (const [key] of chart.lines) {
        setText(chart.values[key], loss ? short(loss[key]) : "");
        chart.values[key].dataset.value = loss?.[key] ?? "";
      }
      placeCursor(chart, chart.shown, store, store.newest >= 0 ? store.cursor : null);
      placeCursor(chart, chart.pointed, store, this.hovered ?? null);
    }
  }
}
