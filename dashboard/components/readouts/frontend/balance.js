/** The curves under the table: the method's losses over steps, or one read-out large with the band of retrained models. */
import { h, keepKeys, setText, setTitle } from "../laf-lab.feed/dom.js";
import { drawChart, placeCursor, scaleOf } from "./chart.js";
import { joined } from "./requests.js";
import { band, format } from "./table.js";
import { trialCharts, trialList } from "./trials.js";
import * as say from "./words.js";

const LAF_UNIT = say.MEAN_OF_THE_BATCH;
const GROUPS = [
  ["losses", "losses", say.TERMS_OF_THE_LOSSES_THEIR],
  ["model", "model", say.ACCURACIES_SPREAD_OF_THE_ANSWERS],
  ["trials", "trials", say.THE_TRIALS_THAT_FOUND_THESE],
  ["all", "all", say.BOTH_IN_PLACE_OF_THE],
];

/** Return a number with about three digits, at most six characters wide. */
export function short(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (value < 0) return `−${short(size)}`;
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) return value.toExponential(0);
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(size >= 1 ? 2 : 3);
}

/** Return the chart of one read-out, in its row's unit, with the band and each of the retrained models. */
function ofRow(row) {
  const scale = row.unit === "%" ? 100 : 1;
  const times = (list) => list?.map((value) => value * scale) ?? null;
  return {
    name: `${row.label}${row.unit ? `, ${row.unit.trim()}` : ""}`, help: row.help, row, soft: true, limits: times(row.range), lines: [[row.key, "now", row.role === "neutral" ? "text" : row.role]],
    value: (reading, key) => { const value = reading?.values?.[key]; return typeof value === "number" ? value * scale : null; },
    band: times(row.band ?? row.reference), references: times(row.reference),
  };
}

const ofLoss = (chart) => ({
  ...chart, value: (reading, key) => { const value = reading?.[chart.of ?? "loss"]?.[key]; return typeof value === "number" ? value * (chart.times ?? 1) : null; },
});

export class Balance {
  /** @param {(seq: number) => void} choose called with the clicked frame @param {() => void} leave called to return to the losses */
  constructor(choose, leave, { group, layers, all }) {
    this.choose = choose;
    this.chain = false; // true while the run is a request of a chain
    this.requests = null; // of the chain, each {number, forget, run, open, steps, readings}; null until the user asks for them
    this.spans = [["this", say.THIS_REQUEST, say.THE_LOSSES_OF_THIS_REQUEST], ["all", say.ALL_REQUESTS, say.THE_LOSSES_OF_ALL_REQUESTS]]
      .map(([value, text, title]) => h("button", { type: "button", "data-span": value, title, onclick: () => { this.leaveLayers(); this.hovered = null; all(value === "all"); } }, text));
    this.span = h("div", { class: "tabs span", role: "group", "aria-label": say.REQUESTS_SHOWN, hidden: true }, ...this.spans);
    keepKeys(this.span, [" ", "Enter"]);
    this.groups = GROUPS.map(([value, text, title]) => h("button", { type: "button", "data-value": value, title, onclick: () => { this.leaveLayers(); group(value); this.update(this.store); } }, text));
    const tabs = h("div", { class: "tabs", role: "group", "aria-label": say.CURVES }, ...this.groups);
    this.byLayer = h("button", { type: "button", class: "back", onclick: () => { this.layered = !this.layered; if (this.layered) layers(); this.update(this.store); } }, say.BY_LAYER);
    this.leaveLayers = () => { this.layered = false; };
    this.list = h("div", { class: "layers", hidden: true });
    keepKeys(tabs, [" ", "Enter"]);
    keepKeys(this.byLayer, [" ", "Enter"]);
    this.when = h("span", { class: "when" });
    this.title = h("h3", {}, say.LOSS_BALANCE);
    this.back = h("button", { type: "button", class: "back", hidden: true, onclick: leave }, "losses");
    keepKeys(this.back, [" ", "Enter"]);
    this.charts = [];
    this.tried = h("div", { class: "tried" });
    this.empty = h("p", { class: "nothing" });
    this.grid = h("div", { class: "charts", tabindex: "0", role: "group", "aria-label": say.CHARTS }); // a low screen scrolls it, by keys too
    this.element = h("section", { class: "panel balance", "aria-label": say.LOSS_BALANCE },
      h("header", {}, this.title, tabs, this.byLayer, this.span, this.when, this.back), this.grid, this.tried, this.list, this.empty);
  }

  /** True while the curves are those of all requests. */
  get isWhole() { return this.chain && this.store?.view.requests === "all" && this.store.view.balance === "losses" && !this.row && !this.layered; }

  /** What the curves are drawn from: the run's store, or all requests. */
  get source() { return this.isWhole && this.whole ? this.whole : this.store; }

  /** Update the list of charts. @returns {boolean} true if it changed */
  #build(store) {
    const row = store.rows.find(({ key }) => key === store.view.readout);
    const { balance } = store.view;
    const charts = [...(balance === "model" ? [] : store.charts), ...(balance === "losses" ? [] : store.outcomes)];
    const trying = balance === "trials" && !row;
    const wanted = row ? [ofRow(row)] : trying ? trialCharts(store) : charts.map(ofLoss);
    const key = JSON.stringify(wanted);
    if (key === this.built) return false;
    this.built = key;
    this.row = row ?? null;
    this.charts = wanted.map((chart) => this.#chart(chart));
    this.grid.replaceChildren(...this.charts.map(({ element }) => element));
    this.hovered = null;
    setText(this.title, row ? row.label : say.LOSS_BALANCE);
    setTitle(this.title, row ? row.help : store.charts.some(({ name }) => name === "L_UE") ? LAF_UNIT : say.ONE_VALUE_FOR_EACH_MINI);
    this.back.hidden = !row;
    this.tried.replaceChildren(...(trying ? trialList(store) : []));
    this.element.classList.toggle("one", Boolean(row));
    return true;
  }

  #chart(chart) {
    const canvas = h("canvas", { role: "img", "aria-label": `${chart.name}: ${chart.help}` });
    const values = {};
    const legend = chart.lines.map(([key, name, colour]) => {
      values[key] = h("b", { "data-key": chart.row ? `curve.${key}` : `loss.${key}` });
      const line = h("span", { class: "line", title: name }, h("span", {}, name), values[key]);
      line.style.color = `var(--${colour})`;
      return line;
    });
    const [, stem, index] = chart.name.match(/^(\w)_(\w+)$/) ?? [null, chart.name, ""];
    const title = [stem, ...(index ? [h("sub", {}, index)] : [])];
    const marks = (kind) => ({
      line: h("i", { class: `line ${kind}`, hidden: true }),
      dots: chart.lines.map(([, , colour]) => { const dot = h("i", { class: "dot", hidden: true }); dot.style.background = `var(--${colour})`; return dot; }),
    });
    const [shown, pointed] = [marks("shown"), marks("pointed")];
    const plot = h("div", { class: "plot" }, canvas, shown.line, ...shown.dots, pointed.line, ...pointed.dots);
    const below = chart.conflict ? h("span", { class: "line conflict" }, h("span", {}, "below 0: conflict")) : null;
    const place = chart.row ? h("span", { class: "placed" }) : null;
    const theirs = chart.row && chart.band ? h("span", { class: "line theirs" }, h("span", {}, "retrained"), h("b", {}, band(chart.row))) : null;
    const element = h("div", { class: "chart", title: chart.help },
      h("div", { class: "legend" }, h("span", { class: "title" }, ...title), ...legend, below, theirs, place), plot);
    if (chart.lines.length > 2) element.style.flexGrow = "1.4"; // its legend is taller
    canvas.addEventListener("pointermove", (event) => this.#hover(canvas, event));
    canvas.addEventListener("pointerleave", () => this.#hover(canvas, null));
    canvas.addEventListener("click", (event) => this.#pick(canvas, event));
    return { ...chart, canvas, values, element, shown, pointed, place };
  }

  #seq(canvas, event) {
    const box = canvas.getBoundingClientRect();
    const { source } = this;
    return source.seqAtStep(scaleOf(source, box.width, this.charts.find((chart) => chart.canvas === canvas)?.steps).step(event.clientX - box.left));
  }

  /** Show the frame under the pointer; of another request there is none here. */
  #pick(canvas, event) {
    if (!this.store) return;
    const at = this.#seq(canvas, event);
    const seq = this.isWhole ? this.whole.frameOf(at) : at;
    if (seq !== null) this.choose(seq);
  }

  #hover(canvas, event) {
    if (!this.store || this.source.newest < 1) return;
    this.hovered = event ? this.#seq(canvas, event) : null;
    if (event) setTitle(canvas, this.#marksAt(event.clientX - canvas.getBoundingClientRect().left, canvas.clientWidth));
    this.update(this.store);
  }

  /** Return alarms and changes under the pointer. */
  #marksAt(px, width) {
    if (this.isWhole) return "";
    const { x } = scaleOf(this.store, width, this.charts[0]?.steps);
    const said = [
      ...this.store.alarms.map(({ name, sentence, step, until }) => [step, say.alarmAt(name, step, until, sentence)]),
      ...this.store.changes.map(({ step, text }) => [step, say.afterStep(step, text)]),
    ];
    return said.filter(([step]) => Math.abs(x(step) - px) < 7).map(([, text]) => text).join("\n");
  }

  /** Draw the curves; called only when they changed. */
  draw(store, theme) {
    this.store = store;
    this.#build(store);
    this.whole = this.isWhole && this.requests ? joined(store, this.requests) : null;
    this.charts.forEach((chart, k) => drawChart(chart, this.source, theme, k === this.charts.length - 1));
  }

  /** Update values and cursors. */
  update(store) {
    this.store = store;
    this.groups.find(({ dataset }) => dataset.value === "trials").hidden = !store.scene?.trials?.length;
    this.span.hidden = !this.chain || Boolean(this.row) || store.view.balance !== "losses";
    for (const button of this.spans) button.setAttribute("aria-pressed", button.dataset.span === store.view.requests);
    const { isWhole, source } = this;
    const some = Boolean(this.row) || store.view.balance !== "losses" || source.readings.some((reading) => reading?.loss);
    const silent = some && !this.charts.length;
    for (const button of this.groups) button.setAttribute("aria-pressed", button.dataset.value === store.view.balance);
    this.#layers(store);
    this.empty.hidden = some && !silent;
    const over = ["failed", "cancelled"].includes(store.status?.phase);
    setText(this.empty, silent ? say.THIS_METHOD_HAS_NO_LOSS : over ? say.THE_RUN_ENDED_BEFORE_ITS : say.PLAY_TO_SEE_THE_LOSSES);
    this.grid.classList.toggle("idle", !some);
    if (!some) this.hovered = null;
    const seq = this.hovered ?? this.#cursor();
    const reading = seq === null ? null : source.readingAt(seq);
    setText(this.when, this.#when(some && !silent ? seq : null));
    this.element.classList.toggle("whole", isWhole);
    for (const chart of this.charts) {
      for (const [key] of chart.lines) {
        const value = chart.value(reading, key);
        setText(chart.values[key], chart.row ? format(chart.row, reading?.values?.[key], false) : typeof value === "number" ? short(value) : "");
        chart.values[key].dataset.value = value ?? "";
      }
      if (chart.place) {
        const place = reading?.place?.[chart.row.key];
        setText(chart.place, place?.words ?? say.ofRetrained(store.references.length, store.wanted));
        setTitle(chart.place, chart.place.textContent);
        chart.place.dataset.tone = place?.tone ?? "none";
      }
      placeCursor(chart, chart.shown, source, source.newest >= 0 ? this.#cursor() : null);
      placeCursor(chart, chart.pointed, source, this.hovered ?? null);
    }
  }

  /** Return the number of the shown reading, among those of all requests where they are drawn; null where it has none. */
  #cursor() {
    if (!this.isWhole) return this.store.cursor;
    return this.whole?.atFrame() ?? null;
  }

  /** Return in words where the values are from. */
  #when(seq) {
    if (this.isWhole && !this.whole) return say.READING_ALL_REQUESTS;
    if (seq === null) return "";
    if (this.isWhole) return this.whole.told(seq);
    return say.step(this.hovered === null || this.hovered === undefined ? say.AT : say.POINTED_AT, this.store.stepOf(seq));
  }

  /** Show norms of both gradients and their cosine for each layer as bars, in place of the curves. */
  #layers(store) {
    const can = store.charts.some(({ name }) => name === "L_UE");
    const why = store.travel.fork;
    this.byLayer.hidden = Boolean(this.row) || !can || Boolean(store.scene?.watch);
    this.byLayer.disabled = Boolean(why) && !this.layered;
    setTitle(this.byLayer, this.byLayer.disabled ? why : say.BOTH_GRADIENTS_OF_THE_NEXT);
    this.byLayer.setAttribute("aria-pressed", Boolean(this.layered));
    const shown = Boolean(this.layered) && !this.row && can;
    this.list.hidden = !shown;
    this.element.closest(".readouts")?.classList.toggle("layered", shown); // gives the table its space back
    this.grid.hidden = shown;
    if (!shown) return;
    const { layers } = store;
    const key = JSON.stringify([layers, why]);
    if (key === this.layersKey) return;
    this.layersKey = key;
    if (!layers) {
      this.list.replaceChildren(h("p", {}, why ? `${why}.` : say.MEASURED_WHILE_THE_RUN_IS));
      return;
    }
    const most = Math.max(...layers.rows.flatMap(({ ue, ra }) => [ue, ra]), 1e-12);
    const bar = (value, colour, side = "") => { const i = h("i", { class: `bar ${side}` }); i.style.cssText = `width: ${(100 * value).toFixed(1)}%; background: var(--${colour})`; return h("span", { class: "cell" }, i); };
    this.list.replaceChildren(
      h("p", {}, say.gradientsAfterStepInThe(layers.step)),
      h("div", { class: "layer titles" }, h("span", {}, "layer"), h("span", {}, "‖∇L_UE‖"), h("span", {}, ""), h("span", {}, "‖∇L_RA‖"), h("span", {}, ""), h("span", {}, "cosine"), h("span", {}, "")),
      ...layers.rows.map(({ name, title, ue, ra, cosine }) => h("div", { class: "layer", "data-layer": name },
        h("span", { title: `${title} (${name})` }, title), bar(ue / most, "ue"), h("b", {}, short(ue)), bar(ra / most, "ra"), h("b", {}, short(ra)),
        h("span", { class: "cell middle" }, cosine === null ? "" : (() => { const i = h("i", { class: "bar" }); i.style.cssText = `left: ${cosine < 0 ? 50 + 50 * cosine : 50}%; width: ${50 * Math.abs(cosine)}%; background: var(--${cosine < 0 ? "alarm" : "text"})`; return i; })()),
        h("b", {}, cosine === null ? "–" : short(cosine)))));
  }
}
