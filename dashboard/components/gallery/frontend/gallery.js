/** One mounted gallery: a click toggles, shift picks a range, a drag picks all it crosses; arrows and space do the same. */
import { fitCanvas, h, keepKeys, setText } from "../laf-lab.feed/dom.js";
import { applyTheme } from "../laf-lab.feed/theme.js";
import { Grid } from "./grid.js";
import * as say from "./words.js";

const MOVES = ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End"];
const HELP = say.HELP;

export class Gallery {
  constructor(parent) {
    this.grid = new Grid();
    this.canvas = h("canvas", { tabindex: "0", role: "application", "aria-label": HELP });
    this.room = h("div", { class: "room" }, this.canvas);
    this.scroller = h("div", { class: "scroller" }, this.room);
    this.empty = h("p", { class: "empty", hidden: true }, say.NOTHING_PASSES);
    this.told = h("p", { class: "told", "aria-live": "polite" });
    const turn = (text, title, way) => h("button", { type: "button", title, "aria-label": title, onclick: () => this.#turn(way) }, text);
    [this.back, this.on] = [turn("‹", say.PREVIOUS_PAGE, -1), turn("›", say.NEXT_PAGE, 1)];
    for (const button of [this.back, this.on]) keepKeys(button, [" ", "Enter"]);
    this.range = h("span", { class: "range" });
    this.root = h("section", { class: "gallery", "aria-label": say.GALLERY, "data-ready": "false" },
      h("div", { class: "stage" }, this.scroller, this.empty), h("footer", {}, this.told, this.back, this.range, this.on));
    parent.append(this.root);
    this.focus = null;
    this.drag = null;
    this.retheme();
    this.#listen();
    this.sizes = new ResizeObserver(() => this.#resize());
    this.sizes.observe(this.scroller);
  }

  destroy() {
    this.sizes.disconnect();
    this.off?.();
    cancelAnimationFrame(this.request);
    this.root.remove();
  }

  retheme() {
    this.theme = applyTheme(this.root);
    this.#draw();
  }

  /** Show a page of images; the same page again only adds the model's answers. */
  show(store, page) {
    if (store !== this.store) {
      this.off?.();
      this.off = store.on("picks", () => this.#draw());
      this.store = store;
    }
    const key = page.n ? `${page.n_all},${page.first},${page.ids.join()}` : "none";
    this.page = page;
    if (key !== this.key) {
      this.key = key;
      this.focus = this.anchor = this.hover = null;
      this.scroller.scrollTop = 0;
      this.#load(page);
    }
    this.empty.hidden = page.n > 0;
    setText(this.range, page.n ? say.countOf((page.first + 1).toLocaleString("en"), (page.first + page.n).toLocaleString("en"), page.n_all.toLocaleString("en")) : "");
    this.back.disabled = page.first === 0;
    this.on.disabled = page.first + page.n >= page.n_all;
    this.#resize();
    this.#tell();
  }

  async #load(page) {
    this.root.dataset.ready = "false";
    this.atlas = null;
    const atlas = page.n ? await createImageBitmap(new Blob([page.atlas], { type: page.sprite.mime })) : null;
    if (this.page.n && page.ids.join() !== this.page.ids.join()) return; // another page arrived meanwhile
    this.atlas = atlas;
    this.root.dataset.ready = "true";
    this.#draw();
  }

  #turn(way) {
    this.onPage?.(this.page.number + way);
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.scroller;
    if (!width || !this.page) return;
    this.grid.resize(width, this.page.n);
    this.size = [width, height];
    this.canvas.style.height = `${height}px`;
    this.room.style.height = `${Math.max(height, this.grid.height)}px`;
    this.#draw();
  }

  #draw() {
    this.request ??= requestAnimationFrame(() => {
      this.request = null;
      if (this.page && this.size && this.root.isConnected) this.#paint();
    });
  }

  /** Draw the visible rows only. */
  #paint() {
    const { grid, page, theme, atlas, size: [width, height] } = this;
    const top = this.scroller.scrollTop;
    const context = fitCanvas(this.canvas, width, height, { alpha: false });
    context.fillStyle = theme.panel;
    context.fillRect(0, 0, width, height);
    context.imageSmoothingEnabled = false;
    const shown = this.#shown();
    const [first, last] = grid.seen(top, top + height);
    for (let i = first; i < last; i++) {
      const [x, y] = grid.place(i);
      this.#tile(context, i, x, y - top, shown.has(page.ids[i]), atlas);
    }
  }

  #tile(context, i, x, y, picked, atlas) {
    const { theme, page: { sprite }, grid: { side } } = this;
    const inset = picked ? 2.5 : 0;
    if (atlas) {
      const from = [(i % sprite.columns) * sprite.width, Math.floor(i / sprite.columns) * sprite.height];
      context.drawImage(atlas, ...from, sprite.width, sprite.height, x + inset, y + inset, side - 2 * inset, side - 2 * inset);
    }
    if (picked) {
      context.strokeStyle = theme.forget;
      context.lineWidth = 3;
      context.strokeRect(x + 0.5, y + 0.5, side - 1, side - 1);
    }
    if (i === this.focus || i === this.hover) {
      context.strokeStyle = i === this.focus ? theme.accent : theme.muted;
      context.lineWidth = 2;
      context.strokeRect(x - 1.5, y - 1.5, side + 3, side + 3);
    }
  }

  /** Return the picked ids, including the drag in progress. */
  #shown() {
    const { ids } = this.store.picks;
    if (!this.drag) return ids;
    const shown = new Set(ids);
    for (const id of this.#between(this.drag.from, this.drag.to)) {
      if (this.drag.adds) shown.add(id);
      else shown.delete(id);
    }
    return shown;
  }

  #between(a, b) {
    return Array.from(this.page.ids.subarray(Math.min(a, b), Math.max(a, b) + 1));
  }

  #change(adds, ids) {
    this.store.picks.change(adds ? "add" : "subtract", ids, (moves) => this.onPick?.(moves));
  }

  /** Show the facts of the tile under the pointer or the keyboard focus. */
  #tell() {
    const i = this.hover ?? this.focus;
    const { page } = this;
    if (i === null || i === undefined || !page?.n) return setText(this.told, page?.n ? say.CLICK_PICKS_OR_DROPS_SHIFT : "");
    const name = (k) => page.classes[k] ?? "?";
    const says = page.facts ? say.calledLoss(name(page.prediction[i]), (100 * page.confidence[i]).toFixed(1), page.loss[i].toPrecision(2)) : "";
    const picked = this.store.picks.ids.has(page.ids[i]) ? " · picked" : "";
    return setText(this.told, say.idClass(page.ids[i], name(page.label[i]), says, picked));
  }

  #under(event, near = false) {
    const box = this.canvas.getBoundingClientRect();
    return this.grid.at(event.clientX - box.left, event.clientY - box.top + this.scroller.scrollTop, near);
  }

  #listen() {
    const { canvas } = this;
    this.scroller.addEventListener("scroll", () => this.#draw(), { passive: true });
    canvas.addEventListener("pointerdown", (event) => {
      const at = event.button || !this.page?.n ? null : this.#under(event);
      if (at === null) return;
      canvas.setPointerCapture(event.pointerId);
      const from = event.shiftKey && this.anchor !== null && this.anchor !== undefined ? this.anchor : at;
      const adds = from === at ? !this.store.picks.ids.has(this.page.ids[at]) : this.anchorAdds;
      this.drag = { from, to: at, adds };
      this.focus = null;
      this.#draw();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.page?.n) return;
      const at = this.#under(event, Boolean(this.drag));
      if (this.drag) this.drag.to = at;
      if (at !== this.hover || this.drag) this.#draw();
      this.hover = at;
      this.#tell();
    });
    canvas.addEventListener("pointerup", () => {
      const { drag } = this;
      this.drag = null;
      if (!drag) return;
      [this.anchor, this.anchorAdds] = [drag.to, drag.adds];
      this.#change(drag.adds, this.#between(drag.from, drag.to));
      this.#tell();
    });
    canvas.addEventListener("pointercancel", () => { this.drag = null; this.#draw(); });
    canvas.addEventListener("pointerleave", () => { this.hover = null; this.#draw(); this.#tell(); });
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    if (!this.page?.n || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      this.drag = null;
      this.#draw();
      return;
    }
    if (event.key !== " " && !MOVES.includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === " ") this.#space(event.shiftKey);
    else this.focus = this.focus === null ? this.grid.seen(this.scroller.scrollTop, 0)[0] : this.grid.step(this.focus, event.key);
    this.hover = null;
    this.#reveal();
    this.#draw();
    this.#tell();
  }

  #space(range) {
    if (this.focus === null) return;
    const adds = !this.store.picks.ids.has(this.page.ids[this.focus]);
    const known = range && this.anchor !== null && this.anchor !== undefined;
    this.#change(known ? this.anchorAdds : adds, known ? this.#between(this.anchor, this.focus) : [this.page.ids[this.focus]]);
    [this.anchor, this.anchorAdds] = [this.focus, known ? this.anchorAdds : adds];
  }

  #reveal() {
    if (this.focus === null) return;
    const [, y] = this.grid.place(this.focus);
    const [, height] = this.size;
    if (y < this.scroller.scrollTop) this.scroller.scrollTop = y - 4;
    else if (y + this.grid.pitch > this.scroller.scrollTop + height) this.scroller.scrollTop = y + this.grid.pitch - height;
  }
}
