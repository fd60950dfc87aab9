/** Maps A and B of the same images, on the same axes; the point under the pointer is ringed on both and described once. */
import { fitCanvas, h, keepKeys } from "../laf-lab.feed/dom.js";
import { applyTheme, classColour } from "../laf-lab.feed/theme.js";
import * as say from "./words.js";

const REACH = 12; // px
const MARGIN = 26;

export class Pair {
  constructor(parent) {
    this.sides = ["a", "b"].map((side) => this.#side(side));
    this.picture = h("canvas", { class: "picture", width: 64, height: 64 });
    this.lines = h("div", { class: "lines", "aria-live": "polite" });
    this.colours = h("select", { "aria-label": say.COLOUR_BY, onchange: () => this.draw() },
      ...[["forget", say.REMAIN_FORGET], ["class", "class"], ["prediction", "prediction"]].map(([value, text]) => h("option", { value }, text)));
    this.card = h("div", { class: "card" }, this.picture, this.lines, h("label", {}, say.COLOUR_BY_2, this.colours));
    this.root = h("div", { class: "pair" }, h("div", { class: "maps" }, ...this.sides.map((side) => side.element)), this.card);
    parent.append(this.root);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.root);
    this.found = null;
  }

  #side(name) {
    const title = h("h3", {});
    const canvas = h("canvas", { tabindex: 0, role: "img" });
    const side = { name, title, canvas, element: h("figure", {}, title, canvas) };
    canvas.addEventListener("pointermove", (event) => this.#over(side, event));
    canvas.addEventListener("pointerleave", () => this.#find(null));
    canvas.addEventListener("keydown", (event) => {
      if (event.key === "]" || event.key === "[") this.#next(event.key === "]" ? 1 : -1);
    });
    keepKeys(canvas, ["[", "]"]);
    return side;
  }

  retheme() {
    this.theme = applyTheme(this.root);
    this.draw();
  }

  async show(header, arrays) {
    Object.assign(this, { header, arrays, atlas: null, found: null });
    this.forgotten = Array.from({ length: header.n }, (_, i) => i).filter((i) => arrays.forget[i]);
    const box = { left: 1e9, right: -1e9, low: 1e9, high: -1e9 };
    for (const side of this.sides) {
      const places = arrays[`position_${side.name}`];
      for (let i = 0; i < places.length; i += 2) {
        box.left = Math.min(box.left, places[i]);
        box.right = Math.max(box.right, places[i]);
        box.low = Math.min(box.low, places[i + 1]);
        box.high = Math.max(box.high, places[i + 1]);
      }
      const { title, note } = header[side.name];
      side.title.replaceChildren(title, h("small", {}, note));
      side.canvas.setAttribute("aria-label", say.mapOf(title, note));
    }
    this.box = box;
    this.#describe();
    this.draw();
    this.atlas = await createImageBitmap(new Blob([arrays.sprite], { type: header.sprite.mime }));
    this.#describe();
  }

  #place(side, i) {
    const { box } = this;
    const { width, height } = side;
    const scale = Math.min((width - 2 * MARGIN) / Math.max(1, box.right - box.left), (height - 2 * MARGIN) / Math.max(1, box.high - box.low));
    const places = this.arrays[`position_${side.name}`];
    return [width / 2 + (places[2 * i] - (box.left + box.right) / 2) * scale, height / 2 - (places[2 * i + 1] - (box.low + box.high) / 2) * scale];
  }

  #over(side, event) {
    if (!this.header) return;
    const area = side.canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - area.left, event.clientY - area.top];
    let [best, least] = [null, REACH * REACH];
    for (let i = 0; i < this.header.n; i++) {
      const [x, y] = this.#place(side, i);
      const distance = (x - px) ** 2 + (y - py) ** 2;
      if (distance < least) [best, least] = [i, distance];
    }
    this.#find(best);
  }

  #find(i) {
    if (i === this.found) return;
    this.found = i;
    this.#describe();
    this.draw();
  }

  #next(way) {
    if (!this.header || !this.forgotten.length) return;
    const at = this.forgotten.indexOf(this.found);
    this.#find(this.forgotten[at < 0 ? 0 : (at + way + this.forgotten.length) % this.forgotten.length]);
  }

  #describe() {
    if (!this.header) return;
    const { arrays, header, found: i } = this;
    const context = this.picture.getContext("2d");
    context.clearRect(0, 0, 64, 64);
    if (i === null) {
      this.lines.replaceChildren(h("p", {}, say.POINT_AT_A_DOT));
      return;
    }
    const name = (k) => header.classes[k] ?? "?";
    const says = (side) => say.confidence(header[side].title, name(arrays[`prediction_${side}`][i]), (arrays[`confidence_${side}`][i] / 255).toFixed(2));
    this.lines.replaceChildren(
      h("p", {}, h("b", {}, name(arrays.label[i])), say.withId(arrays.ids[i]), h("em", { class: arrays.forget[i] ? "forget" : "remain" }, arrays.forget[i] ? "forgotten" : "remains")),
      h("p", {}, `A ${says("a")}`), h("p", {}, `B ${says("b")}`));
    if (!this.atlas) return;
    const { columns, width, height } = header.sprite;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.atlas, (i % columns) * width, Math.floor(i / columns) * height, width, height, 0, 0, 64, 64);
  }

  draw() {
    if (!this.header || !this.theme) return;
    for (const side of this.sides) {
      const area = side.canvas.getBoundingClientRect();
      Object.assign(side, { width: area.width, height: area.height });
      if (area.width) this.#paint(side, fitCanvas(side.canvas, area.width, area.height, { alpha: false }));
    }
  }

  #paint(side, context) {
    const { arrays, theme, header } = this;
    const by = this.colours.value;
    const classes = header.classes.map((_, k) => classColour(theme, k, header.classes.length));
    const of = { class: arrays.label, prediction: arrays[`prediction_${side.name}`] }[by];
    context.fillStyle = theme.bg;
    context.fillRect(0, 0, side.width, side.height);
    for (const last of [0, 1]) { // forgotten points on top
      for (let i = 0; i < header.n; i++) {
        if (arrays.forget[i] !== last) continue;
        const [x, y] = this.#place(side, i);
        context.globalAlpha = last ? 0.95 : 0.6;
        context.fillStyle = of ? classes[of[i]] : last ? theme.forget : theme.remain;
        const size = last ? 3.2 : 2.2;
        context.fillRect(x - size / 2, y - size / 2, size, size);
      }
    }
    context.globalAlpha = 1;
    if (this.found === null) return;
    const [x, y] = this.#place(side, this.found);
    context.strokeStyle = theme.text;
    context.lineWidth = 2;
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    context.stroke();
  }

  destroy() {
    this.observer.disconnect();
    this.root.remove();
  }
}
