/** The sentence about the model's state, and a row for each figure: curve, value, band of retrained models, position in it. */
import { costOfGoingOn, sentenceOf } from "../laf-lab.feed/outcome.js";
import { fitCanvas, h, keepKeys, setText, setTitle } from "../laf-lab.feed/dom.js";
import * as say from "./words.js";

/** Return a number in the row's format, with its unit if requested. */
export function format(row, value, unit = true) {
  if (typeof value !== "number") return "–";
  if (row.unit === "%") return (value * 100).toFixed(row.digits) + (unit ? " %" : "");
  return value.toFixed(row.digits);
}

/** Return the text with each number and its unit on one line. */
const whole = (text) => text.replace(/(\d) (%|s\b)/g, "$1\u00a0$2");

/** Return the band of retrained models, "97.5 – 99.1"; "98.9" where it is one value. */
export function band(row) {
  const ends = row.band ?? row.reference;
  if (!ends?.length) return null;
  const [low, high] = [format(row, Math.min(...ends), false), format(row, Math.max(...ends), false)];
  return low === high ? low : `${low} – ${high}`;
}

/** Return a tooltip about the band. */
function bandTitle(row, store) {
  const count = store.references.length;
  const { reference } = row;
  if (!reference) {
    if (row.key === "js" && count) return say.theDistanceBetweenRetrainedModels(count, store.wanted);
    return say.ofRetrained(count, store.wanted);
  }
  const values = reference.map((value) => format(row, value, false)).join(", ");
  if (!row.band) return say.oneRetrainedModelNoBand(count, store.wanted);
  return say.predictionBandOfOneMore(reference.length, values);
}

/** Draw a figure's curve over the whole run, with the band behind it. @returns its scale */
function drawSpark(canvas, store, row, theme) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return null;
  const context = fitCanvas(canvas, width, height);
  context.clearRect(0, 0, width, height);
  const [low, high] = row.range ?? [0, 1];
  const x = (step) => 3 + (step / store.steps) * (width - 6);
  const y = (value) => height - 2.5 - ((Math.min(high, Math.max(low, value)) - low) / (high - low || 1)) * (height - 5);
  const ends = row.band ?? row.reference;
  if (ends?.length) {
    const [top, bottom] = [y(Math.max(...ends)), y(Math.min(...ends))];
    context.fillStyle = theme.retrained;
    context.globalAlpha = 0.32;
    context.fillRect(0, top - 0.75, width, Math.max(1.5, bottom - top + 1.5));
    context.globalAlpha = 1;
  }
  context.strokeStyle = theme[row.role] ?? theme.text;
  context.lineWidth = 1.4;
  context.lineJoin = "round";
  context.beginPath();
  let pen = false;
  for (const reading of store.readings) {
    const value = reading?.values?.[row.key];
    if (typeof value !== "number") continue;
    if (pen) context.lineTo(x(reading.step), y(value));
    else context.moveTo(x(reading.step), y(value));
    pen = true;
  }
  context.stroke();
  if (store.fork) {
    context.setLineDash([2, 2]);
    context.strokeStyle = theme.fork;
    context.beginPath();
    let down = false;
    for (const reading of [store.readings[store.fork.shared - 1], ...store.fork.readings.slice(store.fork.shared)]) {
      const value = reading?.values?.[row.key];
      if (typeof value !== "number") continue;
      if (down) context.lineTo(x(reading.step), y(value));
      else context.moveTo(x(reading.step), y(value));
      down = true;
    }
    context.stroke();
    context.setLineDash([]);
  }
  return { x, y };
}

export class Table {
  /** @param {(key: string) => void} choose called with the row whose curve the user enlarges */
  constructor(choose) {
    this.choose = choose;
    this.head = h("b", {});
    this.more = h("span", {});
    this.sentence = h("p", { class: "sentence", role: "status" }, this.head, " ", this.more);
    this.alarm = h("p", { class: "alarm", role: "alert", hidden: true });
    this.remark = h("p", { class: "remark", hidden: true });
    this.count = h("span", { role: "columnheader" }, "retrained");
    this.header = h("div", { class: "row titles", role: "row" },
      h("span", { role: "columnheader" }, ""), h("span", { role: "columnheader" }, ""), h("span", { role: "columnheader" }, "now"), this.count,
      h("span", { role: "columnheader", title: say.POSITION_IN_THE_BAND_OF }, "place"));
    this.body = h("div", { class: "rows", role: "table", "aria-label": "Read-outs" }, this.header);
    this.element = h("section", { class: "panel table", "aria-label": say.WHERE_THINGS_STAND }, this.sentence, this.alarm, this.remark, this.body);
    this.rows = new Map();
  }

  #row(row) {
    const parts = {
      name: h("span", { class: "name" }), note: h("small", {}), canvas: h("canvas", { "aria-hidden": "true" }), dot: h("i", { class: "dot", hidden: true }),
      value: h("b", {}), interval: h("small", { class: "interval" }), reference: h("span", { class: "reference", role: "cell", "data-key": `${row.key}.reference` }),
      distance: h("span", { class: "distance" }),
    };
    parts.cell = h("span", { class: "value", role: "cell", "data-key": row.key }, parts.value, parts.interval);
    parts.label = h("span", { class: "label", role: "rowheader" }, parts.name, parts.note);
    const show = h("button", { type: "button", class: "open", "aria-label": say.curveOf(row.label), title: say.SHOW_THIS_CURVE_LARGE, onclick: () => this.choose(row.key) });
    keepKeys(show, [" ", "Enter"]);
    parts.show = show;
    parts.line = h("div", { class: "row", role: "row" }, parts.label, h("span", { class: "spark", role: "cell" }, parts.canvas, parts.dot, show), parts.cell, parts.reference, h("span", { class: "place", role: "cell" }, parts.distance));
    this.body.append(parts.line);
    return parts;
  }

  /** Build a line for each row of the server. */
  rowsOf({ rows }) {
    for (const [key, parts] of this.rows) if (!rows.some((row) => row.key === key)) { parts.line.remove(); this.rows.delete(key); }
    for (const row of rows) if (!this.rows.has(row.key)) this.rows.set(row.key, this.#row(row));
  }

  /** Draw the curves; called only when they changed. */
  draw(store, theme) {
    for (const row of store.rows) {
      const parts = this.rows.get(row.key);
      if (parts) parts.scale = drawSpark(parts.canvas, store, row, theme);
    }
  }

  /** Update texts, values and dots. */
  update(store) {
    const { reading, rows } = store;
    const sentence = sentenceOf(store);
    setText(this.head, whole(sentence?.head ?? say.NO_MODEL_YET));
    setText(this.more, whole(sentence?.more ?? (sentence ? "" : store.status?.sentence ?? "")));
    this.sentence.dataset.tone = sentence?.tone ?? "neutral";
    this.sentence.dataset.final = Boolean(sentence && sentence === store.verdict);
    setTitle(this.sentence, `${this.head.textContent} ${this.more.textContent}`);
    this.#alarms(store, reading);
    this.#remark(store, reading);
    const count = store.references.length;
    setText(this.count, !count ? "retrained" : count < store.wanted ? say.ofRetrained(count, store.wanted) : say.retrained(count));
    setTitle(this.count, count > 1 ? say.PREDICTION_BAND_OF_MODELS_RETRAINED : count ? say.ONE_RETRAINED_MODEL_NO_BAND : say.RETRAINING_FROM_SCRATCH_IS_RUNNING);
    for (const row of rows) this.#fill(this.rows.get(row.key), row, reading, store);
  }

  /** Show the alarm at the shown step: name, sentence, first step, advice. */
  #alarms(store, reading) {
    const found = store.alarmsAt(reading?.step ?? 0);
    const key = JSON.stringify(found);
    if (key === this.alarmed) return;
    this.alarmed = key;
    this.alarm.hidden = !found.length;
    const [first, ...rest] = found;
    if (!first) return this.alarm.replaceChildren();
    const others = [...new Set(rest.map(({ name }) => (name === first.name ? "another" : name)))].join(", ");
    const more = rest.length ? h("small", { title: rest.map((a) => say.beganAtStepTry(a.name, a.step, a.sentence, a.advice)).join("\n") }, say.andMore(others)) : null;
    this.alarm.dataset.name = first.name;
    this.alarm.replaceChildren(h("b", {}, first.name), ...(more ? [more] : []), h("i", {}, say.beganAtStep(first.step)), first.sentence, h("i", {}, say.advised(first.advice)));
    setTitle(this.alarm, say.beganAtStepTry(first.name, first.step, first.sentence, first.advice));
    return undefined;
  }

  /** Show remarks about the step, such as chosen by eye, and the fork drawn over the run. */
  #remark(store, reading) {
    const { fork } = store;
    const step = reading?.step ?? 0;
    const cost = costOfGoingOn(store);
    const parts = cost ? [cost] : [];
    parts.push(...store.remarks.filter((remark) => remark.step <= step).map((remark) => say.stepNotLabelAgnostic(remark.step, remark.text)));
    if (fork) {
      const eye = fork.marks?.length ? say.YOU_CHOSE_THIS_STEP_BY : "";
      parts.push(say.forkFromStepDashedDiamonds(fork.from, fork.error ?? fork.text, fork.verdict ? ` ${fork.verdict.head}` : "", eye));
    }
    this.remark.hidden = !parts.length;
    setText(this.remark, parts.join(" "));
    setTitle(this.remark, this.remark.textContent);
  }

  /** Return "Train_r" with its index as subscript. */
  #note(element, text) {
    if (element.dataset.text === text) return;
    element.dataset.text = text;
    const [, stem, index] = text.match(/^(\w+)_(\w)$/) ?? [null, text, ""];
    element.replaceChildren(stem, ...(index ? [h("sub", {}, index)] : []));
  }

  #fill(parts, row, reading, store) {
    const value = reading?.values?.[row.key];
    const interval = reading?.interval?.[row.key];
    const note = reading?.note?.[row.key];
    setText(parts.name, row.label);
    this.#note(parts.note, note ?? row.symbol ?? "");
    setTitle(parts.label, [row.label, row.symbol, row.help, note].filter(Boolean).join(" · "));
    setText(parts.value, format(row, value));
    const theirs = store.forkReadingAt(store.cursor)?.values?.[row.key];
    const apart = typeof theirs === "number" && typeof value === "number" ? theirs - value : null;
    const within = interval ? say.betweenAndWithConfidence(format(row, interval[0]), format(row, interval[1])) : "";
    setText(parts.interval, apart !== null ? `${apart < 0 ? "−" : "+"}${format(row, Math.abs(apart), false)}` : interval ? `${format(row, interval[0], false)} – ${format(row, interval[1], false)}` : "");
    parts.interval.classList.toggle("fork", apart !== null);
    parts.interval.dataset.key = `${row.key}.fork`;
    parts.interval.dataset.value = apart ?? "";
    setTitle(parts.cell, apart !== null ? say.theForkHas(format(row, theirs), within ? `; ${within}` : "") : within);
    parts.cell.dataset.value = value ?? "";
    const reference = band(row);
    setText(parts.reference, reference ?? "…");
    setTitle(parts.reference, bandTitle(row, store));
    parts.reference.dataset.value = row.reference?.join(" ") ?? "";
    const place = reading?.place?.[row.key];
    setText(parts.distance, place?.text ?? "");
    setTitle(parts.distance, place ? `${row.label}: ${place.words}` : "");
    parts.distance.dataset.tone = place?.tone ?? "none";
    parts.distance.dataset.key = `${row.key}.place`;
    parts.show.setAttribute("aria-pressed", store.view.readout === row.key);
    parts.dot.hidden = !parts.scale || typeof value !== "number";
    if (parts.dot.hidden) return;
    parts.dot.style.background = `var(--${row.role === "neutral" ? "text" : row.role})`;
    parts.dot.style.transform = `translate(${parts.scale.x(reading.step).toFixed(1)}px, ${parts.scale.y(value).toFixed(1)}px)`;
  }
}
