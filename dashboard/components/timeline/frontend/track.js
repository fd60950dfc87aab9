/** The bar: a segment for each stage with its progress, marks, and a thumb that is the slider "Step". */
import { h, setText } from "../laf-lab.feed/dom.js";
import * as say from "./words.js";

const EARLIER = { most: 0.13, all: 0.24 }; // widths of the stages before the last: each at most, and all together
const KEYS = {
  ArrowRight: (seq) => seq + 1, ArrowUp: (seq) => seq + 1, ArrowLeft: (seq) => seq - 1, ArrowDown: (seq) => seq - 1,
  PageUp: (seq) => seq + 10, PageDown: (seq) => seq - 10, Home: () => 0, End: (seq, newest) => newest,
};

export class Track {
  constructor() {
    this.segments = h("div", { class: "segments" });
    this.thumb = h("div", { class: "thumb" });
    this.slide = h("div", { class: "slide" }, this.thumb); // as wide as the rail, so that moving it needs no layout
    this.marks = h("div", { class: "marks" });
    this.rail = h("div", {
      class: "rail", role: "slider", tabindex: "0", "aria-label": say.STEP, "aria-valuemin": "0", "aria-valuemax": "0", "aria-valuenow": "0",
    }, this.segments, this.marks, this.slide);
    this.labels = h("div", { class: "labels", "aria-hidden": "true" });
    this.element = h("div", { class: "track" }, this.rail, this.labels);
    this.#listen();
  }

  /** Build the stages' segments; their widths never change while they run. */
  #build(stages) {
    const key = stages.map((stage) => stage.label).join();
    if (key === this.built) return;
    this.built = key;
    const before = stages.length - 1;
    const width = Math.min(EARLIER.most, EARLIER.all / Math.max(1, before));
    this.start = before * width;
    this.fills = [];
    this.segments.replaceChildren();
    this.labels.replaceChildren();
    stages.forEach((stage, k) => {
      const last = k === before;
      const share = last ? 1 - this.start : width;
      const fill = h("div", { class: "fill" });
      const past = last ? h("div", { class: "past" }) : null;
      const segment = h("div", { class: last ? "segment last" : "segment" }, fill, past);
      const label = h("span", {}, stage.label);
      segment.style.width = label.style.width = `${share * 100}%`;
      this.fills.push({ fill, past, label });
      this.segments.append(segment);
      this.labels.append(label);
    });
  }

  update(store) {
    this.store = store;
    const stages = store.status?.stages ?? [];
    this.#build(stages);
    stages.forEach(({ key, done, total }, k) => {
      const share = total ? Math.min(1, done / total) : 0;
      const { fill, label } = this.fills[k];
      fill.style.transform = `scaleX(${share})`;
      label.classList.toggle("busy", share > 0 && share < 1);
      label.title = fill.parentElement.title = [say.STAGES[key], total ? say.countOf2(done, total) : null].filter(Boolean).join(" · ");
    });
    this.move();
    this.tell();
    this.#mark();
  }

  /** Move the thumb to the shown position, which may lie between two frames. */
  move() {
    const { store } = this;
    const at = store.clock.position;
    const low = Math.floor(at);
    const step = store.stepOf(low) + (store.stepOf(Math.min(low + 1, Math.max(0, store.newest))) - store.stepOf(low)) * (at - low);
    const share = Math.min(1, Math.max(0, step / store.steps));
    const place = (this.start ?? 0) + share * (1 - (this.start ?? 0));
    this.slide.style.transform = `translateX(${(place * 100).toFixed(3)}%)`;
    const past = this.fills?.at(-1)?.past;
    if (past) past.style.transform = `scaleX(${share})`;
  }

  /** Announce the shown step to screen readers. */
  tell() {
    const { store } = this;
    const shown = store.stepOf(store.cursor);
    this.rail.setAttribute("aria-valuemax", store.stepOf(Math.max(0, store.newest)));
    this.rail.setAttribute("aria-valuenow", shown);
    this.rail.setAttribute("aria-valuetext", say.stepOf(shown, store.steps));
  }

  /** Draw marks: alarms, changed settings, steps chosen by eye, the fork's start, LAF's own stop, and the step nearest to retraining. */
  #mark() {
    const { store } = this;
    const marks = [
      ...store.alarms.map(({ name, sentence, step, until }) => ["alarm", step, say.alarmAt(name, step, until, sentence)]),
      ...store.changes.map(({ step, text }) => ["change", step, say.afterStep(step, text)]),
      ...store.remarks.map(({ step, text }) => ["eye", step, say.stepNotLabelAgnostic(step, text)]),
      ...(store.stopAt ? [["stop", store.stopAt.step, store.stopAt.text]] : []),
      ...(store.nearest ? [["nearest", store.nearest.step,
        say.stepNearestToRetrainingJs(store.nearest.step, store.nearest.js.toFixed(2))]] : []),
      ...(store.fork ? [["forked", store.fork.from, say.forkFromStep(store.fork.from, store.fork.text)]] : []),
    ];
    const key = JSON.stringify([marks, store.steps]);
    if (key === this.marked) return;
    this.marked = key;
    this.marks.replaceChildren(...marks.slice(0, 24).map(([kind, step, title]) => {
      const mark = h("i", { class: kind, title, "data-step": step });
      mark.style.left = `${(this.start + (step / store.steps) * (1 - this.start)) * 100}%`;
      return mark;
    }));
  }

  #seek(event) {
    const box = this.rail.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width - this.start) / (1 - this.start);
    this.store.setCursor(this.store.seqAtStep(Math.max(0, Math.min(1, share)) * this.store.steps));
  }

  #listen() {
    const { rail } = this;
    rail.addEventListener("pointerdown", (event) => {
      if (event.button || !this.store || this.store.newest < 0) return;
      rail.setPointerCapture(event.pointerId);
      this.dragging = true;
      this.#seek(event);
    });
    rail.addEventListener("pointermove", (event) => { if (this.dragging) this.#seek(event); });
    for (const name of ["pointerup", "pointercancel"]) rail.addEventListener(name, () => { this.dragging = false; });
    rail.addEventListener("keydown", (event) => {
      const move = KEYS[event.key];
      if (!move || !this.store || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation(); // → is also the page's "Step"
      this.store.setCursor(move(this.store.cursor, this.store.newest));
    });
  }

  /** Return the current work in words. */
  static busy(stages) {
    return stages.find(({ done, total }) => total && done > 0 && done < total) ?? null;
  }

  clear() {
    this.built = this.marked = undefined;
    setText(this.labels, "");
  }
}
