/** A run in a notebook: the Lab's map, timeline and read-outs, filled by messages from the kernel (docs/wire.md, "Notebook"). */
import { unpack } from "../laf-lab.feed/decode.js";
import { h } from "../laf-lab.feed/dom.js";
import { storeOf } from "../laf-lab.feed/store.js";
import { MapView } from "../laf-lab.map_view/map_view.js";
import { Readouts } from "../laf-lab.readouts/readouts.js";
import { Timeline } from "../laf-lab.timeline/timeline.js";

const PARTS = { map_view: MapView, timeline: Timeline, readouts: Readouts };
const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** Return the first opaque background around an element: the notebook's, whichever program shows it. */
function backgroundOf(element) {
  for (let node = element; node; node = node.parentNode ?? node.host) {
    if (!(node instanceof Element)) continue;
    const colour = getComputedStyle(node).backgroundColor;
    if (!/^rgba\(.*, 0\)$|^transparent$/.test(colour)) return colour;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "rgb(0, 0, 0)" : "rgb(255, 255, 255)";
}

/** One view of the widget. */
class RunPlayer {
  constructor({ model, el, styles }) {
    this.model = model;
    this.el = el;
    // a notebook's own shortcuts would delete cells while the map is moved by keys
    this.root = h("div", { "data-lm-suppress-shortcuts": "true", onkeydown: (event) => event.stopPropagation() });
    const grid = h("div", { class: "run" });
    this.root.attachShadow({ mode: "open" }).append(h("style", {}, styles.widget), grid);
    el.append(this.root);
    this.#theme();
    this.parts = Object.entries(PARTS).map(([name, Part]) => {
      const host = h("div", { class: name });
      grid.append(host);
      const shadow = host.attachShadow({ mode: "open" });
      shadow.append(h("style", {}, styles[name]));
      return new Part(shadow);
    });
    this.#listen();
    this.#begin();
  }

  #listen() {
    const { model } = this;
    const listeners = {
      "msg:custom": (message, buffers) => this.#told(message, buffers),
      "change:held": () => this.#accept(model.get("held")),
      "change:height": () => this.#height(),
    };
    for (const [name, listener] of Object.entries(listeners)) model.on(name, listener);
    const themes = new MutationObserver(() => this.#theme());
    for (const node of [document.documentElement, document.body]) themes.observe(node, { attributes: true });
    this.off = () => {
      themes.disconnect();
      for (const [name, listener] of Object.entries(listeners)) model.off(name, listener);
    };
  }

  /** Show what the kernel has sent so far; a saved notebook holds it too. */
  #begin() {
    const { header, arrays } = unpack(bytesOf(this.model.get("scene")));
    this.store = storeOf(header.run);
    this.store.setScene(header, arrays);
    for (const part of this.parts) part.show(this.store);
    this.store.near.opened((question) => this.model.send(question));
    this.#accept(this.model.get("held"));
    this.#height();
  }

  #told(message, buffers) {
    if (message.near) this.store.near.told(message.near);
    if (message.kind === "packet") this.#accept(buffers[0]);
  }

  /** Take a packet; a gap is reported once, and again only after it was filled: a busy kernel answers late. */
  #accept(view) {
    if (!view?.byteLength) return;
    this.store.accept(unpack(bytesOf(view)));
    const lack = this.store.lack();
    if (lack && !this.asked) this.model.send({ lack });
    this.asked = Boolean(lack);
  }

  #height() { this.root.style.setProperty("--laf-height", `${this.model.get("height")}px`); }

  #theme() {
    this.root.style.setProperty("--st-background-color", backgroundOf(this.el));
    this.root.style.setProperty("--st-font", getComputedStyle(this.el).fontFamily);
    for (const part of this.parts ?? []) part.retheme();
  }

  destroy() {
    this.off();
    for (const part of this.parts) part.destroy();
    this.root.remove();
  }
}

/** Return the widget's life cycle, as anywidget calls it. */
export default (styles) => ({
  render({ model, el }) {
    const player = new RunPlayer({ model, el, styles });
    return () => player.destroy();
  },
});
