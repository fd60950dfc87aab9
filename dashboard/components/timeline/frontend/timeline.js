/** One mounted timeline: the track, the counter, replay, and the line about current work. */
import { h, keepKeys, setText } from "../laf-lab.feed/dom.js";
import { applyTheme } from "../laf-lab.feed/theme.js";
import { Track } from "./track.js";
import * as say from "./words.js";

const SPEEDS = [0.5, 1, 2, 4];
const PHASES = {
  preparing: say.PREPARING, ready: say.READY_PLAY_STARTS_FORGETTING, running: say.RUNNING, paused: "Paused", done: say.DONE,
  failed: "It failed", cancelled: "Cancelled",
};
const ADDRESS = 400; // ms after which the URL names the shown step
const seconds = (value) => (value < 10 ? value.toFixed(1) : String(Math.round(value)));
const digits = (value) => String(value).padStart(4, "0");

export class Timeline {
  constructor(parent) {
    this.track = new Track();
    this.now = h("b", {});
    this.all = h("span", {});
    this.counter = h("output", { class: "counter", "aria-label": say.STEP_SHOWN_OF_ALL }, this.now, this.all);
    this.replay = h("button", { type: "button", onclick: () => this.#replay() }, say.REPLAY);
    this.speed = h("select", { "aria-label": say.SPEED, title: say.SPEED_OF_THE_REPLAY, onchange: () => this.#speed() },
      ...SPEEDS.map((value) => h("option", { value, selected: value === 1 }, `${value}×`)));
    this.live = h("button", { type: "button", class: "live", onclick: () => this.store?.goLive() }, say.GO_LIVE);
    this.stage = h("span", { class: "stage" });
    this.work = h("span", { class: "work" });
    this.onward = h("button", { type: "button", onclick: () => this.#travel("continue") }, say.CONTINUE_HERE);
    this.forking = h("button", { type: "button", onclick: () => this.#travel("fork") }, say.FORK_HERE);
    this.drop = h("button", { type: "button", class: "drop", hidden: true, title: say.REMOVE_THE_SECOND_RUN, onclick: () => this.#travel("drop") }, say.DROP_FORK);
    this.line = h("div", { class: "line" }, h("span", { class: "stage-line", role: "status" }, this.stage), this.work, h("div", { class: "travel" }, this.onward, this.forking, this.drop));
    this.root = h("section", { class: "timeline", "aria-label": say.TIMELINE },
      h("div", { class: "top" }, this.track.element, this.counter, h("div", { class: "buttons" }, this.replay, this.speed, this.live)), this.line);
    for (const button of [this.replay, this.live, this.onward, this.forking, this.drop]) keepKeys(button, [" ", "Enter"]);
    keepKeys(this.speed, [" ", "Enter", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]);
    this.root.addEventListener("keydown", (event) => {
      const button = { c: this.onward, f: this.forking }[event.key];
      if (!button || event.ctrlKey || event.metaKey || event.altKey) return;
      event.stopPropagation();
      button.click(); // does nothing while disabled
    });
    parent.append(this.root);
    this.retheme();
  }

  destroy() {
    this.off?.();
    clearTimeout(this.writing);
    this.root.remove();
  }

  show(store) {
    if (store === this.store) return;
    this.off?.();
    this.store = store;
    this.track.clear();
    const listeners = [
      store.on("position", () => this.track.move()),
      store.on("cursor live", () => this.#cursor()),
      store.on("frames status life", () => this.#all()),
    ];
    this.off = () => listeners.forEach((off) => off());
    this.#all();
  }

  retheme() { applyTheme(this.root); }

  #replay() {
    const { store } = this;
    if (store?.playing) store.stop();
    else store?.playBack(Number(this.speed.value));
  }

  #speed() {
    if (this.store?.playing) this.store.playBack(Number(this.speed.value));
  }

  /** Ask the server to continue or fork from the shown step; it decides whether that is possible. */
  #travel(act) {
    const { store } = this;
    if (store) this.onTravel?.({ act, step: store.stepOf(store.cursor), life: store.life, nonce: Date.now() });
  }

  /** Write the shown step into the URL, so that a copy or a reload shows the same. */
  #address() {
    clearTimeout(this.writing);
    this.writing = setTimeout(() => {
      const { store } = this;
      const still = ["paused", "done", "failed"].includes(store.status?.phase) && !store.playing && store.held === store.total;
      const address = new URL(window.location.href);
      const step = String(store.stepOf(store.cursor));
      if (!still || !this.root.isConnected || !address.searchParams.has("run") || address.searchParams.get("step") === step) return;
      address.searchParams.set("step", step);
      window.history.replaceState(window.history.state, "", address);
    }, ADDRESS);
  }

  #doors() {
    const { store } = this;
    const step = store.stepOf(store.cursor);
    const behind = store.cursor < store.newest;
    const gone = ["done", "failed", "cancelled"].includes(store.status?.phase);
    const newest = behind ? null : gone ? say.THIS_IS_THE_NEWEST_STEP : say.THIS_IS_THE_NEWEST_STEP_2;
    const set = (button, why, told) => { button.disabled = Boolean(why); button.title = why || told; };
    const none = store.newest < 0 ? say.THE_ORIGINAL_MODEL_IS_STILL : null;
    set(this.onward, none || store.travel.continue || newest, say.rewindTheRunToStep(step));
    set(this.forking, none || store.travel.fork, say.secondRunFromStepDrawn(step));
    this.drop.hidden = !store.fork;
    this.onward.hidden = this.forking.hidden = Boolean(store.scene?.watch);
  }

  #all() {
    this.track.update(this.store);
    this.#cursor();
    this.#words();
  }

  #cursor() {
    const { store } = this;
    this.track.tell();
    setText(this.now, digits(store.stepOf(store.cursor)));
    setText(this.all, ` / ${digits(store.steps)}`);
    this.root.dataset.frame = store.cursor;
    this.root.dataset.frames = store.held;
    this.root.dataset.ready = store.newest >= 0;
    this.#doors();
    this.#address();
    this.live.disabled = store.live || store.newest < 0;
    this.live.title = this.live.disabled ? say.THE_NEWEST_STEP_IS_SHOWN : say.SHOW_THE_NEWEST_STEP_AGAIN;
    this.replay.disabled = store.newest < 1;
    this.replay.title = this.replay.disabled ? say.NOTHING_TO_REPLAY_YET : say.PLAY_THE_RECORDED_FRAMES_AGAIN;
    setText(this.replay, store.playing ? say.STOP : say.REPLAY);
    this.replay.setAttribute("aria-pressed", Boolean(store.playing));
  }

  #words() {
    const { status } = this.store;
    const stages = status?.stages ?? [];
    const wrong = status?.error || (status?.phase === "failed" && status.sentence);
    this.stage.classList.toggle("alarm", Boolean(wrong));
    const busy = Track.busy(stages);
    const parts = [PHASES[status?.phase] ?? say.WAITING_FOR_THE_SERVER];
    if (busy && !["done", "cancelled"].includes(status.phase)) parts.push(say.countOf(busy.label, busy.done, busy.total));
    if (busy && typeof busy.left_s === "number" && status.phase === "running") parts.push(say.aboutLeft(seconds(busy.left_s)));
    const stopped = Boolean(this.store.stopAt && status?.phase === "done" && this.store.steps <= this.store.stopAt.step);
    if (stopped) parts.splice(0, 1, this.store.stopAt.text);
    this.root.toggleAttribute("data-stopped", stopped);
    if (status?.sentence) parts.splice(0, status.phase === "preparing" ? 1 : 0, status.sentence);
    setText(this.stage, wrong || parts.join(" · "));
    this.stage.title = this.stage.textContent;
    const work = status?.work ?? [];
    while (this.work.children.length > work.length) this.work.lastChild.remove();
    work.forEach(({ label, done, total, left_s: left }, k) => {
      const row = this.work.children[k] ?? this.work.appendChild(h("span", { class: "job" }, h("span", {}), h("progress", { max: 1 })));
      setText(row.firstChild, `${label}${typeof left === "number" ? ` · ${seconds(left)} s left` : ""}`);
      row.lastChild.setAttribute("aria-label", label);
      if (total) row.lastChild.value = done / total;
      else row.lastChild.removeAttribute("value");
    });
  }
}
